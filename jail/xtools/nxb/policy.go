package nxb

import (
	"path"
	"slices"
	"strings"
)

// Policy tells whether a program of the tree is to be native. name is its path in
// the root, such as usr/bin/sed. reason says why not and is kept in the manifest;
// "" where there is nothing to tell. A policy need not know what can be moved:
// that is found out from the files.
type Policy func(name string) (wanted bool, reason string)

// toolDirs are where the programs of a root are.
var toolDirs = []string{"bin", "sbin", "usr/bin", "usr/sbin"}

// never are programs that no policy makes native.
var never = map[string]string{
	"sbin/sysctl": "poudriere runs it emulated, so that the emulator translates what it tells of the machine",
}

// frequent are the programs of Default beyond those that poudriere names.
var frequent = strings.Fields(`
	bin/[ bin/chflags bin/date bin/dd bin/link bin/pwd bin/tcsh bin/test bin/unlink
	usr/bin/addr2line usr/bin/ar usr/bin/basename usr/bin/bc usr/bin/bmake usr/bin/bsdcat
	usr/bin/bsdcpio usr/bin/bsdtar usr/bin/bunzip2 usr/bin/byacc usr/bin/bzcat usr/bin/bzip2 usr/bin/c++filt
	usr/bin/chgrp usr/bin/cksum usr/bin/clang usr/bin/clang++ usr/bin/clang-cpp usr/bin/cmp
	usr/bin/comm usr/bin/cpio usr/bin/csplit usr/bin/cut usr/bin/dc usr/bin/diff3 usr/bin/egrep usr/bin/elfcopy
	usr/bin/expand usr/bin/false usr/bin/fgrep usr/bin/file usr/bin/flex++ usr/bin/fmt usr/bin/fold
	usr/bin/getopt usr/bin/grep usr/bin/groups usr/bin/hexdump usr/bin/indent usr/bin/jot
	usr/bin/join usr/bin/ld.lld usr/bin/lex usr/bin/lex++ usr/bin/llvm-ar usr/bin/llvm-nm usr/bin/llvm-objcopy
	usr/bin/llvm-objdump usr/bin/llvm-ranlib usr/bin/llvm-readelf usr/bin/llvm-size usr/bin/llvm-strings
	usr/bin/llvm-strip usr/bin/logname usr/bin/lzcat usr/bin/lzma usr/bin/m4 usr/bin/mandoc
	usr/bin/mktemp usr/bin/nl usr/bin/objdump usr/bin/od usr/bin/paste usr/bin/pr usr/bin/printenv
	usr/bin/printf usr/bin/rev usr/bin/rgrep usr/bin/rpcgen usr/bin/sdiff usr/bin/seq usr/bin/split usr/bin/stat
	usr/bin/sum usr/bin/tail usr/bin/tee usr/bin/tr usr/bin/true usr/bin/tsort usr/bin/unexpand usr/bin/uniq
	usr/bin/unlzma usr/bin/unxz usr/bin/unzip usr/bin/whoami usr/bin/xz usr/bin/xzcat usr/bin/zcat
	usr/sbin/mtree sbin/ripemd160 sbin/rmd160 sbin/sha224 sbin/sha384 sbin/skein256 sbin/skein512 sbin/skein1024`)

// telling are programs that Default leaves to the jail, with the reasons.
var telling = map[string]string{
	"bin/freebsd-version":    "tells the release of the root",
	"bin/ps":                 "tells the kernel's processes, not the emulator's",
	"sbin/ldconfig":          "writes the hints of the jail's libraries, in its byte order",
	"usr/bin/cap_mkdb":       "writes a data base in the machine's byte order",
	"usr/bin/getconf":        "tells the machine's limits",
	"usr/bin/iconv":          "loads the jail's conversion modules by path",
	"usr/bin/ldd":            "lists the libraries of the jail's programs",
	"usr/bin/localedef":      "writes locales in the machine's byte order",
	"usr/bin/uname":          "tells the machine",
	"usr/sbin/pkg":           "tells the machine",
	"usr/sbin/pwd_mkdb":      "writes a data base in the machine's byte order",
	"usr/bin/truss":          "follows the jail's programs",
	"usr/bin/ktrace":         "follows the jail's programs",
	"usr/sbin/services_mkdb": "writes a data base in the machine's byte order",
}

// Default is the policy where there is no other: what poudriere names, what
// FreeBSD builds for native-xtools, and further small programs that builds run
// often and that neither tell the machine nor depend on its byte order.
func Default(name string) (wanted bool, reason string) {
	if reason, ok := telling[name]; ok {
		return false, reason
	}
	return slices.Contains(linked, name) || slices.Contains(Required(), name) || name == assembler ||
		slices.Contains(frequent, name), ""
}

// rescued are the programs for which /rescue has the same one, static, and in
// which it makes no difference that /rescue's are compiled with RESCUE: they run
// no other program and know no directories (paths.h), as sh, csh, mv, ed, tar and
// vi do.
var rescued = strings.Fields(`
	bin/[ bin/cat bin/chmod bin/cp bin/date bin/dd bin/echo bin/expr bin/hostname bin/link bin/ln bin/ls
	bin/mkdir bin/pwd bin/realpath bin/rm bin/rmdir bin/sleep bin/test bin/unlink
	usr/bin/bunzip2 usr/bin/bzcat usr/bin/bzip2 usr/bin/chgrp usr/bin/gunzip usr/bin/gzcat usr/bin/gzip
	usr/bin/head usr/bin/lzcat usr/bin/lzma usr/bin/sed usr/bin/tail usr/bin/tee usr/bin/unlzma usr/bin/unxz
	usr/bin/xz usr/bin/xzcat usr/bin/zcat
	usr/sbin/chown`)

// wants asks the policy. Programs that poudriere names without looking are
// always wanted, and some never.
func (o *Options) wants(name string) (bool, string) {
	if reason, ok := never[name]; ok {
		return false, reason
	}
	if slices.Contains(Required(), name) {
		return true, ""
	}
	return o.Policy(name)
}

// rescue is the name below /rescue that can stand for a program, "" for none.
func (o *Options) rescue(name string) string {
	if o.NoRescue || !slices.Contains(rescued, name) {
		return ""
	}
	return "rescue/" + path.Base(name)
}
