package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/persist"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/qemu"
)

// entries is the machine's table; nil when there is none.
func (w *World) entries() ([]activators.Entry, error) {
	list, err := w.table.List()
	if errors.Is(err, activators.ErrUnsupported) {
		return nil, nil
	}
	return list, err
}

// ledger is a record of xjail's entries. Only that of the state directory is
// ever changed.
type ledger struct {
	*activators.Ledger
	path string
	own  bool
}

// ledgers reads the records, and what xjail declared to be registered at boot.
func (w *World) ledgers() ([]ledger, error) {
	instance, err := w.table.Instance()
	if err != nil {
		return nil, nil //nolint:nilerr // without a table there is nothing to remember
	}
	own := filepath.Join(w.Store.Dir, activators.LedgerName)
	paths := slices.Clone(w.Ledgers)
	if w.StateError == nil && !slices.Contains(paths, own) {
		paths = append(paths, own)
	}
	var list []ledger
	var failed error
	for i, path := range paths {
		l, err := activators.ReadLedger(path, instance)
		if err != nil && fault.KindOf(err) == fault.Damaged {
			failed = err
		}
		if i == 0 && w.goos == "linux" {
			declared, _ := persist.Declared(w.sys) // activators-boot tells what is wrong with it
			l.Adopt(declared)
		}
		list = append(list, ledger{l, path, path == own})
	}
	return list, failed
}

// ownEntry is an entry that xjail made, and the record that says so.
type ownEntry struct {
	activators.Entry
	ledger ledger
}

func (w *World) ownEntries() ([]ownEntry, error) {
	list, err := w.entries()
	if err != nil {
		return nil, err
	}
	ledgers, err := w.ledgers()
	var own []ownEntry
	for _, e := range list {
		for _, l := range ledgers {
			if l.Owns(e) {
				own = append(own, ownEntry{e, l})
				break
			}
		}
	}
	return own, err
}

// changeable tells whether --fix may change what a ledger has.
func (w *World) changeable(l ledger) bool { return l.own && (w.euid == 0) }

// registerAll registers entries of xjail's own, with the lock of the record.
func (w *World) registerAll(l ledger, entries ...activators.Entry) error {
	instance, err := w.table.Instance()
	if err != nil {
		return err
	}
	open, err := activators.OpenLedger(l.path, instance)
	if err != nil {
		return err
	}
	defer open.Close()
	declared, _ := persist.Declared(w.sys)
	open.Adopt(declared)
	_, err = activators.Register(w.table, open, entries)
	return err
}

// unreadable is the answer of a check that could not read the table.
func unreadable(err error) []Finding {
	if fault.KindOf(err) == fault.Permission {
		return one(Skipped, err.Error(), "")
	}
	return one(Warning, err.Error(), fault.HintOf(err))
}

// activatorsCheck reasons about the set of entries. What is wrong with those of
// somebody else is their business, unless it endangers the machine or xjail's
// own.
func activatorsCheck(_ context.Context, w *World) []Finding {
	list, err := w.entries()
	if err != nil {
		return unreadable(err)
	}
	if len(list) == 0 {
		return one(OK, "no activators are registered with the machine", "")
	}
	own, _ := w.ownEntries()
	stale := func(e activators.Entry) string {
		for _, o := range own {
			if o.Equal(e) {
				return o.ledger.Stale(e)
			}
		}
		return ""
	}
	var found []Finding
	others := 0
	for _, f := range activators.Check(list, jail.CheckHost(w.table), jail.Interpreters(list, stale)) {
		mine := slices.ContainsFunc(own, func(e ownEntry) bool { return e.Name == f.Entry })
		switch {
		case mine && w.saidElsewhere(own, f):
		case f.Code == activators.TableOff: // kernel-table
		case mine || f.Severity == activators.Unsafe:
			found = append(found, Finding{Subject: f.Entry, Result: severity(f.Severity), Message: f.Message, Fix: f.Remedy})
		case f.Severity != activators.Note:
			others++
		}
	}
	if others > 0 {
		found = append(found, Finding{Result: Note, Fix: "xjail activator check",
			Message: fmt.Sprintf("there is something to say of entries that xjail did not make: %s", plural(others, "finding"))})
	}
	if len(found) == 0 {
		return one(OK, plural(len(list), "entry")+", with nothing wrong", "")
	}
	return found
}

// saidElsewhere tells whether another check says the same of an entry of
// xjail's: activators-stale, which knows that the kernel has an interpreter open
// that is gone or replaced, and activators-disabled.
func (w *World) saidElsewhere(own []ownEntry, f activators.Finding) bool {
	switch f.Code {
	case activators.Disabled:
		return true
	case activators.Replaced, activators.Missing:
		return slices.ContainsFunc(own, func(e ownEntry) bool { return e.Name == f.Entry && e.ledger.Stale(e.Entry) != "" })
	}
	return false
}

// severity is the result of a finding of activators.Check.
func severity(s activators.Severity) Result {
	switch s {
	case activators.Unsafe, activators.Severe:
		return Failed
	case activators.Warning:
		return Warning
	}
	return OK
}

// activatorsRecord compares xjail's records with the kernel's table.
func activatorsRecord(_ context.Context, w *World) []Finding {
	list, err := w.entries()
	if err != nil {
		return unreadable(err)
	}
	ledgers, err := w.ledgers()
	var found []Finding
	if err != nil {
		found = append(found, Finding{Result: Failed, Message: err.Error(), Fix: fault.HintOf(err)})
	}
	for _, l := range ledgers {
		gone, changed := l.Differences(list)
		for _, name := range gone {
			if !w.usedByJail(name) { // jail-activator says it, and knows more
				found = append(found, w.goneEntry(l, name))
			}
		}
		for _, name := range changed {
			found = append(found, Finding{Subject: name, Result: Warning,
				Message: fmt.Sprintf("the entry %q is not as xjail registered it: somebody replaced it", name),
				Fix:     "look at it with xjail activator status --long"})
		}
	}
	if len(found) == 0 {
		return one(OK, "the record of activators is what the kernel has", "")
	}
	return found
}

// goneEntry is an entry that is recorded and not there: a restart of
// systemd-binfmt empties the table.
func (w *World) goneEntry(l ledger, name string) Finding {
	f := Finding{Subject: name, Result: Warning, Message: fmt.Sprintf("the entry %q, which xjail registered, is gone: somebody removed it", name)}
	if activators.StandInOf(name) != "" {
		f.Result, f.Message = Note, fmt.Sprintf("a replacement was interrupted; the entry %q of it is gone", name)
		f.mend = w.forget(l)
		return f
	}
	a, policy := archOfName(w.goos, name)
	if a == nil {
		f.Fix = "register it again: xjail activator register ARCH --global"
		return f
	}
	f.Fix = w.sudo(w.xjail("activator", "register", a.Name, "--global"))
	if w.changeable(l) {
		f.mend = func(ctx context.Context) error { return w.restoreEntry(ctx, l, a, policy) }
	}
	return f
}

// forget drops what is not in the table from the record; nil where it may not
// be changed.
func (w *World) forget(l ledger) func(context.Context) error {
	if !w.changeable(l) {
		return nil
	}
	return func(context.Context) error {
		instance, err := w.table.Instance()
		if err != nil {
			return err
		}
		open, err := activators.OpenLedger(l.path, instance)
		if err != nil {
			return err
		}
		defer open.Close()
		return open.Forget(w.table)
	}
}

// restoreEntry registers the very entry that the record has, if it can be made
// from what is here: by the architecture, the emulator that is found, and the
// options that register has.
func (w *World) restoreEntry(ctx context.Context, l ledger, a *arch.Arch, policy arch.Policy) error {
	_, all, err := w.find(ctx, a, w.findOptions(a, ""))
	if err != nil {
		return err
	}
	for _, c := range all {
		if c.Emulator == nil {
			continue
		}
		e := jail.Activator(w.goos, policy, a, c.Emulator, c.Emulator.Path, activators.PreOpens(w.table))
		for range 2 {
			if l.Owns(e.Normal()) {
				return w.registerAll(l, e)
			}
			e.Flags.OpenBinary, e.Flags.Credentials = true, true
		}
	}
	return fault.New(fault.NotFound, w.sudo(w.xjail("activator", "register", a.Name, "--global")),
		"the record does not say by which emulator %s was registered", jail.ActivatorName(w.goos, a.Name, policy))
}

// archOfName is the architecture of which xjail's entry has that name.
func archOfName(goos, name string) (*arch.Arch, arch.Policy) {
	for _, policy := range append([]arch.Policy{arch.DefaultPolicy(goos)}, arch.Policies()...) {
		for _, a := range arch.All() {
			if jail.ActivatorName(goos, a.Name, policy) == name {
				return a, policy
			}
		}
	}
	return nil, ""
}

// activatorsStandIn finds entries that stood in for others when xjail was killed.
func activatorsStandIn(_ context.Context, w *World) []Finding {
	own, err := w.ownEntries()
	if err != nil && own == nil {
		return nil // activators-record says it
	}
	var found []Finding
	for _, e := range own {
		of := activators.StandInOf(e.Name)
		if of == "" {
			continue
		}
		f := Finding{Subject: e.Name, Result: Warning,
			Message: fmt.Sprintf("the entry %q was left when a replacement of %q was interrupted", e.Name, of),
			Fix:     w.sudo(w.xjail("activator", "unregister", e.Name, "--global"))}
		if w.changeable(e.ledger) {
			f.mend = func(context.Context) error { return w.finishReplacement(e, of) }
		}
		found = append(found, f)
	}
	if len(found) == 0 {
		return one(OK, "no replacement was interrupted", "")
	}
	return found
}

// finishReplacement registers what the stand-in is under the name for which it
// stands, which removes it.
func (w *World) finishReplacement(e ownEntry, of string) error {
	e.Name = of
	return w.registerAll(e.ledger, e.Entry)
}

// activatorsStale finds entries of which the kernel has another emulator open
// than the one that is there now.
func activatorsStale(ctx context.Context, w *World) []Finding {
	own, err := w.ownEntries()
	if err != nil && own == nil {
		return nil
	}
	var found []Finding
	for _, e := range own {
		why := e.ledger.Stale(e.Entry)
		if why == "" {
			continue
		}
		found = append(found, w.staleEntry(ctx, e, why))
	}
	if len(found) == 0 {
		return one(OK, "the kernel runs the emulators that are there", "")
	}
	return found
}

func (w *World) staleEntry(ctx context.Context, e ownEntry, why string) Finding {
	f := Finding{Subject: e.Name, Result: Warning, Message: fmt.Sprintf("entry %q: %s", e.Name, why)}
	a, _ := archOfName(w.goos, e.Name)
	if a == nil {
		return f
	}
	f.Fix = w.sudo(w.xjail("activator", "register", a.Name, "--global"))
	_, _, err := w.find(ctx, a, qemu.FindOptions{Explicit: e.Interpreter, SkipDigest: true})
	switch {
	case errors.Is(err, os.ErrNotExist) || fault.KindOf(err) == fault.NotFound:
		f.Message, f.Fix = fmt.Sprintf("entry %q: its emulator %s is gone; the kernel runs the file that was there", e.Name, e.Interpreter), qemu.InstallHint(a)
	case err != nil:
		f.Message, f.Fix = fmt.Sprintf("entry %q: its emulator was replaced by one that does not fit: %v", e.Name, err), fault.HintOf(err)
	case w.changeable(e.ledger):
		f.mend = func(context.Context) error { return w.registerAll(e.ledger, e.Entry) }
	}
	return f
}

// activatorsDisabled tells which entries are switched off. Those that jails use
// are jail-activator's.
func activatorsDisabled(_ context.Context, w *World) []Finding {
	own, err := w.ownEntries()
	if err != nil && own == nil {
		return nil
	}
	var found []Finding
	for _, e := range own {
		if e.Enabled || w.usedByJail(e.Name) || activators.StandInOf(e.Name) != "" {
			continue
		}
		name := e.Name
		if a, _ := archOfName(w.goos, name); a != nil {
			name = a.Name
		}
		found = append(found, Finding{Subject: e.Name, Result: Note, Message: fmt.Sprintf("the entry %q is switched off", e.Name),
			Fix: w.sudo(w.xjail("activator", "enable", name, "--global"))})
	}
	if len(found) == 0 {
		return one(OK, "all entries of xjail's that are registered are switched on", "")
	}
	return found
}

// usedByJail tells whether a jail that is looked at uses an entry of the
// machine's table.
func (w *World) usedByJail(name string) bool {
	return slices.ContainsFunc(w.globals(), func(r *jail.Record) bool {
		looked := w.Jails == nil || slices.Contains(w.Jails, r.Name)
		return looked && slices.ContainsFunc(r.Activators, func(a activators.Entry) bool { return a.Name == name })
	})
}

// activatorsBoot looks whether what is registered when the machine starts is
// what is registered now.
func activatorsBoot(_ context.Context, w *World) []Finding {
	t, err := persist.Open(w.sys)
	if err != nil {
		return one(Skipped, err.Error(), "")
	}
	defer t.Close()
	written, missing, err := persist.ReadWritten(t, w.goos)
	if err != nil {
		return one(Skipped, err.Error(), "")
	}
	own, _ := w.ownEntries()
	if len(written) == 0 {
		return w.notAtBoot(own)
	}
	again := w.sudo(w.xjail("activator", "persist"))
	var found []Finding
	for _, file := range missing {
		found = append(found, Finding{Subject: file, Result: Warning, Message: "of the files that register activators at boot one is missing: " + file, Fix: again})
	}
	for _, f := range written {
		found = append(found, w.bootFile(f, again)...)
	}
	found = append(found, w.declared(own, written, again)...)
	if len(found) == 0 {
		return one(OK, "what is registered at boot is what is registered now", "")
	}
	return found
}

// notAtBoot is about entries that the next boot takes away. On FreeBSD entering
// a jail registers them again.
func (w *World) notAtBoot(own []ownEntry) []Finding {
	if len(own) == 0 || w.goos == "freebsd" {
		return one(OK, "no activators are to be registered at boot", "")
	}
	return one(Note, "the activators that xjail registered with the machine are gone after the next boot", w.sudo(w.xjail("activator", "persist")))
}

func (w *World) bootFile(f persist.Written, again string) []Finding {
	if f.Changed {
		return []Finding{{Subject: f.Path, Result: Note, Message: f.Path + " was changed since xjail wrote it: what it registers is not xjail's own", Fix: again + " --force"}}
	}
	var found []Finding
	for _, file := range f.Needs {
		if !w.exists(file) {
			found = append(found, Finding{Subject: f.Path, Result: Warning, Message: f.Path + " names " + file + ", which is not there", Fix: again})
		}
	}
	return found
}

// declared compares what is registered at boot with what is registered now.
func (w *World) declared(own []ownEntry, written []persist.Written, again string) []Finding {
	var names []string
	for _, f := range written {
		names = append(names, f.Archs...)
	}
	var found []Finding
	if w.goos == "linux" {
		list, err := persist.Declared(w.sys)
		if err != nil {
			return []Finding{{Result: Warning, Message: err.Error(), Fix: fault.HintOf(err)}}
		}
		for _, e := range list {
			names = append(names, e.Name)
			found = append(found, w.declaredEntry(e, again)...)
		}
		if len(list) == 0 {
			return found // it was changed, which is said already
		}
	}
	for _, e := range own {
		if !slices.Contains(names, e.Name) && activators.StandInOf(e.Name) == "" {
			found = append(found, Finding{Subject: e.Name, Result: Note, Message: fmt.Sprintf("the entry %q is not among those that are registered at boot", e.Name), Fix: again})
		}
	}
	return found
}

func (w *World) declaredEntry(e activators.Entry, again string) []Finding {
	now, err := w.table.Lookup(e.Name)
	switch {
	case errors.Is(err, activators.ErrNotFound):
		return []Finding{{Subject: e.Name, Result: Warning, Message: fmt.Sprintf("the entry %q is to be registered at boot, and is not registered", e.Name),
			Fix: w.sudo("systemctl restart systemd-binfmt xjail-activators")}}
	case err != nil:
		return nil // kernel-table says it
	case !now.SameRule(e):
		return []Finding{{Subject: e.Name, Result: Warning, Message: fmt.Sprintf("the entry %q is registered otherwise than it will be at boot", e.Name), Fix: again}}
	}
	return nil
}

// targetName is an emulator's target, for people.
func targetName(e *qemu.Emulator) string {
	version, _, _ := strings.Cut(e.Version, " ")
	return "qemu-" + e.Target + " " + version
}
