package jail

import (
	"context"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// pollPause is how often a lock is tried again that another process holds.
const pollPause = 200 * time.Millisecond

// pause waits for another process, or until ctx ends.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fault.Wrap(fault.Interrupted, ctx.Err(), "waiting for another xjail", "")
	case <-time.After(pollPause):
		return nil
	}
}
