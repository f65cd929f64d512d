package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestShell has the scripts that Bash is no reference for.
func TestShell(t *testing.T) {
	bin := binDir(t)
	own := t.TempDir()
	if err := os.WriteFile(filepath.Join(own, "ls"), []byte("#!"+bin+"/sh\necho the real ls\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, script, want string }{
		{"commands run in the process", `read pid rest < /proc/self/stat; cut -d' ' -f1 /proc/self/stat | grep -cx $$`, "1\n"},
		{"but the shell is another one", `[ "$(sh -c 'echo $$')" != $$ ] && echo other`, "other\n"},
		{"a file before them in PATH is what runs", "PATH=" + own + ":$PATH; ls; " + own + "/ls", "the real ls\nthe real ls\n"},
		{"a copy that is no link is a process", `cp -L $(which cut) ./cut; ./cut -d' ' -f1 /proc/self/stat | grep -cx $$ || :`, "0\n"},
		{"nothing of the script is read ahead", `printf 'read x\nhello\necho "got $x"\ncat\nrest\n' | sh`, "got hello\nrest\n"},
		{"nor of a file", `printf 'head -n1\nl1\necho l2\n' > in; sh < in`, "l1\nl2\n"},
		{"what is before a syntax error runs", "printf 'echo a\\nif\\n' > s; sh s 2>/dev/null; echo $?", "a\n2\n"},
		{"the name of a script from the input", `echo 'echo $0 ${0##*/}' | sh`, "sh sh\n"},
		{"a command that is interrupted", `sh -c 'sleep 10 & wait' & sleep 0; echo on`, "on\n"},
		{"an applet's failure does not end the shell", `chmod 999 x 2>/dev/null; expr 1 / 0 2>/dev/null; sed k 2>/dev/null; echo on`, "on\n"},
		{"the environment of a command is its own", `X=1 printenv X; printenv X; echo $?`, "1\n1\n"},
		{"the directory too", `mkdir d; (cd d; touch f); ls d; env -C d pwd -P | grep -c '/d$'`, "f\n1\n"},
		{"find runs them in the process", `touch f; find . -name f -exec cut -d' ' -f1 /proc/self/stat \; | grep -cx $$`, "1\n"},
		{"trap sees a signal between commands", `trap 'echo caught' USR1; kill -USR1 $$; i=0; while [ $i -lt 50 ]; do sleep 0.01; i=$((i+1)); done; echo end`, "caught\nend\n"},
		{"a trap runs before the next command", `trap 'echo caught' USR1; kill -USR1 $$; echo end`, "caught\nend\n"},
		{"a signal to the shell itself ends it there", `sh -c 'kill -TERM $$'; echo $?; sh -c 'kill -TERM $$; echo on'; echo $?`, "143\n143\n"},
		{"a trap that exits", `sh -c 'trap "exit 5" TERM; kill -TERM $$; while :; do sleep 0.01; done'; echo $?`, "5\n"},
		{"traps are listed", `trap 'echo a b' TERM; trap`, "trap -- 'echo a b' TERM\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := os.Stat("/proc/self/stat"); err != nil && strings.Contains(tt.script, "/proc/self/stat") {
				t.Skip(err)
			}
			got := runScript(t, bin+"/sh", bin, tt.script, "")
			if got.stdout != tt.want || got.status != 0 {
				t.Errorf("%s\n%+v, expected %q", tt.script, got, tt.want)
			}
		})
	}
}

func TestShellUsage(t *testing.T) {
	bin := binDir(t)
	for _, tt := range []struct {
		script string
		status int
		text   string
	}{
		{"sh -c", 2, "-c needs a command"},
		{"sh -Z", 2, "unknown option -Z"},
		{"sh --nope", 2, "unknown option --nope"},
		{"sh -o", 2, "-o needs"},
		{"sh -o nope -c :", 2, "nope"},
		{"sh no-such-script", 127, "No such file"},
		{"sh /", 126, ""},
	} {
		got := runScript(t, bin+"/sh", bin, tt.script, "")
		if got.status != tt.status || !strings.Contains(got.stderr, tt.text) {
			t.Errorf("%s: %+v", tt.script, got)
		}
	}
}
