package xtools

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Kept is something that a source keeps for the next time: a farm, or the
// packages that were fetched from an archive.
type Kept struct {
	Dir    string // its directory, below that of the source
	ID     string // 64 hexadecimal digits
	What   string // for people
	Size   int64  // bytes
	Used   time.Time
	Farm   bool
	Broken bool // what an interrupted command left
}

// ListKept lists what is in the directory of a source.
func ListKept(dir string) ([]Kept, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "cache", "the cache of root needs root; --state DIR names another place")
	}
	var list []Kept
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		k := Kept{Dir: e.Name(), ID: e.Name(), Size: sizeOf(filepath.Join(dir, e.Name()))}
		if info, err := e.Info(); err == nil {
			k.Used = info.ModTime()
		}
		release, archive := strings.CutPrefix(e.Name(), "apt-")
		if len(k.ID) != sha256.Size*2 {
			sum := sha256.Sum256([]byte(e.Name()))
			k.ID = hex.EncodeToString(sum[:])
		}
		switch f := readFarm(filepath.Join(dir, e.Name())); {
		case archive:
			k.What = "packages of debian " + release
		case f != nil:
			k.Farm, k.What = true, "native tools of "+f.Release+" "+f.Host+" for "+f.Target
		default:
			k.Broken, k.What = true, "native tools that were not finished"
		}
		list = append(list, k)
	}
	return list, nil
}

// sizeOf adds up the files of a directory; one with several names counts once
// for each.
func sizeOf(dir string) int64 {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil //nolint:nilerr // it is only for people
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			total += info.Size()
		}
		return nil
	})
	return total
}
