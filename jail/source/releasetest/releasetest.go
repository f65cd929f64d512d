// Package releasetest makes small FreeBSD releases for tests: sets as the
// project packs them, with hard links, set-id programs and file flags, and their
// MANIFEST. The programs in them are headers that say what they would be.
package releasetest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mholt/archiver/v4"

	"github.com/xjail/xjail/arch"
)

// Version is the release that New makes.
const Version = "14.3-RELEASE"

// loginConf has the class default, as far as environments go.
const loginConf = "default:\\\n\t:passwd_format=sha512:\\\n\t:setenv=BLOCKSIZE=K:\\\n\t:path=/sbin /bin /usr/sbin /usr/bin:\n"

// Release is a directory of a mirror: MANIFEST and sets by their names.
type Release struct {
	Arch  *arch.Arch
	Files map[string][]byte
}

// Program is a static program of FreeBSD for a, as far as its header goes.
func Program(a *arch.Arch) []byte {
	class, size := byte(1), 52
	if a.Class == 64 {
		class, size = 2, 64
	}
	data := byte(1)
	if a.Order == arch.Big {
		data = 2
	}
	h := make([]byte, size)
	copy(h, []byte{0x7f, 'E', 'L', 'F', class, data, 1, 9})
	bo := a.Order.Binary()
	bo.PutUint16(h[16:], 2) // ET_EXEC
	bo.PutUint16(h[18:], a.Machine)
	bo.PutUint32(h[20:], 1)
	if a.Class == 64 {
		bo.PutUint32(h[48:], a.Flags.Value)
	} else {
		bo.PutUint32(h[36:], a.Flags.Value)
	}
	return h
}

// New makes a release with the sets base, lib32 and src.
func New(tb testing.TB, a *arch.Arch) *Release {
	tb.Helper()
	program := string(Program(a))
	r := &Release{Arch: a, Files: map[string][]byte{}}
	r.Files["base.txz"] = pack(tb,
		dir("./", ""), dir("./bin/", ""), file("./bin/sh", 0o755, program, ""), file("./bin/uname", 0o755, program, ""),
		dir("./etc/", ""), file("./etc/motd", 0o644, "FreeBSD "+Version+"\n", ""), file("./etc/login.conf", 0o644, loginConf, ""),
		file("./bin/freebsd-version", 0o555, "#!/bin/sh\n\nUSERLAND_VERSION=\""+Version+"\"\n", ""),
		dir("./lib/", ""), file("./lib/libc.so.7", 0o444, program, "schg"),
		dir("./libexec/", ""), file("./libexec/ld-elf.so.1", 0o555, program, "schg,uarch"),
		dir("./rescue/", ""), file("./rescue/sh", 0o555, program, ""), hard("./rescue/ls", "./rescue/sh"), hard("./rescue/vi", "./rescue/sh"),
		dir("./usr/", ""), dir("./usr/bin/", ""), file("./usr/bin/su", 0o4555, program, "schg"),
		dir("./usr/include/", ""), dir("./usr/include/sys/", ""), file("./usr/include/sys/param.h", 0o644, "#define __FreeBSD_version 1403000\n", ""),
		dir("./var/", ""), dir("./var/empty/", "schg"), link("./sys", "usr/src/sys"))
	r.Files["lib32.txz"] = pack(tb,
		dir("./", ""), dir("./usr/", ""), dir("./usr/lib32/", ""), file("./usr/lib32/libc.so.7", 0o444, program, "schg"),
		dir("./etc/", ""), file("./etc/motd", 0o644, "with 32 bits\n", ""))
	r.Files["src.txz"] = pack(tb, dir("./usr/", ""), dir("./usr/src/", ""), file("./usr/src/Makefile", 0o644, "all:\n", ""))
	r.Describe()
	return r
}

// Describe writes the MANIFEST anew.
func (r *Release) Describe() {
	var names []string
	for name := range r.Files {
		if strings.HasSuffix(name, ".txz") {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	var text strings.Builder
	for _, name := range names {
		set := strings.TrimSuffix(name, ".txz")
		fmt.Fprintf(&text, "%s\t%s\t%d\t%s\t\"The set %s\"\ton\n", name, Digest(r.Files[name]), 10, strings.ReplaceAll(set, "-", "_"), set)
	}
	r.Files["MANIFEST"] = []byte(text.String())
}

// Digest is a SHA-256 in hexadecimal.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// Path is the release's directory on a mirror that is not the project's own.
func (r *Release) Path() string {
	return "/pub/FreeBSD/releases/" + r.Arch.Target + "/" + r.Arch.Name + "/" + Version
}

// Write makes a mirror below dir, which is then file://dir.
func (r *Release) Write(tb testing.TB, dir string) {
	tb.Helper()
	dir = filepath.Join(dir, filepath.FromSlash(r.Path()))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		tb.Fatal(err)
	}
	for name, text := range r.Files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			tb.Fatal(err)
		}
	}
}

// Server serves a release, writes down what it is asked for, and fails as it is
// told.
type Server struct {
	Release *Release

	mu     sync.Mutex
	answer http.HandlerFunc
	asked  []string
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, s.Release.Path()+"/")
	s.mu.Lock()
	s.asked = append(s.asked, strings.TrimSpace(name+" "+r.Header.Get("Range")))
	answer, text := s.answer, s.Release.Files[name]
	s.mu.Unlock()
	switch {
	case answer != nil && strings.HasSuffix(name, ".txz"):
		answer(w, r)
	case text == nil:
		http.NotFound(w, r)
	default:
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
	}
}

// Answer has all requests of sets answered by h; nil serves them again.
func (s *Server) Answer(h http.HandlerFunc) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answer = h
}

// Asked are the files that were asked for since the last call, with their
// ranges.
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// entry is a file of a set.
type entry struct {
	tar.Header
	body string
}

func (e entry) flagged(flags string) entry {
	if flags != "" {
		e.PAXRecords = map[string]string{"SCHILY.fflags": flags}
	}
	return e
}

func file(name string, mode int64, body, flags string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(body))}, body}.flagged(flags)
}

func dir(name, flags string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeDir, Mode: 0o755}, ""}.flagged(flags)
}

func hard(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o555}, ""}
}

func link(name, target string) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o755}, ""}
}

// stamp is the time of all files: sets of one content have one digest.
var stamp = time.Unix(1748000000, 0)

// pack makes a set, owned by root and wheel.
func pack(tb testing.TB, entries ...entry) []byte {
	tb.Helper()
	var out bytes.Buffer
	xz, err := archiver.Xz{}.OpenWriter(&out)
	if err != nil {
		tb.Fatal(err)
	}
	w := tar.NewWriter(xz)
	for _, e := range entries {
		e.ModTime, e.Uname, e.Gname = stamp, "root", "wheel"
		if err := w.WriteHeader(&e.Header); err != nil {
			tb.Fatal(err)
		}
		if _, err := w.Write([]byte(e.body)); err != nil {
			tb.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := xz.Close(); err != nil {
		tb.Fatal(err)
	}
	return out.Bytes()
}
