package binmiscctl

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
)

// What binmiscctl of FreeBSD 15.1 prints, a blank at most line ends.
const lookedUp = `name: armv7
interpreter: /usr/local/bin/qemu-arm-static
flags: ENABLED USE_MASK 
magic size: 20
magic offset: 0
magic: 0x7f 0x45 0x4c 0x46  0x01 0x01 0x01 0x00  0x00 0x00 0x00 0x00 
       0x00 0x00 0x00 0x00  0x02 0x00 0x28 0x00 
mask:  0xff 0xff 0xff 0xff  0xff 0xff 0xff 0x00  0xff 0xff 0xff 0xff 
       0xff 0xff 0xff 0xff  0xfe 0xff 0xff 0xff 

`

func armv7() []string {
	return []string{"add", "armv7", "-i", "/usr/local/bin/qemu-arm-static",
		"-m", `\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00`,
		"-M", `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`, "-s20"}
}

func TestLookup(t *testing.T) {
	for _, kernel := range []memory.Kernel{memory.FreeBSD, memory.Linux} {
		table := memory.New(kernel)
		does(t, table, append(armv7(), "-e")...)
		if status, out, errs := run(table, "lookup", "armv7"); status != 0 || out != lookedUp || errs != "" {
			t.Errorf("%s: status %d, stdout\n%s\nstderr %s", kernel, status, out, errs)
		}
		does(t, table, "add", "last", "-i", "/i", "-m", "AB", "-s2", "-o", "7", "-p")
		last := "name: last\ninterpreter: /i\nflags: USE_MASK PRE_OPEN \nmagic size: 2\nmagic offset: 7\nmagic: 0x41 0x42 \nmask:  0xff 0xff \n\n"
		if status, out, _ := run(table, "list", "ignored"); status != 0 || out != last+lookedUp {
			t.Errorf("%s: status %d, stdout\n%s", kernel, status, out)
		}
	}
}

func TestListEmpty(t *testing.T) { does(t, memory.New(memory.FreeBSD), "list") }

func TestFormat(t *testing.T) {
	e := activators.Entry{Name: "x", Interpreter: "", Args: []string{"a", "b"}, Magic: activators.Hex(strings.Repeat("A", 12))}
	want := "name: x\ninterpreter:  a b\nflags: \nmagic size: 12\nmagic offset: 0\n" +
		"magic: 0x41 0x41 0x41 0x41  0x41 0x41 0x41 0x41  0x41 0x41 0x41 0x41 \n\n"
	if got := Format(e); got != want {
		t.Errorf("Format = %q, want %q", got, want)
	}
	if got := Format(activators.Entry{}); got != "name: \ninterpreter: \nflags: \nmagic size: 0\nmagic offset: 0\nmagic: \n\n" {
		t.Errorf("Format = %q", got)
	}
}

// Linux has entries of which binmiscctl knows nothing.
func TestLinux(t *testing.T) {
	table := memory.New(memory.Linux)
	jar := activators.Entry{Name: "jar", Interpreter: "/usr/bin/jexec", Extension: "jar", Enabled: true}
	if err := table.Add(jar); err != nil {
		t.Fatal(err)
	}
	does(t, table, "add", "a", "-i", "/i", "-m", "A\x80", "-s2", "-p")
	if e, _ := table.Lookup("a"); !e.Flags.FixBinary || e.Flags.PreOpen || e.Enabled {
		t.Errorf("%+v", e)
	}
	status, out, errs := run(table, "list")
	if status != 0 || !strings.HasPrefix(out, "name: a\n") || strings.Contains(out, "jar") || !strings.Contains(errs, "note: 'jar' is for files named *.jar") {
		t.Errorf("status %d, stdout %q, stderr %q", status, out, errs)
	}
	fails(t, table, "Error: 'jar' is for files named *.jar: binmiscctl has no form for it", false, "lookup", "jar")
	does(t, table, "disable", "jar")
	does(t, table, "enable", "jar")
	no := " binfmt_misc of Linux knows neither arguments of an interpreter nor the macros #a and ##"
	fails(t, table, `Error: interpreter "/i x":`+no, false, "add", "b", "-i", "/i x", "-m", "AB", "-s2")
	fails(t, table, `Error: interpreter "/i#a":`+no, false, "add", "b", "-i", "/i#a", "-m", "AB", "-s2")
	fails(t, table, invalidText, true, "add", "b", "-i", "/i", "-m", "AB", "-s2", "-o", "255")
	fails(t, table, invalidText, true, "remove", "status")
	fails(t, table, invalidText, true, "add", "register", "-i", "/i", "-m", "AB", "-s2")
	fails(t, table, invalidText, true, "add", strings.Repeat("n", 256), "-i", "/i", "-m", "AB", "-s2")
	does(t, table, "add", strings.Repeat("n", 32), "-i", "/i", "-m", "AB", "-s2")
	does(t, table, "remove", "jar")
}
