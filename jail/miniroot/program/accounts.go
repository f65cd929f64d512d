package main

import (
	"bufio"
	"os"
	"slices"
	"strconv"
	"strings"
)

// account is a line of passwd(5) or group(5).
type account struct {
	name    string
	id      int
	group   int      // of a user
	members []string // of a group
}

// accounts reads a passwd or group file. os/user would do, but reads the file
// anew for every question.
func accounts(file string) []account {
	f, err := os.Open(file)
	if err != nil {
		return nil
	}
	defer f.Close()
	var all []account
	for sc := bufio.NewScanner(f); sc.Scan(); {
		fields := strings.Split(sc.Text(), ":")
		if len(fields) < 4 {
			continue
		}
		a := account{name: fields[0]}
		if a.id, err = strconv.Atoi(fields[2]); err != nil {
			continue
		}
		if len(fields) > 4 {
			a.group, _ = strconv.Atoi(fields[3])
		} else {
			a.members = strings.Split(fields[3], ",")
		}
		all = append(all, a)
	}
	return all
}

// findAccount finds a name or a number; a number need not be in the file.
func findAccount(file, name string) (account, bool) {
	all := accounts(file)
	for _, a := range all {
		if a.name == name {
			return a, true
		}
	}
	id, err := strconv.Atoi(name)
	if err != nil || id < 0 {
		return account{}, false
	}
	for _, a := range all {
		if a.id == id {
			return a, true
		}
	}
	return account{name: name, id: id, group: -1}, true
}

// accountNames maps numbers to names.
func accountNames(file string) map[int]string {
	names := map[int]string{}
	for _, a := range accounts(file) {
		if _, ok := names[a.id]; !ok {
			names[a.id] = a.name
		}
	}
	return names
}

// nameOr is the name of a number, or the number.
func nameOr(names map[int]string, id int) string {
	if name, ok := names[id]; ok {
		return name
	}
	return strconv.Itoa(id)
}

func runWhoami(p *proc) int {
	p.options("").operands(0, 0)
	p.printf("%s\n", nameOr(accountNames("/etc/passwd"), os.Geteuid()))
	return 0
}

func runID(p *proc) int {
	o := p.options("ugGnr", "user=u", "group=g", "groups=G", "name=n", "real=r")
	users, groups := accountNames("/etc/passwd"), accountNames("/etc/group")
	o.operands(0, 1)
	uid, gid, list := p.identity(o)
	show := func(names map[int]string, id int) string {
		if o.has("n") {
			return nameOr(names, id)
		}
		return strconv.Itoa(id)
	}
	switch o.last("ugG") {
	case 'u':
		p.printf("%s\n", show(users, uid))
	case 'g':
		p.printf("%s\n", show(groups, gid))
	case 'G':
		var text []string
		for _, id := range list {
			text = append(text, show(groups, id))
		}
		p.printf("%s\n", strings.Join(text, " "))
	default:
		var text []string
		for _, id := range list {
			text = append(text, withName(groups, id))
		}
		p.printf("uid=%s gid=%s groups=%s\n", withName(users, uid), withName(groups, gid), strings.Join(text, ","))
	}
	return 0
}

// identity is who the process is, or the user that is named.
func (p *proc) identity(o options) (uid, gid int, groups []int) {
	if len(o.rest) == 0 {
		uid, gid = os.Geteuid(), os.Getegid()
		if o.has("r") {
			uid, gid = os.Getuid(), os.Getgid()
		}
		more, err := os.Getgroups()
		p.fail("cannot tell the groups", err)
		groups = append([]int{gid}, more...)
	} else {
		u, ok := findAccount("/etc/passwd", o.rest[0])
		if !ok || u.group < 0 {
			p.fatal(1, "'%s': no such user", o.rest[0])
		}
		uid, gid, groups = u.id, u.group, []int{u.group}
		for _, g := range accounts("/etc/group") {
			if slices.Contains(g.members, u.name) {
				groups = append(groups, g.id)
			}
		}
	}
	var once []int
	for _, id := range groups {
		if !slices.Contains(once, id) {
			once = append(once, id)
		}
	}
	return uid, gid, once
}

func withName(names map[int]string, id int) string {
	if name, ok := names[id]; ok {
		return strconv.Itoa(id) + "(" + name + ")"
	}
	return strconv.Itoa(id)
}
