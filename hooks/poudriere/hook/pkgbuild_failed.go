package hook

import (
	"context"
)

// pkgbuildFailed says why a package failed.
func (j *job) pkgbuildFailed(ctx context.Context) error {
	return j.restore(ctx)
}
