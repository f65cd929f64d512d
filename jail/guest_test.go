package jail

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
)

// The lines are those of the releases' own files.
func TestParseGuest(t *testing.T) {
	for text, want := range map[string]string{
		"#!/bin/sh\nset -e\n\nUSERLAND_VERSION=\"13.2-RELEASE-p1\"\n":   "13.2-RELEASE-p1",
		"USERLAND_VERSION=\"15.1-RELEASE\"\n":                           "15.1-RELEASE",
		"USERLAND_VERSION=16.0-CURRENT\n":                               "16.0-CURRENT",
		"# USERLAND_VERSION=\"13.2-RELEASE\"\n":                         "",
		"USERLAND_VERSION=\"13.2-RELEASE,PATH=/evil\"\n":                "",
		"USERLAND_VERSION=\"$(id)\"\n":                                  "",
		"USERLAND_VERSION=\"13.2-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"": "",
		"": "",
	} {
		if got := parseUserland([]byte(text)); got != want {
			t.Errorf("parseUserland(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]int{
		"#undef __FreeBSD_version\n#define __FreeBSD_version 1302001\t/* Master, propagated to newvers */\n": 1302001,
		"#define\t__FreeBSD_version 1501000\n":     1501000,
		"#define __FreeBSD_version 903000\n":       903000,
		" * #define __FreeBSD_version 1302001\n":   0,
		"#define __FreeBSD_version 99999999999\n":  0,
		"#define __FreeBSD_version 1302001x\n":     0,
		"#define __FreeBSD_kernel_version 1302001": 0,
		"": 0,
	} {
		if got := parseParam([]byte(text)); got != want {
			t.Errorf("parseParam(%q) = %d, want %d", text, got, want)
		}
	}
}

// noted is a static big-endian MIPS64 program with FreeBSD's ABI note.
func noted(version uint32) []byte {
	be := binary.BigEndian
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
	be.PutUint64(b[64+8:], 64+56)
	be.PutUint64(b[64+32:], 24)
	be.PutUint64(b[64+48:], 4)
	note := b[64+56:]
	be.PutUint32(note, 8)
	be.PutUint32(note[4:], 4)
	be.PutUint32(note[8:], 1)
	copy(note[12:], "FreeBSD\x00")
	be.PutUint32(note[20:], version)
	return b
}

func TestReadGuest(t *testing.T) {
	script, header := []byte("USERLAND_VERSION=\"13.2-RELEASE\"\n"), []byte("#define __FreeBSD_version 1302001\n")
	linux := noted(0)
	linux[7] = 3
	copy(linux[64+56+12:], "GNU\x00")
	tests := []struct {
		name  string
		files map[string][]byte
		want  guest
	}{
		{"nothing", nil, guest{}},
		{"whole", map[string][]byte{"bin/freebsd-version": script, "usr/include/sys/param.h": header, "bin/sh": noted(1302000), "usr/lib/crt1.o": {}},
			guest{FreeBSD: true, Release: "13.2-RELEASE", OSReldate: 1302001, CRT: true}},
		{"base without headers", map[string][]byte{"bin/freebsd-version": script, "bin/sh": noted(1302001)},
			guest{FreeBSD: true, Release: "13.2-RELEASE", OSReldate: 1302001}},
		{"a program only", map[string][]byte{"bin/sh": noted(1203000)}, guest{FreeBSD: true, OSReldate: 1203000}},
		{"native sh, own libc", map[string][]byte{"bin/sh": noted(1501000), "lib/libc.so.7": noted(1302001)}, guest{FreeBSD: true, OSReldate: 1302001}},
		{"texts only", map[string][]byte{"bin/freebsd-version": script, "usr/include/sys/param.h": header},
			guest{FreeBSD: true, Release: "13.2-RELEASE", OSReldate: 1302001}},
		{"a Linux with FreeBSD's headers", map[string][]byte{"bin/sh": linux, "usr/include/sys/param.h": header, "bin/freebsd-version": script}, guest{}},
	}
	for _, tt := range tests {
		root := plant(t, "bin/\nlib/\nusr/lib/\nusr/include/sys/\n")
		for name, text := range tt.files {
			if err := root.WriteFile(name, text, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if got := readGuest(root); got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A root can have anything at these places: FIFOs, directories, links that
// lead out. Nothing of it blocks or is followed.
func TestReadGuestHostile(t *testing.T) {
	root := plant(t, "bin/\nusr/include/sys/param.h/\nlib/\nlib/libc.so.7 -> ../../outside\n")
	for _, name := range []string{"bin/sh", "bin/freebsd-version"} {
		if err := unix.Mkfifo(filepath.Join(root.Name(), name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got := readGuest(root); got != (guest{}) {
		t.Errorf("%+v", got)
	}
	if _, err := openFileIn(root)("/bin/sh"); err == nil {
		t.Error("a FIFO was opened")
	}
	open := openFileIn(root)
	if err := root.WriteFile("big", make([]byte, 1000), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := readHead(open, "/big", 10); len(got) != 10 {
		t.Errorf("read %d bytes", len(got))
	}
	if _, err := statIn(root)("/lib/libc.so.7"); !os.IsNotExist(err) {
		t.Errorf("a link out of the root: %v", err)
	}
}

func TestGuestEnv(t *testing.T) {
	look := func(name string) *arch.Arch {
		a, err := arch.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	amd64 := look("amd64")
	whole := guest{FreeBSD: true, Release: "13.2-RELEASE-p1", OSReldate: 1302001, CRT: true}
	tests := []struct {
		name string
		g    guest
		arch string
		want []string
	}{
		{"foreign", whole, "mips64", []string{"UNAME_r=13.2-RELEASE-p1", "UNAME_v=FreeBSD 13.2-RELEASE-p1", "UNAME_m=mips", "UNAME_p=mips64", "ABI_FILE=/usr/lib/crt1.o"}},
		{"arm64", guest{FreeBSD: true, CRT: true}, "aarch64", []string{"UNAME_m=arm64", "UNAME_p=aarch64", "ABI_FILE=/usr/lib/crt1.o"}},
		{"no crt1.o", guest{FreeBSD: true}, "riscv64", []string{"UNAME_m=riscv", "UNAME_p=riscv64"}},
		{"native", whole, "amd64", []string{"UNAME_r=13.2-RELEASE-p1", "UNAME_v=FreeBSD 13.2-RELEASE-p1"}},
		{"not FreeBSD", guest{Release: "x"}, "mips64", nil},
	}
	for _, tt := range tests {
		if got := guestEnv(tt.g, look(tt.arch), amd64); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestKernelVersion(t *testing.T) {
	for reldate, want := range map[int]int{0: 0, 903000: 0, 1104001: 0, 1200031: 1200031, 1302001: 1302001, 1600000: 1600000} {
		if got := (guest{OSReldate: reldate}).kernelVersion(); got != want {
			t.Errorf("%d: %d, want %d", reldate, got, want)
		}
	}
}

// What a root says of itself never gets more into an environment than a
// version.
func FuzzGuest(f *testing.F) {
	f.Add([]byte("USERLAND_VERSION=\"13.2-RELEASE-p1\"\n#define __FreeBSD_version 1302001\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		release, reldate := parseUserland(text), parseParam(text)
		for _, c := range []byte(release) {
			if c <= ' ' || c > '~' || c == ',' || c == '=' || c == '$' {
				t.Errorf("release %q", release)
			}
		}
		if len(release) > releaseMax || reldate != 0 && osreldate(strconv.Itoa(reldate)) != reldate {
			t.Errorf("%q, %d", release, reldate)
		}
	})
}

func TestKinfoParent(t *testing.T) {
	raw := make([]byte, 1088)
	order := binary.NativeEndian
	order.PutUint32(raw, 1088)
	order.PutUint32(raw[72:], 4711)
	order.PutUint32(raw[76:], 815)
	if got := kinfoParent(raw, 4711); got != 815 {
		t.Errorf("parent %d", got)
	}
	for name, bad := range map[string][]byte{"nil": nil, "short": raw[:1000], "another size": append([]byte{0, 1}, raw[2:]...)} {
		if got := kinfoParent(bad, 4711); got != 0 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := kinfoParent(raw, 4712); got != 0 {
		t.Errorf("another process: %d", got)
	}
}
