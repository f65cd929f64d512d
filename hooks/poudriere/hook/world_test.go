package hook

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/memory"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/xtools/nxb"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

// fakeTable is a machine's table in memory: FreeBSD's, with PRE_OPEN.
type fakeTable struct {
	*memory.Table
	load error
}

func (t *fakeTable) Instance() (string, error) { return "test", nil }
func (t *fakeTable) PreOpen() bool             { return true }
func (t *fakeTable) Load() error               { return t.load }

func newFakeTable() *fakeTable {
	return &fakeTable{Table: memory.New(memory.FreeBSD, memory.Interpreters(func(path string) error {
		_, err := os.Stat(path)
		return err
	}))}
}

// machine is a FreeBSD host of this machine's architecture with an emulator of
// mips64, on which poudriere has a jail m64 of mips64.
type machine struct {
	*World
	t        *testing.T
	dir      string
	emulator string
	root     string // of the jail
	ref      string
	env      map[string]string
	said     []string
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	dir := t.TempDir()
	m := &machine{t: t, dir: dir, emulator: filepath.Join(dir, "local/bin/qemu-mips64-static"), root: filepath.Join(dir, "jails/m64"),
		ref: filepath.Join(dir, "data/.m/m64-default/ref")}
	qemutest.BSD("mips64", "9.2.0").Write(t, m.emulator)
	for name, text := range map[string]string{
		"etc/poudriere.d/jails/m64/arch": "mips.mips64\n", "etc/poudriere.d/jails/m64/version": "13.2-RELEASE\n",
		"etc/poudriere.d/jails/m64/mnt": m.root + "\n", "etc/poudriere.d/jails/m64/method": "null\n",
		"etc/poudriere.d/jails/home/arch": ports["amd64"] + "\n",
		"jails/m64/bin/freebsd-version":   "USERLAND_VERSION=\"13.2-RELEASE\"\n",
	} {
		m.write(filepath.Join(dir, name), text)
	}
	m.env = map[string]string{
		"JAILNAME": "m64", "POUDRIERED": filepath.Join(dir, "etc/poudriere.d"), "MASTERMNT": m.ref, "MASTERNAME": "m64-default",
		"BUILDNAME": "2026-11-28_12h00m00s", "PTNAME": "default",
	}
	m.World = New(jail.Store{Dir: filepath.Join(dir, "it's a $state")}, &jail.Config{}, newFakeTable(), func(line string) { m.said = append(m.said, line) })
	m.natives = func() []string { return append(Natives(), "amd64", "i386") }
	m.find = m.findHere
	m.exec, m.pkgStatic = nil, filepath.Join(dir, "local/sbin/pkg-static")
	m.now = func() time.Time { return time.Unix(1700000000, 0) }
	return m
}

// findHere finds emulators of the test alone.
func (m *machine) findHere(ctx context.Context, a *arch.Arch, o qemu.FindOptions) (*qemu.Emulator, []qemu.Candidate, error) {
	o.Prefixes = []string{filepath.Join(m.dir, "local/bin")}
	return qemu.Find(ctx, a, o)
}

func (m *machine) write(name, text string) {
	m.t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		m.t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
		m.t.Fatal(err)
	}
}

// call calls a hook and returns what it says, and why it stops.
func (m *machine) call(words ...string) (stopped string, err error) {
	m.t.Helper()
	m.said = nil
	err = m.Run(m.t.Context(), &Call{Hook: words[0], Event: words[1], Args: words[2:], Getenv: func(name string) string { return m.env[name] }})
	var s *Stop
	if errors.As(err, &s) {
		if strings.ContainsAny(s.Sentence, "\n") || len(s.Sentence) > 400 {
			m.t.Errorf("not one sentence: %q", s.Sentence)
		}
		return s.Sentence, nil
	}
	return "", err
}

// goesOn calls a hook that must not stop poudriere.
func (m *machine) goesOn(words ...string) {
	m.t.Helper()
	stopped, err := m.call(words...)
	if stopped != "" || err != nil {
		m.t.Errorf("%q: stop %q, error %v", words, stopped, err)
	}
}

// stops calls bulk start, which must stop with these words.
func (m *machine) stops(words ...string) {
	m.t.Helper()
	stopped, err := m.call("bulk", "start")
	for _, word := range words {
		if !strings.Contains(stopped, word) {
			m.t.Errorf("stops with %q (error %v, said %q), want %q in it", stopped, err, m.said, word)
		}
	}
}

// says fails unless a line has the words; none means that nothing is said.
func (m *machine) says(words string) {
	m.t.Helper()
	all := strings.Join(m.said, "\n")
	if words == "" && all != "" || !strings.Contains(all, words) {
		m.t.Errorf("said %q, want %q", all, words)
	}
}

func (m *machine) entry() activators.Entry {
	m.t.Helper()
	e, err := m.Table.Lookup("mips64")
	if err != nil {
		m.t.Fatal(err)
	}
	return e
}

// foreign registers an entry that xjail did not make.
func (m *machine) foreign(change func(*activators.Entry)) {
	m.t.Helper()
	a, err := arch.Lookup("mips64")
	if err != nil {
		m.t.Fatal(err)
	}
	e := jail.Activator("freebsd", arch.Binmisc, a, &qemu.Emulator{}, m.emulator, false)
	if change != nil {
		change(&e)
	}
	if err := m.Table.Add(e); err != nil {
		m.t.Fatal(err)
	}
}

// tools makes a /nxb-bin below a root, of programs of this machine.
func (m *machine) tools(root string, more ...string) {
	m.t.Helper()
	program := string(qemutest.Program(m.t))
	for _, name := range append(nxb.Required(), more...) {
		m.write(filepath.Join(root, nxb.Dir, name), program+name)
	}
}

// names are those in a directory, sorted.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// tree lists the files below a directory with their contents' length, links and
// modes.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	list := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		what := info.Mode().String()
		if info.Mode().IsRegular() {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			what += " " + string(text[max(0, len(text)-30):])
		}
		list[strings.TrimPrefix(name, dir)] = what
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (m *machine) config() poudriere.Config {
	return poudriere.Config{Etc: filepath.Join(m.dir, "etc")}
}
