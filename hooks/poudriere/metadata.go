package poudriere

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Jail is what poudriere knows of a jail: the files of poudriere.d/jails/NAME,
// one line each. A property that has no file is "".
type Jail struct {
	Name string `json:"name"`
	// Version is the release, 13.2-RELEASE, and what the builder of a world says
	// of it behind a blank.
	Version string `json:"version"`
	// Arch is TARGET.TARGET_ARCH, or one word where the two are the same.
	Arch string `json:"arch"`
	// Mnt is the root, an absolute path.
	Mnt string `json:"mnt"`
	// Method is how poudriere made it: null for a root that somebody else made.
	Method string `json:"method"`
	// Timestamp is when it was made or updated, in seconds of Unix time.
	Timestamp string `json:"timestamp"`
	// FS is its dataset, where poudriere made that.
	FS string `json:"fs,omitempty"`
	// VersionVCS is the revision of the sources, where poudriere got those.
	VersionVCS string `json:"version_vcs,omitempty"`
	// SrcPath is a source tree beside the root, Kernel the configuration of a
	// kernel, PkgBase "1" where packages of the base system are built, else "0".
	SrcPath string `json:"srcpath,omitempty"`
	Kernel  string `json:"kernel,omitempty"`
	PkgBase string `json:"pkgbase,omitempty"`
}

// property is a file of a jail's metadata.
type property struct {
	name  string
	value *string
}

// properties are the files in the order in which poudriere's create_jail writes
// them.
func (j *Jail) properties() []property {
	return []property{
		{"fs", &j.FS}, {"version", &j.Version}, {"timestamp", &j.Timestamp}, {"arch", &j.Arch}, {"mnt", &j.Mnt},
		{"srcpath", &j.SrcPath}, {"kernel", &j.Kernel}, {"method", &j.Method}, {"pkgbase", &j.PkgBase},
		{"version_vcs", &j.VersionVCS},
	}
}

// propertyMax is how much of a property is read, in bytes: far more than a path
// can have.
const propertyMax = 8 << 10

// Target splits Arch as poudriere does: what is before the first dot, and what
// is behind it. Where there is no dot both are the whole.
func (j *Jail) Target() (target, targetArch string) {
	name := strings.TrimSpace(j.Arch) // as words of poudriere's shell are
	target, targetArch, dotted := strings.Cut(name, ".")
	if !dotted {
		return name, name
	}
	return target, targetArch
}

// ArchName is how poudriere writes an architecture: TARGET.TARGET_ARCH, and one
// word only where the two are the same. Any other short form breaks poudriere: it
// takes the word for TARGET and TARGET_ARCH alike.
func ArchName(a *arch.Arch) (string, error) {
	switch a.Target {
	case "":
		return "", fault.New(fault.Unsupported, "xjail arch list --json shows the architectures that have a target", "FreeBSD never ran on %s, so poudriere has no name for it", a.Name)
	case a.Name:
		return a.Name, nil
	}
	return a.Target + "." + a.Name, nil
}

// Jails are the names of poudriere's jails, sorted.
func (c Config) Jails() ([]string, error) {
	entries, err := os.ReadDir(c.jails())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "poudriere's jails", "run it as root")
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Exists tells whether poudriere has a jail of that name, as jail_exists does:
// whether there is a directory.
func (c Config) Exists(name string) bool {
	st, err := os.Stat(filepath.Join(c.jails(), name))
	return err == nil && st.IsDir()
}

// Jail reads what poudriere knows of a jail. The error is fault.NotFound where
// there is none of that name.
func (c Config) Jail(name string) (*Jail, error) {
	dir := filepath.Join(c.jails(), name)
	if name == "" || filepath.Base(dir) != name || !c.Exists(name) {
		hint := "poudriere has no jails in " + c.jails()
		if all, _ := c.Jails(); len(all) > 0 {
			hint = "there are: " + strings.Join(all, " ")
		}
		return nil, fault.New(fault.NotFound, hint, "poudriere has no jail %q", name)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	j := &Jail{Name: name}
	for _, p := range j.properties() {
		if *p.value, err = readProperty(root, p.name); err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "jail "+name+" of poudriere", "poudriere jail -i -j "+name+" shows what poudriere makes of it")
		}
	}
	return j, nil
}

// readProperty is the one line of a file; "" when there is no file.
func readProperty(root *os.Root, name string) (string, error) {
	st, err := root.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", err
	case !st.Mode().IsRegular() || st.Size() > propertyMax:
		return "", fault.New(fault.Damaged, "", "%s is no file of one line", name)
	}
	text, err := root.ReadFile(name)
	return strings.TrimSuffix(string(text), "\n"), err
}

// check refuses values that are no line.
func (j *Jail) check() error {
	for _, p := range j.properties() {
		if strings.ContainsAny(*p.value, "\n\r\x00") || len(*p.value) >= propertyMax {
			return fault.New(fault.Usage, "", "%s of jail %s cannot be a line: %q", p.name, j.Name, *p.value)
		}
	}
	return nil
}

// fill writes the properties that have a value into a new directory.
func (j *Jail) fill(dir string) error {
	if err := j.check(); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for _, p := range j.properties() {
		if *p.value == "" {
			continue
		}
		if err := writeNew(filepath.Join(dir, p.name), *p.value+"\n"); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

// set replaces one property in one step, as poudriere's jset does.
func (c Config) set(jail, property, value string) error {
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	defer syscall.Umask(syscall.Umask(0o022))
	name := filepath.Join(c.jails(), jail, property)
	return replaceFile(name, tempOf(name), value+"\n")
}

// tempSuffix ends the names of files that are about to replace others.
const tempSuffix = ".xjail"

// tempOf is the file that is about to replace another.
func tempOf(name string) string {
	return filepath.Join(filepath.Dir(name), "."+filepath.Base(name)+tempSuffix)
}

// writeNew writes a file that is not there, and flushes it.
func writeNew(name, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// syncDir has the names in a directory on the disk.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// lock keeps other xjails from writing poudriere's metadata until unlock is
// called: two jails may be registered under one name at the same time, each by
// its own lock. The directory itself is locked, so that no file is left for it.
func (c Config) lock() (unlock func(), err error) {
	dir, err := os.Open(c.jails())
	if err != nil {
		return nil, writeError(err)
	}
	for {
		if err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX); !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		dir.Close()
		return nil, fault.Wrap(fault.Failed, err, "lock "+c.jails(), "")
	}
	return func() { dir.Close() }, nil
}

// removeJail takes away jails/NAME, and nothing that poudriere would not have
// put there: a link, or a file that is not known, is a reason to stop.
func (c Config) removeJail(name string) error {
	dir := filepath.Join(c.jails(), name)
	st, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return writeError(err)
	case !st.IsDir():
		return fault.New(fault.Unsafe, "look where it leads, and remove it", "%s is no directory, and poudriere makes one", dir)
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return writeError(err)
	}
	known := (&Jail{}).propertyNames()
	for _, e := range entries {
		temp := strings.HasPrefix(e.Name(), ".") && strings.HasSuffix(e.Name(), tempSuffix)
		if !e.Type().IsRegular() || !temp && !slices.Contains(known, e.Name()) {
			return fault.New(fault.Unsafe, "look what it is, and remove it", "%s is none of poudriere's properties", filepath.Join(dir, e.Name()))
		}
	}
	// In one step, so that poudriere never sees half a jail.
	tmp := c.temp(name)
	if err := clearTemp(tmp); err != nil {
		return err
	}
	if err := os.Rename(dir, tmp); err != nil {
		return writeError(err)
	}
	return clearTemp(tmp)
}

// temp is the directory in which a jail's metadata is written before it gets its
// name, and to which it is moved before it goes. It is beside jails, where
// poudriere does not take it for a jail; on the same file system, since jails may
// be a link or a file system of its own.
func (c Config) temp(name string) string {
	dir := c.jails()
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if beside := filepath.Dir(dir); sameDevice(beside, dir) {
		dir = beside
	}
	return filepath.Join(dir, ".xjail-jail-"+name)
}

func sameDevice(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	if err1 != nil || err2 != nil {
		return true // jails is not there yet
	}
	x, ok1 := one.Sys().(*syscall.Stat_t)
	y, ok2 := two.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Dev == y.Dev
}

// dropTemp removes what a killed command left under temp of a name.
func (c Config) dropTemp(name string) error {
	if _, err := os.Lstat(c.temp(name)); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := c.lock()
	if errors.Is(err, fs.ErrNotExist) {
		return clearTemp(c.temp(name)) // without jails there is nobody who writes
	}
	if err != nil {
		return err
	}
	defer unlock()
	return clearTemp(c.temp(name))
}

// clearTemp removes what temp names: a directory of files. Anything else is not
// xjail's, and a link may lead to what is somebody's.
func clearTemp(dir string) error {
	st, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return writeError(err)
	case !st.IsDir():
		return fault.New(fault.Unsafe, "look what it is, and remove it", "%s is no directory, and in the way", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return writeError(err)
	}
	defer root.Close()
	entries, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return writeError(err)
	}
	for _, e := range entries {
		if err := root.Remove(e.Name()); err != nil {
			return writeError(err)
		}
	}
	return writeError(os.Remove(dir))
}

// put has poudriere know a jail, all of it or nothing.
func (c Config) put(j *Jail) error {
	defer syscall.Umask(syscall.Umask(0o022)) // others list poudriere's jails too
	if err := os.MkdirAll(c.jails(), 0o755); err != nil {
		return writeError(err)
	}
	unlock, err := c.lock()
	if err != nil {
		return err
	}
	defer unlock()
	tmp, dir := c.temp(j.Name), filepath.Join(c.jails(), j.Name)
	if err := clearTemp(tmp); err != nil {
		return err
	}
	err = j.fill(tmp)
	if err == nil {
		// Rename replaces an empty directory on some systems.
		if _, lerr := os.Lstat(dir); lerr == nil {
			err = fault.New(fault.Exists, "another name with --as, or look what "+dir+" is", "poudriere has a jail %s by now", j.Name)
		} else {
			err = os.Rename(tmp, dir)
		}
	}
	if err != nil {
		return errors.Join(writeError(err), clearTemp(tmp))
	}
	return syncDir(c.jails())
}

func (j *Jail) propertyNames() []string {
	var names []string
	for _, p := range j.properties() {
		names = append(names, p.name)
	}
	return names
}
