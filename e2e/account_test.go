package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// account is who runs xjail. The zero account is the one that runs the tests.
type account struct {
	name     string
	uid, gid int
	home     string
	etc      string // directory with the passwd, subuid and subgid that it sees
}

// caller is the account that runs the tests.
var caller account

// command is one that the account runs. Another account's sees its own files
// of accounts, in a mount namespace, so that the machine's stay as they are.
func (a account) command(argv ...string) *exec.Cmd {
	if a.uid == 0 {
		cmd := exec.Command(argv[0], argv[1:]...)
		cmd.Env = os.Environ()
		return cmd
	}
	const script = `etc=$1 ids=$2; shift 2
for f in passwd group subuid subgid; do mount --bind "$etc/$f" "/etc/$f"; done
exec setpriv --reuid "$ids" --regid "$ids" --clear-groups "$@"`
	cmd := exec.Command("unshare", append([]string{"--mount", "sh", "-ec", script, "sh", a.etc, fmt.Sprint(a.uid)}, argv...)...)
	cmd.Env = append(os.Environ(), "HOME="+a.home, "USER="+a.name, "LOGNAME="+a.name)
	return cmd
}

// ordinaryUser is an account without rights, with 65536 subordinate ids or with
// none. Only root can become one.
func ordinaryUser(t *testing.T, subordinate bool) account {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can become another user")
	}
	if subordinate {
		if _, err := exec.LookPath("newuidmap"); err != nil {
			t.Skip("needs newuidmap")
		}
	}
	const id = 54321
	dir := sharedDir(t)
	a := account{name: "porter", uid: id, gid: id, home: filepath.Join(dir, "home"), etc: filepath.Join(dir, "etc")}
	ids := ""
	if subordinate {
		ids = "porter:3000000:65536\n"
	}
	for name, text := range map[string]string{
		"passwd": readFile("/etc/passwd") + fmt.Sprintf("porter:x:%d:%d::%s:/bin/sh\n", id, id, a.home),
		"group":  readFile("/etc/group") + fmt.Sprintf("porter:x:%d:\n", id),
		"subuid": ids,
		"subgid": ids,
	} {
		writeFile(t, filepath.Join(a.etc, name), text, 0o644)
		if _, err := os.Stat(filepath.Join("/etc", name)); err != nil {
			t.Skip(err)
		}
	}
	if err := os.Mkdir(a.home, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(a.home, id, id); err != nil {
		t.Fatal(err)
	}
	return a
}

// writeFile makes a file with its directories.
func writeFile(t *testing.T, name, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}
