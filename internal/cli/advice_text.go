package cli

import (
	"fmt"
	"io"
	"strconv"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile/advice"
)

// printAdvice prints what to install, and then what stays emulated and why.
func printAdvice(w io.Writer, a *advice.Advice, o *adviceOptions) error {
	fmt.Fprintf(w, "jail %s: %s of CPU, %s native and %s emulated (%s)\n\n", printable(a.Jail), cpuSeconds(a.Before.CPU), cpuSeconds(a.Before.Native),
		cpuSeconds(a.Before.Emulated), share(a.Before.Emulated, a.Before.CPU))
	if err := printWorthIt(w, a, o.output); err != nil {
		return err
	}
	if err := printRest(w, a, o); err != nil {
		return err
	}
	printBasis(w, a)
	printNotes(w, a.Notes)
	return nil
}

func printWorthIt(w io.Writer, a *advice.Advice, output string) error {
	if len(a.Install) == 0 {
		fmt.Fprintln(w, "Nothing more is worth making native.")
		if a.Saving > 0 {
			fmt.Fprintf(w, "With what is native by now about %s of %s are left.\n", cpuSeconds(a.After.CPU), cpuSeconds(a.Before.CPU))
		}
		_, err := fmt.Fprintln(w)
		return err
	}
	var rows [][]string
	left := a.Before.CPU
	for _, i := range a.Items {
		if !i.Install {
			continue
		}
		left -= i.Saving
		rows = append(rows, []string{cpuSeconds(i.Saving), share(i.Saving, a.Before.CPU), cpuSeconds(left), strconv.FormatInt(i.Execs, 10), cpuSeconds(i.Emulated), cpuSeconds(i.Native), itemName(&i)})
	}
	fmt.Fprintln(w, "Worth making native:")
	if err := ui.Table(w, []string{"SAVES", "SHARE", "LEFT", "EXECS", "EMULATED", "NATIVE", "PROGRAM"}, rows); err != nil {
		return err
	}
	fmt.Fprintf(w, "\nThat leaves about %s of %s. ", cpuSeconds(a.After.CPU), cpuSeconds(a.Before.CPU))
	if output == "" {
		output = "FILE"
		fmt.Fprint(w, "With --output FILE the advice is kept:\n")
	} else {
		fmt.Fprint(w, "It is installed by\n")
	}
	fmt.Fprintf(w, "  xjail tools install %s --advice %s\n\n", a.Jail, output)
	return nil
}

// itemName is a program, or how many the compiler is.
func itemName(i *advice.Item) string {
	if len(i.Programs) > 1 {
		return fmt.Sprintf("%s (%d programs)", printable(i.Name), len(i.Programs))
	}
	return printable(i.Programs[0])
}

// printRest lists what stays emulated.
func printRest(w io.Writer, a *advice.Advice, o *adviceOptions) error {
	var rows [][]string
	small, smallTime := 0, int64(0)
	for _, i := range a.Items {
		switch {
		case i.Install:
			continue
		case !o.all && float64(i.Emulated) < a.Threshold*float64(a.Before.CPU):
			small, smallTime = small+1, smallTime+i.Emulated
			continue
		}
		why := i.Why
		if i.Hint != "" {
			why += " (" + i.Hint + ")"
		}
		rows = append(rows, []string{cpuSeconds(i.Emulated), share(i.Emulated, a.Before.CPU), strconv.FormatInt(i.Execs, 10), string(i.State), itemName(&i), printable(why)})
		for _, s := range i.Scripts {
			rows = append(rows, []string{cpuSeconds(s.CPU), share(s.CPU, a.Before.CPU), strconv.FormatInt(s.Execs, 10), "script", "  " + printable(s.File), ""})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(w, "Stays emulated:")
	}
	if err := ui.Table(w, []string{"EMULATED", "SHARE", "EXECS", "STATE", "PROGRAM", "WHY"}, rows); err != nil {
		return err
	}
	if small > 0 {
		fmt.Fprintf(w, "%d more with less than %.1f %% each, %s in all: --all lists them\n", small, 100*a.Threshold, cpuSeconds(smallTime))
	}
	if len(rows) > 0 || small > 0 {
		fmt.Fprintln(w)
	}
	return nil
}

// printBasis says what the estimates rest on.
func printBasis(w io.Writer, a *advice.Advice) {
	r := a.Reference
	from := func(measured bool) string {
		if measured {
			return "measured here"
		}
		return "assumed"
	}
	fmt.Fprintf(w, "Estimated with: a native start %s (%s), a native fork %s (%s), an emulated\nstart %s at most (%s), other work 1/%d.\n",
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
