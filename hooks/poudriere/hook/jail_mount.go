package hook

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/xjail/xjail/jail/xtools/nxb"
)

// jailMount comes before poudriere wires /nxb-bin in the reference. The reference
// is a clone of the jail's root, or of its snapshot @clean, which may be older
// than the tools: then they are copied, for hard links do not lead from one file
// system to another.
func (j *job) jailMount(ctx context.Context) error {
	stored, err := os.OpenRoot(j.jail.Mnt)
	if err != nil {
		return err
	}
	defer stored.Close()
	if err := j.badTools(stored); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // there are no tools
		}
		return err // bulk start said so
	}
	ref, err := os.OpenRoot(j.call.Args[0])
	if err != nil {
		return err
	}
	defer ref.Close()
	if sameRoot(stored, ref) {
		return nil // not a clone, and not ours to change
	}
	differs, err := differs(stored, ref)
	if err != nil {
		return err
	}
	if differs != "" {
		if err := copyTools(ctx, stored, ref); err != nil {
			return err
		}
		j.say("copied /%s from %s: %s", nxb.Dir, j.jail.Mnt, differs)
	}
	return j.leaveTools(ref)
}

func sameRoot(a, b *os.Root) bool {
	one, err1 := a.Stat(".")
	two, err2 := b.Stat(".")
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}
