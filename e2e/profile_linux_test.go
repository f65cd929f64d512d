package e2e

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/xjail/xjail/profile"
)

// tinyARM64 is a static program of arm64 that ends at once: mov x0,#0; mov x8,#93;
// svc #0.
func tinyARM64() []byte {
	const address, headers = 0x400000, 64 + 56
	code := []uint32{0xd2800000, 0xd2800ba8, 0xd4000001}
	le := binary.LittleEndian
	b := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	b = le.AppendUint16(b, 2)
	b = le.AppendUint16(b, 183)
	b = le.AppendUint32(b, 1)
	b = le.AppendUint64(b, address+headers)
	b = le.AppendUint64(b, 64)
	b = le.AppendUint64(b, 0)
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 1, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	b = le.AppendUint32(b, 1)
	b = le.AppendUint32(b, 5)
	size := uint64(headers + 4*len(code))
	for _, v := range []uint64{0, address, address, size, size, 0x10000} {
		b = le.AppendUint64(b, v)
	}
	for _, c := range code {
		b = le.AppendUint32(b, c)
	}
	return b
}

// truthJail is a jail of arm64 with the directory that truth.c works in, in which
// native and emulated programs are mixed.
func truthJail(t *testing.T, w *world) {
	t.Helper()
	needEmulator(t, w, "arm64")
	truth := filepath.Join(t.TempDir(), "truth")
	if out, err := exec.Command("musl-gcc", "-static", "-O1", "-s", "-o", truth, "../profile/ptrace/testdata/truth.c").CombinedOutput(); err != nil {
		t.Skipf("needs musl-gcc: %v: %s", err, out)
	}
	w.ok("create", "truth", "--arch", "arm64", "--from", "miniroot")
	native := readFile(truth)
	for name, content := range map[string]string{
		"truth": native, "true": native, "suid": native, "plain": native, "c/true": native,
		"emulated": string(tinyARM64()), "script": "#!/t/true\n", "escript": "#!/t/emulated\n", "text": "no program",
	} {
		w.put("truth", "/t/"+name, content)
	}
	w.ok("exec", "truth", "--", "sh", "-c", "chmod 755 /t /t/* /t/c/true && chmod 644 /t/plain && chmod 4755 /t/suid")
}

// put writes a file in a jail, with the ids that it has there.
func (w *world) put(jail, name, content string) {
	w.t.Helper()
	args := []string{"exec", jail, "--", "sh", "-c", "mkdir -p " + filepath.Dir(name) + "; cat > " + name}
	cmd := w.command(args...)
	cmd.Stdin = strings.NewReader(content)
	if r := w.runCommand(cmd, args); r.status != 0 {
		w.t.Fatal(r)
	}
}

func readProfile(t *testing.T, file string) *profile.Profile {
	t.Helper()
	p, err := profile.Read(bytes.NewReader([]byte(readFile(file))))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// truths are what truth.c does in so many rounds; profile/ptrace's tests know it
// run by run.
func truths(rounds int) map[string]int {
	return map[string]int{
		"execs": 8*rounds + 7, "emulated": 3 * rounds, "scripts": 2 * rounds, "forks": 11*rounds + 21,
		"failed": 5 * rounds, "set-id": 1, "chroot": 1, "left": 1,
	}
}

func countTruths(p *profile.Profile) map[string]int {
	got := map[string]int{"failed": len(p.Failures), "left": int(p.Close.Left)}
	for _, r := range p.Runs {
		if r.Fork() {
			got["forks"]++
			continue
		}
		got["execs"]++
		if r.Emulated() && r.Program == "/t/emulated" && r.Emulator != "" {
			got["emulated"]++
		}
		if r.Script {
			got["scripts"]++
		}
		if r.Program == "/t/suid" {
			got["set-id"]++
		}
		if r.Program == "/t/c/true" {
			got["chroot"]++
		}
	}
	return got
}

// cpuOf is what all runs used, in nanoseconds.
func cpuOf(p *profile.Profile) (sum int64) {
	for _, r := range p.Runs {
		sum += r.End.User + r.End.System
	}
	return sum
}

func wantTruths(t *testing.T, p *profile.Profile, rounds int) {
	t.Helper()
	if p.Close == nil || p.Cut || len(p.Losses) > 0 || p.Close.Status != 42 {
		t.Fatalf("close %+v, cut %v, lost %+v", p.Close, p.Cut, p.Losses)
	}
	got, want := countTruths(p), truths(rounds)
	for k := range want {
		if got[k] != want[k] {
			t.Errorf("%s: %d, want %d", k, got[k], want[k])
		}
	}
	for _, r := range p.Runs {
		if r.End == nil {
			t.Fatalf("%+v has no end", r)
		}
	}
	sum, whole := cpuOf(p), p.Close.User+p.Close.System
	if math.Abs(float64(sum-whole)) > 0.01*float64(whole) {
		t.Errorf("the runs have %d ns, getrusage %d", sum, whole)
	}
	t.Logf("%d runs; sum %d ns, getrusage %d ns", len(p.Runs), sum, whole)
}

// Ten thousand programs, native and emulated, each seen once; by root and by an
// ordinary user with and without ids.
func TestProfileTruth(t *testing.T) {
	for name, tt := range map[string]struct {
		rounds int
		as     func(*testing.T) account
	}{
		"root": {1250, func(*testing.T) account { return caller }},
		"user": {50, func(t *testing.T) account { return ordinaryUser(t, true) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, tt.as(t))
			truthJail(t, w)
			file := filepath.Join(filepath.Dir(w.state), "p.xprof")
			r := w.run("profile", "truth", "--json", "--output", file, "--", "/t/truth", "/t", strconv.Itoa(tt.rounds), "scl")
			if r.status != 42 || r.stdout != "" {
				t.Fatal(r)
			}
			p := readProfile(t, file)
			wantTruths(t, p, tt.rounds)
			var e struct {
				Type     string `json:"message_type"`
				Execs    int
				Emulated int
			}
			if err := json.Unmarshal([]byte(r.stderr), &e); err != nil || e.Type != "profile" || e.Execs != truths(tt.rounds)["execs"] || e.Emulated != truths(tt.rounds)["emulated"] {
				t.Errorf("%+v, %v: %v", e, err, r)
			}
			_ = os.Remove(file)
		})
	}
}

// Killed, xjail leaves the command and the profile to go on, and the jail in use.
func TestProfileKilled(t *testing.T) {
	for name, as := range map[string]func(*testing.T) account{
		"root": func(*testing.T) account { return caller },
		"user": func(t *testing.T) account { return ordinaryUser(t, true) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, as(t))
			needEmulator(t, w, "arm64")
			w.ok("create", "x", "--arch", "arm64", "--from", "miniroot")
			file, dir := filepath.Join(filepath.Dir(w.state), "p.xprof"), filepath.Join(filepath.Dir(w.state), "shared")
			if err := os.MkdirAll(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(dir, 0o777); err != nil {
				t.Fatal(err)
			}
			cmd := w.command("profile", "x", "--output", file, "--bind", dir+":/shared", "--", "sh", "-c",
				"echo > /shared/begun; while ! test -e /shared/go; do sleep 0.1; done; echo > /shared/done; exit 7")
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			exists := func(name string) func() bool {
				return func() bool { _, err := os.Stat(filepath.Join(dir, name)); return err == nil }
			}
			waitFor(t, "the command", exists("begun"))
			_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
			_ = cmd.Wait()
			w.fails(11, "in use", "destroy", "x")
			waitFor(t, "a readable profile", func() bool {
				b := readFile(file)
				p, err := profile.Read(strings.NewReader(b))
				return err == nil && len(p.Runs) > 0 && p.Close == nil
			})
			writeFile(t, filepath.Join(dir, "go"), "", 0o644)
			waitFor(t, "the command's end", exists("done"))
			waitFor(t, "the end of the profile", func() bool { return strings.Contains(readFile(file), `{"close":`) })
			if p := readProfile(t, file); p.Close.Status != 7 || p.Run(1).End == nil {
				t.Errorf("%+v", p.Close)
			}
			waitFor(t, "the jail", func() bool { return w.run("destroy", "x").status == 0 })
			_ = os.Remove(file)
		})
	}
}

// Signals end the command as in exec, whose status is told.
func TestProfileSignals(t *testing.T) {
	w := newWorld(t, caller)
	needEmulator(t, w, "arm64")
	w.ok("create", "x", "--arch", "arm64", "--from", "miniroot")
	file := filepath.Join(filepath.Dir(w.state), "p.xprof")
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		_ = os.Remove(file)
		cmd := w.command("profile", "x", "--force", "--output", file, "--", "sleep", "600")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the command", func() bool { return strings.Contains(readFile(file), `{"run":`) })
		_ = cmd.Process.Signal(s)
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 128+int(s) {
			t.Errorf("%v: status %d", s, got)
		}
		p := readProfile(t, file)
		if e := p.Run(1).End; e == nil || e.How != profile.BySignal || e.Code != int(s) || p.Close.Status != 128+int(s) {
			t.Errorf("%v: %+v, %+v", s, e, p.Close)
		}
	}
	if r := w.run("exec", "--stats", "x", "--", "sh", "-c", "kill -TERM $$"); r.status != 143 || !strings.Contains(r.stderr, "execs 1, emulated 1; CPU ") {
		t.Error(r)
	}
	_ = os.Remove(file)
}

// An ordinary user's advice is given by the command run once more, as root of that
// user's ids: profiles are read, and spoken of, once, and may be pipes.
func TestAdviceOfUser(t *testing.T) {
	w := newWorld(t, ordinaryUser(t, true))
	needEmulator(t, w, "arm64")
	w.ok("create", "x", "--arch", "arm64", "--from", "miniroot")
	file := filepath.Join(filepath.Dir(w.state), "p.xprof")
	w.ok("profile", "x", "--output", file, "--", "true")
	defer func() { _ = os.Remove(file) }()
	b := readFile(file)
	writeFile(t, file, b[:len(b)-20], 0o644)
	r := w.run("profile", "advice", file)
	if n := strings.Count(r.stderr, "the last line is not whole"); r.status != 0 || n != 1 || !strings.Contains(r.stdout, "jail x: ") {
		t.Errorf("told %d times: %v", n, r)
	}
	pipe := filepath.Join(filepath.Dir(w.state), "pipe")
	if err := errors.Join(syscall.Mkfifo(pipe, 0o600), os.Chown(pipe, w.as.uid, w.as.gid)); err != nil {
		t.Fatal(err)
	}
	go func() { _ = os.WriteFile(pipe, []byte(b), 0) }()
	for _, name := range []string{pipe, "-"} {
		args := []string{"profile", "advice", name}
		cmd := w.command(args...)
		cmd.Stdin = strings.NewReader(b)
		if r := w.runCommand(cmd, args); r.status != 0 || !strings.Contains(r.stdout, "jail x: ") {
			t.Errorf("%s: %v", name, r)
		}
	}
	_ = os.Remove(pipe)
}
