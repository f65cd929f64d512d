package cli

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/advice"
)

// noticeable is the share of what will be left from which on a program has a row
// of its own.
const noticeable = 0.005

// noticed tells whether so much time has a row.
func noticed(ns int64, a *advice.Advice, o *adviceOptions) bool {
	return o.all || float64(ns) >= noticeable*float64(a.After.CPU)
}

// printAdvice prints what to install, and then what stays emulated and why.
func printAdvice(w io.Writer, a *advice.Advice, o *adviceOptions) error {
	fmt.Fprintf(w, "jail %s: %s of CPU, %s native and %s emulated (%s)\n\n", printable(a.Jail), cpuSeconds(a.Before.CPU), cpuSeconds(a.Before.Native),
		cpuSeconds(a.Before.Emulated), share(a.Before.Emulated, a.Before.CPU))
	if len(a.Items) == 0 {
		fmt.Fprintln(w, "Nothing ran emulated, so there is nothing to make native.")
		printNotes(w, a.Notes)
		return nil
	}
	if err := printWorthIt(w, a, o); err != nil {
		return err
	}
	if err := printRest(w, a, o); err != nil {
		return err
	}
	printBasis(w, a)
	printNotes(w, a.Notes)
	return nil
}

func printWorthIt(w io.Writer, a *advice.Advice, o *adviceOptions) error {
	if len(a.Install) == 0 {
		return printNothing(w, a)
	}
	var rows [][]string
	var few smallItems
	left := a.Before.CPU
	for _, i := range a.Items {
		switch {
		case !i.Install:
			continue
		case !noticed(i.Saving, a, o):
			few.add(i.Saving)
			continue
		}
		left -= i.Saving
		rows = append(rows, []string{cpuSeconds(i.Saving), share(i.Saving, a.Before.CPU), cpuSeconds(left), strconv.FormatInt(i.Execs, 10), cpuSeconds(i.Emulated), cpuSeconds(i.Native), itemName(&i)})
	}
	fmt.Fprintln(w, "Worth making native:")
	if err := ui.TableWithin(w, o.columns, []string{"SAVES", "SHARE", "LEFT", "EXECS", "EMULATED", "NATIVE", "PROGRAM"}, rows); err != nil {
		return err
	}
	few.print(w)
	fmt.Fprintf(w, "\nThat leaves about %s of %s. ", cpuSeconds(a.After.CPU), cpuSeconds(a.Before.CPU))
	file := o.output
	if file == "" {
		file = "FILE"
		fmt.Fprint(w, "With --output FILE the advice is kept:\n")
	} else {
		fmt.Fprint(w, "It is installed by\n")
	}
	fmt.Fprintf(w, "  %s\n\n", profile.CommandLine([]string{"xjail", "tools", "install", a.Jail, "--advice", file}, false))
	return nil
}

// printNothing says why nothing is advised.
func printNothing(w io.Writer, a *advice.Advice) error {
	unknown := slices.ContainsFunc(a.Items, func(i advice.Item) bool { return i.State == advice.Unknown })
	switch {
	case unknown:
		fmt.Fprintln(w, "What can be made native is not known.")
	default:
		fmt.Fprintln(w, "Nothing more is worth making native.")
	}
	if a.Saving > 0 {
		fmt.Fprintf(w, "With what is native by now about %s of %s are left.\n", cpuSeconds(a.After.CPU), cpuSeconds(a.Before.CPU))
	}
	_, err := fmt.Fprintln(w)
	return err
}

// smallItems are those that have no row of their own.
type smallItems struct {
	count int
	time  int64
}

func (s *smallItems) add(ns int64) {
	s.count++
	s.time += ns
}

func (s *smallItems) print(w io.Writer) {
	if s.count > 0 {
		fmt.Fprintf(w, "and %d more, each below %.1f %% of what is left, %s in all: --all lists them\n", s.count, 100*noticeable, cpuSeconds(s.time))
	}
}

// itemName is a program, or how many the compiler is.
func itemName(i *advice.Item) string {
	if len(i.Programs) > 1 {
		return fmt.Sprintf("%s (%d programs)", printable(i.Name), len(i.Programs))
	}
	return printable(i.Programs[0])
}

// printRest lists what stays emulated, as shares of the time that will be left.
func printRest(w io.Writer, a *advice.Advice, o *adviceOptions) error {
	var rows [][]string
	var few, native smallItems
	for _, i := range a.Items {
		switch {
		case i.Install:
			continue
		case i.NativeByNow():
			native.add(i.Emulated)
			continue
		case !noticed(i.Emulated, a, o):
			few.add(i.Emulated)
			continue
		}
		rows = append(rows, restRow(i.Emulated, i.Execs, a, string(i.State), itemName(&i), reason(&i)))
		for _, s := range i.Scripts {
			rows = append(rows, restRow(s.CPU, s.Execs, a, "script", "  "+printable(s.File), ""))
		}
	}
	if native.count > 0 {
		fmt.Fprintf(w, "Native by now, and not when the profile was made: %d, %s emulated then\n\n", native.count, cpuSeconds(native.time))
	}
	if len(rows)+few.count == 0 {
		return nil
	}
	fmt.Fprintf(w, "Stays emulated, of the %s that are left:\n", cpuSeconds(a.After.CPU))
	if err := ui.TableWithin(w, o.columns, []string{"EMULATED", "SHARE", "EXECS", "STATE", "PROGRAM", "WHY"}, rows); err != nil {
		return err
	}
	few.print(w)
	_, err := fmt.Fprintln(w)
	return err
}

func restRow(ns, execs int64, a *advice.Advice, state, program, why string) []string {
	return []string{cpuSeconds(ns), share(ns, a.After.CPU), strconv.FormatInt(execs, 10), state, program, why}
}

// reason says why an item stays emulated, and what changes that.
func reason(i *advice.Item) string {
	if i.Hint == "" {
		return printable(i.Why)
	}
	return printable(i.Why + " (" + i.Hint + ")")
}

// printBasis says what the estimates rest on, where there are any.
func printBasis(w io.Writer, a *advice.Advice) {
	if !slices.ContainsFunc(a.Items, func(i advice.Item) bool { return i.Basis != "" }) {
		return
	}
	r := a.Reference
	from := func(measured bool) string {
		if measured {
			return "measured here"
		}
		return "assumed"
	}
	fmt.Fprintf(w, "Estimated with: a native start %s (%s), a native fork %s\n(%s), an emulated start %s at most (%s), other work 1/%d.\n",
		advice.Milliseconds(r.NativeStart), from(r.StartMeasured), advice.Milliseconds(r.NativeFork), from(r.ForkMeasured),
		advice.Milliseconds(r.EmulatedStart), from(r.EmulatedMeasured), r.Slowdown)
}

// share is a part of a whole in percent.
func share(part, whole int64) string {
	if whole <= 0 {
		return "0.0 %"
	}
	return strconv.FormatFloat(100*float64(part)/float64(whole), 'f', 1, 64) + " %"
}
