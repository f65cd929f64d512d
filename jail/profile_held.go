package jail

import (
	"io"
	"sync"
)

// emptied is a file that can be emptied; a pipe cannot be.
type emptied interface {
	io.Writer
	Truncate(size int64) error
}

// heldFile is the file of a profile which stays as it is until the command has
// begun. The header comes before that, and is held back; what follows it is of
// the command.
type heldFile struct {
	mu    sync.Mutex
	file  emptied
	head  []byte
	begun bool
	gone  bool // the command has not begun, and will not
}

// Write implements io.Writer.
func (h *heldFile) Write(b []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.gone:
		return len(b), nil
	case h.head == nil:
		h.head = append(h.head, b...)
		return len(b), nil
	case !h.begun:
		h.begun = true
		_ = h.file.Truncate(0)
		if _, err := h.file.Write(h.head); err != nil {
			return 0, err
		}
	}
	return h.file.Write(b)
}

// discard takes what is written from now on for nothing.
func (h *heldFile) discard() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gone = true
}
