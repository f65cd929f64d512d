package doctor

import (
	"context"
	"fmt"
	"slices"
)

// Mended is something that Mend did, or would do.
type Mended struct {
	Finding
	Err error // why it could not be done
}

// Mend does what is safe about findings, in their order: it touches what xjail
// made and nothing else, under the locks that commands hold. With dryRun it does
// nothing, and says what it would do. told is called before each.
func Mend(ctx context.Context, found []Finding, dryRun bool) []Mended {
	var done []Mended
	for _, f := range found {
		if f.mend == nil || !f.Trouble() && f.Result != Note {
			continue
		}
		m := Mended{Finding: f}
		if !dryRun {
			if m.Err = ctx.Err(); m.Err == nil {
				m.Err = f.mend(ctx)
			}
		}
		done = append(done, m)
	}
	return done
}

// Settle joins what Mend did with what is found afterwards: what is not found
// any more is fixed.
func Settle(done []Mended, after []Finding) []Finding {
	var all []Finding
	for _, m := range done {
		still := slices.ContainsFunc(after, func(f Finding) bool { return f.key() == m.key() && f.Result != OK && f.Result != Skipped })
		if m.Err == nil && !still {
			m.Fixed = true
			all = append(all, m.Finding)
		}
	}
	all = append(all, after...)
	order := Names()
	slices.SortStableFunc(all, func(a, b Finding) int { return slices.Index(order, a.Check) - slices.Index(order, b.Check) })
	return all
}

// Count is how many findings have a result; those that were fixed do not count.
func Count(found []Finding, r Result) int {
	n := 0
	for _, f := range found {
		if f.Result == r && !f.Fixed {
			n++
		}
	}
	return n
}

// Summary is all of it in one line.
func (w *World) Summary(found []Finding) string {
	jails := 0
	for _, f := range found {
		if f.Check == "jail-record" && f.Subject != "" {
			jails++
		}
	}
	facts := fmt.Sprintf("%s, %s", w.facts(), plural(jails, "jail"))
	failed, warnings := Count(found, Failed), Count(found, Warning)
	if failed+warnings == 0 {
		return fmt.Sprintf("everything is in order: %s (%s)", plural(len(found), "check"), facts)
	}
	return fmt.Sprintf("%d failed, %s, %d in order (%s)", failed, plural(warnings, "warning"), Count(found, OK), facts)
}
