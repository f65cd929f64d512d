// Package profiletest makes profiles for tests: one that is always the same, with
// something of everything, and any number of random ones.
package profiletest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/xjail/xjail/profile"
)

// Emulator is the emulator of all profiles that are made here.
const Emulator = "/usr/bin/qemu-mips64el-static"

// ms is a millisecond.
const ms = 1000 * 1000

// Header is the header of all profiles that are made here.
func Header() *profile.Header {
	return &profile.Header{Xjail: "1.0", Jail: "hello", Arch: "mips64el", Guest: "linux", Host: "amd64", Collector: "ptrace",
		Started: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Command: []string{"sh", "-c", "./configure && make"},
		Emulators: []profile.Emulator{{Path: Emulator, Arch: "mips64el", Version: "7.2"}}, Tools: "twin debian bookworm"}
}

// Maker writes a profile run by run. Times are milliseconds.
type Maker struct {
	t    testing.TB
	out  bytes.Buffer
	w    *profile.Writer
	runs []profile.Run
	sum  profile.Close
}

// NewMaker begins a profile.
func NewMaker(t testing.TB, h *profile.Header) *Maker {
	t.Helper()
	m := &Maker{t: t}
	var err error
	if m.w, err = profile.NewWriter(&m.out, h); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *Maker) begin(r profile.Run) int64 {
	r.ID = int64(len(m.runs) + 1)
	m.runs = append(m.runs, r)
	if err := m.w.Begin(&r); err != nil {
		m.t.Fatal(err)
	}
	return r.ID
}

// Fork is a fork of a run.
func (m *Maker) Fork(parent int64, at int) int64 {
	p := m.runs[parent-1]
	return m.begin(profile.Run{Parent: parent, PID: len(m.runs) + 100, At: int64(at) * ms, Program: p.Program, Emulator: p.Emulator})
}

// Start is a program that came from outside, as the command itself does. Program,
// Argv and what else the run needs are in r.
func (m *Maker) Start(at int, r profile.Run) int64 {
	r.PID, r.At = len(m.runs)+100, int64(at)*ms
	return m.begin(r)
}

// Exec lets a run go on as another program. It ends the first.
func (m *Maker) Exec(from int64, at int, user, system int, r profile.Run) int64 {
	m.end(from, at, user, system, profile.ByExec, 0, 0)
	old := m.runs[from-1]
	r.PID, r.Parent, r.Replaced, r.At = old.PID, old.Parent, from, int64(at)*ms
	return m.begin(r)
}

// Exit ends a run with a status.
func (m *Maker) Exit(id int64, at, user, system, status int) {
	m.end(id, at, user, system, profile.ByExit, status, (10+id)<<20)
}

// Kill ends a run by a signal.
func (m *Maker) Kill(id int64, at, user, system, signal int) {
	m.end(id, at, user, system, profile.BySignal, signal, 1<<20)
}

func (m *Maker) end(id int64, at, user, system int, how string, code int, rss int64) {
	e := profile.End{ID: id, At: int64(at) * ms, How: how, Code: code, User: int64(user) * ms, System: int64(system) * ms, RSS: rss}
	m.sum.User += e.User
	m.sum.System += e.System
	if err := m.w.End(&e); err != nil {
		m.t.Fatal(err)
	}
}

// Fail is an execve(2) that failed.
func (m *Maker) Fail(run int64, at int, file, errno string) {
	if err := m.w.Fail(&profile.Failure{Run: run, At: int64(at) * ms, File: file, Error: errno}); err != nil {
		m.t.Fatal(err)
	}
}

// Close ends the profile with a status and what the kernel counted beyond the
// runs, and returns it.
func (m *Maker) Close(at, status, beyond int) []byte {
	m.sum.At, m.sum.Status = int64(at)*ms, status
	m.sum.User += int64(beyond) * ms
	if err := m.w.Close(&m.sum); err != nil {
		m.t.Fatal(err)
	}
	return m.out.Bytes()
}

// Cut returns a profile without its last line.
func (m *Maker) Cut() []byte {
	if err := m.w.Flush(); err != nil {
		m.t.Fatal(err)
	}
	return m.out.Bytes()
}

// Read reads what a Maker made.
func Read(t testing.TB, text []byte) *profile.Profile {
	t.Helper()
	p, err := profile.Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Emulated is a run of an emulated program.
func Emulated(program string, args ...string) profile.Run {
	r := Native(program, args...)
	r.Emulator = Emulator
	return r
}

// Native is a run of a native program.
func Native(program string, args ...string) profile.Run {
	return profile.Run{Program: program, Argv: append([]string{program}, args...)}
}

// Hostile is an argument that wants to disturb whoever shows it.
const Hostile = "</script><script>alert(1)</script>\x1b[31m\"'`\u202e\x00"

// Build is a small build: a shell runs configure, an emulated script, which runs
// sed (emulated) six times and cat once, and make, which runs the compiler
// (native) through env. Some of it fails.
func Build(t testing.TB) []byte {
	m := BuildMaker(t)
	return m.Close(1000, 2, 5)
}

// BuildMaker is Build before its last line.
func BuildMaker(t testing.TB) *Maker {
	m := NewMaker(t, Header())
	sh := m.Start(0, profile.Run{Program: "/usr/bin/dash", File: "/bin/sh", Argv: []string{"sh", "-c", "./configure && make"}})
	configure := m.Exec(m.Fork(sh, 10), 12, 1, 1, profile.Run{Program: "/usr/bin/dash", Emulator: Emulator, File: "/src/configure", Script: true, Argv: []string{"/bin/sh", "./configure"}})
	for i := range 6 {
		fork := m.Fork(configure, 20+50*i)
		m.Fail(fork, 21+50*i, "/usr/local/bin/sed", "ENOENT")
		sed := m.Exec(fork, 22+50*i, 2, 1, Emulated("/usr/bin/sed", "-e", "s/a/b/"))
		m.Exit(sed, 60+50*i, 30+i, 2, i%2)
	}
	subshell := m.Fork(configure, 330)
	m.Exit(subshell, 340, 4, 1, 0)
	cat := m.Exec(m.Fork(configure, 350), 351, 1, 1, Emulated("/usr/bin/cat", "conftest.c", Hostile))
	m.Kill(cat, 380, 20, 5, 13)
	m.Exit(configure, 400, 50, 10, 0)
	make := m.Exec(m.Fork(sh, 410), 411, 1, 0, Native("/usr/bin/make", "-j2"))
	for i := range 2 {
		env := m.Exec(m.Fork(make, 420+10*i), 421+10*i, 1, 0, Native("/usr/bin/env", "LC_ALL=C", "cc"))
		cc := m.Exec(env, 425+10*i, 1, 1, profile.Run{Program: "/usr/bin/mips64el-linux-gnuabi64-gcc-12", File: "/usr/bin/cc", Argv: []string{"cc", "-c", fmt.Sprintf("f%d.c", i)}})
		m.Exit(cc, 900, 300, 20, i)
	}
	m.Exit(make, 950, 10, 5, 2)
	m.Exit(sh, 990, 3, 2, 2)
	return m
}

// Random is a profile of n runs in a tree that a seed decides: processes that
// fork, go on as other programs, end in all ways, and some that never do. The
// kernel's sum is that of the runs.
func Random(t testing.TB, seed uint64, n int) []byte {
	m := NewMaker(t, Header())
	rnd := rand.New(rand.NewPCG(seed, 1))
	programs := []string{"sed", "cat", "rm", "grep", "bash", "gcc", "cc1", "as", "expr", "mv"}
	live := []int64{m.Start(0, Native("/usr/bin/make"))}
	for at := 1; len(m.runs) < n; at++ {
		i := rnd.IntN(len(live))
		id := live[i]
		switch k := rnd.IntN(10); {
		case k < 4 || len(live) == 1:
			live = append(live, m.Fork(id, at))
		case k < 7:
			r := Native("/usr/bin/"+programs[rnd.IntN(len(programs))], "-x", fmt.Sprint(at))
			if rnd.IntN(3) > 0 {
				r.Emulator = Emulator
			}
			if rnd.IntN(10) == 0 {
				r.File, r.Script = fmt.Sprintf("/src/script%d", rnd.IntN(5)), true
			}
			live[i] = m.Exec(id, at, rnd.IntN(3), rnd.IntN(2), r)
		case k < 9 && i > 0:
			if rnd.IntN(10) == 0 {
				m.Kill(id, at, rnd.IntN(40), rnd.IntN(5), 9)
			} else {
				m.Exit(id, at, rnd.IntN(40), rnd.IntN(5), rnd.IntN(4)/3)
			}
			live = append(live[:i], live[i+1:]...)
		default:
			m.Fail(id, at, "/usr/local/bin/"+programs[rnd.IntN(len(programs))], "ENOENT")
		}
	}
	m.sum.Left = int64(len(live))
	return m.Close(n+1, 0, 0)
}
