package jail

import (
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
)

func TestNoexec(t *testing.T) {
	if got := noexec("/proc/version"); got != "/proc" && mountedNoexec("/proc") {
		t.Errorf("/proc/version is on %q", got)
	}
	if got := noexec("/bin/sh"); got != "" && !mountedNoexec("/bin") {
		t.Errorf("/bin/sh is on %q", got)
	}
}

// A pattern that wants only how many program headers /bin/sh has, or what comes
// behind its ELF header, takes the machine's programs as much as one that wants
// the ELF magic, though not the program that runs here.
func TestCheckSystemPrograms(t *testing.T) {
	sh, err := activators.ReadHeader("/bin/sh")
	if err != nil {
		t.Fatal(err)
	}
	own, err := activators.OwnHeader()
	if err != nil || !runsLike(sh, own) {
		t.Skipf("/bin/sh is no program of this machine: %v", err)
	}
	host := CheckHost(binfmt.New(t.TempDir()))
	tried := 0
	for at := 20; at < 256; at++ {
		e := activators.Entry{Name: "x", Interpreter: "/x", Enabled: true, Offset: at, Magic: activators.Hex{sh[at]}}
		if sh[at] == 0 || activators.Captures(e, own) || activators.Captures(e, []byte("#!/bin/sh\n")) {
			continue
		}
		tried++
		findings := activators.Check([]activators.Entry{e}, host, nil)
		if len(findings) == 0 || findings[0].Code != activators.CapturesNative || findings[0].Severity != activators.Unsafe || !activators.Captures(e, findings[0].Witness) {
			t.Errorf("offset %d, %x: %+v", at, sh[at], findings)
		}
	}
	if tried == 0 {
		t.Skip("/bin/sh looks like this program")
	}
	wide := activators.Entry{Name: "x", Interpreter: "/x", Enabled: true, Magic: activators.Hex("\x7fELF")}
	native := 0
	for _, f := range activators.Check([]activators.Entry{wide}, host, nil) {
		if f.Code == activators.CapturesNative {
			native++
		}
	}
	if native != 1 {
		t.Errorf("it is told %d times", native)
	}
}
