package html_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/html"
	"github.com/xjail/xjail/profile/profiletest"
)

var update = flag.Bool("update", false, "write the golden files")

func write(t testing.TB, texts ...[]byte) []byte {
	t.Helper()
	b := profile.NewBuilder(profile.Options{Tree: true, Top: html.Rows})
	var p *profile.Profile
	for i, text := range texts {
		p = profiletest.Read(t, text)
		b.Add(fmt.Sprintf("p%d.xprof", i), p)
	}
	if len(texts) > 1 {
		p = nil
	}
	var out bytes.Buffer
	if err := html.Write(&out, b.Report(), p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// constant is what is the same on every page.
var constant = regexp.MustCompile(`(?s)<style>.*</style>|<script>.*</script>|sha256-(?:&#43;|[^&'])*`)

func TestPage(t *testing.T) {
	got := constant.ReplaceAll(write(t, profiletest.Build(t)), []byte("..."))
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("testdata/page.html", got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("testdata/page.html")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the page is not what it was:\n%s", got)
	}
}

// hostile is a profile of which every word wants to be more than text.
func hostile(t testing.TB) []byte {
	h := profiletest.Header()
	for _, field := range []*string{&h.Jail, &h.Arch, &h.Host, &h.Collector, &h.Tools, &h.Subject} {
		*field = profiletest.Hostile
	}
	h.Command = []string{profiletest.Hostile}
	m := profiletest.NewMaker(t, h)
	for i := range 3 {
		id := m.Start(i, profile.Run{Program: profiletest.Hostile, File: "/" + profiletest.Hostile, Script: i == 1, Argv: []string{profiletest.Hostile, "\xff"}, Emulator: profiletest.Hostile})
		m.Fail(id, i, profiletest.Hostile, profiletest.Hostile)
		m.Exit(id, 100+i, 10, 1, 0)
	}
	m.Start(100, profile.Run{Program: "<img src=x onerror=alert(1)>", Argv: []string{"'\" onload=alert(1) x='"}})
	return m.Close(200, 0, 0)
}

func TestHostile(t *testing.T) {
	for _, page := range [][]byte{write(t, hostile(t)), write(t, hostile(t), hostile(t))} {
		text := string(page)
		if n := strings.Count(text, "<script"); n != 1 {
			t.Errorf("%d scripts", n)
		}
		for _, bad := range []string{"<img", "\x1b", "\x00", "\u202e", "\xff"} {
			if strings.Contains(text, bad) {
				t.Errorf("%q is on the page", bad)
			}
		}
		if regexp.MustCompile(`<[^>]* on[a-z]+=`).MatchString(text) {
			t.Error("an attribute that runs something")
		}
	}
}

// The page needs nothing from anywhere.
func TestSelfContained(t *testing.T) {
	page := string(write(t, profiletest.Build(t)))
	if m := regexp.MustCompile(`(?i)\b(src|href)=|url\(|@import|https?://`).FindString(page); m != "" {
		t.Errorf("%q is on the page", m)
	}
	if !strings.Contains(page, "default-src &#39;none&#39;") {
		t.Error("no policy")
	}
}

// However much ran, the page is one that a browser opens.
func TestBounded(t *testing.T) {
	for _, n := range []int{10000, 60000} {
		if size := len(write(t, profiletest.Random(t, 1, n))); size > 2<<20 {
			t.Errorf("%d runs: %d bytes", n, size)
		}
	}
	m := profiletest.NewMaker(t, profiletest.Header())
	for i := range 30000 { // one after the other
		m.Exit(m.Start(i, profiletest.Emulated("/bin/sed")), i+1, 1, 0, 0)
	}
	if size := len(write(t, m.Close(30000, 0, 0))); size > 2<<20 {
		t.Errorf("30000 runs on one lane: %d bytes", size)
	}
	m = profiletest.NewMaker(t, profiletest.Header())
	for i := range 5000 {
		m.Exit(m.Start(i, profiletest.Native(fmt.Sprintf("/usr/bin/%0200d", i), strings.Repeat("x", 4000))), i+10, i, 1, 0)
	}
	if size := len(write(t, m.Close(6000, 0, 0))); size > 2<<20 {
		t.Errorf("5000 programs: %d bytes", size)
	}
}

func TestEmpty(t *testing.T) {
	page := write(t, profiletest.NewMaker(t, profiletest.Header()).Cut())
	if !bytes.Contains(page, []byte("not finished")) || !bytes.HasSuffix(page, []byte("</html>\n")) {
		t.Errorf("%s", page)
	}
}

// rect is a tile of the tree map, with the title of its group.
var rect = regexp.MustCompile(`<title>([^<]*)</title><rect class="[en] edge" x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/>`)

// The tiles fill the map, and each is as large as its program is.
func TestTreemap(t *testing.T) {
	page := string(write(t, profiletest.Build(t)))
	page, _, _ = strings.Cut(page, "<h2>When</h2>")
	var all float64
	areas := map[string]float64{}
	for _, m := range rect.FindAllStringSubmatch(page, -1) {
		var x, y, w, h float64
		if _, err := fmt.Sscan(m[2], &x); err != nil {
			t.Fatal(err)
		}
		_, _ = fmt.Sscan(m[3], &y)
		_, _ = fmt.Sscan(m[4], &w)
		_, _ = fmt.Sscan(m[5], &h)
		if x+w > 1000.2 || y+h > 380.2 {
			t.Errorf("out of the map: %q", m)
		}
		all += w * h
		name, _, _ := strings.Cut(m[1], ",")
		areas[name] += w * h
	}
	if all < 0.99*1000*380 || all > 1.01*1000*380 {
		t.Errorf("the tiles fill %v", all/380000)
	}
	if got, want := areas["/usr/bin/sed"]/all, 207.0/986; got < want-0.01 || got > want+0.01 {
		t.Errorf("sed has %v, not %v", got, want)
	}
}

// browser runs a browser without a screen, where there is one.
func browser(t *testing.T, args ...string) string {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" || testing.Short() {
		t.Skip("no browser")
	}
	ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, path, append([]string{"--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir=" + t.TempDir(), "--enable-logging=stderr", "--virtual-time-budget=2000"}, args...)...)
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("the browser does not run here: %v: %s", err, messages.String())
	}
	if m := regexp.MustCompile(`.*CONSOLE.*`).FindString(messages.String()); m != "" {
		t.Errorf("the browser says: %s", m)
	}
	return string(out)
}

// A real browser runs the script of the page, and none of what the names hold.
func TestBrowser(t *testing.T) {
	dir := t.TempDir()
	for name, page := range map[string][]byte{"build": write(t, profiletest.Build(t)), "hostile": write(t, hostile(t))} {
		file := filepath.Join(dir, name+".html")
		if err := os.WriteFile(file, page, 0o600); err != nil {
			t.Fatal(err)
		}
		dom := browser(t, "--dump-dom", "file://"+file)
		if !strings.Contains(dom, `<button type="button">CPU s</button>`) {
			t.Errorf("%s: the script did not run", name)
		}
		if n := strings.Count(dom, "<script"); n != 1 {
			t.Errorf("%s: %d scripts", name, n)
		}
	}
}

// programOrder finds the first program of the table in what a browser shows.
var programOrder = regexp.MustCompile(`(?s)id="programs".*?<tbody>.*?<td>(/[^<]*)`)

// A click on a heading sorts. The page's policy lets nobody click but people, so
// that it is taken off.
func TestBrowserSorts(t *testing.T) {
	page := regexp.MustCompile(`<meta http-equiv[^>]*>`).ReplaceAll(write(t, profiletest.Build(t)), nil)
	for column, want := range map[int]string{5: "/usr/bin/sed", 9: "/usr/bin/dash", 13: "/usr/bin/cat"} {
		file := filepath.Join(t.TempDir(), "page.html")
		click := fmt.Sprintf(`<script>document.querySelector("#programs th:nth-child(%d) button").click()</script></body>`, column)
		if err := os.WriteFile(file, bytes.Replace(page, []byte("</body>"), []byte(click), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		m := programOrder.FindStringSubmatch(browser(t, "--dump-dom", "file://"+file))
		if m == nil || !strings.HasPrefix(m[1], want) {
			t.Errorf("column %d: %.80q is first, want %s", column, m, want)
		}
	}
}

// Whatever a file holds, there is a page of it.
func FuzzPage(f *testing.F) {
	f.Add(profiletest.Build(f))
	f.Add(profiletest.Random(f, 1, 60))
	f.Add(append(bytes.SplitAfterN(profiletest.Build(f), []byte("\n"), 2)[0], `{"run":{"id":2,"parent":2,"replaced":2,"at":-5,"program":"a"}}
{"run":{"id":1,"parent":2,"at":9223372036854775807,"program":"b","argv":["b"]}}
{"end":{"id":1,"at":-1,"how":"?","user":-9223372036854775808,"system":-1}}
{"close":{"at":9223372036854775807}}
`...))
	f.Fuzz(func(t *testing.T, text []byte) {
		if p, err := profile.Read(bytes.NewReader(text)); err == nil && len(p.Runs) < 10000 {
			if n := bytes.Count(write(t, text), []byte("<script")); n != 1 {
				t.Errorf("%d scripts", n)
			}
			write(t, text, text)
		}
	})
}

// narrow says how the tables are laid out where there is little room.
const narrow = `<script>
const cells = [...document.querySelectorAll("td:last-child, th:last-child")].map(c => c.offsetWidth);
const rows = [...document.querySelectorAll("#programs tbody tr")].map(r => r.offsetHeight);
document.title = "cells " + Math.min(...cells) + " rows " + Math.max(...rows) +
  " map " + document.querySelector("svg").getBoundingClientRect().width +
  " page " + (document.documentElement.scrollWidth - innerWidth);
</script></body>`

// On a telephone names are not one letter wide, drawings can be read, and only they
// and the tables are scrolled sideways.
func TestBrowserNarrow(t *testing.T) {
	page := regexp.MustCompile(`<meta http-equiv[^>]*>`).ReplaceAll(write(t, profiletest.Build(t)), nil)
	file := filepath.Join(t.TempDir(), "page.html")
	if err := os.WriteFile(file, bytes.Replace(page, []byte("</body>"), []byte(narrow), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	dom := browser(t, "--dump-dom", "--window-size=400,900", "file://"+file)
	var cell, row, drawing, over float64
	_, found, _ := strings.Cut(dom, "<title>")
	if _, err := fmt.Sscanf(found, "cells %f rows %f map %f page %f", &cell, &row, &drawing, &over); err != nil {
		t.Fatalf("%v: %.200s", err, found)
	}
	if cell < 150 || row > 120 || drawing < 700 || over > 0 {
		t.Errorf("a name has %v, a row %v, the map %v, and %v are over the edge", cell, row, drawing, over)
	}
}
