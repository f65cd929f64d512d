package source

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// PkgTool is the program that installs the packages of FreeBSD's base system.
const PkgTool = "pkg"

// pkgBaseFirst is the first release with a repository of its base system.
const pkgBaseFirst = 15

// pkgArchs are the architectures that pkg(8) 2 knows by name (libpkg,
// pkg_abi.c, arch_string_table).
var pkgArchs = []string{"amd64", "i386", "armv6", "armv7", "aarch64", "powerpc", "powerpc64", "powerpc64le", "riscv32", "riscv64"}

// PkgBaseRoot is a root made of packages.
type PkgBaseRoot struct {
	Version Version
	Arch    string   // TARGET_ARCH, which is pkg's name too
	Sets    []string // FreeBSD-set-NAME for each; nil is base-jail
}

// NewPkgBase checks that pkg can make such a root on a host.
func NewPkgBase(a *arch.Arch, version string, sets []string, host Host) (*PkgBaseRoot, error) {
	v, err := ParseVersion(version)
	if err == nil {
		err = checkRange(a, v)
	}
	if err == nil {
		err = CheckSets(sets)
	}
	switch {
	case err != nil:
		return nil, err
	case v.Major < pkgBaseFirst:
		return nil, fault.New(fault.NotFound, "--from release:"+v.String(), "FreeBSD %s has no packages of its base system: releases since %d.0 have", v, pkgBaseFirst)
	case !slices.Contains(pkgArchs, a.Name):
		return nil, fault.New(fault.NotFound, "--from src:DIR or --from archive:FILE", "pkg(8) does not know %s", a.Name)
	case v.Branch != "RELEASE":
		return nil, fault.New(fault.Unsupported, "--from release:"+v.String(), "pkgbase is for releases: the packages of %s change from day to day", v)
	case host.OS != "freebsd":
		return nil, onlyFreeBSD("pkgbase: needs FreeBSD's pkg(8)", "--from release:"+v.String())
	}
	return &PkgBaseRoot{v, a.Name, sets}, nil
}

// onlyFreeBSD refuses what takes programs of FreeBSD.
func onlyFreeBSD(why, instead string) error {
	return fault.New(fault.Unsupported, "run xjail on FreeBSD, or take "+instead, "source %s, which this system does not have", why)
}

// pkgStub is base's program of that name, which installs pkg(8) when it is not
// there: that is for the machine's owner to do.
const pkgStub = "/usr/sbin/pkg"

// FindPkg says where pkg(8) is.
func FindPkg() (string, error) {
	tool, err := exec.LookPath("/usr/local/sbin/" + PkgTool)
	if err != nil {
		tool, err = exec.LookPath(PkgTool)
	}
	if err == nil && tool == pkgStub {
		err = exec.ErrNotFound
	}
	if err != nil {
		return "", fault.New(fault.NotFound, "pkg bootstrap", "pkgbase: pkg(8) is not installed: %w", err)
	}
	return tool, nil
}

// Keys is the directory of the keys that sign the packages. pkg looks for it
// below the root that it fills (bsdinstall's pkgbase script copies it, too), so
// it has to be there before.
func (p *PkgBaseRoot) Keys() string {
	return "/usr/share/keys/pkgbase-" + strconv.Itoa(p.Version.Major)
}

// pkgRepo is the name of the repository, as in FreeBSD's own configuration.
const pkgRepo = "FreeBSD-base"

// RepoConf is the configuration of the repository, with the version and the
// architecture in place of what pkg would fill in for the host.
func (p *PkgBaseRoot) RepoConf() string {
	return fmt.Sprintf(`%s: {
  url: "pkg+https://pkg.FreeBSD.org/%s/base_release_%d",
  mirror_type: "srv",
  signature_type: "fingerprints",
  fingerprints: "%s",
  enabled: yes
}
`, pkgRepo, p.abi(), p.Version.Minor, p.Keys())
}

func (p *PkgBaseRoot) abi() string { return fmt.Sprintf("FreeBSD:%d:%s", p.Version.Major, p.Arch) }

// Command is the pkg call that fills root. repos is the directory of RepoConf:
// it is given by --repo-conf-dir, since REPOS_DIR counts from the root; and so
// do the cache and the database, which become the root's own.
func (p *PkgBaseRoot) Command(tool, root, repos string) []string {
	argv := []string{tool, "--rootdir", root, "--repo-conf-dir", repos,
		"-o", "ABI=" + p.abi(),
		"-o", "OSVERSION=" + strconv.Itoa(p.Version.OSVersion()),
		"-o", "IGNORE_OSVERSION=yes",
		"-o", "ASSUME_ALWAYS_YES=yes",
		"install", "-y", "-r", pkgRepo}
	return append(argv, p.Packages()...)
}

// Packages are the names of the packages to install.
func (p *PkgBaseRoot) Packages() []string {
	sets := p.Sets
	if len(sets) == 0 {
		sets = []string{"base-jail"}
	}
	var names []string
	for _, set := range sets {
		names = append(names, "FreeBSD-set-"+set)
	}
	return names
}

// RepoFile is the name of RepoConf's file in its directory.
func RepoFile(dir string) string { return filepath.Join(dir, pkgRepo+".conf") }
