package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/formats"
	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/jail"
)

// eachForm calls f with every form, and the kernels that it can be for.
func eachForm(t *testing.T, f func(t *testing.T, format, kernel string)) {
	t.Helper()
	for _, format := range formats.Formats() {
		kernel, err := formats.KernelOf(format)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []string{"linux", "freebsd"} {
			if kernel == "" || kernel == k {
				t.Run(format+"-"+k, func(t *testing.T) { f(t, format, k) })
			}
		}
	}
}

// Every architecture of the catalog, in every form: what is written is read as
// what is meant.
func TestGenerateRoundTrip(t *testing.T) {
	state := t.TempDir()
	eachForm(t, func(t *testing.T, format, kernel string) {
		for _, a := range arch.All() {
			if a.QEMU == "" {
				continue
			}
			args := []string{"generate", a.Name, "--format", format, "--kernel", kernel, "--interpreter", "/opt/%a/qemu-%q"}
			status, text, said := activatorRun(t, state, args...)
			if status != 0 {
				t.Fatalf("%q: %d %s", args, status, said)
			}
			set, err := formats.Read("/x/xjail-"+a.Name, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			if len(set.Entries) != 1 || len(set.Notes) > 0 || set.Kernel != kernel || set.Format != format {
				t.Fatalf("%+v", set)
			}
			e := set.Entries[0]
			want := a.Pattern(arch.DefaultPolicy(kernel))
			got := arch.Pattern{Offset: e.Offset, Magic: e.Magic, Mask: e.Mask}
			if !got.Equal(want) || e.Interpreter != "/opt/"+a.Name+"/qemu-"+a.QEMU || !e.Enabled {
				t.Errorf("%s: %+v", a.Name, e)
			}
			if kernel == "linux" && e.Flags.String() != "PF" || kernel == "freebsd" && (e.Name != a.Name || strings.Join(e.Args, " ") != cpuArgs(a)) {
				t.Errorf("%s: %+v", a.Name, e)
			}
		}
	})
}

func cpuArgs(a *arch.Arch) string {
	if a.CPU == "" {
		return ""
	}
	return "-cpu " + a.CPU
}

// --all has one of each pattern, the specific ones after the general ones, and
// is read as the answer in JSON says.
func TestGenerateAll(t *testing.T) {
	state := t.TempDir()
	eachForm(t, func(t *testing.T, format, kernel string) {
		args := []string{"generate", "--all", "--format", format, "--kernel", kernel, "--interpreter", "/opt/qemu-%q"}
		_, text, _ := activatorRun(t, state, args...)
		status, answer, said := activatorRun(t, state, append(args, "--json")...)
		var made generated
		if err := json.Unmarshal([]byte(answer), &made); err != nil || status != 0 {
			t.Fatalf("%v: %d %s", err, status, said)
		}
		set, err := formats.Read("f", []byte(text))
		if err != nil || len(set.Notes) > 0 {
			t.Fatalf("%v: %q", err, set.Notes)
		}
		if format == formats.Nix {
			slices.SortFunc(made.Entries, func(a, b activators.Entry) int { return strings.Compare(b.Name, a.Name) })
		}
		if !slices.EqualFunc(set.Entries, made.Entries, activators.Entry.Equal) {
			t.Errorf("%d entries read, %d made", len(set.Entries), len(made.Entries))
		}
		names := ""
		for i, e := range made.Entries {
			names += e.Name + " "
			if by := activators.ShadowedBy(made.Entries, i); by != "" {
				t.Errorf("%s is hidden by %s", e.Name, by)
			}
		}
		for _, want := range []string{"mips64 ", "armv7 ", "riscv64sf ", "powerpc64le "} {
			if !strings.Contains(names, want) {
				t.Errorf("%s is missing: %s", want, names)
			}
		}
		if host := arch.Host(); host != nil && kernel == runtime.GOOS && strings.Contains(" "+names, " "+jail.ActivatorName(kernel, host.Name, arch.Any)+" ") {
			t.Errorf("this machine's own is there: %s", names)
		}
		for _, not := range []string{"armv6 ", "mips64hf ", "powerpcspe "} {
			if strings.Contains(names, not) {
				t.Errorf("%s is there: %s", not, names)
			}
		}
	})
}

func TestGenerateErrors(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		text   string
	}{
		{"", 64, "give either ARCH... or --all"},
		{"mips64 --all", 64, "give either ARCH... or --all"},
		{"mips64 --format toml", 64, `unknown format "toml"`},
		{"nothing", 10, "nothing"},
		{"ia64", 10, "QEMU has no user-mode emulator for ia64"},
		{"mips64 --format binfmt.d --kernel freebsd", 64, "the format binfmt.d is for linux, not for freebsd"},
		{"mips64 --format json --kernel hurd", 64, `unknown kernel "hurd"`},
		{"mips64 --osabi hurd", 64, "unknown OSABI policy"},
		{"mips64 --format binfmt.d --flags X", 64, `unknown flags "X" for linux`},
		{"mips64 --format rc.d --flags F", 64, `unknown flags "F" for freebsd`},
		{"mips64 --interpreter /x/%z", 64, "has %z"},
		{"mips64 --interpreter /x%", 64, "ends with %"},
		{"mips64 --interpreter qemu-%q", 64, "is not an absolute path"},
		{"armv6 armv7 --interpreter /x", 64, "they match the same files"},
		{"mips64 --dry-run", 64, "--dry-run is for --output"},
		{"mips64 --interpreter /x --output " + file, 16, "xjail did not write it"},
		{"mips64 --interpreter /x --force --output /dev/null", 16, "is no regular file"},
		{"mips64 --interpreter /x --output " + file + "/x", 1, "write "},
	} {
		status, out, said := activatorRun(t, t.TempDir(), append([]string{"generate"}, strings.Fields(c.args)...)...)
		if status != c.status || !strings.Contains(said, c.text) || out != "" {
			t.Errorf("%s: %d %q %q", c.args, status, out, said)
		}
	}
	if text, _ := os.ReadFile(file); string(text) != "mine\n" {
		t.Errorf("the file is now %q", text)
	}
}

// This machine's own programs are warned about, and left out of --all.
func TestGenerateOwn(t *testing.T) {
	host := arch.Host()
	if host == nil || host.QEMU == "" {
		t.Skip("no emulator for this machine")
	}
	status, out, said := activatorRun(t, t.TempDir(), "generate", host.Name, "--interpreter", "/x")
	if status != 0 || out == "" || !strings.Contains(said, "warning: ") || !strings.Contains(said, "not for this machine") {
		t.Errorf("%d %q %q", status, out, said)
	}
	if !strings.Contains(out, "Not for machines that run programs of one of these by themselves: ") {
		t.Errorf("%s", out)
	}
}
