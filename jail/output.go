package jail

import (
	"io"
	"os"
	"strings"
	"sync"
	"unicode"

	"github.com/xjail/xjail/internal/fault"
)

// tailWriter keeps the end of what a program prints, for the error message.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

// tailSize is enough for the last screen of a program.
const tailSize = 4096

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > tailSize {
		t.buf = t.buf[len(t.buf)-tailSize:]
	}
	return len(p), nil
}

// String is the text without what would move a terminal's cursor or change its
// colours: a program of a jail must not draw over xjail's messages.
func (t *tailWriter) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, string(t.buf))
}

// lastError is the line that says most: the last that begins as an error, else
// the last one.
func (t *tailWriter) lastError() string {
	last, found := "no output", ""
	for line := range strings.Lines(t.String()) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		last = line
		if low := strings.ToLower(line); strings.HasPrefix(low, "e:") || strings.HasPrefix(low, "error") || strings.HasPrefix(low, "w:") {
			found = line
		}
	}
	if found != "" {
		return found
	}
	return last
}

// debianKind tells a full disk from other failures of mmdebstrap.
func debianKind(tail string) fault.Kind {
	if strings.Contains(tail, "No space left on device") || strings.Contains(tail, "enough free space") {
		return fault.NoSpace
	}
	return fault.Failed
}

// pipeTo is a file that a process can write to, copied to w. done is closed
// when the last writer has closed it.
func pipeTo(w io.Writer) (f *os.File, done <-chan struct{}, err error) {
	r, f, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		defer r.Close()
		_, _ = io.Copy(w, r)
	}()
	return f, finished, nil
}
