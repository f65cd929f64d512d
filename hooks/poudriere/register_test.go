package poudriere

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

func TestRegister(t *testing.T) {
	w := newWorld(t)
	active := 0
	w.subject.Activate = func(context.Context) error { active++; return nil }
	r, err := w.register(t, Request{})
	if err != nil {
		t.Fatal(err)
	}
	want := Jail{Name: "13mips64", Version: "13.2-RELEASE", Arch: "mips.mips64", Mnt: w.subject.Root, Method: "null", Timestamp: "1700000000", PkgBase: "0"}
	if r.Jail != want || r.Begun || r.Through != byXjail || active != 1 {
		t.Errorf("%+v, activated %d times", r, active)
	}
	if got, err := w.Jail("13mips64"); err != nil || *got != want {
		t.Errorf("%+v, %v", got, err)
	}
	for _, c := range w.Check(t.Context(), w.subject) {
		if c.Result != jail.OK {
			t.Errorf("%+v", c)
		}
	}
	// Once more changes nothing.
	plan, err := w.Plan(t.Context(), w.subject, Request{})
	if err != nil || !plan.Nothing() {
		t.Errorf("again: %+v, %v", plan, err)
	}
	if rm, err := w.Unregister(t.Context(), w.subject.Dir); err != nil || len(rm.Paths) != 1 {
		t.Errorf("%+v, %v", rm, err)
	}
	w.wantNothing(t)
	if rm, err := w.Unregister(t.Context(), w.subject.Dir); err != nil || rm != nil {
		t.Errorf("twice: %+v, %v", rm, err)
	}
}

// What cannot be is refused, with a hint, and nothing is changed.
func TestRegisterRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		make func(*testing.T, *world, *Request)
		kind fault.Kind
		text string
	}{
		{"dot", func(_ *testing.T, _ *world, r *Request) { r.As = "a.b" }, fault.Usage, "--as ab"},
		{"colon", func(_ *testing.T, _ *world, r *Request) { r.As = "a:b" }, fault.Usage, "--as ab"},
		{"slash", func(_ *testing.T, _ *world, r *Request) { r.As = "a/b" }, fault.Usage, "letters"},
		{"option", func(_ *testing.T, _ *world, r *Request) { r.As = "-a" }, fault.Usage, "letters"},
		{"path with a colon", func(_ *testing.T, w *world, _ *Request) { w.subject.Root = "/a:b" }, fault.Usage, `no ":"`},
		{"path with a blank", func(_ *testing.T, w *world, _ *Request) { w.subject.Root = "/a b" }, fault.Usage, `no " "`},
		{"long path", func(_ *testing.T, w *world, _ *Request) { w.subject.Root = "/" + strings.Repeat("a", 1013) }, fault.Usage, "1014 bytes"},
		{"the machine's root", func(_ *testing.T, w *world, _ *Request) { w.subject.Root = "/" }, fault.Unsafe, "/"},
		{"no architecture of FreeBSD", func(t *testing.T, w *world, _ *Request) { w.subject.Arch = mustArch(t, "s390x") }, fault.Unsupported, "s390x"},
		{"no poudriere", func(_ *testing.T, w *world, _ *Request) { w.Etc = "/nonexistent" }, fault.NotFound, "pkg install poudriere"},
		{"Linux", func(t *testing.T, w *world, _ *Request) {
			for _, name := range []string{"bin", "lib", "libexec", "usr"} {
				_ = os.RemoveAll(filepath.Join(w.subject.Root, name))
			}
		}, fault.Unsupported, "no root of FreeBSD"},
		{"no login.conf", func(_ *testing.T, w *world, _ *Request) { _ = os.Remove(filepath.Join(w.subject.Root, loginConf)) }, fault.Damaged, "login.conf"},
		{"setenv in pieces", func(t *testing.T, w *world, _ *Request) {
			writeFile(t, filepath.Join(w.subject.Root, loginConf), "default:\\\n\t:setenv=BLOCKSIZE=K,\\\n\tA=B:\n")
		}, fault.Damaged, ":setenv="},
		{"setenv in a comment", func(t *testing.T, w *world, _ *Request) {
			writeFile(t, filepath.Join(w.subject.Root, loginConf), "default:\\\n#\t:setenv=BLOCKSIZE=K:\\\n\t:path=/bin:\n")
		}, fault.Damaged, ":setenv="},
		{"no OSVERSION", func(t *testing.T, w *world, _ *Request) {
			writeFile(t, filepath.Join(w.subject.Root, paramHeader), "#define\t__FreeBSD_version 1302001\n")
		}, fault.Damaged, "param.h"},
		{"no version", func(t *testing.T, w *world, _ *Request) {
			writeFile(t, filepath.Join(w.subject.Root, "bin/freebsd-version"), "#!/bin/sh\n")
			writeFile(t, filepath.Join(w.subject.Root, "bin/sh"), noted(t, 1302001))
		}, fault.NotFound, "--version"},
		{"a version that sed would read", func(_ *testing.T, _ *world, r *Request) { r.Version = "13.2-RELEASE/e id" }, fault.NotFound, "no version"},
		{"a jail of others", func(t *testing.T, w *world, _ *Request) {
			if err := w.put(&Jail{Name: "13mips64", Method: "http", Mnt: "/elsewhere"}); err != nil {
				t.Fatal(err)
			}
		}, fault.Exists, `"http" at /elsewhere`},
		{"another configuration", func(t *testing.T, w *world, _ *Request) {
			if _, err := w.register(t, Request{}); err != nil {
				t.Fatal(err)
			}
			w.Etc = filepath.Join(filepath.Dir(w.Etc), "etc2")
			writeFile(t, filepath.Join(w.Etc, "poudriere.conf"), "")
		}, fault.Exists, "unregister 13mips64"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w, req := newWorld(t), Request{}
			tt.make(t, w, &req)
			before := snapshotOf(t, filepath.Dir(w.subject.Dir))
			_, err := w.register(t, req)
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error()+" "+fault.HintOf(err), tt.text) || fault.HintOf(err) == "" {
				t.Errorf("got %v (%d, hint %q), want kind %d with %q", err, fault.KindOf(err), fault.HintOf(err), tt.kind, tt.text)
			}
			if after := snapshotOf(t, filepath.Dir(w.subject.Dir)); !maps.Equal(before, after) {
				t.Errorf("changed: %v", after)
			}
		})
	}
}

// snapshotOf are the files below a directory with their content.
func snapshotOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.Walk(dir, func(name string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() {
			files[name] = "directory"
			return err
		}
		text, err := os.ReadFile(name)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// noted is a program with FreeBSD's ABI note, by which a root is one of FreeBSD
// that says nothing else of itself.
func noted(t *testing.T, version uint32) string {
	t.Helper()
	be := mustArch(t, "mips64").Order.Binary()
	b := make([]byte, 64+56+24)
	copy(b, "\x7fELF\x02\x02\x01\x09")
	be.PutUint16(b[16:], 2)
	be.PutUint16(b[18:], 8)
	be.PutUint32(b[20:], 1)
	be.PutUint64(b[32:], 64)
	be.PutUint16(b[52:], 64)
	be.PutUint16(b[54:], 56)
	be.PutUint16(b[56:], 1)
	be.PutUint32(b[64:], 4)
	be.PutUint64(b[64+8:], 120)
	be.PutUint64(b[64+32:], 24)
	be.PutUint64(b[64+48:], 4)
	be.PutUint32(b[120:], 8)
	be.PutUint32(b[124:], 4)
	be.PutUint32(b[128:], 1)
	copy(b[132:], "FreeBSD\x00")
	be.PutUint32(b[140:], version)
	return string(b)
}

// A version that was given is remembered for a root that says none.
func TestRegisterAskedVersion(t *testing.T) {
	w := newWorld(t)
	writeFile(t, filepath.Join(w.subject.Root, "bin/freebsd-version"), "#!/bin/sh\n")
	writeFile(t, filepath.Join(w.subject.Root, "bin/sh"), noted(t, 1302001))
	if _, err := w.register(t, Request{Version: "13.2-RELEASE"}); err != nil {
		t.Fatal(err)
	}
	if plan, err := w.Plan(t.Context(), w.subject, Request{}); err != nil || !plan.Nothing() {
		t.Errorf("%+v, %v", plan, err)
	}
	for _, c := range w.Check(t.Context(), w.subject) {
		if c.Result != jail.OK {
			t.Errorf("%+v", c)
		}
	}
}

// Sources in the root say the version, as in poudriere's own jail -c -m null.
func TestRegisterNewVersion(t *testing.T) {
	w := newWorld(t)
	writeFile(t, filepath.Join(w.subject.Root, newVersion), "TYPE=\"FreeBSD\"\nREVISION=\"13.3\"\nBRANCH=\"STABLE\"\nif [ x ]; then\n\tBRANCH=y\nfi\n")
	r, err := w.register(t, Request{})
	if err != nil || r.Jail.Version != "13.3-STABLE" {
		t.Errorf("%+v, %v", r, err)
	}
}

// poudriereJail stands for poudriere jail -c.
func (w *world) poudriereJail(argv []string) (string, error) {
	j := &Jail{Method: "null", PkgBase: "0", Timestamp: "1700000001"}
	for i := 0; i+1 < len(argv); i++ {
		switch argv[i] {
		case "-j":
			j.Name = argv[i+1]
		case "-M":
			j.Mnt = argv[i+1]
		case "-v":
			j.Version = argv[i+1]
		case "-a":
			j.Arch = argv[i+1]
		}
	}
	return "", w.put(j)
}

func TestRegisterThroughPoudriere(t *testing.T) {
	w := newWorld(t)
	w.programs["poudriere"] = w.poudriereJail
	var order []string
	w.subject.Activate = func(context.Context) error { order = append(order, "activate"); return nil }
	r, err := w.register(t, Request{As: "m"})
	if err != nil {
		t.Fatal(err)
	}
	want := "/fake/poudriere -e " + w.Etc + " jail -c -j m -m null -M " + w.subject.Root + " -v 13.2-RELEASE -a mips.mips64"
	if !slices.Equal(w.called, []string{want}) || len(order) != 1 {
		t.Errorf("called %q, want %q", w.called, want)
	}
	if r.Through != byPoudriere || r.Jail.Timestamp != "1700000001" || r.Jail.Name != "m" {
		t.Errorf("%+v", r)
	}
	if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
		t.Fatal(err)
	}
	w.wantNothing(t)
}

// Poudriere is asked where it can: as root, on FreeBSD, configured, and unless
// that is not wanted.
func TestRegisterDirect(t *testing.T) {
	for name, change := range map[string]func(*world, *Request){
		"asked":        func(_ *world, r *Request) { r.Direct = true },
		"another user": func(w *world, _ *Request) { w.root = false },
		"Linux":        func(w *world, _ *Request) { w.os = "linux" },
		"not configured": func(w *world, _ *Request) {
			_ = os.Remove(filepath.Join(w.Etc, "poudriere.conf"))
			_ = os.MkdirAll(w.Dir(), 0o755)
		},
	} {
		w, req := newWorld(t), Request{}
		w.programs["poudriere"] = func([]string) (string, error) { return "", errors.New("called") }
		change(w, &req)
		if r, err := w.register(t, req); err != nil || r.Through != byXjail {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// Whatever goes wrong, nothing is left.
func TestRegisterUndone(t *testing.T) {
	failure := errors.New("for the test")
	for name, change := range map[string]func(*world){
		"activator": func(w *world) { w.subject.Activate = func(context.Context) error { return failure } },
		"poudriere": func(w *world) {
			w.programs["poudriere"] = func([]string) (string, error) { return "", failure }
		},
		"poudriere in the middle": func(w *world) {
			w.programs["poudriere"] = func(argv []string) (string, error) { _, _ = w.poudriereJail(argv); return "", failure }
		},
		"poudriere of another mind": func(w *world) {
			w.programs["poudriere"] = func(argv []string) (string, error) {
				argv[slices.Index(argv, "-a")+1] = "mips"
				return w.poudriereJail(argv)
			}
		},
		"snapshot": func(w *world) {
			w.zfs()
			w.programs["zfs"] = failing(w.programs["zfs"], "snapshot", failure)
		},
	} {
		w := newWorld(t)
		change(w)
		if _, err := w.register(t, Request{}); err == nil {
			t.Errorf("%s: no error", name)
		}
		w.wantNothing(t)
	}
}

func failing(run func([]string) (string, error), command string, err error) func([]string) (string, error) {
	return func(argv []string) (string, error) {
		if argv[0] == command {
			return "", err
		}
		return run(argv)
	}
}

// A command that was killed leaves what the next one takes up or away.
func TestRegisterKilled(t *testing.T) {
	for name, leave := range map[string]func(*testing.T, *world){
		"before anything": func(*testing.T, *world) {},
		"in the middle": func(t *testing.T, w *world) {
			writeFile(t, filepath.Join(w.temp("13mips64"), "version"), "13.2-REL")
		},
		"at the end": func(t *testing.T, w *world) {
			j := Jail{Name: "13mips64", Version: "13.2-RELEASE", Arch: "mips.mips64", Mnt: w.subject.Root, Method: "null", Timestamp: "1"}
			if err := w.put(&j); err != nil {
				t.Fatal(err)
			}
		},
	} {
		for _, again := range []bool{true, false} {
			w := newWorld(t)
			begun := &Registration{Etc: w.Etc, Begun: true, Jail: Jail{Name: "13mips64", Mnt: w.subject.Root}}
			if err := begun.save(w.subject.Dir); err != nil {
				t.Fatal(err)
			}
			leave(t, w)
			if c := w.Check(t.Context(), w.subject); len(c) != 1 || c[0].Result != jail.Failed {
				t.Errorf("%s: Check = %+v", name, c)
			}
			if again {
				if r, err := w.register(t, Request{}); err != nil || r.Begun {
					t.Errorf("%s: %+v, %v", name, r, err)
				}
				for _, c := range w.Check(t.Context(), w.subject) {
					if c.Result != jail.OK {
						t.Errorf("%s: %+v", name, c)
					}
				}
			}
			if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			w.wantNothing(t)
		}
	}
}

// A registration that was interrupted under another name leaves nothing of that.
func TestRegisterKilledOtherName(t *testing.T) {
	w := newWorld(t)
	begun := &Registration{Etc: w.Etc, Begun: true, Jail: Jail{Name: "a", Mnt: w.subject.Root, Method: "null"}}
	if err := errors.Join(begun.save(w.subject.Dir), w.put(&begun.Jail)); err != nil {
		t.Fatal(err)
	}
	if _, err := w.register(t, Request{As: "b"}); err != nil {
		t.Fatal(err)
	}
	if names, _ := w.Jails(); !slices.Equal(names, []string{"b"}) {
		t.Errorf("poudriere has %q", names)
	}
}

// What others have changed is found, and mended or left.
func TestCheck(t *testing.T) {
	for name, tt := range map[string]struct {
		change func(*testing.T, *world)
		text   string
		mends  bool
	}{
		"forgotten":  {func(_ *testing.T, w *world) { _ = w.removeJail("13mips64") }, "no jail 13mips64 any more", true},
		"arch":       {func(_ *testing.T, w *world) { _ = w.set("13mips64", "arch", "mips64") }, "for mips64, and it is mips.mips64", true},
		"version":    {func(_ *testing.T, w *world) { _ = w.set("13mips64", "version", "12.0-RELEASE") }, "for 12.0-RELEASE", true},
		"root":       {func(t *testing.T, w *world) { writeRoot(t, w.subject.Root, "mips64", "13.5-RELEASE") }, "it is 13.5-RELEASE", true},
		"login.conf": {func(_ *testing.T, w *world) { _ = os.Remove(filepath.Join(w.subject.Root, loginConf)) }, "login.conf", false},
		"another's":  {func(_ *testing.T, w *world) { _ = w.set("13mips64", "mnt", "/else") }, "another one now", false},
	} {
		w := newWorld(t)
		if _, err := w.register(t, Request{}); err != nil {
			t.Fatal(err)
		}
		tt.change(t, w)
		c := w.Check(t.Context(), w.subject)
		if len(c) != 1 || c[0].Result != jail.Failed || !strings.Contains(c[0].Message, tt.text) || c[0].Fix == "" {
			t.Errorf("%s: %+v", name, c)
		}
		_, err := w.register(t, Request{})
		if (err == nil) != tt.mends {
			t.Errorf("%s: register again: %v", name, err)
		}
		if c := w.Check(t.Context(), w.subject); tt.mends && c[0].Result != jail.OK {
			t.Errorf("%s: after it %+v", name, c)
		}
	}
}

// A jail of somebody else's that got the name stays.
func TestUnregisterOthers(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	if err := w.set("13mips64", "mnt", "/else"); err != nil {
		t.Fatal(err)
	}
	rm, err := w.Unregister(t.Context(), w.subject.Dir)
	if err != nil || len(rm.Paths) != 0 || len(rm.Kept) != 1 {
		t.Errorf("%+v, %v", rm, err)
	}
	if !w.Exists("13mips64") {
		t.Error("it is gone")
	}
}

// While poudriere runs with the jail nothing is changed.
func TestBusy(t *testing.T) {
	w := newWorld(t)
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	s, err := w.Settings("")
	if err != nil {
		t.Fatal(err)
	}
	ref := filepath.Join(s.Data, ".m/13mips64-default/ref")
	status := filepath.Join(s.Data, "logs/bulk/13mips64-default/latest", statusFile)
	writeFile(t, filepath.Join(ref, "etc/motd"), "")
	for text, running := range map[string]bool{
		"parallel_build:\n": true, "starting_jobs:": true, "stopped:done:\n": false, "stopped:crashed:err:x": false, "done:\n": false, "SIGINT:\n": false,
	} {
		writeFile(t, status, text)
		_, err := w.PlanRemoval(t.Context(), w.subject.Dir)
		if got := fault.KindOf(err) == fault.Locked; got != running {
			t.Errorf("%q: %v", text, err)
		}
		if running && !strings.Contains(fault.HintOf(err), "poudriere jail -k -j 13mips64 -p default") {
			t.Errorf("%q: hint %q", text, fault.HintOf(err))
		}
	}
	// How the command that ends it names the tree and the set.
	for _, tree := range []string{"default", "a-b"} {
		writeFile(t, filepath.Join(w.Dir(), "ports", tree, "mnt"), "/usr/ports\n")
	}
	for name, want := range map[string]string{
		"default": "-p default", "default-gtk": "-p default -z gtk", "a-b": "-p a-b", "a-b-c-d": "-p a-b -z c-d", "gone-x": "-p gone-x",
	} {
		if got := w.treeOptions(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	writeFile(t, status, "parallel_build:\n")
	if _, err := w.register(t, Request{Renew: true}); fault.KindOf(err) != fault.Locked {
		t.Errorf("renew: %v", err)
	}
	// The build of a jail whose name only begins so is not this one's.
	if err := w.put(&Jail{Name: "13mips64-b"}); err != nil {
		t.Fatal(err)
	}
	master := filepath.Join(s.Data, ".m/13mips64-b-default")
	if err := os.Rename(filepath.Dir(ref), master); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(s.Data, "logs/bulk/13mips64-b-default/latest", statusFile), "parallel_build:\n")
	if err := w.checkIdle("13mips64-b"); fault.KindOf(err) != fault.Locked {
		t.Errorf("of the longer name: %v", err)
	}
	if err := w.checkIdle("13mips64"); err != nil {
		t.Errorf("of a longer name: %v", err)
	}
}

// zfs has the root be a dataset.
func (w *world) zfs() map[string]string {
	guids, next := map[string]string{}, 100
	conf := filepath.Join(w.Etc, "poudriere.conf")
	_ = os.WriteFile(conf, []byte("ZPOOL=zroot\nZROOTFS=/poudriere\nBASEFS=/base\n"), 0o600)
	w.programs["zfs"] = func(argv []string) (string, error) {
		last := argv[len(argv)-1]
		switch argv[0] {
		case "list":
			if last != "zroot/poudriere" {
				return "", errors.New("dataset does not exist")
			}
			return "zroot/poudriere\t/usr/local/poudriere\nzroot/poudriere/jails/x y\t/else\nzroot/poudriere/jails/m\t" + w.subject.Root + "\n", nil
		case "get":
			if guids[last] == "" {
				return "", errors.New("dataset does not exist")
			}
			return guids[last] + "\n", nil
		case "snapshot":
			if guids[last] != "" {
				return "", errors.New("dataset already exists")
			}
			next++
			guids[last] = strings.Repeat("1", next-100)
		case "destroy":
			delete(guids, last)
		}
		return "", nil
	}
	return guids
}

// No poudriere has run yet, which makes its datasets; or the kernel has no ZFS,
// where poudriere does without, whatever poudriere.conf says.
func TestRegisterNoDataset(t *testing.T) {
	for _, text := range []string{
		"cannot open 'zroot/poudriere': dataset does not exist", "cannot open 'tank/poudriere': no such pool 'tank'",
		"Try running 'kldload zfs' as root to manually load them.",
	} {
		w := newWorld(t)
		w.zfs()
		w.programs["zfs"] = failing(w.programs["zfs"], "list", errors.New("exit status 1: "+text))
		r, err := w.register(t, Request{})
		if err != nil || r.Dataset != "" {
			t.Errorf("%s: %+v, %v", text, r, err)
		}
		for _, c := range w.Check(t.Context(), w.subject) {
			if c.Result != jail.OK {
				t.Errorf("%s: %+v", text, c)
			}
		}
		if _, err := w.Unregister(t.Context(), w.subject.Dir); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		w.wantNothing(t)
	}
}

func TestRegisterZFS(t *testing.T) {
	w := newWorld(t)
	guids := w.zfs()
	const snap = "zroot/poudriere/jails/m@clean"
	guids[snap] = "user's"
	r, err := w.register(t, Request{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Dataset != "zroot/poudriere/jails/m" || r.Snapshot != guids[snap] || r.Snapshot != "1" {
		t.Errorf("%+v, snapshots %v", r, guids)
	}
	if _, err := os.Stat(filepath.Join(w.subject.Root, snapFile)); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(w.jails(), "13mips64", "fs")); err == nil {
		t.Error("poudriere writes no fs for a root that it did not make")
	}
	// The root was changed: the snapshot is made anew, and the time is.
	r, err = w.register(t, Request{Renew: true})
	if err != nil || r.Snapshot != "11" || guids[snap] != "11" {
		t.Errorf("%+v, %v, snapshots %v", r, err, guids)
	}
	delete(guids, snap)
	if c := w.Check(t.Context(), w.subject); c[0].Result != jail.Failed || !strings.Contains(c[0].Message, "@clean") {
		t.Errorf("%+v", c)
	}
	if r, err = w.register(t, Request{Renew: true}); err != nil || guids[snap] != r.Snapshot {
		t.Errorf("%+v, %v, snapshots %v", r, err, guids)
	}
	if rm, err := w.Unregister(t.Context(), w.subject.Dir); err != nil || rm.Snapshot != snap || guids[snap] != "" {
		t.Errorf("%+v, %v, snapshots %v", rm, err, guids)
	}
	w.wantNothing(t)
	for _, call := range w.called {
		if !strings.HasPrefix(call, "/fake/zfs ") || strings.Contains(call, "-r -f") || strings.Contains(call, "destroy") && !strings.HasSuffix(call, "@clean") {
			t.Errorf("called %q", call)
		}
	}
}
