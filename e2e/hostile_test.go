package e2e

import (
	"archive/tar"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Archives that want to write outside: refused by name, exit 15, nothing left,
// and the files that they aimed at are as they were.
func TestHostileArchives(t *testing.T) {
	victim := filepath.Join(sharedDir(t), "victim")
	writeFile(t, victim, "mine\n", 0o644)
	dir := filepath.Dir(victim)
	up := strings.Repeat("../", 12) + strings.TrimPrefix(victim, "/")
	for _, tt := range []struct {
		name string
		text string // part of the message
		add  func(*tarball)
	}{
		{"climbs", "../", func(tb *tarball) { tb.file(up, "evil") }},
		{"climbs from within", "bin/../../", func(tb *tarball) { tb.file("bin/../../../"+up, "evil") }},
		{"absolute", victim, func(tb *tarball) { tb.file(victim, "evil") }},
		{"through a symlink", "etc/out", func(tb *tarball) { tb.symlink("etc/out", dir); tb.file("etc/out/victim", "evil") }},
		{"hard link out", "etc/link", func(tb *tarball) {
			tb.add(tar.Header{Typeflag: tar.TypeLink, Name: "etc/link", Linkname: up}, "")
		}},
		{"hard link to an absolute name", "etc/link", func(tb *tarball) {
			tb.add(tar.Header{Typeflag: tar.TypeLink, Name: "etc/link", Linkname: victim}, "")
			tb.file("etc/link", "evil")
		}},
		{"hard link through a symlink", "etc/link", func(tb *tarball) {
			tb.symlink("etc/out", dir)
			tb.add(tar.Header{Typeflag: tar.TypeLink, Name: "etc/link", Linkname: "etc/out/victim"}, "")
		}},
		{"bomb", "max_bytes", func(tb *tarball) { tb.file("tmp/zeros", strings.Repeat("\x00", 30<<20)) }},
		{"crowd", "max_entries", func(tb *tarball) {
			for i := range 600 {
				tb.file("tmp/"+strings.Repeat("x", i%7)+"-"+strings.Repeat("y", i/7), "")
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tb := tinyRoot(t, "powerpc")
			tt.add(tb)
			archive := tb.save()
			w := newWorld(t, caller)
			config := filepath.Join(filepath.Dir(w.state), "xjail.yaml")
			writeFile(t, config, "max_bytes: 20000000\nmax_entries: 500\n", 0o644)
			w.fails(15, tt.text, "create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive, "--config", config)
			w.nothingLeft()
			if got := readFile(victim); got != "mine\n" || len(names(dir)) != 1 {
				t.Errorf("the file outside is now %q, among %q", got, names(dir))
			}
		})
	}
}

// A root may have symlinks wherever xjail mounts or writes something. Nothing
// is mounted or written where they lead to.
func TestPlantedSymlinks(t *testing.T) {
	outside := sharedDir(t)
	writeFile(t, filepath.Join(outside, "victim"), "mine\n", 0o644)
	for _, tt := range []struct {
		name   string
		status int // of create: 0 when the symlink does no harm
		plant  func(*tarball)
	}{
		{"proc", 15, func(tb *tarball) { tb.symlink("proc", outside) }},
		{"dev", 15, func(tb *tarball) { tb.symlink("dev", outside) }},
		{"dev within the root", 15, func(tb *tarball) { tb.symlink("dev", "etc") }},
		{"usr for the emulator", 15, func(tb *tarball) { tb.symlink("usr", outside) }},
		{"usr/bin for the emulator", 15, func(tb *tarball) { tb.dir("usr"); tb.symlink("usr/bin", outside) }},
		{"emulator", 15, func(tb *tarball) { tb.symlink("usr/bin/qemu-ppc-static", filepath.Join(outside, "victim")) }},
		{"resolv.conf", 0, func(tb *tarball) { tb.symlink("etc/resolv.conf", filepath.Join(outside, "victim")) }},
		{"fifo as resolv.conf", 0, func(tb *tarball) { tb.add(tar.Header{Typeflag: tar.TypeFifo, Name: "etc/resolv.conf"}, "") }},
		{"passwd", 0, func(tb *tarball) { tb.symlink("etc/passwd", "/proc/1/environ") }},
		{"a directory over a symlink", 0, func(tb *tarball) {
			tb.symlink("etc", outside)
			tb.add(tar.Header{Typeflag: tar.TypeDir, Name: "etc/", Mode: 0o700}, "")
			tb.file("etc/victim", "evil")
		}},
		{"tmp", 0, func(tb *tarball) { tb.symlink("tmp", outside) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tb := newTarball(t)
			tt.plant(tb)
			tb.file("bin/tinybox", string(tinybox(t, "powerpc")))
			for _, name := range tinyPrograms {
				tb.symlink("bin/"+name, "tinybox")
			}
			archive := tb.save()
			w := newWorld(t, caller)
			args := []string{"create", "tiny", "--arch", "powerpc", "--from", "archive:" + archive}
			if tt.status != 0 {
				w.fails(tt.status, "", args...)
			} else {
				w.ok(args...)
				if got := w.sh("tiny", "uname -m"); got != "ppc" {
					t.Errorf("uname -m says %q", got)
				}
				if r := w.run("exec", "--user", "nobody", "tiny", "--", "true"); r.status == 0 {
					t.Errorf("a user that is not in the jail: %v", r)
				}
				w.ok("verify", "tiny")
				w.ok("destroy", "tiny")
			}
			if got := readFile(filepath.Join(outside, "victim")); got != "mine\n" || len(names(outside)) != 1 {
				t.Errorf("outside is now %q, with %q", names(outside), got)
			}
		})
	}
}

// What a jail's root plants later is met when the jail is entered, verified and
// destroyed.
func TestTamperedRoot(t *testing.T) {
	outside := sharedDir(t)
	writeFile(t, filepath.Join(outside, "victim"), "mine\n", 0o644)
	w := tinyJail(t, caller, "powerpc")
	root := filepath.Join(w.state, "jails/tiny/root")
	if err := os.Remove(filepath.Join(root, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "proc")); err != nil {
		t.Fatal(err)
	}
	w.fails(15, "symlink", "exec", "tiny", "--", "true")
	if err := os.Remove(filepath.Join(root, "proc")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(root, "etc/more")); err != nil {
		t.Fatal(err)
	}
	w.fails(15, "symlink", "exec", "--bind", "/etc:/etc/more/bound", "tiny", "--", "true")
	w.ok("exec", "tiny", "--", "true")
	emulator := filepath.Join(root, "usr/bin/qemu-ppc-static")
	if err := os.Truncate(emulator, 1000); err != nil {
		t.Fatal(err)
	}
	if r := w.run("verify", "tiny"); r.status != 1 || !strings.Contains(r.stdout, "qemu-ppc-static") {
		t.Errorf("verify of a truncated emulator: %v", r)
	}
	w.fails(19, "xjail verify tiny", "exec", "tiny", "--", "true")
	w.ok("destroy", "tiny")
	if got := readFile(filepath.Join(outside, "victim")); got != "mine\n" || len(names(outside)) != 1 {
		t.Errorf("outside is now %q, with %q", names(outside), got)
	}
}

// Whoever owns a state could name any directory in it for root to remove.
func TestDestroyOfAnotherUsersJail(t *testing.T) {
	victim := sharedDir(t)
	writeFile(t, filepath.Join(victim, "precious"), "mine\n", 0o644)
	user := tinyJail(t, ordinaryUser(t, false), "powerpc")
	record := filepath.Join(user.state, "jails/tiny/jail.json")
	text := readFile(record)
	planted := strings.Replace(text, `"root": "`+filepath.Join(user.state, "jails/tiny/root")+`"`, `"outside_state": true, "root": "`+victim+`"`, 1)
	if planted == text {
		t.Fatal(text)
	}
	writeFile(t, record, planted, 0o600)
	root := *user
	root.as = caller
	defer func() { writeFile(t, record, text, 0o600) }()
	root.fails(14, "another user", "destroy", "tiny")
	root.fails(14, "another user", "exec", "tiny", "--", "true")
	if got := readFile(filepath.Join(victim, "precious")); got != "mine\n" {
		t.Errorf("the directory has %q", names(victim))
	}
	// In a state of root's own, links do not lead to other places either.
	state := filepath.Join(sharedDir(t), "state")
	if err := os.MkdirAll(filepath.Join(state, "jails"), 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(victim, "root", "precious"), "mine\n", 0o644)
	for link, to := range map[string]string{"jails/a": victim, "jails/b.lock": filepath.Join(victim, "made")} {
		if err := os.Symlink(to, filepath.Join(state, link)); err != nil {
			t.Fatal(err)
		}
	}
	root.state = state
	root.fails(15, "not a directory", "destroy", "a")
	if r := root.run("create", "b", "--arch", "mips64", "--from", "archive:/dev/null"); r.status == 0 {
		t.Errorf("%v", r)
	}
	if got := names(victim); len(got) != 2 || readFile(filepath.Join(victim, "root/precious")) != "mine\n" {
		t.Errorf("the directory has %q", got)
	}
}

// What is mounted below a root is not the jail's, and stays.
func TestDestroyStopsAtMounts(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	cmd := w.prepared(`mount -t tmpfs tmpfs "$state/jails/tiny/root/tmp"; echo mine > "$state/jails/tiny/root/tmp/precious"
"$@" && echo destroyed; cat "$state/jails/tiny/root/tmp/precious"; exit 0`, "destroy", "tiny")
	r := w.runCommand(cmd, nil)
	if r.stdout != "mine\n" || !strings.Contains(r.stderr, "mount") || !strings.Contains(r.stderr, "hint: ") {
		t.Errorf("destroy with a mount in the root: %v", r)
	}
	if got := w.sh("tiny", "uname -m"); got != "ppc" {
		t.Errorf("after a destroy that was refused: %q", got)
	}
	w.ok("destroy", "tiny")
	w.nothingLeft()
}

// A FIFO where a file is expected does not make xjail wait for ever.
func TestFIFOs(t *testing.T) {
	for _, name := range []string{"etc/passwd", "etc/group", "etc/resolv.conf"} {
		tb := newTarball(t)
		tb.add(tar.Header{Typeflag: tar.TypeFifo, Name: name}, "")
		tb.file("bin/sh", string(tinybox(t, "powerpc")))
		tb.symlink("bin/uname", "sh")
		archive := tb.save()
		w := newWorld(t, caller)
		w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive)
		if got := w.ok("exec", "--user", "0", "tiny", "--", "uname", "-m"); got != "ppc\n" {
			t.Errorf("%s: %q", name, got)
		}
		w.fails(10, "--user", "exec", "--user", "nobody", "tiny", "--", "uname", "-m")
	}
}

// In the jail of root, uid 0 is the machine's. What keeps it from the machine
// cannot be taken off from inside.
func TestConfinedRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("is about the machine's root")
	}
	w := tinyJail(t, caller, "powerpc")
	for _, name := range []string{"/proc/sys", "/proc/sysrq-trigger", "/proc/sys/fs/binfmt_misc", "/dev", "/dev/null", "/", "/bound"} {
		if got := w.ok("exec", "--bind", "/etc:/bound:ro", "tiny", "--", "mounts", name); got != "" {
			t.Errorf("%s: works: %s", name, got)
		}
	}
	before := readFile("/proc/sys/kernel/core_pattern")
	for _, script := range []string{"echo x > /proc/sys/kernel/core_pattern", "echo b > /proc/sysrq-trigger", "echo x > /bound/xjail-e2e"} {
		if r := w.run("exec", "--bind", "/etc:/bound:ro", "tiny", "--", "sh", "-c", script); r.status == 0 {
			t.Errorf("%s: %v", script, r)
		}
	}
	if now := readFile("/proc/sys/kernel/core_pattern"); now != before {
		writeFile(t, "/proc/sys/kernel/core_pattern", before, 0o644)
		t.Fatalf("core_pattern became %q", now)
	}
	if r := w.run("exec", "tiny", "--", "cat", "/proc/1/environ"); r.status == 0 {
		t.Errorf("init can be looked at: %v", r)
	}
}

// The machine's own files that a jail sees stay as they are.
func TestSharedFilesAreReadOnly(t *testing.T) {
	tb := tinyRoot(t, "powerpc")
	tb.file("etc/resolv.conf", "")
	archive := tb.save()
	w := newWorld(t, caller)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive)
	if r := w.run("exec", "tiny", "--", "sh", "-c", "echo x >> /etc/resolv.conf"); r.status == 0 {
		t.Errorf("resolv.conf was written: %v", r)
	}
	if got := w.sh("tiny", "echo x > /dev/null; echo y >> /dev/zero; cat /etc/resolv.conf"); got != strings.TrimSuffix(readFile("/etc/resolv.conf"), "\n") {
		t.Errorf("resolv.conf in the jail: %q", got)
	}
}

// A directory that the caller has open is not the jail's, nor its init's.
func TestInheritedDescriptors(t *testing.T) {
	w := tinyJail(t, caller, "powerpc")
	cmd := w.prepared(`exec 7</etc; exec 8</etc/passwd`, "exec", "tiny", "--", "sh", "-c", "cat /proc/self/fd/8; cat /proc/1/fd/8; cat /proc/1/fd/7/passwd; ls /proc/1/fd")
	r := w.runCommand(cmd, nil)
	if strings.Contains(r.stdout, "root:") {
		t.Errorf("the machine's file: %v", r)
	}
}

// --path names a directory of the user's, in which other things are.
func TestPathLeavesOthersAlone(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	damaged := newTarball(t).save()
	place := sharedDir(t)
	for _, name := range []string{"root.partial", "root.xjail-partial"} {
		writeFile(t, filepath.Join(place, name, "precious"), "mine\n", 0o644)
	}
	root := filepath.Join(place, "root")
	w := newWorld(t, caller)
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive, "--path", root)
	w.fails(16, "--path", "create", "second", "--arch", "powerpc", "--from", "archive:"+archive, "--path", root)
	if got := w.sh("tiny", "uname -m"); got != "ppc" {
		t.Errorf("the first jail says %q", got)
	}
	// Destroyed after its record was damaged: what is elsewhere is still known.
	writeFile(t, filepath.Join(w.state, "jails/tiny/jail.json"), "{", 0o600)
	w.ok("destroy", "tiny")
	if got := names(place); len(got) != 2 || readFile(filepath.Join(place, "root.partial/precious")) != "mine\n" {
		t.Errorf("left: %q", got)
	}
	// Directories that are made for it go with it, also when it fails.
	deep := filepath.Join(place, "a/b/root")
	w.fails(17, "", "create", "tiny", "--arch", "powerpc", "--from", "archive:"+damaged, "--path", deep)
	if got := names(place); len(got) != 2 {
		t.Errorf("left by a create that failed: %q", got)
	}
	w.ok("create", "tiny", "--arch", "powerpc", "--from", "archive:"+archive, "--path", deep)
	w.ok("destroy", "tiny")
	if got := names(place); len(got) != 2 {
		t.Errorf("left by destroy: %q", got)
	}
}

// Two creates that want the same place: one has it, and the other does not take
// it away.
func TestTwoCreatesInOnePlace(t *testing.T) {
	archive := tinyRoot(t, "powerpc").save()
	for range 5 {
		w := newWorld(t, caller)
		root := filepath.Join(sharedDir(t), "root")
		args := func(name string) []string {
			return []string{"create", name, "--arch", "powerpc", "--from", "archive:" + archive, "--path", root}
		}
		first, second := w.command(args("one")...), w.command(args("two")...)
		if err := first.Start(); err != nil {
			t.Fatal(err)
		}
		r := w.runCommand(second, args("two"))
		_ = first.Wait()
		winner := "one"
		if r.status == 0 {
			winner = "two"
		}
		if s := first.ProcessState.ExitCode(); s+r.status != 16 {
			t.Errorf("statuses %d and %d: %v", s, r.status, r)
		}
		if got := w.sh(winner, "uname -m"); got != "ppc" {
			t.Errorf("the jail %s says %q", winner, got)
		}
	}
}

// The modes of a root are what its source says.
func TestUmask(t *testing.T) {
	archive := newTarball(t)
	archive.file("bin/sh", string(tinybox(t, "powerpc")))
	archive.symlink("bin/uname", "sh")
	file := archive.save()
	w := newWorld(t, caller)
	if r := w.runCommand(w.prepared("umask 077", "create", "tiny", "--arch", "powerpc", "--from", "archive:"+file), nil); r.status != 0 {
		t.Fatal(r)
	}
	for _, name := range []string{".", "bin", "usr/bin", "proc", "dev"} {
		info, err := os.Stat(filepath.Join(w.state, "jails/tiny/root", name))
		if err == nil && info.Mode().Perm() != 0o755 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
	if os.Geteuid() == 0 {
		w.ok("exec", "--user", "54321", "tiny", "--", "uname", "-m")
	}
}
