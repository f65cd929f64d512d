package cli

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// adoption makes this process the parent of what its children leave behind, so
// that a program that goes to the background is found and ended (prctl(2),
// PR_SET_CHILD_SUBREAPER; Linux 3.4).
type adoption struct {
	before map[int]bool // children that were there already
	was    bool         // this process adopted before
}

func adopt() adoption {
	var was uintptr
	_ = unix.Prctl(unix.PR_GET_CHILD_SUBREAPER, uintptr(unsafe.Pointer(&was)), 0, 0, 0)
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	a := adoption{map[int]bool{}, was&0xffffffff != 0}
	for _, pid := range children() {
		a.before[pid] = true
	}
	return a
}

// adoptionPatience is how long processes are ended that make new ones as fast.
const adoptionPatience = 5 * time.Second

// end kills the children that came since, and theirs, which become children.
func (a adoption) end() {
	for start := time.Now(); time.Since(start) < adoptionPatience; {
		found := false
		for _, pid := range children() {
			if a.before[pid] {
				continue
			}
			found = true
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
		}
		if !found {
			break
		}
	}
	if !a.was {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
	}
}

// children are the pids of this process's children.
func children() []int {
	if files, _ := filepath.Glob("/proc/self/task/*/children"); len(files) > 0 {
		var list []int
		for _, file := range files {
			text, _ := os.ReadFile(file)
			for word := range strings.FieldsSeq(string(text)) {
				if pid, err := strconv.Atoi(word); err == nil {
					list = append(list, pid)
				}
			}
		}
		return list
	}
	return childrenByParent() // without CONFIG_PROC_CHILDREN
}

func childrenByParent() []int {
	var list []int
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		// The name, in parentheses, may have anything in it.
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			list = append(list, pid)
		}
	}
	return list
}
