package binmisc

import (
	"encoding/binary"
	"errors"
	"syscall"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
)

// The two models of FreeBSD's kernel, of bytes and of entries, say the same
// about any entry that a record can say, and about which files it takes.
func FuzzModels(f *testing.F) {
	f.Add("a", "/a b #a", uint32(0), []byte("xjt1"), []byte("\xff\xff\xff\xff"), byte(3), []byte("xjt1"))
	f.Add("a", " /a\t b ", uint32(0xfffffff0), make([]byte, 20), []byte{}, byte(0), []byte("x"))
	f.Add("n\x80", "/a ###", uint32(4077), make([]byte, 20), []byte{}, byte(7), []byte{})
	f.Add("a", "/a", uint32(1), []byte("\x80"), []byte{}, byte(1), []byte("x\x80"))
	f.Fuzz(func(t *testing.T, name, interpreter string, offset uint32, magic, mask []byte, flags byte, file []byte) {
		if offset > 0xffff {
			flags &^= 1 // a wrapped offset makes a kernel panic
		}
		e := activators.Entry{Name: name, Interpreter: interpreter, Offset: int(offset), Magic: magic, Enabled: flags&1 != 0, Flags: activators.Flags{PreOpen: flags&4 != 0}}
		if flags&2 != 0 {
			e.Mask = mask
		}
		r, err := NewRecord(e)
		if err != nil {
			return
		}
		kernel, model := newFake(), memory.New(memory.FreeBSD)
		_, kerr := kernel.node("add", nil, r.Bytes(binary.NativeEndian))
		merr := model.Add(e)
		var errno syscall.Errno
		if (kerr == nil) != (merr == nil) || errors.As(kerr, &errno) && !errors.Is(merr, errno) {
			t.Fatalf("%+v: bytes %v, entries %v", e, kerr, merr)
		}
		if kerr != nil {
			return
		}
		list, err := tableOn(kernel).List()
		want, werr := model.List()
		if err != nil || werr != nil || len(list) != 1 || len(want) != 1 || !list[0].Equal(want[0]) {
			t.Errorf("%+v, %v, and %+v, %v", list, err, want, werr)
		}
		got, ok := model.Match(file)
		if taker := kernel.match(t, string(file)); ok != (taker != "") && name != "" || got.Name != taker {
			t.Errorf("%+v and %q: bytes %q, entries %q", e, file, taker, got.Name)
		}
	})
}
