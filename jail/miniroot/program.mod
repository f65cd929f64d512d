// The mini root's program as a module of its own: build.go writes this as
// go.mod. The versions are those of xjail's go.mod; a test compares them.
module xjail-miniroot

go 1.26.0

require (
	github.com/u-root/u-root v0.16.0
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
	mvdan.cc/sh/v3 v3.14.1
)
