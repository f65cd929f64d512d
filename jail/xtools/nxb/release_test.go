package nxb

import (
	"debug/elf"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestReadRelease(t *testing.T) {
	script := func(version string) entry {
		return entry{data: []byte("#!/bin/sh\nset -e\nUSERLAND_VERSION=\"" + version + "\"\n: ${LOADER_DIR:=/boot}\n")}
	}
	param := func(n string) entry {
		return entry{data: []byte("#undef __FreeBSD_version\n#define __FreeBSD_version " + n + "\n")}
	}
	jail := foreign(elf.EM_MIPS, true)
	jail.note = 1302001
	tests := []struct {
		name string
		tree fakeTree
		want Release
	}{
		{"both", fakeTree{"bin/freebsd-version": script("15.1-RELEASE-p1"), "usr/include/sys/param.h": param("1501000")}, Release{"15.1-RELEASE", "p1", 1501000}},
		{"no headers", fakeTree{"bin/freebsd-version": script("13.2-RELEASE"), "bin/sh": {data: jail.bytes()}}, Release{"13.2-RELEASE", "", 1302001}},
		{"headers only", fakeTree{"usr/include/sys/param.h": param("903000")}, Release{"9.3", "", 903000}},
		{"programs only", fakeTree{"bin/sh": {data: jail.bytes()}}, Release{"13.2", "", 1302001}},
		{"current", fakeTree{"bin/freebsd-version": script("16.0-CURRENT"), "usr/include/sys/param.h": param("1600004")}, Release{"16.0-CURRENT", "", 1600004}},
		{"candidate", fakeTree{"bin/freebsd-version": script("15.1-RC2")}, Release{"15.1-RC2", "", 0}},
		{"beta", fakeTree{"bin/freebsd-version": script("15.2-BETA1"), "usr/include/sys/param.h": param("1501502")}, Release{"15.2-BETA1", "", 1501502}},
		{"links as in a chroot", fakeTree{"bin": {symlink: "/usr/bin"}, "usr/bin/freebsd-version": script("15.1-RELEASE")}, Release{"15.1-RELEASE", "", 0}},
	}
	for _, tt := range tests {
		got, err := ReadRelease(tt.tree.make(t))
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v; want %+v", tt.name, got, err, tt.want)
		}
	}
	for version, number := range map[string]string{"15.2-RELEASE": "1501502", "15.3-BETA1": "1501502", "16.0-CURRENT": "1501502"} {
		tree := fakeTree{"bin/freebsd-version": script(version), "usr/include/sys/param.h": param(number)}
		if got, err := ReadRelease(tree.make(t)); fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s with %s: %+v, %v", version, number, got, err)
		}
	}
	for name, tree := range map[string]fakeTree{
		"empty":         {},
		"link out":      {"bin/freebsd-version": {symlink: "/../../../../../etc/hostname"}},
		"circle":        {"bin/freebsd-version": {symlink: "freebsd-version"}},
		"through files": {"bin": {data: []byte("x")}},
	} {
		if _, err := ReadRelease(tree.make(t)); fault.KindOf(err) != fault.NotFound || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSameRelease(t *testing.T) {
	r := func(version string, n int) Release { return Release{Version: version, OSVersion: n} }
	tests := []struct {
		a, b Release
		same bool
	}{
		{r("15.1-RELEASE", 1501000), r("15.1-RELEASE", 1501000), true},
		{Release{"15.1-RELEASE", "p1", 1501000}, Release{"15.1-RELEASE", "p4", 1501001}, true},
		{r("15.1-RELEASE", 0), r("15.1-RELEASE", 1501000), true},
		{r("15.1", 1501000), r("15.1-RELEASE", 1501000), true},
		{r("15.1", 1501500), r("15.1-RELEASE", 1501000), true}, // the branch behind the release, known by its number only
		{r("15.1", 1501502), r("15.2-BETA1", 1501502), true},   // programs of a branch that is called so already
		{r("15.1", 1501000), r("15.2-BETA1", 1501502), false},
		{r("15.0-RELEASE", 1500068), r("15.1-RELEASE", 1501000), false},
		{r("15.1-RC1", 1501000), r("15.1-RELEASE", 1501000), false},
		{r("15.1", 1501000), r("15.0-RELEASE", 1500068), false},
		{r("16.0-CURRENT", 1600004), r("16.0-CURRENT", 1600004), true},
		{r("16.0-CURRENT", 1600004), r("16.0-CURRENT", 1600005), false},
		{r("16.0-CURRENT", 0), r("16.0-CURRENT", 1600005), true},
	}
	for _, tt := range tests {
		if err := tt.a.same(tt.b, "tree"); (err == nil) != tt.same {
			t.Errorf("%+v and %+v: %v", tt.a, tt.b, err)
		}
	}
}
