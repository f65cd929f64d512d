package activators

import "bytes"

// witness is the start of a file that all the rules given match, or nil when
// there is none. It looks like a program where one of the architectures has such
// a program.
func (c *checker) witness(rules ...*rule) []byte {
	all := func(header []byte) bool {
		for _, r := range rules {
			if !r.takes(header) {
				return false
			}
		}
		return true
	}
	var near []byte // a program of what one of them is for
	for _, r := range rules {
		for _, a := range r.meant {
			if s, ok := c.sample(a, all); ok {
				return s.Header
			}
			if s, ok := c.sample(a, r.takes); ok && near == nil {
				near = s.Header
			}
		}
	}
	made := bytes.Clone(near)
	for _, r := range rules {
		made = overlay(made, r.Entry)
	}
	if !all(made) {
		return nil
	}
	return made
}

// sample is a program of an architecture that f wants, a usual one if there is.
func (c *checker) sample(a int, f func(header []byte) bool) (Sample, bool) {
	var other *Sample
	for i, s := range c.host.Archs[a].Programs {
		switch {
		case !f(s.Header):
		case s.Usual:
			return s, true
		case other == nil:
			other = &c.host.Archs[a].Programs[i]
		}
	}
	if other == nil {
		return Sample{}, false
	}
	return *other, true
}

// overlay is header with what e wants written over it, as long as that takes.
func overlay(header []byte, e Entry) []byte {
	e.pins(func(at int, p pinned) bool {
		if at < 0 {
			return false
		}
		if more := at + 1 - len(header); more > 0 {
			header = append(header, make([]byte, more)...)
		}
		header[at] = header[at]&^p.mask | p.value
		return true
	})
	if len(header) == 0 {
		return []byte{0} // no kernel asks its table about an empty file
	}
	return header
}

// like is a program such as self that e matches; see TakesLike. nil when it
// matches none.
func like(e Entry, self []byte) []byte {
	if !TakesLike(e, self) {
		return nil
	}
	if Captures(e, self) {
		return start(self, e)
	}
	// e_type stays 2 or 3 so; EI_OSABI must become one that programs have.
	made := overlay(bytes.Clone(start(self, e)), e)
	made[elfOSABI] = first(e.pinAt(elfOSABI), self[elfOSABI], 0, 3)
	return made
}

// first is the first of values that p allows; the last one when it allows none.
func first(p pinned, values ...byte) byte {
	v := values[len(values)-1]
	for i := len(values) - 1; i >= 0; i-- {
		if values[i]&p.mask == p.value {
			v = values[i]
		}
	}
	return v
}

// start is as much of a file as an ELF header has and e looks at.
func start(header []byte, e Entry) []byte {
	return header[:min(len(header), max(elfEnd, e.Offset+len(e.Magic)))]
}
