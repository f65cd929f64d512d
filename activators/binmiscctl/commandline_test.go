package binmiscctl

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
)

func TestCommandLine(t *testing.T) {
	e := activators.Entry{Name: "mips64", Interpreter: "/usr/local/bin/qemu-mips64-static", Magic: activators.Hex("\x7fELF"), Enabled: true}
	want := `binmiscctl add mips64 --interpreter /usr/local/bin/qemu-mips64-static --magic '\x7f\x45\x4c\x46' --mask '\xff\xff\xff\xff' --size 4 --set-enabled`
	if got := CommandLine(e); got != want {
		t.Errorf("CommandLine = %s\nwant          %s", got, want)
	}
	e.Args, e.Offset, e.Flags.PreOpen, e.Enabled = []string{"-cpu", "e500v2"}, 3, true, false
	want = `binmiscctl add mips64 --interpreter '/usr/local/bin/qemu-mips64-static -cpu e500v2' --magic '\x7f\x45\x4c\x46' --mask '\xff\xff\xff\xff' --size 4 --offset 3 --pre-open`
	if got := CommandLine(e); got != want {
		t.Errorf("CommandLine = %s\nwant          %s", got, want)
	}
}

// A shell hands the words on as they are.
func TestCommandLineInShell(t *testing.T) {
	e := activators.Entry{Name: "it's $HOME", Interpreter: "/a`b", Args: []string{`"\c`}, Magic: activators.Hex("\x00'")}
	out, err := exec.Command("sh", "-c", "binmiscctl() { printf '%s\\n' \"$@\"; }; "+CommandLine(e)).Output()
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"add", e.Name, "--interpreter", "/a`b \"\\c", "--magic", `\x00\x27`, "--mask", `\xff\xff`, "--size", "2", ""}
	if string(out) != strings.Join(want, "\n") {
		t.Errorf("the shell saw %q, want %q", out, want)
	}
}
