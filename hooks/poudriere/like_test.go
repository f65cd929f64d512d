package poudriere

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestLoginEnv(t *testing.T) {
	for text, want := range map[string][]string{
		loginConfText: {"BLOCKSIZE=K", "PATH=/sbin:/bin:/usr/sbin:/usr/bin"},
		"# a comment\nother:\\\n\t:setenv=A=B:\ndefault:\\\n\t:setenv=MAIL=/var/mail/$,H=~/x,C=a\\cb:\\\n\t:path=/bin ~/bin:\nroot:\\\n\t:setenv=NO=1:\n": {
			"MAIL=/var/mail/root", "H=/root/x", "C=a:b", "PATH=/bin:/root/bin"},
		"default:\\\n\t:ignorenologin:\n": nil,
		"":                                nil,
	} {
		if got := loginEnv(text); !reflect.DeepEqual(got, want) {
			t.Errorf("loginEnv(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestLikeBuild(t *testing.T) {
	w := newWorld(t)
	w.subject.Emulated = true
	writeFile(t, filepath.Join(w.subject.Root, "etc/make.conf"), "MINE=1\nDEVELOPER=yes\n")
	writeFile(t, filepath.Join(w.subject.Root, "nxb-bin/usr/bin/cc"), "")
	writeFile(t, filepath.Join(w.Dir(), "make.conf"), "ALL=1\n")
	writeFile(t, filepath.Join(w.Dir(), "m-make.conf"), "JAIL=1\n")
	writeFile(t, filepath.Join(w.Dir(), "other-make.conf"), "OTHER=1\n")
	writeFile(t, filepath.Join(w.Dir(), "hooks/plugins/x/make.conf"), "PLUGIN=1\n")
	r, err := w.register(t, Request{As: "m"})
	if err != nil {
		t.Fatal(err)
	}
	b, err := w.LikeBuild(w.subject, r)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"HOME=/root", "LC_COLLATE=C", "PACKAGE_BUILDING=yes", "BLOCKSIZE=K", "PATH=/sbin:/bin:/usr/sbin:/usr/bin",
		"UNAME_r=13.2-RELEASE", "UNAME_v=FreeBSD 13.2-RELEASE", "OSVERSION=1302001", "ABI_FILE=/usr/lib/crt1.o", "UNAME_m=mips", "UNAME_p=mips64"}
	if !slices.Equal(b.Env, want) {
		t.Errorf("got  %q\nwant %q", b.Env, want)
	}
	order := []string{"MINE=1\n", "CC=/nxb-bin/usr/bin/cc\n", "BATCH=yes\n", "PACKAGE_BUILDING_FLAVORS=yes\n", "MACHINE=mips\nMACHINE_ARCH=mips64\nARCH=${MACHINE_ARCH}\n", "ALL=1\n", "JAIL=1\n", "PLUGIN=1\n"}
	at := 0
	for _, line := range order {
		i := strings.Index(b.MakeConf[at:], line)
		if i < 0 {
			t.Fatalf("%q is not there, or not in its place:\n%s", line, b.MakeConf)
		}
		at += i
	}
	for _, not := range []string{"DEVELOPER", "OTHER", "CXX="} {
		if strings.Contains(b.MakeConf, not) {
			t.Errorf("%s is there:\n%s", not, b.MakeConf)
		}
	}
	if _, err := b.Write(w.subject); err != nil || !slices.Contains(b.Env, "__MAKE_CONF=/mnt/make.conf") {
		t.Errorf("%v, %q", err, b.Env)
	}
}

// A root of this machine's own architecture is told no other machine.
func TestLikeBuildNative(t *testing.T) {
	w := newWorld(t)
	w.subject.Arch = mustArch(t, "amd64")
	if !w.subject.cross() {
		b, err := w.LikeBuild(w.subject, nil)
		if err != nil || slices.ContainsFunc(b.Env, func(kv string) bool { return strings.HasPrefix(kv, "UNAME_m") || strings.HasPrefix(kv, "ABI_FILE") }) {
			t.Errorf("%+v, %v", b, err)
		}
	}
	w.subject.Root = t.TempDir()
	if _, err := w.LikeBuild(w.subject, nil); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("an empty root: %v", err)
	}
}
