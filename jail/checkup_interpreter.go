package jail

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// Interpreters looks at the files of this machine that entries start, for
// activators.Check. Nothing of them is run. stale tells why the kernel holds
// another file open for an entry, "" when it does not or when that is not known:
// Ledger.Stale, or nil.
func Interpreters(entries []activators.Entry, stale func(activators.Entry) string) map[string]activators.Interpreter {
	all := map[string]activators.Interpreter{}
	for _, e := range entries {
		p, ok := all[e.Interpreter]
		if !ok {
			p = lookAtInterpreter(e.Interpreter)
			p.Stale = map[string]string{}
		}
		if stale != nil {
			if why := stale(e); why != "" {
				p.Stale[e.Name] = why
			}
		}
		all[e.Interpreter] = p
	}
	return all
}

// lookAtInterpreter follows links, as kernels do. FreeBSD's reads ## in a path
// as #.
func lookAtInterpreter(path string) activators.Interpreter {
	if runtime.GOOS == "freebsd" {
		path = strings.ReplaceAll(path, "##", "#")
	}
	p := activators.Interpreter{Targets: targetsOf(path)}
	info, err := os.Stat(path)
	if err != nil {
		p.Missing = errors.Is(err, fs.ErrNotExist)
		p.Why = err.Error()
		return p
	}
	p.NotExecutable = !info.Mode().IsRegular() || info.Mode()&0o111 == 0
	p.SetID = info.Mode()&(fs.ModeSetuid|fs.ModeSetgid) != 0
	p.NoExec = noexec(path)
	if !info.Mode().IsRegular() {
		return p // opening a FIFO would wait
	}
	f, err := os.Open(path)
	if err != nil {
		return p // to run it, the kernel need not read it
	}
	defer f.Close()
	lookInto(&p, f, info.Size())
	return p
}

// lookInto reads what kind of program a file is.
func lookInto(p *activators.Interpreter, f io.ReaderAt, size int64) {
	head := make([]byte, activators.HeaderMax)
	n, err := f.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return
	}
	p.Header = head[:n]
	if bytes.HasPrefix(p.Header, []byte("#!")) {
		line, _, _ := bytes.Cut(p.Header[2:], []byte("\n"))
		p.Script = firstWord(string(line))
		return
	}
	id, err := arch.Identify(f)
	if err != nil {
		p.NotProgram = fault.KindOf(err) == fault.Damaged
		return
	}
	p.Dynamic = id.Interp
	p.NotProgram = id.Type != "exec" && id.Type != "pie" || qemu.CheckComplete(f, size) != nil
	p.HostArch = hostArchOf(id)
}

// hostArchOf names what a program runs on, "" when the catalog has no such row.
// One for another system does not run here either.
func hostArchOf(id *arch.Identity) string {
	host := arch.Host()
	switch {
	case id.OS != "" && id.OS != runtime.GOOS && id.Name != "":
		return id.Name + " for " + id.OS
	case host != nil && host.Accepts(id) == nil:
		return host.Name
	}
	return id.Name
}

func firstWord(line string) string {
	words := strings.Fields(line)
	if len(words) == 0 {
		return ""
	}
	return words[0]
}

// targetsOf are the architectures that an emulator runs, as its file name says,
// or that of the file to which it is a link; nil for other programs.
func targetsOf(path string) []string {
	target := activators.EmulatorTarget(path)
	if target == "" {
		if real, err := filepath.EvalSymlinks(path); err == nil {
			target = activators.EmulatorTarget(real)
		}
	}
	if target == "" {
		return nil
	}
	var names []string
	for _, a := range architectures("linux") {
		for _, t := range a.Emulators {
			if t == target {
				names = append(names, a.Name)
			}
		}
	}
	return names
}
