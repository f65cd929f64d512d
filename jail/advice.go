package jail

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/profile/advice"
)

// StandIns knows of the programs of a jail whether they can be native.
type StandIns struct {
	// Source is where native tools would come from: twin, host.
	Source string

	name     string
	root     *os.Root
	policy   *xtools.Policy
	target   *arch.Arch
	layout   xtools.Layout
	files    map[string]xtools.File
	byBase   map[string]string // paths of programs, by the file's name
	left     map[string]xtools.Left
	owner    map[string]string
	laid     map[string]bool   // over the root by now
	replaced map[string]string // since they were laid over it
	suspects map[string]string
}

// StandIns finds out what native tools a jail has and could have. Where it has
// none, or packages were installed since, they are collected from the source, and
// are then in the cache for xjail tools install; the jail stays as it is. The
// caller closes what is returned.
func (s Store) StandIns(ctx context.Context, cfg *Config, name, source string, w Watcher) (*StandIns, error) {
	r, l, err := s.use(name)
	if err != nil {
		return nil, err
	}
	defer l.release()
	target, err := arch.Lookup(r.Arch)
	if err != nil {
		return nil, err
	}
	policy, err := xtools.DefaultPolicy().With(cfg.Tools)
	if err != nil {
		return nil, err
	}
	have, err := s.LoadTools(name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "root of jail "+name, "")
	}
	st := &StandIns{
		name: name, root: root, policy: policy, target: target,
		files: map[string]xtools.File{}, byBase: map[string]string{}, left: map[string]xtools.Left{}, owner: map[string]string{}, laid: map[string]bool{},
	}
	if err := st.fill(ctx, s, cfg, r, have, source, w); err != nil {
		st.Close()
		return nil, err
	}
	return st, nil
}

// Close closes the root.
func (st *StandIns) Close() { st.root.Close() }

func (st *StandIns) fill(ctx context.Context, s Store, cfg *Config, r *Record, have *xtools.Manifest, source string, w Watcher) error {
	if have != nil {
		var err error
		if st.replaced, err = s.changed(ctx, r.Name, st.root, have, false); err != nil {
			return err
		}
		for _, f := range have.Files {
			st.laid[f.Path] = st.replaced[f.Path] == ""
		}
		st.layout = have.Layout
	}
	m, err := st.manifest(ctx, s, cfg, r, have, source, w)
	if err != nil {
		return err
	}
	st.Source = m.Source
	programs := map[string]bool{}
	for _, f := range m.Files {
		if f.Choosable() {
			st.files[f.Path] = f
			st.byBase[path.Base(f.Path)] = f.Path
			programs[f.Path] = xtools.IsCompiler(packageUnder(f), st.target)
		}
	}
	for _, l := range m.Left {
		st.left[l.Path] = l
		if l.State == xtools.NotChosen {
			programs[l.Path] = xtools.IsCompiler(l.Package, st.target)
		}
	}
	if in, err := xtools.ReadInstalled(st.root, st.target.Debian); err == nil {
		st.owner = in.Owner // of a root of FreeBSD there is none
	}
	failed, err := s.readFailures(r.Name, m.Farm)
	st.suspects = suspects(programs, failed)
	return err
}

// manifest is what the source has. The jail's own is as good as long as its
// packages are the same.
func (st *StandIns) manifest(ctx context.Context, s Store, cfg *Config, r *Record, have *xtools.Manifest, source string, w Watcher) (*xtools.Manifest, error) {
	if have != nil && (source == "" || source == have.Source) && (!st.newPackages(have) || have.Layout != xtools.LaidOver || have.Source == xtools.PackName) {
		return have, nil
	}
	if source == "" && have != nil {
		source = have.Source
	}
	if source == "" {
		source = xtools.TwinName
	}
	src, err := s.toolSource(cfg, source)
	if err != nil {
		return nil, err
	}
	if err := s.checkTools(r); err != nil {
		return nil, err
	}
	defer unix.Umask(unix.Umask(0o022))
	unlock, err := s.lockFarms(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	m, err := src.Collect(ctx, &xtools.Subject{Root: st.root, Arch: st.target, Host: arch.Host()},
		xtools.Notes{Step: func(what string) { w.Step("tools", what) }, Log: w.Log()})
	return m, writeError(err)
}

// newPackages tells whether packages came or went since the tools were installed.
func (st *StandIns) newPackages(have *xtools.Manifest) bool {
	info, err := st.root.Stat("var/lib/dpkg/status")
	return err == nil && info.ModTime().After(have.Made)
}

// compilerUnit is the name of all that the compiler consists of.
const compilerUnit = "the compiler"

// Tool tells of a program of the jail, by the path that it has there.
func (st *StandIns) Tool(file string) advice.Tool {
	t := st.tool(file)
	if t.Package == "" {
		t.Package = st.owner[strings.TrimPrefix(file, "/")]
	}
	if xtools.IsCompiler(t.Package, st.target) {
		t.Unit = compilerUnit
	}
	return t
}

func (st *StandIns) tool(file string) advice.Tool {
	if why := st.suspects[file]; why != "" {
		return advice.Tool{State: advice.Broken, Why: why, Hint: "xjail tools verify " + st.name + " tells more"}
	}
	if f, ok := st.files[file]; ok {
		return st.known(f)
	}
	if l, ok := st.left[file]; ok {
		return st.leftOut(l)
	}
	if st.layout == xtools.NxbBin {
		return st.inNxb(file)
	}
	return st.other(file)
}

// known is a program that the source has.
func (st *StandIns) known(f xtools.File) advice.Tool {
	t := advice.Tool{State: advice.Available, Package: packageUnder(f)}
	switch {
	case st.laid[f.Path]:
		t.State = advice.Native
	case st.replaced[f.Path] != "":
		t.Why = st.replaced[f.Path]
	}
	return t
}

func packageUnder(f xtools.File) string {
	if f.Original == nil {
		return f.Package
	}
	return f.Original.Package
}

// leftOut is a program that the source has not, or that must not be native.
func (st *StandIns) leftOut(l xtools.Left) advice.Tool {
	t := advice.Tool{Why: l.Why, Package: l.Package}
	switch l.State {
	case xtools.NotChosen:
		t.State, t.Why = advice.Available, ""
	case xtools.Excluded:
		t.State = advice.Excluded
	case xtools.Drifted:
		t.State, t.Hint = advice.Drifted, "upgrade the jail's packages, then xjail tools install "+st.name
	case xtools.Missing:
		t.State = advice.Missing
	default:
		t.State = advice.Unknown
	}
	return t
}

// inNxb is a program of a root of FreeBSD with native tools.
func (st *StandIns) inNxb(file string) advice.Tool {
	if _, ok := st.files["/nxb-bin"+file]; ok {
		return advice.Tool{State: advice.Elsewhere, Why: "/nxb-bin" + file + " does the same, and was not what ran", Hint: "docs/nxb.md tells how builds get to it"}
	}
	return st.other(file)
}

// other is a program that is none of the root's that have a place in the list.
func (st *StandIns) other(file string) advice.Tool {
	if why := st.policy.NeverWhy(path.Base(file)); why != "" {
		return advice.Tool{State: advice.Excluded, Why: why}
	}
	if owner := st.owner[strings.TrimPrefix(file, "/")]; owner != "" {
		if st.policy.LooksFor(strings.TrimPrefix(file, "/")) {
			return advice.Tool{State: advice.Missing, Why: "the source has nothing for package " + owner, Hint: "xjail tools install " + st.name + " looks again"}
		}
		return advice.Tool{State: advice.Missing, Why: "it is not where native programs are looked for",
			Hint: "tools: programs: [" + strings.TrimPrefix(path.Dir(file), "/") + "/*] in the configuration, then xjail tools install " + st.name}
	}
	if original := st.copyOf(file); original != "" {
		return advice.Tool{State: advice.Elsewhere, Why: "a copy of " + original + ", which can be native", Hint: "let the build run " + original}
	}
	if systemPlace(file) {
		return advice.Tool{State: advice.Missing, Why: "it is of no package, so no source has it"}
	}
	return advice.Tool{State: advice.Built, Why: "the build made it: nothing native does the same"}
}

// systemPlace tells whether a path is one where what is installed is.
func systemPlace(file string) bool {
	for _, dir := range []string{"/usr/", "/bin/", "/sbin/", "/lib/", "/libexec/", "/opt/", "/etc/"} {
		if strings.HasPrefix(file, dir) && !strings.HasPrefix(file, "/usr/src/") && !strings.HasPrefix(file, "/usr/obj/") && !strings.HasPrefix(file, "/usr/ports/") {
			return true
		}
	}
	return false
}

// copyOf is the program of which a file of the root is a copy, by its content.
func (st *StandIns) copyOf(file string) string {
	f, ok := st.files[st.byBase[path.Base(file)]]
	if !ok || f.Original == nil || !path.IsAbs(file) {
		return ""
	}
	in, err := rootpath.Open(st.root, file)
	if err != nil {
		return ""
	}
	defer in.Close()
	if info, err := in.Stat(); err != nil || !info.Mode().IsRegular() || info.Size() != f.Original.Size {
		return ""
	}
	h := sha256.New()
	if _, err := io.Copy(h, in); err != nil || hex.EncodeToString(h.Sum(nil)) != f.Original.SHA256 {
		return ""
	}
	return f.Path
}

// PolicyAlone tells of programs only which of them never are native. why and hint
// are of the others.
func PolicyAlone(cfg *Config, why, hint string) (func(string) advice.Tool, error) {
	policy, err := xtools.DefaultPolicy().With(cfg.Tools)
	if err != nil {
		return nil, err
	}
	return func(file string) advice.Tool {
		if never := policy.NeverWhy(path.Base(file)); never != "" {
			return advice.Tool{State: advice.Excluded, Why: never}
		}
		return advice.Tool{State: advice.Unknown, Why: why, Hint: hint}
	}, nil
}
