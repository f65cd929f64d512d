package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"reflect"
	"runtime"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/mounttest"
)

func TestFIFOsNeedNoPrivilege(t *testing.T) {
	root, r := extracted(t, Options{}, special("run/fifo", tar.TypeFifo), special("run/fifo", tar.TypeFifo))
	modeOf(t, root, "run/fifo", os.ModeNamedPipe|0o640)
	timeOf(t, root, "run/fifo", stamp)
	if r.Devices != 2 {
		t.Errorf("%d", r.Devices)
	}
}

func TestSkippedDevicesAreRecorded(t *testing.T) {
	root, r := extracted(t, Options{SkipDevices: true}, special("dev/null", tar.TypeChar), special("dev/sda", tar.TypeBlock))
	if _, err := root.Lstat("dev/null"); err == nil {
		t.Error("the device was made")
	}
	got := keptOf(r, "dev/null")
	if got.Device == nil || *got.Device != (Device{"char", 1, 3}) || *got.Mode != 0o640 || got.Owner.UID != os.Getuid() {
		t.Errorf("%+v", got)
	}
	if keptOf(r, "dev/sda").Device.Type != "block" {
		t.Error("block device not recorded")
	}
	if r.Devices != 0 {
		t.Error("counted as made")
	}
}

// What is recorded of an entry goes when a later entry replaces it.
func TestRecordsOfReplacedEntriesGo(t *testing.T) {
	f := reg("a", "x")
	f.PAXRecords = map[string]string{"SCHILY.fflags": "schg", "SCHILY.xattr.trusted.overlay.redirect": "/etc"}
	root, r := extracted(t, Options{}, f, reg("a", "y"))
	if len(r.Kept) != 0 && os.Getuid() == 0 {
		t.Errorf("%+v", r.Kept)
	}
	contentsOf(t, root, "a", "y")
}

func TestXattrs(t *testing.T) {
	root := newRoot(t)
	f, err := os.Create(root.Name() + "/probe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := setXattr(f, "user.probe", []byte("x")); err != nil {
		t.Skipf("the temporary directory has no extended attributes: %v", err)
	}
	file1, dir1, link1 := reg("f", "x"), dir("d", 0o555), link("l", "f")
	file1.Mode = 0o444
	file1.PAXRecords = map[string]string{
		"SCHILY.xattr.user.raw":            "a\x00b\n",
		"LIBARCHIVE.xattr.user.raw":        "d3Jvbmc",
		"LIBARCHIVE.xattr.user.name%25%3d": "aGVsbG8",
		"LIBARCHIVE.xattr.user.padded":     "aGVsbG8hIQ==",
		"SCHILY.xattr.security.selinux":    "system_u:object_r:bin_t:s0",
		"SCHILY.fflags":                    "schg,uarch",
	}
	dir1.PAXRecords = map[string]string{"SCHILY.xattr.user.d": "dir"}
	link1.PAXRecords = map[string]string{"SCHILY.xattr.user.l": "link", "SCHILY.acl.access": "user::rwx", "SCHILY.fflags": "uarch"}
	root, r := extracted(t, Options{}, file1, dir1, link1)
	want := map[string]string{"user.raw": "a\x00b\n", "user.name%=": "hello", "user.padded": "hello!!"}
	got := xattrsOf(t, root, "f")
	for name, value := range want {
		if string(got[name]) != value {
			t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	if string(xattrsOf(t, root, "d")["user.d"]) != "dir" {
		t.Error("attribute of a read-only directory is lost")
	}
	kept := keptOf(r, "f")
	if string(kept.Xattrs["security.selinux"]) != "system_u:object_r:bin_t:s0" || len(kept.Xattrs) != 1 {
		t.Errorf("%q", kept.Xattrs)
	}
	if kept.Flags != "schg,uarch" && runtime.GOOS == "linux" {
		t.Errorf("flags %q", kept.Flags)
	}
	if l := keptOf(r, "l"); string(l.Xattrs["user.l"]) != "link" || l.ACLs["access"] != "user::rwx" || l.Flags != "uarch" {
		t.Errorf("%+v", l)
	}
}

// chown(2) takes capabilities away, so that they must come after it.
func TestCapabilities(t *testing.T) {
	// cap_net_raw=ep as setcap(8) stores it: VFS_CAP_REVISION_2, effective.
	const netRaw = "\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	f := reg("ping", "x")
	f.Uid, f.Gid, f.Mode = 1, 1, 0o755
	f.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": netRaw}
	root, r := extracted(t, Options{}, f)
	onDisk, kept := xattrsOf(t, root, "ping")["security.capability"], keptOf(r, "ping").Xattrs["security.capability"]
	if (string(onDisk) == netRaw) == (string(kept) == netRaw) {
		t.Errorf("on disk %x, recorded %x", onDisk, kept)
	}
}

func xattrsOf(t *testing.T, root *os.Root, name string) map[string][]byte {
	t.Helper()
	f, err := root.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	all, err := listXattrs(f)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// An attribute larger than the file system stores is no full disk.
func TestXattrTooLargeForTheFileSystem(t *testing.T) {
	f := reg("f", "x")
	f.PAXRecords = map[string]string{"SCHILY.xattr.user.large": string(make([]byte, 200_000))}
	_, r := extracted(t, Options{}, f)
	if len(keptOf(r, "f").Xattrs["user.large"]) != 200_000 {
		t.Error("not recorded")
	}
}

func TestBadXattrRecords(t *testing.T) {
	tests := []struct {
		key, value string
		kind       fault.Kind
	}{
		{"LIBARCHIVE.xattr.user.a", "!!", fault.Damaged},
		{"LIBARCHIVE.xattr.user.%zz", "aGk", fault.Damaged},
		{"LIBARCHIVE.xattr.user.%00", "aGk", fault.Unsafe},
		{"SCHILY.xattr.", "x", fault.Unsafe},
		{"SCHILY.xattr." + string(bytes.Repeat([]byte("n"), 256)), "x", fault.Unsafe},
	}
	for _, tt := range tests {
		e := &entry{path: "f"}
		if err := e.parseRecords(map[string]string{tt.key: tt.value}); fault.KindOf(err) != tt.kind {
			t.Errorf("%.40s: %v", tt.key, err)
		}
	}
}

// The vectors are what setfacl(1) stores: getfattr -m- -d -e hex f after
// setfacl -m u:1000:rwx,m::rwx on a file of mode 0640.
func TestEncodeACL(t *testing.T) {
	const set = "02000000" + "01000600ffffffff" + "02000700e8030000" + "04000400ffffffff" + "10000700ffffffff" + "20000000ffffffff"
	for _, text := range []string{
		"user::rw-,user:1000:rwx,group::r--,mask::rwx,other::---",
		"user::rw-\ngroup::r--\nother::---\nmask::rwx\nuser:alice:rwx:1000\n",
		"u::rw,g::r,o:-,m:rwx,u:1000:rwx",
	} {
		got, ok := encodeACL(text)
		if hex.EncodeToString(got) != set || !ok {
			t.Errorf("%q: %x %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "user:alice:rwx", "owner@:rw-p--aARWcCos:-------:allow", "user::rwz", "user::", "bad::rwx",
		"mask:5:rwx", "user:4294967295:rwx", "user", "user:1:2:3:4", "user::rwx," + string(bytes.Repeat([]byte("user:1:rwx,"), 2000))} {
		if got, ok := encodeACL(text); ok {
			t.Errorf("%.40q: %x", text, got)
		}
	}
}

func TestACLsAreSetOrRecorded(t *testing.T) {
	f := reg("f", "x")
	f.Mode = 0o670
	f.PAXRecords = map[string]string{"SCHILY.acl.access": "user::rw-,user:1000:rwx,group::r--,mask::rwx,other::---", "SCHILY.acl.ace": "everyone@:r::allow"}
	root, r := extracted(t, Options{}, f)
	kept := keptOf(r, "f").ACLs
	if kept["ace"] != "everyone@:r::allow" {
		t.Errorf("%q", kept)
	}
	value := xattrsOf(t, root, "f")[aclAccess]
	if len(value) == 0 && kept["access"] == "" {
		t.Error("neither set nor recorded")
	}
}

// The vectors are the table of lib/libc/gen/strtofflags.c.
func TestFileFlags(t *testing.T) {
	for words, want := range map[string]uint32{
		"schg": 0x20000, "schg,uarch": 0x20800, "simmutable,nodump": 0x20001, "sappnd,sunlnk,uchg": 0x140002, "uhidden": 0x8000,
	} {
		got, ok := ParseFlags(words)
		if got != want || !ok {
			t.Errorf("%s is %#x %v, want %#x", words, got, ok, want)
		}
		if again, ok := ParseFlags(FormatFlags(got)); !ok || again != want {
			t.Errorf("%s came back as %s", words, FormatFlags(got))
		}
	}
	for _, words := range []string{"", "noatime", "schg,", "SCHG"} {
		if bits, ok := ParseFlags(words); ok {
			t.Errorf("%q is %#x", words, bits)
		}
	}
	if FormatFlags(0) != "" {
		t.Error(FormatFlags(0))
	}
}

func TestFlagsOfLaterNamesAreRecordedOnce(t *testing.T) {
	f, d := reg("d/f", "x"), dir("d", 0o755)
	f.PAXRecords = map[string]string{"SCHILY.fflags": "uarch"}
	d.PAXRecords = map[string]string{"SCHILY.fflags": "nodump"}
	_, r := extracted(t, Options{}, f, d)
	if len(r.Kept) > 0 && (keptOf(r, "d/f").Flags != "uarch" || keptOf(r, "d").Flags != "nodump") {
		t.Errorf("%+v", r.Kept)
	}
}

// Whoever is not root, and root of a user namespace, cannot give files away.
func TestOwnersThatCannotBeSetAreRecorded(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	f, d, l, su := reg("f", "x"), dir("d", 0o2755), link("l", "f"), reg("su", "x")
	for _, one := range []*file{&f, &d, &l, &su} {
		one.Uid, one.Gid, one.Uname, one.Gname = 4711, 4712, "alice", "users"
	}
	su.Mode = 0o6755
	dev := special("fifo", tar.TypeFifo)
	dev.Uid, dev.Gid = 4711, 4712
	root, r := extracted(t, Options{}, f, d, l, su, dev)
	for _, name := range []string{"f", "d", "l", "su"} {
		if got := keptOf(r, name).Owner; got == nil || *got != (Owner{4711, 4712, "alice", "users"}) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	// A setuid file that belongs to another user than it should is a hole.
	modeOf(t, root, "su", 0o755)
	if mode := keptOf(r, "su").Mode; mode == nil || *mode != 0o6755 {
		t.Errorf("mode %v", mode)
	}
	modeOf(t, root, "d", os.ModeDir|os.ModeSetgid|0o755)
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
}

func TestDevicesThatTheKernelRefuses(t *testing.T) {
	if !mounttest.Inside(t) {
		return
	}
	data := tarOf(t, special("null", tar.TypeChar))
	refused(t, bytes.NewReader(data), Options{Devices: true}, fault.Permission, `"null"`)
	r, err := Archive(context.Background(), bytes.NewReader(data), newRoot(t), Options{Devices: true, SkipDevices: true})
	if err != nil || keptOf(r, "null").Device == nil {
		t.Errorf("%v %+v", err, r)
	}
}

func TestDevicesAreMadeByRoot(t *testing.T) {
	root := newRoot(t)
	dev := special("d/null", tar.TypeChar)
	dev.Mode = 0o666
	r, err := Archive(context.Background(), bytes.NewReader(tarOf(t, dev, special("d/blk", tar.TypeBlock))), root, Options{Devices: true})
	if fault.KindOf(err) == fault.Permission {
		t.Skipf("devices cannot be made here: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	modeOf(t, root, "d/null", os.ModeDevice|os.ModeCharDevice|0o666)
	timeOf(t, root, "d/null", stamp)
	if r.Devices != 2 || !reflect.DeepEqual(keptOf(r, "d/null"), &Metadata{}) {
		t.Errorf("%+v", r)
	}
}
