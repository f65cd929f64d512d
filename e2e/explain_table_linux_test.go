package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

func tableSituations() []situation {
	return []situation{
		{name: "own empty table", cause: "instance-empty", errno: "ENOEXEC", remedy: "xjail activator register powerpc --global", build: func(c *cell) []string {
			return []string{c.foreign()}
		}},
		{name: "no activator", cause: "no-activator", errno: "ENOEXEC", remedy: "xjail activator register powerpc --global", build: func(c *cell) []string {
			c.register("arm", "arm", c.emulator("arm"), "F")
			return []string{c.foreign()}
		}},
		{name: "disabled", cause: "activator-disabled", errno: "ENOEXEC", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			c.write("ppc", "0")
			return []string{c.foreign()}
		}},
		{name: "table off", cause: "table-off", errno: "ENOEXEC", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			c.write("status", "0")
			return []string{c.foreign()}
		}},
		{name: "shadowed by a wrong one", cause: "activator-shadowed", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			c.register("wrong", "powerpc", c.emulator("arm"), "F")
			return []string{c.foreign()}
		}},
		{name: "shadowed by one without a file", cause: "activator-shadowed", errno: "ENOENT", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			c.register("wrong", "powerpc", "/none", "")
			return []string{c.foreign()}
		}},
		{name: "mask leaves out the OSABI", cause: "activator-misses", errno: "ENOEXEC", build: func(c *cell) []string {
			p := patternOf(c.t, "powerpc")
			p.Magic[7], p.Mask[7] = 9, 0xff
			c.registerPattern("ppc", p, c.emulator("ppc"), "F")
			return []string{c.foreign()}
		}},
		{name: "n32 taken by an entry for o32", cause: "emulator-wrong-target", build: func(c *cell) []string {
			p := patternOf(c.t, "mips")
			p.Magic, p.Mask = p.Magic[:20], p.Mask[:20] // as published tables have it: e_flags do not count
			c.registerPattern("mips", p, c.emulator("mips"), "F")
			return []string{c.file("true", string(tinybox(c.t, "mipsn32")), 0o755)}
		}},
		{name: "loop of an entry", cause: "activator-loop", errno: "ELOOP", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.file("loop", string(tinybox(c.t, "powerpc")), 0o755), "F")
			return []string{c.foreign()}
		}, mend: func(c *cell) {
			c.write("ppc", "-1")
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
		}},
		{name: "entry takes natives", cause: "activator-captures-native", build: func(c *cell) []string {
			// It wants e_flags of all ones, which no other program has: not the tools that
			// the test needs meanwhile.
			p := arch.Pattern{Offset: 48, Magic: []byte{0xff, 0xff, 0xff, 0xff}, Mask: []byte{0xff, 0xff, 0xff, 0xff}}
			needAMD64(c.t)
			c.registerPattern("wide", p, c.emulator("arm"), "F")
			file := c.nativeProgram("prog")
			b := []byte(readFile(file))
			copy(b[48:], p.Magic)
			return []string{c.file("prog", string(b), 0o755)}
		}},
		{name: "by its extension", cause: "emulator-missing", errno: "ENOENT", build: func(c *cell) []string {
			c.write("register", ":java:E::jar::/opt/none/java:")
			return []string{c.file("prog.jar", "PK\x03\x04", 0o755)}
		}, mend: func(c *cell) {
			c.write("java", "-1")
			c.write("register", ":java:E::jar::"+c.nativeProgram("java")+":")
		}},
	}
}

func emulatorSituations() []situation {
	return []situation{
		{name: "emulator removed", cause: "emulator-missing", errno: "ENOENT", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "")
			c.sh("rm " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator removed, held open", runs: "yes", cause: "emulator-missing", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "F")
			c.sh("rm " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator of xjail removed, held open", runs: "yes", cause: "emulator-replaced", build: func(c *cell) []string {
			c.sh("xjail activator register powerpc --global --emulator " + c.copyOf(c.emulator("ppc"), "qemu-ppc-static") + "; rm qemu-ppc-static")
			return []string{c.foreign()}
		}},
		{name: "emulator replaced", runs: "unknown", cause: "emulator-unrecognised", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "")
			c.nativeProgram("other")
			c.sh("mv other " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator replaced, held open", runs: "yes", cause: "emulator-replaced", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "F")
			c.nativeProgram("other")
			c.sh("mv other " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator of xjail replaced, held open", runs: "yes", cause: "emulator-replaced", build: func(c *cell) []string {
			c.sh("xjail activator register powerpc --global --emulator " + c.copyOf(c.emulator("ppc"), "qemu-ppc-static"))
			c.nativeProgram("other")
			c.sh("mv other qemu-ppc-static")
			return []string{c.foreign()}
		}},
		{name: "emulator not executable", cause: "emulator-not-executable", errno: "EACCES", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "")
			c.sh("chmod 0644 " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator not executable, held open", runs: "yes", cause: "emulator-not-executable", build: func(c *cell) []string {
			file := c.copyOf(c.emulator("ppc"), "qemu")
			c.register("ppc", "powerpc", file, "F")
			c.sh("chmod 0644 " + file)
			return []string{c.foreign()}
		}},
		{name: "emulator on a noexec mount", cause: "emulator-noexec", errno: "EACCES", build: func(c *cell) []string {
			c.sh("mkdir m; mount -t tmpfs -o noexec tmpfs m; cp " + c.emulator("ppc") + " m/qemu")
			c.register("ppc", "powerpc", filepath.Join(c.dir, "m/qemu"), "")
			return []string{c.foreign()}
		}},
		{name: "emulator held open, on a mount that became noexec", cause: "emulator-noexec", build: func(c *cell) []string {
			c.sh("mkdir m; mount -t tmpfs tmpfs m; cp " + c.emulator("ppc") + " m/qemu")
			c.registerInside("ppc", "powerpc", filepath.Join(c.dir, "m/qemu"), "F")
			c.sh("mount -o remount,noexec m")
			return []string{c.foreign()}
		}},
		{name: "emulator for another host", cause: "emulator-wrong-arch", errno: "ENOEXEC", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.file("qemu", string(tinybox(c.t, "mipsn32")), 0o755), "")
			return []string{c.foreign()}
		}},
		{name: "emulator of another target", cause: "emulator-wrong-target", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("arm"), "F")
			return []string{c.foreign()}
		}},
		{name: "emulator is empty", cause: "emulator-empty", errno: "ENOEXEC", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.file("qemu", "", 0o755), "")
			return []string{c.foreign()}
		}},
		{name: "emulator is cut off", cause: "emulator-truncated", build: func(c *cell) []string {
			text := readFile(c.emulator("ppc"))
			c.register("ppc", "powerpc", c.file("qemu", text[:len(text)/4], 0o755), "")
			return []string{c.foreign()}
		}},
		{name: "emulator is a directory", cause: "emulator-directory", errno: "EACCES", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.dir, "")
			return []string{c.foreign()}
		}},
		{name: "set-id bits", runs: "yes", cause: "set-id-dropped", remedy: "--credential", build: func(c *cell) []string {
			if os.Geteuid() != 0 {
				c.t.Skip("needs the ids of the machine")
			}
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			file := c.foreign()
			c.sh("chmod 4755 " + file)
			return []string{file}
		}},
		{name: "set-id bits on a nosuid mount", runs: "yes", cause: "set-id-dropped", remedy: "remount,suid", build: func(c *cell) []string {
			c.sh("mkdir m; mount -t tmpfs -o nosuid tmpfs m")
			c.sh("cp " + c.nativeProgram("prog") + " m/prog; chmod 4755 m/prog")
			return []string{filepath.Join(c.dir, "m/prog")}
		}},
	}
}

// explainedJail is a jail, and what explain says of its files.
type explainedJail struct {
	*world
	root string
}

func (j *explainedJail) ask(args ...string) answer {
	j.t.Helper()
	return readAnswer(j.t, j.command(append([]string{"explain", "--json", "--run", "--jail", "tiny"}, args...)...))
}

// healthy fails the test when anything is said of programs that run.
func (j *explainedJail) healthy() {
	j.t.Helper()
	for _, args := range [][]string{{"true"}, {"/bin/sh", "--", "-c", "true"}, {"uname"}} {
		if a := j.ask(args...); a.Verdict.Runs != "yes" || a.Verdict.Cause != "" || a.status != 0 {
			j.t.Errorf("%q: %s", args, a.text)
		}
	}
}

func TestExplainJail(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	j := &explainedJail{w, filepath.Join(w.state, "jails/tiny/root")}
	j.healthy()
	other := situation{cause: "no-activator", errno: "ENOEXEC", remedy: "xjail create mipsn32"}
	writeFile(t, filepath.Join(j.root, "bin/other"), string(tinybox(t, "mipsn32")), 0o755)
	other.check(t, j.ask("other"))
	none := situation{cause: "missing", errno: "ENOENT"}
	none.check(t, j.ask("nothing"))
	link := situation{cause: "dangling-link", errno: "ENOENT"}
	if err := os.Symlink("/bin/"+filepath.Base(w.state)+"/outside", filepath.Join(j.root, "bin/link")); err != nil {
		t.Fatal(err)
	}
	link.check(t, j.ask("/bin/link"))
	j.tryEmulators()
}

// tryEmulators does to the emulator in the root what xjail must see: removed or
// of another size it keeps the jail from being entered; of the same size it is
// started, whatever it is.
func (j *explainedJail) tryEmulators() {
	t := j.t
	t.Helper()
	found := glob(j.root+"/usr/bin/qemu-*", j.root+"/qemu-*", j.root+"/bin/qemu-*", j.root+"/usr/libexec/*/qemu-*")
	if len(found) != 1 {
		t.Fatalf("emulators in the root: %q", found)
	}
	file, text := found[0], readFile(found[0])
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	removed := situation{cause: "emulator-missing", remedy: "install -m 755 "}
	a := j.ask("true")
	removed.check(t, a)
	c := &cell{t: t}
	c.shell(a.Verdict.Remedy)
	j.healthy()

	writeFile(t, file, text+"x", 0o755)
	replaced := situation{cause: "emulator-replaced", remedy: "install -m 755 "}
	replaced.check(t, j.ask("true"))
	wrong := []byte(readFile(c.emulator("arm")))
	writeFile(t, file, string(append(wrong, make([]byte, max(0, len(text)-len(wrong)))...)[:len(text)]), 0o755)
	if a := j.ask("true"); a.Verdict.Runs != "no" || !strings.HasPrefix(a.Verdict.Cause, "emulator-") || a.Run.Agrees == nil || !*a.Run.Agrees {
		t.Error(a.text)
	}
	writeFile(t, file, text, 0o755)
	j.healthy()
}

// Jails of others than root belong to their ids.
func TestExplainJailOfAnOrdinaryUser(t *testing.T) {
	w := tinyJail(t, ordinaryUser(t, false), "powerpc")
	if a := readAnswer(t, w.command("explain", "--json", "--run", "--jail", "tiny", "uname")); a.Verdict.Runs != "yes" || a.status != 0 {
		t.Error(a.text)
	}
}
