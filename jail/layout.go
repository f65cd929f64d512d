package jail

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
)

// What a state directory, the directory of the jails and that of a jail have in
// them. docs/configuration.md has the table.
var (
	stateNames = []string{"jails", "emulators", "cache", "poudriere", activators.LedgerName, activators.LedgerName + ".lock", activators.LedgerName + ".tmp"}
	jailNames  = []string{"jail.json", "jail.json.new", "root", partialName, "metadata.json", "metadata.json.new", "journal", "enter", "tmp", "download", "tools", "selftest", RegistrationName, RegistrationName + ".new", BuildDirName}
)

// RegistrationName is the file in a jail's directory that says how poudriere
// knows the jail.
const RegistrationName = "poudriere.json"

// BuildDirName is the directory in a jail's directory with what poudriere would
// have a build find.
const BuildDirName = "poudriere"

// Unknown are the paths in the state directory that are none of xjail's.
func (s Store) Unknown() ([]string, error) {
	unknown, err := strangers(s.Dir, func(e fs.DirEntry) bool { return slices.Contains(stateNames, e.Name()) })
	if err != nil {
		return nil, err
	}
	more, err := strangers(s.jails(), func(e fs.DirEntry) bool {
		name, lock := strings.CutSuffix(e.Name(), ".lock")
		return validName(name) && e.IsDir() != lock
	})
	unknown = append(unknown, more...)
	if err != nil {
		return unknown, err
	}
	names, _ := s.Names()
	for _, name := range names {
		if _, err := os.Lstat(s.record(name)); err == nil { // else it is a leftover
			unknown = append(unknown, s.strangersIn(name)...)
		}
	}
	return unknown, nil
}

// strangersIn are the paths in the directory of a jail that no jail has.
func (s Store) strangersIn(name string) []string {
	list, _ := strangers(s.dir(name), func(e fs.DirEntry) bool {
		return slices.Contains(jailNames, e.Name()) || slices.Contains(updateNames, e.Name())
	})
	return list
}

// strangers are the entries of a directory that are not known.
func strangers(dir string, known func(fs.DirEntry) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var list []string
	for _, e := range entries {
		if !known(e) {
			list = append(list, filepath.Join(dir, e.Name()))
		}
	}
	return list, err
}

// Directories are those of the state in which nobody else may write, as far as
// they are there, the outermost first; those in which nobody else may look are
// private.
func (s Store) Directories() (all, private []string) {
	private = []string{s.jails()}
	all = []string{s.Dir, s.jails()}
	names, _ := s.Names()
	for _, name := range names {
		all = append(all, s.dir(name))
	}
	all = append(all, s.EmulatorDir())
	return all, private
}
