package jail

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/inplace"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// nxbManifest is what is in /nxb-bin of the root. It is there before /nxb-bin
// is, so that what an interrupted command leaves is known.
func (s Store) nxbManifest(name string) string { return filepath.Join(s.toolsDir(name), "nxb.json") }

// nxbNext is what is in /nxb-bin as soon as what is there is replaced. It is there
// while that is done.
func (s Store) nxbNext(name string) string { return filepath.Join(s.toolsDir(name), "nxb.next.json") }

// nxbTree is where an archive of native tools is unpacked meanwhile.
func (s Store) nxbTree(name string) string { return filepath.Join(s.toolsDir(name), "tree") }

func (s Store) loadNxb(name string) (*nxb.Manifest, error) { return readNxb(s.nxbManifest(name)) }

// readNxb reads the manifest of a /nxb-bin; nil when there is none.
func readNxb(file string) (*nxb.Manifest, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	m := &nxb.Manifest{}
	if err == nil {
		err = json.Unmarshal(text, m)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, file, "remove /nxb-bin of the root and this file")
	}
	return m, nil
}

// unfinishedNxb tells whether /nxb-bin was being made, replaced or removed.
func (s Store) unfinishedNxb(name string) bool {
	_, err := os.Lstat(s.nxbManifest(name))
	_, merr := os.Lstat(s.toolsManifest(name))
	_, nerr := os.Lstat(s.nxbNext(name))
	return err == nil && merr != nil || nerr == nil
}

// recoverNxb removes what an interrupted command has left, and ends a replacement.
func (s Store) recoverNxb(r *Record) error {
	if err := removeTree(context.Background(), s.nxbTree(r.Name)); err != nil {
		return err
	}
	dropTryPoint(r)
	if !s.unfinishedNxb(r.Name) {
		return nil
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "root of jail "+r.Name, "xjail destroy "+r.Name)
	}
	defer root.Close()
	next, err := readNxb(s.nxbNext(r.Name))
	if err != nil {
		return err
	}
	if next != nil {
		return s.settleNxb(r, root, next)
	}
	return s.dropNxb(context.Background(), r.Name, root)
}

// settleNxb ends a replacement that was killed: either layout is there, whole. That
// which was being tried is not used.
func (s Store) settleNxb(r *Record, root *os.Root, next *nxb.Manifest) error {
	old, err := s.loadNxb(r.Name)
	if err != nil {
		return err
	}
	replaced := false
	err = inplace.KeepTimes(root, []string{"/"}, func() (err error) {
		replaced, err = nxb.Settle(context.Background(), root, old, next)
		return err
	})
	if err == nil && replaced {
		_, err = s.saveNxb(r.Name, next, triesNxb(r))
	}
	if err != nil {
		return err
	}
	return absentError(os.Remove(s.nxbNext(r.Name)))
}

// dropNxb removes /nxb-bin and what is known of it.
func (s Store) dropNxb(ctx context.Context, name string, root *os.Root) error {
	m, err := s.loadNxb(name)
	if err != nil {
		return err
	}
	if m != nil {
		err := inplace.KeepTimes(root, []string{"/"}, func() error {
			if err := nxb.Remove(ctx, root, m); err != nil {
				return err
			}
			return nxb.Discard(ctx, root)
		})
		if err != nil {
			return err
		}
	}
	for _, file := range []string{s.toolsManifest(name), s.nxbManifest(name)} {
		if err := absentError(os.Remove(file)); err != nil {
			return err
		}
	}
	s.tidyTools(name)
	return nil
}

// changedNxb are files of /nxb-bin that are not as they were written.
func (s Store) changedNxb(ctx context.Context, name string, root *os.Root) (map[string]string, error) {
	m, err := s.loadNxb(name)
	if err != nil || m == nil {
		return nil, err
	}
	found, err := nxb.Verify(ctx, root, m)
	list := map[string]string{}
	for _, f := range found {
		if f.State != nxb.Extra {
			list["/"+path.Join(nxb.Dir, f.Path)] = "it is not as it was written: " + string(f.State) + " " + f.Why
		}
	}
	return list, err
}

// installNxb makes /nxb-bin in a root of FreeBSD, and has it tried; a nil trial is
// none. What does not pass is not used: the jail has what it had before.
func (s Store) installNxb(ctx context.Context, cfg *Config, r *Record, from string, try nxbTrial, w Watcher) (*xtools.Manifest, error) {
	defer unix.Umask(unix.Umask(0o022))
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	n := &nxbSource{store: s, cfg: cfg, record: r, root: root, watch: w}
	defer n.close()
	plan, err := n.plan(ctx, from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = plan.Close() }() // it was only read
	old, err := s.loadNxb(r.Name)
	if err != nil {
		return nil, err
	}
	if old != nil {
		return s.replaceNxb(ctx, r.Name, root, plan, old, try)
	}
	if err := s.dropNxb(ctx, r.Name, root); err != nil {
		return nil, err
	}
	m, err := s.applyNxb(ctx, r, root, plan, try)
	if err != nil {
		return nil, errors.Join(err, s.dropNxb(context.WithoutCancel(ctx), r.Name, root))
	}
	return m, nil
}

// notOfOthers refuses a root with a /nxb-bin, of a jail of which none is known.
func notOfOthers(r *Record, root *os.Root) error {
	if _, err := root.Lstat(nxb.Dir); err == nil {
		return fault.New(fault.Exists, "remove it by hand", "the root of jail %s has a /%s already, which xjail did not make", r.Name, nxb.Dir)
	}
	return nil
}

func (s Store) applyNxb(ctx context.Context, r *Record, root *os.Root, plan *nxb.Plan, try nxbTrial) (*xtools.Manifest, error) {
	if err := notOfOthers(r, root); err != nil {
		return nil, err
	}
	if err := s.writeNxb(s.nxbManifest(r.Name), &plan.Manifest); err != nil {
		return nil, err
	}
	var done *nxb.Manifest
	err := inplace.KeepTimes(root, []string{"/"}, func() (err error) {
		done, err = plan.Apply(ctx, root)
		return err
	})
	if err != nil {
		return nil, err
	}
	m, err := s.writeNxbTools(r.Name, done, try != nil)
	if err != nil || try == nil {
		return m, err
	}
	if err := try(done); err != nil {
		return nil, err
	}
	return m, s.tried(r.Name, m)
}

// replaceNxb makes another /nxb-bin, beside the one that is there until it is whole
// and has been tried.
func (s Store) replaceNxb(ctx context.Context, name string, root *os.Root, plan *nxb.Plan, old *nxb.Manifest, try nxbTrial) (*xtools.Manifest, error) {
	if err := s.writeNxb(s.nxbNext(name), &plan.Manifest); err != nil {
		return nil, err
	}
	var accept func() error
	if try != nil {
		accept = func() error { return try(&plan.Manifest) }
	}
	var done *nxb.Manifest
	err := inplace.KeepTimes(root, []string{"/"}, func() (err error) {
		done, err = plan.Replace(ctx, root, old, accept)
		return err
	})
	if done == nil {
		return nil, errors.Join(err, absentError(os.Remove(s.nxbNext(name))))
	}
	m, serr := s.saveNxb(name, done, false)
	return m, errors.Join(err, serr)
}

// saveNxb notes that /nxb-bin has been replaced.
func (s Store) saveNxb(name string, done *nxb.Manifest, untried bool) (*xtools.Manifest, error) {
	m, err := s.writeNxbTools(name, done, untried)
	if err != nil {
		return nil, err
	}
	return m, writeError(os.Rename(s.nxbNext(name), s.nxbManifest(name)))
}

// writeNxb writes what is, or will be, in /nxb-bin.
func (s Store) writeNxb(file string, m *nxb.Manifest) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return writeError(err)
	}
	return writeFile(file, append(text, '\n'))
}

// writeNxbTools writes the list of the native tools, with which they are installed.
func (s Store) writeNxbTools(name string, done *nxb.Manifest, untried bool) (*xtools.Manifest, error) {
	m := toolsOfNxb(done)
	m.Untried = untried
	text, err := m.Marshal()
	if err != nil {
		return nil, err
	}
	return m, writeFile(s.toolsManifest(name), text)
}

// toolsOfNxb is what is in /nxb-bin as a manifest of native tools.
func toolsOfNxb(n *nxb.Manifest) *xtools.Manifest {
	m := &xtools.Manifest{
		Version: xtools.ManifestVersion, Layout: xtools.NxbBin, Source: xtools.TwinName, Release: "freebsd:" + n.Release.String(),
		Host: n.Host, Target: n.Target, Made: time.Now().UTC().Truncate(time.Second), Farm: nxb.Dir, Notes: n.Unproved,
	}
	if n.Source == nxb.NativeXTools {
		m.Source = xtools.NxbName
	}
	for _, f := range n.Files {
		dir := path.Dir(f.Path)
		if f.Kind == nxb.Config || path.Base(dir) != "bin" && path.Base(dir) != "sbin" {
			continue
		}
		sum, size := f.After, f.Size
		if to := n.Lookup(f.Link); f.Kind == nxb.Link && to != nil {
			sum, size = to.After, to.Size
		}
		m.Files = append(m.Files, xtools.File{Path: "/" + path.Join(nxb.Dir, f.Path), Source: f.Path, Kind: xtools.Program, SHA256: sum, Size: size})
	}
	for _, o := range n.Omitted {
		m.Left = append(m.Left, xtools.Left{Path: "/" + o.Path, State: xtools.Excluded, Why: o.Reason})
	}
	return m
}

// nxbSource is where the native tools of a FreeBSD root come from.
type nxbSource struct {
	store  Store
	cfg    *Config
	record *Record
	root   *os.Root
	watch  Watcher
	opened []*os.Root
	unlock func()
}

func (n *nxbSource) close() {
	for _, r := range n.opened {
		r.Close()
	}
	if n.unlock != nil {
		n.unlock()
	}
	_ = removeTree(context.Background(), n.store.nxbTree(n.record.Name)) // the next command tries again
	n.store.tidyTools(n.record.Name)
}

// open opens a directory that is closed with the source.
func (n *nxbSource) open(dir string) (*os.Root, error) {
	root, err := os.OpenRoot(dir)
	if err == nil {
		n.opened = append(n.opened, root)
	}
	return root, err
}

// plan finds the tree and plans /nxb-bin from it.
func (n *nxbSource) plan(ctx context.Context, from string) (*nxb.Plan, error) {
	a, err := arch.Lookup(n.record.Arch)
	if err != nil {
		return nil, err
	}
	if err := runsAMD64(runtime.GOOS, arch.Host()); err != nil {
		return nil, err
	}
	tree, err := n.tree(ctx, from)
	if err != nil {
		return nil, err
	}
	n.watch.Step("tools", "plan /"+nxb.Dir)
	o := nxb.Options{Target: a, Jail: n.root}
	_, given := isPath(from, xtools.NxbName)
	if _, err := tree.Lstat("libexec/ld-elf.so.1"); err == nil || !given {
		return nxb.NewTwinPlan(ctx, tree, o)
	}
	return nxb.NewXToolsPlan(ctx, tree, nil, o)
}

func (n *nxbSource) tree(ctx context.Context, from string) (*os.Root, error) {
	if file, ok := isPath(from, xtools.NxbName); ok {
		return n.given(ctx, file)
	}
	if err := nxbKnows(from); err != nil {
		return nil, err
	}
	if from == xtools.TwinName {
		return n.base(ctx)
	}
	return n.open("/")
}

// nxbKnows refuses sources that have nothing for a root of FreeBSD on this host.
func nxbKnows(from string) error {
	_, given := isPath(from, xtools.NxbName)
	if given || from == xtools.TwinName || from == xtools.HostName && runtime.GOOS == "freebsd" {
		return nil
	}
	return fault.New(fault.Unsupported, "xjail tools install NAME twin, or nxb:PATH", "a root of FreeBSD gets no native tools of %s here", from)
}

// given is a directory or an archive that the user has named.
func (n *nxbSource) given(ctx context.Context, file string) (*os.Root, error) {
	st, err := os.Stat(file)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "native tools", "name the directory or the archive of native-xtools, or of a base system of amd64")
	}
	if st.IsDir() {
		return n.open(file)
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "native tools", "")
	}
	defer f.Close()
	n.watch.Step("tools", "unpack "+file)
	return n.unpack(ctx, n.store.nxbTree(n.record.Name), extract.Layer{Name: file, Source: f})
}

// unpack unpacks an archive into a directory that is made for it.
func (n *nxbSource) unpack(ctx context.Context, dir string, layer extract.Layer) (*os.Root, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, writeError(err)
	}
	root, err := n.open(dir)
	if err != nil {
		return nil, err
	}
	_, err = extract.Archives(ctx, []extract.Layer{layer}, root, extract.Options{
		MaxEntries: n.cfg.MaxEntries, MaxBytes: n.cfg.MaxBytes, SkipDevices: true,
		Progress: func(p extract.Progress) { n.watch.Progress(p.Read, p.Total, p.Entries) },
	})
	return root, writeError(err)
}

// base is the base system of amd64 of the root's release, unpacked in the cache.
func (n *nxbSource) base(ctx context.Context) (*os.Root, error) {
	release, err := nxb.ReadRelease(n.root)
	if err != nil {
		return nil, err
	}
	amd64, err := arch.Lookup("amd64")
	if err != nil {
		return nil, err
	}
	from, err := source.NewRelease(amd64, release.Version, n.cfg.releaseOptions(Request{Sets: []string{"base"}}))
	if err != nil {
		return nil, err
	}
	fetcher := &source.Fetcher{Progress: func(done, total int64) { n.watch.Progress(done, total, 0) }}
	notes := source.Notes{Warn: n.watch.Warn, Waits: func(name string) { n.watch.Step("tools", "wait for another xjail that gets "+name) }}
	n.watch.Step("tools", "get the base system of "+from.Name())
	m, err := from.Manifest(ctx, fetcher, n.store.Cache(), notes)
	if err != nil {
		return nil, writeError(err)
	}
	if warning := m.Warning(); warning != "" {
		n.watch.Warn(warning)
	}
	for _, set := range m.Sets {
		if set.Name() != "base" {
			continue
		}
		cached, err := from.Set(ctx, fetcher, n.store.Cache(), m, set, notes)
		if err != nil {
			return nil, writeError(err)
		}
		defer func() { _ = cached.Close() }() // it was only read
		return n.unpacked(ctx, release, set, cached)
	}
	return nil, fault.New(fault.NotFound, "", "%s has no set base", from.Name())
}

// unpacked is a base system in the cache, which other jails use too.
func (n *nxbSource) unpacked(ctx context.Context, release nxb.Release, set source.Set, cached *source.Cached) (*os.Root, error) {
	var err error
	if n.unlock, err = n.store.lockFarms(ctx); err != nil {
		return nil, err
	}
	dir := filepath.Join(n.store.Dir, twins, set.SHA256)
	if xtools.HasFarm(dir) {
		now := time.Now()
		_ = os.Chtimes(dir, now, now) // for the cache's list
		return n.open(filepath.Join(dir, xtools.FarmRoot))
	}
	partial := dir + ".partial"
	if err := removeTree(ctx, partial); err != nil {
		return nil, writeError(err)
	}
	n.watch.Step("tools", "unpack it")
	if _, err := n.unpack(ctx, filepath.Join(partial, xtools.FarmRoot), extract.Layer{Name: set.File, Source: cached.File, SHA256: set.SHA256}); err != nil {
		return nil, errors.Join(err, removeTree(context.WithoutCancel(ctx), partial))
	}
	about := &xtools.Farm{Release: "freebsd:" + release.Version, Host: "amd64", Target: "any"}
	if err := about.Save(partial); err != nil {
		return nil, writeError(err)
	}
	if err := os.Rename(partial, dir); err != nil {
		return nil, writeError(err)
	}
	return n.open(filepath.Join(dir, xtools.FarmRoot))
}
