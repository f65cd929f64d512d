package shell

import (
	"regexp"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// testCommand is test and [.
func testCommand(s *Shell, args []string) Status {
	words := args[1:]
	if args[0] == "[" {
		if len(words) == 0 || words[len(words)-1] != "]" {
			s.note("[ has no ]")
			return 2
		}
		words = words[:len(words)-1]
	}
	return s.test(words)
}

// test is the status of an expression by how many words it has, as POSIX says;
// longer ones are cut at -o and -a.
func (s *Shell) test(w []string) Status {
	s.enter()
	defer s.leave()
	switch {
	case len(w) == 0:
		return Failure
	case len(w) == 1:
		return s.unaryTest("-n", w[0])
	case len(w) == 2 && w[0] != "!":
		return s.unaryTest(w[0], w[1])
	case len(w) == 3 && isBinary(w[1]):
		return s.binaryTest(w[1], w[0], w[2], false)
	}
	for _, op := range []string{"-o", "-a"} {
		for i := 1; i < len(w)-1; i++ {
			if w[i] == op && !strings.HasPrefix(w[i-1], "-") {
				return joined(op == "-o", s.test(w[:i]), s.test(w[i+1:]))
			}
		}
	}
	if w[0] == "!" {
		return s.test(w[1:]).not()
	}
	if w[0] == "(" && w[len(w)-1] == ")" {
		return s.test(w[1 : len(w)-1])
	}
	s.note("test is not understood: %s", Plain(strings.Join(w, " ")))
	return Unknown
}

// joined is a or b, or else a and b.
func joined(or bool, a, b Status) Status {
	decides := Failure
	if or {
		decides = Success
	}
	switch {
	case a == decides || b == decides:
		return decides
	case a == Unknown || b == Unknown:
		return Unknown
	}
	return b
}

func (s *Shell) unaryTest(op, value string) Status {
	switch op {
	case "-n", "-z":
		if IsUnknown(value) {
			return Unknown
		}
		return statusOf((value == "") == (op == "-z"))
	case "-t":
		return Failure
	case "-v":
		_, ok := s.state.vars[value]
		return statusOf(ok)
	case "-o":
		return Failure
	}
	return Unknown // whether a file is there, and what it is
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

// binaryTest compares; pattern says that the right side is one, as in [[.
func (s *Shell) binaryTest(op, x, y string, pattern bool) Status {
	if IsUnknown(x) || IsUnknown(y) {
		return Unknown
	}
	equal := x == y
	if pattern {
		equal = s.match(y, x)
	}
	switch op {
	case "=", "==":
		return statusOf(equal)
	case "!=":
		return statusOf(!equal)
	case "<":
		return statusOf(x < y)
	case ">":
		return statusOf(x > y)
	case "-nt", "-ot", "-ef":
		return Unknown
	}
	a, known := s.number(x)
	b, also := s.number(y)
	if !known || !also {
		return 2
	}
	ops := map[string]syntax.BinAritOperator{"-eq": syntax.Eql, "-ne": syntax.Neq, "-lt": syntax.Lss, "-le": syntax.Leq, "-gt": syntax.Gtr, "-ge": syntax.Geq}
	n, _ := compare(ops[op], a, b)
	return statusOf(n != 0)
}

// testExpr is [[.
func (s *Shell) testExpr(x syntax.TestExpr) Status {
	s.enter()
	defer s.leave()
	switch x := x.(type) {
	case *syntax.Word:
		return s.unaryTest("-n", s.one(x))
	case *syntax.ParenTest:
		return s.testExpr(x.X)
	case *syntax.UnaryTest:
		if x.Op == syntax.TsNot {
			return s.testExpr(x.X).not()
		}
		w, _ := x.X.(*syntax.Word)
		return s.unaryTest(x.Op.String(), s.one(w))
	case *syntax.BinaryTest:
		return s.binaryTestExpr(x)
	}
	return Unknown
}

func (s *Shell) binaryTestExpr(x *syntax.BinaryTest) Status {
	if x.Op == syntax.AndTest || x.Op == syntax.OrTest {
		a := s.testExpr(x.X)
		return joined(x.Op == syntax.OrTest, a, s.testExpr(x.Y))
	}
	left, _ := x.X.(*syntax.Word)
	right, _ := x.Y.(*syntax.Word)
	if x.Op == syntax.TsReMatch {
		return s.regexpTest(s.one(left), s.one(right))
	}
	switch x.Op {
	case syntax.TsMatchShort, syntax.TsMatch, syntax.TsNoMatch:
		return s.binaryTest(x.Op.String(), s.one(left), s.pattern(right), true)
	}
	return s.binaryTest(x.Op.String(), s.one(left), s.one(right), false)
}

// regexpTest is =~, of small expressions.
func (s *Shell) regexpTest(text, expr string) Status {
	if IsUnknown(text) || IsUnknown(expr) || len(expr) > 500 || strings.Contains(expr, "{") {
		return Unknown
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		return 2
	}
	s.spend(len(text) * (1 + len(expr)))
	return statusOf(re.MatchString(text))
}
