package poudriere

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// statusFile is where poudriere writes what a build does: "parallel_build:".
const statusFile = ".poudriere.status"

// checkIdle refuses while poudriere runs with a jail: its reference jail is
// mounted, or a build has not come to its end and its reference jail is there.
func (c Config) checkIdle(name string) error {
	s, err := c.Settings("")
	if err != nil || s.Data == "" {
		return nil //nolint:nilerr // without its data poudriere runs with nothing
	}
	for _, master := range c.masters(s.Data, name) {
		ref := filepath.Join(s.Data, ".m", master, "ref")
		hint := "wait for it; poudriere jail -k -j " + name + " " + c.treeOptions(strings.TrimPrefix(master, name+"-")) + " ends it"
		if mounted(ref) || mounted(filepath.Join(ref, "dev")) {
			return fault.New(fault.Locked, hint, "poudriere runs with jail %s: %s is mounted", name, ref)
		}
		if status := runningStatus(filepath.Join(s.Data, "logs", "bulk", master)); status != "" && isDir(ref) {
			return fault.New(fault.Locked, hint, "poudriere runs with jail %s: its status is %q", name, status)
		}
	}
	return nil
}

// masters are the names JAIL-TREE and JAIL-TREE-SET of what poudriere has of a
// jail. A name with a hyphen may begin with that of another jail: it belongs to
// the longest.
func (c Config) masters(data, name string) []string {
	entries, _ := os.ReadDir(filepath.Join(data, ".m"))
	jails, _ := c.Jails()
	var list []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), name+"-") {
			continue
		}
		longer := slices.ContainsFunc(jails, func(other string) bool {
			return len(other) > len(name) && strings.HasPrefix(e.Name(), other+"-")
		})
		if !longer {
			list = append(list, e.Name())
		}
	}
	return list
}

// treeOptions are the options that name the ports tree, and perhaps the set, of a
// build: TREE or TREE-SET, of which both may have hyphens.
func (c Config) treeOptions(name string) string {
	tree, set := name, ""
	for i, r := range name {
		if r == '-' && isDir(filepath.Join(c.Dir(), "ports", name[:i])) {
			tree, set = name[:i], name[i+1:]
		}
	}
	if set == "" || isDir(filepath.Join(c.Dir(), "ports", name)) {
		return "-p " + name
	}
	return "-p " + tree + " -z " + set
}

// mounted tells whether something is mounted on a directory: it is on another
// file system than the one above it.
func mounted(dir string) bool {
	one, err1 := os.Lstat(dir)
	two, err2 := os.Lstat(filepath.Dir(dir))
	if err1 != nil || err2 != nil {
		return false
	}
	x, ok1 := one.Sys().(*syscall.Stat_t)
	y, ok2 := two.Sys().(*syscall.Stat_t)
	return ok1 && ok2 && x.Dev != y.Dev
}

func isDir(name string) bool {
	st, err := os.Stat(name)
	return err == nil && st.IsDir()
}

// runningStatus is the status of the newest build of a master, "" when that has
// ended.
func runningStatus(logs string) string {
	name := filepath.Join(logs, "latest", statusFile)
	text, err := os.ReadFile(name)
	if err != nil {
		return ""
	}
	status := strings.TrimSpace(string(text))
	for _, end := range []string{"stopped:", "done:", "crashed:", "sigint:", "sigterm:", "sighup:", "sigpipe:"} {
		if strings.HasPrefix(strings.ToLower(status), end) {
			return ""
		}
	}
	return status
}
