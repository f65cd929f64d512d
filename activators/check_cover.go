package activators

// A pattern fixes some bits of a file and leaves the others free: it is a cube.
// Whether several patterns together take all files of another one is whether
// the union of their cubes holds that cube: the complement of the tautology of a
// DNF. That is decided exactly, by search; see covering.

// literal is a bit of a file, by its place, and the value that a pattern wants.
type literal struct {
	bit  int
	want bool
}

// answer is what a search with a budget says.
type answer int

const (
	no answer = iota
	yes
	undecided // the budget was used up
)

// coverBudget is how many literals all searches of a Check look at together,
// which takes some tenths of a second. Tables that people make need a few
// hundred.
const coverBudget = 2_000_000

// covering tells whether every file that e matches is matched by one of others,
// all of which overlap with e.
func (s *search) covering(e Entry, others []Entry) answer {
	var clauses [][]literal
	share := 0.0 // of the files of e: at most so much is taken
	for _, o := range others {
		clause := beyond(o, e)
		if len(clause) == 0 {
			return yes
		}
		clauses = append(clauses, clause)
		share += part(len(clause))
	}
	if share < 1 {
		return no // there are files enough
	}
	switch s.escape(clauses) {
	case yes:
		return no
	case no:
		return yes
	}
	return undecided
}

// part is 2 to the -n, and never 0, so that a sum of parts is not too small.
func part(n int) float64 {
	return 1 / float64(uint64(1)<<min(n, 60))
}

// beyond are the bits that o fixes and e does not: of the files of e, o matches
// those that have them.
func beyond(o, e Entry) []literal {
	var list []literal
	o.pins(func(at int, p pinned) bool {
		free := p.mask &^ e.pinAt(at).mask
		for bit := range 8 {
			if free>>bit&1 == 1 {
				list = append(list, literal{at*8 + bit, p.value>>bit&1 == 1})
			}
		}
		return true
	})
	return list
}

// search looks for a file that no pattern matches. Each clause is what one
// pattern wants, and a file escapes it when one of its literals does not hold.
type search struct{ budget int }

func (s *search) escape(clauses [][]literal) answer {
	for {
		if len(clauses) == 0 {
			return yes
		}
		for _, c := range clauses {
			if len(c) == 0 {
				return no
			}
			s.budget -= len(c)
		}
		if s.budget < 0 {
			return undecided
		}
		forced, ok := s.forced(clauses)
		if !ok {
			break
		}
		clauses = assign(clauses, forced)
	}
	choice := branch(clauses)
	first := s.escape(assign(clauses, choice))
	if first == yes {
		return yes
	}
	second := s.escape(assign(clauses, literal{choice.bit, !choice.want}))
	if second == no {
		return first
	}
	return second
}

// forced is a bit whose value costs nothing: the only one with which a file can
// still escape a clause, or one that is wanted in one way only.
func (s *search) forced(clauses [][]literal) (literal, bool) {
	wanted := map[int][2]bool{}
	for _, c := range clauses {
		if len(c) == 1 {
			return literal{c[0].bit, !c[0].want}, true
		}
		for _, l := range c {
			w := wanted[l.bit]
			w[index(l.want)] = true
			wanted[l.bit] = w
		}
	}
	for _, c := range clauses {
		for _, l := range c {
			if w := wanted[l.bit]; !w[index(!l.want)] {
				return literal{l.bit, !l.want}, true
			}
		}
	}
	return literal{}, false
}

func index(b bool) int {
	if b {
		return 1
	}
	return 0
}

// branch chooses a bit of a shortest clause, the one that is in most clauses,
// with the value that lets a file escape that clause.
func branch(clauses [][]literal) literal {
	shortest := clauses[0]
	count := map[int]int{}
	for _, c := range clauses {
		if len(c) < len(shortest) {
			shortest = c
		}
		for _, l := range c {
			count[l.bit]++
		}
	}
	best := shortest[0]
	for _, l := range shortest {
		if count[l.bit] > count[best.bit] {
			best = l
		}
	}
	return literal{best.bit, !best.want}
}

// assign gives a bit a value: clauses that wanted the other one are escaped, the
// rest want one thing less.
func assign(clauses [][]literal, set literal) [][]literal {
	left := make([][]literal, 0, len(clauses))
	for _, c := range clauses {
		escaped, has := false, false
		for _, l := range c {
			if l.bit == set.bit {
				has, escaped = true, l.want != set.want
			}
		}
		switch {
		case escaped:
		case !has:
			left = append(left, c)
		default:
			shorter := make([]literal, 0, len(c)-1)
			for _, l := range c {
				if l.bit != set.bit {
					shorter = append(shorter, l)
				}
			}
			left = append(left, shorter)
		}
	}
	return left
}
