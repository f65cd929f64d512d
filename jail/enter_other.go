//go:build !linux && !freebsd

package jail

import (
	"context"
	"runtime"

	"github.com/xjail/xjail/internal/fault"
)

func enter(context.Context, *entrance, *Command) (int, error) {
	return 0, fault.New(fault.Unsupported, "use a Linux or FreeBSD host; docs/limits.md says what works on which system",
		"entering a jail is not supported on %s", runtime.GOOS)
}
