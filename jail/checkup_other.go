//go:build !linux && !freebsd

package jail

func kernelRuns(string) (has, known bool) { return false, false }

func noexec(string) string { return "" }
