//go:build !linux

// Package mounttest lets a test mount file systems where a test may.
package mounttest

import "testing"

// Inside skips the test: user namespaces are Linux's.
func Inside(t *testing.T) bool {
	t.Helper()
	t.Skip("needs a user namespace, which only Linux has")
	return false
}
