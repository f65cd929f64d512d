package poudriere

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail"
)

// Registration is the file poudriere.json in a jail's state directory: what was
// done for poudriere to know the jail, and so what is to be undone.
type Registration struct {
	Version int `json:"version"`
	// Etc is POUDRIERE_ETC.
	Etc string `json:"poudriere_etc"`
	// Jail is what poudriere was told.
	Jail Jail `json:"jail"`
	// Through is who wrote it: poudriere or xjail.
	Through string `json:"through"`
	// Asked is the version that the user gave, for a root that does not say its own.
	Asked string `json:"version_asked,omitempty"`
	// Updated is when the jail was updated last, as far as poudriere knows.
	Updated time.Time `json:"updated,omitzero"`
	// Begun: it has not come to its end. What there is of it goes.
	Begun bool `json:"begun,omitempty"`
	// Dataset is the root's, where poudriere clones jails by ZFS, and Snapshot
	// the guid of its snapshot @clean.
	Dataset  string `json:"dataset,omitempty"`
	Snapshot string `json:"snapshot,omitempty"`
	// Limits is the file of poudriere's times for the jail; nil for none.
	Limits *LimitsFile `json:"limits,omitempty"`
}

// LimitsFile is a <jail>-poudriere.conf that xjail wrote.
type LimitsFile struct {
	Path     string  `json:"path"`
	SHA256   string  `json:"sha256"`
	Slowness float64 `json:"slowness"`
}

// newSuffix is what a jail's directory may have while its registration is written:
// package jail knows the name.
const newSuffix = ".new"

// registrationVersion is written into every file; a newer one is not read.
const registrationVersion = 1

// Config is where the registration was made.
func (r *Registration) Config() Config { return Config{Etc: r.Etc} }

// Load reads the registration of a jail by its state directory; nil when there is
// none.
func Load(dir string) (*Registration, error) {
	name := filepath.Join(dir, jail.RegistrationName)
	text, err := os.ReadFile(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, fault.Wrap(fault.Permission, err, "how poudriere knows the jail", "jails of root need root")
	case err != nil:
		return nil, err
	}
	r := &Registration{}
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fault.Wrap(fault.Damaged, err, name, "look at it; rm "+name+" forgets the registration")
	}
	if r.Version != registrationVersion || !filepath.IsAbs(r.Etc) || checkName(r.Jail.Name) != nil {
		return nil, fault.New(fault.Damaged, "use the xjail that wrote it; rm "+name+" forgets the registration", "%s is of version %d, or damaged", name, r.Version)
	}
	return r, nil
}

// save writes the registration whole or not at all.
func (r *Registration) save(dir string) error {
	r.Version = registrationVersion
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	name := filepath.Join(dir, jail.RegistrationName)
	return replaceFile(name, name+newSuffix, string(text)+"\n")
}

// forget removes the file.
func forget(dir string) error {
	name := filepath.Join(dir, jail.RegistrationName)
	_ = os.Remove(name + newSuffix)
	err := os.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return writeError(err)
}

// replaceFile replaces a file in one step, by way of tmp beside it.
func replaceFile(name, tmp, text string) error {
	_ = os.Remove(tmp) // of one that was killed
	err := writeNew(tmp, text)
	if err == nil {
		err = os.Rename(tmp, name)
	}
	if err != nil {
		_ = os.Remove(tmp)
		return writeError(err)
	}
	return syncDir(filepath.Dir(name))
}

// follow takes the name that poudriere jail -r gave the jail since, and tells
// whether there is one: the jail of another name with the same root.
func (r *Registration) follow() bool {
	c := r.Config()
	if r.Begun || c.Exists(r.Jail.Name) {
		return false
	}
	names, _ := c.Jails() // without it there is none
	for _, name := range names {
		if now, err := c.Jail(name); err == nil && checkName(name) == nil && ours(r, now) {
			r.Jail.Name = name
			return true
		}
	}
	return false
}

// CheckIdle refuses while poudriere runs with the jail; the error is
// fault.Locked.
func (r *Registration) CheckIdle() error { return r.Config().checkIdle(r.Jail.Name) }
