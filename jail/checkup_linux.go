package jail

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
)

// kernelRuns tells whether this kernel runs the programs of a configuration
// option, and whether that is known.
func kernelRuns(option string) (has, known bool) {
	if h := arch.Host(); option == "CONFIG_COMPAT" && h != nil && h.Name == "aarch64" {
		return runsAArch32(), true
	}
	cmdline, _ := os.ReadFile("/proc/cmdline")
	if k := thisKernel(); k != nil {
		return hasOption(k, string(cmdline), option), true
	}
	if h := arch.Host(); option == "CONFIG_IA32_EMULATION" && h != nil && h.Name == "amd64" {
		return hasIA32(string(cmdline)), true
	}
	return false, false
}

// hasIA32 tells whether an amd64 kernel whose configuration is nowhere runs
// programs of i386: this sysctl is there with that option only.
func hasIA32(cmdline string) bool {
	_, err := os.Stat("/proc/sys/abi/vsyscall32")
	return err == nil && hasOption(map[string]string{"CONFIG_IA32_EMULATION": "y"}, cmdline, "CONFIG_IA32_EMULATION")
}

// thisKernel is the configuration of the kernel that runs, nil when it is
// nowhere: the kernel need not tell it.
var thisKernel = sync.OnceValue(func() map[string]string {
	if f, err := os.Open("/proc/config.gz"); err == nil {
		defer f.Close()
		if z, err := gzip.NewReader(f); err == nil {
			return configOf(z)
		}
	}
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return nil
	}
	release := unix.ByteSliceToString(name.Release[:])
	for _, path := range []string{"/boot/config-" + release, filepath.Join("/lib/modules", release, "config")} {
		if f, err := os.Open(path); err == nil {
			defer f.Close()
			return configOf(f)
		}
	}
	return nil
})

func configOf(r io.Reader) map[string]string {
	options, err := readKernelConfig(r)
	if err != nil || len(options) == 0 {
		return nil
	}
	return options
}

// runsAArch32 asks an arm64 kernel, since not every such CPU has 32 bits: it
// refuses the personality of 32-bit programs when it cannot run them. The
// personality is the thread's, which ends.
func runsAArch32() bool {
	const perLinux32 = 0x0008
	answer := make(chan bool)
	go func() {
		runtime.LockOSThread() // and never unlocked
		_, _, errno := unix.Syscall(unix.SYS_PERSONALITY, perLinux32, 0, 0)
		answer <- errno == 0
	}()
	return <-answer
}

// noexec is the mount point of the file system that a file is on, when it is
// mounted noexec, else "".
func noexec(path string) string {
	if !mountedNoexec(path) {
		return ""
	}
	dir, err := filepath.EvalSymlinks(path)
	if err != nil {
		return filepath.Dir(path)
	}
	// A bind mount has its own flags: the last folder upwards with the flag.
	dir = filepath.Dir(dir)
	for dir != "/" && mountedNoexec(filepath.Dir(dir)) && sameDevice(dir, filepath.Dir(dir)) {
		dir = filepath.Dir(dir)
	}
	return dir
}

func mountedNoexec(path string) bool {
	var st unix.Statfs_t
	return unix.Statfs(path, &st) == nil && st.Flags&unix.ST_NOEXEC != 0
}

func sameDevice(a, b string) bool {
	var x, y unix.Stat_t
	return unix.Stat(a, &x) == nil && unix.Stat(b, &y) == nil && x.Dev == y.Dev
}
