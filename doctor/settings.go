package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// writable is access(2): nil when this user may write there.
func writable(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }

// settingsConfiguration looks at xjail.yaml and at what it names.
func settingsConfiguration(ctx context.Context, w *World) []Finding {
	if w.ConfigError != nil {
		hint := "make that file, or name another one with --config or XJAIL_CONFIG"
		if errors.Is(w.ConfigError, fs.ErrPermission) {
			hint = "let HOME and XDG_CONFIG_HOME name directories of this user's, or name another file with --config or XJAIL_CONFIG"
		}
		return one(Failed, w.ConfigError.Error(), cmp.Or(fault.HintOf(w.ConfigError), hint))
	}
	if w.ConfigPath == "" {
		return one(OK, "there is no configuration, and none is needed", "")
	}
	var found []Finding
	say := func(subject string, r Result, fix, format string, args ...any) {
		found = append(found, Finding{Subject: subject, Result: r, Message: w.ConfigPath + ": " + fmt.Sprintf(format, args...), Fix: fix})
	}
	if info, err := os.Stat(w.ConfigPath); err == nil && info.Mode().Perm()&0o002 != 0 {
		say("mode", Warning, "chmod o-w "+quote(w.ConfigPath), "everybody can write it, and name the programs that jails run by")
	}
	for _, name := range slices.Sorted(maps.Keys(w.Config.Emulators)) {
		found = append(found, w.configuredEmulator(ctx, name)...)
	}
	for _, dir := range w.Config.EmulatorDirs {
		switch info, err := os.Stat(dir); {
		case !filepath.IsAbs(dir):
			say(dir, Warning, "write the whole path", "emulator_dirs: %s is not an absolute path, and is not looked at", dir)
		case err != nil || !info.IsDir():
			say(dir, Note, "", "emulator_dirs: there is no directory %s", dir)
		}
	}
	for _, dir := range w.Config.FreeBSDManifestDirs {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			say(dir, Note, "", "freebsd_manifest_dirs: there is no directory %s", dir)
		}
	}
	if len(found) == 0 {
		return one(OK, w.ConfigPath+" is valid", "")
	}
	return found
}

// configuredEmulator looks at a line of emulators.
func (w *World) configuredEmulator(ctx context.Context, name string) []Finding {
	path := w.Config.Emulators[name]
	f := Finding{Subject: name, Message: w.ConfigPath + ": emulators: "}
	a, err := arch.Lookup(name)
	switch {
	case err != nil:
		f.Result, f.Fix = Warning, "xjail arch list"
		f.Message += err.Error()
		return []Finding{f}
	case a.Name != name:
		f.Result, f.Fix = Warning, "write "+a.Name+" in its place"
		f.Message += fmt.Sprintf("%s is another name of %s, and is not looked at", name, a.Name)
		return []Finding{f}
	}
	if _, _, err := w.find(ctx, a, qemu.FindOptions{Explicit: path, SkipDigest: true}); err != nil {
		f.Result, f.Fix = Failed, cmp.Or(fault.HintOf(err), "xjail emulator find "+name+" lists those that would do")
		f.Message += name + ": " + err.Error()
		return []Finding{f}
	}
	return nil
}

// settingsEnvironment looks at the variables that xjail reads.
func settingsEnvironment(_ context.Context, w *World) []Finding {
	var found []Finding
	say := func(name string, r Result, fix, format string, args ...any) {
		found = append(found, Finding{Subject: name, Result: r, Message: name + "=" + w.Getenv(name) + ": " + fmt.Sprintf(format, args...), Fix: fix})
	}
	relative := func(name string) bool { return w.Getenv(name) != "" && !filepath.IsAbs(w.Getenv(name)) }
	if relative("XJAIL_STATE") {
		abs, _ := filepath.Abs(w.Getenv("XJAIL_STATE"))
		say("XJAIL_STATE", Warning, "export XJAIL_STATE="+quote(abs), "a relative path is another place in each directory")
	}
	if relative("XJAIL_CONFIG") {
		say("XJAIL_CONFIG", Warning, "set it to an absolute path", "a relative path is another file in each directory")
	}
	for _, name := range []string{"XDG_STATE_HOME", "XDG_CONFIG_HOME"} {
		if relative(name) {
			say(name, Warning, "set it to an absolute path, or unset it", "a relative path does not count")
		}
	}
	if relative("TMPDIR") {
		say("TMPDIR", Warning, "set it to an absolute path, or unset it", "a relative path is another place in each directory")
	}
	if len(found) == 0 {
		return one(OK, "the variables that xjail reads are sound", "")
	}
	return found
}

// settingsProgram looks which xjail the name means.
func settingsProgram(_ context.Context, w *World) []Finding {
	var files []string
	var infos []os.FileInfo
	for _, dir := range filepath.SplitList(w.Getenv("PATH")) {
		file := filepath.Join(dir, "xjail")
		info, err := os.Stat(file)
		if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
			continue
		}
		if slices.ContainsFunc(infos, func(i os.FileInfo) bool { return os.SameFile(i, info) }) {
			continue
		}
		files, infos = append(files, file), append(infos, info)
	}
	self, err := os.Stat(w.program)
	switch {
	case len(files) > 1:
		return one(Note, fmt.Sprintf("there is more than one xjail in PATH: %v; the first is taken", files), "remove those that are not meant")
	case len(files) == 1 && err == nil && !os.SameFile(self, infos[0]):
		return one(Note, fmt.Sprintf("this is %s, and the one in PATH is %s", w.program, files[0]), "")
	}
	return one(OK, "this is "+w.program, "")
}
