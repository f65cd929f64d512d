package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

// Trust is why a MANIFEST is believed.
type Trust string

// The reasons to believe a MANIFEST, from good to bad.
const (
	Pinned    Trust = "pinned"    // its digest was given
	Installed Trust = "installed" // a file of this machine, such as the port's
	ByFile    Trust = "file"      // a mirror of this machine
	ByHTTPS   Trust = "https"     // whoever has the certificate of the host
	ByHTTP    Trust = "http"      // whoever is on the way
)

// ReleaseOptions are the settings of the configuration and the command line.
type ReleaseOptions struct {
	Mirrors []string // nil stands for the project's own
	Sets    []string // nil stands for base, and lib32 where there is one
	// SHA256 is the digest that the MANIFEST must have; it wins over Pins.
	SHA256 string
	// Pins are digests of MANIFESTs by TARGET-TARGET_ARCH-VERSION.
	Pins map[string]string
	// Dirs are further directories with MANIFESTs of that name.
	Dirs []string
	// RequirePinned refuses a MANIFEST that nothing but its transport vouches for.
	RequirePinned bool
}

// manifestDirs are where the ports misc/freebsd-release-manifests and
// ports-mgmt/poudriere put MANIFESTs.
var manifestDirs = []string{"/usr/local/share/freebsd/MANIFESTS", "/usr/local/share/poudriere/MANIFESTS"}

// FreeBSDRelease is where the sets of a release for an architecture come from.
type FreeBSDRelease struct {
	Version string   `json:"version"`
	Arch    string   `json:"arch"`           // TARGET.TARGET_ARCH
	URLs    []string `json:"urls"`           // directories, in the order in which they are asked
	Sets    []string `json:"sets,omitempty"` // those that were named
	// SHA256 is the digest of the MANIFEST, and File the place of one on this
	// machine, where there is such.
	SHA256 string `json:"manifest_sha256,omitempty"`
	File   string `json:"manifest_file,omitempty"`
}

// NewRelease finds out where a release comes from. It looks at this machine
// only.
func NewRelease(a *arch.Arch, version string, o ReleaseOptions) (*FreeBSDRelease, error) {
	v, err := ParseVersion(version)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(CheckRelease(a, v), CheckSets(o.Sets)); err != nil {
		return nil, err
	}
	r := &FreeBSDRelease{Version: v.String(), Arch: a.Target + "." + a.Name, Sets: o.Sets}
	mirrors := o.Mirrors
	if len(mirrors) == 0 {
		mirrors = DefaultMirrors(v)
	}
	for _, m := range mirrors {
		if err := CheckMirror(m); err != nil {
			return nil, err
		}
		r.URLs = append(r.URLs, releaseURL(m, a, v))
	}
	if err := r.pin(o); err != nil {
		return nil, err
	}
	if r.SHA256 == "" {
		r.File = findManifest(append(slices.Clone(o.Dirs), manifestDirs...), r.key())
	}
	if o.RequirePinned && r.SHA256 == "" && r.File == "" {
		return nil, fault.New(fault.Unsafe,
			"install misc/freebsd-release-manifests, give its digest with --manifest-sha256, or write it under freebsd_manifests in the configuration",
			"the MANIFEST of %s is not pinned, and freebsd_require_pinned is set", r.key())
	}
	return r, nil
}

// key is the name of the MANIFEST in the ports.
func (r *FreeBSDRelease) key() string {
	return strings.Replace(r.Arch, ".", "-", 1) + "-" + r.Version
}

// Name is the release for people.
func (r *FreeBSDRelease) Name() string { return "FreeBSD " + r.Version + " for " + r.Arch }

// pin takes the digest that the command line or the configuration gives.
func (r *FreeBSDRelease) pin(o ReleaseOptions) error {
	where := "--manifest-sha256"
	r.SHA256 = strings.ToLower(o.SHA256)
	if r.SHA256 == "" {
		where = "freebsd_manifests: " + r.key()
		r.SHA256 = strings.ToLower(o.Pins[r.key()])
	}
	if r.SHA256 != "" && !validDigest(r.SHA256) {
		return fault.New(fault.Usage, "sha256 -q MANIFEST prints the right form", "%s: %q is not a SHA-256 digest: it takes 64 hexadecimal digits", where, r.SHA256)
	}
	return nil
}

func findManifest(dirs []string, key string) string {
	for _, dir := range dirs {
		name := filepath.Join(dir, key)
		if info, err := os.Stat(name); err == nil && info.Mode().IsRegular() {
			return name
		}
	}
	return ""
}

// Manifest is what a release consists of.
type Manifest struct {
	SHA256 string `json:"sha256"`
	From   string `json:"from"` // address or path
	Trust  Trust  `json:"trust"`
	// Sets are those that were asked for, base first.
	Sets []Set `json:"sets"`
	// directory is that of the mirror that had it.
	directory string
}

// Manifest gets the MANIFEST: the file of this machine, or from the first mirror
// that has it, with its digest where that is known.
//
// Errors have the kinds of Cache.Fetch; Mismatch also when no mirror has the
// pinned one.
func (r *FreeBSDRelease) Manifest(ctx context.Context, f *Fetcher, cache Cache, notes Notes) (*Manifest, error) {
	text, m, err := r.findText(ctx, f, cache, notes)
	if err != nil {
		return nil, err
	}
	all, err := ParseManifest(text)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, m.From, "")
	}
	m.SHA256 = sumOf(text)
	m.Sets, err = chooseSets(all, r.Sets)
	return m, fault.Wrap(fault.KindOf(err), err, r.Name(), "")
}

func (r *FreeBSDRelease) findText(ctx context.Context, f *Fetcher, cache Cache, notes Notes) ([]byte, *Manifest, error) {
	if r.File != "" {
		text, err := readSmall(r.File)
		return text, &Manifest{From: r.File, Trust: Installed}, err
	}
	if r.SHA256 != "" {
		if text := cache.get(r.SHA256); text != nil {
			return text, &Manifest{From: "cache", Trust: Pinned}, nil
		}
	}
	text, m, err := r.fetchManifest(ctx, f, notes)
	if err != nil {
		return nil, nil, err
	}
	if r.SHA256 != "" {
		// The next jail does without asking.
		err = cache.put(ctx, r.SHA256, r.Arch+" "+r.Version+" MANIFEST", text)
	}
	return text, m, err
}

func readSmall(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "MANIFEST", "")
	}
	defer file.Close()
	return readLimited(file, name)
}

func readLimited(r io.Reader, from string) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(text) > maxManifest {
		err = fault.New(fault.Damaged, "use another mirror", "%s has more than %d bytes: it is no MANIFEST", from, maxManifest)
	}
	return text, err
}

// fetchManifest asks the mirrors in their order. Nobody who can break the way to
// a mirror may thereby choose the next one's answer: a MANIFEST that only its
// transport vouches for is not taken by http after https has failed.
func (r *FreeBSDRelease) fetchManifest(ctx context.Context, f *Fetcher, notes Notes) ([]byte, *Manifest, error) {
	var failures []error
	broken := ""
	for i, dir := range r.URLs {
		url := dir + "/MANIFEST"
		trust := r.trust(url)
		if trust == ByHTTP && broken != "" {
			failures = append(failures, fault.New(fault.Unsafe, unpinnedHint, "%s is not asked: %s could not be, and http proves nothing", url, broken))
			continue
		}
		text, err := fetchSmall(ctx, f, url)
		if err == nil {
			err = r.checkManifest(url, text)
		}
		if err == nil {
			return text, &Manifest{From: url, Trust: trust, directory: dir}, nil
		}
		if final(err) {
			return nil, nil, err
		}
		if fault.KindOf(err) != fault.NotFound && trust == ByHTTPS {
			broken = dir
		}
		if failures = append(failures, err); i < len(r.URLs)-1 {
			notes.warn("%v; trying the next mirror", err)
		}
	}
	return nil, nil, worst("MANIFEST of "+r.Name(), failures)
}

const unpinnedHint = "give its digest with --manifest-sha256, or install misc/freebsd-release-manifests"

func (r *FreeBSDRelease) trust(url string) Trust {
	switch {
	case r.SHA256 != "":
		return Pinned
	case strings.HasPrefix(url, "https:"):
		return ByHTTPS
	case strings.HasPrefix(url, "file:"):
		return ByFile
	}
	return ByHTTP
}

// checkManifest compares the digest, when it is known.
func (r *FreeBSDRelease) checkManifest(url string, text []byte) error {
	if sum := sumOf(text); r.SHA256 != "" && sum != r.SHA256 {
		return fault.New(fault.Mismatch, "correct the digest, or use another mirror", "%s: SHA-256 of the MANIFEST is %s, pinned is %s", url, sum, r.SHA256)
	}
	return nil
}

func fetchSmall(ctx context.Context, f *Fetcher, url string) ([]byte, error) {
	quiet := &Fetcher{Stall: f.Stall, SameHost: true}
	t, err := quiet.open(ctx, url, 0, "")
	if err != nil {
		return nil, err
	}
	defer t.close()
	var text bytes.Buffer
	if t.total > maxManifest {
		return nil, fault.New(fault.Damaged, "use another mirror", "%s has %d bytes: it is no MANIFEST", url, t.total)
	}
	t.body = limited{io.LimitReader(t.body, maxManifest+1), t.body}
	if _, err := t.copyTo(&text, url); err != nil {
		return nil, err
	}
	return readLimited(&text, url)
}

// limited is a body of which no more than a limit is read.
type limited struct {
	io.Reader
	io.Closer
}

// Warning is what a user has to know of how far the MANIFEST can be believed; ""
// when its digest was known before.
func (m *Manifest) Warning() string {
	switch m.Trust {
	case ByHTTPS:
		return "the MANIFEST is taken on trust of https and " + m.From + ": its digest " + m.SHA256 + " is not pinned"
	case ByFile:
		return "the MANIFEST " + m.From + " is taken as it is: its digest " + m.SHA256 + " is not pinned"
	case ByHTTP:
		return "ANYBODY ON THE WAY COULD HAVE CHANGED THE MANIFEST: it came by http from " + m.From + ", and its digest " + m.SHA256 + " is not pinned; " + unpinnedHint
	}
	return ""
}

// Set gets a set of the release, with the digest of the MANIFEST. The mirror
// that had the MANIFEST is asked first.
func (r *FreeBSDRelease) Set(ctx context.Context, f *Fetcher, cache Cache, m *Manifest, set Set, notes Notes) (*Cached, error) {
	dirs := slices.Clone(r.URLs)
	if i := slices.Index(dirs, m.directory); i > 0 {
		dirs = slices.Insert(slices.Delete(dirs, i, i+1), 0, m.directory)
	}
	var urls []string
	for _, dir := range dirs {
		urls = append(urls, dir+"/"+set.File)
	}
	bound := *f
	bound.SameHost = true
	return cache.Fetch(ctx, &bound, set.SHA256, r.Arch+" "+r.Version+" "+set.File, urls, notes)
}
