package buildlog

import (
	"bufio"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// Collect classifies the logs of a path and returns a record of each: a log, or a
// directory of poudriere's: a build (logs/bulk/JAIL-PORTS/BUILD), its logs or
// logs/errors, all builds of a jail (of which latest is taken), or any directory
// with logs. For a build the packages that it skipped are there too. stdin is
// what "-" reads.
//
// Errors have the kinds NotFound, Permission, Usage for what is no log, and
// Failed.
func Collect(path string, stdin io.Reader) ([]Record, error) {
	if path == "-" {
		return []Record{one(stdin, "-", "", "", time.Now())}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, logError(err, path)
	}
	if !info.IsDir() {
		rec, err := logFile(path, nil)
		return []Record{rec}, err
	}
	return collectDir(path)
}

// collectDir finds out which of poudriere's directories a directory is.
func collectDir(dir string) ([]Record, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs) // latest is a link, and no name of a build
	}
	if err != nil {
		return nil, logError(err, dir)
	}
	switch {
	case isDir(filepath.Join(abs, "logs")):
		return build(abs, filepath.Join(abs, "logs", "errors"))
	case isDir(filepath.Join(abs, "errors")) && filepath.Base(abs) == "logs":
		return build(filepath.Dir(abs), filepath.Join(abs, "errors"))
	case filepath.Base(abs) == "errors" && filepath.Base(filepath.Dir(abs)) == "logs":
		return build(filepath.Dir(filepath.Dir(abs)), abs)
	case isDir(filepath.Join(abs, "latest")):
		return collectDir(filepath.Join(abs, "latest"))
	}
	return build("", abs)
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// build reads the logs of a directory, with what poudriere noted of the build in
// top, "" when there is nothing.
func build(top, errorLogs string) ([]Record, error) {
	logs, err := filepath.Glob(filepath.Join(globEscape(errorLogs), "*.log"))
	if err != nil {
		return nil, logError(err, errorLogs)
	}
	if len(logs) == 0 && top == "" {
		return nil, fault.New(fault.NotFound, "name a log, or the directory of a build: logs/bulk/JAIL-PORTS/BUILD", "%s: no logs", errorLogs)
	}
	notes, err := readNotes(top)
	if err != nil {
		return nil, err
	}
	var list []Record
	for _, log := range logs {
		rec, err := logFile(log, notes)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to a log that was removed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, rec)
	}
	return append(list, notes.skipped...), nil
}

// notes are what poudriere wrote of a build besides logs.
type notes struct {
	jail, build string
	failed      map[string][]string // by package: origin, package, phase, ...
	skipped     []Record
}

// maxNote bounds a line of poudriere's files in bytes.
const maxNote = 64 << 10

// readNotes reads .poudriere.ports.failed ("origin package phase reason seconds")
// and .poudriere.ports.skipped ("origin package failed-package") of a build.
func readNotes(top string) (*notes, error) {
	n := &notes{failed: map[string][]string{}}
	if top == "" {
		return n, nil
	}
	n.jail, n.build = filepath.Base(filepath.Dir(top)), filepath.Base(top)
	err := eachNote(filepath.Join(top, ".poudriere.ports.failed"), func(words []string) {
		n.failed[words[1]] = words
	})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{} // a package waits for several that failed
	return n, eachNote(filepath.Join(top, ".poudriere.ports.skipped"), func(words []string) {
		if seen[words[1]] {
			return
		}
		seen[words[1]] = true
		n.skipped = append(n.skipped, Record{Jail: n.jail, Build: n.build, Origin: words[0], PkgName: words[1], Because: words[2]})
	})
}

// eachNote calls f for each line of three words or more. No file is no lines.
func eachNote(path string, f func([]string)) error {
	file, err := openLog(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return logError(err, path)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, maxNote)
	for lines.Scan() {
		if words := strings.Fields(lines.Text()); len(words) >= 3 {
			f(words)
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return logError(err, path)
	}
	return nil
}

// logFile classifies one log. Its name is that of the package.
func logFile(path string, n *notes) (Record, error) {
	file, err := openLog(path)
	if err != nil {
		return Record{}, logError(err, path)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return Record{}, logError(err, path)
	}
	pkg := strings.TrimSuffix(filepath.Base(path), ".log")
	phase, origin := "", ""
	if n != nil && n.failed[pkg] != nil {
		origin, phase = n.failed[pkg][0], n.failed[pkg][2]
	}
	rec := one(file, path, pkg, phase, info.ModTime())
	if origin != "" {
		rec.Origin = origin
	}
	if n != nil {
		rec.Jail, rec.Build = n.jail, n.build
	}
	return rec, nil
}

// openLog opens a regular file, and does not wait for a pipe's other end.
func openLog(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: errNoLog}
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

var errNoLog = errors.New("no regular file, so no log")

// one is the record of a log. What the log says of itself goes before its name.
func one(r io.Reader, path, pkg, phase string, at time.Time) Record {
	v, f := classify(r, phase)
	if f.pkgname != "" {
		pkg = f.pkgname
	}
	if pkg == "" {
		pkg = path
	}
	return Record{Time: at.UTC().Truncate(time.Second), Origin: f.origin, PkgName: pkg, Phase: v.Phase, Log: path, Verdict: &v}
}

// logError gives an error its kind and names the path once.
func logError(err error, path string) error {
	kind, hint := fault.Failed, ""
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = fault.NotFound
	case errors.Is(err, fs.ErrPermission):
		kind = fault.Permission
	case errors.Is(err, errNoLog):
		kind, hint = fault.Usage, "name a log, a directory with logs, or - for standard input"
	}
	var perr *fs.PathError
	if errors.As(err, &perr) {
		err = perr.Err
	}
	return fault.Wrap(kind, err, path, hint)
}

// isFull tells whether there was no space for what was written.
func isFull(err error) bool {
	return slices.ContainsFunc([]error{syscall.ENOSPC, syscall.EDQUOT}, func(e error) bool { return errors.Is(err, e) })
}
