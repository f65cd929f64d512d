package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// jailChecks looks at each jail: against its record, and by running a program
// in it.
func jailChecks(ctx context.Context, w *World) []Finding {
	there, answer := w.stateThere()
	if !there {
		answer[0].Check = "jail-record"
		return answer
	}
	names, err := w.Store.Names()
	if err != nil {
		return []Finding{{Check: "jail-record", Result: Skipped, Message: err.Error(), Fix: fault.HintOf(err)}}
	}
	if w.Jails != nil {
		names = w.Jails
	}
	found := make([][]Finding, len(names))
	each(len(names), func(i int) { found[i] = w.jail(ctx, names[i]) })
	return slices.Concat(found...)
}

// jail looks at one jail. Those that are being made or removed are left alone;
// what was interrupted is state-leftovers'.
func (w *World) jail(ctx context.Context, name string) []Finding {
	record := func(r Result, message, fix string) []Finding {
		return []Finding{{Check: "jail-record", Subject: name, Result: r, Message: "jail " + name + ": " + message, Fix: fix}}
	}
	r, err := w.Store.Load(name)
	switch {
	case fault.KindOf(err) == fault.NotFound && slices.Contains(w.Jails, name):
		return record(Skipped, "it has no record", "")
	case fault.KindOf(err) == fault.NotFound:
		return nil // state-leftovers
	case fault.KindOf(err) == fault.Permission:
		return record(Skipped, err.Error(), "")
	case err != nil:
		return record(Failed, err.Error(), w.command(fault.HintOf(err)))
	}
	checks, err := w.Store.Examine(ctx, name, w.Patience)
	switch {
	case fault.KindOf(err) == fault.Locked:
		return record(Skipped, "another xjail changes it", "")
	case fault.KindOf(err) == fault.Unsafe || fault.KindOf(err) == fault.Permission:
		return record(Skipped, err.Error(), fault.HintOf(err)) // state-directory
	case err != nil:
		return record(Failed, err.Error(), fault.HintOf(err))
	}
	found := record(OK, fmt.Sprintf("%s, made %s", r.Arch, r.Created.Local().Format("2006-01-02")), "")
	for _, c := range append(checks, w.registered(ctx, r)...) {
		found = append(found, w.jailFinding(r, c))
	}
	return found
}

// registered looks whether what poudriere knows of a jail still holds.
func (w *World) registered(ctx context.Context, r *jail.Record) []jail.Check {
	a, err := arch.Lookup(r.Arch)
	if err != nil {
		return nil
	}
	p := poudriere.New(poudriere.Config{})
	return p.Check(ctx, poudriere.Subject{Name: r.Name, Arch: a, Root: r.Root, Updated: r.Updated, Dir: w.Store.JailDir(r.Name)})
}

// jailFinding is a check of verify as a Finding, with what mends it.
func (w *World) jailFinding(r *jail.Record, c jail.Check) Finding {
	f := Finding{Check: "jail-" + c.Name, Subject: r.Name, Message: "jail " + r.Name + ": " + c.Message, Fix: w.command(c.Fix)}
	f.Result = map[jail.Result]Result{jail.OK: OK, jail.Info: Note, jail.Warning: Warning, jail.Failed: Failed}[c.Result]
	kind, _, _ := strings.Cut(c.Name, " ")
	switch {
	case c.Name == jail.CheckOrigin:
		f.Check = "jail-origin"
	case kind == jail.CheckActivator:
		f.Check = "jail-activator"
	case c.Name == jail.CheckTools:
		f.Check = "jail-tools"
	}
	if !f.Trouble() {
		return f
	}
	switch f.Check {
	case "jail-emulator":
		if w.Store.Restorable(r) {
			f.Fix = w.xjail("doctor", "--fix", r.Name) + " puts the same file there again, from " + r.Emulator.Origin
			f.mend = func(context.Context) error { return w.Store.RestoreEmulator(r.Name) }
		}
	case "jail-activator":
		if w.euid == 0 && r.Global {
			f.mend = func(ctx context.Context) error { return w.Store.RegisterAgain(ctx, r.Name) }
		}
	case "jail-run":
		if r.NotRun != "" {
			f.Result = Note // it was made so
		}
	}
	return f
}

// command is the hint of a package that does not know which state directory is
// looked at.
func (w *World) command(hint string) string {
	if rest, ok := strings.CutPrefix(hint, "xjail "); ok {
		return w.xjail(rest)
	}
	return hint
}

// missing tells whether an error is that something is not there.
func missing(err error) bool { return errors.Is(err, fs.ErrNotExist) }
