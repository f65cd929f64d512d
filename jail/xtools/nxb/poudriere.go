package nxb

import (
	"fmt"
	"slices"
	"strings"
)

// makeVariables are the lines that poudriere's setup_xdev writes to
// etc/make.nxb.conf, in its order. The files must be there: it writes the lines
// whether they are or not.
var makeVariables = []struct{ name, path string }{
	{"CC", "usr/bin/cc"},
	{"CPP", "usr/bin/cpp"},
	{"CXX", "usr/bin/c++"},
	{"NM", "usr/bin/nm"},
	{"LD", "usr/bin/ld"},
	{"OBJCOPY", "usr/bin/objcopy"},
	{"SIZE", "usr/bin/size"},
	{"STRIPBIN", "usr/bin/strip"},
	{"SED", "usr/bin/sed"},
	{"RANLIB", "usr/bin/ranlib"},
	{"YACC", "usr/bin/yacc"},
	{"MAKE", "usr/bin/make"},
	{"STRINGS", "usr/bin/strings"},
	{"AWK", "usr/bin/awk"},
	{"FLEX", "usr/bin/flex"},
}

// assembler is the variable that poudriere sets only where there is the file;
// as(1) left the base system with 13.0.
const assembler = "usr/bin/as"

// linked are the files that setup_xdev puts over the jail's own by hard links,
// where /nxb-bin has them; bin/sh and bin/csh unless TARGET is mips.
var linked = strings.Fields(`
	usr/bin/env usr/bin/gzip usr/bin/head usr/bin/id usr/bin/limits usr/bin/make usr/bin/dirname usr/bin/diff
	usr/bin/makewhatis usr/bin/find usr/bin/gzcat usr/bin/awk usr/bin/touch usr/bin/sed usr/bin/patch
	usr/bin/install usr/bin/gunzip usr/bin/readelf usr/bin/sort usr/bin/tar usr/bin/wc usr/bin/xargs
	usr/sbin/chown
	bin/cp bin/cat bin/chmod bin/echo bin/expr bin/hostname bin/ln bin/ls bin/mkdir bin/mv bin/realpath bin/rm
	bin/rmdir bin/sleep
	sbin/sha256 sbin/sha512 sbin/md5 sbin/sha1
	bin/sh bin/csh`)

// Required are the programs that every layout has: poudriere's make.nxb.conf
// names them without looking.
func Required() []string {
	var all []string
	for _, v := range makeVariables {
		all = append(all, v.path)
	}
	return all
}

// Linked are the files that poudriere lays over the jail's, in its order.
func Linked() []string { return slices.Clone(linked) }

// MakeConf is what poudriere writes to etc/make.nxb.conf for the layout: make(1)
// variables, one a line. poudriere writes its own at every start of a jail.
func (m *Manifest) MakeConf() string {
	var b strings.Builder
	for _, v := range makeVariables {
		fmt.Fprintf(&b, "%s=%s/%s\n", v.name, prefix, v.path)
	}
	if m.Lookup(assembler) != nil {
		fmt.Fprintf(&b, "AS=%s/%s\n", prefix, assembler)
	}
	return b.String()
}
