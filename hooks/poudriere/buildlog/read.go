package buildlog

import (
	"bytes"
	"errors"
	"io"
	"slices"
)

// What is kept of a log, in bytes. The head has what the build was given, the
// tail why it ended; of what is between only the windows around the messages of
// the emulator and of full disks are kept. A line is cut in its middle.
const (
	headSize  = 128 << 10
	tailSize  = 256 << 10
	blockSize = 256 << 10
	lineSize  = 4 << 10
)

// How many windows are kept of one kind of message, and of how many kinds.
const (
	maxWindows = 8
	maxKinds   = 8
)

// needles are what is looked for between head and tail. Each costs a pass over
// the log: only what ends a build long after it was printed is worth one, and
// they begin with bytes that are rare in logs. Of phase the last alone counts.
var (
	needles = [][]byte{[]byte("qemu: "), []byte("QEMU internal SIG"), []byte("No space left on device")}
	phase   = []byte("<phase: ")
)

// excerpt is what is kept of a log.
type excerpt struct {
	lines []Line // of head, windows and tail, in order, clean
	size  int64  // bytes of the whole log
	count int    // its lines
	err   error  // why reading ended early
}

// read keeps what matters of a log. It holds at most about a megabyte, whatever
// the size of the log or of its lines.
func read(r io.Reader) *excerpt {
	x := &excerpter{out: &excerpt{}, first: 1, kinds: map[string]int{}}
	x.buf = make([]byte, 0, tailSize+2*blockSize)
	for {
		n, err := io.ReadFull(r, x.buf[len(x.buf):len(x.buf)+blockSize])
		x.buf = x.buf[:len(x.buf)+n]
		x.out.size += int64(n)
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
				x.out.err = err
			}
			break
		}
		x.slide()
	}
	return x.finish()
}

// excerpter has the end of the log in buf: what was not yet given up.
type excerpter struct {
	out   *excerpt
	buf   []byte
	first int            // the number of the line that buf begins with
	torn  bool           // buf begins in the middle of a line
	begun bool           // the head is kept
	kinds map[string]int // how many windows there are of each kind
	phase []Line         // the last header of a phase that was given up
}

// slide gives up a block when buf holds more than the tail needs.
func (x *excerpter) slide() {
	if !x.begun {
		x.keepHead()
	}
	drop := len(x.buf) - tailSize
	if drop <= 0 {
		return
	}
	// A line that is whole in buf is not torn, unless it is longer than that.
	if i := bytes.LastIndexByte(x.buf[:drop], '\n'); i >= 0 {
		drop = i + 1
	}
	x.scan(x.buf[:drop])
	x.first += bytes.Count(x.buf[:drop], []byte{'\n'})
	x.torn = x.buf[drop-1] != '\n'
	x.buf = x.buf[:copy(x.buf, x.buf[drop:])]
}

// keepHead keeps the beginning of a log that is too long to be kept whole.
func (x *excerpter) keepHead() {
	x.begun = true
	head := x.buf[:min(len(x.buf), headSize)]
	if i := bytes.LastIndexByte(head, '\n'); i >= 0 {
		head = head[:i+1]
	}
	x.out.lines = splitLines(nil, head, 1, false)
}

// scan keeps the windows of a block that is given up.
func (x *excerpter) scan(block []byte) {
	headLines := 0
	if n := len(x.out.lines); n > 0 {
		headLines = x.out.lines[n-1].Number
	}
	var hits []int
	for _, needle := range needles {
		for at := 0; ; at += len(needle) {
			j := bytes.Index(block[at:], needle)
			if j < 0 {
				break
			}
			if at += j; x.fresh(block[at:]) {
				hits = append(hits, at)
			}
		}
	}
	slices.Sort(hits)
	for _, at := range hits {
		x.merge(x.window(block, at, 6, 8), headLines)
	}
	// bytes.LastIndex is slower by far than bytes.Index.
	last := -1
	for at := bytes.Index(block, phase); at >= 0; at = bytes.Index(block[last+1:], phase) {
		last += at + 1
	}
	if last >= 0 {
		x.phase = x.window(block, last, 0, 0)
	}
}

// fresh tells whether a message is one of the first of its kind: an emulator can
// say the same of every program that it runs.
func (x *excerpter) fresh(message []byte) bool {
	words := bytes.Fields(message[:min(len(message), 40)])
	kind := string(bytes.Join(words[:min(len(words), 2)], []byte{' '}))
	if x.kinds[kind] >= maxWindows || x.kinds[kind] == 0 && len(x.kinds) >= maxKinds {
		return false
	}
	x.kinds[kind]++
	return true
}

// window is the line at an offset, with some before and after.
func (x *excerpter) window(block []byte, at, before, after int) []Line {
	begin, end := at, at
	for i := 0; i <= before && begin > 0; i++ {
		begin = bytes.LastIndexByte(block[:max(begin-1, 0)], '\n') + 1
	}
	for i := 0; i <= after && end < len(block); i++ {
		j := bytes.IndexByte(block[end:], '\n')
		if j < 0 {
			end = len(block)
			break
		}
		end += j + 1
	}
	number := x.first + bytes.Count(block[:begin], []byte{'\n'})
	return splitLines(nil, block[begin:end], number, begin == 0 && x.torn)
}

// merge adds the lines of a window that are not kept yet.
func (x *excerpter) merge(window []Line, after int) {
	for _, l := range window {
		if n := len(x.out.lines); l.Number > after && (n == 0 || l.Number > x.out.lines[n-1].Number) {
			x.out.lines = append(x.out.lines, l)
		}
	}
}

func (x *excerpter) finish() *excerpt {
	begin := bytes.LastIndexByte(x.buf[:max(len(x.buf)-tailSize, 0)], '\n') + 1
	x.scan(x.buf[:begin])
	number := x.first + bytes.Count(x.buf[:begin], []byte{'\n'})
	tail := splitLines(nil, x.buf[begin:], number, begin == 0 && x.torn)
	if n := len(x.phase); n > 0 && len(tail) > 0 && x.phase[0].Number < tail[0].Number {
		x.insert(x.phase[0])
	}
	last := 0
	if n := len(x.out.lines); n > 0 {
		last = x.out.lines[n-1].Number
	}
	for _, l := range tail {
		if l.Number > last {
			x.out.lines = append(x.out.lines, l)
		}
	}
	x.out.count = x.first - 1 + bytes.Count(x.buf, []byte{'\n'})
	return x.out
}

// insert puts a line where it belongs, unless it is there.
func (x *excerpter) insert(line Line) {
	lines := x.out.lines
	i := len(lines)
	for i > 0 && lines[i-1].Number >= line.Number {
		i--
	}
	if i < len(lines) && lines[i].Number == line.Number {
		return
	}
	x.out.lines = slices.Insert(lines, i, line)
}
