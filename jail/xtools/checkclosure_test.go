package xtools

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/arch"
)

// Every file whose libraries are not all there is named, with the library.
func TestCheckLibraries(t *testing.T) {
	host, err := arch.Lookup("amd64")
	if err != nil {
		t.Fatal(err)
	}
	foreign := elfSpec{machine: aarch64, soname: "libb.so.1"}.file()
	tests := []struct {
		name  string
		files map[string]string
		want  []string
	}{
		{"whole", map[string]string{"libc.so.6": library("libc.so.6"), "liba.so.1": library("liba.so.1", "libb.so.1"), "libb.so.1": library("libb.so.1", "libc.so.6")}, nil},
		{"needed by a program", map[string]string{"liba.so.1": library("liba.so.1")}, []string{"usr/bin/sed", "libc.so.6"}},
		{"needed by a library", map[string]string{"libc.so.6": library("libc.so.6"), "liba.so.1": library("liba.so.1", "libb.so.1")}, []string{"liba.so.1", "libb.so.1"}},
		{"of another architecture", map[string]string{"libc.so.6": library("libc.so.6"), "liba.so.1": library("liba.so.1", "libb.so.1"), "libb.so.1": foreign}, []string{"liba.so.1", "libb.so.1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			files := map[string]string{"usr/bin/sed": program("liba.so.1", "libc.so.6"), "lib64/ld.so": goodLoader()}
			for name, text := range tt.files {
				files[libs+name] = text
			}
			m := &Manifest{
				Files: []File{{Path: "/usr/bin/sed", Source: "usr/bin/sed", Kind: Program}, {Path: "/lib64/ld.so", Source: "lib64/ld.so", Kind: Loader}},
				Trees: []Tree{{Path: "/" + strings.TrimSuffix(libs, "/"), Source: strings.TrimSuffix(libs, "/")}},
			}
			found := CheckLibraries(makeRoot(t, files), host, m)
			if (len(found) == 0) != (tt.want == nil) {
				t.Fatalf("CheckLibraries = %v, want %q", found, tt.want)
			}
			for _, word := range tt.want {
				if !strings.Contains(found[0].Error(), word) {
					t.Errorf("%v does not name %s", found[0], word)
				}
			}
		})
	}
}
