package binmisc

import (
	"errors"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// header is the start of a FreeBSD program of that class and e_machine, in the
// little-endian order.
func header(class, machine byte) []byte {
	h := make([]byte, 64)
	copy(h, "\x7fELF")
	h[4], h[5], h[6], h[7] = class, 1, 1, 9
	h[16], h[18], h[20] = 2, machine, 1
	return h
}

// elf is the entry for programs of that class and e_machine of one system, or of
// all with -1.
func elf(class, machine byte, osabi int) activators.Entry {
	e := valid()
	e.Magic = activators.Hex(header(class, machine)[:20])
	e.Mask = activators.Hex("\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff")
	if osabi < 0 {
		e.Magic[7], e.Mask[7] = 0, 0
	} else {
		e.Magic[7] = byte(osabi)
	}
	return e
}

func TestSafe(t *testing.T) {
	natives := []Native{{"amd64", header(2, 62)}, {"i386", header(1, 3)}}
	script, perl := valid(), valid()
	script.Magic, perl.Magic = activators.Hex("#!"), activators.Hex("#!/usr/bin/perl")
	for name, c := range map[string]struct {
		e                activators.Entry
		module, compiled fault.Kind
	}{
		"aarch64":       {elf(2, 183, -1), 0, 0},
		"i386":          {elf(1, 3, -1), fault.Unsupported, fault.Unsafe},
		"i386, FreeBSD": {elf(1, 3, 9), fault.Unsupported, fault.Unsafe},
		"i386, Linux":   {elf(1, 3, 3), fault.Unsupported, fault.Unsafe},
		"i386, SYSV":    {elf(1, 3, 0), fault.Unsupported, fault.Unsafe},
		"x32":           {elf(1, 62, -1), 0, 0},
		"scripts":       {script, fault.Unsafe, fault.Unsafe},
		"perl":          {perl, 0, fault.Unsafe},
		"no ELF":        {valid(), 0, 0},
		"everything":    {activators.Entry{Name: "a", Interpreter: "/a"}, fault.Unsafe, fault.Unsafe},
	} {
		f := newFake()
		table := tableOn(f)
		if err := table.Safe(c.e, natives...); fault.KindOf(err) != c.module {
			t.Errorf("%s, a module: kind %v, %v", name, fault.KindOf(err), err)
		}
		f.unload()
		if err := table.Safe(c.e, natives...); fault.KindOf(err) != c.module {
			t.Errorf("%s, not loaded: kind %v, %v", name, fault.KindOf(err), err)
		}
		f.load()
		f.compiled = true
		if err := table.Safe(c.e, natives...); fault.KindOf(err) != c.compiled {
			t.Errorf("%s, compiled in: kind %v, %v", name, fault.KindOf(err), err)
		}
	}
	f := newFake()
	if err := tableOn(f).Safe(elf(1, 3, -1), natives...); !strings.Contains(err.Error(), "never be used") || !errors.Is(err, activators.ErrUnsupported) {
		t.Error(err)
	}
	f.compiled = true
	if err := tableOn(f).Safe(elf(1, 3, -1), natives...); !strings.Contains(err.Error(), "programs of i386") || !errors.Is(err, activators.ErrInvalid) {
		t.Error(err)
	}
}
