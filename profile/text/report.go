package text

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
)

// Report writes a report.
func Report(w io.Writer, r *profile.Report, s Style) error {
	for _, part := range []func(io.Writer, *profile.Report, Style) error{
		heading, totals, timeline, packages, programs, scripts, failed, longest, largest, tree,
	} {
		if err := part(w, r, s); err != nil {
			return err
		}
	}
	return nil
}

// heading says of what the report is.
func heading(w io.Writer, r *profile.Report, s Style) error {
	var b strings.Builder
	if len(r.Profiles) == 1 {
		p := r.Profiles[0]
		title := "profile of " + commandLine(p.Command, false)
		if p.Subject != "" {
			title = profile.Printable(p.Subject) + ": " + title
		}
		fmt.Fprintln(&b, s.cut(title))
		fmt.Fprintln(&b, s.cut(origin(p)))
		fmt.Fprintln(&b, s.cut(p.Started.Format("2006-01-02 15:04:05 MST")+", "+seconds(p.Totals.Elapsed)+" s, "+ending(p)))
	} else {
		fmt.Fprintf(&b, "%d profiles, %s s\n", len(r.Profiles)+r.LeftOut.Profiles, seconds(r.Totals.Elapsed))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func origin(p *profile.Source) string {
	text := fmt.Sprintf("jail %s: %s on %s", profile.Printable(p.Jail), profile.Printable(p.Arch), profile.Printable(p.Host))
	if p.Tools != "" {
		text += ", native tools: " + profile.Printable(p.Tools)
	}
	return text + ", by " + profile.Printable(p.Collector)
}

func ending(p *profile.Source) string {
	if p.Status == nil {
		return "not finished"
	}
	return fmt.Sprintf("status %d", *p.Status)
}

func totals(w io.Writer, r *profile.Report, s Style) error {
	t := &r.Totals
	line := func(name string, c profile.Cost, share float64) []string {
		return []string{count(c.Execs), count(c.Forks), seconds(c.CPU), seconds(c.User), seconds(c.System), percent(share), name}
	}
	all := 0.0
	if t.All.CPU > 0 {
		all = 1
	}
	rows := []row{
		{line("emulated", t.Emulated, t.Share), true},
		{line("native", t.Native, all-t.Share), false},
		{line("together", t.All, all), false},
	}
	if k := t.Kernel; k != nil {
		rows = append(rows, row{[]string{"", "", seconds(k.User + k.System), seconds(k.User), seconds(k.System), k.DifferenceText(), "the kernel's own sum"}, false})
	}
	if err := s.table(w, "processor time", []string{"EXECS", "FORKS", "CPU s", "USER", "SYSTEM", "SHARE", ""}, rows, 0); err != nil {
		return err
	}
	_, err := io.WriteString(w, remarks(r))
	return err
}

// remarks are what one should know before one believes the numbers.
func remarks(r *profile.Report) string {
	t := &r.Totals
	var b strings.Builder
	fmt.Fprintf(&b, "%d processes; ended with another status than 0: %d, by a signal: %d; execs that failed: %d\n",
		t.Processes, t.NonZero, t.Signals, t.FailedExecs)
	unfinished := 0
	for _, p := range r.Profiles {
		if !p.Finished {
			unfinished++
		}
	}
	switch {
	case unfinished == 1 && len(r.Profiles) == 1:
		b.WriteString("the profile is not finished: it has no last line, so nothing can be compared with the kernel's sum\n")
	case unfinished > 0:
		fmt.Fprintf(&b, "profiles that are not finished: %d\n", unfinished)
	}
	if k := t.Kernel; k != nil && k.Counted != t.All.CPU {
		b.WriteString("the kernel's own sum is that of the finished profiles\n")
	}
	if t.Running > 0 {
		fmt.Fprintf(&b, "still running at the end, with a cost that is not known: %d\n", t.Running)
	}
	if t.Unknown > 0 {
		fmt.Fprintf(&b, "the collector lost sight of runs: %d\n", t.Unknown)
	}
	if t.Lost > 0 {
		fmt.Fprintf(&b, "the collector did not see events: %d\n", t.Lost)
	}
	return b.String()
}

// blocks are the heights of the time line.
var blocks = []rune(" ▁▂▃▄▅▆▇█")

// timeline draws how many processors were used.
func timeline(w io.Writer, r *profile.Report, s Style) error {
	t := r.Timeline
	columns := 60
	if s.Width > 0 {
		columns = max(min(s.Width-12, 120), 20)
	}
	columns = min(columns, len(t.Native))
	native, emulated := squeeze(t.Native, columns), squeeze(t.Emulated, columns)
	top := 0.0
	for i := range columns {
		top = max(top, native[i], emulated[i])
	}
	if top <= 0 || r.Totals.Elapsed <= 0 {
		return nil
	}
	busy := top * float64(columns) / float64(r.Totals.Elapsed)
	var b strings.Builder
	fmt.Fprintf(&b, "\ntime line: %s s from left to right, a full block is %.2f processors\n", seconds(r.Totals.Elapsed), busy)
	if line := bars(emulated, top); line != "" {
		b.WriteString(s.mark("emulated  "+line, true) + "\n")
	}
	if line := bars(native, top); line != "" {
		b.WriteString("native    " + line + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// squeeze makes n columns of the parts of a time line.
func squeeze(parts []int64, n int) []float64 {
	columns := make([]float64, n)
	scale := float64(n) / float64(len(parts))
	for i, v := range parts {
		from, to := float64(i)*scale, float64(i+1)*scale
		for c := int(from); c < n && float64(c) < to; c++ {
			columns[c] += float64(v) * (min(to, float64(c+1)) - max(from, float64(c))) / scale
		}
	}
	return columns
}

func bars(columns []float64, top float64) string {
	var b strings.Builder
	for _, v := range columns {
		level := int(v/top*float64(len(blocks)-1) + 0.5)
		if v > 0 && level == 0 {
			level = 1
		}
		b.WriteRune(blocks[min(max(level, 0), len(blocks)-1)])
	}
	return strings.TrimRight(b.String(), " ")
}

// packages ranks the profiles, where there are several.
func packages(w io.Writer, r *profile.Report, s Style) error {
	if len(r.Profiles)+r.LeftOut.Profiles < 2 {
		return nil
	}
	var rows []row
	for _, p := range r.Profiles {
		t := &p.Totals
		name := profile.Printable(p.Name())
		if !p.Finished || *p.Status != 0 {
			name += " (" + ending(p) + ")"
		}
		rows = append(rows, row{[]string{seconds(t.Emulated.CPU), seconds(t.All.CPU), percent(t.Share), count(t.Emulated.Execs), count(t.All.Execs), seconds(t.Elapsed), name}, false})
	}
	return s.table(w, "profiles, by emulated CPU time", []string{"EMULATED s", "CPU s", "SHARE", "EMULATED EXECS", "EXECS", "ELAPSED s", "PROFILE"}, rows, r.LeftOut.Profiles, "EXECS", "SHARE")
}

func programs(w io.Writer, r *profile.Report, s Style) error {
	several := len(r.Profiles)+r.LeftOut.Profiles > 1
	kindOf := kinds(r.Programs)
	var rows []row
	for _, p := range r.Programs {
		startup := seconds(p.Startup)
		switch p.StartupFrom {
		case profile.StartupOthers:
			startup = "~" + startup
		case profile.StartupFew:
			startup = "≤" + startup
		}
		cells := []string{seconds(p.CPU), percent(p.Share), count(p.Execs), some(p.Forks), millis(p.Each), startup, seconds(p.Wall), some(p.Failures())}
		if several {
			cells = append(cells, fmt.Sprint(p.Profiles))
		}
		rows = append(rows, row{append(cells, kindOf(p.Emulated, p.Arch), called(p)), p.Emulated})
	}
	header := []string{"CPU s", "SHARE", "EXECS", "FORKS", "ms EACH", "START-UP s", "WALL s", "FAILED"}
	if several {
		header = append(header, "PROFILES")
	}
	return s.table(w, "programs, by "+sortNames[r.Sort], append(header, "RAN", "PROGRAM"), rows, r.LeftOut.Programs, without([]string{"WALL s", "FORKS", "SHARE", "ms EACH"}, sortColumns[r.Sort])...)
}

// sortColumns are the columns by which a table is sorted, and that stay.
var sortColumns = map[string]string{"wall": "WALL s"}

func without(list []string, word string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == word })
}

var sortNames = map[string]string{"cpu": "CPU time", "execs": "execs", "startup": "estimated start-up cost", "wall": "elapsed time", "failures": "failures"}

// called is a program with the names by which it was started, where these are
// others than its own.
func called(p *profile.Program) string {
	text := profile.Printable(p.Program)
	own := text[strings.LastIndexByte(text, '/')+1:]
	if len(p.Names) == 0 || len(p.Names) == 1 && p.Names[0].Name == own {
		return text
	}
	var names []string
	for i, n := range p.Names {
		if i == 4 {
			names = append(names, "…")
			break
		}
		names = append(names, fmt.Sprintf("%s %d", profile.Printable(n.Name), n.Execs))
	}
	return text + " (called " + strings.Join(names, ", ") + ")"
}

func scripts(w io.Writer, r *profile.Report, s Style) error {
	n := s.few(len(r.Scripts))
	var rows []row
	for _, c := range r.Scripts[:n] {
		rows = append(rows, row{[]string{seconds(c.Total), seconds(c.CPU), count(c.Execs), kind(c.Emulated), profile.Printable(c.Script) + " (" + profile.Printable(c.Interpreter) + ")"}, c.Emulated})
	}
	return s.table(w, "scripts, by the CPU time with what they started", []string{"TOTAL s", "OWN s", "EXECS", "RAN", "SCRIPT"}, rows, len(r.Scripts)-n+r.LeftOut.Scripts)
}

func failed(w io.Writer, r *profile.Report, s Style) error {
	n := s.few(len(r.FailedExecs))
	var rows []row
	for _, f := range r.FailedExecs[:n] {
		rows = append(rows, row{[]string{count(f.Count), profile.Printable(f.Error), profile.Printable(f.File)}, false})
	}
	return s.table(w, "execs that failed", []string{"COUNT", "ERROR", "FILE"}, rows, len(r.FailedExecs)-n+r.LeftOut.FailedExecs)
}

func longest(w io.Writer, r *profile.Report, s Style) error {
	var rows []row
	for _, n := range r.Longest[:s.few(len(r.Longest))] {
		rows = append(rows, row{[]string{seconds(n.Wall), seconds(n.Own), seconds(n.CPU), seconds(n.At), kind(n.Emulated), command(&n)}, n.Emulated})
	}
	return s.table(w, "longest; ALONE is without the time of what they started", []string{"WALL s", "ALONE s", "CPU s", "BEGAN s", "RAN", "COMMAND"}, rows, 0, "BEGAN s", "CPU s")
}

func largest(w io.Writer, r *profile.Report, s Style) error {
	var rows []row
	for _, n := range r.Largest[:s.few(len(r.Largest))] {
		rows = append(rows, row{[]string{ui.Size(n.RSS), kind(n.Emulated), command(&n)}, n.Emulated})
	}
	return s.table(w, "largest in memory, with the emulator's own", []string{"MEMORY", "RAN", "COMMAND"}, rows, 0)
}

// maxCommand is how many letters of a command are shown where no terminal is the
// limit. The JSON has all of it.
const maxCommand = 160

func commandLine(argv []string, cut bool) string {
	return Style{Width: maxCommand}.cut(profile.CommandLine(argv, cut))
}

// command is what was started, by its arguments.
func command(n *profile.Notable) string {
	text := commandLine(n.Argv, n.Cut)
	if text == "" {
		text = profile.Printable(n.Program)
	}
	if n.Running {
		text += " (still running)"
	}
	return text
}

// least is the share of the CPU time below which nodes of the tree are left out,
// when not everything is asked for.
const least = 0.005

func tree(w io.Writer, r *profile.Report, s Style) error {
	if r.Tree == nil {
		return nil
	}
	var rows []row
	hidden := 0
	r.Tree.Walk(func(stack []*profile.Node) bool {
		n := stack[len(stack)-1]
		if s.Top > 0 && float64(n.Total.CPU) < least*float64(r.Tree.Total.CPU) {
			hidden++
			return false
		}
		name := profile.Printable(n.Program)
		if n.Script != "" {
			name = profile.Printable(n.Script) + " (" + name + ")"
		}
		rows = append(rows, row{[]string{seconds(n.Total.CPU), seconds(n.EmulatedCPU), seconds(n.Self.CPU), count(n.Self.Execs), some(n.Self.Forks), strings.Repeat("  ", len(stack)-1) + name}, n.Emulated})
		return true
	})
	return s.table(w, "calls", []string{"TOTAL s", "EMULATED s", "SELF s", "EXECS", "FORKS", "PROGRAM"}, rows, hidden, "FORKS", "SELF s")
}
