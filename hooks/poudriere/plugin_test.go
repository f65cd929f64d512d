package poudriere

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// etc is poudriere's configuration, and a plugin for it.
func etc(t *testing.T) (Config, Plugin) {
	t.Helper()
	c := Config{Etc: t.TempDir()}
	if err := os.Mkdir(c.Dir(), 0o755); err != nil {
		t.Fatal(err)
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return c, Plugin{Program: program, Options: []string{"--state", "/var/db/it's here"}, Limit: 5 * time.Minute}
}

// wantStates holds the plugin to one state for all files but those that are named.
func wantStates(t *testing.T, c Config, rest FileState, others map[string]FileState) {
	t.Helper()
	list, err := c.PluginStatus()
	if err != nil || len(list) != 6 {
		t.Fatalf("%v %+v", err, list)
	}
	for _, f := range list {
		want := rest
		if s, ok := others[filepath.Base(f.Path)]; ok {
			want = s
		}
		if f.State != want {
			t.Errorf("%s is %s, want %s", f.Path, f.State, want)
		}
	}
}

func TestPlugin(t *testing.T) {
	c, p := etc(t)
	wantStates(t, c, FileMissing, nil)
	if _, err := c.InstallPlugin(p, false, true); err != nil {
		t.Fatal(err)
	}
	wantStates(t, c, FileMissing, nil)
	if _, err := os.Stat(filepath.Join(c.Dir(), "hooks")); err == nil {
		t.Error("a dry run made directories")
	}
	for range 2 {
		if _, err := c.InstallPlugin(p, false, false); err != nil {
			t.Fatal(err)
		}
		wantStates(t, c, FileCurrent, nil)
	}

	bulk, jail := filepath.Join(c.PluginDir(), "bulk.sh"), filepath.Join(c.PluginDir(), "jail.sh")
	old, _ := os.ReadFile(bulk)
	if err := errors.Join(os.WriteFile(bulk, append(old, "# mine\n"...), 0o644), os.Remove(jail)); err != nil {
		t.Fatal(err)
	}
	changed := map[string]FileState{"bulk.sh": FileChanged, "jail.sh": FileMissing}
	wantStates(t, c, FileCurrent, changed)
	for _, act := range []func() ([]PluginFile, error){
		func() ([]PluginFile, error) { return c.InstallPlugin(p, false, false) },
		func() ([]PluginFile, error) { return c.UninstallPlugin(false, false) },
	} {
		if _, err := act(); fault.KindOf(err) != fault.Exists || !strings.Contains(err.Error(), bulk) || fault.HintOf(err) == "" {
			t.Errorf("%v", err)
		}
		wantStates(t, c, FileCurrent, changed)
	}
	if _, err := c.InstallPlugin(p, true, false); err != nil {
		t.Fatal(err)
	}
	wantStates(t, c, FileCurrent, nil)

	// Other settings are no change of somebody's.
	p.HookOptions = []string{"--second", "aarch64=armv7"}
	if _, err := c.InstallPlugin(p, false, false); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(bulk); !strings.Contains(string(text), "poudriere hook '--second' 'aarch64=armv7' -- bulk \"$@\"\n") {
		t.Errorf("%s", text)
	}
	other := filepath.Join(c.PluginDir(), "notes")
	if err := os.WriteFile(other, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UninstallPlugin(false, false); err != nil {
		t.Fatal(err)
	}
	wantStates(t, c, FileMissing, nil)
	if _, err := os.Stat(other); err != nil {
		t.Error("what is not xjail's is gone")
	}
	_ = os.Remove(other)
	for range 2 {
		if _, err := c.UninstallPlugin(false, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(c.PluginDir()); err == nil {
		t.Error("the directory is left")
	}
}

// A file that another version wrote is renewed.
func TestPluginOutdated(t *testing.T) {
	c, p := etc(t)
	if _, err := c.InstallPlugin(p, false, false); err != nil {
		t.Fatal(err)
	}
	filled := "#!/bin/sh\n" + digestMark + "\nexit 0\n"
	text := strings.Replace(filled, digestMark, digestBegin+digestOf(filled)+" "+digestOf("older"), 1)
	if err := os.WriteFile(filepath.Join(c.PluginDir(), "bulk.sh"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	wantStates(t, c, FileCurrent, map[string]FileState{"bulk.sh": FileOutdated})
	if _, err := c.InstallPlugin(p, false, false); err != nil {
		t.Fatal(err)
	}
	wantStates(t, c, FileCurrent, nil)
}

func TestPluginRefused(t *testing.T) {
	c, p := etc(t)
	for name, change := range map[string]func(*Plugin){
		"relative":   func(p *Plugin) { p.Program = "xjail" },
		"line break": func(p *Plugin) { p.Options = []string{"--state", "/a\nrm -rf /"} },
		"no limit":   func(p *Plugin) { p.Limit = 0 },
		"half":       func(p *Plugin) { p.Limit = 1500 * time.Millisecond },
		"no program": func(p *Plugin) { p.Program = "/nonexistent" },
		"a script":   func(p *Plugin) { p.Program = "/etc/passwd" },
	} {
		q := p
		change(&q)
		if _, err := c.InstallPlugin(q, false, false); err == nil {
			t.Errorf("%s: it was installed", name)
		}
	}
	if _, err := (Config{Etc: t.TempDir()}).InstallPlugin(p, false, false); fault.KindOf(err) != fault.NotFound {
		t.Errorf("without poudriere: %v", err)
	}
	wantStates(t, c, FileMissing, nil)

	outside := t.TempDir()
	if err := errors.Join(os.MkdirAll(filepath.Dir(c.PluginDir()), 0o755), os.Symlink(outside, c.PluginDir())); err != nil {
		t.Fatal(err)
	}
	if _, err := c.InstallPlugin(p, true, false); fault.KindOf(err) != fault.Unsafe {
		t.Errorf("a link in its place: %v", err)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("written through the link: %v", entries)
	}
}

// What a killed install left is no plugin to poudriere, and goes.
func TestPluginLeftovers(t *testing.T) {
	c, p := etc(t)
	left := filepath.Join(filepath.Dir(c.PluginDir()), pluginTemp+"123")
	if err := errors.Join(os.MkdirAll(left, 0o755), os.WriteFile(filepath.Join(left, "bulk.sh"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	if found, _ := filepath.Glob(filepath.Join(filepath.Dir(c.PluginDir()), "*")); strings.Contains(strings.Join(found, " "), "/xjail") {
		t.Errorf("poudriere would run %q", found)
	}
	if _, err := c.InstallPlugin(p, false, false); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(left); err == nil {
		t.Error("it is still there")
	}
}

// Hooks whose program does not start any more do nothing, and that is said.
func TestPluginProblem(t *testing.T) {
	c, p := etc(t)
	real, err := os.ReadFile(p.Program)
	if err != nil {
		t.Fatal(err)
	}
	p.Program = filepath.Join(t.TempDir(), "it's xjail")
	for want, spoil := range map[string]func(string) error{
		"":                     func(string) error { return nil },
		"not there":            os.Remove,
		"not executable":       func(name string) error { return os.Chmod(name, 0o644) },
		"not the program that": func(name string) error { return os.Truncate(name, 4096) },
		"is not the program":   func(name string) error { return os.WriteFile(name, append([]byte("#!/bin/sh\n"), real...), 0o755) },
		"the program that it was": func(name string) error {
			other := slices.Clone(real)
			other[18]++
			return os.WriteFile(name, other, 0o755)
		},
	} {
		if err := errors.Join(os.WriteFile(p.Program, real, 0o755), os.Chmod(p.Program, 0o755)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.InstallPlugin(p, false, false); err != nil {
			t.Fatal(err)
		}
		if err := spoil(p.Program); err != nil {
			t.Fatal(err)
		}
		list, err := c.PluginStatus()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			got := strings.Contains(f.Problem, want) && (f.Problem == "") == (want == "")
			if hook := strings.HasSuffix(f.Path, ".sh"); f.State != FileCurrent || hook && !got || !hook && f.Problem != "" {
				t.Errorf("%q: %+v", want, f)
			}
		}
	}
}

// Those who look what is wrong with a jail hear of its hooks.
func TestCheckHooks(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	last := func() jail.Check {
		list := w.Check(t.Context(), w.subject)
		return list[len(list)-1]
	}
	program := filepath.Join(t.TempDir(), "xjail")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Link(self, program); err != nil {
		t.Skip(err)
	}
	if _, err := w.InstallPlugin(Plugin{Program: program, Limit: time.Minute}, false, false); err != nil {
		t.Fatal(err)
	}
	if c := last(); c.Result != jail.OK {
		t.Errorf("%+v", c)
	}
	if err := os.Remove(program); err != nil {
		t.Fatal(err)
	}
	if c := last(); c.Result != jail.Failed || !strings.Contains(c.Message, program+" is not there") || !strings.Contains(c.Fix, "hooks install") {
		t.Errorf("%+v", c)
	}
}

// The hooks differ in their names alone, and are what shellcheck(1) has nothing to
// say about, also with settings in them.
func TestPluginScripts(t *testing.T) {
	c, p := etc(t)
	if _, err := c.InstallPlugin(p, false, false); err != nil {
		t.Fatal(err)
	}
	scripts, _ := filepath.Glob(filepath.Join(c.PluginDir(), "*.sh"))
	digests := regexp.MustCompile("(?m)^" + digestBegin + ".*$")
	collects := regexp.MustCompile(`(?ms)^case \$\? in\n75\)\n\ttrap - EXIT\n\texit 75\n\t;;\n76\)\n.*^esac\n`)
	var first string
	for _, name := range scripts {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hook := strings.TrimSuffix(filepath.Base(name), ".sh")
		if hook == "jail" { // which alone starts something that goes on
			text = collects.ReplaceAll(text, []byte("if [ $$? -eq 75 ]; then\n\ttrap - EXIT\n\texit 75\nfi\n"))
		}
		same := strings.NewReplacer(`"`+hook+`"`, "", "-- "+hook+" ", "").Replace(digests.ReplaceAllString(string(text), ""))
		if first == "" {
			first = same
		}
		if same != first || strings.Contains(first, "@") && strings.Contains(strings.ReplaceAll(first, `"$@"`, ""), "@") {
			t.Errorf("%s is not like the others: %s", name, text)
		}
	}
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip(err)
	}
	if out, err := exec.Command("shellcheck", scripts...).CombinedOutput(); err != nil {
		t.Errorf("%s", out)
	}
}

// No file that somebody changed by a byte is taken for one that xjail wrote.
func FuzzPristine(f *testing.F) {
	text := Plugin{Program: "/usr/local/bin/xjail", Limit: time.Minute, machine: "3e*00"}.text("bulk.sh")
	f.Add(uint16(0), byte('x'))
	f.Add(uint16(200), byte('\n'))
	f.Fuzz(func(t *testing.T, at uint16, b byte) {
		changed := append([]byte{}, text...)
		i := int(at) % len(changed)
		same := changed[i] == b
		changed[i] = b
		if source, ok := pristine(changed); ok != same && (!ok || source == sourceDigest("bulk.sh")) {
			t.Errorf("byte %d as %q: pristine %v", i, b, ok)
		}
	})
}

func TestOptionsOf(t *testing.T) {
	for _, want := range [][]string{nil, {"--leave", "it's=cc,ld"}, {"--a", "", "'", "x y", `\`}} {
		text := "set -- '--state' '/x' poudriere hook " + shellWords(want) + "-- bulk \"$@\"\n'more' "
		if got := optionsOf(text); !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
	}
	for _, text := range []string{"", " poudriere hook 'a", "# no hook"} {
		if got := optionsOf(text); got != nil {
			t.Errorf("%q: %q", text, got)
		}
	}
}
