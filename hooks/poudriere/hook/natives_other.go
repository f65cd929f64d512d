//go:build !freebsd

package hook

func supported() []string { return nil }
