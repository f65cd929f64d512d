package text

import (
	"fmt"
	"io"
	"strings"

	"github.com/xjail/xjail/profile"
)

// Diff writes what changed between two profiles.
func Diff(w io.Writer, d *profile.Diff, s Style) error {
	var b strings.Builder
	for i, p := range []*profile.Source{d.Before, d.After} {
		fmt.Fprintln(&b, s.cut([]string{"before  ", "after   "}[i]+profile.Printable(p.File)+": "+commandLine(p.Command, false)+", "+ending(p)))
		fmt.Fprintln(&b, s.cut("        "+origin(p)))
	}
	for _, n := range d.Notes {
		fmt.Fprintln(&b, "note: "+n)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if err := diffTotals(w, d, s); err != nil {
		return err
	}
	if len(d.Programs) == 0 {
		_, err := fmt.Fprintln(w, "\nno program differs")
		return err
	}
	return diffPrograms(w, d, s)
}

func diffTotals(w io.Writer, d *profile.Diff, s Style) error {
	b, a := &d.Before.Totals, &d.After.Totals
	line := func(name string, marked bool, before, after int64, show func(int64) string, change string) row {
		return row{[]string{show(before), show(after), change, name}, marked}
	}
	rows := []row{
		line("emulated CPU s", true, b.Emulated.CPU, a.Emulated.CPU, seconds, signed(a.Emulated.CPU-b.Emulated.CPU)),
		line("native CPU s", false, b.Native.CPU, a.Native.CPU, seconds, signed(a.Native.CPU-b.Native.CPU)),
		line("CPU s", false, b.All.CPU, a.All.CPU, seconds, signed(a.All.CPU-b.All.CPU)),
		line("emulated execs", true, b.Emulated.Execs, a.Emulated.Execs, count, signedCount(a.Emulated.Execs-b.Emulated.Execs)),
		line("native execs", false, b.Native.Execs, a.Native.Execs, count, signedCount(a.Native.Execs-b.Native.Execs)),
		line("elapsed s", false, b.Elapsed, a.Elapsed, seconds, signed(a.Elapsed-b.Elapsed)),
	}
	if b.All.CPU > 0 {
		rows = append(rows, row{[]string{"1.00", fmt.Sprintf("%.2f", float64(a.All.CPU)/float64(b.All.CPU)), "", "CPU time, of what it was"}, false})
	}
	return s.table(w, "together", []string{"BEFORE", "AFTER", "CHANGE", ""}, rows, 0)
}

func diffPrograms(w io.Writer, d *profile.Diff, s Style) error {
	var rows []row
	for _, c := range d.Programs {
		rows = append(rows, row{[]string{
			count(c.Before.Execs), count(c.After.Execs),
			seconds(c.Before.CPU), seconds(c.After.CPU), signed(c.After.CPU - c.Before.CPU),
			seconds(c.Before.EmulatedCPU), seconds(c.After.EmulatedCPU),
			whatNames[c.What], changed(c)}, c.After.EmulatedExecs > 0})
	}
	return s.table(w, "programs, by what changed most", []string{"EXECS", "AFTER", "CPU s", "AFTER", "CHANGE", "EMULATED s", "AFTER", "NOW", "PROGRAM"}, rows, d.LeftOut, "EMULATED s", "CPU s", "EXECS")
}

var whatNames = map[string]string{"": "", profile.BecameNative: "native", profile.BecameEmulated: "emulated", profile.IsNew: "new", profile.IsGone: "gone"}

// changed is a program, and where it was when that is somewhere else.
func changed(c *profile.Change) string {
	text := profile.Printable(c.Program)
	for _, p := range append(c.Before.Paths, c.After.Paths...) {
		if !strings.Contains(text, p) {
			text += " (" + profile.Printable(p) + ")"
		}
	}
	return text
}

func signed(ns int64) string {
	text := fmt.Sprintf("%+.2f", float64(ns)/1e9)
	if text == "+0.00" || text == "-0.00" {
		return "0"
	}
	return text
}

func signedCount(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%+d", n)
}
