package jail

import (
	"bufio"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// account is a user of the jail, from its own passwd and group files.
type account struct {
	name     string
	uid, gid uint32
	groups   []uint32
	home     string
	shell    string
}

// env is what login(1) sets, and no more: a build must not depend on the
// environment of whoever started it.
func (a account) env() []string {
	return []string{"HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name, "SHELL=" + a.shell, "PATH=" + defaultPath}
}

// openFunc opens a file of the jail for reading.
type openFunc func(name string) (*os.File, error)

// openInput opens a file of the root that this process is in. A FIFO would
// block an ordinary open for ever.
func openInput(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
}

// lookupAccount finds user, by name or number, in the jail's passwd(5). Root
// does not need one; a number without a line is used as it is.
func lookupAccount(open openFunc, user string) (account, error) {
	root := account{name: "root", home: "/root", shell: "/bin/sh"}
	if user == "" {
		user = "root"
	}
	for _, field := range readColons(open, "/etc/passwd", 7) {
		if field[0] != user && field[2] != user {
			continue
		}
		uid, err1 := strconv.ParseUint(field[2], 10, 32)
		gid, err2 := strconv.ParseUint(field[3], 10, 32)
		if err1 != nil || err2 != nil {
			continue
		}
		a := account{name: field[0], uid: uint32(uid), gid: uint32(gid), home: field[5], shell: field[6]}
		if a.shell == "" {
			a.shell = "/bin/sh"
		}
		if !path.IsAbs(a.home) {
			a.home = "/"
		}
		a.groups = supplementary(open, a)
		return a, nil
	}
	if user == "root" || user == "0" {
		return root, nil
	}
	if id, err := strconv.ParseUint(user, 10, 32); err == nil {
		return account{name: user, uid: uint32(id), gid: uint32(id), groups: []uint32{uint32(id)}, home: "/", shell: "/bin/sh"}, nil
	}
	return account{}, fault.New(fault.NotFound, "--user takes a name of the jail's /etc/passwd, or a number", "user %q is not in the jail's /etc/passwd", user)
}

// supplementary are the groups of a user, its own first.
func supplementary(open openFunc, a account) []uint32 {
	gids := []uint32{a.gid}
	for _, field := range readColons(open, "/etc/group", 4) {
		gid, err := strconv.ParseUint(field[2], 10, 32)
		if err == nil && slices.Contains(strings.Split(field[3], ","), a.name) && !slices.Contains(gids, uint32(gid)) {
			gids = append(gids, uint32(gid))
		}
	}
	return gids
}

// readColons reads the lines of a file that have at least n fields between
// colons. The file is the jail's: whatever is wrong with it, it is just not
// there.
func readColons(open openFunc, name string, n int) [][]string {
	f, err := open(name)
	if err != nil {
		return nil
	}
	defer f.Close()
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil
	}
	var lines [][]string
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if field := strings.Split(sc.Text(), ":"); len(field) >= n && !strings.HasPrefix(field[0], "#") {
			lines = append(lines, field)
		}
	}
	return lines
}
