package xtools

import (
	"slices"
	"testing"

	"github.com/xjail/xjail/arch"
)

func TestIsCompiler(t *testing.T) {
	target, err := arch.Lookup("arm64")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"gcc-12": true, "cpp-12": true, "g++-12": true, "gfortran-12": true, "binutils": true, "binutils-aarch64-linux-gnu": true,
		"gcc-14-aarch64-linux-gnu": true, "gcc": false, "coreutils": false, "": false, "gcc-12-mips64el-linux-gnuabi64": false, "bash": false,
	} {
		if got := IsCompiler(name, target); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if IsCompiler("gcc-12", nil) {
		t.Error("a compiler of nothing")
	}
}

// full is a manifest with everything.
func full() *Manifest {
	file := func(path, pkg string, kind Kind) File {
		return File{Path: path, Source: path[1:], Kind: kind, Package: pkg, Original: &Original{Package: pkg}}
	}
	return &Manifest{
		Version: ManifestVersion, Target: "aarch64", Farm: "cache/twins/x/root",
		Files: []File{
			file("/usr/bin/sed", "sed", Program), file("/usr/bin/dash", "dash", Program), file("/usr/bin/rm", "coreutils", Program), file("/usr/bin/cat", "coreutils", Program),
			file("/usr/bin/aarch64-linux-gnu-gcc-12", "gcc-12", Program), file("/usr/bin/aarch64-linux-gnu-as", "binutils-aarch64-linux-gnu", Program),
			file("/usr/lib/gcc/aarch64-linux-gnu/12/cc1", "cpp-12", Program), file("/usr/lib/gcc/aarch64-linux-gnu/12/liblto_plugin.so", "gcc-12", Plugin),
			{Path: "/lib64/ld-linux-x86-64.so.2", Source: "lib64/ld-linux-x86-64.so.2", Kind: Loader},
		},
		Left:     []Left{{Path: "/usr/bin/uname", State: Excluded, Why: "tells the architecture"}},
		Packages: []PackagePair{{Name: "binutils-aarch64-linux-gnu"}, {Name: "coreutils"}, {Name: "cpp-12"}, {Name: "dash"}, {Name: "gcc-12"}, {Name: "sed"}},
	}
}

func paths(m *Manifest) (kept, left []string) {
	for _, f := range m.Files {
		kept = append(kept, f.Path)
	}
	for _, l := range m.Left {
		if l.State == NotChosen {
			left = append(left, l.Path)
		}
	}
	return kept, left
}

func TestChoice(t *testing.T) {
	const loader = "/lib64/ld-linux-x86-64.so.2"
	compiler := []string{"/usr/bin/aarch64-linux-gnu-gcc-12", "/usr/bin/aarch64-linux-gnu-as", "/usr/lib/gcc/aarch64-linux-gnu/12/cc1", "/usr/lib/gcc/aarch64-linux-gnu/12/liblto_plugin.so"}
	for name, tt := range map[string]struct {
		choice, kept, absent []string
	}{
		"one":                    {[]string{"/usr/bin/sed"}, []string{"/usr/bin/sed", loader}, nil},
		"of one package":         {[]string{"/usr/bin/rm", "/usr/bin/rm"}, []string{"/usr/bin/rm", loader}, nil},
		"a part of the compiler": {[]string{"/usr/lib/gcc/aarch64-linux-gnu/12/cc1"}, append(slices.Clone(compiler), loader), nil},
		"what is not there":      {[]string{"/usr/bin/sed", "/usr/bin/uname", "/usr/bin/x"}, []string{"/usr/bin/sed", loader}, []string{"/usr/bin/uname", "/usr/bin/x"}},
		"nothing":                {[]string{}, []string{loader}, nil},
	} {
		m := full()
		absent := m.Choose(tt.choice)
		kept, left := paths(m)
		if !slices.Equal(kept, tt.kept) || !slices.Equal(absent, tt.absent) {
			t.Errorf("%s: kept %q, absent %q", name, kept, absent)
		}
		programs := 0
		for _, f := range m.Files {
			if f.Kind == Program {
				programs++
			}
		}
		if programs+len(left) != 7 || !slices.IsSorted(left) {
			t.Errorf("%s: %d kept and %q left of 7", name, programs, left)
		}
		if !slices.IsSorted(m.Only) || len(m.Only) > len(tt.choice) {
			t.Errorf("%s: only %q", name, m.Only)
		}
		for _, p := range m.Packages {
			if !slices.ContainsFunc(m.Files, func(f File) bool { return f.Original != nil && f.Original.Package == p.Name }) {
				t.Errorf("%s: package %s has no program any more", name, p.Name)
			}
		}
		text, err := m.Marshal()
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseManifest(text); err != nil || !slices.Equal(again.Only, m.Only) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
