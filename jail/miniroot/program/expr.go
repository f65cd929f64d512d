package main

import (
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// condition evaluates the arguments of test. The number of arguments decides
// first, as POSIX says: test ! -n is "-n is empty", not an error.
type condition struct {
	p    *proc
	args []string
}

func runTest(p *proc) int {
	args := p.args
	if p.self.name == "[" {
		if len(args) == 0 || args[len(args)-1] != "]" {
			p.badUsage("missing ]")
		}
		args = args[:len(args)-1]
	}
	c := condition{p, args}
	if c.evaluate() {
		return 0
	}
	return 1
}

func (c *condition) evaluate() bool {
	a := c.args
	switch len(a) {
	case 0:
		return false
	case 1:
		return a[0] != ""
	case 2:
		if a[0] == "!" {
			return a[1] == ""
		}
	case 3:
		if isBinary(a[1]) {
			return c.binary(a[0], a[1], a[2])
		}
		if a[0] == "!" {
			return !(&condition{c.p, a[1:]}).evaluate()
		}
		if a[0] == "(" && a[2] == ")" {
			return a[1] != ""
		}
	case 4:
		if a[0] == "!" {
			return !(&condition{c.p, a[1:]}).evaluate()
		}
		if a[0] == "(" && a[3] == ")" {
			return (&condition{c.p, a[1:3]}).evaluate()
		}
	}
	v := c.or()
	if len(c.args) > 0 {
		c.p.fatal(2, "unexpected operand '%s'", c.args[0])
	}
	return v
}

func (c *condition) peek() string {
	if len(c.args) == 0 {
		return ""
	}
	return c.args[0]
}

func (c *condition) take() string {
	if len(c.args) == 0 {
		c.p.fatal(2, "argument expected")
	}
	arg := c.args[0]
	c.args = c.args[1:]
	return arg
}

func (c *condition) or() bool {
	v := c.and()
	for c.peek() == "-o" {
		c.take()
		w := c.and()
		v = v || w
	}
	return v
}

func (c *condition) and() bool {
	v := c.primary()
	for c.peek() == "-a" {
		c.take()
		w := c.primary()
		v = v && w
	}
	return v
}

func (c *condition) primary() bool {
	arg := c.take()
	switch {
	case len(c.args) >= 2 && isBinary(c.args[0]):
		op, right := c.take(), c.take()
		return c.binary(arg, op, right)
	case arg == "!":
		return !c.primary()
	case arg == "(":
		v := c.or()
		if c.take() != ")" {
			c.p.fatal(2, "')' expected")
		}
		return v
	case len(arg) == 2 && arg[0] == '-' && strings.IndexByte("bcdefgGhkLnNOprsStuwxz", arg[1]) >= 0 && len(c.args) > 0:
		return c.unary(arg[1], c.take())
	case len(arg) == 2 && arg[0] == '-' && len(c.args) > 0:
		c.p.fatal(2, "'%s': unary operator expected", arg)
	}
	return arg != ""
}

func isBinary(op string) bool {
	switch op {
	case "=", "==", "!=", "<", ">", "-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef":
		return true
	}
	return false
}

func (c *condition) binary(a, op, b string) bool {
	switch op {
	case "=", "==":
		return a == b
	case "!=":
		return a != b
	case "<":
		return a < b
	case ">":
		return a > b
	case "-nt", "-ot", "-ef":
		return c.compareFiles(a, op, b)
	}
	x, y := c.number(a), c.number(b)
	switch op {
	case "-eq":
		return x == y
	case "-ne":
		return x != y
	case "-lt":
		return x < y
	case "-le":
		return x <= y
	case "-gt":
		return x > y
	}
	return x >= y
}

func (c *condition) number(s string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		c.p.fatal(2, "integer expression expected: '%s'", s)
	}
	return n
}

func (c *condition) compareFiles(a, op, b string) bool {
	sa, errA := os.Stat(c.p.path(a))
	sb, errB := os.Stat(c.p.path(b))
	switch op {
	case "-ef":
		return errA == nil && errB == nil && os.SameFile(sa, sb)
	case "-nt":
		return errA == nil && (errB != nil || sa.ModTime().After(sb.ModTime()))
	}
	return errB == nil && (errA != nil || sa.ModTime().Before(sb.ModTime()))
}

func (c *condition) unary(op byte, arg string) bool {
	switch op {
	case 'n':
		return arg != ""
	case 'z':
		return arg == ""
	case 't':
		fd, err := strconv.Atoi(arg)
		return err == nil && c.terminal(fd)
	case 'r':
		return unix.Access(c.p.path(arg), unix.R_OK) == nil
	case 'w':
		return unix.Access(c.p.path(arg), unix.W_OK) == nil
	case 'x':
		return unix.Access(c.p.path(arg), unix.X_OK) == nil
	}
	st, err := os.Stat(c.p.path(arg))
	if op == 'h' || op == 'L' {
		st, err = os.Lstat(c.p.path(arg))
	}
	return err == nil && fileIs(op, st)
}

func fileIs(op byte, st fs.FileInfo) bool {
	mode := st.Mode()
	switch op {
	case 'b':
		return mode.Type() == fs.ModeDevice
	case 'c':
		return mode&fs.ModeCharDevice != 0
	case 'd':
		return mode.IsDir()
	case 'f':
		return mode.IsRegular()
	case 'g':
		return mode&fs.ModeSetgid != 0
	case 'G':
		return int(statOf(st).gid) == os.Getegid()
	case 'h', 'L':
		return mode&fs.ModeSymlink != 0
	case 'k':
		return mode&fs.ModeSticky != 0
	case 'N':
		return st.ModTime().After(statOf(st).atime)
	case 'O':
		return int(statOf(st).uid) == os.Geteuid()
	case 'p':
		return mode&fs.ModeNamedPipe != 0
	case 's':
		return st.Size() > 0
	case 'S':
		return mode&fs.ModeSocket != 0
	case 'u':
		return mode&fs.ModeSetuid != 0
	}
	return true // -e
}

func (c *condition) terminal(fd int) bool {
	switch fd {
	case 0:
		return isTerminal(c.p.stdin)
	case 1:
		return isTerminal(c.p.stdout)
	case 2:
		return isTerminal(c.p.stderr)
	}
	return false
}

// expression evaluates the arguments of expr.
type expression struct {
	p    *proc
	args []string
}

func runExpr(p *proc) int {
	args := p.args
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		p.badUsage("missing operand")
	}
	e := expression{p, args}
	v := e.or()
	if len(e.args) > 0 {
		p.fatal(2, "syntax error: unexpected argument '%s'", e.args[0])
	}
	p.printf("%s\n", v)
	if falsy(v) {
		return 1
	}
	return 0
}

// falsy is what expr takes for false: nothing, and zero.
func falsy(v string) bool {
	n, err := strconv.ParseInt(v, 10, 64)
	return v == "" || err == nil && n == 0
}

func (e *expression) op(names ...string) string {
	if len(e.args) == 0 {
		return ""
	}
	for _, name := range names {
		if e.args[0] == name {
			e.args = e.args[1:]
			return name
		}
	}
	return ""
}

func (e *expression) or() string {
	v := e.and()
	for e.op("|") != "" {
		w := e.and()
		if falsy(v) {
			v = w
			if falsy(w) {
				v = "0"
			}
		}
	}
	return v
}

func (e *expression) and() string {
	v := e.compare()
	for e.op("&") != "" {
		if w := e.compare(); falsy(v) || falsy(w) {
			v = "0"
		}
	}
	return v
}

func (e *expression) compare() string {
	v := e.sum()
	for {
		op := e.op("=", "==", "!=", "<", "<=", ">", ">=")
		if op == "" {
			return v
		}
		w := e.sum()
		c := strings.Compare(v, w)
		x, errX := strconv.ParseInt(v, 10, 64)
		y, errY := strconv.ParseInt(w, 10, 64)
		if errX == nil && errY == nil {
			c = 0
			if x < y {
				c = -1
			} else if x > y {
				c = 1
			}
		}
		v = "0"
		equal := op == "=" || op == "==" || op == "<=" || op == ">="
		if c == 0 && equal || c != 0 && op == "!=" || c < 0 && op[0] == '<' || c > 0 && op[0] == '>' {
			v = "1"
		}
	}
}

func (e *expression) sum() string {
	v := e.product()
	for {
		op := e.op("+", "-")
		if op == "" {
			return v
		}
		x, y := e.integer(v), e.integer(e.product())
		if op == "-" {
			y = -y
		}
		v = strconv.FormatInt(x+y, 10)
	}
}

func (e *expression) product() string {
	v := e.matching()
	for {
		op := e.op("*", "/", "%")
		if op == "" {
			return v
		}
		x, y := e.integer(v), e.integer(e.matching())
		if op != "*" && y == 0 {
			e.p.fatal(2, "division by zero")
		}
		switch op {
		case "*":
			x *= y
		case "/":
			x /= y
		default:
			x %= y
		}
		v = strconv.FormatInt(x, 10)
	}
}

func (e *expression) integer(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		e.p.fatal(2, "non-integer argument '%s'", s)
	}
	return n
}

func (e *expression) matching() string {
	v := e.atom()
	for e.op(":") != "" {
		v = e.match(v, e.atom())
	}
	return v
}

// match is the operator ":": a BRE, anchored at the start.
func (e *expression) match(s, pattern string) string {
	re, err := compile("^"+strings.TrimPrefix(pattern, "^"), basic, false)
	if err != nil {
		e.p.fatal(2, "%s: %v", pattern, err)
	}
	m := re.FindStringSubmatchIndex(s)
	switch {
	case re.NumSubexp() > 0 && (m == nil || m[2] < 0):
		return ""
	case re.NumSubexp() > 0:
		return s[m[2]:m[3]]
	case m == nil:
		return "0"
	}
	return strconv.Itoa(len([]rune(s[:m[1]])))
}

func (e *expression) atom() string {
	if len(e.args) == 0 {
		e.p.fatal(2, "syntax error: missing argument")
	}
	arg := e.args[0]
	e.args = e.args[1:]
	switch {
	case arg == "(":
		v := e.or()
		if e.op(")") == "" {
			e.p.fatal(2, "syntax error: expecting ')'")
		}
		return v
	case len(e.args) == 0: // no operator without operands
	case arg == "+":
		v := e.args[0]
		e.args = e.args[1:]
		return v
	case arg == "length" && !isExprOperator(e.args[0]):
		return strconv.Itoa(len([]rune(e.atom())))
	case arg == "match" && len(e.args) > 1 && !isExprOperator(e.args[0]):
		s := e.atom()
		return e.match(s, e.atom())
	case arg == "index" && len(e.args) > 1 && !isExprOperator(e.args[0]):
		s := e.atom()
		return strconv.Itoa(strings.IndexAny(s, e.atom()) + 1)
	case arg == "substr" && len(e.args) > 2 && !isExprOperator(e.args[0]):
		s := []rune(e.atom())
		from, n := e.integer(e.atom()), e.integer(e.atom())
		if from < 1 || n < 1 || from > int64(len(s)) {
			return ""
		}
		return string(s[from-1 : min(from-1+n, int64(len(s)))])
	}
	return arg
}

func isExprOperator(s string) bool {
	return slices.Contains(strings.Fields("= == != < <= > >= + - * / % : | & )"), s)
}
