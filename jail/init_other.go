//go:build !linux

package jail

import "github.com/xjail/xjail/internal/fault"

// InUserNamespace is false: only Linux has user namespaces.
func InUserNamespace() bool { return false }

// IsInit is false: only on Linux a jail has an init that xjail provides.
func IsInit() bool { return false }

// RunInit is never called here, since IsInit is false.
func RunInit(func([]string) int) int { return int(fault.Unsupported) }

// AsRoot has nothing to do without user namespaces.
func AsRoot([]string) (status int, ok bool, err error) { return 0, false, nil }
