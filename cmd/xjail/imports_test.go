package main

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/xjail/xjail/"

// arrows are what each package may import of xjail, in the order of
// docs/design.md: every arrow leads down. What a package needs beyond this is
// a change of the design.
var arrows = map[string]string{
	"cmd/xjail":                "internal/cli",
	"internal/cli":             "activators activators/binfmt activators/binmiscctl activators/formats activators/persist arch doctor explain hooks/poudriere hooks/poudriere/buildlog hooks/poudriere/hook internal/fault internal/ui jail jail/extract jail/inventory jail/source jail/xtools jail/xtools/selftest profile profile/advice profile/html profile/pprofile profile/text profile/tracejson qemu",
	"doctor":                   "activators activators/persist arch hooks/poudriere internal/fault jail qemu",
	"explain":                  "activators arch qemu",
	"hooks/poudriere/hook":     "activators arch hooks/poudriere hooks/poudriere/buildlog internal/fault internal/rootpath jail jail/extract jail/xtools/nxb profile profile/advice profile/dtrace qemu",
	"hooks/poudriere/buildlog": "internal/fault",
	"hooks/poudriere":          "activators/formats/shell arch internal/fault internal/rootpath jail",
	"jail":                     "activators activators/binfmt activators/binmisc activators/binmiscctl arch internal/fault internal/rootpath jail/devfsrule jail/extract jail/inventory jail/miniroot jail/source jail/vfsopt jail/xtools jail/xtools/inplace jail/xtools/nxb jail/xtools/selftest profile profile/advice profile/dtrace profile/ptrace qemu",
	"jail/source":              "arch internal/aptsources internal/fault",
	"jail/source/releasetest":  "arch",
	"jail/devfsrule":           "",
	"jail/vfsopt":              "internal/fault",
	"jail/extract":             "internal/fault",
	"internal/rootpath":        "",
	"internal/mounttest":       "",
	"jail/xtools":              "arch internal/aptsources internal/fault internal/rootpath jail/extract",
	"jail/xtools/inplace":      "internal/fault jail/extract",
	"jail/xtools/selftest":     "arch internal/fault jail/xtools jail/xtools/nxb",
	"jail/xtools/nxb":          "arch internal/fault internal/rootpath jail/extract",
	"jail/inventory":           "arch internal/fault jail/extract",
	"jail/miniroot":            "internal/fault",
	"profile":                  "internal/fault",
	"profile/advice":           "internal/fault profile",
	"profile/dtrace":           "internal/fault profile",
	"profile/html":             "internal/ui profile",
	"profile/pprofile":         "profile",
	"profile/profiletest":      "profile",
	"profile/ptrace":           "internal/fault profile",
	"profile/text":             "internal/ui profile",
	"profile/tracejson":        "profile",
	"qemu":                     "arch internal/aptsources internal/fault",
	"activators":               "internal/fault",
	"activators/binfmt":        "activators internal/fault",
	"activators/binmisc":       "activators internal/fault",
	"activators/binmiscctl":    "activators internal/fault",
	"activators/formats":       "activators activators/binfmt activators/binmisc activators/binmiscctl activators/formats/shell internal/fault",
	"activators/formats/shell": "",
	"activators/memory":        "activators activators/binfmt internal/fault",
	"activators/persist":       "activators activators/binfmt internal/fault",
	"activators/tabletest":     "activators",
	"arch":                     "internal/fault",
	"bench/extract":            "jail/extract",
	"bench/hybrid":             "arch",
}

// cobras are the only packages that know the command line's library.
var cobras = []string{"internal/cli"}

func TestImportArrows(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	for _, goos := range []string{"linux", "freebsd"} {
		cmd := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"...")
		cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			words := strings.Fields(line)
			checkImports(t, goos, strings.TrimPrefix(words[0], module), words[1:])
		}
	}
}

func checkImports(t *testing.T, goos, pkg string, imports []string) {
	allowed := strings.Fields(arrows[pkg])
	for _, path := range imports {
		if strings.HasPrefix(path, "github.com/spf13/") && !slices.Contains(cobras, pkg) {
			t.Errorf("%s: %s imports %s: only %q may", goos, pkg, path, cobras)
		}
		if path == "C" {
			t.Errorf("%s: %s needs cgo", goos, pkg)
		}
		if name, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, name) {
			t.Errorf("%s: %s imports %s: an arrow that docs/design.md does not have", goos, pkg, name)
		}
	}
}

// thin is how many lines a file may have that only FreeBSD compiles, or FreeBSD
// and Linux: what is computed is in files that every system compiles and tests.
const thin = 80

func TestFreeBSDFilesAreThin(t *testing.T) {
	err := filepath.WalkDir("../..", func(name string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, ".go") {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		tag := constraint.FindString(string(text))
		tagged := strings.Contains(name, "_freebsd") || strings.Contains(strings.ReplaceAll(tag, "!freebsd", ""), "freebsd")
		if lines := strings.Count(string(text), "\n"); tagged && lines > thin {
			t.Errorf("%s has %d lines, %d at most", name, lines, thin)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var constraint = regexp.MustCompile(`(?m)^//go:build .*$`)
