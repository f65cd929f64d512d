package profile

import "unicode/utf8"

// scanner reads the lines that collectors write: flat objects without blanks and
// without escapes. Whatever is not so it leaves to encoding/json, which takes
// three times as long, and with which it agrees on all that it reads itself.
type scanner struct {
	rest []byte
	bad  bool
	// names are the strings that come again and again: programs, files, ways to end.
	names map[string]string
	// words are those of a list, one behind the other, and ends where each ends.
	words []byte
	ends  []int
}

// line reads a line with a run, an end or a failure. It tells whether it could.
func (s *scanner) line(b []byte, l *line) bool {
	s.rest, s.bad = b, false
	if s.names == nil {
		s.names = map[string]string{}
	}
	s.expect('{')
	switch string(s.key()) {
	case "run":
		l.Run = &Run{}
		s.object(func(key []byte) { s.run(key, l.Run) })
	case "end":
		l.End = &End{}
		s.object(func(key []byte) { s.end(key, l.End) })
	case "fail":
		l.Fail = &Failure{}
		s.object(func(key []byte) { s.fail(key, l.Fail) })
	default:
		return false
	}
	s.expect('}')
	return !s.bad && string(s.rest) == "\n"
}

// run reads the value of a member of a Run.
func (s *scanner) run(key []byte, r *Run) {
	switch string(key) {
	case "id":
		r.ID = s.number()
	case "parent":
		r.Parent = s.number()
	case "replaced":
		r.Replaced = s.number()
	case "pid":
		r.PID = s.small()
	case "at":
		r.At = s.number()
	case "program":
		r.Program = s.name()
	case "file":
		r.File = s.name()
	case "script":
		r.Script = s.truth()
	case "argv":
		r.Argv = s.list()
	case "argv_cut":
		r.Cut = s.truth()
	case "emulator":
		r.Emulator = s.name()
	default:
		s.bad = true
	}
}

// end reads the value of a member of an End.
func (s *scanner) end(key []byte, e *End) {
	switch string(key) {
	case "id":
		e.ID = s.number()
	case "at":
		e.At = s.number()
	case "how":
		e.How = s.name()
	case "code":
		e.Code = s.small()
	case "core":
		e.Core = s.truth()
	case "user":
		e.User = s.number()
	case "system":
		e.System = s.number()
	case "rss":
		e.RSS = s.number()
	case "threads":
		e.Threads = s.small()
	default:
		s.bad = true
	}
}

// fail reads the value of a member of a Failure.
func (s *scanner) fail(key []byte, f *Failure) {
	switch string(key) {
	case "run":
		f.Run = s.number()
	case "at":
		f.At = s.number()
	case "file":
		f.File = s.name()
	case "error":
		f.Error = s.name()
	default:
		s.bad = true
	}
}

// object reads an object; member reads the value of each key.
func (s *scanner) object(member func(key []byte)) {
	s.expect('{')
	for !s.bad {
		member(s.key())
		if !s.more() {
			s.expect('}')
			return
		}
	}
}

// more reads a comma, when there is one.
func (s *scanner) more() bool {
	if s.bad || len(s.rest) == 0 || s.rest[0] != ',' {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) expect(c byte) {
	if s.bad || len(s.rest) == 0 || s.rest[0] != c {
		s.bad = true
		return
	}
	s.rest = s.rest[1:]
}

func (s *scanner) key() []byte {
	key := s.quoted()
	s.expect(':')
	return key
}

// quoted reads a string. It is part of the line.
func (s *scanner) quoted() []byte {
	s.expect('"')
	plain := true
	for i := 0; !s.bad && i < len(s.rest); i++ {
		switch c := s.rest[i]; {
		case c == '"':
			text := s.rest[:i]
			s.rest = s.rest[i+1:]
			s.bad = !plain && !utf8.Valid(text)
			return text
		case c < ' ' || c == '\\':
			s.bad = true
		case c >= utf8.RuneSelf:
			plain = false
		}
	}
	s.bad = true
	return nil
}

// name reads a string that other lines have as well.
func (s *scanner) name() string {
	b := s.quoted()
	if known, ok := s.names[string(b)]; ok {
		return known
	}
	text := string(b)
	s.names[text] = text
	return text
}

func (s *scanner) list() []string {
	s.expect('[')
	if len(s.rest) > 0 && s.rest[0] == ']' {
		s.rest = s.rest[1:]
		return []string{}
	}
	s.words, s.ends = s.words[:0], s.ends[:0]
	for !s.bad {
		s.words = append(s.words, s.quoted()...)
		s.ends = append(s.ends, len(s.words))
		if !s.more() {
			s.expect(']')
			break
		}
	}
	// The words of a list share their bytes: there are many lists.
	text, from := string(s.words), 0
	list := make([]string, len(s.ends))
	for i, to := range s.ends {
		list[i], from = text[from:to], to
	}
	return list
}

// number reads an integer of up to 18 digits, as encoding/json takes it.
func (s *scanner) number() int64 {
	sign, i, n := int64(1), 0, int64(0)
	if len(s.rest) > 0 && s.rest[0] == '-' {
		sign, s.rest = -1, s.rest[1:]
	}
	for i < len(s.rest) && s.rest[i] >= '0' && s.rest[i] <= '9' && i <= 18 {
		n = 10*n + int64(s.rest[i]-'0')
		i++
	}
	if i == 0 || i > 18 || i > 1 && s.rest[0] == '0' {
		s.bad = true
		return 0
	}
	s.rest = s.rest[i:]
	return sign * n
}

// small reads a number that fits in every int.
func (s *scanner) small() int {
	n := s.number()
	if n != int64(int32(n)) {
		s.bad = true
	}
	return int(n)
}

func (s *scanner) truth() bool {
	for _, word := range []string{"true", "false"} {
		if len(s.rest) >= len(word) && string(s.rest[:len(word)]) == word {
			s.rest = s.rest[len(word):]
			return word == "true"
		}
	}
	s.bad = true
	return false
}
