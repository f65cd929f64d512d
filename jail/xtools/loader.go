package xtools

import (
	"bytes"
	"debug/elf"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// loaderPlace is where the programs of a farm have their loader, by the path at which
// those of Debian have it. On amd64 that is in /lib64, which roots of most architectures have not:
// a directory there that is no link to /usr is what packages of Debian refuse to be
// upgraded with (usr-is-merged). So it is beside the libraries, by a path that is no
// longer: PT_INTERP is overwritten in place.
func loaderPlace(host *arch.Arch, interp string) string {
	near := path.Join("/lib", host.GNU, "ld.so")
	if path.Dir(interp) == "/lib64" && len(near) <= len(interp) {
		return near
	}
	return interp
}

// loaderSource is the loader's path in a farm.
func loaderSource(host *arch.Arch, interp string) string {
	if path.Dir(interp) == "/lib/"+host.GNU {
		return path.Join(libDir(host), path.Base(interp))
	}
	return strings.TrimPrefix(interp, "/")
}

// isLoader tells whether programs of a farm can have their loader at a path.
func isLoader(host *arch.Arch, interp string) bool {
	return slices.ContainsFunc(host.Linkers["linux"], func(l string) bool { return interp == l || interp == loaderPlace(host, l) })
}

// setLoader has a program ask for the loader at another path, if it asks for one.
func setLoader(text []byte, interp string) error {
	file, err := elf.NewFile(bytes.NewReader(text))
	if err != nil {
		return fault.Wrap(fault.Damaged, err, "", "")
	}
	for _, p := range file.Progs {
		if p.Type != elf.PT_INTERP {
			continue
		}
		if p.Off > uint64(len(text)) || p.Filesz > uint64(len(text))-p.Off || p.Filesz <= uint64(len(interp)) {
			return fault.New(fault.Unsupported, "", "no room for the loader's path %s", interp)
		}
		room := text[p.Off : p.Off+p.Filesz]
		clear(room)
		copy(room, interp)
	}
	return nil
}
