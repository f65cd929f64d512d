package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu/qemutest"
)

// emulatorEnv is a machine whose only emulators are those in dir.
type emulatorEnv struct {
	t     *testing.T
	dir   string
	state string
}

func newEmulatorEnv(t *testing.T) *emulatorEnv {
	t.Helper()
	return &emulatorEnv{t, t.TempDir(), t.TempDir()}
}

// run runs a command and returns status, stdout and stderr.
func (e *emulatorEnv) run(args ...string) (int, string, string) {
	e.t.Helper()
	var out, errs bytes.Buffer
	config := filepath.Join(e.state, "xjail.yaml")
	if _, err := os.Stat(config); err != nil {
		if err := os.WriteFile(config, nil, 0o644); err != nil {
			e.t.Fatal(err)
		}
	}
	vars := map[string]string{"PATH": e.dir, "XJAIL_STATE": e.state, "XJAIL_CONFIG": config}
	status := Run(e.t.Context(), &Env{
		Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(k string) string { return vars[k] },
	})
	return status, out.String(), errs.String()
}

// fields are the lines of a table with single blanks.
func fields(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return lines
}

// The machine's own emulators may show too, of other versions: these are newer.
const newest = "99.1.0"

// The guests of a machine are of its own system, and so are their emulators.
var (
	usable, other = qemutest.Linux, qemutest.BSD
	usableFamily  = "linux-user"
	otherVerdict  = "is bsd-user: it runs programs of FreeBSD, not of Linux"
)

func init() {
	if runtime.GOOS == "freebsd" {
		usable, other = other, usable
		usableFamily = "bsd-user"
		otherVerdict = "is linux-user: it runs programs of Linux, not of FreeBSD"
	}
}

func TestEmulatorFind(t *testing.T) {
	e := newEmulatorEnv(t)
	best := usable("mips64", newest).Write(t, filepath.Join(e.dir, "qemu-mips64-static"))
	old := usable("mips64", "1.0.0").Write(t, filepath.Join(e.state, "emulators", "qemu-mips64-static"))
	wrong := other("mips64", newest).Write(t, filepath.Join(e.dir, "qemu-mips64"))
	status, out, errs := e.run("emulator", "find", "mips.mips64")
	if status != 0 || errs != "" {
		t.Fatalf("status %d: %s", status, errs)
	}
	lines := fields(out)
	for _, want := range []string{
		"ARCH PATH VERSION FAMILY STATIC VERDICT",
		"mips64 " + best + " 99.1.0 " + usableFamily + " yes chosen",
		"mips64 " + old + " 1.0.0 " + usableFamily + " yes older than " + best + " (99.1.0)",
		"mips64 " + wrong + " - - - " + otherVerdict,
	} {
		if !slices.Contains(lines, want) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
	status, out, _ = e.run("emulator", "find")
	if status != 0 || !slices.Contains(fields(out), "mips64 "+best+" 99.1.0 "+usableFamily+" yes chosen") {
		t.Errorf("all: status %d\n%s", status, out)
	}
}

func TestEmulatorFindJSON(t *testing.T) {
	e := newEmulatorEnv(t)
	best := usable("arm", newest).Write(t, filepath.Join(e.dir, "qemu-arm-static"))
	status, out, errs := e.run("emulator", "find", "armv7", "ia64", "--json")
	if status != int(fault.Partly) || !strings.Contains(errs, `"no emulator for ia64"`) {
		t.Errorf("status %d: %s", status, errs)
	}
	var got []struct {
		Arch       string
		Emulator   *struct{ Path, SHA256, Target string }
		Candidates []struct{ Path, From string }
		Error      string
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Emulator == nil || got[0].Emulator.Path != best || len(got[0].Emulator.SHA256) != 64 || got[0].Candidates[0].From != "PATH" {
		t.Errorf("got %s", out)
	}
	if got[1].Emulator != nil || got[1].Error == "" || got[1].Candidates == nil {
		t.Errorf("got %s", out)
	}
}

// A file or a directory that the configuration names.
func TestEmulatorFindConfigured(t *testing.T) {
	e := newEmulatorEnv(t)
	mine := usable("arm", "1.0").Write(t, filepath.Join(e.dir, "opt", "mine"))
	inDir := usable("mips", "1.0").Write(t, filepath.Join(e.dir, "opt", "qemu-mips"))
	usable("mips", newest).Write(t, filepath.Join(e.dir, "qemu-mips"))
	text := "emulators: {armv7: " + mine + ", riscv64: /nonexistent}\nemulator_dirs: [" + filepath.Dir(mine) + "]\n"
	if err := os.WriteFile(filepath.Join(e.state, "xjail.yaml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	_, out, errs := e.run("emulator", "find", "armv7", "mips")
	for _, want := range []string{"armv7 " + mine + " 1.0 " + usableFamily + " yes chosen", "mips " + inDir + " 1.0 " + usableFamily + " yes chosen"} {
		if !slices.Contains(fields(out), want) {
			t.Errorf("no line %q in\n%s%s", want, out, errs)
		}
	}
	if status, _, errs := e.run("emulator", "find", "riscv64"); status != int(fault.NotFound) || !strings.Contains(errs, "/nonexistent") {
		t.Errorf("status %d: %s", status, errs)
	}
	if err := os.WriteFile(filepath.Join(e.state, "xjail.yaml"), []byte("nonsense: 1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := e.run("emulator", "find"); status == 0 {
		t.Error("a wrong configuration was taken")
	}
}

func TestEmulatorErrors(t *testing.T) {
	e := newEmulatorEnv(t)
	for _, tc := range []struct {
		args []string
		kind fault.Kind
		word string
	}{
		{[]string{"find", "ia64"}, fault.NotFound, "QEMU has no user-mode emulator for ia64"},
		{[]string{"find", "tilegx"}, fault.NotFound, "there is no qemu-tilegx-static here"},
		{[]string{"find", "mips65"}, fault.NotFound, "mips65"},
		{[]string{"verify"}, fault.Usage, "FILE is missing"},
		{[]string{"verify", "/nonexistent/qemu"}, fault.NotFound, "/nonexistent/qemu"},
		{[]string{"verify", "/nonexistent/qemu", "--arch", "nothing"}, fault.NotFound, "nothing"},
		{[]string{"fetch"}, fault.Usage, "ARCH is missing"},
		{[]string{"fetch", "nothing"}, fault.NotFound, "nothing"},
		{[]string{"fetch", "ia64"}, fault.NotFound, "QEMU has no user-mode emulator for ia64"},
		{[]string{"fetch", "ia64", "--dry-run"}, fault.NotFound, "QEMU has no user-mode emulator for ia64"},
		{[]string{"nonsense"}, fault.Usage, "nonsense"},
	} {
		status, out, errs := e.run(append([]string{"emulator"}, tc.args...)...)
		if status != int(tc.kind) || !strings.Contains(errs, tc.word) || out != "" {
			t.Errorf("%q: status %d, %s%s", tc.args, status, out, errs)
		}
	}
}

func TestEmulatorVerify(t *testing.T) {
	e := newEmulatorEnv(t)
	file := qemutest.Linux("mips64", newest).Write(t, filepath.Join(e.dir, "some-file"))
	status, out, errs := e.run("emulator", "verify", file)
	if status != 0 {
		t.Fatalf("status %d: %s", status, errs)
	}
	for _, want := range []string{
		"emulates mips64, linux-user", "version 99.1.0", "keeps argv[0] yes: understands the flag P of binfmt_misc",
		"ran a mips64 program of a few instructions, which exited with status 42",
	} {
		if !slices.Contains(fields(out), want) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
	_, out, _ = e.run("emulator", "verify", file, "--json", "--arch", "mips64hf")
	var v struct {
		Arch, Path     string
		PreservesArgv0 bool `json:"preserves_argv0"`
		Ran            bool
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || v.Arch != "mips64hf" || v.Path != file || !v.PreservesArgv0 || !v.Ran {
		t.Errorf("%v: %s", err, out)
	}
	if status, _, errs := e.run("emulator", "verify", file, "--arch", "arm"); status != int(fault.BadEmulator) || !strings.Contains(errs, "emulates mips64, not arm") {
		t.Errorf("status %d: %s", status, errs)
	}
	broken := qemutest.Linux("mips64", newest)
	broken.RunStatus = 3
	if status, _, errs := e.run("emulator", "verify", broken.Write(t, file+"2")); status != int(fault.BadEmulator) || !strings.Contains(errs, "exit status 3") {
		t.Errorf("status %d: %s", status, errs)
	}
	// What cannot be tried is said.
	_, out, _ = e.run("emulator", "verify", qemutest.Linux("rx", "1.0").Write(t, file+"3"))
	if !strings.Contains(out, "only that it starts was checked") || !slices.Contains(fields(out), "keeps argv[0] no") {
		t.Errorf("unknown target:\n%s", out)
	}
}

// A machine with an apt of scripts, which has one package.
func TestEmulatorFetch(t *testing.T) {
	e := newEmulatorEnv(t)
	bin := t.TempDir()
	emulator := qemutest.Linux("mips64", "9.0 (Debian 1:9.0)").Write(t, filepath.Join(bin, "root/usr/bin/qemu-mips64-static"))
	for name, script := range map[string]string{
		"apt-config": `echo 'APT::Architecture "amd64";'`,
		"apt-get": `for p; do :; done
case $* in
*--print-uris*) echo "'http://example.org/x' ${p}_1%3a9.0_amd64.deb 5 SHA256:0";;
*) : > ${p}_1%3a9.0_amd64.deb;;
esac`,
		"dpkg-deb": "tar -C " + bin + "/root -cf - ./usr",
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	at := filepath.Join(e.state, "emulators", "qemu-mips64-static")

	status, out, errs := e.run("emulator", "fetch", "mips64", "--dry-run")
	if status != 0 || !strings.Contains(out, "file     "+at) || !strings.Contains(out, "apt-get -q -y download qemu-user-static") || !strings.Contains(out, `Dir::State "TMP/state";`) {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	status, out, _ = e.run("emulator", "fetch", "mips64", "-n", "--json")
	var plan struct{ Files, Packages, Commands []string }
	if err := json.Unmarshal([]byte(out), &plan); status != 0 || err != nil || !slices.Equal(plan.Files, []string{at}) || len(plan.Commands) == 0 {
		t.Errorf("status %d: %s", status, out)
	}
	if _, err := os.Stat(filepath.Dir(at)); err == nil {
		t.Error("--dry-run made the directory")
	}

	status, out, errs = e.run("emulator", "fetch", "mips64")
	if status != 0 || !slices.Contains(fields(out), "mips64 "+at+" 9.0 (Debian 1:9.0)") || !strings.Contains(errs, "apt-get download") {
		t.Fatalf("status %d: %s%s", status, out, errs)
	}
	want, err := os.ReadFile(emulator)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(at); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another file, %v", err)
	}
	dir := t.TempDir()
	status, out, errs = e.run("emulator", "fetch", "mips64", "mips64hf", "--dir", dir, "--json", "--quiet")
	var got []struct{ Arch, Path string }
	if err := json.Unmarshal([]byte(out), &got); err != nil || status != 0 || errs != "" || len(got) != 2 || got[1].Path != filepath.Join(dir, "qemu-mips64-static") || got[1].Arch != "mips64hf" {
		t.Errorf("status %d: %s%s", status, out, errs)
	}
	if status, _, errs := e.run("emulator", "fetch", "arm"); status != int(fault.NotFound) || !strings.Contains(errs, "have no static qemu-arm") {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestEmulatorHelp(t *testing.T) {
	e := newEmulatorEnv(t)
	for _, args := range [][]string{{"emulator"}, {"emulator", "find", "--help"}, {"emulator", "verify", "--help"}, {"emulator", "fetch", "--help"}} {
		if status, out, _ := e.run(args...); status != 0 || !strings.Contains(out, "Examples:") {
			t.Errorf("%q: status %d\n%s", args, status, out)
		}
	}
	for _, args := range [][]string{{"emulator", "find", "arm", "mips64"}, {"emulator", "fetch", "mips64"}, {"emulator", "verify", "x", "--arch", "mips64"}} {
		if _, out, _ := e.run(append([]string{"__complete"}, args...)...); !strings.Contains(out, "mips64el\n") {
			t.Errorf("%q: completion %s", args, out)
		}
	}
}
