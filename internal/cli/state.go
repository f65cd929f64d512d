package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// stateDir is where jails and their records live: --state,
// XJAIL_STATE, the system's directory for root, the user's otherwise.
func (g *globals) stateDir() (string, error) {
	for _, dir := range []string{g.state, g.Getenv("XJAIL_STATE")} {
		if dir != "" {
			return filepath.Abs(dir)
		}
	}
	if os.Geteuid() == 0 && !jail.InUserNamespace() {
		return rootState(), nil
	}
	if dir := g.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "xjail"), nil
	}
	home := g.Getenv("HOME")
	if !filepath.IsAbs(home) {
		return "", fault.New(fault.Usage, "xjail --state DIR", "no state directory: neither XJAIL_STATE, XDG_STATE_HOME nor HOME is set")
	}
	return filepath.Join(home, ".local", "state", "xjail"), nil
}

// rootState is root's state directory. The record of the machine's activators in
// it can be read by everybody.
func rootState() string {
	if runtime.GOOS == "freebsd" {
		return "/var/db/xjail"
	}
	return "/var/lib/xjail"
}

// loadConfig reads the configuration: the named file, which must exist, or the
// first of the usual ones that does.
func (g *globals) loadConfig() (*jail.Config, error) {
	for _, path := range []string{g.config, g.Getenv("XJAIL_CONFIG")} {
		if path != "" {
			return jail.ReadConfig(path)
		}
	}
	for _, path := range g.configPaths() {
		c, err := jail.ReadConfig(path)
		if !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
	}
	return &jail.Config{}, nil
}

func (g *globals) configPaths() []string {
	dir := "/etc/xjail"
	if runtime.GOOS == "freebsd" {
		dir = "/usr/local/etc"
	}
	paths := []string{filepath.Join(dir, "xjail.yaml")}
	user := g.Getenv("XDG_CONFIG_HOME")
	if user == "" && g.Getenv("HOME") != "" {
		user = filepath.Join(g.Getenv("HOME"), ".config")
	}
	if filepath.IsAbs(user) {
		paths = append(paths, filepath.Join(user, "xjail", "xjail.yaml"))
	}
	return paths
}
