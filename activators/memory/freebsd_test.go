package memory

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
)

// entryOf is a record as an entry: what the kernel would see, before it has
// made anything of it.
func entryOf(r tabletest.BinmiscRecord) activators.Entry {
	e := activators.Entry{Name: r.Name, Interpreter: r.Interpreter, Offset: int(r.Offset), Magic: activators.Hex(r.Magic[:r.Size]),
		Enabled: r.Flags&tabletest.Enabled != 0, Flags: activators.Flags{PreOpen: r.Flags&tabletest.PreOpen != 0}}
	if r.Flags&tabletest.UseMask != 0 {
		e.Mask = activators.Hex(r.Mask[:r.Size])
	}
	return e
}

func recordOf(e activators.Entry) tabletest.BinmiscRecord {
	r := tabletest.BinmiscRecord{Version: 1, Name: e.Name, Interpreter: strings.Join(append([]string{e.Interpreter}, e.Args...), " "),
		Offset: uint32(e.Offset), Size: uint32(len(e.Magic)), Magic: string(e.Magic), Mask: string(e.Mask)}
	if e.Mask == nil {
		r.Mask = strings.Repeat("\x00", len(e.Magic))
	} else {
		r.Flags |= tabletest.UseMask
	}
	if e.Enabled {
		r.Flags |= tabletest.Enabled
	}
	if e.Flags.PreOpen {
		r.Flags |= tabletest.PreOpen
	}
	return r
}

// model is a table as a kernel that is called below the level of entries.
func model(table *Table) tabletest.FreeBSDKernel {
	change := map[string]func(string) error{"remove": table.Remove, "enable": table.Enable, "disable": table.Disable}
	return tabletest.FreeBSDKernel{
		Add:    func(r tabletest.BinmiscRecord) error { return table.Add(entryOf(r)) },
		Change: func(node, name string) error { return change[node](name) },
		Lookup: func(name string) (tabletest.BinmiscRecord, error) {
			e, err := table.Lookup(name)
			return recordOf(e), err
		},
		List: func() ([]tabletest.BinmiscRecord, error) {
			list, err := table.List()
			var records []tabletest.BinmiscRecord
			for _, e := range list {
				records = append(records, recordOf(e))
			}
			return records, err
		},
		Match: func(_ *testing.T, content string) string {
			e, _ := table.Match([]byte(content))
			return e.Name
		},
	}
}

// The model does what FreeBSD 15.1's kernel did when it was tried.
func TestFreeBSD(t *testing.T) {
	tabletest.RunFreeBSD(t, func(*testing.T) tabletest.FreeBSDKernel { return model(New(FreeBSD)) })
}
