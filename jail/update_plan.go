package jail

import (
	"context"
	"os"
	"path/filepath"
	"slices"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/qemu"
)

// UpdateRequest says what is to be renewed beyond what is outdated.
type UpdateRequest struct {
	// Emulator is a file; "" takes the one that the jail's came from, or what
	// create would choose where that is gone.
	Emulator string
	// Release is the release of FreeBSD that the root is to be replaced by, 14.3;
	// "" leaves the root.
	Release string

	host *source.Host // nil is this machine
}

// UpdatePlan is what Update will do, decided before anything is done.
type UpdatePlan struct {
	Name string `json:"name"`
	Arch string `json:"arch"`
	// Emulator is the new one; nil when the jail has it.
	Emulator *EmulatorPlan `json:"emulator,omitempty"`
	// Activators are to be registered with the machine.
	Activators []PlannedActivator `json:"activators,omitempty"`
	Release    *ReleaseChange     `json:"release,omitempty"`
	// Tools are got again.
	Tools *ToolsPlan `json:"tools,omitempty"`
	// Changes say what is outdated, and Notes what stays as it is, for people.
	Changes []string `json:"changes"`
	Notes   []string `json:"notes,omitempty"`

	old, next *Record
	create    *Plan // as if it were made now
	emu       *qemu.Emulator
	cfg       *Config
}

// Nothing tells whether the jail is as it should be.
func (p *UpdatePlan) Nothing() bool { return len(p.Changes) == 0 }

// changesRoot tells whether something in the root is replaced.
func (p *UpdatePlan) changesRoot() bool { return p.Emulator != nil || p.Release != nil }

// NewUpdatePlan looks what is outdated in a jail. It changes nothing.
func (s Store) NewUpdatePlan(ctx context.Context, cfg *Config, name string, req UpdateRequest) (*UpdatePlan, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	a, err := arch.Lookup(r.Arch)
	if err != nil {
		return nil, err
	}
	next := *r
	p := &UpdatePlan{Name: name, Arch: r.Arch, Changes: []string{}, old: r, next: &next, cfg: cfg}
	p.create = &Plan{
		Name: name, Arch: r.Arch, Guest: r.Guest, Root: r.Root, Global: r.Global, Env: slices.Clone(r.Env),
		arch: a, cfg: cfg, host: source.ThisHost(),
	}
	if req.host != nil {
		p.create.host = *req.host
	}
	for _, plan := range []func() error{
		func() error { return s.planNewEmulator(ctx, p, req) },
		func() error { return s.planRelease(p, req) },
		func() error { return s.planEntries(ctx, p) },
		func() error { return s.planToolsAgain(p) },
	} {
		if err := plan(); err != nil {
			return nil, err
		}
	}
	p.describe()
	return p, nil
}

// planNewEmulator finds the emulator that the jail should have.
func (s Store) planNewEmulator(ctx context.Context, p *UpdatePlan, req UpdateRequest) error {
	r, ask := p.old, Request{Emulator: req.Emulator}
	if ask.Emulator == "" && r.Emulator != nil && p.cfg.Emulators[p.Arch] == "" && p.serves(s) == nil {
		if _, err := os.Stat(r.Emulator.Origin); err == nil {
			ask.Emulator = r.Emulator.Origin
		}
	}
	if ask.Emulator == "" && r.Emulator == nil && r.NotRun == "" {
		return nil // this machine runs it
	}
	if ask.Emulator != "" {
		path, err := filepath.Abs(ask.Emulator)
		if err != nil {
			return err
		}
		ask.Emulator = path
	}
	create := p.create
	create.Env = nil
	err := s.planEmulator(ctx, create, ask)
	if fault.KindOf(err) == fault.NotFound && req.Emulator == "" && r.Emulator != nil {
		p.Notes = append(p.Notes, "the emulator stays: "+r.Emulator.Origin+" is gone, and this machine has no other")
		return nil
	}
	if err != nil {
		return err
	}
	if create.emu == nil {
		return nil // NotRun, as before
	}
	return s.planPlaced(p)
}

// serves is the machine's activator of somebody else that the jail uses.
func (p *UpdatePlan) serves(s Store) *activators.Entry {
	if p.create.host.OS != "freebsd" {
		return nil
	}
	return s.serving(MachineTable(), p.create.arch)
}

// planPlaced compares with the emulator that is in the root.
func (s Store) planPlaced(p *UpdatePlan) error {
	create, r := p.create, p.old
	if err := s.planActivators(create); err != nil {
		return err
	}
	p.emu = create.emu
	now := &EmulatorRecord{
		Path: create.Emulator.InRoot, Origin: create.emu.Path, Version: create.emu.Version, Family: create.emu.Family,
		Target: create.emu.Target, SHA256: create.emu.SHA256, Size: create.emu.Size,
	}
	if r.Emulator != nil && r.Emulator.SHA256 == now.SHA256 && r.Emulator.Path == now.Path && r.Emulator.Origin == now.Origin && s.placedWell(r) {
		return nil
	}
	p.Emulator = create.Emulator
	p.next.Emulator, p.next.NotRun, p.next.Env = now, "", create.Env
	p.next.Activators, p.next.Registered = nil, r.Registered || create.registers
	for _, e := range create.Activators {
		p.next.Activators = append(p.next.Activators, e.Entry)
	}
	return nil
}

// placedWell tells whether the emulator in the root is the record's.
func (s Store) placedWell(r *Record) bool {
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return false
	}
	defer root.Close()
	return verifyEmulator(root, r).Result == OK
}

// planEntries looks whether the machine has the jail's activators.
func (s Store) planEntries(ctx context.Context, p *UpdatePlan) error {
	r := p.next
	if !r.Global || len(r.Activators) == 0 {
		return nil
	}
	t := MachineTable()
	if p.Emulator == nil && checkGlobal(t, r) == nil && !s.stale(t, r) {
		return nil
	}
	if err := s.checkRegister(t, r.Activators[0]); err != nil {
		return err
	}
	for _, e := range r.Activators {
		line, err := registerLine(p.create.host.OS, e)
		if err != nil {
			return err
		}
		p.Activators = append(p.Activators, PlannedActivator{e, line})
	}
	return ctx.Err()
}

// planToolsAgain has native tools be got again when they do not fit the root any
// more.
func (s Store) planToolsAgain(p *UpdatePlan) error {
	m, err := s.LoadTools(p.Name)
	if err != nil && fault.KindOf(err) != fault.Damaged {
		return err
	}
	damaged := err != nil
	if m == nil {
		if damaged {
			p.Notes = append(p.Notes, "the list of native tools is damaged: xjail tools install "+p.Name+" makes it anew")
		}
		return nil
	}
	root, err := os.OpenRoot(p.old.Root)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "root of jail "+p.Name, "xjail destroy "+p.Name)
	}
	defer root.Close()
	fit := !slices.ContainsFunc(s.verifyTools(root, p.old), func(c Check) bool { return c.Result != OK })
	if fit && p.Release == nil {
		return nil
	}
	if m.Source != xtools.TwinName && m.Source != xtools.HostName {
		p.Notes = append(p.Notes, "native tools of "+m.Source+" are got again by xjail tools install "+p.Name+" "+m.Source+":FILE")
		return nil
	}
	p.Tools = &ToolsPlan{Source: m.Source, Materialize: m.Layout == xtools.Written}
	if !damaged {
		p.Tools.Only = m.Only
	}
	return nil
}

// describe says what will be done.
func (p *UpdatePlan) describe() {
	if p.Release != nil {
		p.Changes = append(p.Changes, "root: "+p.Release.From+" is replaced by "+p.Release.To+", and what was changed in it goes")
	}
	if p.Emulator != nil {
		p.Changes = append(p.Changes, "emulator: "+p.old.emulatorName()+" is replaced by QEMU "+p.Emulator.Version+" of "+p.Emulator.Path)
	}
	for _, e := range p.Activators {
		p.Changes = append(p.Changes, "activator: "+e.Name+" is registered again")
	}
	if p.Tools != nil {
		p.Changes = append(p.Changes, "native tools: they are got again of "+p.Tools.Source)
	}
}

// emulatorName is the emulator of a jail, for people.
func (r *Record) emulatorName() string {
	if r.Emulator == nil {
		return "none"
	}
	return "QEMU " + r.Emulator.Version
}
