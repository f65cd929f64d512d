package source

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
)

// Cache is a directory of files by their SHA-256, which all jails share: what is
// wanted once more is not fetched once more, whatever its name and mirror. Each
// has a directory of its own, DIGEST/, which is locked while it is fetched or
// used:
//
//	file       the whole file, with the right digest when it was put there
//	part       what has come so far
//	about.json what it is, see about
type Cache struct{ Dir string }

// Names of a cached file's directory.
const (
	wholeName = "file"
	partName  = "part"
	aboutName = "about.json"
)

// about is what a cached file is. The time of its file is that of the last use.
type about struct {
	Names []string `json:"names"` // what it was wanted as, such as "arm64.aarch64 14.3-RELEASE base.txz"
	// From and Tag are of the part: the address that it came from, and the
	// server's ETag.
	From string `json:"from,omitempty"`
	Tag  string `json:"tag,omitempty"`
}

// Cached is a file of the cache in use. It stays readable whatever happens to
// the cache; Close lets go of it.
type Cached struct {
	*os.File
	entry *cacheEntry
	// Fetched is where it came from just now, "" when it was there.
	Fetched string
}

// Close closes the file and lets others change the entry.
func (c *Cached) Close() error { return errors.Join(c.File.Close(), c.entry.lock.Close()) }

// cacheEntry is the directory of a file, locked.
type cacheEntry struct {
	dir  string
	lock *os.File
	about
}

func (e *cacheEntry) path(name string) string { return filepath.Join(e.dir, name) }

// lockPoll is how often a lock is tried again that another process holds.
const lockPoll = 200 * time.Millisecond

// enter locks the directory of a digest: together with others when the whole file
// is there, which whole tells, and else for this process alone, to fetch it. waits
// is called once when another process fetches it.
//
// Whoever uses a file keeps others from nothing but removing it: two that hold
// files and want those of the other do not wait for ever.
func (c Cache) enter(ctx context.Context, digest string, waits func()) (e *cacheEntry, whole bool, err error) {
	dir := filepath.Join(c.Dir, digest)
	for {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, false, &diskError{err}
		}
		if e, err := lockEntry(dir, unix.LOCK_SH); err == nil && e != nil {
			if whole, err = e.intact(ctx, digest); whole {
				return e, true, nil
			}
			e.lock.Close()
			if err != nil {
				return nil, false, err
			}
		}
		e, err := lockEntry(dir, unix.LOCK_EX)
		switch {
		case errors.Is(err, unix.EWOULDBLOCK):
			if waits != nil {
				waits()
				waits = nil
			}
			select {
			case <-ctx.Done():
				return nil, false, fault.Wrap(fault.Interrupted, ctx.Err(), "waiting for another xjail", "")
			case <-time.After(lockPoll):
			}
		case err != nil:
			return nil, false, &diskError{err}
		case e != nil:
			whole, err = e.lookup(ctx, digest)
			return e, whole, err
		}
	}
}

// lockEntry is the entry of a directory with its lock; nil when it was removed in
// between.
func lockEntry(dir string, how int) (*cacheEntry, error) {
	f, err := tryDirLock(dir, how)
	if f == nil || err != nil {
		return nil, err
	}
	return &cacheEntry{dir: dir, lock: f, about: readAbout(dir)}, nil
}

// tryDirLock locks a directory, or returns nil when it was removed in between.
func tryDirLock(dir string, how int) (*os.File, error) {
	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_DIRECTORY, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), how|unix.LOCK_NB); err != nil {
		f.Close()
		return nil, err
	}
	mine, err1 := f.Stat()
	now, err2 := os.Lstat(dir)
	if err1 == nil && err2 == nil && os.SameFile(mine, now) {
		return f, nil
	}
	f.Close()
	return nil, nil
}

// readAbout reads what is known; a damaged file is as none.
func readAbout(dir string) about {
	var a about
	text, err := os.ReadFile(filepath.Join(dir, aboutName))
	if err != nil || json.Unmarshal(text, &a) != nil {
		return about{}
	}
	return a
}

// save writes what is known, and the time. Several who use the file may do so at
// a time.
func (e *cacheEntry) save() error {
	text, err := json.Marshal(e.about)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(e.dir, aboutTemp+"*")
	if err != nil {
		return &diskError{err}
	}
	_, err = f.Write(append(text, '\n'))
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), e.path(aboutName))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return &diskError{err}
	}
	return nil
}

// use opens the whole file and goes on holding the lock together with others
// who use it.
func (e *cacheEntry) use(name, fetched string) (*Cached, error) {
	f, err := os.Open(e.path(wholeName))
	if err != nil {
		return nil, &diskError{err}
	}
	if !slices.Contains(e.Names, name) {
		e.Names = append(e.Names, name)
	}
	e.From, e.Tag = "", ""
	if err := e.save(); err != nil {
		f.Close()
		return nil, err
	}
	// A prune that takes the lock in this moment unlinks a file that is open.
	if err := unix.Flock(int(e.lock.Fd()), unix.LOCK_SH); err != nil {
		f.Close()
		return nil, &diskError{err}
	}
	return &Cached{f, e, fetched}, nil
}

// intact tells whether the whole file is there and has its digest.
func (e *cacheEntry) intact(ctx context.Context, digest string) (bool, error) {
	sum, err := fileDigest(ctx, e.path(wholeName))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && sum == digest, err
}

// lookup is intact for who has the lock alone: a damaged file is removed, so that
// it is fetched again.
func (e *cacheEntry) lookup(ctx context.Context, digest string) (bool, error) {
	whole, err := e.intact(ctx, digest)
	if whole || err != nil {
		return whole, err
	}
	if err := os.Remove(e.path(wholeName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, &diskError{err}
	}
	return false, nil
}

func fileDigest(ctx context.Context, name string) (string, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, readerOf(ctx, f)); err != nil {
		return "", fault.Wrap(fault.KindOf(err), err, "read "+name, "")
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// readerOf ends a long read with its context.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return &ctxReader{ctx, r} }

type ctxReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *ctxReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, fault.Wrap(fault.Interrupted, err, "", "")
	}
	return c.r.Read(p)
}

// abandon lets go of an entry whose download failed. One into which nothing came
// is taken away.
func (e *cacheEntry) abandon() {
	defer e.lock.Close()
	if _, err := os.Lstat(e.path(wholeName)); err == nil {
		return
	}
	if info, err := os.Lstat(e.path(partName)); err == nil && info.Size() > 0 {
		return
	}
	if e.empty() == nil {
		Cache{filepath.Dir(e.dir)}.RemoveEmpty()
	}
}

// empty removes the directory with all that is in it.
func (e *cacheEntry) empty() error {
	files, err := os.ReadDir(e.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		if err := os.Remove(e.path(f.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return os.Remove(e.dir)
}

// finish makes the whole file of the part, which has the right digest.
func (e *cacheEntry) finish(part *os.File) error {
	err := part.Sync()
	if err == nil {
		err = os.Rename(e.path(partName), e.path(wholeName))
	}
	if err != nil {
		return &diskError{err}
	}
	return nil
}

// CacheItem is a file of the cache, or a part of one, for people.
type CacheItem struct {
	SHA256  string    `json:"sha256"`
	Names   []string  `json:"names"`
	Size    int64     `json:"size"` // bytes
	Partial bool      `json:"partial,omitempty"`
	Used    time.Time `json:"used"` // last; of a part, when its last byte came
	Busy    bool      `json:"busy,omitempty"`
}

// List are the files of the cache, the last used one first.
func (c Cache) List() ([]CacheItem, error) {
	entries, err := os.ReadDir(c.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Permission, err, "cache", "the cache of root needs root; --state DIR names another place")
	}
	list := []CacheItem{}
	for _, e := range entries {
		if !e.IsDir() || !validDigest(e.Name()) {
			continue
		}
		list = append(list, c.item(e.Name()))
	}
	slices.SortFunc(list, func(a, b CacheItem) int {
		return cmp.Or(b.Used.Compare(a.Used), cmp.Compare(a.SHA256, b.SHA256))
	})
	return list, nil
}

func (c Cache) item(digest string) CacheItem {
	dir := filepath.Join(c.Dir, digest)
	it := CacheItem{SHA256: digest, Names: readAbout(dir).Names}
	if info, err := os.Lstat(dir); err == nil {
		it.Used = info.ModTime()
	}
	if info, err := os.Lstat(filepath.Join(dir, wholeName)); err == nil {
		it.Size = info.Size()
		if info, err := os.Lstat(filepath.Join(dir, aboutName)); err == nil {
			it.Used = info.ModTime()
		}
	} else if info, err := os.Lstat(filepath.Join(dir, partName)); err == nil {
		it.Size, it.Used, it.Partial = info.Size(), info.ModTime(), true
	} else {
		it.Partial = true // a download that had not begun
	}
	f, err := tryDirLock(dir, unix.LOCK_EX)
	if f != nil {
		f.Close()
	}
	it.Busy = errors.Is(err, unix.EWOULDBLOCK)
	return it
}

// Remove takes a file out of the cache. One that is being fetched or used stays,
// and gone is false.
func (c Cache) Remove(digest string) (gone bool, err error) {
	dir := filepath.Join(c.Dir, digest)
	e, err := lockEntry(dir, unix.LOCK_EX)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return false, nil
	}
	if err != nil || e == nil {
		return err == nil, err
	}
	defer e.lock.Close()
	return true, e.empty()
}

// RemoveEmpty takes the cache's directories away when nothing is in them.
func (c Cache) RemoveEmpty() {
	if os.Remove(c.Dir) == nil {
		_ = os.Remove(filepath.Dir(c.Dir))
	}
}

// put keeps text, which has the digest; what is there already stays.
func (c Cache) put(ctx context.Context, digest, name string, text []byte) error {
	e, whole, err := c.enter(ctx, digest, nil)
	if e != nil {
		defer e.lock.Close()
	}
	if err != nil || whole {
		return err
	}
	part, err := os.OpenFile(e.path(partName), os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return &diskError{err}
	}
	_, err = io.Copy(diskWriter{part}, bytes.NewReader(text))
	if err == nil {
		err = e.finish(part)
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	e.Names = append(e.Names, name)
	return e.save()
}

// get reads a MANIFEST of the cache; nil when it is not there.
func (c Cache) get(digest string) []byte {
	text, err := readSmall(filepath.Join(c.Dir, digest, wholeName))
	if err != nil || sumOf(text) != digest {
		return nil
	}
	return text
}

func sumOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}
