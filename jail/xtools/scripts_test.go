package xtools

import (
	"context"
	"crypto/md5" //nolint:gosec // dpkg's
	"encoding/hex"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

const scriptStatus = `Package: perl-base
Status: install ok installed
Architecture: mips64el
Version: 5.36.0-7

Package: liblocale-gettext-perl
Status: install ok installed
Architecture: mips64el
Version: 1.07-5

Package: dpkg-dev
Status: install ok installed
Architecture: all
Version: 1.21.22

Package: help2man
Status: install ok installed
Architecture: mips64el
Version: 1.49.3
`

const (
	target   = "usr/lib/mips64el-linux-gnuabi64/"
	perlHead = "#!/usr/bin/perl"
)

// scriptRoot is a root with scripts, changed by more.
func scriptRoot(t *testing.T, more map[string]string) (*Subject, *Installed) {
	t.Helper()
	files := map[string]string{
		"bin": "-> usr/bin", statusFile: scriptStatus,
		perlPath:                       elfSpec{machine: 8, interp: "/lib64/ld.so.1"}.file(),
		target + "perl-base/Config.pm": "1;", target + "perl5/5.36/auto/Locale/gettext.so": "x",
		"usr/bin/dpkg-buildflags":                perlHead + " -w\nprint 1;\n",
		"usr/bin/dpkg-architecture":              perlHead + "\nprint 1;\n",
		"usr/bin/dpkg-source":                    "#!/bin/sh\n",
		"usr/bin/other":                          perlHead + "\n",
		"usr/bin/help2man":                       "#! " + perlHead[2:] + "\n'/usr/lib/mips64el-linux-gnuabi64/help2man'\n",
		infoDir + "/perl-base.list":              "/usr/bin/perl\n/" + target + "perl-base/Config.pm\n",
		infoDir + "/dpkg-dev.list":               "/bin/dpkg-buildflags\n/usr/bin/dpkg-architecture\n/usr/bin/dpkg-source\n/usr/bin/other\n/usr/bin/dpkg-vendor\n",
		infoDir + "/help2man.list":               "/usr/bin/help2man\n",
		infoDir + "/liblocale-gettext-perl.list": "/" + target + "perl5/5.36/auto/Locale/gettext.so\n",
	}
	sum := func(name string) string {
		s := md5.Sum([]byte(files[name])) //nolint:gosec // as above
		return hex.EncodeToString(s[:]) + "  " + name + "\n"
	}
	files[infoDir+"/dpkg-dev.md5sums"] = sum("usr/bin/dpkg-buildflags") + sum("usr/bin/dpkg-architecture") + sum("usr/bin/dpkg-source")
	files[infoDir+"/help2man.md5sums"] = sum("usr/bin/help2man")
	maps.Copy(files, more)
	mips, err := arch.Lookup("mips64el")
	if err != nil {
		t.Fatal(err)
	}
	host, err := arch.Lookup("amd64")
	if err != nil {
		t.Fatal(err)
	}
	s := &Subject{Root: makeRoot(t, files), Arch: mips, Host: host}
	in, err := ReadInstalled(s.Root, "mips64el")
	if err != nil {
		t.Fatal(err)
	}
	return s, in
}

func TestFindScripts(t *testing.T) {
	all := []string{"usr/bin/dpkg-architecture", "usr/bin/dpkg-buildflags", "usr/bin/help2man"}
	for name, tt := range map[string]struct {
		more map[string]string
		want []string
		why  string // of one that is left
	}{
		"all":                         {nil, all, ""},
		"a script that was changed":   {map[string]string{"usr/bin/dpkg-buildflags": perlHead + "\nprint 2;\n"}, []string{all[0], all[2]}, "not as package dpkg-dev"},
		"no sums":                     {map[string]string{infoDir + "/help2man.md5sums": ""}, all[:2], "not as package help2man"},
		"a link":                      {map[string]string{"usr/bin/help2man": "-> dpkg-source"}, all[:2], ""},
		"a module of nobody":          {map[string]string{target + "perl5/5.36/X.pm": "1;"}, nil, "of no package: /" + target + "perl5/5.36/X.pm"},
		"a module of /usr/local":      {map[string]string{"usr/local/lib/mips64el-linux-gnuabi64/perl/5.36.0/X.pm": "1;"}, nil, "of no package: /usr/local"},
		"a perl that is a script":     {map[string]string{perlPath: "#!/bin/sh\n"}, nil, "no /usr/bin/perl"},
		"a perl of another machine":   {map[string]string{perlPath: program()}, nil, "perl is not a program of"},
		"a perl that no package has":  {map[string]string{infoDir + "/perl-base.list": ""}, nil, "no /usr/bin/perl"},
		"another interpreter":         {map[string]string{"usr/bin/help2man": "#!/usr/bin/perl5.36\n"}, all[:2], ""},
		"one that is too long":        {map[string]string{"usr/bin/help2man": perlHead + "\n" + strings.Repeat("#", scriptMax)}, all[:2], ""},
		"one that leads out of there": {map[string]string{"usr/bin/help2man": "-> ../../../../../etc/passwd"}, all[:2], ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, in := scriptRoot(t, tt.more)
			set, left, err := findScripts(s, in, DefaultPolicy())
			if err != nil {
				t.Fatal(err)
			}
			left = slices.DeleteFunc(left, func(l Left) bool { return l.State == Emulated })
			var got []string
			for _, c := range set.list {
				got = append(got, c.name)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("found %q", got)
			}
			if (tt.why != "") != (len(left) > 0) || tt.why != "" && !strings.Contains(left[0].Why, tt.why) {
				t.Errorf("left %+v, want %q", left, tt.why)
			}
			if len(got) > 0 && !slices.Equal(set.owners, []string{"perl-base", "liblocale-gettext-perl"}) {
				t.Errorf("modules of %q", set.owners)
			}
		})
	}
}

// Each script of perl where programs are is listed, with the reason why it stays.
func TestScriptsLeft(t *testing.T) {
	s, in := scriptRoot(t, map[string]string{
		"usr/bin/by-env": "#!/usr/bin/env perl\n", "usr/bin/by-name": "#! /usr/bin/perl5.36 -w\n", "usr/bin/python": "#!/usr/bin/python3\n",
		"usr/bin/by-env-python": "#!/usr/bin/env python3\n", "usr/bin/empty": "", "usr/bin/no-line": "#!", "usr/bin/link": "-> other",
		"usr/bin/dpkg-buildflags": perlHead + "\nprint 2;\n", "usr/bin/dh_perl": perlHead + "\n",
	})
	_, left, err := findScripts(s, in, DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"/usr/bin/by-env": "emulated: is not run by /usr/bin/perl, but by /usr/bin/env perl", "/usr/bin/by-name": "emulated: is not run by /usr/bin/perl, but by /usr/bin/perl5.36 -w",
		"/usr/bin/other": "emulated: is not among", "/usr/bin/dh_perl": "excluded: writes the path", "/usr/bin/dpkg-buildflags": "drifted: it is not as package dpkg-dev",
	}
	for _, l := range left {
		if got := string(l.State) + ": " + l.Why; want[l.Path] == "" || !strings.HasPrefix(got, want[l.Path]) || !l.Script {
			t.Errorf("%s is %s", l.Path, got)
		}
		delete(want, l.Path)
	}
	if len(want) > 0 {
		t.Errorf("not left are %v", want)
	}
}

// A directory of modules that was there and has not changed is as it was.
func TestScriptModules(t *testing.T) {
	s, in := scriptRoot(t, nil)
	set, _, err := findScripts(s, in, DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range set.modules {
		names = append(names, d.Path)
		st, _ := s.Root.Lstat(d.Path[1:])
		if !d.Same(st) {
			t.Errorf("%s is another", d.Path)
		}
	}
	perl5 := "/" + target + "perl5"
	want := []string{perl5, perl5 + "/5.36", perl5 + "/5.36/auto", perl5 + "/5.36/auto/Locale", "/usr/local/lib/mips64el-linux-gnuabi64/perl"}
	if !slices.Equal(names, want) {
		t.Errorf("watched are %q", names)
	}
	if err := s.Root.WriteFile(target+"perl5/5.36/New.pm", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if st, _ := s.Root.Lstat(set.modules[1].Path[1:]); set.modules[1].Same(st) {
		t.Error("a new module is not noticed")
	}
	if set.modules[0].Same(nil) {
		t.Error("a directory that is gone is not noticed")
	}
}

func TestPickScripts(t *testing.T) {
	twins := func() map[string][]Package {
		return map[string][]Package{
			"perl-base":              {{Name: "perl-base", Arch: "amd64", Version: "5.36.0-7+b1"}},
			"liblocale-gettext-perl": {{Name: "liblocale-gettext-perl", Arch: "amd64", Version: "1.07-5"}},
			"help2man":               {{Name: "help2man", Arch: "amd64", Version: "1.49.3"}},
		}
	}
	for name, tt := range map[string]struct {
		change     string
		left, kept int
	}{"all": {"", 0, 3}, "perl": {"perl-base", 3, 0}, "a module": {"liblocale-gettext-perl", 3, 0}, "a script": {"help2man", 1, 2}} {
		s, in := scriptRoot(t, nil)
		set, _, err := findScripts(s, in, DefaultPolicy())
		if err != nil {
			t.Fatal(err)
		}
		index := twins()
		if tt.change != "" {
			index[tt.change][0].Version = "9"
		}
		c := &chooser{subject: s, in: in, index: index, pairs: map[string]PackagePair{}, chosen: map[string]Package{}, scripts: set}
		if left := c.pickScripts(DefaultPolicy()); len(left) != tt.left || len(set.list) != tt.kept || len(left) > 0 && left[0].State != Drifted {
			t.Errorf("%s: left %+v, kept %d", name, left, len(set.list))
		}
	}
}

// scriptStage is what the packages of the host have for scriptRoot.
func scriptStage() map[string]string {
	return map[string]string{
		perlPath: program("libc.so.6"), "usr/lib64/ld-linux-x86-64.so.2": goodLoader(), libs + "libc.so.6": library("libc.so.6"),
		libs + "perl-base/Config.pm": "native", libs + "perl-base/Errno.pm": "1;", libs + "perl/5.36.0/Config_heavy.pl": "native",
		libs + "perl/5.36": "-> 5.36.0", libs + "perl5/5.36/auto/Locale/gettext.so": library("gettext.so", "libi.so.1"),
		libs + "libi.so.1": library("libi.so.1"), libs + "perl/5.36.0/CORE/perl.h": "x", libs + "perl/5.36.0/auto/B.so": library("B.so"),
		libs + "perl/5.36.0/x.pod": "x", libs + "perl/debian-config-data-5.36.0/README": "x", libs + "perl5/Other.pm": "of a package that the root has not",
		"usr/bin/help2man": "#! /usr/bin/perl\n'/usr/lib/x86_64-linux-gnu/help2man'\n",
	}
}

// scriptBuild stages files for the scripts of scriptRoot, as if they were of the
// packages that these are of.
func scriptBuild(t *testing.T, files map[string]string) *farmBuild {
	t.Helper()
	s, in := scriptRoot(t, nil)
	set, _, err := findScripts(s, in, DefaultPolicy())
	if err != nil {
		t.Fatal(err)
	}
	b := newBuild(t, files)
	b.scripts = set
	for name := range b.stage.owner {
		owner := Package{Name: "perl-base", Version: "5.36.0-7"}
		switch {
		case strings.HasPrefix(name, libs+"perl5/5.36/"):
			owner.Name = "liblocale-gettext-perl"
		case strings.HasPrefix(name, libs+"perl5/"):
			owner.Name = "libother-perl"
		}
		b.stage.owner[name] = owner
	}
	return b
}

func TestFarmOfScripts(t *testing.T) {
	all := func(why string) map[string]string {
		return map[string]string{"usr/bin/help2man": why, "usr/bin/dpkg-buildflags": why, "usr/bin/dpkg-architecture": why}
	}
	const gettext = libs + "perl5/5.36/auto/Locale/gettext.so"
	for name, tt := range map[string]struct {
		file, text string // "none" is a file that is not staged
		rejected   map[string]string
	}{
		"all":                         {"", "", map[string]string{}},
		"another script":              {"usr/bin/help2man", perlHead + "\n", map[string]string{"usr/bin/help2man": "another script"}},
		"a library is missing":        {libs + "libi.so.1", "none", all("libi.so.1")},
		"a directory of a module is":  {gettext, "none", all("no module of perl for /" + target + "perl5/5.36/auto/Locale/gettext.so")},
		"Config is":                   {libs + "perl-base/Config.pm", "none", all("no module of perl for /" + target + "perl-base/Config.pm")},
		"perl is":                     {perlPath, "none", all("has no perl")},
		"perl is a script":            {perlPath, "#!/bin/sh\n", all("has no perl")},
		"an Errno that compares":      {libs + "perl-base/Errno.pm", "$Config{'osvers'}", all("Config")},
		"a module of another machine": {gettext, library("gettext.so")[:450], all("perl")},
	} {
		t.Run(name, func(t *testing.T) {
			files := scriptStage()
			if tt.file != "" {
				files[tt.file] = tt.text
			}
			if tt.text == "none" {
				delete(files, tt.file)
			}
			b := scriptBuild(t, files)
			if err := b.build(context.Background(), nil, nil); err != nil {
				t.Fatal(err)
			}
			if len(b.farm.Rejected) != len(tt.rejected) {
				t.Errorf("rejected are %q", b.farm.Rejected)
			}
			for name, why := range tt.rejected {
				if !strings.Contains(b.farm.Rejected[name], why) {
					t.Errorf("%s is rejected with %q", name, b.farm.Rejected[name])
				}
			}
			if perl := len(b.farm.Perl) > 0; perl != (len(tt.rejected) < 3) {
				t.Errorf("perl of %q with %d scripts rejected", b.farm.Perl, len(tt.rejected))
			}
		})
	}
}

// A farm has plain files only, and of perl what scripts can load.
func TestFarmHasNativePerl(t *testing.T) {
	b := scriptBuild(t, scriptStage())
	if err := b.build(context.Background(), nil, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/bin/dpkg-buildflags":          "#!/" + libs + "nxb-bin/perl -w\nprint 1;\n",
		"usr/bin/help2man":                 "#! /" + libs + "nxb-bin/perl\n'/usr/lib/mips64el-linux-gnuabi64/help2man'\n",
		libs + "nxb-bin/perl5":             inFarm(program("libc.so.6")),
		libs + "nxb-bin/perl":              string(perlChooser(libs)),
		libs + "perl-base/Config.pm":       "require '/" + target + "perl-base/Config.pm';\n1;\n",
		libs + "perl/5.36/Config_heavy.pl": "require '/" + target + "perl/5.36/Config_heavy.pl';\n1;\n",
		libs + "perl-base/Errno.pm":        "1;",
		libs + "perl/5.36/auto/B.so":       library("B.so"),
		libs + "libi.so.1":                 library("libi.so.1"),
	} {
		if text, err := b.dir.ReadFile(farmRoot + "/" + name); err != nil || string(text) != want {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	for _, name := range []string{
		libs + "perl/5.36/CORE", libs + "perl/5.36/x.pod", libs + "perl/5.36.0", libs + "perl/debian-config-data-5.36.0",
		libs + "perl5/Other.pm", perlPath,
	} {
		if _, err := b.dir.Lstat(farmRoot + "/" + name); err == nil {
			t.Errorf("%s is in the farm", name)
		}
	}
	root, err := b.dir.OpenRoot(farmRoot)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	if err := eachFile(context.Background(), root, func(string, fs.FileInfo) error { return nil }); err != nil {
		t.Error(err)
	}
}

func TestNativeScript(t *testing.T) {
	for text, want := range map[string]string{
		"#!/usr/bin/perl\nx":                 "#!/L/nxb-bin/perl\nx",
		"#! /usr/bin/perl -T -w\nx":          "#! /L/nxb-bin/perl -T -w\nx",
		"#!/usr/bin/perl5.36\n":              "#!/usr/bin/perl5.36\n",
		"\n#!/usr/bin/perl\n":                "\n#!/usr/bin/perl\n",
		"#!/usr/bin/env perl\n":              "#!/usr/bin/env perl\n",
		"#!/usr/bin/perl\n#!/usr/bin/perl\n": "#!/L/nxb-bin/perl\n#!/usr/bin/perl\n",
	} {
		if got := string(nativeScript([]byte(text), "L")); got != want {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}
