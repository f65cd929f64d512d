package xtools

import (
	"io"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/aptsources"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/internal/rootpath"
)

// Release is what a root says of itself: the distribution and its release.
type Release struct {
	ID       string // debian
	Codename string // bookworm
}

func (r Release) String() string { return r.ID + ":" + r.Codename }

// smallMax bounds small files of a root, bytes.
const smallMax = 1 << 20

// ReadRelease reads os-release(5) of a root.
func ReadRelease(root *os.Root) (Release, error) {
	r := Release{}
	for _, name := range []string{"etc/os-release", "usr/lib/os-release"} {
		text, err := readSmall(root, name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(text) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			if !plainName(value) {
				continue
			}
			switch key {
			case "ID":
				r.ID = value
			case "VERSION_CODENAME":
				r.Codename = value
			}
		}
		break
	}
	if r.ID != "debian" || r.Codename == "" {
		return r, fault.New(fault.Unsupported, "only roots of Debian get native tools so far; --tools none does without",
			"the root is not one of a release of Debian: os-release says %q %q", r.ID, r.Codename)
	}
	return r, nil
}

func readSmall(root *os.Root, name string) (string, error) {
	f, err := rootpath.Open(root, name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, smallMax))
	return string(text), err
}

// readSources are the archives that a root's packages come from, as lines of
// sources.list(5) without options. What a root says is not to be trusted: only
// addresses of the web are taken, and the packages must be signed by keys of the
// host.
func readSources(root *os.Root) []string {
	var lines []string
	files := []string{"etc/apt/sources.list"}
	if dir, err := rootpath.Resolve(root, "etc/apt/sources.list.d"); err == nil {
		if d, err := root.Open(dir); err == nil {
			names, _ := d.Readdirnames(1000)
			d.Close()
			slices.Sort(names)
			for _, n := range names {
				files = append(files, path.Join(dir, n))
			}
		}
	}
	for _, name := range files {
		text, err := readSmall(root, name)
		if err != nil {
			continue
		}
		for _, s := range aptsources.Parse(name, text) {
			if s.Enabled && len(s.Components) > 0 {
				lines = append(lines, sourceLines(s)...)
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

func sourceLines(s aptsources.Source) []string {
	var lines []string
	for _, uri := range s.URIs {
		if !strings.HasPrefix(uri, "http://") && !strings.HasPrefix(uri, "https://") {
			continue
		}
		for _, suite := range s.Suites {
			line := strings.Join(append([]string{uri, suite}, s.Components...), " ")
			if !strings.ContainsAny(line, "[]#\"\\\t\n\r") && !strings.HasSuffix(suite, "/") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}
