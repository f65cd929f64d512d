package jail

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"
)

// Places in struct kinfo_proc of a 64-bit FreeBSD (sys/sys/user.h): its size
// and layout number, eight pointers, then the ids.
const (
	kinfoSize      = 1088 // KINFO_PROC_SIZE
	kinfoPID       = 72
	kinfoParentPID = 76
)

// kinfoParent reads the parent out of what the sysctl kern.proc.pid says of a
// process; 0 when it is not the struct that this program knows.
func kinfoParent(raw []byte, pid int) int {
	order := binary.NativeEndian
	if len(raw) < kinfoSize || order.Uint32(raw) != kinfoSize || int(int32(order.Uint32(raw[kinfoPID:]))) != pid {
		return 0
	}
	return int(int32(order.Uint32(raw[kinfoParentPID:])))
}

// More of struct kinfo_proc.
const (
	kinfoUID     = 168
	kinfoRSS     = 264 // pages
	kinfoRuntime = 328 // microseconds
	kinfoStart   = 336 // struct timeval
	kinfoStat    = 388
	kinfoComm    = 447
	kinfoCommMax = 20
	kinfoJail    = 592
	kinfoThreads = 596
)

// kinfoStates are the letters of ki_stat (sys/sys/proc.h): being made, running,
// asleep, stopped, ended, waiting for an interrupt, for a lock.
const kinfoStates = "?IRSTZWL"

// kinfoProcess is what is wanted of a struct kinfo_proc.
type kinfoProcess struct {
	jail int
	comm string
	Process
}

// parseKinfo reads what the sysctl kern.proc.proc says; nothing of a kernel whose
// struct is another.
func parseKinfo(raw []byte, now time.Time, page int64) []kinfoProcess {
	order := binary.NativeEndian
	var list []kinfoProcess
	for ; len(raw) >= kinfoSize && order.Uint32(raw) == kinfoSize; raw = raw[kinfoSize:] {
		k := kinfoProcess{jail: int(int32(order.Uint32(raw[kinfoJail:])))}
		comm, _, _ := bytes.Cut(raw[kinfoComm:kinfoComm+kinfoCommMax], []byte{0})
		k.comm = string(comm)
		began := time.Unix(int64(order.Uint64(raw[kinfoStart:])), 1000*int64(order.Uint64(raw[kinfoStart+8:])))
		k.Process = Process{
			PID: int(int32(order.Uint32(raw[kinfoPID:]))), Parent: int(int32(order.Uint32(raw[kinfoParentPID:]))),
			UID: order.Uint32(raw[kinfoUID:]), State: "?", Program: "[" + k.comm + "]",
			CPU: time.Duration(order.Uint64(raw[kinfoRuntime:])) * time.Microsecond, Elapsed: max(0, now.Sub(began)),
			RSS: int64(order.Uint64(raw[kinfoRSS:])) * page, Threads: int(int32(order.Uint32(raw[kinfoThreads:]))),
		}
		if n := int(raw[kinfoStat]); n < len(kinfoStates) {
			k.State = kinfoStates[n : n+1]
		}
		list = append(list, k)
	}
	return list
}

// lookAtKinfo describes the processes in jails(2) of a jail: those whose path is
// one of its views. args and text are the sysctls kern.proc.args and
// kern.proc.pathname.
func (o *onlooker) lookAtKinfo(all []kinfoProcess, prisons map[int]string, views string, args, text func(pid int) []byte) []Process {
	var list []Process
	for _, k := range all {
		root, ok := strings.CutPrefix(prisons[k.jail], views+"/")
		if k.jail == 0 || !ok || root == "" {
			continue
		}
		p := k.Process
		p.User = o.user(p.UID)
		argv := parseNulls(args(p.PID))
		exe := o.inView(string(bytes.TrimRight(text(p.PID), "\x00")), prisons[k.jail])
		if o.isInterpreter(exe) {
			o.emulated(&p, append([]string{exe}, argv[min(1, len(argv)):]...))
		} else if exe != "" {
			p.Program, p.Args = exe, argv
		}
		list = append(list, p)
	}
	return list
}

// inView is a path of the machine as the jail sees it.
func (o *onlooker) inView(name, view string) string {
	for _, prefix := range []string{view, o.record.Root} {
		if rest, ok := strings.CutPrefix(name, prefix+"/"); ok {
			return "/" + rest
		}
	}
	return name
}

func (o *onlooker) isInterpreter(name string) bool {
	interpreter, _, _ := o.interpreter([]string{name})
	return interpreter != ""
}
