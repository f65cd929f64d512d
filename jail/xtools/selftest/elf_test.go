package selftest

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
)

// section is one of an ELF file that a test makes.
type section struct{ name, text string }

// elfFile makes a relocatable file of a machine with sections (elf(5)).
func elfFile(machine uint16, list ...section) string {
	le := binary.LittleEndian
	names := "\x00.shstrtab\x00"
	list = append(slices.Clone(list), section{".shstrtab", ""})
	for _, s := range list[:len(list)-1] {
		names += s.name + "\x00"
	}
	list[len(list)-1].text = names
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(le.AppendUint16(b, 1), machine)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(le.AppendUint64(le.AppendUint64(b, 0), 0), 64)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 0, 0, 64, uint16(len(list) + 1), uint16(len(list))} {
		b = le.AppendUint16(b, v)
	}
	at := uint64(64 + 64*(len(list)+1))
	b = append(b, make([]byte, 64)...)
	for _, s := range list {
		kind := uint32(1)
		if s.name == ".shstrtab" {
			kind = 3
		}
		b = le.AppendUint32(le.AppendUint32(b, uint32(strings.Index(names, s.name+"\x00"))), kind)
		for _, v := range []uint64{0, 0, at, uint64(len(s.text))} {
			b = le.AppendUint64(b, v)
		}
		b = le.AppendUint64(b, 0)
		b = le.AppendUint64(le.AppendUint64(b, 1), 0)
		at += uint64(len(s.text))
	}
	for _, s := range list {
		b = append(b, s.text...)
	}
	return string(b)
}

const (
	amd64   = 62
	aarch64 = 183
	mine    = "GCC: (Debian 12.2.0-14) 12.2.0"
	own     = "GCC: (Debian 12.2.0-14+deb12u1) 12.2.0"
)

func TestDifferingSections(t *testing.T) {
	code := section{".text", "abcd"}
	base := elfFile(aarch64, code, section{".comment", own})
	tests := []struct {
		name  string
		other string
		want  string // names of the sections, those that only name the package in ()
	}{
		{"code", elfFile(aarch64, section{".text", "abcx"}, section{".comment", own}), ".text"},
		{"longer code", elfFile(aarch64, section{".text", "abcdx"}, section{".comment", own}), ".text"},
		{"package of the compiler", elfFile(aarch64, code, section{".comment", mine}), "(.comment)"},
		{"start files of another package", elfFile(aarch64, code, section{".comment", mine + "\x00" + own + "\x00"}), "(.comment)"},
		{"a compiler more", elfFile(aarch64, code, section{".comment", own + "\x00clang version 14\x00"}), ".comment"},
		{"another compiler", elfFile(aarch64, code, section{".comment", "clang version 14"}), ".comment"},
		{"another version", elfFile(aarch64, code, section{".comment", "GCC: (Debian 12.2.0-14) 12.3.0"}), ".comment"},
		{"one section more", elfFile(aarch64, code, section{".comment", own}, section{".debug_str", "x"}), ".debug_str (only native)"},
		{"one section less", elfFile(aarch64, section{".comment", own}), ".text (only emulated)"},
		{"machine", elfFile(amd64, code, section{".comment", own}), "header"},
		{"after the end", base + "x", "layout"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			list, err := differingSections([]byte(tt.other), []byte(base))
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, d := range list {
				if d.names {
					d.name = "(" + d.name + ")"
				}
				if d.name != ".shstrtab" {
					names = append(names, d.name)
				}
			}
			if got := strings.Join(names, " "); got != tt.want {
				t.Errorf("differingSections = %q, want %q", got, tt.want)
			}
		})
	}
	if _, err := differingSections([]byte("!<arch>\n"), []byte(base)); err == nil {
		t.Error("an archive is taken for an ELF file")
	}
}

// A build-id is of the whole output: it says nothing beside .comment, and by
// itself it is a difference.
func TestBuildID(t *testing.T) {
	list := []difference{{name: idSection}, {name: ".comment", ours: mine, theirs: own}}
	if markNames(list); !list[0].names || !list[1].names {
		t.Errorf("%+v", list)
	}
	list = []difference{{name: idSection}}
	if markNames(list); list[0].names {
		t.Error("a build-id that differs by itself is passed over")
	}
}

func FuzzDifferingSections(f *testing.F) {
	f.Add([]byte(elfFile(aarch64, section{".text", "a"})), []byte(elfFile(aarch64)))
	f.Add([]byte(elfFile(amd64)), []byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		list, err := differingSections(a, b)
		if err == nil && len(list) == 0 {
			t.Error("files are compared when they differ: there is always a difference to name")
		}
		hasDynamic(strings.NewReader(string(a)))
	})
}
