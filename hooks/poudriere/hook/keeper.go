package hook

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/dtrace"
)

// Bounds of what profiles take, in bytes: a package has 100000 programs in the
// first, and a build of 30000 ports would have the second.
const (
	packageSize = 32 << 20
	buildSize   = 4 << 30
)

const (
	profileSuffix = ".xprof"
	openSuffix    = ".open" // of one whose package is not known yet
)

// referenceSubject is what is profiled besides packages: in the reference poudriere asks
// every port for its variables.
const referenceSubject = "the ports tree"

// keeper keeps the profiles of a build.
type keeper struct {
	*job
	dir    string
	header profile.Header
	open   map[string]*openProfile
	size   int64 // of all that are whole
	cuts   *os.File
	rest   string // of a cut that is not whole
}

// openProfile is what a jail runs now.
type openProfile struct {
	file    *os.File
	out     *profile.Writer
	started time.Time
	size    int64
}

func (p *openProfile) Write(b []byte) (int, error) {
	n, err := p.file.Write(b)
	p.size += int64(n)
	return n, err
}

// Begin opens a file of which the header comes when the package is known.
func (k *keeper) Begin(jail string, started time.Time) (*profile.Writer, error) {
	if k.size > buildSize {
		return nil, fault.New(fault.NoSpace, "", "they take more than %d GiB", buildSize>>30)
	}
	if err := os.MkdirAll(k.dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(k.dir, buildlog.FileName(jail)+openSuffix), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return nil, err
	}
	p := &openProfile{file: f, started: started}
	h := k.header
	h.Started = started.UTC()
	if p.out, err = profile.NewWriter(p, &h); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	k.open[jail] = p
	return p.out, nil
}

// Full tells whether a package has no room for more.
func (k *keeper) Full(jail string) bool { return k.open[jail].size > packageSize }

// End gives a profile the name of its package. What no package is known of is a
// builder that was stopped: its profile is removed.
func (k *keeper) End(jail, subject string, s *dtrace.Stats) error {
	p := k.open[jail]
	delete(k.open, jail)
	// The kernel has no sum of its own for a package.
	err := p.out.Close(&profile.Close{At: int64(s.At), Left: s.Left})
	if subject == "" && jail == k.masterName() {
		subject = referenceSubject
	}
	if subject != "" && err == nil {
		err = k.keep(p, subject)
	}
	return errors.Join(err, p.file.Close(), os.Remove(p.file.Name()))
}

// keep writes the profile anew, with its subject.
func (k *keeper) keep(p *openProfile, subject string) error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReader(p.file)
	if _, err := in.ReadString('\n'); err != nil {
		return err
	}
	name := filepath.Join(k.dir, buildlog.FileName(subject)+profileSuffix)
	tmp := name + openSuffix
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	h := k.header
	h.Started, h.Subject = p.started.UTC(), subject
	_, err = profile.NewWriter(f, &h)
	if err == nil {
		_, err = io.Copy(f, in)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(tmp))
	}
	k.size += p.size
	return nil
}

// Cuts reads what the hooks have told since.
func (k *keeper) Cuts() []dtrace.Cut {
	text, err := io.ReadAll(k.cuts)
	if err != nil || len(text) == 0 {
		return nil
	}
	var list []dtrace.Cut
	list, k.rest = readCuts(k.rest + string(text))
	return list
}
