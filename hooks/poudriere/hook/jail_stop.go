package hook

import (
	"context"
	"errors"
)

// jailStop comes when poudriere ends the reference, of a build that crashed as
// well. Poudriere's own event for that, bulk crashed, does not reach plugins after
// 3.4: it looks for them when the shell expands no names (exit_handler).
func (j *job) jailStop(ctx context.Context) error {
	err := j.leaveReference(ctx)
	get := j.call.Getenv
	bulk := get("POUDRIERE_BUILD_TYPE") == "bulk" && (get("SCRIPTNAME") == "" || get("SCRIPTNAME") == "bulk.sh")
	if get("CRASHED") == "" || !bulk {
		return err
	}
	return errors.Join(err, j.ended("crashed", nil))
}

// leaveReference leaves nothing of the hooks in the reference. Poudriere removes
// it next, or keeps it where it is asked to.
func (j *job) leaveReference(ctx context.Context) error {
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
