package xtools

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// debian makes a root of Debian with packages NAME VERSION, each with a program
// of its name, and libc6.
func debian(t *testing.T, codename, debian string, more map[string]string, packages ...string) *os.Root {
	t.Helper()
	files := map[string]string{"etc/os-release": "ID=debian\nVERSION_CODENAME=" + codename + "\n"}
	machine, multiarch := uint16(aarch64), "aarch64-linux-gnu"
	interp := "/lib/ld-linux-aarch64.so.1"
	if debian == "amd64" {
		machine, multiarch, interp = amd64, "x86_64-linux-gnu", loader
		files["usr/lib64/ld-linux-x86-64.so.2"] = goodLoader()
	}
	files["usr/lib/"+multiarch+"/libc.so.6"] = elfSpec{machine: machine, soname: "libc.so.6"}.file()
	files["var/lib/dpkg/info/libc6.list"] = "/usr/lib64/ld-linux-x86-64.so.2\n/usr/lib/" + multiarch + "/libc.so.6\n"
	status := ""
	for _, p := range append(packages, "libc6 1") {
		name, version, _ := strings.Cut(p, " ")
		status += fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: %s\nVersion: %s\nDepends: libc6\n\n", name, debian, version)
		if name != "libc6" {
			files["usr/bin/"+name] = elfSpec{machine: machine, interp: interp, needed: []string{"libc.so.6"}, text: debian + name}.file()
			files["var/lib/dpkg/info/"+name+".list"] = "/usr/bin/" + name + "\n"
		}
	}
	files["var/lib/dpkg/status"] = status
	for name, text := range more {
		files[name] = text
	}
	return makeRoot(t, files)
}

var silent = Notes{Step: func(string) {}, Log: io.Discard}

// hostTools are the tools of a machine like the root.
func hostTools(t *testing.T, machine *os.Root) *HostTools {
	t.Helper()
	return &HostTools{Twin: Twin{Dir: t.TempDir(), Below: "cache/twins", Policy: DefaultPolicy()}, Root: machine.Name()}
}

func arm64Subject(t *testing.T, root *os.Root) *Subject {
	t.Helper()
	s := subject(t, "arm64")
	s.Root = root
	return s
}

func states(m *Manifest) map[string]State {
	list := map[string]State{}
	for _, f := range m.Files {
		list[f.Path] = Native
	}
	for _, l := range m.Left {
		list[l.Path] = l.State
	}
	return list
}

func TestHostTools(t *testing.T) {
	root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1", "grep 3.8-5", "gawk 1", "xz 5")
	h := hostTools(t, debian(t, "bookworm", "amd64", nil, "sed 4.9-1+b1", "grep 3.8-6", "xz 5"))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	got := states(m)
	for name, want := range map[string]State{"sed": Native, "xz": Native, "grep": Drifted, "gawk": Missing} {
		if got["/usr/bin/"+name] != want {
			t.Errorf("%s is %q, want %s", name, got["/usr/bin/"+name], want)
		}
	}
	if got[nearLoader] != Native || len(m.Trees) != 1 || m.Source != HostName {
		t.Errorf("%+v", m)
	}
	farm := filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm)), farmRoot)
	text, err := os.ReadFile(filepath.Join(farm, "usr/bin/sed"))
	if err != nil || !bytes.Contains(text, []byte("amd64sed")) {
		t.Error(err)
	}
	// A file of the machine that changed makes another farm.
	if err := os.WriteFile(filepath.Join(h.Root, "usr/bin/sed"), []byte(program("libc.so.6")), 0o755); err != nil {
		t.Fatal(err)
	}
	again, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil || again.Farm == m.Farm {
		t.Errorf("%v: the farm is the old one", err)
	}
}

func TestHostToolsRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		machine *os.Root
		says    string
	}{
		"another release":      {debian(t, "trixie", "amd64", nil, "sed 4.9-1"), "debian:trixie, and the root of debian:bookworm"},
		"another distribution": {debian(t, "noble", "amd64", map[string]string{"etc/os-release": "ID=ubuntu\nVERSION_CODENAME=noble\n"}), `"ubuntu" "noble"`},
		"other versions":       {debian(t, "bookworm", "amd64", nil, "sed 4.9-2"), "4.9-1 in the root, and of 4.9-2"},
	} {
		h := hostTools(t, tt.machine)
		root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1")
		_, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
		if fault.KindOf(err) != fault.Mismatch || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := os.ReadDir(h.Dir); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

// packOf makes a pack of tools for a root with sed and grep.
func packOf(t *testing.T) []byte {
	t.Helper()
	root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1", "grep 3.8-5")
	h := hostTools(t, debian(t, "bookworm", "amd64", nil, "sed 4.9-1", "grep 3.8-5"))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	var b, again bytes.Buffer
	dir := filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm)))
	if err := errors.Join(WritePack(t.Context(), dir, m, &b), WritePack(t.Context(), dir, m, &again)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("the same farm gives other bytes")
	}
	return b.Bytes()
}

func usePack(t *testing.T, text []byte, s *Subject) (*Manifest, *Pack, error) {
	t.Helper()
	k := &Pack{File: filepath.Join(t.TempDir(), "p.tar"), Dir: t.TempDir(), Below: "cache/twins", Policy: DefaultPolicy()}
	if err := os.WriteFile(k.File, text, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := k.Collect(t.Context(), s, silent)
	return m, k, err
}

func TestPack(t *testing.T) {
	text := packOf(t)
	// The jail of another machine: of grep it has another version, and a program more.
	root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1", "grep 3.8-6", "xz 5")
	m, k, err := usePack(t, text, arm64Subject(t, root))
	if err != nil {
		t.Fatal(err)
	}
	got := states(m)
	if got["/usr/bin/sed"] != Native || got["/usr/bin/grep"] != Drifted || got["/usr/bin/xz"] != Missing || got[nearLoader] != Native || len(m.Trees) != 1 {
		t.Errorf("%v", got)
	}
	farm, err := os.OpenRoot(filepath.Join(k.Dir, filepath.Base(filepath.Dir(m.Farm)), farmRoot))
	if err != nil {
		t.Fatal(err)
	}
	defer farm.Close()
	for _, f := range m.Files {
		if err := CheckFile(farm, f); err != nil {
			t.Error(err)
		}
	}
	if _, err := k.Collect(t.Context(), arm64Subject(t, root), silent); err != nil { // out of the cache
		t.Error(err)
	}
	other := debian(t, "bookworm", "arm64", nil, "sed 4.9-7")
	if _, err := k.Collect(t.Context(), arm64Subject(t, other), silent); fault.KindOf(err) != fault.Mismatch || !strings.Contains(err.Error(), "4.9-7 in the root, and the pack for 4.9-1") {
		t.Errorf("other versions: %v", err)
	}
}

// repack changes what is in a pack.
func repack(t *testing.T, text []byte, about func(p *packed), each func(h *tar.Header, b []byte) []byte, more ...*tar.Header) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	put := func(h *tar.Header, b []byte) {
		h.Size = int64(len(b))
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r)
		if h.Name == packAbout && about != nil {
			p := &packed{}
			if err := json.Unmarshal(b, p); err != nil {
				t.Fatal(err)
			}
			about(p)
			b, _ = json.Marshal(p)
		}
		if each != nil {
			b = each(h, b)
		}
		if b != nil {
			put(h, b)
		}
	}
	for _, h := range more {
		put(h, nil)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestPackRefuses(t *testing.T) {
	text := packOf(t)
	sed := "root/usr/bin/sed"
	for name, tt := range map[string]struct {
		text []byte
		kind fault.Kind
		says string
	}{
		"another release": {repack(t, text, func(p *packed) { p.Farm.Release = "debian:trixie" }, nil), fault.Mismatch, "debian:trixie, and the root of debian:bookworm"},
		"another target":  {repack(t, text, func(p *packed) { p.Farm.Target = "riscv64" }, nil), fault.Mismatch, "riscv64"},
		"another host":    {repack(t, text, func(p *packed) { p.Farm.Host = "arm64" }, nil), fault.Mismatch, "arm64"},
		"a changed file": {repack(t, text, nil, func(h *tar.Header, b []byte) []byte {
			if h.Name == sed {
				b[len(b)-2] ^= 1
			}
			return b
		}), fault.Mismatch, "SHA-256"},
		"a file is missing": {repack(t, text, nil, func(h *tar.Header, b []byte) []byte {
			if h.Name == sed {
				return nil
			}
			return b
		}), fault.Damaged, "not in the pack"},
		"a file more":        {repack(t, text, nil, nil, &tar.Header{Name: "root/usr/bin/evil", Typeflag: tar.TypeReg, Mode: 0o755}), fault.Unsafe, "not in its list"},
		"a file beside":      {repack(t, text, nil, nil, &tar.Header{Name: "farm.json", Typeflag: tar.TypeReg, Mode: 0o755}), fault.Unsafe, "not in its list"},
		"a link out":         {repack(t, text, nil, nil, &tar.Header{Name: "root/usr/x", Typeflag: tar.TypeSymlink, Linkname: "../../../../etc"}), fault.Unsafe, "x"},
		"a file over a link": {repack(t, text, nil, nil, &tar.Header{Name: "root/out", Typeflag: tar.TypeSymlink, Linkname: "/tmp"}, &tar.Header{Name: "root/out/x", Typeflag: tar.TypeReg}), fault.Unsafe, ""},
		"up":                 {repack(t, text, nil, nil, &tar.Header{Name: "../x", Typeflag: tar.TypeReg}), fault.Unsafe, ".."},
		"a device":           {repack(t, text, nil, nil, &tar.Header{Name: "root/dev", Typeflag: tar.TypeChar}), fault.Unsafe, ""},
		"set-id": {repack(t, text, nil, func(h *tar.Header, b []byte) []byte {
			if h.Name == sed {
				h.Mode = 0o4755
			}
			return b
		}), fault.Unsafe, "plain file"},
		"a path out in the list":   {repack(t, text, func(p *packed) { p.Contents["../../etc/passwd"] = packedFile{} }, nil), fault.Unsafe, "passwd"},
		"a program not in it":      {repack(t, text, func(p *packed) { p.Farm.Files["usr/bin/evil"] = FarmFile{} }, nil), fault.Damaged, "evil"},
		"another loader":           {repack(t, text, func(p *packed) { p.Farm.Interp = "/tmp/ld.so" }, nil), fault.Unsafe, "/tmp/ld.so"},
		"libraries over /etc":      {repack(t, text, func(p *packed) { p.Farm.Libraries.Path = "/etc" }, nil), fault.Unsafe, "/etc"},
		"a reason that draws":      {repack(t, text, func(p *packed) { p.Farm.Rejected = map[string]string{"x": "\x1b[2J"} }, nil), fault.Unsafe, "not text"},
		"a version that draws":     {repack(t, text, func(p *packed) { p.Packages[0].Version = "\x1b[2J" }, nil), fault.Unsafe, ""},
		"of the future":            {repack(t, text, func(p *packed) { p.Version = 9 }, nil), fault.Damaged, "version 9"},
		"cut short":                {text[:len(text)/2], fault.Damaged, ""},
		"no archive":               {[]byte("hello"), fault.Damaged, ""},
		"an archive of other tree": {repack(t, text, nil, func(h *tar.Header, b []byte) []byte { h.Name = "x/" + h.Name; return b }), fault.Damaged, "no pack"},
	} {
		t.Run(name, func(t *testing.T) {
			root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1")
			_, k, err := usePack(t, tt.text, arm64Subject(t, root))
			if fault.KindOf(err) != tt.kind || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v: %v", fault.KindOf(err), err)
			}
			if n := strings.Count(err.Error(), k.File); n != 1 {
				t.Errorf("the file is named %d times: %v", n, err)
			}
			if left, _ := os.ReadDir(k.Dir); len(left) > 0 {
				t.Errorf("left in the cache: %v", left)
			}
		})
	}
}

func FuzzPacked(f *testing.F) {
	f.Add([]byte(`{"version":1,"farm":{"files":{"a":{"sha256":"x"}}},"contents":{"a":{"sha256":"x"}},"packages":[{"name":"p"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePacked(text)
		if err != nil {
			return
		}
		for name := range p.Contents {
			if strings.HasPrefix(name, "/") || strings.Contains(name, "..") && strings.Contains(name, "../") {
				t.Errorf("%q", name)
			}
		}
	})
}

// What is written into a root has the loader with another cache.
func TestWants(t *testing.T) {
	root := debian(t, "bookworm", "arm64", nil, "sed 4.9-1")
	h := hostTools(t, debian(t, "bookworm", "amd64", nil, "sed 4.9-1"))
	m, err := h.Collect(t.Context(), arm64Subject(t, root), silent)
	if err != nil {
		t.Fatal(err)
	}
	farm, err := os.OpenRoot(filepath.Join(h.Dir, filepath.Base(filepath.Dir(m.Farm)), farmRoot))
	if err != nil {
		t.Fatal(err)
	}
	defer farm.Close()
	wants, err := Wants(farm, m)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]Want{}
	for _, w := range wants {
		got[w.Path] = w
	}
	for _, name := range []string{nearLoader[1:], "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"} {
		text := got[name].Text
		if !bytes.Contains(text, []byte(WrittenCache)) || bytes.Contains(text, []byte(LoaderCache)) {
			t.Errorf("%s has the cache of a farm", name)
		}
	}
	for _, name := range []string{"usr/bin/sed", "usr/lib/x86_64-linux-gnu/libc.so.6", WrittenCache[1:]} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is not written", name)
		}
	}
	i := slices.IndexFunc(m.Files, func(f File) bool { return f.Kind == Loader })
	m.Files[i].Path = "/" + m.Files[i].Source // where /lib leads to /usr/lib
	if wants, err = Wants(farm, m); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, w := range wants {
		if seen[w.Path] {
			t.Errorf("%s is written twice", w.Path)
		}
		seen[w.Path] = true
	}
	if len(WrittenCache) != len(LoaderCache) {
		t.Errorf("%q does not fit", WrittenCache)
	}
}
