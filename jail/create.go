package jail

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/jail/miniroot"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/qemu"
)

// Watcher is told how long work goes on.
type Watcher interface {
	// Step is called when a step begins.
	Step(name, what string)
	// Progress is called often: bytes done, bytes in all or -1, entries made.
	Progress(done, total, entries int64)
	// Log is for the output of programs that a step runs.
	Log() io.Writer
	// Warn tells the user something that does not stop the work.
	Warn(text string)
}

// creation is a create under way.
type creation struct {
	store  Store
	plan   *Plan
	watch  Watcher
	record *Record
	log    *journal
	lock   *lock

	archive string // the local file, once it is there
	sets    []*source.Cached
	// metadata is the name of the file for what the host cannot hold; "" is
	// metadata.json.
	metadata string
	partial  string   // the directory that becomes the root
	root     *os.Root // the same, while it is being filled
}

// step is one step of a creation. Before do runs, the journal has its line.
type step struct {
	name, what string
	undo       journalEntry // what the step makes outside of jails/NAME
	do         func(*creation, context.Context) error
}

// createSteps are the steps of a plan.
func createSteps(p *Plan) []step {
	var steps []step
	if p.emu != nil && !p.Global {
		steps = append(steps, step{"kernel", "try the activator in namespaces of its own", journalEntry{}, (*creation).tryKernel})
	}
	steps = append(steps, sourceSteps(p)...)
	steps = append(steps, step{"check", "look that the root is of " + p.Arch + " and " + p.Guest, journalEntry{}, (*creation).check})
	if p.emu != nil {
		steps = append(steps, step{"emulator", "put " + p.emu.Path + " at " + p.Emulator.InRoot, journalEntry{}, (*creation).place})
	}
	steps = append(steps, step{"root", "move the root to " + p.Root, journalEntry{}, (*creation).publish})
	if p.Global && len(p.Activators) > 0 {
		undo := journalEntry{}
		if p.registers {
			undo.Global = []string{p.Activators[0].Name}
		}
		steps = append(steps, step{"register", "register " + p.Activators[0].Name + " with the machine", undo, (*creation).register})
	}
	if p.NotRun == "" {
		steps = append(steps, step{"probe", "run a program of " + p.Arch + " in the jail", journalEntry{}, (*creation).probe})
	}
	if p.Tools != nil {
		steps = append(steps, step{"tools", "get native tools: " + p.Tools.Source, journalEntry{}, (*creation).tools})
	}
	return append(steps, step{"record", "write the record", journalEntry{}, (*creation).finish})
}

// sourceSteps fill the partial root.
func sourceSteps(p *Plan) []step {
	src := p.Source
	switch {
	case src.IsURL():
		return []step{
			{"download", "get " + src.Value, journalEntry{}, (*creation).download},
			{"extract", "unpack it", journalEntry{}, (*creation).extract},
		}
	case src.Kind == source.Archive:
		return []step{{"extract", "unpack " + src.Value, journalEntry{}, (*creation).extract}}
	case src.Kind == source.Dir:
		return []step{{"copy", "copy " + src.Value, journalEntry{}, (*creation).copyDir}}
	case src.Kind == source.Release:
		return releaseSteps(src.Release)
	case src.Kind == source.PkgBase:
		return []step{{"pkgbase", "install " + strings.Join(src.Packages, ", ") + " with " + source.PkgTool, journalEntry{}, (*creation).installPackages}}
	case src.Kind == source.Src:
		return []step{{"installworld", "install the world that was built in " + src.Value, journalEntry{}, (*creation).installWorld}}
	case src.Kind == source.Debian:
		return []step{{"debian", "install Debian " + src.Value + " " + p.arch.Debian + " with " + source.DebianTool, journalEntry{}, (*creation).debian}}
	}
	return []step{{"miniroot", "build the mini root with Go for " + p.Guest + "/" + p.arch.GoArch, journalEntry{}, (*creation).miniroot}}
}

// Create carries out a plan. When it fails, or ctx ends, or the process is
// killed, nothing is left, or what the next Create or Destroy removes.
func (s Store) Create(ctx context.Context, p *Plan, w Watcher) (*Record, error) {
	if err := mayEnter(p.host.OS, os.Geteuid()); err != nil {
		return nil, err
	}
	if err := p.mayRegister(MachineTable(), inJail()); err != nil {
		return nil, err
	}
	l, err := s.lock(p.Name, unix.LOCK_EX)
	if err != nil {
		return nil, err
	}
	defer l.release()
	// The modes of a root are not the business of the caller's umask.
	defer unix.Umask(unix.Umask(0o022))
	if _, err := os.Stat(s.record(p.Name)); err == nil {
		return nil, fault.New(fault.Exists, "xjail destroy "+p.Name, "jail %s exists", p.Name)
	}
	if err := s.sweep(ctx, p.Name); err != nil {
		return nil, err
	}
	if p.Outside {
		if _, err := os.Lstat(p.Root); !errors.Is(err, fs.ErrNotExist) {
			return nil, fault.New(fault.Exists, "name a directory that does not exist yet", "--path %s exists", p.Root)
		}
	}
	r, err := s.create(ctx, p, w, l)
	if err == nil {
		return r, nil
	}
	if uerr := s.sweep(context.WithoutCancel(ctx), p.Name); uerr != nil {
		err = errors.Join(err, fmt.Errorf("undo: %w", uerr))
	}
	l.remove()
	s.removeEmpty()
	return nil, writeError(err)
}

// mayEnter refuses early what the last step would refuse.
func mayEnter(host string, euid int) error {
	if host != "freebsd" || euid == 0 {
		return nil
	}
	return fault.New(fault.Permission, "run it as root; --dry-run works for everybody", "jails and activators need root on FreeBSD")
}

// mayRegister refuses before anything is fetched what the step that registers
// would refuse, and loads the kernel's module for it.
func (p *Plan) mayRegister(t activators.Machine, jailed bool) error {
	if !p.Global || len(p.Activators) == 0 || !p.registers {
		return nil
	}
	if jailed {
		return fault.New(fault.Permission, "run it on the host, outside of the jail",
			"register %s: this is a jail, whose root can look at the host's activators and not change them", p.Activators[0].Name)
	}
	return activators.Load(t)
}

func (s Store) create(ctx context.Context, p *Plan, w Watcher, l *lock) (*Record, error) {
	if err := os.Mkdir(s.dir(p.Name), 0o700); err != nil {
		return nil, writeError(err)
	}
	log, err := s.openJournal(p.Name)
	if err != nil {
		return nil, err
	}
	defer log.close()
	c := &creation{store: s, plan: p, watch: w, log: log, lock: l, record: &Record{
		Version: recordVersion, Name: p.Name, Arch: p.Arch, Guest: p.Guest, Created: time.Now().UTC().Truncate(time.Second),
		Root: p.Root, Outside: p.Outside, Global: p.Global, Registered: p.registers, Env: p.Env, Allow: p.Allow, NotRun: p.NotRun,
		Source: SourceRecord{Kind: string(p.Source.Kind), Spec: p.Source.String(), Why: p.Source.Why},
	}}
	for _, a := range p.Activators {
		c.record.Activators = append(c.record.Activators, a.Entry)
	}
	defer c.closeRoot()
	defer c.closeSets()
	for _, st := range createSteps(p) {
		if err := ctx.Err(); err != nil {
			return nil, fault.Wrap(fault.Interrupted, err, "before step "+st.name, "")
		}
		st.undo.Step = st.name
		if err := log.announce(st.undo); err != nil {
			return nil, err
		}
		w.Step(st.name, st.what)
		if err := st.do(c, ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", st.name, err)
		}
	}
	return c.record, nil
}

func (c *creation) closeRoot() {
	if c.root != nil {
		c.root.Close()
		c.root = nil
	}
}

// partialName is the unfinished root in the directory of its jail. Elsewhere it
// is a new name beside the root, which nobody else has.
const partialName = "root.partial"

// openPartial makes the directory that becomes the root. In a place of the
// user's only what this creation has made may ever be removed, so the name is
// one that is not there, and it is written down first.
func (c *creation) openPartial() error {
	c.partial = filepath.Join(c.store.dir(c.plan.Name), partialName)
	if c.plan.Outside {
		c.partial = c.plan.Root + ".xjail-" + strings.ToLower(rand.Text()[:12])
		e := journalEntry{Step: "partial", Outside: []string{c.partial}, Parents: missingParents(c.partial)}
		if err := c.log.announce(e); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(c.partial), 0o755); err != nil {
			return writeError(err)
		}
	}
	if err := os.Mkdir(c.partial, 0o755); err != nil {
		return writeError(err)
	}
	root, err := os.OpenRoot(c.partial)
	c.root = root
	return err
}

// tryKernel finds out whether the kernel can do what the jail needs, before
// anything is fetched: the activator is registered in an instance of its own,
// and the emulator run beside it.
func (c *creation) tryKernel(ctx context.Context) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	e := &entrance{
		Name: c.plan.Name, Host: true, Private: true, Activators: c.hostActivators(),
		Argv: []string{c.plan.emu.Path, "--version"}, Env: mergeEnv(c.plan.Env, nil),
	}
	status, err := enter(ctx, e, &Command{Stdin: null, Stdout: null, Stderr: null})
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Interrupted, ctx.Err(), "", "")
	case err != nil:
		return err
	}
	return checkVersionStatus(c.plan.emu, status)
}

// checkVersionStatus looks at how --version ended: bsd-user emulators do not know
// it, say so with their usage, and end with status 1.
func checkVersionStatus(e *qemu.Emulator, status int) error {
	if status == 0 || status == 1 && e.Family == qemu.BSDUser {
		return nil
	}
	return fault.New(fault.BadEmulator, "try another emulator with --emulator", "%s --version ended with status %d", e.Path, status)
}

func (c *creation) download(ctx context.Context) error {
	c.archive = filepath.Join(c.store.dir(c.plan.Name), "download")
	sum, err := source.Download(ctx, c.plan.Source.Value, c.archive, c.plan.Source.SHA256, func(done, total int64) {
		c.watch.Progress(done, total, 0)
	})
	c.record.Source.SHA256 = sum
	return writeError(err)
}

func (c *creation) extract(ctx context.Context) error {
	name := c.archive
	if name == "" {
		name = c.plan.Source.Value
	}
	f, err := os.Open(name)
	if err != nil {
		return sourceError(name, err)
	}
	defer f.Close()
	if err := c.openPartial(); err != nil {
		return err
	}
	opts := c.extractOptions()
	opts.SHA256 = c.plan.Source.SHA256
	report, err := extract.Archive(ctx, f, c.root, opts)
	if err != nil {
		return err
	}
	if c.archive != "" {
		_ = os.Remove(c.archive)
	}
	if report.SHA256 != "" {
		c.record.Source.SHA256 = report.SHA256
	}
	return c.keep(report)
}

func (c *creation) extractOptions() extract.Options {
	return extract.Options{
		MaxEntries: c.plan.cfg.MaxEntries,
		MaxBytes:   c.plan.cfg.MaxBytes,
		// In a jail /dev is made anew at each entering, so a root does without
		// the nodes; but whoever cannot make them has to say so.
		Devices:     machineRoot(),
		SkipDevices: c.plan.SkipDevices,
		Progress: func(p extract.Progress) {
			c.watch.Progress(p.Read, p.Total, p.Entries)
		},
	}
}

// metadataName is the file beside the root for what the host cannot hold.
const metadataName = "metadata.json"

// keep writes what the host's file system could not hold into metadata.json
// beside the root: owners without an id here, file flags, devices.
func (c *creation) keep(report *extract.Report) error {
	c.record.Source.Entries, c.record.Source.Bytes, c.record.Source.Kept = report.Entries, report.Bytes, len(report.Kept)
	if len(report.Kept) == 0 {
		return nil
	}
	text, err := json.Marshal(report.Kept)
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(c.store.dir(c.plan.Name), cmp.Or(c.metadata, metadataName)), append(text, '\n'))
}

func (c *creation) copyDir(ctx context.Context) error {
	src, err := os.OpenRoot(c.plan.Source.Value)
	if err != nil {
		return sourceError(c.plan.Source.Value, err)
	}
	defer src.Close()
	if err := c.openPartial(); err != nil {
		return err
	}
	report, err := extract.Tree(ctx, src, c.root, c.extractOptions())
	if err != nil {
		return err
	}
	return c.keep(report)
}

func (c *creation) miniroot(ctx context.Context) error {
	b, err := miniroot.Build(ctx, miniroot.Options{
		GOOS: c.plan.Guest, GOARCH: c.plan.arch.GoArch, Env: c.plan.arch.GoEnv,
		// Go's own cache makes the next build of the same quick, so that the
		// program itself need not be kept.
		CacheDir: c.temp(),
		Log:      c.watch.Log(),
	})
	if err != nil {
		return err
	}
	if err := c.openPartial(); err != nil {
		return err
	}
	c.record.Source.SHA256 = b.SHA256
	if err := miniroot.Populate(ctx, c.root, b, c.plan.Name); err != nil {
		return err
	}
	return removeTree(ctx, c.temp())
}

// temp is a directory for temporary files of programs that a step runs: what
// they leave when they are killed is swept.
func (c *creation) temp() string { return filepath.Join(c.store.dir(c.plan.Name), "tmp") }

// debian runs mmdebstrap in namespaces like the jail's own, on the host's
// root: the emulator is registered there by its path on the host.
func (c *creation) debian(ctx context.Context) error {
	tool, err := source.FindDebianTool()
	if err != nil {
		return err
	}
	if err := os.Mkdir(c.temp(), 0o777|os.ModeSticky); err != nil {
		return writeError(err)
	}
	if err := c.openPartial(); err != nil {
		return err
	}
	e := &entrance{
		Name: c.plan.Name, Host: true, Private: len(c.plan.Activators) > 0,
		Activators: c.hostActivators(),
		Argv:       source.DebianCommand(tool, c.plan.arch.Debian, c.plan.Source.Value, c.plan.Source.Mirror, c.partial),
		Env: mergeEnv(append(c.plan.Env, "TMPDIR="+c.temp(), "HOME="+c.temp(), "LC_ALL=C.UTF-8", "PATH="+defaultPath),
			proxyEnv()),
	}
	tail := &tailWriter{}
	out, done, err := pipeTo(io.MultiWriter(c.watch.Log(), tail))
	if err != nil {
		return err
	}
	status, err := enter(ctx, e, &Command{Stdout: out, Stderr: out})
	out.Close()
	<-done
	switch {
	case ctx.Err() != nil:
		return fault.Wrap(fault.Interrupted, ctx.Err(), source.DebianTool, "")
	case err != nil:
		return err
	case status != 0:
		return fault.New(debianKind(tail.String()), "its output above says more; mirror: in the configuration names another mirror", "%s ended with status %d: %s", source.DebianTool, status, tail.lastError())
	}
	return removeTree(ctx, c.temp())
}

// hostActivators are the plan's with the emulator's path on the host.
func (c *creation) hostActivators() []activators.Entry {
	var entries []activators.Entry
	for _, a := range c.plan.Activators {
		a.Interpreter = c.plan.emu.Path
		entries = append(entries, a.Entry)
	}
	return entries
}

// proxyEnv are the proxy settings of the caller, which apt and curl honour.
func proxyEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		switch strings.ToLower(name) {
		case "http_proxy", "https_proxy", "ftp_proxy", "no_proxy":
			env = append(env, kv)
		}
	}
	return env
}

func (c *creation) check(context.Context) error {
	return checkRoot(c.root, c.plan.arch, c.plan.Guest)
}

func (c *creation) place(context.Context) error {
	placed, err := qemu.Place(c.root, strings.TrimPrefix(c.plan.Emulator.InRoot, "/"), c.plan.emu)
	if err != nil {
		return err
	}
	c.record.Emulator = &EmulatorRecord{
		Path: c.plan.Emulator.InRoot, Origin: c.plan.emu.Path, Version: c.plan.emu.Version,
		Family: c.plan.emu.Family, Target: c.plan.emu.Target, SHA256: placed.SHA256, Size: c.plan.emu.Size,
	}
	return nil
}

// publish gives the finished root its name, which must still be free. The
// inode tells it from what others may have put there.
func (c *creation) publish(context.Context) error {
	c.closeRoot()
	if c.plan.Outside {
		inode, err := inodeOf(c.partial)
		if err != nil {
			return err
		}
		if err := c.log.announce(journalEntry{Step: "root", Outside: []string{c.plan.Root}, Inode: inode}); err != nil {
			return err
		}
	}
	err := renameNew(c.partial, c.plan.Root)
	if errors.Is(err, fs.ErrExist) {
		return fault.New(fault.Exists, "name a directory that does not exist yet", "--path %s exists", c.plan.Root)
	}
	return writeError(err)
}

func (c *creation) register(context.Context) error {
	return c.store.registerGlobal(MachineTable(), c.record)
}

func (c *creation) probe(ctx context.Context) error {
	p, err := c.store.runProbe(ctx, c.record, probeTimeout)
	c.record.Probe = p
	return err
}

func (c *creation) finish(context.Context) error {
	// After a power cut there must be no record of a root that never got to
	// the disk.
	if err := flush(c.plan.Root); err != nil {
		return writeError(err)
	}
	if err := c.store.save(c.record); err != nil {
		return err
	}
	// From here on the jail exists. A journal that is left does no harm: only
	// a jail without a record is swept. One that names things elsewhere stays,
	// in case that the record is damaged one day.
	if len(outside(c.log.entries)) == 0 && len(global(c.log.entries)) == 0 {
		_ = os.Remove(c.store.journal(c.plan.Name))
	}
	return nil
}
