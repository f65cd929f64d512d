package persist

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// The line that tells whose a file is. It ends with a digest of the other
// lines, so that a file that somebody changed is seen.
const (
	marker      = "# Written by xjail activator persist; xjail activator unpersist removes it. sha256:"
	packageMark = "# Installed by the package of xjail."
)

// placeholder is where the line goes.
const placeholder = "%%ORIGIN%%"

// digestSize is how much of a digest is written, in hexadecimal digits. It
// guards against changes by hand, not against forgery: who can write these
// files is root.
const digestSize = 16

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:digestSize]
}

// sign puts the line in a text, for its placeholder, which is a line of its
// own.
func sign(text string) string {
	rest := strings.Replace(text, placeholder+"\n", "", 1)
	return strings.Replace(text, placeholder, marker+digest(rest), 1)
}

// ownership is whose a text is.
type ownership int

const (
	foreign  ownership = iota // somebody else wrote it
	changed                   // xjail wrote it, and somebody changed it
	ours                      // xjail wrote it
	packaged                  // xjail's package brought it
)

// ownerOf reads the line, which is one of the first few.
func ownerOf(text string) ownership {
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines[:min(len(lines), 5)] {
		line = strings.TrimSuffix(line, "\n")
		if line == packageMark {
			return packaged
		}
		sum, ok := strings.CutPrefix(line, marker)
		if !ok {
			continue
		}
		if sum == digest(strings.Join(lines[:i], "")+strings.Join(lines[i+1:], "")) {
			return ours
		}
		return changed
	}
	return foreign
}
