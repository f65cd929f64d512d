package xtools

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// debianKeys are the keys that sign Debian's archives, from its package
// debian-archive-keyring.
const debianKeys = "/usr/share/keyrings/debian-archive-keyring.gpg"

// apt is apt-get of the host with a state of its own, in dir: it fetches
// packages of another machine's architecture and release, goes on with
// downloads that were interrupted, and checks signatures and digests.
type apt struct {
	dir  string
	arch string // Debian's name of the architecture of the packages
	log  io.Writer
	// had are the files that were in it before, nil for none. See makeRoom.
	had map[string]bool
}

// path of a file in its directory.
func (a *apt) path(name string) string { return filepath.Join(a.dir, name) }

// archives is where the packages' files are.
func (a *apt) archives() string { return a.path("archives") }

// findApt says what is missing on the host.
func findApt() error {
	for _, tool := range []string{"apt-get", "apt-config", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			return fault.New(fault.NotFound, "install apt and dpkg (apt-get install apt dpkg), or take tools of another source", "the twin of a root of Debian is fetched by %s: %w", tool, err)
		}
	}
	return nil
}

// makeRoom removes what was fetched since the file system was found full, which
// would be what fills it. err is what else failed.
func (a *apt) makeRoom(err error) error {
	if !IsFull(err) {
		return err
	}
	if a.had == nil {
		return errors.Join(err, os.RemoveAll(a.dir))
	}
	for name := range a.files() {
		if !a.had[name] {
			err = errors.Join(err, os.Remove(name))
		}
	}
	return err
}

// files are those in its directory.
func (a *apt) files() map[string]bool {
	files := map[string]bool{}
	_ = filepath.WalkDir(a.dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[name] = true
		}
		return nil
	})
	return files
}

// IsFull tells whether an error is of a file system without room.
func IsFull(err error) bool {
	return err != nil && (fault.KindOf(err) == fault.NoSpace || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT))
}

// configure writes the configuration and the sources.
func (a *apt) configure(ctx context.Context, sources []string) error {
	if _, err := os.Stat(a.dir); err == nil {
		a.had = a.files()
	}
	for _, d := range []string{"etc/none", "state/lists/partial", "cache", "archives/partial", "tmp"} {
		if err := os.MkdirAll(a.path(d), 0o700); err != nil {
			return err
		}
	}
	conf := a.config()
	if own, err := exec.CommandContext(ctx, "apt-config", "dump").Output(); err == nil {
		conf += acquireSettings(string(own))
	}
	key := ""
	if _, err := os.Stat(debianKeys); err == nil {
		key = " signed-by=" + debianKeys
	}
	list := ""
	for _, line := range sources {
		list += "deb [arch=" + a.arch + key + "] " + line + "\n"
	}
	for name, text := range map[string]string{"apt.conf": conf, "etc/sources.list": list, "status": ""} {
		if err := os.WriteFile(a.path(name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// config is apt.conf(5). Nothing of what the host has installed counts, and
// none of its hooks is run. An index that has become old is as good as a new one:
// what is taken of it has the versions that the root has.
func (a *apt) config() string {
	lines := []string{
		"Dir::State " + quote(a.path("state")),
		"Dir::State::status " + quote(a.path("status")),
		"Dir::State::extended_states " + quote(a.path("extended_states")),
		"Dir::Cache " + quote(a.path("cache")),
		"Dir::Cache::archives " + quote(a.archives()),
		"Dir::Etc " + quote(a.path("etc")),
		"Dir::Etc::sourcelist " + quote(a.path("etc/sources.list")),
		"Dir::Etc::sourceparts " + quote(a.path("etc/none")),
		"Dir::Etc::parts " + quote(a.path("etc/none")),
		"Dir::Etc::main " + quote(a.path("etc/none.conf")),
		"Dir::Etc::preferences " + quote(a.path("etc/none.pref")),
		"Dir::Etc::preferencesparts " + quote(a.path("etc/none")),
		"Dir::Etc::trusted " + quote("/etc/apt/trusted.gpg"),
		"Dir::Etc::trustedparts " + quote("/etc/apt/trusted.gpg.d/"),
		"APT::Architecture " + quote(a.arch),
		"APT::Architectures " + quote(a.arch),
		"APT::Sandbox::User \"root\"",
		"Acquire::Languages \"none\"",
		"Acquire::GzipIndexes \"false\"",
		"Acquire::Check-Valid-Until \"false\"",
		"Acquire::Retries \"3\"",
	}
	return strings.Join(lines, ";\n") + ";\n"
}

func quote(s string) string { return `"` + s + `"` }

// acquireSettings are the host's own settings of how to reach archives: proxies
// and such, of which apt-config dump prints one a line.
func acquireSettings(dump string) string {
	var b strings.Builder
	for line := range strings.Lines(dump) {
		for _, method := range []string{"Acquire::http::", "Acquire::https::", "Acquire::ftp::"} {
			if strings.HasPrefix(line, method) {
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// update fetches the indexes. Those that did not change are not fetched again.
func (a *apt) update(ctx context.Context) error {
	_, err := a.run(ctx, "apt-get", "update", "-q", "--error-on=any")
	return err
}

// index reads the packages that the archives have, by name.
func (a *apt) index(ctx context.Context) (map[string][]Package, error) {
	out, err := a.run(ctx, "apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages")
	if err != nil {
		return nil, err
	}
	packages := map[string][]Package{}
	for name := range strings.Lines(out) {
		f, err := os.Open(strings.TrimSpace(name))
		if err != nil {
			return nil, fault.Wrap(fault.Failed, err, "index of packages", "")
		}
		err = readControl(f, func(field map[string]string) {
			p := packageOf(field)
			packages[p.Name] = append(packages[p.Name], p)
		})
		f.Close()
		if err != nil {
			return nil, fault.Wrap(fault.Damaged, err, name, "")
		}
	}
	if len(packages) == 0 {
		return nil, fault.New(fault.NotFound, "look at the sources of packages in the root: /etc/apt/sources.list", "the archives have no packages of %s", a.arch)
	}
	return packages, nil
}

// fetch gets the files of packages, which are then in archives under the names
// that file returns. What is there already is checked, not fetched.
func (a *apt) fetch(ctx context.Context, packages []Package) error {
	args := []string{"download", "-q"}
	for _, p := range packages {
		args = append(args, p.Name+"="+p.Version)
	}
	cmd := a.command(ctx, "apt-get", args...)
	cmd.Dir = a.archives()
	_, err := a.output(ctx, cmd)
	return err
}

// file is where the file of a package is. apt writes the colon of an epoch as
// %3a.
func (a *apt) file(p Package) string {
	return filepath.Join(a.archives(), p.Name+"_"+strings.ReplaceAll(p.Version, ":", "%3a")+"_"+p.Arch+".deb")
}

func (a *apt) command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "APT_CONFIG="+a.path("apt.conf"), "LC_ALL=C.UTF-8", "TMPDIR="+a.path("tmp"))
	// What it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGTERM) }
	return cmd
}

func (a *apt) run(ctx context.Context, name string, args ...string) (string, error) {
	return a.output(ctx, a.command(ctx, name, args...))
}

// output runs a command. Its errors are in the error, and all of it in the log.
func (a *apt) output(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var out, text bytes.Buffer
	cmd.Stdout = &out
	cmd.Stderr = &text
	err := cmd.Run()
	full := err != nil && isFullText(text.String())
	if !full { // it says so of each file
		_, _ = a.log.Write(text.Bytes())
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return out.String(), nil
	case ctx.Err() != nil:
		return "", fault.Wrap(fault.Interrupted, ctx.Err(), cmd.Args[0], "")
	case full:
		return "", fault.New(fault.NoSpace, "", "%s: no space left on device", strings.Join(cmd.Args[:2], " "))
	case errors.As(err, &exit):
		return "", fault.New(fault.Failed, "look whether the archive can be reached, and that debian-archive-keyring is installed", "%s: %w: %s", strings.Join(cmd.Args[:2], " "), err, errorLine(text.String()))
	}
	return "", fmt.Errorf("run %s: %w", cmd.Args[0], err)
}

// isFullText tells whether apt says that a file system is full.
func isFullText(text string) bool {
	return strings.Contains(text, "No space left on device") || strings.Contains(text, "enough free space") || strings.Contains(text, "Disk quota exceeded")
}

// errorLine is the first line that apt calls an error.
func errorLine(text string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "E: ") {
			return strings.TrimSpace(line[3:])
		}
	}
	return strings.TrimSpace(text)
}
