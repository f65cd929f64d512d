package jail

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source/releasetest"
	"github.com/xjail/xjail/jail/xtools"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// freebsdProgram is a static program of FreeBSD with an ABI note and a text.
func freebsdProgram(machine uint16, version uint32, text string) []byte {
	le := binary.LittleEndian
	note := le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 8), 4), 1)
	note = le.AppendUint32(append(note, "FreeBSD\x00"...), version)
	const at = 64 + 2*56
	size := uint64(at + len(note) + len(text) + 1)
	b := append([]byte("\x7fELF"), 2, 1, 1, 9, 0, 0, 0, 0, 0, 0, 0, 0)
	b = le.AppendUint32(le.AppendUint16(le.AppendUint16(b, 2), machine), 1)
	for _, v := range []uint64{0x201000, 64, 0} {
		b = le.AppendUint64(b, v)
	}
	b = le.AppendUint32(b, 0)
	for _, v := range []uint16{64, 56, 2, 64, 0, 0} {
		b = le.AppendUint16(b, v)
	}
	for _, p := range [][4]uint64{{1, 0, size, 0x1000}, {4, at, uint64(len(note)), 4}} {
		b = le.AppendUint32(le.AppendUint32(b, uint32(p[0])), 5)
		for _, v := range []uint64{p[1], 0x200000 + p[1], 0x200000 + p[1], p[2], p[2], p[3]} {
			b = le.AppendUint64(b, v)
		}
	}
	return append(append(append(b, note...), text...), 0)
}

// nativeXTools makes what make native-xtools makes, for arm64 of a release.
func nativeXTools(t *testing.T, version uint32, triple string) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range append(nxb.Required(), "usr/bin/grep", "usr/lib/clang/19/include/stddef.h") {
		full := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, freebsdProgram(62, version, triple+"\x00"+name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// freebsdJail is a jail of FreeBSD 15.1 for arm64.
func freebsdJail(t *testing.T) (Store, *os.Root) {
	t.Helper()
	s := Store{Dir: t.TempDir()}
	root := plant(t, "bin/\nusr/lib/clang/19/include/\n")
	for name, text := range map[string]string{
		"bin/freebsd-version":               "USERLAND_VERSION=\"15.1-RELEASE-p3\"\n",
		"bin/sh":                            string(freebsdProgram(183, 1501000, "sh")),
		"usr/lib/clang/19/include/stddef.h": "\n",
	} {
		if err := root.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	at := time.Unix(1600000000, 7)
	if err := root.Chtimes(".", at, at); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(s.dir("f"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := &Record{Version: recordVersion, Name: "f", Arch: "aarch64", Guest: "freebsd", Root: root.Name(), NotRun: "no emulator"}
	if err := s.save(r); err != nil {
		t.Fatal(err)
	}
	return s, root
}

func TestNxbTools(t *testing.T) {
	s, root := freebsdJail(t)
	before := listRoot(t, root)
	from := nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")
	archive := filepath.Join(t.TempDir(), "nxb.tar")
	if out, err := exec.Command("tar", "-C", from, "-cf", archive, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for range 2 { // the second replaces the first
		for _, path := range []string{from, archive} {
			m, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + path}, silentWatch{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Source != xtools.NxbName || m.Layout != xtools.NxbBin || len(m.Files) < len(nxb.Required()) || !strings.HasPrefix(m.Release, "freebsd:15.1") {
				t.Errorf("%+v", m)
			}
		}
	}
	if _, err := root.Stat("nxb-bin/usr/bin/cc"); err != nil {
		t.Error(err)
	}
	_, list, err := s.Tools("f")
	if err != nil || slices.ContainsFunc(list, func(p Tool) bool { return p.State == xtools.Drifted }) {
		t.Errorf("%v: %+v", err, list)
	}
	if _, err := s.PackTools(t.Context(), "f", filepath.Join(t.TempDir(), "x.tar"), false, silentWatch{}); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("pack: %v", err)
	}
	if _, _, err := s.RemoveTools(t.Context(), "f"); err != nil {
		t.Fatal(err)
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("left in the root: %q", after)
	}
	if st, _ := root.Stat("."); st.ModTime().Unix() != 1600000000 {
		t.Errorf("the root is of %v", st.ModTime())
	}
	if _, err := os.Stat(s.toolsDir("f")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left in the state: %v", err)
	}
}

func TestNxbToolsRefuses(t *testing.T) {
	s, root := freebsdJail(t)
	before := listRoot(t, root)
	for name, tt := range map[string]struct {
		from string
		kind fault.Kind
		says string
	}{
		"another release": {"nxb:" + nativeXTools(t, 1403000, "aarch64-unknown-freebsd14.3"), fault.Mismatch, "14.3"},
		"of the host":     {"nxb:" + nativeXTools(t, 1501000, "x86_64-unknown-freebsd15.1"), fault.WrongArch, "x86_64"},
		"nothing there":   {"nxb:/nonexistent", fault.NotFound, "/nonexistent"},
		"a pack":          {"pack:/x", fault.Unsupported, "pack:/x"},
	} {
		_, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: tt.from}, silentWatch{})
		if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
		if after := listRoot(t, root); !slices.Equal(before, after) {
			t.Errorf("%s: left in the root: %q", name, after)
		}
		if _, err := os.Stat(s.toolsDir("f")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: left in the state: %v", name, err)
		}
	}
}

// What a command has left that was killed while /nxb-bin was there already.
func TestNxbToolsKilled(t *testing.T) {
	s, root := freebsdJail(t)
	before := listRoot(t, root)
	from := "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")
	if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: from}, silentWatch{}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(s.toolsManifest("f")); err != nil {
		t.Fatal(err)
	}
	if err := root.Mkdir(".nxb-bin.xjail-part", 0o755); err != nil {
		t.Fatal(err)
	}
	_, l, err := s.use("f")
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("left in the root: %q", after)
	}
}

// nxbPlan is a plan of other native tools than those that a jail has.
func nxbPlan(t *testing.T, root *os.Root) (*nxb.Plan, string) {
	t.Helper()
	dir := nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")
	if err := os.WriteFile(filepath.Join(dir, "usr/bin/tr"), freebsdProgram(62, 1501000, "tr"), 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close() })
	target, err := arch.Lookup("aarch64")
	if err != nil {
		t.Fatal(err)
	}
	p, err := nxb.NewXToolsPlan(t.Context(), from, nil, nxb.Options{Target: target, Jail: root})
	if err != nil {
		t.Fatal(err)
	}
	return p, dir
}

// Tools that cannot be replaced stay as they are, and so does what is known of them.
func TestNxbToolsStay(t *testing.T) {
	s, root := freebsdJail(t)
	if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")}, silentWatch{}); err != nil {
		t.Fatal(err)
	}
	before := listRoot(t, root)
	old, err := s.loadNxb("f")
	if err != nil {
		t.Fatal(err)
	}
	p, dir := nxbPlan(t, root)
	if err := os.Truncate(filepath.Join(dir, "usr/bin/grep"), 100); err != nil {
		t.Fatal(err)
	}
	if _, err := s.replaceNxb(t.Context(), "f", root, p, old, nil); err == nil {
		t.Fatal("no error")
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("the root has %q, had %q", after, before)
	}
	_, list, err := s.Tools("f")
	if err != nil || slices.ContainsFunc(list, func(p Tool) bool { return p.State == xtools.Drifted }) || s.unfinishedNxb("f") {
		t.Errorf("%v: %+v", err, list)
	}
}

// verify names what was changed, and what mends it.
func TestNxbToolsChanged(t *testing.T) {
	s, root := freebsdJail(t)
	if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")}, silentWatch{}); err != nil {
		t.Fatal(err)
	}
	r, err := s.Load("f")
	if err != nil {
		t.Fatal(err)
	}
	if c := s.verifyTools(root, r); len(c) != 1 || c[0].Result != OK {
		t.Errorf("%+v", c)
	}
	for _, name := range []string{"nxb-bin/usr/bin/sed", "nxb-bin/usr/lib/clang/19/include/stddef.h"} {
		if err := errors.Join(root.Remove(name), root.WriteFile(name, []byte("mine\n"), 0o555)); err != nil {
			t.Fatal(err)
		}
	}
	c := s.verifyTools(root, r)
	if len(c) != 1 || c[0].Result != Warning || !strings.Contains(c[0].Message, "2 files of /nxb-bin changed: /nxb-bin/usr/bin/sed: ") || c[0].Fix != "rm -r "+root.Name()+"/nxb-bin; xjail tools install f" {
		t.Errorf("%+v", c)
	}
	if err := root.RemoveAll("nxb-bin"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")}, silentWatch{}); err != nil {
		t.Error(err)
	}
	if c := s.verifyTools(root, r); len(c) != 1 || c[0].Result != OK {
		t.Errorf("%+v", c)
	}
}

// A replacement that was killed is ended, or undone, by the next command.
func TestNxbToolsReplacementKilled(t *testing.T) {
	for _, replaced := range []bool{false, true} {
		s, root := freebsdJail(t)
		if _, err := s.InstallTools(t.Context(), &Config{}, "f", ToolsRequest{Source: "nxb:" + nativeXTools(t, 1501000, "aarch64-unknown-freebsd15.1")}, silentWatch{}); err != nil {
			t.Fatal(err)
		}
		old, err := s.loadNxb("f")
		if err != nil {
			t.Fatal(err)
		}
		p, _ := nxbPlan(t, root)
		if err := s.writeNxb(s.nxbNext("f"), &p.Manifest); err != nil {
			t.Fatal(err)
		}
		if replaced {
			_, err = p.Replace(t.Context(), root, old, nil)
		} else {
			err = root.Mkdir(".nxb-bin.xjail-part", 0o755)
		}
		if err != nil {
			t.Fatal(err)
		}
		_, list, err := s.Tools("f")
		if err != nil || slices.ContainsFunc(list, func(p Tool) bool { return p.Path == "/nxb-bin/usr/bin/tr" }) != replaced {
			t.Errorf("replaced %v: %v: %+v", replaced, err, list)
		}
		if slices.ContainsFunc(list, func(p Tool) bool { return p.State == xtools.Drifted }) || s.unfinishedNxb("f") {
			t.Errorf("replaced %v: %+v", replaced, list)
		}
		if _, _, err := s.RemoveTools(t.Context(), "f"); err != nil {
			t.Error(err)
		}
		if left := listRoot(t, root); slices.ContainsFunc(left, func(line string) bool { return strings.Contains(line, "nxb-bin") }) {
			t.Errorf("left in the root: %q", left)
		}
	}
}

// A machine of FreeBSD has use for tools that it runs; others make them for it.
func TestRunsAMD64(t *testing.T) {
	for _, tt := range []struct {
		system, host string
		ok           bool
	}{{"freebsd", "amd64", true}, {"freebsd", "aarch64", false}, {"linux", "aarch64", true}} {
		host, err := arch.Lookup(tt.host)
		if err != nil {
			t.Fatal(err)
		}
		if err := runsAMD64(tt.system, host); (err == nil) != tt.ok || err != nil && fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}

// The base system of the root's release is unpacked once for all jails.
func TestNxbBase(t *testing.T) {
	s, root := freebsdJail(t)
	if err := root.WriteFile("bin/freebsd-version", []byte("USERLAND_VERSION=\"14.3-RELEASE-p2\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := root.Remove("bin/sh"); err != nil { // it is of 15.1
		t.Fatal(err)
	}
	amd64, err := arch.Lookup("amd64")
	if err != nil {
		t.Fatal(err)
	}
	// As root on FreeBSD its files have their flags, which os.RemoveAll leaves.
	t.Cleanup(func() { _ = removeTree(context.Background(), filepath.Join(s.Dir, twins)) })
	mirror := t.TempDir()
	releasetest.New(t, amd64).Write(t, mirror)
	r, err := s.Load("f")
	if err != nil {
		t.Fatal(err)
	}
	cfg := &Config{FreeBSDMirrors: []string{"file://" + mirror}}
	for range 2 {
		n := &nxbSource{store: s, cfg: cfg, record: r, root: root, watch: silentWatch{}}
		base, err := n.base(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := base.Stat("libexec/ld-elf.so.1"); err != nil {
			t.Error(err)
		}
		n.close()
	}
	kept, err := xtools.ListKept(filepath.Join(s.Dir, twins))
	if err != nil || len(kept) != 1 || !kept[0].Farm || !strings.Contains(kept[0].What, "freebsd:14.3-RELEASE") {
		t.Errorf("%+v, %v", kept, err)
	}
	// That base system is no whole one.
	if _, err := s.InstallTools(t.Context(), cfg, "f", ToolsRequest{Source: "twin"}, silentWatch{}); err == nil {
		t.Error("no error")
	}
}
