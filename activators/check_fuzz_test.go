package activators_test

import (
	"testing"

	"github.com/xjail/xjail/activators"
)

// entriesOf makes a set of what a fuzzer has: any bytes are one.
func entriesOf(data []byte) []activators.Entry {
	next := func(n int) []byte {
		n = max(0, min(n, len(data)))
		head := data[:n]
		data = data[n:]
		return head
	}
	number := func() int {
		if b := next(1); len(b) == 1 {
			return int(b[0])
		}
		return 0
	}
	var list []activators.Entry
	for len(data) > 0 && len(list) < 20 {
		kind := number()
		e := activators.Entry{Name: string(next(number() % 8)), Interpreter: "/" + string(next(number()%4)), Enabled: kind&1 == 0}
		e.Offset = number() - 2
		if kind&0x10 != 0 {
			e.Offset *= 300
		}
		e.Magic = next(number() % 64)
		if kind&2 == 0 {
			e.Mask = next(len(e.Magic) + kind>>6 - 1)
		}
		if kind&4 != 0 {
			e.Extension = string(next(3))
		}
		e.Flags = activators.Flags{PreserveArgv0: kind&8 != 0, FixBinary: kind&16 != 0, PreOpen: kind&32 != 0}
		list = append(list, e)
	}
	return list
}

// Check takes whatever a table could hold, and its witnesses are matched.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("\x00\x01a\x01i\x02\x04\x7fELF\xff\xff\xff\xff"))
	f.Add([]byte("\x02\x01a\x01i\x02\x02#!\x04\x01b\x01j\x02\x00foo"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries := entriesOf(data)
		elf := make([]byte, 64)
		copy(elf, "\x7fELF\x02\x01\x01")
		for _, system := range []string{"linux", "freebsd"} {
			host := activators.Host{OS: system, AsksFirst: len(data)%2 == 0,
				Natives: []activators.Program{{Arch: "native", Header: elf}},
				Archs:   []activators.Architecture{{Name: "a", Names: []string{"a"}, Programs: []activators.Sample{{Header: elf, Usual: true}}}, {Name: "b"}}}
			known := map[string]activators.Interpreter{"/i": {Header: elf, Targets: []string{"a"}}, "/j": {Missing: true}, "/": {Header: []byte("#!")}}
			for _, found := range activators.Check(entries, host, known) {
				if found.Message == "" || found.Severity == "" {
					t.Errorf("%+v", found)
				}
			}
		}
	})
}
