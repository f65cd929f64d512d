package jail

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
	"github.com/xjail/xjail/jail/xtools"
)

// NoTools is what --tools calls a jail without native tools.
const NoTools = "none"

func (s Store) toolsDir(name string) string { return filepath.Join(s.dir(name), "tools") }
func (s Store) toolsManifest(name string) string {
	return filepath.Join(s.toolsDir(name), "manifest.json")
}

// twins is where the farms are that jails share, below the state directory.
const twins = "cache/twins"

// LoadTools reads which native tools a jail has; nil when it has none.
func (s Store) LoadTools(name string) (*xtools.Manifest, error) {
	if m, err := s.loadWritten(name); err != nil || m != nil {
		return m, err
	}
	text, err := os.ReadFile(s.toolsManifest(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "native tools of jail "+name, "")
	}
	m, err := xtools.ParseManifest(text)
	return m, fault.Wrap(fault.KindOf(err), err, s.toolsManifest(name), "xjail tools install "+name+" makes it anew; --no-tools does without")
}

// ToolsRequest says which native tools a jail is to get.
type ToolsRequest struct {
	// Source is twin, host, pack:FILE, or nxb:PATH for roots of FreeBSD.
	Source string
	// Materialize writes them into the root, in place of its own. Roots of FreeBSD
	// have them in /nxb-bin in any case.
	Materialize bool
	// Try has the self-test's quick part run first; tools that fail are not used.
	Try bool
	// Only are the programs to be native, besides those that are; nil for all.
	Only []string
}

// toolSource is the source of that name.
func (s Store) toolSource(cfg *Config, name string) (xtools.Source, error) {
	policy, err := xtools.DefaultPolicy().With(cfg.Tools)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(s.Dir, twins)
	if file, ok := isPath(name, xtools.PackName); ok && file != "" {
		return &xtools.Pack{File: file, Dir: dir, Below: twins, Policy: policy}, nil
	}
	switch name {
	case xtools.TwinName:
		return &xtools.Twin{Dir: dir, Below: twins, Mirror: cfg.Mirror, Policy: policy}, nil
	case xtools.HostName:
		return &xtools.HostTools{Twin: xtools.Twin{Dir: dir, Below: twins, Policy: policy}, Root: "/"}, nil
	}
	if _, ok := isPath(name, xtools.NxbName); ok {
		return nil, fault.New(fault.Unsupported, "--tools twin, --tools host or --tools pack:FILE", "%s: such tools are for roots of FreeBSD", name)
	}
	return nil, fault.New(fault.Usage, "--tools twin, host, nxb:PATH, pack:FILE or none", "tools are of twin, host, nxb:PATH or pack:FILE, not of %q", name)
}

// CheckToolSource refuses what cannot be the name of a source.
func CheckToolSource(name string) error {
	for _, kind := range []string{xtools.NxbName, xtools.PackName} {
		if file, ok := isPath(name, kind); ok && file != "" {
			return nil
		}
	}
	_, err := Store{}.toolSource(&Config{}, name)
	return err
}

// InstallTools gets native tools of a source for a jail, and tries them unless
// that is not wanted. The stored root stays as it is, but for empty mount points
// where it has nothing, unless the tools are to be in it.
func (s Store) InstallTools(ctx context.Context, cfg *Config, name string, req ToolsRequest, w Watcher) (*xtools.Manifest, error) {
	r, l, err := s.take(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	if req.Only, err = s.chosenWith(r, req.Only); err != nil {
		return nil, err
	}
	if r.Guest == "freebsd" {
		m, err := s.installNxb(ctx, cfg, r, req.Source, s.nxbTrialOf(ctx, r, req.Try, w), w)
		return m, writeError(err)
	}
	src, err := s.toolSource(cfg, req.Source)
	if err != nil {
		return nil, err
	}
	if err := s.checkTools(r); err != nil {
		return nil, err
	}
	again, err := s.liftTools(ctx, r)
	if err != nil {
		return nil, err
	}
	m, err := s.installTools(ctx, cfg, r, src, req, w)
	if err != nil {
		return nil, errors.Join(writeError(err), again())
	}
	return m, nil
}

// take takes a jail that is to be changed, with nobody in it. The caller releases
// the lock.
func (s Store) take(name string) (*Record, *lock, error) {
	// The lock would make a file for a jail that is not there.
	if _, err := s.Load(name); err != nil {
		return nil, nil, err
	}
	return s.takeLocked(name)
}

// checkTools refuses jails that can have no native tools.
func (s Store) checkTools(r *Record) error {
	switch {
	case runtime.GOOS != "linux":
		return fault.New(fault.Unsupported, "poudriere has its own: docs/freebsd-host.md", "native tools are laid over on Linux hosts")
	case r.NotRun != "":
		return fault.New(fault.NotFound, r.EmulatorHint(), "jail %s cannot be entered here: %s", r.Name, r.NotRun)
	}
	return nil
}

func (s Store) installTools(ctx context.Context, cfg *Config, r *Record, src xtools.Source, req ToolsRequest, w Watcher) (*xtools.Manifest, error) {
	if err := s.checkTools(r); err != nil {
		return nil, err
	}
	defer unix.Umask(unix.Umask(0o022))
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	a, err := arch.Lookup(r.Arch)
	if err != nil {
		return nil, err
	}
	unlock, err := s.lockFarms(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	notes := xtools.Notes{Step: func(what string) { w.Step("tools", what) }, Log: w.Log()}
	m, err := src.Collect(ctx, &xtools.Subject{Root: root, Arch: a, Host: arch.Host()}, notes)
	if xtools.IsFull(err) {
		return nil, fault.New(fault.NoSpace, "free space there, or choose another place with --state DIR", "there is no room for native tools in %s", filepath.Join(s.Dir, twins))
	}
	if err != nil {
		return nil, err
	}
	if err := choose(m, req.Only, w); err != nil {
		return nil, err
	}
	if m.Env, err = s.toolsEnv(ctx, r, m); err != nil {
		return nil, err
	}
	if req.Materialize {
		return m, s.materialize(ctx, cfg, r, root, m, req.Try, w)
	}
	return m, s.putTools(ctx, cfg, r, root, m, req.Try, w)
}

// putTools has tools laid over from now on, tried or not.
func (s Store) putTools(ctx context.Context, cfg *Config, r *Record, root *os.Root, m *xtools.Manifest, try bool, w Watcher) error {
	if !try {
		return s.useTools(r, root, m)
	}
	policy, err := xtools.DefaultPolicy().With(cfg.Tools)
	if err != nil {
		return err
	}
	return s.useTried(ctx, r, root, m, policy, w)
}

// materialize writes tools into the root. They are tried before, while they are
// laid over: in the root there is nothing to compare them with any more.
func (s Store) materialize(ctx context.Context, cfg *Config, r *Record, root *os.Root, m *xtools.Manifest, try bool, w Watcher) error {
	old, err := s.LoadTools(r.Name)
	if err != nil {
		old = nil // it is replaced
	}
	if try {
		if err := s.putTools(ctx, cfg, r, root, m, true, w); err != nil {
			return err
		}
	}
	w.Step("tools", "write them into the root")
	err = s.writeTools(ctx, r, root, m)
	switch {
	case err == nil || !try:
		return err
	case old != nil:
		return errors.Join(err, s.useTools(r, root, old))
	}
	return errors.Join(err, s.dropTools(r.Name, root, m))
}

// lockFarms keeps others from making or removing farms meanwhile.
func (s Store) lockFarms(ctx context.Context) (unlock func(), err error) {
	dir := filepath.Join(s.Dir, twins)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, writeError(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, writeError(err)
	}
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		if err := pause(ctx); err != nil {
			f.Close()
			return nil, err
		}
	}
}

// useTools makes the mount points and writes the manifest: first what is to be
// made, so that what an interrupted command leaves is known.
func (s Store) useTools(r *Record, root *os.Root, m *xtools.Manifest) error {
	old, err := s.LoadTools(r.Name)
	if err != nil {
		old = nil // it is replaced
	}
	if err := placeMounts(root, m); err != nil {
		return err
	}
	dirs, files := missingPoints(root, m, old)
	m.Points = append(slices.Clone(dirs), files...)
	text, err := m.Marshal()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.toolsDir(r.Name), 0o700); err != nil {
		return err
	}
	if err := writeFile(s.toolsManifest(r.Name), text); err != nil {
		return err
	}
	if err := keepTimes(root, m.Points, func() error { return makePoints(root, dirs, files) }); err != nil {
		_ = s.dropTools(r.Name, root, m)
		return err
	}
	if old != nil {
		removePoints(root, slices.DeleteFunc(slices.Clone(old.Points), func(p string) bool { return slices.Contains(m.Points, p) }))
	}
	return nil
}

// RemoveTools takes the native tools of a jail away, and the mount points that
// were made for them; written ones are taken out of the root, which is then as it
// was. The paths are of files of the root that others have put in their place
// since, and that stay. The farm stays in the cache.
func (s Store) RemoveTools(ctx context.Context, name string) (m *xtools.Manifest, replaced []string, err error) {
	r, l, err := s.take(name)
	if err != nil {
		return nil, nil, err
	}
	defer l.release()
	m, err = s.LoadTools(name)
	if err != nil && fault.KindOf(err) != fault.Damaged {
		return nil, nil, err
	}
	if err == nil && m == nil {
		return nil, nil, fault.New(fault.NotFound, "xjail tools install "+name, "jail %s has no native tools", name)
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	switch {
	case m != nil && m.Layout == xtools.Written:
		replaced, err = s.restoreTools(ctx, name, root)
		s.tidyTools(name)
		return m, replaced, err
	case m != nil && m.Layout == xtools.NxbBin:
		return m, nil, s.dropNxb(ctx, name, root)
	}
	return m, nil, s.dropTools(name, root, m)
}

func (s Store) dropTools(name string, root *os.Root, m *xtools.Manifest) error {
	if m != nil {
		removePoints(root, m.Points)
	}
	if err := os.Remove(s.toolsManifest(name)); err != nil {
		return writeError(err)
	}
	s.tidyTools(name)
	return nil
}

// machineWord is what a program may say of the machine that it was built for.
var machineWord = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[A-Za-z0-9_.-]{1,80}$`) })

// toolsEnv asks the root's own bash and make what they say of the machine. Both
// say it in variables that they take from the environment where they are set.
func (s Store) toolsEnv(ctx context.Context, r *Record, m *xtools.Manifest) ([]string, error) {
	var env []string
	for _, f := range m.Files {
		switch {
		case f.Kind != xtools.Program:
		case path.Base(f.Path) == "bash":
			out, err := s.ask(ctx, r, f.Path, "-c", `printf 'HOSTTYPE=%s\nMACHTYPE=%s\nOSTYPE=%s\n' "$HOSTTYPE" "$MACHTYPE" "$OSTYPE"`)
			if err != nil {
				return nil, err
			}
			env = append(env, machineWords(out)...)
		case path.Base(f.Path) == "make":
			out, err := s.ask(ctx, r, f.Path, "--version")
			if err != nil {
				return nil, err
			}
			for line := range strings.Lines(out) {
				if built, ok := strings.CutPrefix(line, "Built for "); ok {
					env = append(env, machineWords("MAKE_HOST="+built)...)
				}
			}
		}
	}
	return env, nil
}

// ask runs a program of the root without native tools.
func (s Store) ask(ctx context.Context, r *Record, argv ...string) (string, error) {
	status, out, errText, err := s.capture(ctx, r, argv)
	if err == nil && status != 0 {
		err = fault.New(fault.Failed, "", "%s ended with status %d: %s", argv[0], status, errText)
	}
	return out, err
}

// machineWords are the lines NAME=VALUE whose values can be such.
func machineWords(text string) []string {
	var env []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if _, value, ok := strings.Cut(line, "="); ok && machineWord().MatchString(value) {
			env = append(env, line)
		}
	}
	return env
}

// Tool is a program of a jail, and whether it is native.
type Tool struct {
	Path    string       `json:"path"`
	State   xtools.State `json:"state"`
	Why     string       `json:"why,omitempty"`
	Package string       `json:"package,omitempty"`
	Version string       `json:"version,omitempty"` // of the native package
	Pays    bool         `json:"pays,omitempty"`
	Script  bool         `json:"script,omitempty"` // of perl
}

// Tools lists the programs of a jail: those that are native, and those that are
// not with the reason. A program that was replaced since is drifted.
func (s Store) Tools(name string) (*xtools.Manifest, []Tool, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, nil, err
	}
	defer l.release()
	m, err := s.LoadTools(name)
	if err != nil {
		return nil, nil, err
	}
	if m == nil {
		return nil, nil, fault.New(fault.NotFound, "xjail tools install "+name, "jail %s has no native tools", name)
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, nil, err
	}
	defer root.Close()
	changed, err := s.changed(context.Background(), name, root, m, false)
	if err != nil {
		return nil, nil, err
	}
	var list []Tool
	for _, f := range m.Files {
		if !f.Choosable() {
			continue
		}
		t := Tool{Path: f.Path, State: xtools.Native, Package: f.Package, Version: f.Version, Pays: f.Pays, Script: f.Kind == xtools.Script, Why: f.Why}
		if why := changed[f.Path]; why != "" {
			t.State, t.Why = xtools.Drifted, why
		}
		list = append(list, t)
	}
	for _, e := range m.Left {
		list = append(list, Tool{Path: e.Path, State: e.State, Why: e.Why, Package: e.Package, Pays: e.Pays, Script: e.Script})
	}
	slices.SortFunc(list, func(a, b Tool) int { return strings.Compare(a.Path, b.Path) })
	return m, list, nil
}

// overlayOf is what is laid over when a jail is entered; nil for nothing.
func (s Store) overlayOf(r *Record, c *Command) (*overlay, []string, error) {
	if c.probe || runtime.GOOS != "linux" {
		return nil, nil, nil
	}
	m, err := s.LoadTools(r.Name)
	switch {
	case err == nil && m != nil && m.Layout == xtools.Written && c.NoTools:
		return nil, nil, fault.New(fault.Unsupported, "xjail tools remove "+r.Name+", or xjail tools install "+r.Name+" without --materialize", "the native tools of jail %s are in its root: it cannot be entered without them", r.Name)
	case c.NoTools:
		return nil, nil, nil
	case err != nil || m == nil:
		return nil, nil, err
	case m.Layout != xtools.LaidOver:
		return nil, m.Env, nil
	}
	if _, err := os.Stat(filepath.Join(s.Dir, m.Farm)); err != nil {
		return nil, nil, fault.Wrap(fault.NotFound, err, "native tools of jail "+r.Name, fmt.Sprintf("xjail tools install %s gets them again; --no-tools does without", r.Name))
	}
	return s.newOverlay(m), m.Env, nil
}

// pointsOf are where something is laid over what a root may not have.
func pointsOf(m *xtools.Manifest) (dirs, files []string) {
	for _, t := range m.Trees {
		dirs = append(dirs, t.Path)
	}
	for _, f := range m.Files {
		if f.Original == nil && !m.InTree(f.Path) {
			files = append(files, f.Path)
		}
	}
	return dirs, files
}

// placeMounts gives each path that the root may not have the name by which it is
// reached without a symlink: /lib64 is one to usr/lib64 in many roots.
func placeMounts(root *os.Root, m *xtools.Manifest) error {
	for i := range m.Trees {
		var err error
		if m.Trees[i].Path, err = placeOf(root, m.Trees[i].Path); err != nil {
			return err
		}
	}
	for i := range m.Files {
		var err error
		if m.Files[i].Original == nil {
			if m.Files[i].Path, err = placeOf(root, m.Files[i].Path); err != nil {
				return err
			}
		}
	}
	return nil
}

// placeOf resolves as much of a path as there is.
func placeOf(root *os.Root, name string) (string, error) {
	dir, rest := path.Dir(name), path.Base(name)
	for {
		real, err := rootpath.Resolve(root, dir)
		if err == nil {
			return path.Join("/", real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", fault.Wrap(fault.Unsafe, err, "find the place of "+name+" in the root", "")
		}
		if st, err := root.Lstat(dir[1:]); err == nil && st.Mode()&fs.ModeSymlink != 0 {
			return "", fault.New(fault.Unsafe, "make what it leads to, or remove it", "%s of the root is a symlink that leads nowhere", dir)
		}
		dir, rest = path.Dir(dir), path.Join(path.Base(dir), rest)
	}
}

// missingPoints are what has to be made: the directories, the outermost first,
// and the files. What was made for the tools that the jail had before counts as
// missing.
func missingPoints(root *os.Root, m, old *xtools.Manifest) (dirs, files []string) {
	ours := map[string]bool{}
	if old != nil {
		for _, p := range old.Points {
			ours[p] = true
		}
	}
	missing := func(name string) bool {
		_, err := root.Lstat(name[1:])
		return err != nil || ours[name]
	}
	addDirs := func(name string) {
		for i := 1; i <= len(name); i++ {
			if i == len(name) || name[i] == '/' {
				if dir := name[:i]; missing(dir) && !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
			}
		}
	}
	trees, singles := pointsOf(m)
	for _, t := range trees {
		addDirs(t)
	}
	for _, f := range singles {
		if dir := path.Dir(f); dir != "/" {
			addDirs(dir)
		}
		if missing(f) {
			files = append(files, f)
		}
	}
	return dirs, files
}

// emptyPoints are what was made in a root for native tools, for what
// the root consists of without them.
func (s Store) emptyPoints(r *Record, root *os.Root) (map[string]string, error) {
	omit := map[string]string{}
	m, err := s.LoadTools(r.Name)
	if err != nil || m == nil {
		return omit, err
	}
	for _, p := range m.Points {
		if st, err := root.Lstat(p[1:]); err == nil && (st.IsDir() || st.Mode().IsRegular() && st.Size() == 0) {
			omit[p[1:]] = omitPoint
		}
	}
	return omit, nil
}

func makePoints(root *os.Root, dirs, files []string) error {
	for _, d := range dirs {
		if err := root.Mkdir(d[1:], 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return fault.Wrap(fault.Failed, err, "make "+d+" in the root", "")
		}
	}
	for _, name := range files {
		f, err := root.OpenFile(name[1:], os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return fault.Wrap(fault.Failed, err, "make "+name+" in the root", "")
		}
		f.Close()
	}
	return nil
}

// removePoints takes away what was made, as long as it is empty.
func removePoints(root *os.Root, points []string) {
	_ = keepTimes(root, points, func() error {
		removeEmptyPoints(root, points)
		return nil
	})
}

func removeEmptyPoints(root *os.Root, points []string) {
	for _, name := range slices.Backward(points) {
		st, err := root.Lstat(name[1:])
		if err != nil || st.Mode().IsRegular() && st.Size() != 0 || !st.IsDir() && !st.Mode().IsRegular() {
			continue
		}
		_ = root.Remove(name[1:]) // a directory with something in it stays
	}
}
