package shell

import (
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// truth is the status of an arithmetic command.
func truth(n int64, known bool) Status {
	if !known {
		return Unknown
	}
	return statusOf(n != 0)
}

func (s *Shell) arithText(x *syntax.ArithmExp) string {
	n, known := s.arith(x.X)
	if !known {
		return unknownValue("$((...))")
	}
	return strconv.FormatInt(n, 10)
}

// arith is the value of an expression; known is false where it depends on what
// is not, or makes no sense.
func (s *Shell) arith(x syntax.ArithmExpr) (n int64, known bool) {
	s.enter()
	defer s.leave()
	switch x := x.(type) {
	case *syntax.Word:
		return s.number(s.one(x))
	case *syntax.ParenArithm:
		return s.arith(x.X)
	case *syntax.UnaryArithm:
		return s.unary(x)
	case *syntax.BinaryArithm:
		return s.binaryArith(x)
	}
	return 0, false
}

// number reads a number, or a variable that holds one.
func (s *Shell) number(text string) (int64, bool) {
	text = strings.TrimSpace(text)
	if text == "" {
		return 0, true
	}
	if IsUnknown(text) {
		return 0, false
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err == nil {
		return n, true
	}
	v, ok := s.state.vars[text]
	if !ok {
		return 0, syntax.ValidName(text)
	}
	n, err = strconv.ParseInt(strings.TrimSpace(v.String()), 0, 64)
	return n, err == nil || v.String() == ""
}

// nameOf is the variable that an assignment is to.
func nameOf(x syntax.ArithmExpr) string {
	if w, ok := x.(*syntax.Word); ok {
		return w.Lit()
	}
	return ""
}

func (s *Shell) unary(x *syntax.UnaryArithm) (int64, bool) {
	n, known := s.arith(x.X)
	switch x.Op {
	case syntax.Inc, syntax.Dec:
		next := n + 1
		if x.Op == syntax.Dec {
			next = n - 1
		}
		if name := nameOf(x.X); name != "" && known {
			s.assign(name, strconv.FormatInt(next, 10))
		}
		if x.Post {
			return n, known
		}
		return next, known
	case syntax.Minus:
		return -n, known
	case syntax.Not:
		return boolean(n == 0), known
	case syntax.BitNegation:
		return ^n, known
	}
	return n, known
}

func boolean(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (s *Shell) binaryArith(x *syntax.BinaryArithm) (int64, bool) {
	if x.Op == syntax.TernQuest {
		return s.ternary(x)
	}
	a, known := int64(0), true
	if x.Op != syntax.Assgn {
		a, known = s.arith(x.X)
	}
	if known && (x.Op == syntax.AndArit && a == 0 || x.Op == syntax.OrArit && a != 0) {
		return boolean(a != 0), true
	}
	b, also := s.arith(x.Y)
	known = known && also
	if op, assigns := assigning[x.Op]; assigns {
		n, sense := calculate(op, a, b)
		if name := nameOf(x.X); name != "" {
			value := strconv.FormatInt(n, 10)
			if !known || !sense {
				value = unknownValue("$((...))")
			}
			s.assign(name, value)
		}
		return n, known && sense
	}
	n, sense := calculate(x.Op, a, b)
	return n, known && sense
}

func (s *Shell) ternary(x *syntax.BinaryArithm) (int64, bool) {
	cond, known := s.arith(x.X)
	y, ok := x.Y.(*syntax.BinaryArithm)
	if !ok || !known {
		return 0, false
	}
	if cond != 0 {
		return s.arith(y.X)
	}
	return s.arith(y.Y)
}

// assigning are the operators of assignments, and what they do first.
var assigning = map[syntax.BinAritOperator]syntax.BinAritOperator{
	syntax.Assgn: syntax.Comma, syntax.AddAssgn: syntax.Add, syntax.SubAssgn: syntax.Sub, syntax.MulAssgn: syntax.Mul,
	syntax.QuoAssgn: syntax.Quo, syntax.RemAssgn: syntax.Rem, syntax.AndAssgn: syntax.And, syntax.OrAssgn: syntax.Or,
	syntax.XorAssgn: syntax.Xor, syntax.ShlAssgn: syntax.Shl, syntax.ShrAssgn: syntax.Shr,
}

// calculate is one operation; sense is false for a division by 0 and for what
// there is not.
func calculate(op syntax.BinAritOperator, a, b int64) (n int64, sense bool) {
	switch op {
	case syntax.Add:
		return a + b, true
	case syntax.Sub:
		return a - b, true
	case syntax.Mul:
		return a * b, true
	case syntax.Quo, syntax.Rem:
		if b == 0 || b == -1 {
			return -a * boolean(op == syntax.Quo), b != 0
		}
		if op == syntax.Quo {
			return a / b, true
		}
		return a % b, true
	case syntax.Shl:
		return a << (uint64(b) & 63), true
	case syntax.Shr:
		return a >> (uint64(b) & 63), true
	case syntax.And:
		return a & b, true
	case syntax.Or:
		return a | b, true
	case syntax.Xor:
		return a ^ b, true
	case syntax.AndArit:
		return boolean(a != 0 && b != 0), true
	case syntax.OrArit:
		return boolean(a != 0 || b != 0), true
	case syntax.Comma:
		return b, true
	}
	return compare(op, a, b)
}

func compare(op syntax.BinAritOperator, a, b int64) (n int64, sense bool) {
	switch op {
	case syntax.Eql:
		return boolean(a == b), true
	case syntax.Neq:
		return boolean(a != b), true
	case syntax.Lss:
		return boolean(a < b), true
	case syntax.Leq:
		return boolean(a <= b), true
	case syntax.Gtr:
		return boolean(a > b), true
	case syntax.Geq:
		return boolean(a >= b), true
	}
	return 0, false
}
