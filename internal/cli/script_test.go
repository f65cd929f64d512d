package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
	"github.com/xjail/xjail/jail/source/releasetest"
	"github.com/xjail/xjail/qemu"
	"github.com/xjail/xjail/qemu/qemutest"
)

func TestMain(m *testing.M) {
	run := func() { os.Exit(Main()) }
	testscript.Main(m, map[string]func(){"xjail": run, "binmiscctl": run, jail.InitName: run})
}

// The command line as scripts see it: testdata/script. Besides testscript's own
// commands they have "status N COMMAND...", which wants an exit status, "none
// FILE...", which wants that nothing is there or only empty directories, and
// "expand FILE...", which puts variables into files.
func TestScripts(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	goEnv := goCaches(t)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: false,
		Setup: func(e *testscript.Env) error {
			e.Vars = append(e.Vars, goEnv...)
			e.Setenv("XJAIL_STATE", filepath.Join(e.WorkDir, "state"))
			e.Setenv("HOST", arch.Host().Name)
			qemutest.Linux("mips64", "7.2.22").Write(t, filepath.Join(e.WorkDir, "qemu-mips64-static"))
			qemutest.BSD("aarch64", "9.2.0").Write(t, filepath.Join(e.WorkDir, "bsd", "qemu-aarch64-static"))
			if err := writeReleases(t, e.WorkDir); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "elf"), mips64Header(), 0o755)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "userns":
				return userNamespaces(), nil
			case "bsduser":
				return hasBSDUser(), nil
			}
			return false, errors.New("unknown condition")
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": wantStatus, "none": wantNone, "expand": expand},
	})
}

// writeReleases makes a mirror with a FreeBSD release of aarch64, and the set base
// of one of this machine's architecture.
func writeReleases(t *testing.T, dir string) error {
	t.Helper()
	a, err := arch.Lookup("aarch64")
	if err != nil {
		return err
	}
	releasetest.New(t, a).Write(t, filepath.Join(dir, "mirror"))
	return os.WriteFile(filepath.Join(dir, "host.txz"), releasetest.New(t, arch.Host()).Files["base.txz"], 0o600)
}

// expand puts the variables of the script into files.
func expand(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("expand has no opposite")
	}
	for _, name := range args {
		name = ts.MkAbs(name)
		text, err := os.ReadFile(name)
		ts.Check(err)
		ts.Check(os.WriteFile(name, []byte(os.Expand(string(text), ts.Getenv)), 0o600))
	}
}

// mips64Header is the beginning of a big-endian program, with no segments.
func mips64Header() []byte {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x02\x01")
	copy(h[16:], "\x00\x02\x00\x08\x00\x00\x00\x01")
	copy(h[48:], "\x80\x00\x00\x07\x00\x40\x00\x38")
	return h
}

// goCaches are the settings that let go build in a script, where HOME is none.
func goCaches(t *testing.T) []string {
	t.Helper()
	var vars []string
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB"} {
		out, err := exec.Command("go", "env", name).Output()
		if err != nil {
			t.Fatal(err)
		}
		vars = append(vars, name+"="+strings.TrimSpace(string(out)))
	}
	return vars
}

// userNamespaces tells whether this machine lets the caller make a jail.
func userNamespaces() bool {
	return exec.Command("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--mount-proc", "true").Run() == nil
}

// hasBSDUser tells whether the machine has an emulator for FreeBSD's aarch64.
func hasBSDUser() bool {
	a, err := arch.Lookup("aarch64")
	if err != nil {
		return false
	}
	_, _, err = qemu.Find(context.Background(), a, qemu.FindOptions{GuestOS: "freebsd", SkipDigest: true})
	return err == nil
}

func wantStatus(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: status N COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("status %d, want %d", got, want)
	}
}

func wantNone(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("none has no opposite")
	}
	for _, name := range args {
		err := filepath.WalkDir(ts.MkAbs(name), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return nil //nolint:nilerr // what is not there is what is wanted
			}
			ts.Fatalf("%s is there", path)
			return nil
		})
		ts.Check(err)
	}
}
