package explain

import (
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

// compatible are the architectures whose programs this kernel runs besides its
// own, by the catalog's names.
func compatible() []string {
	switch runtime.GOARCH {
	case "amd64":
		// This sysctl exists with CONFIG_IA32_EMULATION only.
		if _, err := os.Stat("/proc/sys/abi/vsyscall32"); err == nil {
			return []string{"i386", "i486"}
		}
	case "arm64":
		if linux32() {
			return []string{"armv7"}
		}
	}
	return nil
}

// perLinux32 is PER_LINUX32 of linux/personality.h. arm64 refuses it where the
// processor has no 32-bit mode.
const perLinux32 = 8

// linux32 asks in a thread of its own, which ends with what it was set to.
func linux32() bool {
	answer := make(chan bool)
	go func() {
		runtime.LockOSThread()
		_, _, errno := unix.RawSyscall(unix.SYS_PERSONALITY, perLinux32, 0, 0)
		answer <- errno == 0
	}()
	return <-answer
}
