//go:build !linux

package extract

import "testing"

// inNamespace: user namespaces are Linux's.
func inNamespace(t *testing.T) bool {
	t.Helper()
	t.Skip("needs a user namespace, which only Linux has")
	return false
}

// limitFiles: the limit is tested on Linux.
func limitFiles(*testing.T, uint64) {}
