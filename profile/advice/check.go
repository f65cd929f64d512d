package advice

import (
	"slices"
)

// Check tells whether a prediction came true. Times are nanoseconds.
type Check struct {
	Jail string `json:"jail"`
	// Before was measured for the advice, Predicted by it, and Measured since.
	Before    Total `json:"before"`
	Predicted Total `json:"predicted"`
	Measured  Total `json:"measured"`
	// Ratio is Measured to Predicted.
	Ratio float64       `json:"ratio"`
	Items []CheckedItem `json:"items"`
	// Emulated counts the items that still ran emulated.
	Emulated int      `json:"still_emulated"`
	Notes    []string `json:"notes,omitempty"`
}

// CheckedItem is an item that was to become native.
type CheckedItem struct {
	Name   string `json:"name"`
	Before int64  `json:"before"` // emulated
	// Execs are those before, Now those in the new profiles, and StillEmulated
	// how many of them were emulated.
	Execs         int64 `json:"execs"`
	Now           int64 `json:"execs_now"`
	StillEmulated int64 `json:"execs_emulated_now"`
	// Predicted is the native time for as many execs as there were now.
	Predicted int64 `json:"predicted"`
	Measured  int64 `json:"measured"`
}

// Check compares the prediction with profiles that were made since, of the same
// commands.
func (a *Advice) Check(u *Usage) *Check {
	c := &Check{Jail: a.Jail, Before: a.Before, Predicted: a.After, Measured: u.whole, Items: []CheckedItem{}, Notes: u.notes()}
	if a.After.CPU > 0 {
		c.Ratio = float64(u.whole.CPU) / float64(a.After.CPU)
	}
	for _, i := range a.Items {
		if !i.Install {
			continue
		}
		n := CheckedItem{Name: i.Name, Before: i.Emulated, Execs: i.Execs, Predicted: i.Native}
		for _, path := range i.Programs {
			n.add(u, path)
		}
		if i.Execs > 0 {
			n.Predicted = scale(i.Native, n.Now, i.Execs)
		}
		if n.StillEmulated > 0 {
			c.Emulated++
		}
		c.Items = append(c.Items, n)
	}
	if !sameCommands(a.Profiles, u.profiles) {
		c.Notes = append(c.Notes, "the profiles are of other commands than those of the advice")
	}
	return c
}

// add counts the runs of a program, or those of a script.
func (n *CheckedItem) add(u *Usage, path string) {
	if p := u.programs[path]; p != nil {
		n.Now += p.native.execs.count + p.emulated.execs.count
		n.StillEmulated += p.emulated.execs.count
		n.Measured += p.native.cpu() + p.emulated.cpu()
	} else if s := u.scripts[path]; s != nil {
		n.Now += s.native.count + s.emulated.count
		n.StillEmulated += s.emulated.count
		n.Measured += s.native.cpu + s.emulated.cpu
	}
}

func sameCommands(a, b []Source) bool {
	return slices.EqualFunc(a, b, func(x, y Source) bool { return slices.Equal(x.Command, y.Command) && x.Subject == y.Subject })
}
