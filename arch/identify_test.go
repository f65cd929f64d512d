package arch

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func identify(t *testing.T, file []byte) *Identity {
	t.Helper()
	id, err := Identify(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// gnuTag is the description of a GNU ABI note.
func gnuTag(e *elfFile, os uint32) []byte { return e.note("GNU", 1, e.words(os, 3, 2, 1)) }

// armAttributes makes .ARM.attributes with the pairs of tags and values.
func armAttributes(bo binary.ByteOrder, attributes ...byte) []byte {
	file := append([]byte{tagFile, 0, 0, 0, 0}, attributes...)
	bo.PutUint32(file[1:], uint32(len(file)))
	section := append([]byte("\x00\x00\x00\x00aeabi\x00"), file...)
	bo.PutUint32(section, uint32(len(section)))
	return append([]byte{'A'}, section...)
}

// mipsFlags makes .MIPS.abiflags with an fp_abi.
func mipsFlags(fp byte) []byte {
	b := make([]byte, 24)
	b[7] = fp
	return b
}

func TestIdentify(t *testing.T) {
	with := func(e *elfFile, change func(*elfFile)) *elfFile { change(e); return e }
	flags := func(e *elfFile, f uint32) *elfFile { e.flags = f; return e }
	osabi := func(e *elfFile, b byte) *elfFile { e.osabi = b; return e }
	noted := func(e *elfFile, name string, kind uint32, desc []byte) *elfFile {
		return e.segment(ptNote, e.note(name, kind, desc))
	}
	apu := func(e *elfFile, unit uint32) *elfFile {
		return e.section(shNote, e.note("APUinfo", 2, e.words(unit<<16|1)))
	}
	arm := func() *elfFile { return flags(of("arm", 2), 0x5000000) }
	le, be := binary.LittleEndian, binary.BigEndian
	// A note in a segment of 8-byte alignment: the description is at 24, not 20.
	wide := []byte("\x08\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00FreeBSD\x00\xff\xff\xff\xff")
	wide = append(le.AppendUint32(wide, 1302001), 0, 0, 0, 0)
	for name, c := range map[string]struct {
		file *elfFile
		want string // arch os type link, then abi float cpu os_version where set
	}{
		"linux static":        {with(of("mips64", 2), func(e *elfFile) { e.segment(ptNote, gnuTag(e, 0)) }), "mips64 linux exec static; n64 - - 3.2.1"},
		"linux PIE":           {of("mips64el", 3).interp("/lib64/ld.so.1"), "mips64el linux pie /lib64/ld.so.1; n64 - - -"},
		"note before OSABI":   {with(osabi(of("amd64", 2), 9), func(e *elfFile) { e.segment(ptNote, gnuTag(e, 0)) }), "amd64 linux exec static; - - - 3.2.1"},
		"kFreeBSD":            {with(of("amd64", 2), func(e *elfFile) { e.segment(ptNote, gnuTag(e, 3)) }), "amd64 kfreebsd exec static; - - - 3.2.1"},
		"Hurd":                {with(of("i386", 2), func(e *elfFile) { e.segment(ptNote, gnuTag(e, 1)) }), "i386 hurd exec static; - - - 3.2.1"},
		"unknown GNU system":  {with(of("i386", 2), func(e *elfFile) { e.segment(ptNote, gnuTag(e, 99)) }), "i386 - exec static; - - - -"},
		"FreeBSD by OSABI":    {osabi(of("powerpc64", 2), 9), "powerpc64 freebsd exec static; - - - -"},
		"FreeBSD by note":     {noted(of("sparc64", 2), "FreeBSD", 1, be.AppendUint32(nil, 1302001)), "sparc64 freebsd exec static; - - - 1302001"},
		"NetBSD":              {noted(of("amd64", 2), "NetBSD", 1, le.AppendUint32(nil, 999)), "amd64 netbsd exec static; - - - 999"},
		"OpenBSD":             {noted(of("amd64", 3), "OpenBSD", 1, le.AppendUint32(nil, 0)), "amd64 openbsd pie static; - - - 0"},
		"DragonFly":           {noted(of("amd64", 2), "DragonFly", 1, le.AppendUint32(nil, 600400)), "amd64 dragonfly exec static; - - - 600400"},
		"Android":             {noted(of("aarch64", 3).interp("/system/bin/linker64"), "Android", 1, le.AppendUint32(nil, 21)), "aarch64 linux pie /system/bin/linker64; - - - -"},
		"Go on Linux":         {noted(of("mips64", 2), "Go", 4, []byte("id")), "mips64 linux exec static; n64 - - -"},
		"Go on FreeBSD":       {noted(osabi(of("amd64", 2), 9), "Go", 4, []byte("id")), "amd64 freebsd exec static; - - - -"},
		"nothing says":        {of("amd64", 2), "amd64 - exec static; - - - -"},
		"OSABI GNU":           {osabi(of("hppa", 2), 3), "hppa linux exec static; - - - -"},
		"FreeBSD by linker":   {of("amd64", 2).interp("/libexec/ld-elf.so.1"), "amd64 freebsd exec /libexec/ld-elf.so.1; - - - -"},
		"NetBSD by linker":    {of("amd64", 2).interp("/usr/libexec/ld.elf_so"), "amd64 netbsd exec /usr/libexec/ld.elf_so; - - - -"},
		"OpenBSD by linker":   {of("amd64", 3).interp("/usr/libexec/ld.so"), "amd64 openbsd pie /usr/libexec/ld.so; - - - -"},
		"DragonFly by linker": {of("amd64", 2).interp("/usr/libexec/ld-elf.so.2"), "amd64 dragonfly exec /usr/libexec/ld-elf.so.2; - - - -"},
		"musl":                {of("aarch64", 3).interp("/lib/ld-musl-aarch64.so.1"), "aarch64 linux pie /lib/ld-musl-aarch64.so.1; - - - -"},
		"bionic":              {of("aarch64", 3).interp("/system/bin/linker64"), "aarch64 linux pie /system/bin/linker64; - - - -"},
		"ppc64 linker":        {flags(of("powerpc64le", 3), 2).interp("/lib64/ld64.so.2"), "powerpc64le linux pie /lib64/ld64.so.2; elfv2 - - -"},
		"ELFv1":               {flags(of("powerpc64", 2), 1), "powerpc64 - exec static; elfv1 - - -"},
		"unknown linker":      {of("amd64", 2).interp("/lib/ld-odd"), "amd64 - exec /lib/ld-odd; - - - -"},

		"static PIE":             {of("amd64", 3).dynamic(dtFlags1, df1PIE), "amd64 - pie static; - - - -"},
		"static PIE, old linker": {of("amd64", 3).dynamic(5, 0x100), "amd64 - pie static; - - - -"},
		"shared library":         {of("amd64", 3).dynamic(dtSoname, 1), "amd64 - shared -; - - - -"},
		"library of libraries":   {of("amd64", 3).dynamic(dtNeeded, 1), "amd64 - shared -; - - - -"},
		"library without entry":  {with(of("amd64", 3), func(e *elfFile) { e.entry = 0 }), "amd64 - shared -; - - - -"},
		"glibc by name":          {of("s390x", 3).library(dtNeeded, "libm.so.6", "libc.so.6"), "s390x linux shared -; - - - -"},
		"linker by name":         {of("arm", 3).library(dtSoname, "ld-linux.so.3"), "arm linux shared -; oabi - - -"},
		"old linker by name":     {of("mips64", 3).library(dtSoname, "ld.so.1"), "mips64 linux shared -; n64 - - -"},
		"Solaris":                {of("sparc64", 2).interp("/lib/ld.so.1"), "sparc64 - exec /lib/ld.so.1; - - - -"},
		"linker elsewhere":       {of("amd64", 2).interp("/opt/lib/ld-linux-x86-64.so.2"), "amd64 linux exec /opt/lib/ld-linux-x86-64.so.2; - - - -"},
		"musl by name":           {of("mips", 3).library(dtNeeded, "libc.musl-mips.so.1"), "mips linux shared -; o32 - - -"},
		"FreeBSD by name":        {of("mips", 3).library(dtNeeded, "libc.so.7"), "mips freebsd shared -; o32 - - -"},
		"NetBSD by name":         {of("sparc", 3).library(dtNeeded, "libc.so.12"), "sparc netbsd shared -; - - - -"},
		"DragonFly by name":      {of("amd64", 3).library(dtNeeded, "libc.so.8"), "amd64 dragonfly shared -; - - - -"},
		"Hurd by name":           {of("i386", 3).library(dtNeeded, "libc.so.0.3"), "i386 hurd shared -; - - - -"},
		"no known name":          {of("i386", 3).library(dtNeeded, "libz.so.1"), "i386 - shared -; - - - -"},
		"names nowhere":          {of("i386", 3).dynamic(dtNeeded, 1, dtStrTab, 0x1000), "i386 - shared -; - - - -"},
		"object":                 {of("s390x", 1), "s390x - object -; - - - -"},
		"core":                   {of("riscv64", 4), "riscv64sf - core -; lp64 soft - -"},
		"none":                   {of("alpha", 0), "alpha - other -; - - - -"},

		"note in a section":   {with(of("mips", 1), func(e *elfFile) { e.section(shNote, gnuTag(e, 0)) }), "mips linux object -; o32 - - 3.2.1"},
		"8-byte notes":        {with(of("amd64", 2), func(e *elfFile) { e.segments = []part{{ptNote, wide, 8}} }), "amd64 freebsd exec static; - - - 1302001"},
		"second note":         {with(of("amd64", 2), func(e *elfFile) { e.segment(ptNote, append(e.note("GNU", 3, []byte("build")), gnuTag(e, 0)...)) }), "amd64 linux exec static; - - - 3.2.1"},
		"note of a giant":     {of("amd64", 2).segment(ptNote, le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, math.MaxUint32), math.MaxUint32), 1)), "amd64 - exec static; - - - -"},
		"description cut":     {of("amd64", 2).segment(ptNote, append(le.AppendUint32(le.AppendUint32(le.AppendUint32(nil, 4), 64), 1), "GNU\x00\x00\x00"...)), "amd64 - exec static; - - - -"},
		"interp without end":  {of("amd64", 2).segment(ptInterp, []byte("/lib/ld-linux.so.2")), "amd64 linux exec /lib/ld-linux.so.2; - - - -"},
		"interp of the giant": {with(of("amd64", 2).segment(ptInterp, bytes.Repeat([]byte("x"), 10000)), nop), "amd64 - exec " + strings.Repeat("x", maxInterp) + "; - - - -"},

		"mips o32":       {flags(of("mips", 2), 0x70001007), "mips - exec static; o32 - - -"},
		"mips o32, no":   {flags(of("mips", 2), 0), "mips - exec static; o32 - - -"},
		"mips o64":       {flags(of("mips", 2), 0x2000), "mips - exec static; o64 - - -"},
		"mips eabi":      {flags(of("mipsel", 2), 0x3000), "mipsel - exec static; eabi32 - - -"},
		"mips n32":       {flags(of("mipsn32", 2), 0x80000027), "mipsn32 - exec static; n32 - - -"},
		"mips hard":      {osabi(of("mips64", 2), 9).segment(ptMIPSABIFlags, mipsFlags(1)), "mips64hf freebsd exec static; n64 hard - -"},
		"mips soft":      {osabi(of("mips64", 2), 9).section(shMIPSABIFlags, mipsFlags(3)), "mips64 freebsd exec static; n64 soft - -"},
		"mips any float": {osabi(of("mips", 2), 9).segment(ptMIPSABIFlags, mipsFlags(0)), "mips freebsd exec static; o32 - - -"},
		"mips hard, GNU": {osabi(of("mips64el", 2), 3).segment(ptMIPSABIFlags, mipsFlags(6)), "mips64el linux exec static; n64 hard - -"},
		"abiflags cut":   {osabi(of("mips", 2), 9).segment(ptMIPSABIFlags, mipsFlags(1)[:20]), "mips freebsd exec static; o32 - - -"},

		"arm oabi":            {flags(of("arm", 2), 0), "arm - exec static; oabi - - -"},
		"arm soft":            {flags(of("arm", 2), 0x5000200), "arm - exec static; eabi5 soft - -"},
		"arm hard":            {flags(of("arm", 2), 0x5000400), "armv7 - exec static; eabi5 hard - -"},
		"armv6 by tag":        {noted(arm(), "FreeBSD", 3, []byte("armv6\x00")), "armv6 - exec static; eabi5 - armv6 -"},
		"armv7 by tag":        {noted(arm(), "FreeBSD", 3, []byte("armv7\x00")), "armv7 - exec static; eabi5 - armv7 -"},
		"tag over attributes": {noted(arm(), "FreeBSD", 3, []byte("armv6\x00")).section(shAttributes, armAttributes(le, tagCPUArch, 10)), "armv6 - exec static; eabi5 - armv6 -"},
		"v4T attributes":      {arm().section(shAttributes, armAttributes(le, tagCPUArch, 2, tagABIVFPArgs, 0)), "arm - exec static; eabi5 soft armv5 -"},
		"v6K attributes":      {arm().section(shAttributes, armAttributes(le, tagCPUName, 'x', 0, tagCPUArch, 9, tagABIVFPArgs, 1)), "armv6 - exec static; eabi5 hard armv6 -"},
		"v7 attributes":       {arm().section(shAttributes, armAttributes(le, tagCompat, 1, 'x', 0, 65, 'y', 0, 70, 1, tagCPUArch, 10)), "armv7 - exec static; eabi5 - armv7 -"},
		"v6-M attributes":     {arm().section(shAttributes, armAttributes(le, tagCPUArch, 11)), "armv6 - exec static; eabi5 - armv6 -"},
		"v8 attributes":       {arm().section(shAttributes, armAttributes(le, tagCPUArch, 14)), "armv7 - exec static; eabi5 - armv7 -"},
		"armeb attributes":    {of("armeb", 2).section(shAttributes, armAttributes(be, tagCPUArch, 10)), "armeb - exec static; oabi - armv7 -"},
		"attributes cut":      {arm().section(shAttributes, armAttributes(le, tagCPUArch, 10)[:14]), "arm - exec static; eabi5 - - -"},
		"not attributes":      {arm().section(shAttributes, []byte("B")), "arm - exec static; eabi5 - - -"},
		"attributes length 0": {arm().section(shAttributes, []byte("A\x00\x00\x00\x00\x00\x00\x00\x00")), "arm - exec static; eabi5 - - -"},
		"endless number":      {arm().section(shAttributes, armAttributes(le, bytes.Repeat([]byte{0xff}, 40)...)), "arm - exec static; eabi5 - - -"},
		"endless string":      {arm().section(shAttributes, armAttributes(le, tagCPUName, 'x')), "arm - exec static; eabi5 - - -"},

		"powerpc":     {apu(of("powerpc", 2), 0x40), "powerpc - exec static; - - - -"},
		"powerpc spe": {apu(of("powerpc", 2), 0x100), "powerpcspe - exec static; - - spe -"},
		"powerpc efs": {apu(of("powerpc", 2), 0x101), "powerpcspe - exec static; - - spe -"},

		"riscv double": {flags(of("riscv64", 2), 5), "riscv64 - exec static; lp64d hard - -"},
		"riscv soft":   {flags(of("riscv64", 2), 1), "riscv64sf - exec static; lp64 soft - -"},
		"riscv single": {flags(of("riscv32", 2), 2), "riscv32 - exec static; ilp32f hard - -"},
		"loongarch":    {flags(of("loongarch64", 2), 0x43), "loongarch64 - exec static; lp64d hard - -"},
		"loongarch sf": {flags(of("loongarch64", 2), 0x41), "loongarch64 - exec static; lp64s soft - -"},
		"loongarch 0":  {flags(of("loongarch64", 2), 0), "loongarch64 - exec static; - - - -"},
		"no row":       {with(of("amd64", 2), func(e *elfFile) { e.machine = 0x1234 }), "- - exec static; - - - -"},
	} {
		id := identify(t, c.file.bytes())
		link := id.Interp
		if id.Static {
			link = "static"
		}
		f := []any{id.Name, id.OS, id.Type, link, id.ABI, id.Float, id.CPU, id.OSVersion}
		for i := range f {
			if f[i] == "" {
				f[i] = "-"
			}
		}
		if got := fmt.Sprintf("%s %s %s %s; %s %s %s %s", f...); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

func nop(*elfFile) {}

func TestIdentifyAlso(t *testing.T) {
	id := identify(t, of("armv7", 2).bytes())
	if got := fmt.Sprint(id.Name, id.Also); got != "arm[armv6 armv7]" {
		t.Error(got)
	}
	if id = identify(t, of("amd64", 2).bytes()); id.Also != nil {
		t.Error(id.Also)
	}
}

func TestIdentityString(t *testing.T) {
	e := of("mips64", 3).interp("/lib64/\x1b[1mld.so")
	if got, want := identify(t, e.bytes()).String(), `mips64 pie dynamic "/lib64/\x1b[1mld.so"`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	e = of("mips64", 2)
	e.machine = 0x1234
	if got, want := identify(t, e.bytes()).String(), "64-bit big-endian e_machine 0x1234 exec static"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestIdentifyRefuses(t *testing.T) {
	good := of("mips64", 2).bytes()
	with := func(at int, v byte) []byte {
		b := bytes.Clone(good)
		b[at] = v
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty": {nil, "not an ELF"}, "script": {[]byte("#!/bin/sh\n"), "not an ELF"}, "three bytes": {[]byte("\x7fEL"), "not an ELF"},
		"cut": {good[:40], "cut"}, "cut at 60": {good[:60], "cut"}, "class": {with(4, 3), "class 3"}, "order": {with(5, 0), "order 0"}, "version": {with(6, 2), "version 2"},
	} {
		id, err := Identify(bytes.NewReader(c.file))
		if id != nil || fault.KindOf(err) != fault.Damaged || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", name, id, err)
		}
	}
}

// failing reads fail from an offset on.
type failing struct {
	r    io.ReaderAt
	from int64
}

var errBroken = errors.New("disk is broken")

func (f failing) ReadAt(b []byte, off int64) (int, error) {
	if off+int64(len(b)) > f.from {
		return 0, errBroken
	}
	return f.r.ReadAt(b, off)
}

func TestIdentifyReadError(t *testing.T) {
	file := of("mips64", 2).interp("/lib64/ld.so.1").bytes()
	for _, from := range []int64{0, 64, 120} {
		_, err := Identify(failing{bytes.NewReader(file), from})
		if !errors.Is(err, errBroken) || fault.KindOf(err) != fault.Failed {
			t.Errorf("from %d: %v", from, err)
		}
	}
}

// counting counts what is read.
type counting struct {
	r     io.ReaderAt
	total int
	calls int
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	c.calls++
	n, err := c.r.ReadAt(b, off)
	c.total += n
	return n, err
}

// endless is a file of any length, made of zeros behind its first bytes.
type endless []byte

func (e endless) ReadAt(b []byte, off int64) (int, error) {
	clear(b)
	if off < int64(len(e)) {
		copy(b, e[off:])
	}
	return len(b), nil
}

// A header can promise anything; what is read stays bounded.
func TestIdentifyHostileHeaders(t *testing.T) {
	for name, change := range map[string]func(b []byte, bo binary.ByteOrder){
		"65535 segments": func(b []byte, bo binary.ByteOrder) { bo.PutUint16(b[56:], 0xfffe) },
		"extended": func(b []byte, bo binary.ByteOrder) {
			bo.PutUint16(b[56:], 0xffff)
			bo.PutUint64(b[40:], 0x40)
		},
		"sections extended": func(b []byte, bo binary.ByteOrder) {
			bo.PutUint16(b[60:], 0)
			bo.PutUint64(b[40:], 0x40)
			bo.PutUint64(b[0x40+32:], math.MaxUint64)
		},
		"table at the end of space": func(b []byte, bo binary.ByteOrder) { bo.PutUint64(b[32:], math.MaxUint64-3) },
		"sections at the end": func(b []byte, bo binary.ByteOrder) {
			bo.PutUint64(b[40:], math.MaxInt64)
			bo.PutUint16(b[60:], 0)
		},
		"large entries": func(b []byte, bo binary.ByteOrder) { bo.PutUint16(b[54:], 0xffff) },
		"small entries": func(b []byte, bo binary.ByteOrder) { bo.PutUint16(b[54:], 1) },
		"no entry size": func(b []byte, bo binary.ByteOrder) { bo.PutUint16(b[54:], 0) },
		"segment of everything": func(b []byte, bo binary.ByteOrder) {
			for i := range 3 {
				bo.PutUint64(b[64+56*i+32:], math.MaxUint64)
			}
		},
		"segment at the end": func(b []byte, bo binary.ByteOrder) { bo.PutUint64(b[64+8:], math.MaxUint64) },
	} {
		e := of("mips64", 3).interp("/lib64/ld.so.1").dynamic(1, 1)
		e.segment(ptNote, gnuTag(e, 0))
		b := e.bytes()
		change(b, e.bo())
		for _, r := range []io.ReaderAt{bytes.NewReader(b), endless(b)} {
			c := &counting{r: r}
			id, err := Identify(c)
			if err != nil || id.Name != "mips64" {
				t.Errorf("%s: %v, %v", name, id, err)
			}
			if c.total > 8<<20 || c.calls > 100 {
				t.Errorf("%s: %d bytes in %d reads", name, c.total, c.calls)
			}
		}
	}
}

// 65534 notes of the largest size: the budget ends it.
func TestIdentifyBudget(t *testing.T) {
	e := of("mips64", 2)
	for range 10000 {
		e.segment(ptNote, nil)
	}
	b := e.bytes()
	for i := range 10000 {
		e.bo().PutUint64(b[64+56*i+32:], 1<<40)
	}
	c := &counting{r: endless(b)}
	if _, err := Identify(c); err != nil || c.total > 8<<20 {
		t.Errorf("%d bytes, %v", c.total, err)
	}
}

// sameAsDebugELF compares with debug/elf, for what that accepts.
func sameAsDebugELF(t *testing.T, name string, r io.ReaderAt) bool {
	t.Helper()
	want, err := elf.NewFile(r)
	if err != nil {
		return false
	}
	id, err := Identify(r)
	if err != nil {
		t.Errorf("%s: debug/elf accepts it: %v", name, err)
		return true
	}
	class := map[elf.Class]int{elf.ELFCLASS32: 32, elf.ELFCLASS64: 64}[want.Class]
	order := map[elf.Data]Order{elf.ELFDATA2LSB: Little, elf.ELFDATA2MSB: Big}[want.Data]
	if id.Class != class || id.Order != order || id.Machine != uint16(want.Machine) || id.ELFType != uint16(want.Type) ||
		id.OSABI != uint8(want.OSABI) || id.ABIVersion != want.ABIVersion {
		t.Errorf("%s: %+v, debug/elf: %+v", name, id, want.FileHeader)
	}
	return true
}

// interpOf is PT_INTERP as debug/elf reads it.
func interpOf(f *elf.File) string {
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, _ := io.ReadAll(io.LimitReader(p.Open(), 4096))
			return strings.TrimRight(string(b), "\x00")
		}
	}
	return ""
}

// The programs of this machine and the ELF files that the Go toolchain is
// tested with.
func TestIdentifyRealFiles(t *testing.T) {
	seen := 0
	dirs := []string{"/bin", "/usr/bin", "/sbin", "/lib", "/usr/lib/x86_64-linux-gnu", "/usr/libexec"}
	for _, dir := range append(dirs, filepath.Join(goRoot(t), "src/debug")) {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || seen > 1500 {
				return nil
			}
			f, err := os.Open(path)
			if err != nil {
				return nil
			}
			defer f.Close()
			if sameAsDebugELF(t, path, f) {
				seen++
				sameInterp(t, path, f)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if seen == 0 {
		t.Skip("no ELF file on this machine")
	}
	t.Log(seen, "ELF files")
}

func sameInterp(t *testing.T, path string, r io.ReaderAt) {
	t.Helper()
	f, err := elf.NewFile(r)
	if err != nil {
		t.Fatal(err)
	}
	id, err := Identify(r)
	if err != nil {
		t.Fatal(err)
	}
	if want := interpOf(f); id.Interp != want {
		t.Errorf("%s: interpreter %q, want %q", path, id.Interp, want)
	}
	if id.Arch == nil && id.Machine != uint16(elf.EM_BPF) {
		t.Errorf("%s: no row for %s", path, id)
	}
}

// goRoot is where the Go toolchain is; "" when there is none.
func goRoot(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Log("no go command: ", err)
	}
	return strings.TrimSpace(string(out))
}

// The Go toolchain's fixtures, by name: what they must be.
func TestIdentifyGoFixtures(t *testing.T) {
	dir := filepath.Join(goRoot(t), "src/debug/elf/testdata")
	for name, want := range map[string]string{
		"gcc-386-freebsd-exec":                   `i386 freebsd exec dynamic "/libexec/ld-elf.so.1"`,
		"gcc-amd64-linux-exec":                   `amd64 linux exec dynamic "/lib64/ld-linux-x86-64.so.2"`,
		"gcc-riscv64-linux-exec":                 `riscv64 linux exec dynamic "/lib/ld-linux-riscv64-lp64d.so.1"`,
		"go-relocation-test-gcc492-mips64.obj":   "mips64 object",
		"go-relocation-test-gcc493-mips64le.obj": "mips64el object",
		"go-relocation-test-gcc5-ppc.obj":        "powerpc object",
		"go-relocation-test-gcc482-ppc64le.obj":  "powerpc64le object",
		"go-relocation-test-gcc531-s390x.obj":    "s390x object",
		"go-relocation-test-gcc620-sparc64.obj":  "sparc64 object",
		"go-relocation-test-gcc492-arm.obj":      "armv7 object",
		"go-relocation-test-gcc482-aarch64.obj":  "aarch64 object",
		"go-relocation-test-gcc540-mips.obj":     "mips object",
		"gcc-amd64-openbsd-debug-with-rela.obj":  "amd64 object",
	} {
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			t.Log("skipped: ", err)
			continue
		}
		id, err := Identify(f)
		f.Close()
		if err != nil || id.String() != want {
			t.Errorf("%s: %v (%v), want %s", name, id, err, want)
		}
	}
}

// FuzzIdentify: no panic, bounded reads, and agreement with debug/elf on what
// that accepts.
func FuzzIdentify(f *testing.F) {
	e := of("mips64", 3).interp("/lib64/ld.so.1").library(dtNeeded, "libc.so.6").dynamic(dtFlags1, df1PIE)
	e.segment(ptNote, gnuTag(e, 0)).segment(ptMIPSABIFlags, mipsFlags(1))
	f.Add(e.bytes())
	e = of("armv7", 2).section(shAttributes, armAttributes(binary.LittleEndian, tagCPUName, 'x', 0, tagCPUArch, 10, tagABIVFPArgs, 1))
	f.Add(e.section(shNote, e.note("FreeBSD", 3, []byte("armv7\x00"))).bytes())
	e = of("powerpc", 2)
	f.Add(e.section(shNote, e.note("APUinfo", 2, e.words(0x1000001))).bytes())
	f.Add(of("riscv64", 2).bytes())
	f.Add([]byte(elfMagic))
	f.Fuzz(func(t *testing.T, file []byte) {
		c := &counting{r: bytes.NewReader(file)}
		id, err := Identify(c)
		if c.total > 8<<20 {
			t.Fatalf("%d bytes read", c.total)
		}
		if err != nil && fault.KindOf(err) != fault.Damaged {
			t.Fatalf("kind of %v", err)
		}
		if err == nil {
			checkIdentity(t, file, id)
		}
		sameAsDebugELF(t, "fuzz", bytes.NewReader(file))
	})
}

// checkIdentity holds an identity against the catalog.
func checkIdentity(t *testing.T, file []byte, id *Identity) {
	t.Helper()
	_ = id.String()
	if id.Static && id.Interp != "" {
		t.Fatal("static with an interpreter")
	}
	if id.Arch == nil {
		return
	}
	if err := id.Arch.Accepts(id); err != nil {
		t.Fatal(err)
	}
	e := file[atEVersion : atEVersion+4]
	program := (id.ELFType == 2 || id.ELFType == 3) && id.Order.Binary().Uint32(e) == 1 && bytes.Equal(file[9:16], make([]byte, 7))
	if program && (id.ABIVersion == 0 || id.Arch.AnyABIVersion) && !id.Arch.Pattern(Any).Match(file) {
		t.Fatalf("the pattern of %s does not match", id.Name)
	}
}
