//go:build !linux

package jail

import "os"

// InUserNamespace is false: only Linux has user namespaces.
func InUserNamespace() bool { return false }

// AsRoot has nothing to do without user namespaces.
func AsRoot([]string) (status int, ok bool, err error) { return 0, false, nil }

// AsRootTo has nothing to do without user namespaces.
func AsRootTo(*os.File, []string) (status int, ok bool, err error) { return 0, false, nil }
