package xtools

import (
	"context"
	"strings"
	"testing"
)

// What looks for modules or configuration of the root in the directory of another
// architecture, or tells others of it, is not native.
func TestBuiltForOtherDirectories(t *testing.T) {
	names := func(text string, needed ...string) string {
		return elfSpec{machine: amd64, interp: loader, needed: needed, text: text}.file()
	}
	b := newBuild(t, map[string]string{
		"usr/lib64/ld-linux-x86-64.so.2": goodLoader(),
		libs + "libgvc.so.6":             library("libgvc.so.6"),
		libs + "libshown.so.1":           library("libshown.so.1", "libgvc.so.6"),
		libs + "near/libnear.so":         library("libnear.so"),
		"usr/bin/dot":                    program("libgvc.so.6"),
		"usr/bin/shows":                  program("libshown.so.1"),
		"usr/bin/chooses":                names("x /" + libs + "chooser/default.conf y"),
		"usr/bin/gpgv":                   names("/" + libs + "gnupg"),
		"usr/bin/expr":                   names("/" + strings.TrimSuffix(libs, "/")),
		"usr/bin/make":                   names("/" + strings.TrimSuffix(libs, "/")), // no pointer leads to it
		"usr/bin/near":                   elfSpec{machine: amd64, interp: loader, needed: []string{"libnear.so"}, runpath: "/usr/lib:/" + libs + "near"}.file(),
	})
	programs := []string{"usr/bin/dot", "usr/bin/shows", "usr/bin/chooses", "usr/bin/gpgv", "usr/bin/expr", "usr/bin/make", "usr/bin/near"}
	if err := b.build(context.Background(), programs, nil); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"usr/bin/dot": "needs libgvc.so.6, which loads", "usr/bin/shows": "needs libgvc.so.6, which loads", "usr/bin/chooses": "names /" + libs + "chooser/default.conf:",
		"usr/bin/make": "looks for the root's libraries in /usr/lib/x86_64", "usr/bin/gpgv": "", "usr/bin/expr": "", "usr/bin/near": "",
	} {
		got := b.farm.Rejected[name]
		if _, native := b.farm.Files[name]; !strings.HasPrefix(got, want) || native != (want == "") {
			t.Errorf("%s: %q, native %v", name, got, native)
		}
	}
}

// A configuration decides otherwise, and adds to it.
func TestPolicyOfDirectories(t *testing.T) {
	p, err := DefaultPolicy().With(&Policy{Allow: []string{"chooses"}, Names: []string{"other"}, Searches: []string{"look*"}, Libraries: map[string]string{"libx.so*": "loads x"}})
	if err != nil {
		t.Fatal(err)
	}
	if p.LibraryWhy("libx.so.1") != "loads x" || p.LibraryWhy("libgvc.so.6") == "" || p.LibraryWhy("libc.so.6") != "" {
		t.Error("libraries")
	}
	if !matches(p.Names, "other") || !matches(p.Names, "gpgv") || !matches(p.Searches, "looker") || !matches(p.Searches, "make") {
		t.Error("lists")
	}
	if _, err := DefaultPolicy().With(&Policy{Libraries: map[string]string{"libx.so*": " "}}); err == nil {
		t.Error("a library without a reason")
	}
	b := newBuild(t, map[string]string{
		"usr/lib64/ld-linux-x86-64.so.2": goodLoader(),
		"usr/bin/chooses":                elfSpec{machine: amd64, interp: loader, text: "/" + libs + "chooser"}.file(),
	})
	b.policy = p
	if err := b.build(context.Background(), []string{"usr/bin/chooses"}, nil); err != nil || len(b.farm.Rejected) > 0 {
		t.Errorf("%v, %v", b.farm.Rejected, err)
	}
}

// What shows numbers as the machine has them is the root's own where that has another
// order of bytes.
func TestOrderOfBytes(t *testing.T) {
	mine, err := DefaultPolicy().With(&Policy{Order: map[string]string{"mytool": "writes numbers"}})
	if err != nil {
		t.Fatal(err)
	}
	allowed, err := mine.With(&Policy{Allow: []string{"od"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		target, name string
		policy       *Policy
		stays        bool
	}{
		{"s390x", "od", mine, true}, {"s390x", "mytool", mine, true}, {"s390x", "sed", mine, false}, {"s390x", "uname", mine, true}, {"s390x", "od", allowed, false},
		{"arm64", "od", mine, false}, {"arm64", "mytool", mine, false}, {"arm64", "uname", mine, true},
	} {
		if why := tt.policy.staysWhy(subject(t, tt.target), tt.name); (why != "") != tt.stays {
			t.Errorf("%s on %s: %q", tt.name, tt.target, why)
		}
	}
	if _, err := mine.With(&Policy{Order: map[string]string{"x": ""}}); err == nil {
		t.Error("a program without a reason")
	}
}

// Programs in whose names or paths the architecture is, or that produce code for the
// one that they are built for.
func TestNeverNative(t *testing.T) {
	for _, name := range []string{"tcsh", "mariadb_config", "krb5-config", "g-ir-compiler", "tcc", "nim", "ldc2", "go-12", "aarch64-linux-gnu-go-12", "sbcl", "zsh5", "ppca64"} {
		if DefaultPolicy().NeverWhy(name) == "" {
			t.Errorf("%s may be native", name)
		}
	}
	for _, name := range []string{"gofmt", "ppl", "config", "make", "gold", "zstd", "schedtool"} {
		if why := DefaultPolicy().NeverWhy(name); why != "" {
			t.Errorf("%s stays: %s", name, why)
		}
	}
}
