package activators

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	hold := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	first, second := hold(), hold()
	defer second.Close()
	if err := flock(first, 0); err != nil {
		t.Fatal(err)
	}
	if err := flock(second, 0); fault.KindOf(err) != fault.Locked {
		t.Error(err)
	}
	first.Close()
	if err := flock(second, 0); err != nil {
		t.Error(err)
	}
}
