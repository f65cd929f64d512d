package cli

import (
	"bytes"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
)

// unloaded is a table whose kernel module is not loaded.
type unloaded struct{ activators.Machine }

var errUnloaded = activators.Fail(activators.ErrUnsupported, "list", errors.New("not loaded"), "kldload it")

func (unloaded) List() ([]activators.Entry, error) { return nil, errUnloaded }
func (unloaded) Load() error                       { return errors.New("loaded by --dry-run") }

// What register would do can be told without the module: an empty table is what
// it starts with. Nothing else can be done to a table that is not there.
func TestOpenTableThatIsNotLoaded(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	for _, c := range []struct {
		o  activatorOptions
		ok bool
	}{{activatorOptions{dryRun: true, loads: true}, true}, {activatorOptions{dryRun: true}, false}, {activatorOptions{loads: true}, false}} {
		var errs bytes.Buffer
		g := &globals{Env: &Env{Stderr: &errs, Getenv: func(string) string { return "" }}, state: state}
		l, list, err := g.openTable(unloaded{}, &c.o)
		if (err == nil) != c.ok || !c.ok && !errors.Is(err, activators.ErrUnsupported) {
			t.Errorf("%+v: %v", c.o, err)
		}
		if c.ok && (len(list) > 0 || !strings.Contains(errs.String(), "not loaded")) {
			t.Errorf("%+v: %v, %s", c.o, list, errs.String())
		}
		l.Close()
	}
}
