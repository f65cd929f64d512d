package jail

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/profile"
)

// The roles of such a process, in argv[1].
const (
	roleInit  = "init"  // the first process of a jail
	roleFiles = "files" // the same command once more, as root of a user namespace
	roleWait  = "wait"  // wait until somebody has mapped the ids, then become argv[2]
	// roleKeep is roleInit of a command that goes on when its caller is killed.
	roleKeep = "keep"
)

// controlFD is the descriptor of the socket to the parent: exec.Cmd gives the
// first of ExtraFiles this number. Role keep has besides the lock of the jail,
// which is in use as long as its init lives, and the file of the profile.
const (
	controlFD = 3
	lockFD    = 4
	profileFD = 5
)

// idMap is one line of uid_map.
type idMap struct{ inside, outside, count int }

// idMaps are the ids that a new user namespace gets, and who may write them.
type idMaps struct {
	uids, gids []idMap
	helpers    bool // newuidmap and newgidmap write them: the kernel would refuse us
	setgroups  bool
}

// InUserNamespace tells whether this process is in a user namespace that is
// not the machine's first: uid 0 is then not the machine's root.
func InUserNamespace() bool {
	maps, err := readIDMap("/proc/self/uid_map")
	return err == nil && (len(maps) != 1 || maps[0] != idMap{0, 0, 1<<32 - 1})
}

// readIDMap parses uid_map and gid_map, user_namespaces(7).
func readIDMap(name string) ([]idMap, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var maps []idMap
	for line := range strings.Lines(string(text)) {
		var m idMap
		if _, err := fmt.Sscan(line, &m.inside, &m.outside, &m.count); err != nil {
			return nil, fmt.Errorf("%s: %q: %w", name, line, err)
		}
		maps = append(maps, m)
	}
	return maps, nil
}

// planMaps chooses the ids: all that there are for root; for others the range
// of /etc/subuid when newuidmap is installed, else the caller's own id alone.
func planMaps() (idMaps, error) {
	if os.Geteuid() == 0 {
		return identityMaps()
	}
	uid, gid := os.Geteuid(), os.Getegid()
	one := idMaps{uids: []idMap{{0, uid, 1}}, gids: []idMap{{0, gid, 1}}}
	if !haveMapHelpers() {
		return one, nil
	}
	uids, gids := subordinateIDs("/etc/subuid", uid), subordinateIDs("/etc/subgid", uid)
	if len(uids) == 0 || len(gids) == 0 {
		return one, nil
	}
	return idMaps{
		uids:    append(one.uids, uids...),
		gids:    append(one.gids, gids...),
		helpers: true, setgroups: true,
	}, nil
}

// identityMaps hands every id of this namespace on under its own number.
func identityMaps() (idMaps, error) {
	m := idMaps{setgroups: true}
	for _, side := range []struct {
		file string
		to   *[]idMap
	}{{"/proc/self/uid_map", &m.uids}, {"/proc/self/gid_map", &m.gids}} {
		maps, err := readIDMap(side.file)
		if err != nil {
			return m, err
		}
		for _, e := range maps {
			*side.to = append(*side.to, idMap{e.inside, e.inside, e.count})
		}
	}
	// Where setgroups is denied it stays denied in every child namespace.
	deny, _ := os.ReadFile("/proc/self/setgroups")
	m.setgroups = strings.TrimSpace(string(deny)) != "deny"
	return m, nil
}

func haveMapHelpers() bool {
	for _, name := range []string{"newuidmap", "newgidmap"} {
		if _, err := exec.LookPath(name); err != nil {
			return false
		}
	}
	return true
}

// subordinateIDs reads the ranges of a user in /etc/subuid or /etc/subgid,
// subuid(5), and lays them one after the other from 1 on.
func subordinateIDs(file string, uid int) []idMap {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	name := ""
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name = u.Username
	}
	var maps []idMap
	next := 1
	for sc := bufio.NewScanner(f); sc.Scan(); {
		part := strings.Split(strings.TrimSpace(sc.Text()), ":")
		if len(part) != 3 || part[0] == "" || part[0] != name && part[0] != strconv.Itoa(uid) {
			continue
		}
		start, err1 := strconv.Atoi(part[1])
		count, err2 := strconv.Atoi(part[2])
		if err1 != nil || err2 != nil || count <= 0 || start <= 0 {
			continue
		}
		maps = append(maps, idMap{next, start, count})
		next += count
	}
	return maps
}

// sysMaps converts to what the syscall package wants.
func sysMaps(maps []idMap) []syscall.SysProcIDMap {
	out := make([]syscall.SysProcIDMap, len(maps))
	for i, m := range maps {
		out[i] = syscall.SysProcIDMap{ContainerID: m.inside, HostID: m.outside, Size: m.count}
	}
	return out
}

// nsProcess is this program, started once more in namespaces of its own.
type nsProcess struct {
	*exec.Cmd
	control *os.File // the parent's end

	interactive bool // ctx does not end it, see enter
	entrance    *entrance
	profile     *Profile
	warn        func(text string)
}

// startNS starts role in new namespaces, with flags besides the user
// namespace. The process dies when this one does, unless it is to be kept: it also
// sees the socket close. (Pdeathsig follows the thread, and Go ends no thread that is not
// locked.)
func startNS(role string, flags uintptr, args []string, prepare func(*exec.Cmd)) (*nsProcess, error) {
	maps, err := planMaps()
	if err != nil {
		return nil, err
	}
	// What the caller left open, a directory of the host for one, is not the
	// jail's, nor its init's, whose descriptors the jail may see.
	closeInherited(3)
	ours, theirs, err := controlPair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Args = append([]string{InitName, role}, args...)
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | flags,
		Pdeathsig:  syscall.SIGKILL,
	}
	if role == roleKeep {
		cmd.SysProcAttr.Pdeathsig = 0
	}
	if maps.helpers {
		cmd.Args = append([]string{InitName, roleWait, role}, args...)
	} else {
		cmd.SysProcAttr.UidMappings = sysMaps(maps.uids)
		cmd.SysProcAttr.GidMappings = sysMaps(maps.gids)
		cmd.SysProcAttr.GidMappingsEnableSetgroups = maps.setgroups
	}
	if prepare != nil {
		prepare(cmd)
	}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, namespaceError(err)
	}
	p := &nsProcess{Cmd: cmd, control: ours}
	if maps.helpers {
		if err := p.writeMaps(maps); err != nil {
			p.kill()
			return nil, err
		}
	}
	return p, nil
}

// writeMaps lets newuidmap and newgidmap write the ids and then wakes the
// waiting child.
func (p *nsProcess) writeMaps(maps idMaps) error {
	for _, side := range []struct {
		helper string
		maps   []idMap
	}{{"newuidmap", maps.uids}, {"newgidmap", maps.gids}} {
		args := []string{strconv.Itoa(p.Process.Pid)}
		for _, m := range side.maps {
			args = append(args, strconv.Itoa(m.inside), strconv.Itoa(m.outside), strconv.Itoa(m.count))
		}
		if out, err := exec.Command(side.helper, args...).CombinedOutput(); err != nil {
			return fault.New(fault.Permission, "check this user's lines in /etc/subuid and /etc/subgid, or remove them to go on with one id",
				"%s %s: %w: %s", side.helper, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
		}
	}
	_, err := p.control.Write([]byte{'m'})
	return err
}

func (p *nsProcess) kill() {
	_ = p.Process.Kill()
	_ = p.Wait()
	p.control.Close()
}

// controlPair makes the socket between a parent and the process that it
// starts. Each message is one packet.
func controlPair() (ours, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control"), nil
}

// namespaceError says which setting of the system forbids user namespaces.
func namespaceError(err error) error {
	hint := "the kernel needs CONFIG_USER_NS"
	switch {
	case readInt("/proc/sys/user/max_user_namespaces") == 0:
		hint = "sudo sysctl user.max_user_namespaces=15000"
	case readInt("/proc/sys/kernel/unprivileged_userns_clone") == 0 && os.Geteuid() != 0:
		hint = "sudo sysctl kernel.unprivileged_userns_clone=1, or run xjail as root"
	case readInt("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == 1 && os.Geteuid() != 0:
		hint = "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0, or run xjail as root"
	case errors.Is(err, unix.EACCES):
		hint = "a security module such as SELinux forbids user namespaces: allow them there, or run xjail as root"
	case errors.Is(err, unix.EPERM):
		hint = "a container or a seccomp filter forbids unshare(CLONE_NEWUSER): allow it there, or run xjail outside"
	}
	return fault.Wrap(fault.Unsupported, err, "cannot make a user namespace", hint)
}

// readInt reads a sysctl file; -1 when there is none.
func readInt(name string) int {
	b, err := os.ReadFile(name)
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return -1
	}
	return n
}

// message is what a child tells its parent over the control socket.
type message struct {
	Started bool `json:"started,omitempty"`
	Stopped int  `json:"stopped,omitempty"` // the command was stopped by this signal
	Exited  *int `json:"exited,omitempty"`
	Signal  int  `json:"signal,omitempty"` // that ended the command
	// Drifted are programs over which no tool was laid, since they are not what
	// they were. Lifted are those that were replaced while the jail was used.
	Drifted []string `json:"drifted,omitempty"`
	Lifted  string   `json:"lifted,omitempty"`
	NoTrap  string   `json:"no_trap,omitempty"` // why replacing covered programs will fail
	// Sums are of the profile, at its end, and Unwritten is why it could not be
	// written as a whole.
	Sums      *profile.Sums `json:"sums,omitempty"`
	Unwritten string        `json:"unwritten,omitempty"`
	Error     string        `json:"error,omitempty"`
	Hint      string        `json:"hint,omitempty"`
	Kind      fault.Kind    `json:"kind,omitempty"`
}

func errorMessage(err error) message {
	return message{Error: err.Error(), Hint: fault.HintOf(err), Kind: fault.KindOf(err)}
}

func (m message) err() error {
	if m.Error == "" {
		return nil
	}
	return &fault.Error{Kind: m.Kind, What: m.Error, Hint: m.Hint}
}

func send(f *os.File, m any) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	_, err = f.Write(append(b, '\n'))
	return err
}
