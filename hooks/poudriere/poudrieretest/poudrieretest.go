// Package poudrieretest runs functions of poudriere itself, taken by name out of
// a checkout that the environment names, in the shells that a machine has.
// Nothing of poudriere is in this repository: without a checkout the tests that
// want one are skipped.
package poudrieretest

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// Variable names the checkout: a directory that has src/share/poudriere.
const Variable = "XJAIL_POUDRIERE_SRC"

// Source is the shell code of a checkout.
type Source struct {
	dir   string
	files []string
}

// Checkout is the checkout that the environment names; without one the test is
// skipped.
func Checkout(t testing.TB) *Source {
	t.Helper()
	dir := os.Getenv(Variable)
	if dir == "" {
		t.Skip(Variable + " names no checkout of poudriere")
	}
	share := filepath.Join(dir, "src", "share", "poudriere")
	s := &Source{dir: share, files: []string{filepath.Join(share, "common.sh")}}
	more, err := filepath.Glob(filepath.Join(share, "include", "*.sh"))
	if err != nil {
		t.Fatal(err)
	}
	rest, _ := filepath.Glob(filepath.Join(share, "*.sh"))
	for _, file := range slices.Concat(more, rest) {
		if !slices.Contains(s.files, file) {
			s.files = append(s.files, file)
		}
	}
	if _, err := os.Stat(s.files[0]); err != nil {
		t.Fatalf("%s: %v", Variable, err)
	}
	return s
}

// File is a file below src/share/poudriere of the checkout.
func (s *Source) File(name string) string { return filepath.Join(s.dir, name) }

// Functions is the text of the functions of these names, as it stands in the
// checkout.
func (s *Source) Functions(t testing.TB, names ...string) string {
	t.Helper()
	var b strings.Builder
	for _, name := range names {
		text := s.function(t, name)
		if text == "" {
			t.Fatalf("poudriere has no function %s", name)
		}
		b.WriteString(text)
	}
	return b.String()
}

func (s *Source) function(t testing.TB, name string) string {
	t.Helper()
	begin := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `\(\) ?\{`)
	for _, file := range s.files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := begin.FindIndex(text)
		if at == nil {
			continue
		}
		rest := string(text[at[0]:])
		line, _, _ := strings.Cut(rest, "\n")
		if strings.HasSuffix(strings.TrimSpace(line), "}") {
			return line + "\n"
		}
		if end := strings.Index(rest, "\n}\n"); end >= 0 {
			return rest[:end+3]
		}
	}
	return ""
}

// Shells are the shells of this machine that run what sh does.
func Shells(t testing.TB) [][]string {
	t.Helper()
	var found [][]string
	for _, argv := range [][]string{{"dash"}, {"bash", "--posix"}, {"busybox", "sh"}} {
		if path, err := exec.LookPath(argv[0]); err == nil {
			found = append(found, append([]string{path}, argv[1:]...))
		}
	}
	if len(found) == 0 {
		found = append(found, []string{"/bin/sh"})
	}
	return found
}

// Name is a shell's, for the name of a test.
func Name(shell []string) string { return filepath.Base(shell[0]) }

// Stubs stand for what poudriere takes from the shell that it brings along, from
// FreeBSD's tools where others have their place, and for its messages. A test
// says what the machine is by SUPPORTED_ARCHS, HOST_M and HOST_P.
const Stubs = `
EX_USAGE=64 EX_NOINPUT=66 EX_SOFTWARE=70
err() { err_status=$1; shift; echo "Error: $*" >&2; exit "$err_status"; }
eargs() { err 64 "wrong arguments: $*"; }
msg() { echo "====>> $*"; }
msg_n() { printf '====>> %s' "$*"; }
msg_warn() { echo "Warning: $*" >&2; }
msg_debug() { :; }
msg_error() { echo "Error: $*" >&2; }
job_msg_dev() { :; }
setvar() { eval "$1=\$2"; }
write_atomic_cmp() {
	wac_file=$1; shift
	if [ $# -gt 0 ]; then echo "$@" >"$wac_file"; else command cat >"$wac_file"; fi
}
read_file() {
	if [ ! -r "$2" ]; then unset "$1"; return 66; fi
	rf_text=$(command cat "$2") && eval "$1=\$rf_text"
}
sysctl() {
	case "$*" in
	*kern.supported_archs*) [ -n "$SUPPORTED_ARCHS" ] && echo "$SUPPORTED_ARCHS" ;;
	*) return 1 ;;
	esac
}
uname() {
	case "$1" in
	-m) echo "${UNAME_m:-$HOST_M}" ;;
	-p) echo "${UNAME_p:-$HOST_P}" ;;
	-r) echo "${UNAME_r:-15.1-RELEASE}" ;;
	*) echo FreeBSD ;;
	esac
}
sed() {
	if [ "$1" = -i ]; then shift 2; command sed -i "$@"; else command sed "$@"; fi
}
ln() {
	case "$1" in
	-*) command ln "$@" ;;
	*) command ln -L "$@" ;;
	esac
}
cap_mkdb() { [ -f "$1" ] && : >"$1.db"; }
clock() { date +%s; }
`

// Result is how a script ended.
type Result struct {
	Stdout, Stderr string
	Status         int
}

// patience is how long a script may take.
const patience = 2 * time.Minute

// Run runs a script in a shell, in an empty environment but for PATH and what env
// says, with nothing on its standard input. The working directory is /tmp, as
// poudriere's is.
func Run(t testing.TB, shell []string, script string, env ...string) Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, shell[0], append(slices.Clone(shell[1:]), "-c", script)...)
	cmd.Dir = "/tmp"
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH")}, env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return Result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}
