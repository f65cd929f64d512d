package formats

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

var updateGolden = flag.Bool("update", false, "write the golden files anew")

// kernels are those for which a form can be written.
func kernels(t testing.TB, format string) []string {
	t.Helper()
	kernel, err := KernelOf(format)
	if err != nil {
		t.Fatal(err)
	}
	if kernel == "" {
		return []string{linux, freebsd}
	}
	return []string{kernel}
}

// eachForm calls f with every form and kernel.
func eachForm(t *testing.T, f func(t *testing.T, format, kernel string)) {
	t.Helper()
	for _, format := range Formats() {
		for _, kernel := range kernels(t, format) {
			t.Run(format+"-"+kernel, func(t *testing.T) { f(t, format, kernel) })
		}
	}
}

func write(t testing.TB, format, kernel string, entries []activators.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	o := Options{Kernel: kernel, Version: "v0", Command: "xjail activator generate ARCH --format " + format, Notes: []string{"Not for any\nmachine."}}
	if err := Write(&b, format, entries, o); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wantSame compares a set with entries in the order of a table.
func wantSame(t *testing.T, got *Set, want []activators.Entry) {
	t.Helper()
	if len(got.Entries) != len(want) {
		t.Fatalf("%d entries, want %d; notes %q", len(got.Entries), len(want), got.Notes)
	}
	for i := range want {
		if !got.Entries[i].Equal(want[i]) {
			t.Errorf("entry %d:\n%+v, want\n%+v", i, got.Entries[i], want[i])
		}
	}
}

// asTable are entries in the order of the table that has registered them.
func asTable(t testing.TB, format string, entries []activators.Entry) []activators.Entry {
	t.Helper()
	list, err := activators.Arrange(entries)
	if err != nil {
		t.Fatal(err)
	}
	slices.Reverse(list)
	if format == Nix {
		slices.SortFunc(list, func(a, b activators.Entry) int { return strings.Compare(b.Name, a.Name) })
	}
	return list
}

// What is written is read as the same.
func TestRoundTrip(t *testing.T) {
	eachForm(t, func(t *testing.T, format, kernel string) {
		entries := some(t, kernel)
		got, err := Read("file", write(t, format, kernel, entries))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, asTable(t, format, entries))
		if got.Kernel != kernel || got.Format != format || len(got.Notes) > 0 {
			t.Errorf("%s of %q; notes %q", got.Format, got.Kernel, got.Notes)
		}
	})
}

// Names, paths and patterns that each form has to quote.
func TestRoundTripOfOddEntries(t *testing.T) {
	odd := []activators.Entry{
		{Name: "it's", Interpreter: "/opt/a b/$(x) `y` ${z}/é\"q\"'", Magic: activators.Hex("\x00:'\"\\#;\n\xff"), Offset: 3, Enabled: true},
		{Name: "plain", Interpreter: `/opt/back\slash/\x41`, Magic: activators.Hex("MZ"), Mask: activators.Hex("\xff\x0f"), Enabled: true},
	}
	eachForm(t, func(t *testing.T, format, kernel string) {
		entries := slices.Clone(odd)
		if kernel == freebsd {
			entries[0].Interpreter, entries[1].Interpreter = "/opt/$(x)`y`${z}/'\"", "/opt/##"
			entries[0].Args = []string{"-E", "A='$b'"}
			entries[1].Enabled = format == Ansible
		}
		got, err := Read("file", write(t, format, kernel, entries))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, asTable(t, format, entries))
	})
}

// An extension is Linux's alone.
func TestExtension(t *testing.T) {
	e := activators.Entry{Name: "exe", Interpreter: "/usr/bin/wine", Extension: "exe", Enabled: true}
	eachForm(t, func(t *testing.T, format, kernel string) {
		if kernel == freebsd {
			err := Write(&bytes.Buffer{}, format, []activators.Entry{e}, Options{Kernel: kernel})
			if !errors.Is(err, activators.ErrUnsupported) {
				t.Errorf("%v", err)
			}
			return
		}
		got, err := Read("exe", write(t, format, kernel, []activators.Entry{e}))
		if err != nil {
			t.Fatal(err)
		}
		wantSame(t, got, []activators.Entry{e})
	})
}

// General entries are registered before specific ones, whatever the order in
// which they are given.
func TestOrder(t *testing.T) {
	general := entry(t, "a-general", "/bin/g", "7f454c46", "ffffffff")
	specific := entry(t, "b-specific", "/bin/s", "7f454c4602", "ffffffffff")
	eachForm(t, func(t *testing.T, format, kernel string) {
		for _, entries := range [][]activators.Entry{{general, specific}, {specific, general}} {
			got, err := Read("file", write(t, format, kernel, entries))
			if err != nil {
				t.Fatal(err)
			}
			wantSame(t, got, []activators.Entry{specific, general})
		}
	})
	general.Name = "c-general"
	for format, want := range map[string]int{Nix: 1, Debian: 1, BinfmtD: 0, RCScript: 0} {
		if got := Warnings(format, []activators.Entry{general, specific}); len(got) != want {
			t.Errorf("%s: %q", format, got)
		}
	}
}

func TestWriteRefuses(t *testing.T) {
	good := entry(t, "x", "/bin/x", "7f454c46", "ffffffff")
	with := func(change func(*activators.Entry)) []activators.Entry {
		e := good
		change(&e)
		return []activators.Entry{e}
	}
	for _, c := range []struct {
		format  string
		entries []activators.Entry
		kind    fault.Kind
	}{
		{"toml", []activators.Entry{good}, fault.Usage},
		{JSON, []activators.Entry{good}, fault.Usage}, // for no kernel
		{BinfmtD, with(func(e *activators.Entry) { e.Interpreter = "bin/x" }), fault.Usage},
		{BinfmtD, with(func(e *activators.Entry) { e.Mask = make([]byte, 4) }), fault.Unsafe},
		{BinfmtD, with(func(e *activators.Entry) { e.Enabled = false }), fault.Unsupported},
		{BinfmtD, with(func(e *activators.Entry) { e.Interpreter = "/:|,/x"; e.Name = "a!%" }), fault.Unsupported},
		{BinfmtD, with(func(e *activators.Entry) { e.Flags.PreOpen = true }), fault.Unsupported},
		{BinfmtD, []activators.Entry{good, good}, fault.Usage},
		{RCScript, with(func(e *activators.Entry) { e.Name = strings.Repeat("n", 32) }), fault.Usage},
		{RCScript, with(func(e *activators.Entry) { e.Interpreter = "/a b" }), fault.Usage},
		{Binmiscctl, with(func(e *activators.Entry) { e.Flags.FixBinary = true }), fault.Unsupported},
		{Debian, with(func(e *activators.Entry) { e.Flags.OpenBinary = true }), fault.Unsupported},
		{Nix, with(func(e *activators.Entry) { e.Name = "a:b" }), fault.Unsupported},
		{Ansible, with(func(e *activators.Entry) { e.Interpreter = "/{{ x }}" }), fault.Usage},
	} {
		var b bytes.Buffer
		err := Write(&b, c.format, c.entries, Options{})
		if fault.KindOf(err) != c.kind || (err != nil && b.Len() > 0) {
			t.Errorf("%s %+v: %v (%d)", c.format, c.entries, err, fault.KindOf(err))
		}
	}
}

// What YAML and JSON cannot keep would end a line of a playbook, or come back as
// something else.
func TestWriteRefusesNoText(t *testing.T) {
	for _, c := range []struct{ format, name, interpreter string }{
		{Ansible, "x", "/\u2028- hosts: all"}, {Ansible, "x", "/\u0085x"}, {Ansible, "x\u2029y", "/x"}, {Ansible, "x", "/\ufeff"},
		{Ansible, "\xff", "/x"}, {JSON, "x", "/\xff"}, {JSON, "\xe9", "/x"},
	} {
		var b bytes.Buffer
		err := Write(&b, c.format, []activators.Entry{entry(t, c.name, c.interpreter, "7f454c46", "ffffffff")}, Options{Kernel: linux})
		if fault.KindOf(err) != fault.Unsupported || b.Len() > 0 {
			t.Errorf("%s %q %q: %v", c.format, c.name, c.interpreter, err)
		}
	}
}

// The exact files; -update writes them anew.
func TestGolden(t *testing.T) {
	eachForm(t, func(t *testing.T, format, kernel string) {
		entries := slices.DeleteFunc(some(t, kernel), func(e activators.Entry) bool {
			return !slices.Contains([]string{"arm", "mipsn32", "mips64", "ppc64le"}, e.Name)
		})
		got := write(t, format, kernel, entries)
		name := filepath.Join("testdata", "golden", format+"-"+kernel)
		if *updateGolden {
			if err := os.WriteFile(name, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// Every file says who made it, and whether it was changed since.
func TestWritten(t *testing.T) {
	eachForm(t, func(t *testing.T, format, kernel string) {
		files, err := Files(format, some(t, kernel), Options{Kernel: kernel, Version: "v0"})
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if ours, changed := Written(f.Text); !ours || changed {
				t.Errorf("%s: ours %t, changed %t", f.Name, ours, changed)
			}
			if ours, changed := Written(append(slices.Clone(f.Text), '\n')); !ours || !changed {
				t.Errorf("%s with a line more: ours %t, changed %t", f.Name, ours, changed)
			}
		}
	})
	for _, text := range []string{"", "x", "# " + made, made + "v0 sha256:12"} {
		if ours, changed := Written([]byte(text)); ours && !changed {
			t.Errorf("%q is taken for ours", text)
		}
	}
}

// Scripts are right to the shell and to shellcheck, where these are there.
func TestScriptsAreShell(t *testing.T) {
	for _, format := range []string{Binmiscctl, RCScript, Register} {
		kernel := kernels(t, format)[0]
		name := filepath.Join(t.TempDir(), "script")
		if err := os.WriteFile(name, write(t, format, kernel, some(t, kernel)), 0o755); err != nil {
			t.Fatal(err)
		}
		for _, check := range [][]string{{"sh", "-n", name}, {"dash", "-n", name}, {"shellcheck", name}} {
			if _, err := exec.LookPath(check[0]); err != nil {
				t.Logf("not tried: %v", err)
				continue
			}
			if out, err := exec.Command(check[0], check[1:]...).CombinedOutput(); err != nil {
				t.Errorf("%s: %q: %v\n%s", format, check, err, out)
			}
		}
	}
}

// A playbook is YAML, and the content of its file is what is to be there.
func TestAnsibleIsYAML(t *testing.T) {
	for _, kernel := range []string{linux, freebsd} {
		var plays []map[string]any
		if err := yaml.Unmarshal(write(t, Ansible, kernel, some(t, kernel)), &plays); err != nil {
			t.Fatal(err)
		}
		if len(plays) != 1 || plays[0]["hosts"] != "all" {
			t.Errorf("%s: %v", kernel, plays)
		}
	}
}
