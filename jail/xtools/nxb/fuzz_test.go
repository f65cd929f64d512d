package nxb

import (
	"bytes"
	"errors"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// Whatever a file is, it is refused or its edits change the named strings alone:
// same length, nothing outside of them, and every one in its place.
func FuzzRelocate(f *testing.F) {
	lib := sharedLibrary("x", "libc.so.7")
	lib.filters = map[int64]string{dtAuxiliary: "libsys.so.7"}
	for _, e := range []linked64{program("sed", "libc.so.7", "libm.so.5"), static("cc"), lib, rtld(strings15), rtld(strings13), rtld(strings12), foreign(8, true)} {
		f.Add(e.bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		image, err := readImage(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			known(t, err)
			return
		}
		_, err = image.needs()
		known(t, err)
		_, edits, err := image.runnable()
		known(t, err)
		if err == nil {
			checkEdits(t, b, edits, 1)
		}
		l, err := readLinker(image)
		known(t, err)
		if err == nil {
			checkEdits(t, b, l.edits, 4)
		}
	})
}

// known fails for errors that say nothing of their kind.
func known(t *testing.T, err error) {
	t.Helper()
	var r *refusal
	if err != nil && !errors.As(err, &r) && fault.KindOf(err) == fault.Failed {
		t.Errorf("an error without a kind: %v", err)
	}
}

func checkEdits(t *testing.T, b []byte, edits []Edit, least int) {
	t.Helper()
	if len(edits) != 0 && len(edits) < least {
		t.Errorf("%d edits, at least %d", len(edits), least)
	}
	if err := order(edits); err != nil {
		t.Error(err)
	}
	after := apply(t, b, edits)
	if err := compare(bytes.NewReader(b), bytes.NewReader(after), int64(len(b)), edits); err != nil {
		t.Error(err)
	}
}

// The scan for triples takes anything.
func FuzzTriples(f *testing.F) {
	f.Add([]byte("\x00aarch64-unknown-freebsd15.1\x00"))
	f.Add([]byte("-freebsd"))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := triples(bytes.NewReader(b))
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range all {
			if !bytes.Contains(b, []byte("\x00"+text+"\x00")) {
				t.Errorf("%q is not a string of the file", text)
			}
		}
	})
}
