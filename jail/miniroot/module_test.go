package miniroot

import (
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// requirements are the modules and versions of a go.mod.
func requirements(text string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(text) {
		f := strings.Fields(strings.TrimPrefix(strings.TrimSpace(line), "require "))
		if len(f) >= 2 && strings.HasPrefix(f[1], "v") {
			all[f[0]] = f[1]
		}
	}
	return all
}

// TestModules: the program is built with the versions that xjail itself is
// tested with.
func TestModules(t *testing.T) {
	text, err := os.ReadFile("../../go.mod")
	if err != nil {
		t.Fatal(err)
	}
	main, own := requirements(string(text)), requirements(string(goMod))
	if len(own) == 0 {
		t.Fatal("program.mod has no requirements")
	}
	for module, version := range own {
		if main[module] != version {
			t.Errorf("program.mod has %s %s, go.mod has %q", module, version, main[module])
		}
	}
	if line := "\ngo 1."; !strings.Contains(string(goMod), line) || goLine(string(goMod)) != goLine(string(text)) {
		t.Errorf("program.mod says %q, go.mod %q", goLine(string(goMod)), goLine(string(text)))
	}
	sums, err := os.ReadFile("../../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Split(string(sums), "\n")
	for line := range strings.Lines(string(goSum)) {
		if !slices.Contains(known, strings.TrimSpace(line)) {
			t.Errorf("program.sum: go.sum does not have %q", line)
		}
	}
	for module, version := range own {
		if !strings.Contains(string(goSum), module+" "+version+" h1:") {
			t.Errorf("program.sum lacks %s %s", module, version)
		}
	}
}

func goLine(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "go ") {
			return strings.TrimSpace(line)
		}
	}
	return ""
}

// TestImports: the program imports nothing but the standard library and the
// modules of program.mod, and is complete in its embedded files.
func TestImports(t *testing.T) {
	own := requirements(string(goMod))
	names, err := sourceNames()
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	used := map[string]bool{}
	for _, name := range names {
		text, err := sources.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range f.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
				continue
			}
			module := ""
			for m := range own {
				if path == m || strings.HasPrefix(path, m+"/") {
					module = m
				}
			}
			if module == "" {
				t.Errorf("%s imports %s, which is of no module of program.mod", name, path)
			}
			used[module] = true
		}
	}
	for module := range own {
		if !used[module] {
			t.Errorf("program.mod requires %s, which is not imported", module)
		}
	}
}
