package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// apply runs an applet in the test's process, as the shell does.
func apply(t testing.TB, dir, stdin, name string, args ...string) result {
	t.Helper()
	a, ok := lookup(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	var out, errs bytes.Buffer
	p := &proc{ctx: t.Context(), name: name, argv0: name, args: args, dir: dir, stdin: strings.NewReader(stdin), stdout: &out, stderr: &errs,
		env: []string{"TZ=UTC", "HOME=/h"}}
	return result{status: p.start(a), stdout: out.String(), stderr: errs.String()}
}

// TestApplets are cases that Bash and coreutils are no reference for, and those
// that must hold where they are missing.
func TestApplets(t *testing.T) {
	for _, tt := range []struct {
		argv   string // split at blanks; ~ is a blank
		stdin  string
		status int
		stdout string
		stderr string // a part of it
	}{
		{"echo -n a", "", 0, "a", ""},
		{"echo --help", "", 0, "--help\n", ""},
		{"test a = b", "", 1, "", ""},
		{"[ a", "", 2, "", "missing ]"},
		{"grep x", "y\n", 1, "", ""},
		{"grep -P (", "y\n", 2, "", "missing closing )"},
		{`grep \(a\)\1`, "aa\n", 2, "", "back-references"},
		{"head -n1", "a\nb\n", 0, "a\n", ""},
		{"head -1", "a\nb\n", 0, "a\n", ""},
		{"tail -c2", "abc\n", 0, "c\n", ""},
		{"cat nope", "", 1, "", "cat: nope: No such file or directory\n"},
		{"ls nope", "", 2, "", "ls: cannot access nope: No such file or directory\n"},
		{"rm -rf /", "", 1, "", "dangerous"},
		{"rm --no-such", "", 1, "", "usage: rm "},
		{"head -n", "", 1, "", "option -n needs a value"},
		{"rm --force=1 x", "", 1, "", "takes no value"},
		{"sed --quiet", "", 1, "", "missing script"},
		{"sed s/a/b/;s/", "", 1, "", "char 9: unterminated"},
		{"sed 1,2q", "", 1, "", "only uses one address"},
		{"chmod 99 x", "", 1, "", "invalid mode"},
		{"date -u -d @0 +%c", "", 0, "Thu Jan  1 00:00:00 1970\n", ""},
		{"date -s now", "", 1, "", "host's"},
		{"hostname new", "", 1, "", "from outside"},
		{"seq 1 3", "", 0, "1\n2\n3\n", ""},
		{"expr 1 / 0", "", 2, "", "division by zero"},
		{"tar -xJf -", "\xfd7zXZ\x00", 2, "", "only gzip"},
		{"hexdump -C", "AB\x00", 0, "00000000  41 42 00                                          |AB.|\n00000003\n", ""},
		{"hexdump", "AAAA", 0, "0000000 4141 4141                              \n0000004\n", ""},
		{"stty size", "", 1, "", "Inappropriate ioctl"},
		{"find . -frob", "", 1, "", "unknown predicate"},
		{"du --nope", "", 1, "", "unknown option --nope"},
		{"kill -NOPE 1", "", 1, "", "unknown signal"},
		{"kill 0x", "", 1, "", "not a process id"},
		{"sort -k0", "", 2, "", "invalid key"},
		{"cut -f 3-1", "", 1, "", "invalid list"},
		{"umask 9", "", 1, "", "invalid mask"},
		{"ps -o nope", "", 1, "", "unknown column"},
		{"gzip -d", "this is not of gzip", 1, "", "not in gzip format"},
		{"xargs", "'a", 1, "", "unmatched quote"},
		{"mktemp x", "", 1, "", "too few X"},
		{"printf %z", "", 1, "", "missing conversion"},
		{"touch -t 1 x", "", 1, "", "invalid time"},
		{"df --help", "", 0, "usage: df [-h] [-k] [FILE]...\n", ""},
	} {
		t.Run(tt.argv, func(t *testing.T) {
			argv := strings.Fields(tt.argv)
			for i := range argv {
				argv[i] = strings.ReplaceAll(argv[i], "~", " ")
			}
			got := apply(t, t.TempDir(), tt.stdin, argv[0], argv[1:]...)
			if got.status != tt.status || got.stdout != tt.stdout || !strings.Contains(got.stderr, tt.stderr) || tt.stderr == "" && got.stderr != "" {
				t.Errorf("%+v, expected %d %q %q", got, tt.status, tt.stdout, tt.stderr)
			}
		})
	}
}

// TestTarStaysInside: an archive cannot write outside of where it is extracted.
func TestTarStaysInside(t *testing.T) {
	work := t.TempDir()
	dir := filepath.Join(work, "dir")
	for _, d := range []string{dir, filepath.Join(work, "outside")} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("../outside", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(work, "f"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../dir/../f", "./link/../f"} {
		archive := filepath.Join(work, "t.tar")
		if got := apply(t, dir, "", "tar", "-cf", archive, name); got.status != 0 {
			t.Fatalf("%+v", got)
		}
		if got := apply(t, dir, "", "tar", "-xf", archive); got.status != 2 || !strings.Contains(got.stderr, "'..'") {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// A link in the directory leads out of it; the archive has a file below it.
	inner := filepath.Join(work, "inner", "link")
	if err := os.MkdirAll(inner, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(inner, "f"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(work, "t.tar")
	if got := apply(t, filepath.Dir(inner), "", "tar", "-cf", archive, "link/f"); got.status != 0 {
		t.Fatalf("%+v", got)
	}
	if got := apply(t, dir, "", "tar", "-xf", archive); got.status != 2 {
		t.Errorf("%+v", got)
	}
	if left, err := os.ReadDir(filepath.Join(work, "outside")); err != nil || len(left) > 0 {
		t.Errorf("written outside: %v, %v", left, err)
	}
}

func TestChangeMode(t *testing.T) {
	for _, tt := range []struct {
		spec, mask, old, want string
		dir                   bool
	}{
		{"644", "022", "0", "644", false}, {"7777", "022", "0", "7777", false}, {"u+x", "022", "644", "744", false},
		{"+w", "022", "444", "644", false}, {"a+w", "022", "444", "666", false}, {"go-r", "0", "644", "600", false},
		{"u=rwx,go=u-w", "0", "0", "755", false}, {"g=u", "0", "640", "660", false}, {"+X", "0", "644", "644", false},
		{"+X", "0", "644", "755", true}, {"u+s", "0", "755", "4755", false}, {"+t", "0", "755", "1755", true},
		{"=", "0", "4755", "0", false}, {"u=", "0", "755", "55", false}, {"u+r-w", "0", "200", "400", false},
		{"", "0", "0", "", false}, {"q+r", "0", "0", "", false}, {"u+q", "0", "0", "", false}, {"88", "0", "0", "", false},
	} {
		old, _ := changeMode(tt.old, 0, 0)
		mask, _ := changeMode(tt.mask, 0, 0)
		if tt.dir {
			old |= os.ModeDir
		}
		got, err := changeMode(tt.spec, old, mask)
		want, _ := changeMode(tt.want, 0, 0)
		if (err != nil) != (tt.want == "") || err == nil && unixBits(got) != unixBits(want) {
			t.Errorf("%s of %s: %o, %v; expected %s", tt.spec, tt.old, unixBits(got), err, tt.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	now := time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC)
	for text, want := range map[string]string{
		"@86400": "1970-01-02T00:00:00Z", "2001-02-03": "2001-02-03T00:00:00Z", "2001-02-03 04:05": "2001-02-03T04:05:00Z",
		"2001-02-03T04:05:06Z": "2001-02-03T04:05:06Z", "12:30": "2024-05-06T12:30:00Z", "now": "2024-05-06T07:08:09Z",
		"yesterday": "2024-05-05T07:08:09Z", "": "2024-05-06T00:00:00Z", "some day": "",
	} {
		got, err := parseTime(text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; expected %s", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"01020304": "2024-01-02T03:04:00Z", "7001020304": "1970-01-02T03:04:00Z", "200001020304.05": "2000-01-02T03:04:05Z", "1": "", "99999999": "",
	} {
		got, err := parseStamp(text, now)
		if (err != nil) != (want == "") || err == nil && got.Format(time.RFC3339) != want {
			t.Errorf("stamp %q: %v, %v; expected %s", text, got, err, want)
		}
	}
}

func TestParseStat(t *testing.T) {
	// proc(5): the name holds what it likes.
	x, ok := parseStat("7 (a) b (c) S 1 7 6 34816 7 4194304 0 0 0 0 12 3 0 0 20 0 4 0 100 8192 2 0\n")
	if !ok || x.name != "a) b (c" || x.state != "S" || x.ppid != 1 || x.sid != 6 || x.ticks != 15 || x.threads != 4 || ttyName(x.tty) != "pts/0" {
		t.Errorf("%+v", x)
	}
	for _, text := range []string{"", "7 (a", "7 (a) S 1"} {
		if _, ok := parseStat(text); ok {
			t.Errorf("%q was taken", text)
		}
	}
}
