package jail

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestLookupAccount(t *testing.T) {
	dir := t.TempDir()
	passwd, group := filepath.Join(dir, "passwd"), filepath.Join(dir, "group")
	open := func(name string) (*os.File, error) { return openInput(filepath.Join(dir, filepath.Base(name))) }
	text := "# $FreeBSD$\nroot:*:0:0:Charlie &:/root:/bin/csh\nbroken:line\nbuild:x:1001:1002::/home/build:\nbad:x:many:1::/:/bin/sh\nodd:x:7:7::relative:/bin/sh\n"
	if err := os.WriteFile(passwd, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(group, []byte("wheel:*:0:root,build\nbuild:x:1002:\nstaff:x:20:build\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		user   string
		want   account
		groups []uint32
	}{
		{"", account{name: "root", home: "/root", shell: "/bin/csh"}, []uint32{0}},
		{"build", account{name: "build", uid: 1001, gid: 1002, home: "/home/build", shell: "/bin/sh"}, []uint32{1002, 0, 20}},
		{"1001", account{name: "build", uid: 1001, gid: 1002, home: "/home/build", shell: "/bin/sh"}, []uint32{1002, 0, 20}},
		{"odd", account{name: "odd", uid: 7, gid: 7, home: "/", shell: "/bin/sh"}, []uint32{7}},
		{"4242", account{name: "4242", uid: 4242, gid: 4242, home: "/", shell: "/bin/sh"}, []uint32{4242}},
	}
	for _, tt := range tests {
		got, err := lookupAccount(open, tt.user)
		if err != nil {
			t.Errorf("%q: %v", tt.user, err)
			continue
		}
		if !slices.Equal(got.groups, tt.groups) {
			t.Errorf("%q: groups %v, want %v", tt.user, got.groups, tt.groups)
		}
		got.groups = nil
		if got.name != tt.want.name || got.uid != tt.want.uid || got.gid != tt.want.gid || got.home != tt.want.home || got.shell != tt.want.shell {
			t.Errorf("%q: %+v, want %+v", tt.user, got, tt.want)
		}
	}
	for _, user := range []string{"nobody", "bad", "-1"} {
		if _, err := lookupAccount(open, user); fault.KindOf(err) != fault.NotFound {
			t.Errorf("%q: %v, want not found", user, err)
		}
	}
	if got, err := lookupAccount(func(string) (*os.File, error) { return nil, os.ErrNotExist }, "root"); err != nil || got.shell != "/bin/sh" {
		t.Errorf("root without passwd: %+v, %v", got, err)
	}
}
