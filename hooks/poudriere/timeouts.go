package poudriere

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Slowness is how much longer programs of the jail take than programs of this
// machine.
const (
	slownessMin = 1
	// slownessMax bounds what a measurement on a busy machine can say: a hang is
	// to be ended one day.
	slownessMax = 100
)

// LimitValue is a setting of poudriere's, in seconds.
type LimitValue struct {
	Name    string `json:"name"`
	Seconds int    `json:"seconds"`
	// Own is what holds without xjail.
	Own int `json:"own"`
}

// RaiseLimits are poudriere's times for a jail that is slowness times slower than
// the machine. now is what its configuration says without the jail's own file.
//
// Under emulation poudriere takes two times from QEMU_*, which are raised already;
// these are raised to what the plain ones would be, if that is more.
func RaiseLimits(now map[string]int, slowness float64) []LimitValue {
	slowness = min(max(slowness, slownessMin), slownessMax)
	raise := func(seconds int) int {
		// Whole minutes are easier to read.
		return int(math.Ceil(float64(seconds)*slowness/60)) * 60
	}
	var values []LimitValue
	for _, l := range limits {
		v := LimitValue{Name: l.name, Own: now[l.name]}
		if l.emulated != "" {
			v.Seconds = max(v.Own, raise(now[l.emulated]))
		} else {
			v.Seconds = raise(v.Own)
		}
		values = append(values, v)
	}
	return values
}

// limitsText is the file of the times of a jail.
func limitsText(name string, slowness float64, values []LimitValue) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Written by xjail for jail %s, whose programs take %.1f times as long as this\n", name, slowness)
	b.WriteString("# machine's. xjail poudriere timeouts writes it anew, and unregister removes it,\n# as long as nobody else changes it.\n")
	b.WriteString(LimitLines(values))
	return b.String()
}

// LimitLines are the lines of poudriere.conf that set these times.
func LimitLines(values []LimitValue) string {
	var b strings.Builder
	for _, v := range values {
		fmt.Fprintf(&b, "%s=%d\n", v.Name, v.Seconds)
	}
	return b.String()
}

// SetLimits writes the file of a jail's times, <jail>-poudriere.conf. One that
// xjail did not write, or that was changed since, stays: the error is
// fault.Exists.
func (p *Poudriere) SetLimits(s Subject, slowness float64, values []LimitValue) (*LimitsFile, error) {
	r, err := Load(s.Dir)
	if err != nil {
		return nil, err
	}
	if r == nil || r.Begun {
		return nil, fault.New(fault.NotFound, "xjail poudriere register "+s.Name, "poudriere was not told of jail %s", s.Name)
	}
	f := &LimitsFile{Path: r.Config().ConfFile(r.Jail.Name), Slowness: slowness}
	if err := replaceable(f.Path, r.Limits); err != nil {
		return nil, err
	}
	text := limitsText(s.Name, slowness, values)
	f.SHA256 = digestOf(text)
	// It is written down before it is there: what is there and has another digest
	// is not removed.
	old := r.Limits
	r.Limits = f
	if err := r.save(s.Dir); err != nil {
		return nil, err
	}
	if err := replaceFile(f.Path, tempOf(f.Path), text); err != nil {
		r.Limits = old
		return nil, errors.Join(err, r.save(s.Dir))
	}
	// The jail's name was another when the old one was written.
	if old != nil && old.Path != f.Path && replaceable(old.Path, old) == nil {
		_ = os.Remove(old.Path) // it does no harm where it stays
	}
	return f, nil
}

// replaceable tells whether a file of times may be written: there is none, or it
// is as xjail left it.
func replaceable(path string, known *LimitsFile) error {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	sum, err := digest(path)
	if err == nil && known != nil && known.Path == path && known.SHA256 == sum {
		return nil
	}
	return fault.New(fault.Exists, "add the lines to it by hand", "%s is not xjail's, or was changed", path)
}
