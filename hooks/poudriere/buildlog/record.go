package buildlog

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Record is one package of a build that was not made: it failed, or it was
// skipped because another did.
type Record struct {
	Time    time.Time `json:"time"`
	Jail    string    `json:"jail"`  // poudriere's MASTERNAME, or the name of the jail
	Build   string    `json:"build"` // BUILDNAME
	Origin  string    `json:"origin,omitempty"`
	PkgName string    `json:"pkgname"`
	Phase   string    `json:"phase,omitempty"`
	Log     string    `json:"log,omitempty"` // path on the host
	Verdict *Verdict  `json:"verdict,omitempty"`
	// Because is the origin or the name of the package that failed; then this
	// one was skipped and has no verdict.
	Because string `json:"because,omitempty"`
}

// Dir is the directory of the records below a state directory.
func Dir(state string) string { return filepath.Join(state, "poudriere", "builds") }

// name is the file of a build: each path element is one escaped name, whatever
// is in it.
func name(dir, jail, build string) string {
	return filepath.Join(Dir(dir), FileName(jail), FileName(build)+recordSuffix)
}

const recordSuffix = ".jsonl"

// FileName makes any name one of a file, of at most 200 bytes.
func FileName(s string) string {
	s = url.PathEscape(s)
	if s == "" || strings.HasPrefix(s, ".") {
		s = "%" + s
	}
	return s[:min(len(s), 200)]
}

// maxRecord bounds a line of the file in bytes: longer ones are damaged.
const maxRecord = 1 << 20

// Append adds a record to the file of its build below the state directory dir.
// It is one write at the end of the file, so builders that fail at the same time
// do not mix. Errors have the kinds Permission, NoSpace and Failed.
func Append(dir string, rec Record) error {
	if rec.Time.IsZero() {
		rec.Time = time.Now()
	}
	rec.Time = rec.Time.UTC().Truncate(time.Second)
	line, err := json.Marshal(rec)
	if err != nil {
		return fault.Wrap(fault.Failed, err, "record of "+rec.PkgName, "")
	}
	return appendText(name(dir, rec.Jail, rec.Build), line)
}

// AppendLine adds a line of JSON to a file, in one write. Errors are those of
// Append.
func AppendLine(file string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fault.Wrap(fault.Failed, err, file, "")
	}
	return appendText(file, line)
}

func appendText(file string, line []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return recordError(err, filepath.Dir(file))
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return recordError(err, file)
	}
	defer f.Close()
	line = append(line, '\n')
	if torn(f) {
		line = append([]byte{'\n'}, line...)
	}
	if _, err := f.Write(line); err != nil {
		return recordError(err, file)
	}
	return f.Close()
}

// torn tells whether a file ends within a line, as a full disk leaves it.
func torn(f *os.File) bool {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	var last [1]byte
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

func recordError(err error, path string) error {
	kind := fault.Failed
	switch {
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	case isFull(err):
		kind = fault.NoSpace
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, path, "")
}

// Filter says which records are wanted. The zero value wants all.
type Filter struct {
	Jail  string // of this jail, or of one of its builds with a ports tree
	Build string
}

// wants tells whether a record passes.
func (f Filter) wants(rec *Record) bool { return f.Takes(rec.Jail, rec.Build) }

// Takes tells whether what is of a jail and a build is wanted.
func (f Filter) Takes(jail, build string) bool {
	of := f.Jail == "" || jail == f.Jail || strings.HasPrefix(jail, f.Jail+"-")
	return of && (f.Build == "" || build == f.Build)
}

// Read returns the records below the state directory dir that pass, by time. A
// package that was tried again in the same build has its last record. Lines that
// are damaged are left out, and counted. No directory is no records.
func Read(dir string, want Filter) (list []Record, damaged int, err error) {
	files, err := filepath.Glob(filepath.Join(globEscape(Dir(dir)), "*", "*.jsonl"))
	if err != nil {
		return nil, 0, fault.Wrap(fault.Failed, err, Dir(dir), "")
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			return nil, 0, recordError(err, file)
		}
		n, err := readRecords(f, func(rec Record) {
			if want.wants(&rec) {
				list = append(list, rec)
			}
		})
		f.Close()
		damaged += n
		if err != nil {
			return nil, damaged, recordError(err, file)
		}
	}
	return newest(list), damaged, nil
}

// readRecords calls f for each line that is a record.
func readRecords(r io.Reader, f func(Record)) (damaged int, err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	for {
		line, long, err := readLine(in)
		if text := bytes.TrimSpace(line); len(text) > 0 || long {
			var rec Record
			if long || json.Unmarshal(text, &rec) != nil || rec.PkgName == "" {
				damaged++
			} else {
				f(rec)
			}
		}
		if errors.Is(err, io.EOF) {
			return damaged, nil
		}
		if err != nil {
			return damaged, err
		}
	}
}

// readLine reads a line of at most maxRecord bytes; the rest of a longer one is
// passed over.
func readLine(in *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if long = long || len(line)+len(part) > maxRecord; !long {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// newest keeps the last record of each package of a build, in order of time.
func newest(list []Record) []Record {
	slices.SortStableFunc(list, func(a, b Record) int { return a.Time.Compare(b.Time) })
	type key struct{ jail, build, pkg, origin string }
	last := map[key]int{}
	for i := range list {
		last[key{list[i].Jail, list[i].Build, list[i].PkgName, list[i].Origin}] = i
	}
	kept := list[:0]
	for i := range list {
		if last[key{list[i].Jail, list[i].Build, list[i].PkgName, list[i].Origin}] == i {
			kept = append(kept, list[i])
		}
	}
	return kept
}

// globEscape makes a path one that Glob takes as it is.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// Forget removes the records of all but the last builds of a jail below the state
// directory dir, by when they were written last; build is the very last.
func Forget(dir, jail, build string, keep int) error {
	at := filepath.Dir(name(dir, jail, ""))
	entries, err := os.ReadDir(at)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return recordError(err, at)
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), recordSuffix) {
			files = append(files, info)
		}
	}
	newest := filepath.Base(name(dir, jail, build))
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		switch newest {
		case a.Name():
			return -1
		case b.Name():
			return 1
		}
		return b.ModTime().Compare(a.ModTime())
	})
	var failed error
	for _, f := range files[min(keep, len(files)):] {
		failed = errors.Join(failed, os.Remove(filepath.Join(at, f.Name())))
	}
	return failed
}
