package source

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// mirror is a server with a release of aarch64 that a test can break.
type mirror struct {
	*httptest.Server
	mu    sync.Mutex
	files map[string][]byte
	// answer may take over; true when it has.
	answer func(w http.ResponseWriter, r *http.Request) bool
	asked  []string // "MANIFEST", "base.txz", "base.txz bytes=5-"
}

const releasePath = "/pub/FreeBSD/releases/arm64/aarch64/14.3-RELEASE/"

// baseText is what the set base has, and never was an archive.
var baseText = []byte(strings.Repeat("the base system. ", 1000))

func manifestOf(sets map[string][]byte) []byte {
	var text strings.Builder
	for _, name := range slices.Sorted(func(yield func(string) bool) {
		for name := range sets {
			if !yield(name) {
				return
			}
		}
	}) {
		text.WriteString(line(name, sumOf(sets[name]), "1", strings.TrimSuffix(name, ".txz"), "a set", "on"))
	}
	return []byte(text.String())
}

func newMirror(t *testing.T) *mirror {
	t.Helper()
	m := &mirror{files: map[string][]byte{"base.txz": baseText, "lib32.txz": []byte("libraries")}}
	m.files["MANIFEST"] = manifestOf(m.files)
	m.Server = httptest.NewServer(m)
	t.Cleanup(m.Close)
	return m
}

func (m *mirror) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, ok := strings.CutPrefix(r.URL.Path, releasePath)
	m.mu.Lock()
	m.asked = append(m.asked, strings.TrimSpace(name+" "+r.Header.Get("Range")))
	answer, text := m.answer, m.files[name]
	m.mu.Unlock()
	if answer != nil && answer(w, r) {
		return
	}
	if !ok || text == nil {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("ETag", `"`+sumOf(text)[:8]+`"`)
	http.ServeContent(w, r, "", time.Time{}, strings.NewReader(string(text)))
}

// requests are what was asked for since the last call.
func (m *mirror) requests() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	asked := m.asked
	m.asked = nil
	return asked
}

func (m *mirror) on(answer func(w http.ResponseWriter, r *http.Request) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.answer = answer
}

// fetching is a release, its cache and what was said.
type fetching struct {
	t        *testing.T
	release  *FreeBSDRelease
	cache    Cache
	fetcher  Fetcher
	warnings []string
}

func newFetching(t *testing.T, o ReleaseOptions, mirrors ...*mirror) *fetching {
	t.Helper()
	for _, m := range mirrors {
		o.Mirrors = append(o.Mirrors, m.URL)
	}
	r, err := NewRelease(lookup(t, "aarch64"), "14.3", o)
	if err != nil {
		t.Fatal(err)
	}
	return &fetching{t: t, release: r, cache: Cache{filepath.Join(t.TempDir(), "cache", "sets")}}
}

func (f *fetching) notes() Notes {
	return Notes{Warn: func(text string) { f.warnings = append(f.warnings, text) }}
}

// base gets the MANIFEST and the set base.
func (f *fetching) base() (string, error) {
	f.t.Helper()
	m, err := f.release.Manifest(f.t.Context(), &f.fetcher, f.cache, f.notes())
	if err != nil {
		return "", err
	}
	set, err := f.release.Set(f.t.Context(), &f.fetcher, f.cache, m, m.Sets[0], f.notes())
	if err != nil {
		return "", err
	}
	defer func() { _ = set.Close() }()
	text, err := io.ReadAll(set)
	return string(text), err
}

// works fails the test unless base comes whole.
func (f *fetching) works() {
	f.t.Helper()
	if text, err := f.base(); err != nil || text != string(baseText) {
		f.t.Errorf("%d bytes, %v", len(text), err)
	}
}

// fails wants an error of a kind with these words in it.
func (f *fetching) fails(kind fault.Kind, words ...string) error {
	f.t.Helper()
	text, err := f.base()
	if err == nil {
		f.t.Fatalf("no error, %d bytes", len(text))
	}
	if fault.KindOf(err) != kind {
		f.t.Errorf("kind %d, want %d: %v", fault.KindOf(err), kind, err)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			f.t.Errorf("%q is not in %q", word, err)
		}
	}
	return err
}

func TestReleaseIsShared(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	f.works()
	if got := m.requests(); !slices.Equal(got, []string{"MANIFEST", "base.txz"}) {
		t.Errorf("asked for %q", got)
	}
	f.works()
	if got := m.requests(); !slices.Equal(got, []string{"MANIFEST"}) {
		t.Errorf("the second time asked for %q", got)
	}
	list, err := f.cache.List()
	if err != nil || len(list) != 1 || list[0].Size != int64(len(baseText)) || list[0].Partial || list[0].Busy ||
		!slices.Equal(list[0].Names, []string{"arm64.aarch64 14.3-RELEASE base.txz"}) {
		t.Errorf("the cache: %+v, %v", list, err)
	}
}

func TestSetsAndPins(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{SHA256: sumOf(m.files["MANIFEST"])}, m)
	f.works()
	m.Close() // a pinned MANIFEST is in the cache, as the set is
	f.works()
	got, err := f.release.Manifest(t.Context(), &f.fetcher, f.cache, f.notes())
	if err != nil || got.Trust != Pinned || got.Warning() != "" || setNames(got.Sets) != "base lib32" {
		t.Errorf("%+v, %v", got, err)
	}
	if len(f.warnings) > 0 {
		t.Errorf("warnings: %q", f.warnings)
	}
}

func TestInstalledManifest(t *testing.T) {
	m := newMirror(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "arm64-aarch64-14.3-RELEASE"), m.files["MANIFEST"], 0o644); err != nil {
		t.Fatal(err)
	}
	f := newFetching(t, ReleaseOptions{Dirs: []string{dir}, RequirePinned: true}, m)
	f.works()
	if got := m.requests(); !slices.Equal(got, []string{"base.txz"}) {
		t.Errorf("asked for %q", got)
	}
	// A mirror that has another set than the MANIFEST says is found out.
	m.files["base.txz"] = []byte("something else")
	f.cache.Dir = t.TempDir()
	_ = f.fails(fault.Mismatch, "base.txz", sumOf(baseText))
}

func TestNewReleaseRefuses(t *testing.T) {
	pin := map[string]string{"arm64-aarch64-14.3-RELEASE": strings.Repeat("A", 64)}
	r, err := NewRelease(lookup(t, "aarch64"), "14.3", ReleaseOptions{Pins: pin, RequirePinned: true})
	if err != nil || r.SHA256 != strings.Repeat("a", 64) || r.URLs[0] != "https://download.FreeBSD.org/releases/arm64/aarch64/14.3-RELEASE" || len(r.URLs) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	for name, tt := range map[string]struct {
		arch, version string
		o             ReleaseOptions
		kind          fault.Kind
	}{
		"no pin":     {"aarch64", "14.3", ReleaseOptions{RequirePinned: true}, fault.Unsafe},
		"bad pin":    {"aarch64", "14.3", ReleaseOptions{SHA256: "12"}, fault.Usage},
		"bad mirror": {"aarch64", "14.3", ReleaseOptions{Mirrors: []string{"/srv"}}, fault.Usage},
		"bad set":    {"aarch64", "14.3", ReleaseOptions{Sets: []string{"a/b"}}, fault.Usage},
		"version":    {"aarch64", "x", ReleaseOptions{}, fault.Usage},
		"range":      {"mips64", "14.3", ReleaseOptions{}, fault.NotFound},
	} {
		_, err := NewRelease(lookup(t, tt.arch), tt.version, tt.o)
		if fault.KindOf(err) != tt.kind || fault.HintOf(err) == "" {
			t.Errorf("%s: %v, hint %q", name, err, fault.HintOf(err))
		}
	}
}

// Each way to fail has its own error, and the next try goes on.
func TestReleaseFailures(t *testing.T) {
	m := newMirror(t)
	other := newMirror(t)
	half := len(baseText) / 2
	tests := []struct {
		name    string
		pin     string
		stall   time.Duration
		answer  func(w http.ResponseWriter, r *http.Request) bool
		kind    fault.Kind
		words   []string
		resumed string // the request of the next try
	}{
		{"flipped bit", "", 0, onSet(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(append([]byte("T"), baseText[1:]...))
		}), fault.Mismatch, []string{"base.txz", "SHA-256", sumOf(baseText)}, "base.txz"},
		{"no such set", "", 0, onSet(http.NotFound), fault.NotFound, []string{"base.txz", "404"}, "base.txz"},
		{"short file", "", 0, onSet(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "17000")
			_, _ = w.Write(baseText[:half])
		}), fault.Damaged, []string{"cut short after 8500 of 17000 bytes"}, "base.txz bytes=8500-"},
		{"stalled", "", 500 * time.Millisecond, onSet(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "17000")
			_, _ = w.Write(baseText[:half])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
		}), fault.Failed, []string{"stalled after 8500 bytes", "no byte for"}, "base.txz bytes=8500-"},
		{"silent", "", 500 * time.Millisecond, onSet(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }),
			fault.Failed, []string{"timeout awaiting response headers"}, "base.txz"},
		{"server error", "", 0, onSet(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }),
			fault.Failed, []string{"500"}, "base.txz"},
		{"other host", "", 0, onSet(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
		}), fault.Unsafe, []string{"redirects to another host", other.URL}, "base.txz"},
		{"MANIFEST of other host", "", 0, func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, other.URL+r.URL.Path, http.StatusFound)
			return true
		}, fault.Unsafe, []string{"MANIFEST", "redirects to another host"}, "MANIFEST"},
		{"no release", "", 0, func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
			fault.NotFound, []string{"MANIFEST of FreeBSD 14.3-RELEASE for arm64.aarch64", "404"}, "MANIFEST"},
		{"wrong MANIFEST", digestOf("0"), 0, nil, fault.Mismatch, []string{"MANIFEST", "pinned is 000"}, ""},
		{"a page", "", 0, func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true },
			fault.Damaged, []string{"MANIFEST line 1"}, "MANIFEST"},
		{"a flood", "", 0, func(w http.ResponseWriter, _ *http.Request) bool {
			w.(http.Flusher).Flush()
			_, _ = w.Write(make([]byte, 1<<20))
			return true
		}, fault.Damaged, []string{"no MANIFEST"}, "MANIFEST"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newFetching(t, ReleaseOptions{SHA256: tt.pin}, m)
			f.fetcher.Stall = tt.stall
			m.on(tt.answer)
			err := f.fails(tt.kind, tt.words...)
			if fault.HintOf(err) == "" {
				t.Errorf("no hint: %v", err)
			}
			if _, err := os.Lstat(filepath.Dir(f.cache.Dir)); tt.resumed != "base.txz bytes=8500-" && !os.IsNotExist(err) {
				t.Errorf("a cache of nothing: %v", err)
			}
			m.on(nil)
			m.requests()
			if tt.resumed == "" {
				return
			}
			f.fetcher.Stall = 0
			f.works()
			if got := m.requests(); !slices.Contains(got, tt.resumed) {
				t.Errorf("the next try asked for %q, want %q", got, tt.resumed)
			}
		})
	}
}

// onSet answers in place of a set.
func onSet(h http.HandlerFunc) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, ".txz") {
			return false
		}
		h(w, r)
		return true
	}
}

// The second mirror goes on behind what the first has brought.
func TestMirrorsInOrder(t *testing.T) {
	first, second := newMirror(t), newMirror(t)
	f := newFetching(t, ReleaseOptions{}, first, second)
	first.on(onSet(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "17000")
		_, _ = w.Write(baseText[:100])
	}))
	f.works()
	if got := second.requests(); !slices.Equal(got, []string{"base.txz bytes=100-"}) {
		t.Errorf("the second was asked for %q", got)
	}
	if len(f.warnings) != 1 || !strings.Contains(f.warnings[0], "cut short") {
		t.Errorf("warnings: %q", f.warnings)
	}
	// The first has no such release, or another one: then the second is asked
	// first for the sets.
	for _, answer := range []func(http.ResponseWriter, *http.Request) bool{
		func(w http.ResponseWriter, r *http.Request) bool { http.NotFound(w, r); return true },
		func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("x")); return true },
	} {
		f = newFetching(t, ReleaseOptions{SHA256: sumOf(first.files["MANIFEST"])}, first, second)
		first.on(answer)
		first.requests()
		f.works()
		if got := first.requests(); !slices.Equal(got, []string{"MANIFEST"}) {
			t.Errorf("the first was asked for %q", got)
		}
	}
}

// A server that knows no ranges sends all again, once.
func TestNoRanges(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	m.on(onSet(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "17000")
		_, _ = w.Write(baseText[:100])
	}))
	_ = f.fails(fault.Damaged, "cut short")
	m.on(onSet(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(baseText) }))
	m.requests()
	f.works()
	if got := m.requests(); !slices.Equal(got, []string{"MANIFEST", "base.txz bytes=100-"}) {
		t.Errorf("asked for %q", got)
	}
}

// A part that is not the beginning of the file does not spoil it.
func TestWrongPart(t *testing.T) {
	m := newMirror(t)
	for name, part := range map[string]string{
		"other bytes": "not the beginning",
		"too long":    strings.Repeat("x", len(baseText)+10),
		"complete":    string(baseText),
	} {
		f := newFetching(t, ReleaseOptions{}, m)
		dir := filepath.Join(f.cache.Dir, sumOf(baseText))
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, partName), []byte(part), 0o600); err != nil {
			t.Fatal(err)
		}
		m.requests()
		f.works()
		if asked := m.requests(); name == "complete" && slices.Contains(asked, "base.txz") {
			t.Errorf("%s: asked for %q", name, asked)
		}
	}
}

// A file that was damaged in the cache is fetched again.
func TestDamagedCache(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	f.works()
	if err := os.WriteFile(filepath.Join(f.cache.Dir, sumOf(baseText), wholeName), []byte("rot"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.works()
}

// One of two that want the same set fetches it, and the other waits for it.
func TestConcurrentFetch(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	waits := make(chan string, 1)
	m.on(onSet(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "17000")
		_, _ = w.Write(baseText[:100])
		w.(http.Flusher).Flush()
		<-waits
		_, _ = w.Write(baseText[100:])
	}))
	manifest, err := f.release.Manifest(t.Context(), &f.fetcher, f.cache, Notes{})
	if err != nil {
		t.Fatal(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			c, err := f.release.Set(t.Context(), &f.fetcher, f.cache, manifest, manifest.Sets[0], Notes{Waits: func(name string) { waits <- name }})
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	both.Wait()
	if got := m.requests(); !slices.Equal(got, []string{"MANIFEST", "base.txz"}) {
		t.Errorf("asked for %q", got)
	}
}

func TestInterruptedFetch(t *testing.T) {
	m, second := newMirror(t), newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m, second)
	ctx, cancel := context.WithCancel(t.Context())
	m.on(onSet(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "17000")
		_, _ = w.Write(baseText[:100])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	manifest, err := f.release.Manifest(ctx, &f.fetcher, f.cache, Notes{})
	if err != nil {
		t.Fatal(err)
	}
	f.fetcher.Progress = func(done, _ int64) {
		if done == 100 {
			cancel()
		}
	}
	_, err = f.release.Set(ctx, &f.fetcher, f.cache, manifest, manifest.Sets[0], f.notes())
	if fault.KindOf(err) != fault.Interrupted || len(second.requests()) > 0 {
		t.Errorf("%v, warnings %q", err, f.warnings)
	}
	list, err := f.cache.List()
	if err != nil || len(list) != 1 || !list[0].Partial || list[0].Size != 100 {
		t.Errorf("the cache: %+v, %v", list, err)
	}
}

// Whoever can break https must not choose the MANIFEST by http.
func TestNoDowngrade(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	f.release.URLs = append([]string{strings.Replace(m.URL, "http:", "https:", 1)}, f.release.URLs...)
	_ = f.fails(fault.Unsafe, "is not asked", "http proves nothing")
	f = newFetching(t, ReleaseOptions{SHA256: sumOf(m.files["MANIFEST"])}, m)
	f.release.URLs = append([]string{strings.Replace(m.URL, "http:", "https:", 1)}, f.release.URLs...)
	f.works()
}

func TestRedirectPolicy(t *testing.T) {
	request := func(url string) *http.Request {
		r, err := http.NewRequest(http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, tt := range []struct {
		from, to       string
		bound, refused bool
	}{
		{"http://a.example/x", "http://a.example/y", true, false},
		{"http://a.example/x", "https://a.example/x", true, false},
		{"https://a.example/x", "https://A.example/y", true, false},
		{"https://a.example/x", "http://a.example/x", false, true},
		{"https://a.example/x", "https://b.example/x", false, false},
		{"https://a.example/x", "https://b.example/x", true, true},
		{"http://a.example:1/x", "http://a.example:2/x", true, true},
	} {
		f := &Fetcher{SameHost: tt.bound}
		err := f.follow(request(tt.to), []*http.Request{request(tt.from)})
		if (err != nil) != tt.refused {
			t.Errorf("%s to %s: %v", tt.from, tt.to, err)
		}
	}
}

func TestFileMirror(t *testing.T) {
	dir := t.TempDir()
	sets := map[string][]byte{"base.txz": baseText}
	sets["MANIFEST"] = manifestOf(sets)
	for name, text := range sets {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := newFetching(t, ReleaseOptions{Mirrors: []string{"file://" + dir + "/{version}/..", "file://" + dir + "/none/{version}"}})
	if err := os.Mkdir(filepath.Join(dir, "14.3-RELEASE"), 0o700); err != nil {
		t.Fatal(err)
	}
	f.works()
	f = newFetching(t, ReleaseOptions{Mirrors: []string{"file://" + dir + "/none/{version}"}})
	_ = f.fails(fault.NotFound, "no such file")
	if err := os.Mkdir(filepath.Join(dir, "14.3-RELEASE", "MANIFEST"), 0o700); err != nil {
		t.Fatal(err)
	}
	f = newFetching(t, ReleaseOptions{Mirrors: []string{"file://" + dir + "/{version}"}})
	_ = f.fails(fault.Damaged, "is not a file")
}

func TestWarning(t *testing.T) {
	for trust, want := range map[Trust]string{Pinned: "", Installed: "", ByHTTPS: "on trust of https", ByFile: "not pinned", ByHTTP: "ANYBODY"} {
		m := &Manifest{Trust: trust, From: "x"}
		if got := m.Warning(); !strings.Contains(got, want) || (want == "") != (got == "") {
			t.Errorf("%s: %q", trust, got)
		}
	}
}

// A full disk is no fault of a mirror.
func TestFullDisk(t *testing.T) {
	t1 := &transfer{body: io.NopCloser(strings.NewReader("text")), total: 4, ctx: t.Context()}
	_, err := t1.copyTo(fullWriter{}, "http://a.example/x")
	if !errors.Is(err, syscall.ENOSPC) || !final(err) {
		t.Errorf("%v", err)
	}
}

type fullWriter struct{}

func (fullWriter) Write([]byte) (int, error) { return 0, syscall.ENOSPC }

func TestCacheRemove(t *testing.T) {
	m := newMirror(t)
	f := newFetching(t, ReleaseOptions{}, m)
	manifest, err := f.release.Manifest(t.Context(), &f.fetcher, f.cache, Notes{})
	if err != nil {
		t.Fatal(err)
	}
	set, err := f.release.Set(t.Context(), &f.fetcher, f.cache, manifest, manifest.Sets[0], Notes{})
	if err != nil {
		t.Fatal(err)
	}
	digest := sumOf(baseText)
	if gone, err := f.cache.Remove(digest); gone || err != nil {
		t.Errorf("in use: %v, %v", gone, err)
	}
	if list, err := f.cache.List(); err != nil || len(list) != 1 || !list[0].Busy {
		t.Errorf("in use: %+v, %v", list, err)
	}
	// Others can use it, too, without waiting.
	f.works()
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
	if gone, err := f.cache.Remove(digest); !gone || err != nil {
		t.Errorf("%v, %v", gone, err)
	}
	f.cache.RemoveEmpty()
	if _, err := os.Lstat(filepath.Dir(f.cache.Dir)); !os.IsNotExist(err) {
		t.Errorf("left: %v", err)
	}
	if list, err := f.cache.List(); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	f.works()
}

func FuzzContentRange(f *testing.F) {
	for _, s := range []string{"bytes 5-9/10", "bytes 5-9/*", "bytes */10", "", "bytes -1-2/3", "bytes 9-5/3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		start, total, ok := parseContentRange(s)
		if ok && (start < 0 || total != -1 && total < start) {
			t.Errorf("%q: %d of %d", s, start, total)
		}
	})
}
