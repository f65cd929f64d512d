package xtools

import (
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestPolicy(t *testing.T) {
	p := DefaultPolicy()
	for name, never := range map[string]bool{
		"uname": true, "arch": true, "dpkg": true, "apt-get": true, "perl5.36.0": true, "python3.11": true, "ldd": true,
		"sysctl": true, "getconf": true, "pkg-config": true, "busybox": true, "cmake": true, "qemu-mips64": true,
		"mips64el-linux-gnuabi64-lto-dump-12": true,
		"sed":                                 false, "dash": false, "bash": false, "make": false, "cc1": false, "dpkg-deb": false, "mips64el-linux-gnuabi64-gcc-12": false, "archive": false, "perlish": true,
	} {
		if why := p.NeverWhy(name); (why != "") != never {
			t.Errorf("%s stays emulated: %q", name, why)
		}
	}
	for name, program := range map[string]bool{
		"usr/bin/sed": true, "bin/sed": true, "usr/lib/gcc/x/12/cc1plus": true, "usr/libexec/gcc/x/14/collect2": true,
		"usr/lib/gcc/x/12/crtbegin.o": false, "usr/lib/sed": false, "usr/local/bin/sed": false, "usr/bin/sub/sed": false,
	} {
		if got := p.isProgram(name); got != program {
			t.Errorf("isProgram(%s) = %v", name, got)
		}
	}
	if !p.isPlugin("usr/lib/gcc/x/12/liblto_plugin.so") || p.isPlugin("usr/lib/x/libc.so") {
		t.Error("plug-ins are not found")
	}
	if !p.PaysOff("mips64el-linux-gnuabi64-gcc-12") || p.PaysOff("shuf") {
		t.Error("what pays is not known")
	}
}

func TestPolicyWith(t *testing.T) {
	p, err := DefaultPolicy().With(&Policy{
		Never: map[string]string{"xz": "it is patched here", "per*": "short"}, Allow: []string{"perl"}, Programs: []string{"usr/lib/git-core/*"},
		Scripts: map[string]map[string]string{"mine": {"usr/bin/mine": "works on text"}, "perl": {"usr/bin/json_pp": "works on text"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if p.NeverWhy("xz") != "it is patched here" || p.NeverWhy("perl") != "" || p.NeverWhy("perl5.36") == "short" || p.NeverWhy("uname") == "" || !p.isProgram("usr/lib/git-core/git") {
		t.Errorf("the sum is wrong: %+v", p)
	}
	if !matches(p.scriptsOf("mine"), "usr/bin/mine") || !matches(p.scriptsOf("perl"), "usr/bin/pod2man") || !matches(p.scriptsOf("perl"), "usr/bin/json_pp") {
		t.Errorf("scripts of the sum: %v", p.Scripts)
	}
	if matches(DefaultPolicy().scriptsOf("perl"), "usr/bin/json_pp") {
		t.Error("the default's scripts were changed")
	}
	if DefaultPolicy().NeverWhy("xz") != "" {
		t.Error("the default was changed")
	}
	for _, bad := range []*Policy{
		{Never: map[string]string{"x": " "}}, {Never: map[string]string{"[": "why"}}, {Scripts: map[string]map[string]string{"p": {"usr/bin/x": ""}}}, {Scripts: map[string]map[string]string{"p": {"/usr/bin/x": "why"}}}, {Programs: []string{"/usr/bin/x"}}, {Pays: []string{""}},
	} {
		if _, err := DefaultPolicy().With(bad); fault.KindOf(err) != fault.Usage {
			t.Errorf("With(%+v): %v", bad, err)
		}
	}
}
