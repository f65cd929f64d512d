//go:build !linux && !freebsd

package explain

import "os"

// Mounts are not looked at on other systems, which run no jails.
func mountOf(string) Mount { return Mount{} }

func mountOfFile(*os.File, string) Mount { return Mount{} }
