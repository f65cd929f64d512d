package jail

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// List has the lock for a moment to see whether a jail is in use; who wants to
// use it then waits that long.
func TestLockOutlastsALook(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	l, err := s.lock("j", unix.LOCK_EX)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.lock("j", unix.LOCK_SH); fault.KindOf(err) != fault.Locked {
		t.Errorf("in use: %v", err)
	}
	l.release()
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				s.inUse("j")
			}
		}
	}()
	for range 50 {
		used, err := s.lock("j", unix.LOCK_SH)
		if err != nil {
			t.Error(err)
			break
		}
		used.release()
	}
	close(stop)
	<-stopped
}

// Others may read the record of root's activators, and nothing in the jails.
func TestMakeDirs(t *testing.T) {
	s := Store{Dir: t.TempDir() + "/state"}
	if err := s.makeDirs(true); err != nil {
		t.Fatal(err)
	}
	for dir, want := range map[string]os.FileMode{s.Dir: 0o755, s.jails(): 0o700} {
		if st, err := os.Stat(dir); err != nil || st.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %o", dir, st.Mode(), err, want)
		}
	}
}
