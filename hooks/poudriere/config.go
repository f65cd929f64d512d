package poudriere

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/xjail/xjail/activators/formats/shell"
	"github.com/xjail/xjail/internal/fault"
)

// DefaultEtc is poudriere's POUDRIERE_ETC where nothing else is said: that of the
// port, etc below its prefix.
const DefaultEtc = "/usr/local/etc"

// Config is where poudriere's configuration is.
type Config struct {
	// Etc is POUDRIERE_ETC, an absolute path: the directory that poudriere.conf
	// and poudriere.d are in.
	Etc string
}

// FindConfig takes the directory that was asked for, or POUDRIERE_ETC of the
// environment, or the port's.
func FindConfig(etc string, getenv func(string) string) (Config, error) {
	for _, dir := range []string{etc, getenv("POUDRIERE_ETC"), DefaultEtc} {
		if dir == "" {
			continue
		}
		abs, err := filepath.Abs(dir)
		return Config{Etc: abs}, err
	}
	return Config{}, nil
}

// Dir is POUDRIERED, the directory poudriere.d.
func (c Config) Dir() string { return filepath.Join(c.Etc, "poudriere.d") }

// jails is where the jails' metadata is.
func (c Config) jails() string { return filepath.Join(c.Dir(), "jails") }

// Configured tells whether there is a poudriere.conf, without which poudriere
// does not start.
func (c Config) Configured() bool {
	for _, file := range c.files() {
		if _, err := os.Stat(file); err == nil {
			return true
		}
	}
	return false
}

// files are those that every poudriere command reads, in this order.
func (c Config) files() []string {
	return []string{filepath.Join(c.Etc, "poudriere.conf"), filepath.Join(c.Dir(), "poudriere.conf")}
}

// Settings are what xjail wants to know of poudriere.conf. A setting that depends
// on what only a running shell knows is "".
type Settings struct {
	// ZPool, ZRootFS are ZPOOL and ZROOTFS; both are "" where NO_ZFS is set or no
	// pool is named. BaseFS is BASEFS, Data POUDRIERE_DATA.
	ZPool, ZRootFS string
	BaseFS, Data   string
	// Binmisc is BINMISC, the program that poudriere asks for activators.
	Binmisc string
	// Limits are poudriere's times in seconds, by their names: what the
	// configuration says, or poudriere's own.
	Limits map[string]int
}

// ZFS tells whether poudriere uses ZFS.
func (s Settings) ZFS() bool { return s.ZPool != "" }

// Dataset is the dataset below which poudriere looks for those of jails.
func (s Settings) Dataset() string { return s.ZPool + s.ZRootFS }

// The variables that are read, in the order in which the last line of what is
// followed names them.
var settingNames = append([]string{"NO_ZFS", "ZPOOL", "ZROOTFS", "BASEFS", "POUDRIERE_DATA", "BINMISC"}, LimitNames()...)

// asked is the command that tells the settings when poudriere.conf was followed.
const asked = "xjail-settings"

// Settings reads poudriere.conf as every poudriere command does, and the files
// of the jail as well where a name is given. They are scripts: they are followed
// and not run, so what they get from programs stays unknown.
func (c Config) Settings(jail string) (Settings, error) {
	files := c.files()
	if jail != "" {
		files = append(files, c.ConfFile(jail))
	}
	var text strings.Builder
	for i, file := range files {
		b, err := os.ReadFile(file)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return Settings{}, fault.Wrap(fault.Permission, err, "poudriere's configuration", "run it as root")
		case i == 1 && sameFile(files[0], file):
			continue // one is a link to the other
		}
		text.Write(b)
		text.WriteString("\n")
	}
	return parseSettings(text.String())
}

func sameFile(a, b string) bool {
	one, err1 := os.Stat(a)
	two, err2 := os.Stat(b)
	return err1 == nil && err2 == nil && os.SameFile(one, two)
}

// parseSettings follows the text of the files.
func parseSettings(text string) (Settings, error) {
	reader := &settingsReader{}
	script := text + asked
	for _, name := range settingNames {
		script += ` "${` + name + `-}"`
	}
	_, err := shell.Follow(reader, script, shell.Options{})
	if err != nil {
		return Settings{}, fault.Wrap(fault.Damaged, err, "poudriere.conf", "sh -n poudriere.conf tells more")
	}
	values := reader.values
	get := func(name string) string {
		if shell.IsUnknown(values[name]) {
			return ""
		}
		return values[name]
	}
	s := Settings{
		ZPool: get("ZPOOL"), ZRootFS: get("ZROOTFS"), BaseFS: get("BASEFS"), Data: get("POUDRIERE_DATA"),
		Binmisc: get("BINMISC"), Limits: map[string]int{},
	}
	if s.ZRootFS == "" {
		s.ZRootFS = "/poudriere"
	}
	if get("NO_ZFS") != "" || s.ZPool == "" {
		s.ZPool, s.ZRootFS = "", ""
	}
	if s.Data == "" && s.BaseFS != "" {
		s.Data = filepath.Join(s.BaseFS, "data")
	}
	for _, l := range limits {
		s.Limits[l.name] = l.seconds
		if n, err := strconv.Atoi(get(l.name)); err == nil && n > 0 {
			s.Limits[l.name] = n
		}
	}
	return s, nil
}

// settingsReader is told of the commands of poudriere.conf.
type settingsReader struct{ values map[string]string }

// Command takes the values that the last line hands over.
func (r *settingsReader) Command(c *shell.Command) (shell.Status, bool) {
	if c.Args[0] != asked || len(c.Args) != len(settingNames)+1 {
		return shell.Unknown, false
	}
	r.values = map[string]string{}
	for i, name := range settingNames {
		r.values[name] = c.Args[i+1]
	}
	return shell.Success, true
}

func (r *settingsReader) Write(int, string, string) {}
func (r *settingsReader) Mark() any                 { return r.values }
func (r *settingsReader) Reset(mark any)            { r.values, _ = mark.(map[string]string) }
func (r *settingsReader) Recorded() int             { return len(r.values) }

// ConfFile is the file of settings for one jail.
func (c Config) ConfFile(jail string) string {
	return filepath.Join(c.Dir(), jail+"-poudriere.conf")
}
