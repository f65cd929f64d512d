package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/formats"
)

// registered runs a script of the shell where a private binfmt_misc is in the
// place of the machine's, and returns the table afterwards, the entry that is
// tried first at the front, and what the script printed.
func registered(t *testing.T, script string, env ...string) ([]activators.Entry, string) {
	t.Helper()
	const prelude = `
table=/proc/sys/fs/binfmt_misc
mount -t binfmt_misc binfmt_misc $table
`
	// The directory lists the newest entry first: ls -U.
	const epilogue = `
echo
echo "TABLE"
for f in $(ls -U $table); do
	case $f in register|status) continue ;; esac
	echo "==> $table/$f <=="
	cat "$table/$f"
done
`
	cmd := exec.Command("unshare", "--user", "--map-root-user", "--mount", "sh", "-eu", "-c", prelude+script+epilogue)
	cmd.Env = append(append(os.Environ(), "program="+program), env...)
	out, err := cmd.CombinedOutput()
	said, table, ok := strings.Cut(string(out), "\nTABLE\n")
	if err != nil || !ok {
		if strings.Contains(said, "mount: ") || strings.Contains(said, "unshare: ") {
			t.Skipf("no private binfmt_misc here: %s", said)
		}
		t.Fatalf("%v: %s", err, out)
	}
	if strings.TrimSpace(table) == "" {
		return nil, said
	}
	set, err := formats.Read("table", []byte(table))
	if err != nil {
		t.Fatalf("%v: %s", err, table)
	}
	return set.Entries, said
}

// generate runs xjail activator generate.
func generate(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.Command(program, append([]string{"activator", "generate"}, args...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v: %s", args, err, errs.String())
	}
	return string(out)
}

// everything are the arguments for all architectures, with an interpreter that
// is on every machine: the kernel opens it.
var everything = []string{"--all", "--interpreter", "/bin/true"}

func everythingAs(format string, more ...string) []string {
	return append(append(slices.Clone(everything), "--format", format), more...)
}

// generatedTable are the entries of everything as a table has them.
func generatedTable(t *testing.T) []activators.Entry {
	t.Helper()
	var answer struct{ Entries []activators.Entry }
	if err := json.Unmarshal([]byte(generate(t, append(slices.Clone(everything), "--json")...)), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Entries) < 25 {
		t.Fatalf("%d entries", len(answer.Entries))
	}
	return answer.Entries
}

func wantTable(t *testing.T, got, want []activators.Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d entries, want %d", len(got), len(want))
	}
	for i := range want {
		if !got[i].Equal(want[i]) {
			t.Errorf("entry %d:\n%+v, want\n%+v", i, got[i], want[i])
		}
	}
}

func byName(list []activators.Entry) []activators.Entry {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b activators.Entry) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// need skips the test where a program is not installed.
func need(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skip(err)
	}
	return path
}

func save(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(sharedDir(t), name)
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// The kernel takes each line of binfmt.d and has then what was meant.
func TestGeneratedLines(t *testing.T) {
	file := save(t, "x.conf", generate(t, everythingAs("binfmt.d")...))
	got, _ := registered(t, `grep -v '^#' "$file" | while read -r line; do printf '%s' "$line" >$table/register; done`, "file="+file)
	wantTable(t, got, generatedTable(t))
}

// The shell script, under the shells that are here: it registers, finds that all
// is there, leaves what somebody else registered, and says what it cannot do.
func TestGeneratedRegister(t *testing.T) {
	file := save(t, "register.sh", generate(t, everythingAs("register")...))
	want := generatedTable(t)
	for _, shell := range []string{"dash", "bash", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			need(t, shell)
			run := shell
			if shell == "busybox" {
				run = "busybox sh"
			}
			got, said := registered(t, run+` "$file"; echo again; `+run+` "$file"`, "file="+file)
			wantTable(t, got, want)
			first, second, _ := strings.Cut(said, "again\n")
			if strings.Count(first, ": registered\n") != len(want) || strings.Count(second, ": registered already\n") != len(want) {
				t.Errorf("it says %s", said)
			}
			_, said = registered(t, `
echo ':xjail-mips64:M::theirs::/bin/sh:' >$table/register
`+run+` "$file" >/dev/null && exit 1
grep -q '^interpreter /bin/sh' $table/xjail-mips64
umount $table
BINFMT_DIR=/nowhere `+run+` "$file" && exit 1
mount -t binfmt_misc binfmt_misc $table`, "file="+file)
			if !strings.Contains(said, "xjail-mips64: another entry of that name is there") || !strings.Contains(said, "binfmt_misc is not mounted on /nowhere; as root: mount ") {
				t.Errorf("it says %s", said)
			}
		})
	}
	missing := save(t, "missing.sh", generate(t, "mips64", "riscv64", "--interpreter", "/nowhere/qemu-%q", "--format", "register"))
	got, said := registered(t, `sh "$file" || echo failed`, "file="+missing)
	if len(got) > 0 || !strings.Contains(said, "there is no program /nowhere/qemu-mips64") || !strings.Contains(said, "failed") {
		t.Errorf("%v: %s", got, said)
	}
}

// systemd-binfmt registers the file as it was meant.
func TestGeneratedBySystemd(t *testing.T) {
	const tool = "/usr/lib/systemd/systemd-binfmt"
	if _, err := os.Stat(tool); err != nil {
		t.Skip(err)
	}
	file := save(t, "x.conf", generate(t, everythingAs("binfmt.d")...))
	got, said := registered(t, tool+` "$file"`, "file="+file)
	wantTable(t, got, generatedTable(t))
	if said = strings.TrimSpace(said); said != "" {
		t.Errorf("systemd-binfmt says %s", said)
	}
}

// update-binfmts imports the files; it knows no order.
func TestGeneratedByDebian(t *testing.T) {
	tool := need(t, "update-binfmts")
	dir := sharedDir(t)
	generate(t, everythingAs("debian", "--output", dir)...)
	got, said := registered(t, `mkdir "$dir/admin"; for f in $names; do "$tool" --package xjail --importdir "$dir" --admindir "$dir/admin" --import "$f"; done`,
		"names="+strings.Join(names(dir), " "), "dir="+dir, "tool="+tool)
	wantTable(t, byName(got), byName(generatedTable(t)))
	if said = strings.TrimSpace(said); said != "" {
		t.Errorf("update-binfmts says %s", said)
	}
	// And its own files, of the directory where it keeps what it knows.
	var own []activators.Entry
	for _, name := range names(filepath.Join(dir, "admin")) {
		set, err := formats.Read(name, []byte(readFile(filepath.Join(dir, "admin", name))))
		if err != nil {
			t.Fatal(err)
		}
		own = append(own, set.Entries...)
	}
	wantTable(t, byName(own), byName(got))
}

// What the packages of this machine have installed is read as their own tools
// read it.
func TestInstalledFormats(t *testing.T) {
	for _, c := range []struct{ name, files, script string }{
		{"binfmt.d", "/usr/lib/binfmt.d/qemu-*.conf", `/usr/lib/systemd/systemd-binfmt $files`},
		{"binfmts", "/usr/share/binfmts/qemu-*", `mkdir "$dir/admin"; for f in $files; do update-binfmts --package qemu-user-static --admindir "$dir/admin" --import $f; done`},
	} {
		t.Run(c.name, func(t *testing.T) {
			files := glob(c.files)
			if len(files) == 0 {
				t.Skipf("there is no %s", c.files)
			}
			var want []activators.Entry
			for _, file := range files {
				set, err := formats.Read(file, []byte(readFile(file)))
				if err != nil || len(set.Notes) > 0 {
					t.Fatalf("%v, notes %q", err, set.Notes)
				}
				for _, e := range set.Entries {
					if _, err := os.Stat(e.Interpreter); err != nil && e.Flags.FixBinary {
						t.Skipf("the kernel would not open it: %v", err)
					}
				}
				want = append(want, set.Entries...)
			}
			got, said := registered(t, c.script, "files="+strings.Join(files, " "), "dir="+sharedDir(t))
			if strings.Contains(said, "not found") {
				t.Skip(said)
			}
			wantTable(t, byName(got), byName(want))
		})
	}
}

// Nix makes of the module what was meant.
func TestGeneratedByNix(t *testing.T) {
	tool := need(t, "nix-instantiate")
	file := save(t, "x.nix", generate(t, everythingAs("nix")...))
	cmd := exec.Command(tool, "--eval", "--strict", "--json", file)
	cmd.Env = append(os.Environ(), "NIX_STORE_DIR="+sharedDir(t), "NIX_STATE_DIR="+sharedDir(t), "NIX_LOG_DIR="+sharedDir(t))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	type registration struct {
		Interpreter, MagicOrExtension, Mask                       string
		Offset                                                    int
		PreserveArgvZero, FixBinary, OpenBinary, MatchCredentials bool
	}
	var module struct {
		Boot struct {
			Binfmt struct{ Registrations map[string]registration }
		}
	}
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, r := range module.Boot.Binfmt.Registrations {
		flags := activators.Flags{PreserveArgv0: r.PreserveArgvZero, FixBinary: r.FixBinary, OpenBinary: r.OpenBinary, Credentials: r.MatchCredentials}
		lines = append(lines, fmt.Sprintf(":%s:M:%d:%s:%s:%s:%s", name, r.Offset, r.MagicOrExtension, r.Mask, r.Interpreter, flags))
	}
	set, err := formats.Read("lines", []byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	wantTable(t, byName(set.Entries), byName(generatedTable(t)))
}

// Tools that only look at a file.
func TestGeneratedIsTaken(t *testing.T) {
	for _, c := range []struct {
		format string
		tool   []string
	}{
		{"register", []string{"shellcheck"}}, {"binmiscctl", []string{"shellcheck"}}, {"rc.d", []string{"shellcheck"}},
		{"register", []string{"dash", "-n"}}, {"binmiscctl", []string{"dash", "-n"}}, {"rc.d", []string{"dash", "-n"}},
		{"ansible --kernel linux", []string{"ansible-playbook", "--syntax-check"}}, {"ansible --kernel freebsd", []string{"ansible-playbook", "--syntax-check"}},
	} {
		t.Run(c.format+" "+c.tool[0], func(t *testing.T) {
			need(t, c.tool[0])
			words := strings.Fields(c.format)
			file := save(t, "file", generate(t, everythingAs(words[0], words[1:]...)...))
			cmd := exec.Command(c.tool[0], append(slices.Clone(c.tool[1:]), file)...)
			cmd.Env = append(os.Environ(), "HOME="+sharedDir(t)) // ansible keeps files there
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
}
