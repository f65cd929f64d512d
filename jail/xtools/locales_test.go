package xtools

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

// Roots of the other byte order have locales that no native program can take.
func TestLocalesOfOtherOrder(t *testing.T) {
	text := elfSpec{machine: amd64, soname: libc, text: usualLocales + "\x00" + usualLocales + "/locale-archive\x00" + usualLocales + "/x"}.file()
	for target, own := range map[string]bool{"s390x": true, "arm64": false} {
		b := newBuild(t, map[string]string{
			"usr/lib64/ld-linux-x86-64.so.2": goodLoader(), libs + libc: text, libs + "libfakeroot/libfakeroot.so": library("libfakeroot.so"), "usr/bin/sed": program(libc),
			nativeLocale + "LC_CTYPE": "ctype", nativeLocale + "LC_MESSAGES/SYS_LC_MESSAGES": "messages", "usr/lib/locale/other/LC_CTYPE": "other",
		})
		b.target = subject(t, target).Arch
		if err := b.build(context.Background(), []string{"usr/bin/sed"}, nil); err != nil {
			t.Fatal(err)
		}
		farm, err := b.dir.OpenRoot(farmRoot)
		if err != nil {
			t.Fatal(err)
		}
		defer farm.Close()
		got, err := farm.ReadFile(libs + libc)
		want := text
		if own {
			want = strings.NewReplacer("\x00"+usualLocales+"\x00", "\x00"+FarmLocales+"\x00", usualLocales+"/locale-archive", FarmLocales+"/locale-archive").Replace(text)
		}
		if err != nil || string(got) != want {
			t.Errorf("%s: libc is %q, %v", target, got, err)
		}
		for name, want := range map[string]bool{locales + "/C.utf8/LC_CTYPE": own, locales + "/C.utf8/LC_MESSAGES/SYS_LC_MESSAGES": own, locales + "/other/LC_CTYPE": false, libs + "libfakeroot.so": !own} {
			if _, err := farm.Lstat(name); (err == nil) != want {
				t.Errorf("%s: %s: %v", target, name, err)
			}
		}
		wants, err := Wants(farm, &Manifest{Trees: []Tree{{Path: "/" + strings.TrimSuffix(libs, "/"), Source: strings.TrimSuffix(libs, "/")}}})
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(wants, func(w Want) bool { return w.Path == libs+libc })
		if bytes.Contains(wants[i].Text, []byte(FarmDir)) || own != bytes.Contains(wants[i].Text, []byte(WrittenLocales+"/locale-archive")) {
			t.Errorf("%s: written, libc is %q", target, wants[i].Text)
		}
		if has := slices.ContainsFunc(wants, func(w Want) bool { return w.Path == WrittenLocales[1:]+"/C.utf8/LC_CTYPE" }); has != own {
			t.Errorf("%s: the locale is written: %v", target, has)
		}
	}
	if len(FarmLocales) != len(usualLocales) || len(WrittenLocales) != len(usualLocales) {
		t.Error("the paths are not of one length")
	}
	if a, err := arch.Lookup("s390x"); err != nil || a.Order != arch.Big {
		t.Error("s390x has the order of this machine")
	}
}
