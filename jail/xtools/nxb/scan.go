package nxb

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
)

// scanBlock is how much of a file is looked at at a time; scanOverlap is more
// than what is looked for is long.
const (
	scanBlock   = 1 << 20
	scanOverlap = 256
)

// scan calls see with the blocks of a file, which overlap, until it returns false.
func scan(r io.Reader, see func(b []byte) bool) error {
	buf := make([]byte, 0, scanOverlap+scanBlock)
	for {
		n, err := io.ReadFull(r, buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if n > 0 && !see(buf) {
			return nil
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		buf = append(buf[:0], buf[len(buf)-scanOverlap:]...)
	}
}

// contains tells whether text is somewhere in a file.
func contains(r io.Reader, text string) (bool, error) {
	found := false
	err := scan(r, func(b []byte) bool {
		found = bytes.Contains(b, []byte(text))
		return !found
	})
	return found, err
}

// triples are the FreeBSD target triples that are whole strings of a file, such
// as x86_64-unknown-freebsd15.1: a compiler has its default target, and the
// machine that it runs on, as text.
func triples(r io.Reader) ([]string, error) {
	var all []string
	err := scan(r, func(b []byte) bool {
		mark := []byte("-freebsd")
		for from := 0; ; {
			i := bytes.Index(b[from:], mark)
			if i < 0 {
				return true
			}
			if t := tripleAt(b, from+i); t != "" && !slices.Contains(all, t) {
				all = append(all, t)
			}
			from += i + len(mark)
		}
	})
	slices.Sort(all)
	return all, err
}

// tripleAt is the string around at, if it is a triple with a version.
func tripleAt(b []byte, at int) string {
	start := bytes.LastIndexByte(b[:at], 0)
	end := bytes.IndexByte(b[at:], 0)
	if start < 0 || end < 0 || at-start > 64 || end > 64 {
		return ""
	}
	text := string(b[start+1 : at+end])
	odd := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_-.", r)
	}
	_, version, _ := strings.Cut(text, "-freebsd")
	if strings.ContainsFunc(text, odd) || version == "" || version[0] < '0' || version[0] > '9' || strings.Count(text, "-") < 2 {
		return ""
	}
	return text
}
