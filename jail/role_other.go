//go:build !linux && !freebsd

package jail

import "github.com/xjail/xjail/internal/fault"

// IsInit is false: jails are entered on Linux and on FreeBSD.
func IsInit() bool { return false }

// RunInit is never called here, since IsInit is false.
func RunInit(func([]string) int) int { return int(fault.Unsupported) }
