package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"strings"
	"syscall"

	"github.com/xjail/xjail/internal/fault"
)

// Notes are what a user is told meanwhile; both may be nil.
type Notes struct {
	// Waits is called when another xjail fetches the same file.
	Waits func(name string)
	// Warn is for what goes wrong with one of several mirrors.
	Warn func(text string)
}

func (n Notes) warn(format string, args ...any) {
	if n.Warn != nil {
		n.Warn(fmt.Sprintf(format, args...))
	}
}

// Fetch gives the file with a digest, out of the cache or from the first of the
// addresses that has it. What a failed or interrupted one has brought stays in
// the cache, and the next goes on behind it. name is for people.
//
// Of several mirrors' failures the error has the kind of the worst: Mismatch (a
// file with another digest), Unsafe (a redirect), Damaged (cut short), Failed
// (stalled, the network), NotFound (none has it).
func (c Cache) Fetch(ctx context.Context, f *Fetcher, digest, name string, urls []string, notes Notes) (*Cached, error) {
	e, whole, err := c.enter(ctx, digest, func() {
		if notes.Waits != nil {
			notes.Waits(name)
		}
	})
	from := ""
	if err == nil && !whole {
		from, err = e.fetch(ctx, f, digest, name, urls, notes)
	}
	var cached *Cached
	if err == nil {
		cached, err = e.use(name, from)
	}
	if err != nil && e != nil {
		e.abandon()
	}
	return cached, err
}

func (e *cacheEntry) fetch(ctx context.Context, f *Fetcher, digest, name string, urls []string, notes Notes) (from string, err error) {
	// Who looks at the cache wants to know what the part is of.
	e.Names = []string{name}
	var failures []error
	for i, url := range urls {
		err := e.fetchFrom(ctx, f, digest, url)
		if err == nil {
			return url, nil
		}
		if final(err) {
			return "", err
		}
		if failures = append(failures, err); i < len(urls)-1 {
			notes.warn("%v; trying the next mirror", err)
		}
	}
	return "", worst(name, failures)
}

// final tells an error that no other mirror can mend.
func final(err error) bool {
	var disk *diskError
	return errors.As(err, &disk) || fault.KindOf(err) == fault.Interrupted
}

// severity orders the kinds of failures of mirrors, the worst first.
var severity = []fault.Kind{fault.Mismatch, fault.Unsafe, fault.Damaged, fault.Failed, fault.Permission, fault.Usage, fault.NotFound}

// worst makes one error of those of all mirrors.
func worst(name string, failures []error) error {
	if len(failures) == 0 {
		return fault.New(fault.Usage, "freebsd_mirrors in the configuration", "no mirror to get %s from", name)
	}
	var texts []string
	for _, err := range failures {
		texts = append(texts, err.Error())
	}
	for _, kind := range severity {
		for _, err := range failures {
			if fault.KindOf(err) != kind {
				continue
			}
			hint := fault.HintOf(err)
			if kind == fault.NotFound {
				hint = "check the version; freebsd_mirrors in the configuration names other mirrors"
			}
			return fault.New(kind, hint, "%s: %s", name, strings.Join(texts, "; "))
		}
	}
	return failures[0]
}

// fetchFrom fetches the rest of a part from one address. With another digest in
// the end it may be the beginning that was wrong, which came from elsewhere: so
// all of it is fetched once more.
func (e *cacheEntry) fetchFrom(ctx context.Context, f *Fetcher, digest, url string) error {
	part, err := os.OpenFile(e.path(partName), os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return &diskError{err}
	}
	defer part.Close()
	p := &partial{entry: e, file: part, hash: sha256.New()}
	if p.size, err = io.Copy(p.hash, readerOf(ctx, part)); err != nil {
		return err
	}
	if p.size > 0 && p.sum() == digest {
		return e.finish(part)
	}
	resumed, err := p.transfer(ctx, f, url)
	if err == nil && resumed && p.sum() != digest {
		if err = p.restart(); err == nil {
			_, err = p.transfer(ctx, f, url)
		}
	}
	if err != nil {
		return err
	}
	if sum := p.sum(); sum != digest {
		size := p.size
		if err := p.restart(); err != nil {
			return err
		}
		return fault.New(fault.Mismatch, "use another mirror; a new MANIFEST may be out, then try again",
			"%s: SHA-256 of the %d bytes is %s, expected %s", url, size, sum, digest)
	}
	return e.finish(part)
}

// partial is a part that is being completed.
type partial struct {
	entry *cacheEntry
	file  *os.File
	hash  hash.Hash
	size  int64
}

func (p *partial) sum() string { return hex.EncodeToString(p.hash.Sum(nil)) }

// restart empties the part.
func (p *partial) restart() error {
	p.hash.Reset()
	p.size = 0
	_, err := p.file.Seek(0, io.SeekStart)
	if err = errors.Join(err, p.file.Truncate(0)); err != nil {
		return &diskError{err}
	}
	return nil
}

// transfer appends what an address has behind the part, and says whether it did
// go on behind it.
func (p *partial) transfer(ctx context.Context, f *Fetcher, url string) (resumed bool, err error) {
	tag := ""
	if p.entry.From == url {
		tag = p.entry.Tag
	}
	t, err := f.open(ctx, url, p.size, tag)
	if errors.Is(err, errBeyond) {
		if err = p.restart(); err == nil {
			t, err = f.open(ctx, url, 0, "")
		}
	}
	if err != nil {
		return false, err
	}
	defer t.close()
	if t.start != p.size {
		if err := p.restart(); err != nil {
			return false, err
		}
	}
	resumed = p.size > 0
	p.entry.From, p.entry.Tag = url, t.tag
	if err := p.entry.save(); err != nil {
		return false, err
	}
	n, err := t.copyTo(io.MultiWriter(p.file, p.hash), url)
	p.size += n
	return resumed, err
}
