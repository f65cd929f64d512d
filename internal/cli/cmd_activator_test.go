package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/jail"
)

// activatorRun runs xjail activator with a state directory of the test, and
// returns status, stdout and stderr.
func activatorRun(t *testing.T, state string, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &Env{Args: append([]string{"--state", state, "activator"}, args...), Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" }}
	status := Run(t.Context(), env)
	return status, out.String(), errs.String()
}

// binfmtDir is a stand-in for the kernel's directory.
func binfmtDir(t *testing.T, status string, entries ...activators.Entry) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"status": status + "\n", "register": ""}
	for _, e := range entries {
		files[e.Name] = string(binfmt.FormatEntry(e))
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestActivatorUsage(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"register", "mips64", "--binfmt-dir", "/d"}, 64, "--global is not given"},
		{[]string{"register", "mips64", "--binfmt-dir", "/d"}, 64, "jails have private activators"},
		{[]string{"unregister", "mips64", "--binfmt-dir", "/d"}, 64, "--global is not given"},
		{[]string{"enable", "mips64", "--binfmt-dir", "/d"}, 64, "--global is not given"},
		{[]string{"disable", "mips64", "--binfmt-dir", "/d"}, 64, "--global is not given"},
		{[]string{"register"}, 64, "ARCH is missing"},
		{[]string{"unregister", "--global"}, 64, "either ARCH... or --all"},
		{[]string{"unregister", "mips64", "--all", "--global"}, 64, "either ARCH... or --all"},
		{[]string{"register", "mips64", "arm", "--emulator", "/x", "--global", "--binfmt-dir", "/d"}, 64, "--emulator names one file"},
		{[]string{"register", "mips64", "--osabi", "hurd", "--global", "--binfmt-dir", "/d"}, 64, "any, freebsd, linux"},
		{[]string{"register", "mip64", "--global", "--binfmt-dir", "/d"}, 10, "did you mean mips64"},
		{[]string{"unregister", "mip64", "--global", "--binfmt-dir", "/d"}, 10, "did you mean mips64"},
		{[]string{"disable", "mip64", "--global", "--binfmt-dir", "/d"}, 10, "did you mean mips64"},
		{[]string{"status", "x"}, 64, "unexpected argument"},
		{[]string{"nonsense"}, 64, "unexpected argument"},
		// A table that is not there is never mounted, only named.
		{[]string{"register", "mips64", "--global", "--binfmt-dir", "/no/such"}, 13, "mount -t binfmt_misc binfmt_misc /no/such"},
		{[]string{"unregister", "--all", "--global", "--binfmt-dir", "/no/such"}, 13, "mount -t binfmt_misc"},
	} {
		status, out, errs := activatorRun(t, t.TempDir(), c.args...)
		if status != c.status || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%v: status %d, stdout %q, stderr %q", c.args, status, out, errs)
		}
	}
	if status, out, _ := activatorRun(t, t.TempDir()); status != 0 || !strings.Contains(out, "unregister") {
		t.Errorf("status %d: %s", status, out)
	}
}

func mips64Entry(name, interpreter string) activators.Entry {
	return activators.Entry{Name: name, Interpreter: interpreter, Magic: activators.Hex(mips64Program()[:20]), Enabled: true}
}

func TestActivatorStatus(t *testing.T) {
	script := writeFile(t, "script", []byte("#!/bin/sh\n"))
	off := mips64Entry("off", "/no/such/qemu")
	off.Enabled = false
	jar := activators.Entry{Name: "jar\x1b", Interpreter: script, Extension: "jar", Enabled: true, Flags: activators.Flags{PreserveArgv0: true, FixBinary: true}}
	dir := binfmtDir(t, "enabled", off, jar)
	status, out, errs := activatorRun(t, t.TempDir(), "status", "--binfmt-dir", dir)
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, want := range []string{"binfmt_misc on " + dir + ": enabled, entries: 2", "NAME STATE OWNER INTERPRETER FLAGS",
		"off disabled foreign /no/such/qemu -", `"jar\x1b" enabled foreign ` + script + " PF"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	_, out, _ = activatorRun(t, t.TempDir(), "status", "--long", "--binfmt-dir", dir)
	for _, want := range []string{"FLAGS ARCH STATIC PROBLEMS", "/no/such/qemu - mips64 - it is disabled; its interpreter is not there", "PF .jar - its interpreter is not an executable file"} {
		if !strings.Contains(strings.Join(strings.Fields(out), " "), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

type statusAnswer struct {
	Jail  string
	Hint  string
	Table struct {
		Available, Enabled bool
		Where, Kernel      string
		Entries            int
	}
	Entries []struct {
		Name, Interpreter, Owner, Magic, Mask, Extension, Arch, Stale string
		NameHex                                                       string `json:"name_hex"`
		ShadowedBy                                                    string `json:"shadowed_by"`
		Offset, Order                                                 int
		Enabled, Healthy                                              bool
		Flags                                                         map[string]bool
		File                                                          *struct {
			Exists, Executable bool
			Static             *bool
		}
		Problems []string
	}
}

func statusJSON(t *testing.T, state string, args ...string) statusAnswer {
	t.Helper()
	status, out, errs := activatorRun(t, state, append([]string{"status", "--json"}, args...)...)
	var s statusAnswer
	if err := json.Unmarshal([]byte(out), &s); err != nil || status != 0 {
		t.Fatalf("status %d, %v: %s%s", status, err, out, errs)
	}
	return s
}

func TestActivatorStatusJSON(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := mips64Entry("bad\xff", self)
	e.Offset, e.Mask = 2, bytes.Repeat([]byte{0xff}, 20)
	e.Flags.FixBinary = true
	wide := activators.Entry{Name: "wide", Interpreter: "relative", Magic: activators.Hex("\x7fELF"), Enabled: true}
	s := statusJSON(t, t.TempDir(), "--binfmt-dir", binfmtDir(t, "disabled", e, wide))
	if !s.Table.Available || s.Table.Enabled || s.Table.Entries != 2 || s.Table.Kernel != "linux" || !strings.Contains(s.Hint, "echo 1 >") || len(s.Entries) != 2 {
		t.Fatalf("%+v", s)
	}
	for _, got := range s.Entries {
		if got.Owner != "foreign" || got.Healthy || got.Problems[0] != "binfmt_misc is switched off as a whole" || got.File == nil || len(got.Flags) != 5 {
			t.Errorf("%+v", got)
		}
		if got.Name == "wide" {
			if p := strings.Join(got.Problems, "; "); !strings.Contains(p, "relative path") || !strings.Contains(p, "machine's own programs") {
				t.Errorf("%+v", got)
			}
			continue
		}
		if got.NameHex != "626164ff" || got.Offset != 2 || len(got.Magic) != 40 || len(got.Mask) != 40 || !got.File.Exists || !got.File.Executable || got.File.Static == nil || !got.Flags["fix_binary"] {
			t.Errorf("%+v", got)
		}
	}
	empty := statusJSON(t, t.TempDir(), "--binfmt-dir", binfmtDir(t, "enabled"))
	if empty.Entries == nil || len(empty.Entries) != 0 || empty.Hint != "" {
		t.Errorf("%+v", empty)
	}
}

func TestActivatorStatusNotThere(t *testing.T) {
	status, out, errs := activatorRun(t, t.TempDir(), "status", "--binfmt-dir", "/no/such")
	if status != 0 || out != "binfmt_misc is not mounted on /no/such\n" || !strings.Contains(errs, "hint: jails need no mount") {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
	if s := statusJSON(t, t.TempDir(), "--binfmt-dir", "/no/such"); s.Table.Available || s.Hint == "" {
		t.Errorf("%+v", s)
	}
	status, out, errs = activatorRun(t, t.TempDir(), "status", "--binfmt-dir", binfmtDir(t, "disabled"))
	if status != 0 || !strings.Contains(out, "switched off as a whole") || !strings.Contains(errs, "hint: as root: echo 1 >") {
		t.Errorf("status %d, %q, %q", status, out, errs)
	}
}

// jailRecord writes the record of a jail that cannot run.
func jailRecord(t *testing.T, state string, r *jail.Record) {
	t.Helper()
	dir := filepath.Join(state, "jails", r.Name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	r.Version = 1
	text, err := json.Marshal(r)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "jail.json"), text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestActivatorStatusJail(t *testing.T) {
	state, root := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "qemu"), []byte("#!"), 0o755); err != nil {
		t.Fatal(err)
	}
	private := &jail.Record{Name: "mips64", Arch: "mips64", Root: root, Activators: []activators.Entry{mips64Entry("first", "/qemu"), mips64Entry("last", "/gone")}}
	jailRecord(t, state, private)
	s := statusJSON(t, state, "--jail", "mips64")
	if s.Jail != "mips64" || len(s.Entries) != 2 || s.Entries[0].Name != "last" || s.Entries[0].Order != 1 || s.Entries[0].Owner != "xjail" || s.Entries[0].File.Exists || !s.Entries[1].File.Exists {
		t.Errorf("%+v", s)
	}
	status, out, _ := activatorRun(t, state, "status", "--jail", "mips64", "--long")
	if status != 0 || !strings.HasPrefix(out, "NAME") || !strings.Contains(out, "mips64") {
		t.Errorf("status %d: %s", status, out)
	}
	jailRecord(t, state, &jail.Record{Name: "global", Arch: "mips64", Root: root, Global: true, Activators: private.Activators[:1]})
	if s := statusJSON(t, state, "--jail", "global", "--binfmt-dir", binfmtDir(t, "enabled", mips64Entry("first", "/qemu"), mips64Entry("other", "/x"))); len(s.Entries) != 1 || s.Entries[0].Name != "first" {
		t.Errorf("%+v", s)
	}
	if s := statusJSON(t, state, "--jail", "global", "--binfmt-dir", binfmtDir(t, "enabled")); len(s.Entries) != 0 || !strings.Contains(s.Hint, "activator register mips64 --global") {
		t.Errorf("%+v", s)
	}
	if status, _, errs := activatorRun(t, state, "status", "--jail", "none"); status != 10 {
		t.Errorf("status %d: %s", status, errs)
	}
}
