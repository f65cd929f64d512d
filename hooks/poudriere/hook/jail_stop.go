package hook

import (
	"context"
	"errors"
)

// jailStop leaves nothing of the hooks in the reference. Poudriere removes it
// next, or keeps it where it is asked to.
func (j *job) jailStop(ctx context.Context) error {
	ended := j.endCollector(ctx)
	ref := j.openReference()
	if ref == nil {
		return ended
	}
	defer ref.Close()
	dropSmoke(ref)
	w := &wiring{job: j, root: ref}
	return errors.Join(ended, w.sweep(ctx), dropTools(ctx, ref))
}
