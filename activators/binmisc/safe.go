package binmisc

import (
	"errors"
	"fmt"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Native is an architecture whose programs the kernel runs by itself; see
// SupportedArchs.
type Native struct {
	Arch   string
	Header []byte // the start of such a program, an ELF header at least
}

// scripts is what every script begins with.
var scripts = activators.Entry{Magic: activators.Hex("#!")}

// Safe is activators.Native, which always holds, and what depends on how the
// table is in this kernel. Compiled in it is asked first: an entry that takes
// scripts, or programs of one of the native architectures whatever their system,
// is refused with kind fault.Unsafe. As a module it is asked last: an entry for a
// native architecture would never be used, which is activators.ErrUnsupported.
// A table that is not there yet counts as a module, for that is what Load makes
// of it.
func (t *Table) Safe(e activators.Entry, natives ...Native) error {
	if err := activators.Native(e); err != nil {
		return err
	}
	compiled, err := t.Compiled()
	if err != nil && !errors.Is(err, activators.ErrUnsupported) {
		return err
	}
	if compiled && activators.Covers(scripts, e) {
		return refuse(e, errors.New("it would take scripts, since this kernel has "+module+" compiled in and asks it first"), "")
	}
	for _, n := range natives {
		if !activators.TakesLike(e, n.Header) {
			continue
		}
		if compiled {
			return refuse(e, fmt.Errorf("it would take programs of %s, which this kernel runs by itself: it has %s compiled in and asks it first", n.Arch, module), "")
		}
		return activators.Fail(activators.ErrUnsupported, fmt.Sprintf("activator %q", e.Name),
			fmt.Errorf("this kernel runs programs of %s by itself, so that it would never be used", n.Arch), "register nothing for "+n.Arch)
	}
	return nil
}

func refuse(e activators.Entry, why error, hint string) error {
	return &fault.Error{Kind: fault.Unsafe, What: fmt.Sprintf("activator %q", e.Name), Hint: hint,
		Err: activators.Fail(activators.ErrInvalid, "", why, "")}
}
