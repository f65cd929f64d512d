package miniroot

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/xjail/xjail/internal/fault"
)

// dirs are the directories of a mini root, parents first.
var dirs = []struct {
	name string
	mode fs.FileMode
}{
	{"usr", 0o755}, {"usr/bin", 0o755}, {"usr/sbin", 0o755}, {"usr/lib", 0o755}, {"usr/share", 0o755},
	{"usr/local", 0o755}, {"usr/local/bin", 0o755}, {"usr/local/lib", 0o755},
	{"dev", 0o755}, {"etc", 0o755}, {"home", 0o755}, {"mnt", 0o755}, {"opt", 0o755},
	{"proc", 0o755}, {"root", 0o700}, {"run", 0o755}, {"srv", 0o755}, {"sys", 0o755},
	{"tmp", 0o777 | fs.ModeSticky},
	{"var", 0o755}, {"var/cache", 0o755}, {"var/lib", 0o755}, {"var/log", 0o755}, {"var/tmp", 0o777 | fs.ModeSticky},
}

// merged are the names outside of usr: every program has both of its names.
var merged = []struct{ name, target string }{
	{"bin", "usr/bin"}, {"sbin", "usr/sbin"}, {"lib", "usr/lib"}, {"var/run", "../run"},
}

// wheel is what the group of root is called.
var wheel = map[string]string{"linux": "root", "freebsd": "wheel"}

// files are the files of /etc that programs of a system read.
func files(goos, name string) []struct{ name, text string } {
	return []struct{ name, text string }{
		{"etc/passwd", "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\nnobody:x:65534:65534:nobody:/nonexistent:/bin/false\n"},
		{"etc/group", wheel[goos] + ":x:0:\ndaemon:x:1:\ntty:x:5:\nusers:x:100:\nnogroup:x:65534:\n"},
		{"etc/hostname", name + "\n"},
		{"etc/hosts", "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.1.1\t" + name + "\n"},
		{"etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"},
		{"etc/os-release", "NAME=\"xjail miniroot\"\nID=xjail-miniroot\nPRETTY_NAME=\"xjail miniroot\"\nHOME_URL=\"https://github.com/xjail/xjail\"\n"},
		{"etc/profile", "export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"},
		{"etc/resolv.conf", ""},
		{"etc/shells", "/bin/sh\n"},
	}
}

// Populate lays a mini root out in root, which should be empty: the program, a
// link to it for each command, and what programs expect in /etc. name is the
// jail's, for the files that hold a host's name. It gives no file away, so that
// any user can do it, and the same binary and name make the same tree.
//
// Errors are of kind fault.Exists when a name is taken, fault.Mismatch when the
// binary is not the one that was built, fault.NoSpace, fault.Permission,
// fault.Interrupted.
func Populate(ctx context.Context, root *os.Root, b *Binary, name string) error {
	for _, d := range dirs {
		if err := root.Mkdir(d.name, 0o755); err != nil {
			return diskError(err)
		}
		if err := root.Chmod(d.name, d.mode); err != nil { // past the umask
			return diskError(err)
		}
	}
	for _, l := range merged {
		if err := root.Symlink(l.target, l.name); err != nil {
			return diskError(err)
		}
	}
	for _, f := range files(b.GOOS, name) {
		if err := writeFile(root, f.name, f.text); err != nil {
			return diskError(err)
		}
	}
	if err := ctx.Err(); err != nil {
		return fault.Wrap(fault.Interrupted, err, "mini root", "")
	}
	if err := install(root, b); err != nil {
		return err
	}
	for _, applet := range b.Applets {
		if path.Base(applet) != applet || applet == binaryName {
			return fault.New(fault.Unsafe, "", "mini root: %q is no name of a command", applet)
		}
		if err := root.Symlink(binaryName, "usr/bin/"+applet); err != nil {
			return diskError(err)
		}
	}
	return nil
}

func writeFile(root *os.Root, name, text string) error {
	if err := root.WriteFile(name, []byte(text), 0o644); err != nil {
		return err
	}
	return root.Chmod(name, 0o644)
}

// install copies the program, and checks on the way that it is the one.
func install(root *os.Root, b *Binary) error {
	src, err := os.Open(b.Path)
	if err != nil {
		return fault.Wrap(fault.NotFound, err, "mini root", "")
	}
	defer src.Close()
	name := "usr/bin/" + binaryName
	dst, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return diskError(err)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(dst, h), src)
	if closeErr := dst.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = root.Chmod(name, 0o755)
	}
	if err != nil {
		return diskError(err)
	}
	if sum := hex.EncodeToString(h.Sum(nil)); sum != b.SHA256 {
		return fault.Wrap(fault.Mismatch, fmt.Errorf("it has SHA-256 %s, expected %s", sum, b.SHA256), "mini root: "+b.Path, "remove it and try again")
	}
	return nil
}
