package activators

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"syscall"
)

// openedFile identifies the file that a kernel opened for an entry when it was
// registered. The zero value is none.
type openedFile struct {
	Device   string `json:"device,omitempty"` // hexadecimal
	Inode    uint64 `json:"inode,omitempty"`
	Size     int64  `json:"size,omitempty"`     // bytes
	Modified int64  `json:"modified,omitempty"` // nanoseconds since 1970
	SHA256   string `json:"sha256,omitempty"`   // hexadecimal
	Missing  bool   `json:"missing,omitempty"`  // there was no file
}

// What Stale says.
const (
	staleReplaced = "its interpreter was replaced since it was registered, and the kernel runs the old one"
	staleChanged  = "its interpreter was written over since it was registered"
)

// opens tells whether a kernel opens the interpreter of e when it is registered.
func opens(e Entry) bool { return e.Flags.FixBinary || e.Flags.PreOpen }

// lookAtOpened identifies a file, with its digest: for registering.
func lookAtOpened(path string) openedFile {
	f := identify(path)
	if !f.Missing {
		f.SHA256 = digestOf(path)
	}
	return f
}

// identify is everything that costs no reading of the file.
func identify(path string) openedFile {
	info, err := os.Stat(path)
	if err != nil {
		return openedFile{Missing: true}
	}
	f := openedFile{Size: info.Size(), Modified: info.ModTime().UnixNano()}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		f.Device, f.Inode = fmt.Sprintf("%x", st.Dev), st.Ino
	}
	return f
}

// digestOf is the SHA-256 of a file, "" when it cannot be read.
func digestOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return ""
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// stale compares f with what is at the path now. As long as a kernel holds a
// file open, no other one gets its inode: another inode is another file, whatever
// is in it. The same inode is the file that the kernel runs; its content is
// read only when size or time differ, since a file that was touched is what it
// was.
func (f openedFile) stale(path string) string {
	if f == (openedFile{}) {
		return ""
	}
	now := identify(path)
	switch {
	case now.Missing != f.Missing, now.Device != f.Device, now.Inode != f.Inode:
		return staleReplaced
	case now.Size == f.Size && now.Modified == f.Modified:
		return ""
	case f.SHA256 != "" && now.Size == f.Size && digestOf(path) == f.SHA256:
		return ""
	}
	return staleChanged
}

// staleFile is stale for the identity that ledgers had before: the size, the
// time and the inode, as a text.
func staleFile(file, path string) string {
	if file != oldIdentity(path) {
		return staleReplaced
	}
	return ""
}

func oldIdentity(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "none"
	}
	identity := fmt.Sprintf("%d bytes, changed %d", info.Size(), info.ModTime().UnixNano())
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		identity += fmt.Sprintf(", inode %d", st.Ino)
	}
	return identity
}
