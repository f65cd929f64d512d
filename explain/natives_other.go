//go:build !linux

package explain

// compatible has nothing here: FreeBSD's kernel names its architectures itself,
// kern.supported_archs.
func compatible() []string { return nil }
