package jail

import (
	"context"
	"os"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// TryNamespaces makes the namespaces of a jail, and nothing else: it finds out
// whether this kernel lets this user.
func TryNamespaces(ctx context.Context) error { return try(ctx, &entrance{}) }

// TryPrivate makes the namespaces of a jail with a binfmt_misc of their own, and
// registers an entry there with every flag that jails use. The entry is for
// files that begin with bytes that no program begins with, and goes with the
// namespaces.
func TryPrivate(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return try(ctx, &entrance{Private: true, Activators: []activators.Entry{{
		Name: activatorPrefix + "try", Interpreter: self, Magic: []byte("\x00xjail try\x00"), Enabled: true,
		Flags: activators.Flags{PreserveArgv0: true, OpenBinary: true, Credentials: true, FixBinary: true},
	}}})
}

func try(ctx context.Context, e *entrance) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	e.Name, e.Host, e.Try = "xjail-try", true, true
	_, err = enter(ctx, e, &Command{Stdin: null, Stdout: null, Stderr: null})
	if ctx.Err() != nil {
		return fault.Wrap(fault.Interrupted, ctx.Err(), "try namespaces", "")
	}
	return err
}

// SubordinateIDs is how many ids a jail of this user has. A Debian root needs
// debianIDs.
func SubordinateIDs() (have, debian int, err error) {
	maps, err := planMaps()
	if err != nil {
		return 0, debianIDs, err
	}
	for _, m := range maps.uids {
		have += m.count
	}
	return have, debianIDs, nil
}

// SubordinateIDsHint is how a user gets enough of them.
const SubordinateIDsHint = "sudo apt-get install uidmap && sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $USER"
