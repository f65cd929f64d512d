package poudriere

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Subject is the jail of xjail's that poudriere is to know. Nobody else may
// change it meanwhile.
type Subject struct {
	Name string
	Arch *arch.Arch
	Root string
	// Dir is its directory in the state directory.
	Dir string
	// Updated is when it was updated last; the zero time for never.
	Updated time.Time
	// Emulated: an emulator runs its programs.
	Emulated bool
	// Activate has the machine's activators in order; nil when the jail uses none.
	Activate func(context.Context) error
}

// Request is what is asked of Register.
type Request struct {
	// As is the name that poudriere shall use; "" is the jail's.
	As string
	// Version is what poudriere shall take the root for, 14.3-RELEASE; "" asks
	// the root.
	Version string
	// Direct writes the files without poudriere, also where it is installed.
	Direct bool
	// Renew: the root was changed, by others than xjail update, of which is known.
	// The time and @clean follow.
	Renew bool
}

// Who writes the metadata.
const (
	byPoudriere = "poudriere"
	byXjail     = "xjail"
)

// Plan is what Register will do.
type Plan struct {
	Jail Jail   `json:"jail"`
	Etc  string `json:"poudriere_etc"`
	// Through is who writes it: poudriere, by Command, or xjail.
	Through string   `json:"through"`
	Command []string `json:"command,omitempty"`
	// Dataset gets a new snapshot @clean.
	Dataset string `json:"dataset,omitempty"`
	// Known: poudriere has the jail already. Changes are the properties that are
	// not as they should be.
	Known   bool     `json:"known,omitempty"`
	Changes []string `json:"changes,omitempty"`
	// Before is what they were.
	Before *Jail `json:"before,omitempty"`

	subject Subject
	renew   bool
	old     *Registration
	asked   string
}

// Nothing tells whether there is nothing to be done.
func (p *Plan) Nothing() bool {
	return p.Known && len(p.Changes) == 0 && !p.renew && p.old != nil && !p.old.Begun
}

// Plan looks whether poudriere can have a jail, and decides how it is told. It
// changes nothing.
func (p *Poudriere) Plan(ctx context.Context, s Subject, req Request) (*Plan, error) {
	plan, err := p.planJail(s, req)
	if err != nil {
		return nil, err
	}
	if err := p.planKnown(plan); err != nil {
		return nil, err
	}
	if err := p.planDataset(ctx, plan); err != nil {
		return nil, err
	}
	if plan.Nothing() {
		plan.Dataset = ""
		return plan, nil
	}
	if err := p.checkIdle(plan.Jail.Name); err != nil {
		return nil, err
	}
	plan.Through = byXjail
	if !plan.Known && !req.Direct {
		p.planCommand(plan)
	}
	return plan, nil
}

// planDataset looks whether poudriere will clone the root by ZFS. A snapshot that
// it would clone and that is not there, since somebody removed it or went over to
// ZFS, has to be made also when nothing else has changed.
func (p *Poudriere) planDataset(ctx context.Context, plan *Plan) error {
	settings, err := p.Settings("")
	if err != nil {
		return err
	}
	if plan.Dataset, err = p.dataset(ctx, settings, plan.subject.Root); err != nil || plan.Dataset == "" {
		return err
	}
	guid, err := p.guid(ctx, plan.Dataset)
	plan.renew = plan.renew || guid == ""
	return err
}

// planJail is what poudriere will be told.
func (p *Poudriere) planJail(s Subject, req Request) (*Plan, error) {
	old, err := Load(s.Dir)
	if err != nil {
		return nil, err
	}
	renamed := old != nil && old.follow()
	name := req.As
	switch {
	case name == "" && old != nil:
		name = old.Jail.Name
	case name == "":
		name = s.Name
	}
	if err := p.accepts(s, name); err != nil {
		return nil, err
	}
	if old != nil && !old.Begun && (old.Jail.Name != name || old.Etc != p.Etc) {
		return nil, fault.New(fault.Exists, "xjail poudriere unregister "+s.Name, "jail %s is registered with poudriere as %s, in %s", s.Name, old.Jail.Name, old.Etc)
	}
	archName, err := ArchName(s.Arch)
	if err != nil {
		return nil, err
	}
	asked := req.Version
	if asked == "" && old != nil {
		asked = old.Asked
	}
	facts, err := readRoot(s.Root, req.Version, asked)
	if err != nil {
		return nil, err
	}
	return &Plan{
		Jail: Jail{Name: name, Version: facts.Version, Arch: archName, Mnt: s.Root, Method: "null", PkgBase: "0"},
		Etc:  p.Etc, subject: s, renew: req.Renew || renamed || old != nil && !old.Updated.Equal(s.Updated), old: old, asked: asked,
	}, nil
}

// Accepts refuses what can be told before the root is there: a name or a place
// that poudriere cannot have, an architecture that it does not know, a jail of
// that name.
func (p *Poudriere) Accepts(s Subject, req Request) error {
	name := cmp.Or(req.As, s.Name)
	if err := p.accepts(s, name); err != nil {
		return err
	}
	now, err := p.Jail(name)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	return taken(now)
}

func taken(now *Jail) error {
	return fault.New(fault.Exists, "another name with --as, or poudriere jail -d -j "+now.Name+" first",
		"poudriere has a jail %s already, of method %q at %s", now.Name, now.Method, now.Mnt)
}

func (p *Poudriere) accepts(s Subject, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := p.checkEtc(); err != nil {
		return err
	}
	if !p.Configured() && !isDir(p.Dir()) {
		return fault.New(fault.NotFound, "pkg install poudriere-devel; --poudriere-etc DIR names another place; mkdir -p "+p.Dir()+" when it is to come later",
			"there is no poudriere here: no poudriere.conf in %s", p.Etc)
	}
	if _, err := ArchName(s.Arch); err != nil {
		return err
	}
	return checkMount(s.Root)
}

// planKnown compares with what poudriere has under that name.
func (p *Poudriere) planKnown(plan *Plan) error {
	now, err := p.Jail(plan.Jail.Name)
	if fault.KindOf(err) == fault.NotFound {
		return nil
	}
	if err != nil {
		return err
	}
	if plan.old == nil || !ours(plan.old, now) {
		return taken(now)
	}
	plan.Known, plan.Before = true, now
	plan.Jail.Timestamp = now.Timestamp
	for _, prop := range plan.Jail.properties() {
		if value(now, prop.name) != *prop.value && *prop.value != "" {
			plan.Changes = append(plan.Changes, prop.name)
		}
	}
	return nil
}

// ours tells whether a jail of poudriere's is what a registration made: others
// may have removed that and made one of the same name. Blanks at the end of a
// property go when poudriere's shell splits its words.
func ours(r *Registration, now *Jail) bool {
	return strings.TrimSpace(now.Method) == "null" && strings.TrimSpace(now.Mnt) == r.Jail.Mnt
}

// value is a property by its name.
func value(j *Jail, name string) string {
	for _, p := range j.properties() {
		if p.name == name {
			return *p.value
		}
	}
	return ""
}

// planCommand has poudriere itself register the jail, where it can: it is
// installed and configured, and this is root of a FreeBSD machine.
func (p *Poudriere) planCommand(plan *Plan) {
	program := p.find("poudriere")
	if p.os != "freebsd" || !p.root || program == "" || !p.Configured() {
		return
	}
	plan.Through = byPoudriere
	plan.Command = []string{program, "-e", p.Etc, "jail", "-c", "-j", plan.Jail.Name, "-m", "null",
		"-M", plan.Jail.Mnt, "-v", plan.Jail.Version, "-a", plan.Jail.Arch}
}

// Register carries out a plan. When it fails or is interrupted poudriere knows
// nothing of the jail, or what it knew before.
func (p *Poudriere) Register(ctx context.Context, plan *Plan) (*Registration, error) {
	if plan.Nothing() {
		return plan.old, nil
	}
	r := &Registration{Etc: plan.Etc, Jail: plan.Jail, Through: plan.Through, Dataset: plan.Dataset, Asked: plan.asked, Updated: plan.subject.Updated, Begun: true}
	if plan.old != nil {
		r.Limits, r.Through = plan.old.Limits, plan.old.Through
		if r.Through == "" || !plan.Known {
			r.Through = plan.Through
		}
	}
	if plan.Known {
		return p.renew(ctx, plan, r)
	}
	if o := plan.old; o != nil && o.Begun && (o.Jail.Name != plan.Jail.Name || o.Etc != plan.Etc) {
		if err := p.undo(ctx, plan.subject, o); err != nil {
			return nil, err
		}
	}
	if err := r.save(plan.subject.Dir); err != nil {
		return nil, err
	}
	err := p.register(ctx, plan, r)
	if err == nil {
		r.Begun = false
		err = r.save(plan.subject.Dir)
	}
	if err != nil {
		undo := p.undo(context.WithoutCancel(ctx), plan.subject, r)
		if undo == nil && plan.old != nil && !plan.old.Begun {
			undo = plan.old.save(plan.subject.Dir)
		}
		return nil, errors.Join(err, undo)
	}
	return r, nil
}

// register has poudriere know a jail that it does not know yet.
func (p *Poudriere) register(ctx context.Context, plan *Plan, r *Registration) error {
	if plan.subject.Activate != nil {
		if err := plan.subject.Activate(ctx); err != nil {
			return fmt.Errorf("the machine's activator: %w", err)
		}
	}
	if len(plan.Command) > 0 {
		return p.registerThrough(ctx, plan, r)
	}
	if err := p.snapshot(ctx, plan, r); err != nil {
		return err
	}
	if err := r.save(plan.subject.Dir); err != nil {
		return err // whose snapshot it is
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Interrupted, err, "register with poudriere", "")
	}
	r.Jail.Timestamp = p.timestamp()
	return p.put(&r.Jail)
}

func (p *Poudriere) timestamp() string { return strconv.FormatInt(p.now().Unix(), 10) }

// registerThrough runs poudriere, and looks at what it wrote.
func (p *Poudriere) registerThrough(ctx context.Context, plan *Plan, r *Registration) error {
	if _, err := p.run(ctx, plan.Command...); err != nil {
		return fault.Wrap(fault.KindOf(err), err, "poudriere does not take the jail", "--direct writes its files without poudriere")
	}
	now, err := p.Jail(plan.Jail.Name)
	if err != nil {
		return err
	}
	r.Jail = *now
	if !ours(&Registration{Jail: plan.Jail}, now) || now.Arch != plan.Jail.Arch || now.Version == "" {
		return fault.New(fault.Failed, "--direct writes its files without poudriere", "poudriere registered %s %s at %s instead of %s at %s", now.Version, now.Arch, now.Mnt, plan.Jail.Arch, plan.Jail.Mnt)
	}
	if plan.Dataset != "" {
		r.Snapshot, err = p.guid(ctx, plan.Dataset)
	}
	return err
}

// snapshot makes @clean anew where the root is a dataset.
func (p *Poudriere) snapshot(ctx context.Context, plan *Plan, r *Registration) (err error) {
	if plan.Dataset != "" {
		r.Snapshot, err = p.markClean(ctx, plan.Dataset, plan.subject.Root)
	}
	return err
}

// renew brings what poudriere has in step with the jail. The time comes last: as
// long as it is the old one, it is known that something is missing.
func (p *Poudriere) renew(ctx context.Context, plan *Plan, r *Registration) (*Registration, error) {
	if plan.subject.Activate != nil {
		if err := plan.subject.Activate(ctx); err != nil {
			return nil, fmt.Errorf("the machine's activator: %w", err)
		}
	}
	if err := p.snapshot(ctx, plan, r); err != nil {
		return nil, err
	}
	for _, name := range plan.Changes {
		if err := p.set(plan.Jail.Name, name, value(&plan.Jail, name)); err != nil {
			return nil, err
		}
	}
	r.Jail.Timestamp = p.timestamp()
	if err := p.set(plan.Jail.Name, "timestamp", r.Jail.Timestamp); err != nil {
		return nil, err
	}
	r.Begun = false
	return r, r.save(plan.subject.Dir)
}

// undo takes away what a registration that failed has made.
func (p *Poudriere) undo(ctx context.Context, s Subject, r *Registration) error {
	c := r.Config()
	err := c.dropTemp(r.Jail.Name)
	if now, jerr := c.Jail(r.Jail.Name); jerr == nil && ours(r, now) {
		err = errors.Join(err, c.removeJail(r.Jail.Name))
	}
	if r.Dataset != "" {
		err = errors.Join(err, p.dropClean(ctx, r.Dataset, s.Root, r.Snapshot))
	}
	if err != nil {
		return err // the file stays, and with it what is to be done
	}
	return forget(s.Dir)
}

// Removal is what Unregister does.
type Removal struct {
	Name string `json:"poudriere_jail"`
	// Paths are the directories and files that go, Kept those that do not, with
	// the reason.
	Paths []string `json:"removed"`
	Kept  []string `json:"kept,omitempty"`
	// Snapshot is that of a dataset.
	Snapshot string `json:"snapshot,omitempty"`
}

// PlanRemoval looks what Unregister would do for the jail of that state
// directory; nil when poudriere was not told of it.
func (p *Poudriere) PlanRemoval(ctx context.Context, dir string) (*Removal, error) {
	r, err := Load(dir)
	if err != nil || r == nil {
		return nil, err
	}
	c := r.Config()
	r.follow()
	if err := c.checkIdle(r.Jail.Name); err != nil {
		return nil, err
	}
	rm := &Removal{Name: r.Jail.Name}
	place := filepath.Join(c.jails(), r.Jail.Name)
	now, err := c.Jail(r.Jail.Name)
	switch {
	case fault.KindOf(err) == fault.NotFound:
	case err != nil:
		return nil, err
	case ours(r, now):
		rm.Paths = append(rm.Paths, place)
	default:
		rm.Kept = append(rm.Kept, place+": somebody else's now, of method "+now.Method+" at "+now.Mnt)
	}
	if _, err := os.Lstat(c.temp(r.Jail.Name)); err == nil {
		rm.Paths = append(rm.Paths, c.temp(r.Jail.Name))
	}
	if r.Limits != nil {
		rm.limits(r.Limits)
	}
	if r.Dataset != "" && r.Snapshot != "" {
		guid, err := p.guid(ctx, r.Dataset)
		if err != nil {
			return nil, err
		}
		if guid == r.Snapshot {
			rm.Snapshot = r.Dataset + "@" + clean
		}
	}
	return rm, nil
}

// limits adds the file of the times, when it is as it was written, and what a
// killed command left beside it.
func (rm *Removal) limits(f *LimitsFile) {
	if _, err := os.Lstat(tempOf(f.Path)); err == nil {
		rm.Paths = append(rm.Paths, tempOf(f.Path))
	}
	switch sum, err := digest(f.Path); {
	case err != nil:
	case sum == f.SHA256:
		rm.Paths = append(rm.Paths, f.Path)
	default:
		rm.Kept = append(rm.Kept, f.Path+": it was changed")
	}
}

// Unregister has poudriere know nothing of a jail any more. What poudriere has
// of its own, packages and logs, stays. nil when it was not told of it.
func (p *Poudriere) Unregister(ctx context.Context, dir string) (*Removal, error) {
	rm, err := p.PlanRemoval(ctx, dir)
	switch {
	case err != nil:
		return nil, err
	case rm == nil:
		return nil, forget(dir) // of one that was killed before it began
	}
	r, err := Load(dir)
	if err != nil {
		return nil, err
	}
	c := r.Config()
	r.follow()
	for _, path := range rm.Paths {
		switch path {
		case filepath.Join(c.jails(), r.Jail.Name):
			err = c.removeJail(r.Jail.Name)
		case c.temp(r.Jail.Name):
			err = c.dropTemp(r.Jail.Name)
		default:
			err = writeError(os.Remove(path))
		}
		if err != nil {
			return nil, err
		}
	}
	if rm.Snapshot != "" {
		if err := p.dropClean(ctx, r.Dataset, r.Jail.Mnt, r.Snapshot); err != nil {
			return nil, err
		}
	}
	return rm, forget(dir)
}
