package extract

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Read-ahead of 2 MiB keeps one processor decompressing while the other writes
// files.
const (
	aheadChunk  = 256 << 10
	aheadChunks = 8
)

// readAhead runs a decompressor in a goroutine of its own.
type readAhead struct {
	ctx  context.Context
	full chan chunk
	free chan []byte
	quit chan struct{}
	done chan struct{}
	cur  chunk
	off  int
}

type chunk struct {
	data []byte
	err  error
}

// newReadAhead starts reading from what open gives.
func newReadAhead(ctx context.Context, open func() (io.ReadCloser, error)) *readAhead {
	a := &readAhead{
		ctx: ctx, full: make(chan chunk, aheadChunks), free: make(chan []byte, aheadChunks),
		quit: make(chan struct{}), done: make(chan struct{}),
	}
	for range aheadChunks {
		a.free <- make([]byte, aheadChunk)
	}
	go a.run(open)
	return a
}

func (a *readAhead) run(open func() (io.ReadCloser, error)) {
	defer close(a.done)
	// A decompressor fed with garbage may panic; that is damage, not a crash.
	defer func() {
		if r := recover(); r != nil {
			a.send(chunk{err: gaveUp(r)})
		}
	}()
	r, err := open()
	if err != nil {
		a.send(chunk{err: shortHeader(err)})
		return
	}
	for err == nil {
		select {
		case buf := <-a.free:
			var n int
			n, err = fillBuffer(r, buf[:aheadChunk])
			if !a.send(chunk{buf[:n], err}) {
				err = context.Canceled
			}
		case <-a.quit:
			err = context.Canceled
		}
	}
	_ = r.Close() // the data was read to its end or is not wanted any more
}

// gaveUp is the error for a decompressor that panicked.
func gaveUp(p any) error { return fmt.Errorf("the decompressor gave up: %v", p) }

// shortHeader is the error for a file that is shorter than its format's header.
func shortHeader(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// fillBuffer reads until buf is full and, unlike io.ReadFull, keeps the error as
// it is.
func fillBuffer(r io.Reader, buf []byte) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}

func (a *readAhead) send(c chunk) bool {
	select {
	case a.full <- c:
		return true
	case <-a.quit:
		return false
	}
}

// Read gives the chunks one after the other, then the decompressor's error.
func (a *readAhead) Read(p []byte) (int, error) {
	for a.off == len(a.cur.data) {
		if a.cur.err != nil {
			return 0, a.cur.err
		}
		if a.cur.data != nil {
			a.free <- a.cur.data // has room for all there are
		}
		a.off = 0
		select {
		case a.cur = <-a.full:
		case <-a.ctx.Done():
			a.cur = chunk{err: a.ctx.Err()}
		}
	}
	n := copy(p, a.cur.data[a.off:])
	a.off += n
	return n, nil
}

// stop ends the goroutine. It waits for it unless the context has ended: then
// the goroutine may hang in a Read of a pipe that nobody writes to.
func (a *readAhead) stop() {
	close(a.quit)
	select {
	case <-a.done:
	case <-a.ctx.Done():
	}
}
