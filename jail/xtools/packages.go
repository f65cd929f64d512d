package xtools

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
)

// Package is a package of Debian, as dpkg's status or an index of an archive has
// it.
type Package struct {
	Name    string `json:"name"`
	Arch    string `json:"arch"`
	Version string `json:"version"`
	// Depends are names in Depends and Pre-Depends, the first of alternatives.
	Depends []string `json:"-"`
	// SHA256 and Size, bytes, are of the file in the archive.
	SHA256   string `json:"sha256,omitempty"`
	Size     int64  `json:"-"`
	Filename string `json:"-"`
	// Installed: dpkg has it unpacked.
	Installed bool `json:"-"`
}

// bounds of what is read of a root, which may be hostile.
const (
	statusMax = 64 << 20
	listMax   = 16 << 20
	lineMax   = 1 << 20
)

// readControl calls each with every paragraph of a control file, deb822(5).
// Only one-line fields are read.
func readControl(r io.Reader, each func(field map[string]string)) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 64<<10), lineMax)
	field := map[string]string{}
	for sc.Scan() {
		line := sc.Bytes()
		switch {
		case len(line) == 0:
			if len(field) > 0 {
				each(field)
				clear(field)
			}
		case line[0] == ' ' || line[0] == '\t':
		default:
			name, value, ok := strings.Cut(string(line), ":")
			if ok && wantedFields[name] {
				field[name] = strings.TrimSpace(value)
			}
		}
	}
	if len(field) > 0 {
		each(field)
	}
	return sc.Err()
}

var wantedFields = map[string]bool{
	"Package": true, "Architecture": true, "Version": true, "Status": true, "Depends": true,
	"Pre-Depends": true, "SHA256": true, "Size": true, "Filename": true,
}

func packageOf(field map[string]string) Package {
	return Package{
		Name: field["Package"], Arch: field["Architecture"], Version: field["Version"],
		SHA256: field["SHA256"], Filename: field["Filename"], Size: parseSize(field["Size"]),
		Depends:   append(dependNames(field["Pre-Depends"]), dependNames(field["Depends"])...),
		Installed: strings.HasSuffix(field["Status"], " installed"),
	}
}

func parseSize(text string) int64 {
	n := int64(0)
	for _, c := range text {
		if c < '0' || c > '9' || n > 1<<50 {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// dependNames are the names of a list of dependencies.
func dependNames(text string) []string {
	var names []string
	for part := range strings.SplitSeq(text, ",") {
		first, _, _ := strings.Cut(part, "|")
		name, _, _ := strings.Cut(strings.TrimSpace(first), " ")
		name, _, _ = strings.Cut(name, ":")
		if name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Installed is what dpkg knows of a root.
type Installed struct {
	// Packages by name; of a name of several architectures, that of the root's.
	Packages map[string]Package
	// Owner is the package of a file, by its path in the root as resolved: through
	// /bin to usr/bin.
	Owner map[string]string
	// Foreign are the architectures of packages other than arch and all.
	Foreign []string
}

// statusFile and infoDir are dpkg's.
const (
	statusFile = "var/lib/dpkg/status"
	infoDir    = "var/lib/dpkg/info"
)

// ReadInstalled reads dpkg's database in a root. arch is Debian's name of the
// root's architecture.
func ReadInstalled(root *os.Root, arch string) (*Installed, error) {
	in := &Installed{Packages: map[string]Package{}, Owner: map[string]string{}}
	f, err := rootpath.Open(root, statusFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "only roots that dpkg has made get native tools; --tools none does without", "the root has no /%s: dpkg did not make it", statusFile)
	}
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "read /"+statusFile+" of the root", "")
	}
	defer f.Close()
	seen := map[string]bool{}
	err = readControl(io.LimitReader(f, statusMax), func(field map[string]string) {
		p := packageOf(field)
		if !p.Installed || !plainName(p.Name) {
			return
		}
		if p.Arch != arch && p.Arch != "all" {
			if !seen[p.Arch] {
				seen[p.Arch] = true
				in.Foreign = append(in.Foreign, p.Arch)
			}
			return
		}
		in.Packages[p.Name] = p
	})
	if err != nil {
		return nil, fault.Wrap(fault.Damaged, err, "read /"+statusFile+" of the root", "")
	}
	return in, in.readLists(root, arch)
}

// plainName tells whether a name is one of a package, and can be part of a path.
func plainName(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789.+-") == "" && name[0] != '.' && name[0] != '-'
}

// readLists reads which files belong to the packages.
func (in *Installed) readLists(root *os.Root, arch string) error {
	dirs := map[string]string{}
	diverted := readDiversions(root)
	for name, p := range in.Packages {
		if p.Arch == "all" {
			continue
		}
		if err := readInfo(root, name, arch, "list", func(line string) { in.own(root, dirs, diverted.place(line, name), name) }); err != nil {
			return err
		}
	}
	return nil
}

// readInfo calls each with every line of a file that dpkg keeps for a package. A
// package may have no such file.
func readInfo(root *os.Root, name, arch, what string, each func(line string)) error {
	f, err := rootpath.Open(root, path.Join(infoDir, name+"."+what))
	if errors.Is(err, fs.ErrNotExist) {
		f, err = rootpath.Open(root, path.Join(infoDir, name+":"+arch+"."+what))
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "read the "+what+" of package "+name, "")
	}
	defer f.Close()
	sc := bufio.NewScanner(io.LimitReader(f, listMax))
	for sc.Scan() {
		each(sc.Text())
	}
	return nil
}

// own notes a file. Directories are resolved, once each: dpkg knows files by
// the names of their packages, which may lead through /bin.
func (in *Installed) own(root *os.Root, dirs map[string]string, file, name string) {
	dir := path.Dir(file)
	real, ok := dirs[dir]
	if !ok {
		var err error
		if real, err = rootpath.Resolve(root, dir); err != nil {
			real = ""
		}
		dirs[dir] = real
	}
	if real != "" {
		in.Owner[path.Join(real, path.Base(file))] = name
	}
}
