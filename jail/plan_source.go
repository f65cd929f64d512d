package jail

import (
	"errors"
	"io/fs"
	"os"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/miniroot"
	"github.com/xjail/xjail/jail/source"
)

// planSource takes what was asked for, or the default of the host: on Linux
// Debian's current stable or the mini root, on FreeBSD the release that it runs.
func (p *Plan) planSource(req Request) error {
	if req.Guest != "" && req.Guest != "linux" && req.Guest != "freebsd" {
		return fault.New(fault.Usage, "--os linux or --os freebsd", "roots are of linux or of freebsd, not of %q", req.Guest)
	}
	spec, why := source.Spec{}, ""
	var err error
	if req.From != "" {
		spec, err = source.Parse(req.From)
	} else {
		spec, why, err = source.Default(p.arch, p.host, req.Guest)
	}
	if err != nil {
		return err
	}
	p.Source = SourcePlan{Spec: spec, Why: why, SHA256: req.SHA256}
	if err := checkOptions(req, spec); err != nil {
		return err
	}
	own := spec.Guest()
	if spec.Kind == source.Miniroot && req.Guest == "" {
		own = p.host.OS // it is built for whichever is wanted
	}
	// Before anything else is looked at: what the host cannot run needs no mirror.
	if err := p.setGuest(own, req.Guest); err != nil {
		return err
	}
	if err := p.checkSource(req); err != nil || p.Guest != "" {
		return err
	}
	return p.findGuest()
}

// checkOptions refuses options that the source has no use for.
func checkOptions(req Request, spec source.Spec) error {
	switch {
	case req.SHA256 != "" && spec.Kind != source.Archive:
		return fault.New(fault.Usage, "--sha256 goes with --from archive:...", "source %s has no digest", spec)
	case req.ManifestSHA256 != "" && spec.Kind != source.Release:
		return fault.New(fault.Usage, "--manifest-sha256 goes with --from release:...", "source %s has no MANIFEST", spec)
	case len(req.Sets) > 0 && spec.Kind != source.Release && spec.Kind != source.PkgBase:
		return fault.New(fault.Usage, "--sets goes with --from release:... and pkgbase:...", "source %s has no sets", spec)
	}
	return nil
}

// setGuest takes the system of the source's programs, own, or the one that was
// asked for. "" leaves it open.
func (p *Plan) setGuest(own, asked string) error {
	if own != "" && asked != "" && own != asked {
		return fault.New(fault.Usage, "leave --os out, or name another source", "--os %s: the programs of %s are of %s", asked, p.Source, own)
	}
	if p.Guest = own; own == "" {
		p.Guest = asked
	}
	if p.Guest == "linux" && p.host.OS == "freebsd" {
		return fault.New(fault.Unsupported, "take a root of FreeBSD: --from release:VERSION, archive:FILE, dir:DIRECTORY; or use a Linux host",
			"source %s has programs of Linux: they need a Linux kernel, and the emulators that run them do not run on FreeBSD", p.Source)
	}
	return nil
}

// findGuest looks into a directory; of an archive it is taken for granted that
// it is of the host's system, and the check of the root will tell.
func (p *Plan) findGuest() error {
	guest := ""
	if p.Source.Kind == source.Dir {
		root, err := os.OpenRoot(p.Source.Value)
		if err != nil {
			return sourceError(p.Source.Value, err)
		}
		guest = guestOf(root)
		root.Close()
	}
	if guest == "" {
		guest = p.host.OS
	}
	return p.setGuest(guest, "")
}

// checkSource finds out early what the source needs.
func (p *Plan) checkSource(req Request) (err error) {
	src := &p.Source
	switch {
	case src.Kind == source.Release:
		src.Release, err = source.NewRelease(p.arch, src.Value, p.cfg.releaseOptions(req))
		return err
	case src.Kind == source.PkgBase:
		return p.checkPkgBase(req)
	case src.Kind == source.Src:
		src.tree, err = source.NewBuiltTree(p.arch, src.Value, p.host)
		return err
	case src.Kind == source.Debian:
		return p.checkDebian()
	case src.Kind == source.Archive && !src.IsURL():
		st, err := os.Stat(src.Value)
		if err != nil {
			return sourceError(src.Value, err)
		}
		if !st.Mode().IsRegular() {
			return fault.New(fault.Damaged, "use dir: for a directory", "source %s is not a file", src.Value)
		}
		src.Size = st.Size()
	case src.Kind == source.Dir:
		st, err := os.Stat(src.Value)
		if err != nil {
			return sourceError(src.Value, err)
		}
		if !st.IsDir() {
			return fault.New(fault.Damaged, "use archive: for a file", "source %s is not a directory", src.Value)
		}
	case src.Kind == source.Miniroot && !miniroot.Supported(p.Guest, p.arch.GoArch):
		return fault.New(fault.Unsupported, "use --from archive:FILE or --from dir:DIRECTORY", "Go has no port to %s on %s, so there is no mini root for it", p.Arch, p.Guest)
	}
	return nil
}

// sourceError says that a local source cannot be looked at.
func sourceError(name string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fault.Wrap(fault.Permission, err, "source", "let this user read "+name+", or run as one who can")
	}
	return fault.Wrap(fault.NotFound, err, "source", "check the path; it is taken from the directory in which xjail runs")
}

// checkDebian is the part of checkSource for Debian. A mirror that the
// configuration names may have what Debian's own suites have not, such as
// Debian Ports.
func (p *Plan) checkDebian() error {
	src := &p.Source
	src.Mirror = p.cfg.Mirror
	if src.Mirror == "" {
		if err := source.CheckDebian(p.arch, src.Value); err != nil {
			return err
		}
		src.Mirror = source.DebianMirror("/etc/apt")
	}
	if p.arch.Debian == "" {
		return fault.New(fault.NotFound, "xjail arch show "+p.Arch, "Debian has no name for %s", p.Arch)
	}
	if _, err := source.FindDebianTool(); err != nil {
		return err
	}
	return enoughIDs()
}

// checkPkgBase is the part of checkSource for packages.
func (p *Plan) checkPkgBase(req Request) (err error) {
	src := &p.Source
	if src.pkgBase, err = source.NewPkgBase(p.arch, src.Value, req.Sets, p.host); err != nil {
		return err
	}
	src.Packages = src.pkgBase.Packages()
	if _, err := source.FindPkg(); err != nil {
		return err
	}
	if _, err := os.Stat(src.pkgBase.Keys()); err != nil {
		return fault.Wrap(fault.NotFound, err, "keys of the packages", "they come with FreeBSD "+src.pkgBase.Version.Number()+"; older releases get them by an update")
	}
	return nil
}
