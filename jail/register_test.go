package jail

import (
	"errors"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/internal/fault"
)

// moduleTable is a table in a kernel module that may not be there.
type moduleTable struct {
	*memory.Table
	missing error
	loads   int
}

func (t *moduleTable) Instance() (string, error) { return "test", nil }

func (t *moduleTable) Load() error {
	t.loads++
	return t.missing
}

// What registering would be refused for is said before a root is fetched.
func TestMayRegister(t *testing.T) {
	missing := activators.Fail(activators.ErrUnsupported, "load", errors.New("no module"), "build one")
	planned := []PlannedActivator{{Entry: activators.Entry{Name: "aarch64"}}}
	for name, c := range map[string]struct {
		plan    Plan
		jailed  bool
		missing error
		loads   int
		want    fault.Kind
	}{
		"loaded":             {Plan{Global: true, registers: true, Activators: planned}, false, nil, 1, 0},
		"no module":          {Plan{Global: true, registers: true, Activators: planned}, false, missing, 1, fault.Unsupported},
		"in a jail":          {Plan{Global: true, registers: true, Activators: planned}, true, nil, 0, fault.Permission},
		"an entry is there":  {Plan{Global: true, Activators: planned}, true, missing, 0, 0},
		"of the own kernel":  {Plan{Global: true}, true, missing, 0, 0},
		"a private instance": {Plan{Activators: planned}, true, missing, 0, 0},
	} {
		table := &moduleTable{Table: memory.New(memory.Linux), missing: c.missing}
		err := c.plan.mayRegister(table, c.jailed)
		if fault.KindOf(err) != c.want || err != nil && fault.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
		if table.loads != c.loads {
			t.Errorf("%s: loaded %d times", name, table.loads)
		}
	}
}
