package jail

import (
	"bytes"
	"runtime"
	"slices"
	"sync"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/qemu"
)

// CheckHost is what activators.Check wants to know of the machine that t is the
// table of: what its kernel runs by itself, and in which order.
func CheckHost(t activators.Machine) activators.Host {
	s, err := t.Status()
	if err != nil {
		s.Kernel = runtime.GOOS
	}
	h := CheckHostOf(s.Kernel, arch.Host())
	h.Planned = false
	h.Where, h.Off = s.Where, s.Available && !s.Enabled
	if s.Kernel != runtime.GOOS {
		return h
	}
	if header, err := activators.OwnHeader(); err == nil && len(h.Natives) > 0 {
		h.Natives[0].Header = header
	}
	if s.Kernel == "freebsd" {
		h.AsksFirst = compiled(t)
		h.Natives = append(h.Natives[:min(1, len(h.Natives))], supportedPrograms(t)...)
		h.Natives = append(h.Natives, systemPrograms(h.Natives)...)
		return h
	}
	h.Natives = slices.DeleteFunc(h.Natives, func(p activators.Program) bool { return p.Unsure })
	h.Natives = append(h.Natives, systemPrograms(h.Natives)...)
	h.Natives = append(h.Natives, compatPrograms(arch.Host(), kernelRuns)...)
	return h
}

// CheckHostOf is CheckHost for some machine of an architecture with that kernel
// ("linux", "freebsd"), of which nothing else is known, and whose table does not
// hold the entries yet. a may be nil.
func CheckHostOf(kernel string, a *arch.Arch) activators.Host {
	h := activators.Host{OS: kernel, AsksFirst: kernel != "freebsd", Archs: architectures(kernel), Planned: true,
		Where: "/proc/sys/fs/binfmt_misc"}
	if kernel == "freebsd" {
		h.Where, h.Takes = "kern.binmisc", binmisc.Valid
	}
	if a == nil {
		return h
	}
	h.Natives = []activators.Program{nativeProgram(kernel, a)}
	if kernel == "freebsd" {
		h.Natives = append(h.Natives, freebsdCompat(a)...)
		return h
	}
	h.Natives = append(h.Natives, compatPrograms(a, func(string) (bool, bool) { return false, false })...)
	return h
}

// freebsdCompat are the programs of a 32-bit architecture that FreeBSD's kernels
// of a run as well, when they have COMPAT_FREEBSD32.
func freebsdCompat(a *arch.Arch) []activators.Program {
	name := map[string]string{"amd64": "i386", "aarch64": "armv7", "powerpc64": "powerpc"}[a.Name]
	b, err := arch.Lookup(name)
	if err != nil {
		return nil
	}
	p := nativeProgram("freebsd", b)
	p.Unsure = true
	return []activators.Program{p}
}

func nativeProgram(kernel string, a *arch.Arch) activators.Program {
	p := activators.Program{Arch: a.Name, What: "programs of " + a.Name, Header: a.Header(0)}
	for _, s := range a.Samples(kernel) {
		if s.Usual {
			p.Header = s.Header
			break
		}
	}
	return p
}

// systemPrograms are programs that every machine needs, as they are on this one:
// a pattern may look only at what differs from program to program, such as how
// many headers there are, and miss the one that runs here.
func systemPrograms(natives []activators.Program) []activators.Program {
	var list []activators.Program
	for _, name := range []string{"/bin/sh", "/bin/ls", "/usr/bin/env", "/sbin/init"} {
		header, err := activators.ReadHeader(name)
		if err == nil && len(natives) > 0 && runsLike(header, natives[0].Header) {
			p := natives[0]
			p.Header = header
			list = append(list, p)
		}
	}
	return list
}

// runsLike tells whether two files are ELF of one class, byte order and
// e_machine.
func runsLike(a, b []byte) bool {
	const ident, machine, end = 6, 18, 20
	return len(a) >= end && len(b) >= end && bytes.Equal(a[:ident], b[:ident]) && bytes.Equal(a[machine:end], b[machine:end])
}

// supportedPrograms are those of the other architectures that FreeBSD's kernel
// says it runs.
func supportedPrograms(t activators.Table) []activators.Program {
	var list []activators.Program
	for _, name := range supported(t) {
		if a, err := arch.Lookup(name); err == nil && a != arch.Host() {
			list = append(list, nativeProgram("freebsd", a))
		}
	}
	return list
}

// compiled tells whether the table is in the kernel itself and not in a module.
func compiled(t activators.Table) bool {
	c, ok := t.(interface{ Compiled() (bool, error) })
	if !ok {
		return false
	}
	yes, err := c.Compiled()
	return err == nil && yes
}

// architectures are those of the catalog, as programs for a system have them.
func architectures(system string) []activators.Architecture {
	if system == "freebsd" {
		return freebsdArchitectures()
	}
	return linuxArchitectures()
}

var (
	linuxArchitectures   = sync.OnceValue(func() []activators.Architecture { return makeArchitectures("linux") })
	freebsdArchitectures = sync.OnceValue(func() []activators.Architecture { return makeArchitectures("freebsd") })
)

func makeArchitectures(system string) []activators.Architecture {
	names := arch.AllNames()
	var list []activators.Architecture
	for _, a := range arch.All() {
		b := activators.Architecture{Name: a.Name, Names: names[a.Name], Emulators: qemu.Targets(a), Same: a.Same}
		for _, s := range a.Samples(system) {
			b.Programs = append(b.Programs, activators.Sample(s))
		}
		list = append(list, b)
	}
	return list
}
