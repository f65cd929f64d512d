package profile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/xjail/xjail/internal/fault"
)

// maxLine is more than the longest line that a collector writes: the header has the
// command, which execve(2) takes up to 2 MiB of, and a byte is six in JSON at most.
const maxLine = 16 << 20

// Profile is a whole profile in memory.
type Profile struct {
	Header
	Runs     []*Run // in the order in which they began
	Failures []Failure
	Losses   []Lost
	// Close is nil when the profile was cut off, or is still being written.
	Close *Close
	// Cut tells that the last line was not whole, as it is while a collector
	// writes and after a power cut.
	Cut bool

	odd   map[int64]int // places in Runs of those whose number does not tell
	scan  scanner
	spent int64 // CPU time of the runs that were read
}

// Run returns the run of an ID, or nil.
func (p *Profile) Run(id int64) *Run {
	if i := p.place(id, p.odd, len(p.Runs)); i >= 0 {
		return p.Runs[i]
	}
	return nil
}

// place is where in the first n Runs the one of an ID is, -1 when it is not there.
// Collectors count them; what has another number than its place is in odd.
func (p *Profile) place(id int64, odd map[int64]int, n int) int {
	if i := id - 1; i >= 0 && i < int64(n) && p.Runs[i].ID == id {
		return int(i)
	}
	if i, ok := odd[id]; ok {
		return i
	}
	return -1
}

// Read reads a profile. One that was cut off in mid-line is read up to there;
// whatever else is wrong with it is an error of kind fault.Damaged that names the
// line.
func Read(r io.Reader) (*Profile, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	in.Split(wholeLines)
	if !in.Scan() {
		return nil, noProfile(in.Err())
	}
	p := &Profile{odd: map[int64]int{}}
	if err := p.readHeader(in.Bytes()); err != nil {
		return nil, err
	}
	n := 2
	for ; in.Scan(); n++ {
		b := in.Bytes()
		if b[len(b)-1] != '\n' {
			p.Cut = true
			break
		}
		if err := p.add(b); err != nil {
			return nil, fault.New(fault.Damaged, "", "line %d of the profile: %w", n, err)
		}
	}
	switch err := in.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, fault.New(fault.Damaged, "", "line %d of the profile is longer than %d MiB", n, maxLine>>20)
	case err != nil:
		return nil, err
	}
	return p, nil
}

// ReadHeader reads the header of a profile, and perhaps what is behind it. Errors
// are those of Read.
func ReadHeader(r io.Reader) (*Header, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4<<10), maxLine)
	in.Split(wholeLines)
	if !in.Scan() {
		return nil, noProfile(in.Err())
	}
	h := &Header{}
	return h, h.readHeader(in.Bytes())
}

// readHeader reads the first line of a profile.
func (h *Header) readHeader(b []byte) error {
	if err := json.Unmarshal(b, h); err != nil || h.Format < 1 {
		if bytes.HasPrefix(b, []byte("\x1f\x8b")) {
			return fault.New(fault.Damaged, "gzip -dc FILE | xjail profile report -", "the profile is compressed with gzip")
		}
		return noProfile(err)
	}
	if h.Format > formatVersion {
		return fault.New(fault.Unsupported, "use the xjail that wrote it, or a newer one", "the profile has format %d; this xjail reads up to %d", h.Format, formatVersion)
	}
	return nil
}

func noProfile(err error) error {
	if err == nil {
		err = errors.New("its first line is not a header")
	}
	return fault.New(fault.Damaged, "xjail profile NAME --output FILE -- CMD... makes one", "not a profile of xjail: %w", err)
}

// wholeLines splits at line ends and keeps them.
func wholeLines(data []byte, atEOF bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

func (p *Profile) add(b []byte) error {
	var l line
	if !p.scan.line(b, &l) {
		l = line{}
		if err := json.Unmarshal(b, &l); err != nil {
			return err
		}
	}
	switch {
	case l.Run != nil:
		if l.Run.ID < 1 || p.Run(l.Run.ID) != nil {
			return errors.New("a run of that number is there already")
		}
		p.possible(l.Run.At, &l.Run.At)
		if l.Run.ID != int64(len(p.Runs))+1 {
			p.odd[l.Run.ID] = len(p.Runs)
		}
		p.Runs = append(p.Runs, l.Run)
	case l.End != nil:
		r := p.Run(l.End.ID)
		if r == nil || r.End != nil {
			return errors.New("the end of a run that has not begun")
		}
		e := l.End
		p.possible(e.At, &e.At, &e.User, &e.System, &e.RSS)
		e.User = min(e.User, most-p.spent)
		e.System = min(e.System, most-p.spent-e.User)
		p.spent += e.User + e.System
		r.End = e
	case l.Fail != nil:
		p.possible(l.Fail.At, &l.Fail.At)
		p.Failures = append(p.Failures, *l.Fail)
	case l.Lost != nil:
		p.possible(l.Lost.At, &l.Lost.At, &l.Lost.Count)
		p.Losses = append(p.Losses, *l.Lost)
	case l.Close != nil:
		p.possible(l.Close.At, &l.Close.At, &l.Close.User, &l.Close.System, &l.Close.Left)
		p.Close = l.Close
	}
	return nil
}

// most is more nanoseconds, and bytes, than a profile can have: nine years. No sum
// over some profiles overflows below it.
const most = 1 << 58

// possible puts numbers of a line where they can be. One of them that was not there
// is counted with what was lost: the rest of the profile is worth to be read.
func (p *Profile) possible(at int64, numbers ...*int64) {
	wrong := int64(0)
	for _, n := range numbers {
		if *n < 0 || *n > most {
			*n = min(max(*n, 0), most)
			wrong++
		}
	}
	if wrong > 0 {
		p.Losses = append(p.Losses, Lost{At: min(max(at, 0), most), Count: wrong, Why: "numbers that cannot be"})
	}
}
