package hook

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// pkgInJail is pkg in the reference: poudriere's PKG_BIN.
const pkgInJail = ".p/pkg-static"

// pkgrepoSign has the host's pkg make the repository where it is the same version
// as the jail's: emulated it takes hours for large ones. Poudriere means to do
// this itself and tests a variable that is never set (ensure_pkg_installed). It
// has just put the jail's own pkg there.
func (j *job) pkgrepoSign(ctx context.Context) error {
	ref := j.openReference()
	if ref == nil || len(j.call.Args) == 0 || j.notExecutable(j.pkgStatic) != "" {
		return nil
	}
	defer ref.Close()
	want := jailPkgVersion(j.call.Args[0])
	if want == "" || want != j.pkgVersion(ctx, j.pkgStatic) {
		return nil
	}
	st, err := ref.Lstat(pkgInJail)
	if err != nil || !st.Mode().IsRegular() {
		return nil //nolint:nilerr // this poudriere has its pkg elsewhere
	}
	if err := putFile(ref, pkgInJail, j.pkgStatic); err != nil {
		return err
	}
	j.say("pkg %s of this machine makes the repository", want)
	return nil
}

// jailPkgVersion is the version of the pkg among the packages, as poudriere reads
// it off the file to which Latest/pkg leads; "" when there is none.
func jailPkgVersion(packages string) string {
	found, err := filepath.Glob(filepath.Join(packages, "Latest", "pkg.*"))
	if err != nil {
		return ""
	}
	for _, name := range found {
		full, err := filepath.EvalSymlinks(name)
		if err != nil {
			continue
		}
		if version := pkgVersion(filepath.Base(full)); version != "" {
			return version
		}
	}
	return ""
}

// pkgVersion is the version in pkg-2.1.2_1.pkg and pkg-2.1.2~4e1cd8a0f3.pkg.
func pkgVersion(file string) string {
	version, ok := strings.CutPrefix(strings.TrimSuffix(file, filepath.Ext(file)), "pkg-")
	if !ok {
		return ""
	}
	version, _, _ = strings.Cut(version, "~")
	version, _, _ = strings.Cut(version, "_")
	return version
}

// askPkg is what a pkg of the host says of its version; "" when it says nothing.
func askPkg(ctx context.Context, pkg string) string {
	limited, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := execGroup(limited, pkg, "-v")
	if err != nil {
		return ""
	}
	return lastLine(strings.TrimSpace(string(out)))
}

// putFile replaces a program of the reference by one of the host, in one step.
func putFile(ref *os.Root, name, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	tmp := name + ".xjail"
	_ = ref.Remove(tmp) // of one that was killed
	out, err := ref.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o755)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if err = errors.Join(err, out.Close()); err == nil {
		err = ref.Chmod(tmp, 0o755)
	}
	if err == nil {
		err = ref.Rename(tmp, name)
	}
	if err != nil {
		return fault.Wrap(fault.Failed, errors.Join(err, ref.Remove(tmp)), "the host's pkg", "")
	}
	return nil
}
