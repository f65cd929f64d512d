package source

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Set is a line of a MANIFEST: a part of a release.
type Set struct {
	File   string `json:"file"`   // base.txz
	SHA256 string `json:"sha256"` // in hexadecimal, lower case
	// Files is how many the set has, by its own word.
	Files int64 `json:"files,omitempty"`
}

// Name is the file without its ending: base, lib32, base-dbg.
func (s Set) Name() string { return strings.TrimSuffix(s.File, ".txz") }

// maxManifest is the most bytes of a MANIFEST that are read; those of releases
// have about 1 KiB.
const maxManifest = 64 << 10

// ParseManifest reads a MANIFEST. Each line has six fields between tabs: the
// file, its SHA-256, the number of files in it, a name, a description in
// quotes, and whether an installer offers it as chosen
// (release/scripts/make-manifest.sh). Only the first three count here. Errors
// have the kind Damaged and name the line.
func ParseManifest(text []byte) ([]Set, error) {
	var sets []Set
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		set, why := parseSet(line)
		if why == "" && slices.ContainsFunc(sets, func(s Set) bool { return s.File == set.File }) {
			why = "a second line for " + set.File
		}
		if why != "" {
			return nil, fault.New(fault.Damaged, "use another mirror; xjail create --dry-run tells the address", "MANIFEST line %d: %s", i+1, why)
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// parseSet reads a line, or says what is wrong with it.
func parseSet(line string) (set Set, why string) {
	fields := strings.Split(strings.TrimSuffix(line, "\r"), "\t")
	if len(fields) < 3 {
		return set, fmt.Sprintf("%d fields, want at least 3 between tabs", len(fields))
	}
	set = Set{File: fields[0], SHA256: strings.ToLower(fields[1])}
	if !validSetFile(set.File) {
		return set, strconv.Quote(set.File) + " is not the name of a set"
	}
	if !validDigest(set.SHA256) {
		return set, strconv.Quote(fields[1]) + " is not a SHA-256 digest"
	}
	n, err := strconv.ParseUint(strings.TrimSpace(fields[2]), 10, 40)
	if err != nil {
		return set, strconv.Quote(fields[2]) + " is not a number of files"
	}
	set.Files = int64(n)
	return set, ""
}

// validSetFile accepts one plain component of a path, since the name is put
// behind the address of a mirror.
func validSetFile(name string) bool {
	base, ok := strings.CutSuffix(name, ".txz")
	return ok && validSetName(base)
}

func validSetName(name string) bool {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
	return name != "" && len(name) <= 64 && strings.Trim(name, plain) == "" && name[0] != '.' && name[0] != '-'
}

func validDigest(s string) bool {
	raw, err := hex.DecodeString(s)
	return err == nil && len(raw) == sha256.Size
}

// CheckSets refuses names that no set can have.
func CheckSets(names []string) error {
	for i, name := range names {
		switch {
		case !validSetName(name):
			return fault.New(fault.Usage, "--sets base,lib32,src", "%q is not the name of a set", name)
		case slices.Contains(names[:i], name):
			return fault.New(fault.Usage, "", "set %s is named twice", name)
		}
	}
	return nil
}

// chooseSets finds the named sets, base first, for the others go over it.
// Without names it is base, and lib32 where there is one.
func chooseSets(all []Set, names []string) ([]Set, error) {
	optional := ""
	if len(names) == 0 {
		names, optional = []string{"base", "lib32"}, "lib32"
	}
	var chosen []Set
	for _, name := range names {
		i := slices.IndexFunc(all, func(s Set) bool { return s.Name() == name })
		switch {
		case i < 0 && name == optional:
		case i < 0:
			return nil, fault.New(fault.NotFound, "--sets takes of: "+setNames(all), "the release has no set %s", name)
		case slices.ContainsFunc(chosen, func(s Set) bool { return s.SHA256 == all[i].SHA256 }):
			// The same file under two names: one will do.
		case name == "base":
			chosen = slices.Insert(chosen, 0, all[i])
		default:
			chosen = append(chosen, all[i])
		}
	}
	return chosen, nil
}

func setNames(sets []Set) string {
	var names []string
	for _, s := range sets {
		names = append(names, s.Name())
	}
	return strings.Join(names, " ")
}
