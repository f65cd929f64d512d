package persist

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The skeleton of FreeBSD's port, and what it takes from elsewhere.
var (
	portDir = filepath.Join("..", "..", "docs", "freebsd-port")
	manDir  = filepath.Join("..", "..", "docs", "man")
)

func portFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(portDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The port's script is the one that persist writes, but for whose it is.
func TestPortScript(t *testing.T) {
	port := portFile(t, "files/xjail.in")
	if port != PortScript() {
		t.Error("docs/freebsd-port/files/xjail.in is not PortScript")
	}
	installed := strings.ReplaceAll(port, "%%PREFIX%%", "/usr/local")
	if ownerOf(installed) != packaged || strings.Contains(installed, "%%") {
		t.Errorf("the package's script is of %d", ownerOf(installed))
	}
	written := mustFiles(t, FreeBSD, boot())[0].Text
	mine := regexp.MustCompile("(?m)^"+regexp.QuoteMeta(marker)+".*$").ReplaceAllString(written, packageMark)
	if installed != mine {
		t.Errorf("the package installs\n%s\npersist writes\n%s", installed, mine)
	}
}

// pkg-plist has the program and every man page; USE_RC_SUBR adds the script.
func TestPortPlist(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(manDir, "*.1"))
	if err != nil || len(pages) == 0 {
		t.Fatal(len(pages), err)
	}
	want := []string{"bin/xjail"}
	for _, page := range pages {
		want = append(want, "share/man/man1/"+filepath.Base(page)+".gz")
	}
	got := strings.Split(strings.TrimSuffix(portFile(t, "pkg-plist"), "\n"), "\n")
	slices.Sort(want[1:])
	if !slices.Equal(got, want) {
		t.Errorf("pkg-plist has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// The order of variables is that of the Porter's Handbook, chapter 15.
var portOrder = []string{
	"PORTNAME", "DISTVERSIONPREFIX", "DISTVERSION", "CATEGORIES", "MAINTAINER", "COMMENT", "WWW", "LICENSE", "LICENSE_FILE",
	"ONLY_FOR_ARCHS", "ONLY_FOR_ARCHS_REASON", "USES", "USE_RC_SUBR", "CGO_ENABLED", "GO_MODULE", "GO_TARGET",
}

func TestPortMakefile(t *testing.T) {
	text := portFile(t, "Makefile")
	var names []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if name, _, ok := strings.Cut(line, "="); ok && !strings.HasPrefix(line, "\t") {
			names = append(names, name)
			if !regexp.MustCompile(`^[A-Z_]+=\t+\S`).MatchString(line) {
				t.Errorf("%q: tabs come after the equals sign", line)
			}
		}
		if strings.TrimRight(line, " \t") != line || strings.HasPrefix(line, " ") {
			t.Errorf("%q: blanks at its ends", line)
		}
	}
	if !slices.Equal(names, portOrder) {
		t.Errorf("the variables are %v, want %v", names, portOrder)
	}
	for _, want := range []string{"LICENSE=\tBSD2CLAUSE\n", "USE_RC_SUBR=\txjail\n", "GO_MODULE=\tgithub.com/xjail/xjail\n", "\n.include <bsd.port.mk>\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q", want)
		}
	}
	comment := regexp.MustCompile(`COMMENT=\t(.*)`).FindStringSubmatch(text)[1]
	if len(comment) > 70 || strings.HasSuffix(comment, ".") {
		t.Errorf("COMMENT has %d characters, or a period", len(comment))
	}
}

// pkg-descr is plain text of at most 80 columns, pkg-message is of pkg's form.
func TestPortTexts(t *testing.T) {
	for line := range strings.Lines(portFile(t, "pkg-descr")) {
		if len(line) > 81 || strings.Contains(line, "\t") {
			t.Errorf("pkg-descr: %q", line)
		}
	}
	if !regexp.MustCompile(`(?s)^\[\n\{ type: install\n  message: <<EOM\n.*\nEOM\n\}\n\]\n$`).MatchString(portFile(t, "pkg-message")) {
		t.Error("pkg-message is not a list of messages")
	}
	for _, name := range []string{"enable", "archs"} {
		if !strings.Contains(Script, "xjail_activators_"+name) || !strings.Contains(portFile(t, "pkg-message"), "xjail_activators_"+name) {
			t.Errorf("xjail_activators_%s is not in the script, or not in pkg-message", name)
		}
	}
}
