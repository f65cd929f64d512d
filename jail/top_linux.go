package jail

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// processes are those below the first processes of the jail's namespaces. Whoever
// uses a jail has its lock's file open, and init is a child of that one, or has it
// open itself. What is no init is not looked into: that would be every file that
// every process has open.
func (s Store) processes(r *Record, o *onlooker) ([]Process, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	inits := map[int]bool{}
	if lock, err := os.Stat(s.lockFile(r.Name)); err == nil {
		for pid, p := range all {
			if isInitProcess(pid) && (hasOpen(pid, lock) || hasOpen(p.parent, lock)) {
				inits[pid] = true
			}
		}
	}
	l := &linuxOnlooker{onlooker: o, emulators: emulatorFiles(o)}
	var boot unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot); err != nil {
		return nil, err
	}
	l.sinceBoot = time.Duration(boot.Nano())
	var list []Process
	for init := range inits {
		l.enter(init)
		for _, pid := range descendants(all, map[int]bool{init: true}) {
			list = append(list, l.look(all[pid]))
		}
	}
	return list, nil
}

// readProcesses reads what /proc says of every process; those that end meanwhile
// are left out.
func readProcesses() (map[int]procStat, error) {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	all := map[int]procStat{}
	for _, name := range names {
		if _, err := strconv.Atoi(name); err != nil {
			continue
		}
		text, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
		if s, ok := parseProcStat(text); err == nil && ok {
			all[s.pid] = s
		}
	}
	return all, nil
}

func procFile(pid int, name string) string {
	return filepath.Join("/proc", strconv.Itoa(pid), name)
}

// hasOpen tells whether a process has a file open. Those of other users cannot be
// looked into, and are not the jail's.
func hasOpen(pid int, file os.FileInfo) bool {
	dir := procFile(pid, "fd")
	d, err := os.Open(dir)
	if err != nil {
		return false
	}
	defer d.Close()
	names, err := d.Readdirnames(-1)
	if err != nil {
		return false
	}
	for _, name := range names {
		fd := filepath.Join(dir, name)
		if to, err := os.Readlink(fd); err != nil || !strings.HasSuffix(to, "/"+file.Name()) {
			continue
		}
		if st, err := os.Stat(fd); err == nil && os.SameFile(st, file) {
			return true
		}
	}
	return false
}

// isInitProcess tells whether a process is the first of a jail.
func isInitProcess(pid int) bool {
	text, err := os.ReadFile(procFile(pid, "cmdline"))
	argv := parseNulls(text)
	if err != nil || len(argv) < 2 || argv[0] != InitName || argv[1] != roleInit && argv[1] != roleKeep {
		return false
	}
	status, err := os.ReadFile(procFile(pid, "status"))
	nspid, _ := parseStatus(status)
	return err == nil && len(nspid) > 1 && nspid[len(nspid)-1] == 1
}

// emulatorFiles are the files of the activators' interpreters: in the root, and on
// the machine for activators of the machine.
func emulatorFiles(o *onlooker) map[string][]os.FileInfo {
	files := map[string][]os.FileInfo{}
	stat := statIn(o.root)
	for _, a := range o.record.Activators {
		files[a.Interpreter] = nil // there may be none any more
		if st, err := stat(a.Interpreter); err == nil {
			files[a.Interpreter] = append(files[a.Interpreter], st)
		}
		if !o.record.Global {
			continue
		}
		if st, err := os.Stat(a.Interpreter); err == nil {
			files[a.Interpreter] = append(files[a.Interpreter], st)
		}
	}
	return files
}

// linuxOnlooker looks at processes below one init at a time.
type linuxOnlooker struct {
	*onlooker
	emulators map[string][]os.FileInfo
	sinceBoot time.Duration
	uids      []idRange
	level     int // of the jail among the namespaces of a process
}

func (l *linuxOnlooker) enter(init int) {
	text, _ := os.ReadFile(procFile(init, "uid_map")) // without it ids are shown as they are here
	l.uids = parseIDMap(text)
	status, _ := os.ReadFile(procFile(init, "status"))
	nspid, _ := parseStatus(status)
	l.level = len(nspid) - 1
}

// look describes a process. One that ends meanwhile is described as far as that
// goes.
func (l *linuxOnlooker) look(s procStat) Process {
	p := Process{
		PID: s.pid, Parent: s.parent, State: s.state, Program: "[" + s.comm + "]",
		CPU: s.cpu, Elapsed: max(0, l.sinceBoot-s.started), RSS: s.rss * int64(os.Getpagesize()), Threads: s.threads,
	}
	status, _ := os.ReadFile(procFile(s.pid, "status"))
	nspid, uid := parseStatus(status)
	if l.level > 0 && l.level < len(nspid) {
		p.JailPID = nspid[l.level]
	}
	p.UID = idInside(l.uids, uid)
	p.User = l.user(p.UID)
	cmdline, _ := os.ReadFile(procFile(s.pid, "cmdline"))
	argv := parseNulls(cmdline)
	exe, err := os.Stat(procFile(s.pid, "exe"))
	link, _ := os.Readlink(procFile(s.pid, "exe"))
	if err == nil && l.emulatorOf(exe, link) == "" {
		p.Args = argv
		if link != "" {
			p.Program = strings.TrimSuffix(link, goneFile)
		}
		return p
	}
	l.emulated(&p, argv)
	if err == nil && p.Emulator == "" {
		p.Emulator, p.Args = l.emulatorOf(exe, link), argv
	}
	return p
}

// goneFile is behind the name of a file that has none any more, proc_pid_exe(5).
const goneFile = " (deleted)"

// emulatorOf is the interpreter that a file is; "" for none. One that was replaced
// since the kernel opened it has only the name left.
func (l *linuxOnlooker) emulatorOf(exe os.FileInfo, link string) string {
	for name, files := range l.emulators {
		if link == name+goneFile {
			return name
		}
		for _, f := range files {
			if os.SameFile(exe, f) {
				return name
			}
		}
	}
	return ""
}
