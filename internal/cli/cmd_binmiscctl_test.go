package cli

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
)

// The example of the help text can be pasted into a shell: it registers the
// entry of the announcement.
func TestBinmiscctlExample(t *testing.T) {
	_, example, ok := strings.Cut(binmiscctlLong, "written twice.\n\n")
	example, _, _ = strings.Cut(example, "\n\n")
	if !ok {
		t.Fatal("the help text has no example")
	}
	out, err := exec.Command("sh", "-c", "xjail() { shift; printf '%s\\0' \"$@\"; }\n"+example).Output()
	if err != nil {
		t.Fatal(err)
	}
	table := memory.New(memory.FreeBSD)
	var errs bytes.Buffer
	args := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	if status := binmiscctl.Run(table, args, &errs, &errs, binmiscctl.Options{}); status != 0 {
		t.Fatalf("%q: %s", args, errs.String())
	}
	a, err := arch.Lookup("mips64")
	if err != nil {
		t.Fatal(err)
	}
	p := a.Pattern(arch.Binmisc)
	want := activators.Entry{Name: "mips64elf", Interpreter: "/usr/local/bin/qemu-mips64", Magic: p.Magic, Mask: p.Mask, Enabled: true}
	if got, err := table.Lookup("mips64elf"); err != nil || !got.Equal(want) {
		t.Errorf("%v: %+v, want %+v", err, got, want)
	}
}

func TestIsBinmiscctl(t *testing.T) {
	for name, want := range map[string]bool{"binmiscctl": true, "/usr/sbin/binmiscctl": true, "./binmiscctl": true, "xjail": false, "binmiscctl/xjail": false, "": false} {
		if isBinmiscctl(name) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}
