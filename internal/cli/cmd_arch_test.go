package cli

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

// runForArch runs a command in-process and returns status, stdout and stderr.
func runForArch(t *testing.T, args ...string) (int, string, string) {
	t.Helper()
	var out, errs bytes.Buffer
	env := &Env{Args: args, Stdin: strings.NewReader(""), Stdout: &out, Stderr: &errs, Getenv: func(string) string { return "" }}
	status := Run(t.Context(), env)
	return status, out.String(), errs.String()
}

func TestArchList(t *testing.T) {
	status, out, errs := runForArch(t, "arch", "list")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if got, want := strings.Join(strings.Fields(lines[0]), " "), "NAME TARGET QEMU BITS ORDER DEBIAN GO FREEBSD"; got != want {
		t.Errorf("header %q", got)
	}
	if len(lines) != len(arch.All())+1 {
		t.Errorf("%d lines for %d rows", len(lines), len(arch.All()))
	}
	for _, want := range []string{
		"mips64 mips mips64 64 big - mips64 9.0-13.5", "aarch64 arm64 aarch64 64 little arm64 arm64 11.0-",
		"mips64el mips mips64el 64 little mips64el (to bookworm) mips64le 9.0-13.5", "m68k - m68k 32 big m68k (ports) - -",
		"or1k - or1k 32 big or1k (name only) - -",
	} {
		if !slices.ContainsFunc(lines, func(l string) bool { return strings.Join(strings.Fields(l), " ") == want }) {
			t.Errorf("no line %q", want)
		}
	}
}

func TestArchListJSON(t *testing.T) {
	_, out, _ := runForArch(t, "arch", "list", "--json")
	var list []struct {
		Name     string
		Machine  int
		Patterns map[string]struct {
			Size        int
			Magic, Mask string
		}
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != len(arch.All()) {
		t.Fatalf("%d rows", len(list))
	}
	for _, row := range list {
		p := row.Patterns["binmisc"]
		if row.Machine == 0 || len(row.Patterns) != 4 || p.Size < 20 || len(p.Magic) != 2*p.Size || len(p.Mask) != 2*p.Size {
			t.Errorf("%+v", row)
		}
		if row.Name == "mips64" && p.Magic+"/"+p.Mask != "7f454c4602020100000000000000000000020008/ffffffffffffff00fffffffffffffffffffeffff" {
			t.Errorf("mips64 is not the 2013 announcement's: %+v", p)
		}
	}
}

func TestArchShow(t *testing.T) {
	status, out, errs := runForArch(t, "arch", "show", "mips.mips64")
	if status != 0 || errs != "" {
		t.Fatalf("status %d, %s", status, errs)
	}
	for _, want := range []string{
		"name mips64", "FreeBSD mips.mips64, releases 9.0 to 13.5", "ELF 64-bit, big-endian, e_machine 8 (0x8)", "same pattern as mips64hf",
		"QEMU qemu-mips64, linux-user, bsd-user (fork)", "Go GOARCH=mips64 GOMIPS64=softfloat", "GNU triple mips64-linux-gnuabi64",
		`magic binmisc \x7f\x45\x4c\x46\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08`,
		`mask binmisc \xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff`,
		`mask any \xff\xff\xff\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff`,
	} {
		if !slices.ContainsFunc(strings.Split(out, "\n"), func(l string) bool { return strings.Join(strings.Fields(l), " ") == want }) {
			t.Errorf("no line %q in\n%s", want, out)
		}
	}
}

// What a row has is shown, each kind of it on some row.
func TestArchShowAll(t *testing.T) {
	for name, want := range map[string]string{
		"powerpcspe": "-cpu e500v2", "ia64": "no user-mode target", "cris": "up to QEMU 9.1", "mips": "e_flags & 0x20 = 0x0",
		"riscv64sf": "special case of  riscv64", "aarch64": "releases 11.0 to now", "mips64el": "released from stretch to bookworm",
		"sparc64": "in debian-ports", "arc": "in no archive", "amd64": "released since etch", "linux/arm/v7": "armv7",
	} {
		if status, out, _ := runForArch(t, "arch", "show", name); status != 0 || !strings.Contains(out, want) {
			t.Errorf("%s: status %d, no %q in\n%s", name, status, want, out)
		}
	}
}

func TestArchShowPolicy(t *testing.T) {
	_, out, _ := runForArch(t, "arch", "show", "--osabi", "freebsd", "mips64")
	if strings.Count(out, "magic ") != 1 || !strings.Contains(out, `magic freebsd    \x7f\x45\x4c\x46\x02\x02\x01\x09`) {
		t.Error(out)
	}
	_, out, _ = runForArch(t, "arch", "show", "--osabi", "linux", "mips64", "--json")
	var r struct{ Patterns map[string]any }
	if err := json.Unmarshal([]byte(out), &r); err != nil || len(r.Patterns) != 1 || r.Patterns["linux"] == nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestArchErrors(t *testing.T) {
	for _, c := range []struct {
		args   []string
		status int
		want   string
	}{
		{[]string{"show", "mip64"}, 10, "did you mean mips64?"},
		{[]string{"show"}, 64, "ARCH is missing"},
		{[]string{"show", "a", "b"}, 64, "unexpected argument"},
		{[]string{"show", "--osabi", "hurd", "mips64"}, 64, "any, freebsd, linux or binmisc"},
		{[]string{"list", "x"}, 64, "unexpected argument"},
		{[]string{"identify"}, 64, "FILE is missing"},
		{[]string{"nonsense"}, 64, "unexpected argument"},
	} {
		status, out, errs := runForArch(t, append([]string{"arch"}, c.args...)...)
		if status != c.status || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%v: status %d, stdout %q, stderr %q", c.args, status, out, errs)
		}
	}
}

func TestArchHelp(t *testing.T) {
	if status, out, _ := runForArch(t, "arch"); status != 0 || !strings.Contains(out, "identify") {
		t.Errorf("status %d: %s", status, out)
	}
}

func TestArchComplete(t *testing.T) {
	_, out, _ := runForArch(t, "__complete", "arch", "show", "mips64")
	if !strings.Contains(out, "mips64el\n") {
		t.Error(out)
	}
}

// mips64Program is a static mips64 executable: a header is all that it needs.
func mips64Program() []byte {
	a, err := arch.Lookup("mips64")
	if err != nil {
		panic(err)
	}
	return append(a.Pattern(arch.FreeBSD).Magic, make([]byte, 44)...)
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchIdentify(t *testing.T) {
	program := writeFile(t, "program", mips64Program())
	odd := mips64Program()
	odd[18] = 0x12
	for name, c := range map[string]struct {
		paths       []string
		status      int
		out, stderr string
	}{
		"program":       {[]string{program}, 0, program + ": mips64 freebsd exec static\n", ""},
		"no row":        {[]string{writeFile(t, "odd", odd)}, 0, "odd: unknown(e_machine=0x1208,64-bit,big-endian) freebsd exec static\n", ""},
		"script":        {[]string{writeFile(t, "script", []byte("#!/bin/sh\n"))}, 17, "", "script: not an ELF file\n"},
		"missing":       {[]string{"/nonexistent"}, 10, "", "/nonexistent: no such file or directory\n"},
		"some":          {[]string{"/nonexistent", program}, 3, ": mips64 freebsd exec static\n", "1 of 2 files not identified"},
		"of two kinds":  {[]string{"/nonexistent", writeFile(t, "script", nil)}, 17, "", "not an ELF file\n"},
		"newline":       {[]string{writeFile(t, "new\nline", mips64Program())}, 0, `new\nline": mips64`, ""},
		"newline, none": {[]string{"/no\nfile"}, 10, "", `"/no\nfile": no such`},
	} {
		status, out, errs := runForArch(t, append([]string{"arch", "identify"}, c.paths...)...)
		if status != c.status || !strings.HasSuffix(out, c.out) && !strings.Contains(out, c.out) || !strings.Contains(errs, c.stderr) || (c.stderr == "") != (errs == "") {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
	}
}

func TestArchIdentifyUnreadable(t *testing.T) {
	path := writeFile(t, "program", mips64Program())
	if err := os.Chmod(path, 0); err != nil {
		t.Fatal(err)
	}
	if f, err := os.Open(path); err == nil {
		_, err := io.ReadAll(f)
		t.Skip("this user may read everything: ", err, f.Close())
	}
	if status, _, errs := runForArch(t, "arch", "identify", path); status != 14 {
		t.Errorf("status %d: %s", status, errs)
	}
}

func TestArchIdentifyJSON(t *testing.T) {
	program := writeFile(t, "program", mips64Program())
	status, out, errs := runForArch(t, "arch", "identify", "--json", program, "/nonexistent")
	var list []struct {
		Path, Arch, OS, Type, Error string
		Static                      bool
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatal(err)
	}
	if status != 3 || !strings.Contains(errs, `"code":3`) || len(list) != 2 {
		t.Fatalf("status %d, %s, %+v", status, errs, list)
	}
	if l := list[0]; l.Path != program || l.Arch != "mips64" || l.OS != "freebsd" || l.Type != "exec" || !l.Static || l.Error != "" {
		t.Errorf("%+v", l)
	}
	if l := list[1]; l.Path != "/nonexistent" || l.Error == "" || l.Arch != "" {
		t.Errorf("%+v", l)
	}
}
