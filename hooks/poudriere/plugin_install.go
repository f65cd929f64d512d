package poudriere

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// pluginMode is that of the files: poudriere reads them, and does not execute
// them.
const pluginMode = 0o644

// InstallPlugin puts the hooks where poudriere finds them, and returns what was
// there before. What somebody changed is fault.Exists, with nothing written,
// unless force is given. A dry run writes nothing either way. Poudriere sees each
// file as it was or as it is to be, and no plugin in part where there was none.
func (c Config) InstallPlugin(p Plugin, force, dryRun bool) ([]PluginFile, error) {
	if err := errors.Join(p.check(), c.checkEtc()); err != nil {
		return nil, err
	}
	var err error
	if p.machine, err = machineOf(p.Program); err != nil {
		return nil, err
	}
	if st, err := os.Stat(c.Dir()); err != nil || !st.IsDir() {
		return nil, fault.New(fault.NotFound, "install poudriere first, or name its configuration with --poudriere-etc DIR", "there is no %s", c.Dir())
	}
	was, err := c.pluginFiles(p.text)
	if err != nil {
		return was, err
	}
	if err := changedError(was, "xjail poudriere hooks install --force overwrites them"); err != nil && !force {
		return was, err
	}
	if dryRun {
		return was, nil
	}
	dir, err := c.openPlugin()
	if err != nil {
		return was, err
	}
	if dir == nil {
		return was, writeError(c.newPlugin(p))
	}
	defer dir.Close()
	for _, f := range was {
		if f.State == FileCurrent {
			continue
		}
		name := filepath.Base(f.Path)
		if err := replacePluginFile(dir, name, p.text(name)); err != nil {
			return was, writeError(err)
		}
	}
	return was, syncDir(c.PluginDir())
}

// changedError is about files that somebody changed; nil when there are none.
func changedError(list []PluginFile, hint string) error {
	var changed []string
	for _, f := range list {
		if f.State == FileChanged {
			changed = append(changed, f.Path)
		}
	}
	if changed == nil {
		return nil
	}
	return fault.New(fault.Exists, hint, "not as xjail wrote it: %s", strings.Join(changed, ", "))
}

// newPlugin makes the directory with all its files in one step. Its name begins
// with a dot until then, which poudriere does not look at.
func (c Config) newPlugin(p Plugin) error {
	parent := filepath.Dir(c.PluginDir())
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	if err := sweepPlugin(parent); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, pluginTemp)
	if err != nil {
		return err
	}
	err = os.Chmod(tmp, 0o755)
	for _, name := range pluginNames() {
		if err == nil {
			err = writeNew(filepath.Join(tmp, name), string(p.text(name)))
		}
	}
	if err == nil {
		err = syncDir(tmp)
	}
	if err == nil {
		err = os.Rename(tmp, c.PluginDir())
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return syncDir(parent)
}

// pluginTemp begins the name of a plugin that is not whole.
const pluginTemp = ".xjail-"

// sweepPlugin removes what a killed install left: directories of files, as
// newPlugin makes them, and nothing else.
func sweepPlugin(parent string) error {
	entries, err := os.ReadDir(parent)
	for _, e := range entries {
		if !e.IsDir() || !strings.HasPrefix(e.Name(), pluginTemp) {
			continue
		}
		for _, name := range pluginNames() {
			_ = os.Remove(filepath.Join(parent, e.Name(), name)) // what cannot be removed stays
		}
		_ = os.Remove(filepath.Join(parent, e.Name()))
	}
	return err
}

// replacePluginFile replaces a file in one step.
func replacePluginFile(dir *os.Root, name string, text []byte) error {
	tmp := "." + name + tempSuffix
	_ = dir.Remove(tmp) // of one that was killed
	f, err := dir.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, pluginMode)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = dir.Rename(tmp, name)
	}
	if err != nil {
		return errors.Join(err, dir.Remove(tmp))
	}
	return nil
}

// UninstallPlugin takes the hooks away, and returns what was there. What somebody
// changed is fault.Exists, with nothing removed, unless force is given. Files
// that are none of the plugin's stay, and the directory with them.
func (c Config) UninstallPlugin(force, dryRun bool) ([]PluginFile, error) {
	was, err := c.PluginStatus()
	if err != nil {
		return was, err
	}
	if err := changedError(was, "xjail poudriere hooks uninstall --force removes them"); err != nil && !force {
		return was, err
	}
	dir, err := c.openPlugin()
	if err != nil || dir == nil || dryRun {
		if dir != nil {
			dir.Close()
		}
		return was, err
	}
	defer dir.Close()
	for _, name := range slices.Backward(pluginNames()) {
		for _, file := range []string{"." + name + tempSuffix, name} {
			if err := dir.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return was, writeError(err)
			}
		}
	}
	// It is not empty where somebody else put something there.
	_ = os.Remove(c.PluginDir())
	return was, sweepPlugin(filepath.Dir(c.PluginDir()))
}
