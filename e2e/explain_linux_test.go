package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// situation is a way in which a file does not run, made for real. explain must
// name the cause, what really happens must be what it says, and when the remedy
// was applied the file must run.
type situation struct {
	name  string
	runs  string // "no" unless said
	cause string
	errno string
	// build makes it, and returns what explain is asked.
	build func(c *cell) []string
	// mend does what the remedy says where that is no command that can be run here;
	// nil runs the remedy.
	mend   func(c *cell)
	remedy string // part of the remedy
	final  bool   // nothing mends it
}

// The matrix. Each of its situations is made in the same cell, the table empty
// at its start.
func TestExplain(t *testing.T) {
	c := newCell(t)
	var all []situation
	for _, group := range [][]situation{fileSituations(), scriptSituations(), elfSituations(), tableSituations(), emulatorSituations(), librarySituations()} {
		all = append(all, group...)
	}
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) { s.try(c.with(t)) })
	}
	t.Logf("%d situations", len(all))
}

func (s *situation) try(c *cell) {
	c.t.Helper()
	c.empty()
	c.dir = sharedDir(c.t)
	c.state = filepath.Join(c.dir, "state")
	args := s.build(c)
	before := c.explain(args...)
	s.check(c.t, before)
	switch {
	case s.final:
		return
	case s.mend != nil:
		s.mend(c)
	default:
		c.sh(before.Verdict.Remedy)
	}
	after := c.explain(args...)
	if after.Verdict.Runs != "yes" || after.status != 0 || !after.Run.Ran {
		c.t.Errorf("after the remedy %q: status %d: %s", before.Verdict.Remedy, after.status, after.text)
	}
}

// check compares an answer with what is wanted.
func (s *situation) check(t *testing.T, a answer) {
	t.Helper()
	runs := s.runs
	if runs == "" {
		runs = "no"
	}
	v := a.Verdict
	switch {
	case v.Runs != runs || v.Cause != s.cause || v.Errno != s.errno:
		t.Errorf("runs %q, cause %q, errno %q; want %q, %q, %q", v.Runs, v.Cause, v.Errno, runs, s.cause, s.errno)
	case runs != "unknown" && (a.Run.Agrees == nil || !*a.Run.Agrees):
		t.Error("what happened is not what was said")
	case a.Run.Errno != s.errno:
		t.Errorf("execve gave %q, want %q", a.Run.Errno, s.errno)
	case !strings.Contains(v.Remedy, s.remedy) || v.Message == "":
		t.Errorf("the remedy is %q, want %q in it", v.Remedy, s.remedy)
	default:
		return
	}
	t.Log(a.text)
}

// emulator is one of the machine's, by QEMU's name.
func (c *cell) emulator(target string) string {
	c.t.Helper()
	for _, dir := range []string{"/usr/bin", "/usr/local/bin"} {
		file := filepath.Join(dir, "qemu-"+target+"-static")
		if _, err := os.Stat(file); err == nil {
			return file
		}
	}
	c.t.Skipf("no static emulator of %s", target)
	return ""
}

// copyOf puts a copy of a file into the cell.
func (c *cell) copyOf(file, name string) string {
	c.t.Helper()
	return c.file(name, readFile(file), 0o755)
}

// foreign puts a static program of powerpc into the cell, which prints a line.
func (c *cell) foreign() string {
	c.t.Helper()
	return c.file("true", string(tinybox(c.t, "powerpc")), 0o755)
}

// nativeProgram is a dynamic program of the machine.
func (c *cell) nativeProgram(name string) string {
	c.t.Helper()
	file, err := exec.LookPath("true")
	if err != nil {
		c.t.Skip(err)
	}
	return c.copyOf(file, name)
}

func fileSituations() []situation {
	return []situation{
		{name: "not executable", cause: "not-executable", errno: "EACCES", build: func(c *cell) []string {
			file := c.nativeProgram("prog")
			c.sh("chmod 0644 " + file)
			return []string{file}
		}},
		{name: "on a noexec mount", cause: "noexec", errno: "EACCES", build: func(c *cell) []string {
			file := c.nativeProgram("prog")
			c.sh("mkdir m; mount -t tmpfs -o noexec tmpfs m; cp " + file + " m/prog")
			return []string{filepath.Join(c.dir, "m/prog")}
		}},
		{name: "directory", cause: "directory", errno: "EACCES", build: func(c *cell) []string {
			c.sh("mkdir prog")
			return []string{"./prog"}
		}, mend: func(c *cell) { c.sh("rmdir prog"); c.nativeProgram("prog") }},
		{name: "FIFO", cause: "not-regular", errno: "EACCES", build: func(c *cell) []string {
			c.sh("mkfifo -m 755 prog")
			return []string{"./prog"}
		}, mend: func(c *cell) { c.sh("rm prog"); c.nativeProgram("prog") }},
		{name: "dangling symlink", cause: "dangling-link", errno: "ENOENT", build: func(c *cell) []string {
			c.sh("ln -s nowhere/prog link")
			return []string{"./link"}
		}, mend: func(c *cell) { c.nativeProgram("nowhere/prog") }},
		{name: "symlink loop", cause: "link-loop", errno: "ELOOP", build: func(c *cell) []string {
			c.sh("ln -s b a; ln -s a b")
			return []string{"./a"}
		}, mend: func(c *cell) { c.sh("ln -sfn " + c.nativeProgram("prog") + " b") }},
		{name: "file on the way", cause: "not-a-directory", errno: "ENOTDIR", build: func(c *cell) []string {
			c.nativeProgram("prog")
			return []string{"./prog/x"}
		}, mend: func(c *cell) { c.sh("rm prog"); c.nativeProgram("prog/x") }},
		{name: "long name", cause: "name-too-long", errno: "ENAMETOOLONG", build: func(*cell) []string {
			return []string{"./" + strings.Repeat("n", 256)}
		}, final: true},
		{name: "empty", cause: "empty", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "", 0o755)}
		}, mend: func(c *cell) { c.nativeProgram("prog") }},
		{name: "text", cause: "text", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "echo hello\n", 0o755)}
		}},
		{name: "other bytes", cause: "unknown-format", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "\x00\x01\x02\x03data", 0o755)}
		}, mend: func(c *cell) { c.nativeProgram("prog") }},
	}
}

func scriptSituations() []situation {
	return []situation{
		{name: "byte order mark", cause: "byte-order-mark", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "\xef\xbb\xbf#!/bin/sh\necho hello\n", 0o755)}
		}},
		{name: "carriage return", cause: "script-carriage-return", errno: "ENOENT", build: func(c *cell) []string {
			return []string{c.file("prog", "#!/bin/sh\r\necho hello\r\n", 0o755)}
		}},
		{name: "interpreter elsewhere", cause: "script-interpreter-missing", errno: "ENOENT", build: func(c *cell) []string {
			return []string{c.file("prog", "#! /opt/none/bin/sh -e\necho hello\n", 0o755)}
		}},
		{name: "foreign shell missing", cause: "script-interpreter-missing", errno: "ENOENT", build: func(c *cell) []string {
			c.register("ppc", "powerpc", c.emulator("ppc"), "F")
			return []string{c.file("prog", "#!"+c.dir+"/bin/mounts\n", 0o755)}
		}, mend: func(c *cell) { c.file("bin/mounts", string(tinybox(c.t, "powerpc")), 0o755) }},
		{name: "interpreter not executable", cause: "script-interpreter-not-executable", errno: "EACCES", build: func(c *cell) []string {
			shell := c.nativeProgram("shell")
			c.sh("chmod 0644 " + shell)
			return []string{c.file("prog", "#!"+shell+"\n", 0o755)}
		}},
		{name: "interpreter empty", cause: "script-interpreter-empty", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "#!"+c.file("shell", "", 0o755)+"\n", 0o755)}
		}, mend: func(c *cell) { c.nativeProgram("shell") }},
		{name: "interpreter relative", cause: "script-interpreter-relative", errno: "ENOENT", build: func(c *cell) []string {
			return []string{c.file("prog", "#!bin/sh\necho hello\n", 0o755)}
		}},
		{name: "no interpreter", cause: "script-no-interpreter", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "#!  \necho hello\n", 0o755)}
		}},
		{name: "line too long", cause: "script-line-too-long", errno: "ENOEXEC", build: func(c *cell) []string {
			return []string{c.file("prog", "#!/"+strings.Repeat("./", 200)+"bin/sh\n", 0o755)}
		}, mend: func(c *cell) { c.sh("sed -i '1s|.*|#!/bin/sh|' prog") }},
		{name: "env of nothing", cause: "script-env-missing", build: func(c *cell) []string {
			return []string{c.file("prog", "#!/usr/bin/env none-of-these\n", 0o755)}
		}, mend: func(c *cell) { c.sh("sed -i s/none-of-these/sh/ prog") }},
		{name: "env with arguments", cause: "script-env-arguments", build: func(c *cell) []string {
			return []string{c.file("prog", "#!/usr/bin/env sh -e\n", 0o755)}
		}},
		{name: "env with a carriage return", cause: "script-carriage-return", build: func(c *cell) []string {
			return []string{c.file("prog", "#!/usr/bin/env sh\r\n", 0o755)}
		}},
		{name: "chain too deep", cause: "script-chain-too-deep", errno: "ELOOP", build: func(c *cell) []string {
			next := "/bin/sh"
			for _, name := range []string{"s6", "s5", "s4", "s3", "s2", "s1"} {
				next = c.file(name, "#!"+next+"\n", 0o755)
			}
			return []string{next}
		}},
	}
}

// TestExplainHealthy: nothing is said of what runs.
func TestExplainHealthy(t *testing.T) {
	c := newCell(t)
	c.register("ppc", "powerpc", c.emulator("ppc"), "F")
	script := c.file("script", "#!/bin/sh\nexit 3\n", 0o755)
	deep := script
	for _, name := range []string{"d4", "d3", "d2", "d1"} {
		deep = c.file(name, "#!"+deep+"\n", 0o755)
	}
	foreign := c.foreign()
	for _, args := range [][]string{
		{"true"}, {"sh", "--", "-c", "exit 7"}, {c.nativeProgram("prog")}, {script}, {deep}, {foreign},
		{c.file("foreign-script", "#!"+foreign+"\n", 0o755)},
	} {
		a := c.explain(args...)
		if a.Verdict.Runs != "yes" || a.Verdict.Cause != "" || a.Verdict.Remedy != "" || a.status != 0 || a.Run.Agrees == nil || !*a.Run.Agrees {
			t.Errorf("%q: status %d: %s", args, a.status, a.text)
		}
	}
}

// A directory that an ordinary user may not search.
func TestExplainNotSearchable(t *testing.T) {
	w := newWorld(t, ordinaryUser(t, false))
	dir := sharedDir(t)
	writeFile(t, filepath.Join(dir, "closed/prog"), "#!/bin/sh\n", 0o755)
	if err := os.Chmod(filepath.Join(dir, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	args := []string{"explain", "--json", "--run", filepath.Join(dir, "closed/prog")}
	s := situation{cause: "not-searchable", errno: "EACCES", remedy: "chmod a+x "}
	before := readAnswer(t, w.command(args...))
	s.check(t, before)
	if out, err := exec.Command("sh", "-c", before.Verdict.Remedy).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if after := readAnswer(t, w.command(args...)); after.status != 0 || !after.Run.Ran {
		t.Error(after.text)
	}
}

// The answer for people, and the statuses.
func TestExplainText(t *testing.T) {
	w := newWorld(t, caller)
	dir := sharedDir(t)
	writeFile(t, filepath.Join(dir, "prog"), "#!/bin/sh\n", 0o644)
	r := w.run("explain", filepath.Join(dir, "prog"))
	for _, want := range []string{" 1 bad  the file is ", "\nverdict: ", "\ncause: not-executable (execve: EACCES, \"Permission denied\")\n", "\nhint: chmod +x "} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in %v", want, r)
		}
	}
	if r.status != 1 || r.stderr != "" {
		t.Error(r)
	}
	if r := w.run("explain", filepath.Join(dir, "none")); r.status != 10 {
		t.Error(r)
	}
	if r := w.run("explain", "--run", "--timeout", "200ms", "sleep", "100"); r.status != 0 || !strings.Contains(r.stdout, "still running") {
		t.Error(r)
	}
	if r := w.run("explain", "--jail", "x", "--root", "/", "true"); r.status != 64 {
		t.Error(r)
	}
	if slices.Contains(names(w.state), "jails") {
		t.Error("explain made something")
	}
}
