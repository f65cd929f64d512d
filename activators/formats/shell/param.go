package shell

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// variable is a value: a text, or an array of bash.
type variable struct {
	text  string
	array *array
}

// array is one of bash's: what is at which key, in the order in which it was
// put there. Keys of arrays that are no tables are numbers.
type array struct {
	keys   []string
	values map[string]string
	table  bool // declare -A
}

func (a *array) clone() *array {
	return &array{slices.Clone(a.keys), maps.Clone(a.values), a.table}
}

func (a *array) put(key, value string) {
	if _, ok := a.values[key]; !ok {
		a.keys = append(a.keys, key)
	}
	a.values[key] = value
}

func (a *array) all() []string {
	var list []string
	for _, k := range a.keys {
		list = append(list, a.values[k])
	}
	return list
}

// String is what $x is of an array: what is at 0.
func (v variable) String() string {
	if v.array != nil {
		return v.array.values["0"]
	}
	return v.text
}

// assign gives a variable a text.
func (s *Shell) assign(name, value string) {
	if v, ok := s.state.vars[name]; ok && v.array != nil {
		s.spend(partWork * len(v.array.keys))
		a := v.array.clone()
		a.put("0", s.made(value))
		s.state.vars[name] = variable{array: a}
		return
	}
	s.state.vars[name] = variable{text: s.made(value)}
}

// assignment does x=y; table is for declare -A.
func (s *Shell) assignment(a *syntax.Assign, table bool) {
	name := a.Name.Value
	old := s.state.vars[name]
	switch {
	case a.Array != nil:
		s.state.vars[name] = variable{array: s.arrayOf(a, old, table)}
	case a.Index != nil:
		arr := &array{values: map[string]string{}, table: table}
		if old.array != nil {
			arr = old.array.clone()
		}
		key := s.key(a.Index, arr.table)
		value := s.one(a.Value)
		if a.Append {
			value = arr.values[key] + value
		}
		arr.put(key, s.made(value))
		s.spend(partWork * len(arr.keys))
		s.state.vars[name] = variable{array: arr}
	case a.Naked:
		if table && old.array == nil {
			s.state.vars[name] = variable{array: &array{values: map[string]string{}, table: true}}
		}
	default:
		value := s.one(a.Value)
		if a.Append {
			value = old.String() + value
		}
		s.assign(name, value)
	}
}

func (s *Shell) arrayOf(a *syntax.Assign, old variable, table bool) *array {
	arr := &array{values: map[string]string{}, table: table}
	if old.array != nil && a.Append {
		s.spend(partWork * len(old.array.keys))
		arr = old.array.clone()
	} else if old.array != nil {
		arr.table = arr.table || old.array.table
	}
	next := len(arr.keys)
	for _, e := range a.Array.Elems {
		if e.Index != nil {
			arr.put(s.key(e.Index, arr.table), s.one(e.Value))
			continue
		}
		for _, value := range s.fields([]*syntax.Word{e.Value}) {
			s.spend(partWork)
			arr.put(strconv.Itoa(next), value)
			next++
		}
	}
	return arr
}

// key is the index of an array.
func (s *Shell) key(x syntax.ArithmExpr, table bool) string {
	if w, ok := x.(*syntax.Word); ok && table {
		return s.one(w)
	}
	n, _ := s.arith(x)
	return strconv.FormatInt(n, 10)
}

// isList tells whether an expansion is "$@" or "${x[@]}".
func isList(p *syntax.ParamExp) bool {
	if p.Param == nil || p.Length {
		return false
	}
	return p.Param.Value == "@" || indexIs(p, "@")
}

func indexIs(p *syntax.ParamExp, what string) bool {
	w, ok := p.Index.(*syntax.Word)
	return ok && w.Lit() == what
}

// param is a parameter expansion.
func (s *Shell) param(p *syntax.ParamExp, inQuotes bool) []piece {
	if p.Param == nil || p.NestedParam != nil || p.Flags != nil {
		s.note("this expansion is not followed")
		return []piece{s.expansion(unknownValue("${...}"), inQuotes)}
	}
	if list, ok := s.list(p); ok {
		return s.listPieces(p, list, inQuotes)
	}
	value, set := s.lookup(p)
	if p.Excl && p.Names == 0 {
		value, set = s.named(value)
	}
	if p.Exp != nil && isDefault(p.Exp.Op) {
		return s.defaulted(p, value, set, inQuotes)
	}
	return []piece{s.expansion(s.changed(p, value), inQuotes)}
}

// list are the values of an expansion of several.
func (s *Shell) list(p *syntax.ParamExp) ([]string, bool) {
	v := s.state.vars[p.Param.Value]
	switch {
	case p.Names != 0:
		s.spend(partWork * len(s.state.vars))
		var names []string
		for _, name := range slices.Sorted(maps.Keys(s.state.vars)) {
			if strings.HasPrefix(name, p.Param.Value) {
				names = append(names, name)
			}
		}
		return names, true
	case p.Param.Value == "@" || p.Param.Value == "*":
		return s.state.params, true
	case !indexIs(p, "@") && !indexIs(p, "*"):
		return nil, false
	case v.array == nil && v.text == "":
		return nil, true
	case v.array == nil:
		return []string{v.text}, true
	case p.Excl:
		return v.array.keys, true
	}
	return v.array.all(), true
}

func (s *Shell) listPieces(p *syntax.ParamExp, list []string, inQuotes bool) []piece {
	if p.Length {
		return []piece{s.expansion(strconv.Itoa(len(list)), inQuotes)}
	}
	if p.Slice != nil {
		list = s.sliceOf(p, list)
	}
	if inQuotes && (p.Param.Value == "*" || indexIs(p, "*")) {
		return []piece{s.expansion(strings.Join(list, " "), true)}
	}
	var out []piece
	for i, value := range list {
		s.spend(partWork)
		e := s.expansion(s.changed(&syntax.ParamExp{Param: p.Param, Repl: p.Repl, Exp: removalOf(p)}, value), inQuotes)
		e.apart = i > 0
		out = append(out, e)
	}
	return out
}

// removalOf is what is taken off each value of a list.
func removalOf(p *syntax.ParamExp) *syntax.Expansion {
	if p.Exp == nil || isDefault(p.Exp.Op) {
		return nil
	}
	return p.Exp
}

func (s *Shell) sliceOf(p *syntax.ParamExp, list []string) []string {
	from, _ := s.arith(p.Slice.Offset)
	if p.Param.Value == "@" || p.Param.Value == "*" {
		from-- // $0 is the first
	}
	from = min(max(from, 0), int64(len(list)))
	list = list[from:]
	if p.Slice.Length != nil {
		n, _ := s.arith(p.Slice.Length)
		list = list[:min(max(n, 0), int64(len(list)))]
	}
	return list
}

// lookup is the value of one parameter, and whether it has one.
func (s *Shell) lookup(p *syntax.ParamExp) (string, bool) {
	name := p.Param.Value
	if v, ok := s.state.vars[name]; ok {
		if p.Index == nil {
			return v.String(), true
		}
		key := s.key(p.Index, v.array != nil && v.array.table)
		if v.array == nil {
			return v.text, key == "0"
		}
		value, ok := v.array.values[key]
		return value, ok
	}
	if n, err := strconv.Atoi(name); err == nil {
		switch {
		case n == 0:
			return "sh", true
		case n <= len(s.state.params):
			return s.state.params[n-1], true
		}
		return "", false
	}
	switch name {
	case "#":
		return strconv.Itoa(len(s.state.params)), true
	case "?":
		if s.state.status == Unknown {
			return unknownValue("$?"), true
		}
		return strconv.Itoa(int(s.state.status)), true
	case "-":
		return "", true
	case "$", "!", "PPID", "RANDOM", "SECONDS", "HOSTNAME", "HOSTTYPE", "MACHTYPE", "UID", "EUID":
		return unknownValue("$" + name), true
	}
	if p.Exp == nil && isEnvironment(name) {
		return unknownValue("$" + name), true
	}
	return "", false
}

// isEnvironment tells whether a variable that has no value may get one from
// whoever runs the script: it is all capitals.
func isEnvironment(name string) bool {
	return name != "IFS" && name[0] >= 'A' && name[0] <= 'Z' && strings.ToUpper(name) == name
}

// named is the value of the variable of that name.
func (s *Shell) named(name string) (string, bool) {
	if IsUnknown(name) {
		return unknownValue("${!" + Plain(name) + "}"), true
	}
	name, index, _ := strings.Cut(name, "[")
	v, ok := s.state.vars[name]
	if index != "" && v.array != nil {
		value, ok := v.array.values[strings.TrimSuffix(index, "]")]
		return value, ok
	}
	return v.String(), ok
}

func isDefault(op syntax.ParExpOperator) bool {
	switch op {
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull, syntax.DefaultUnset, syntax.DefaultUnsetOrNull,
		syntax.ErrorUnset, syntax.ErrorUnsetOrNull, syntax.AssignUnset, syntax.AssignUnsetOrNull:
		return true
	}
	return false
}

// defaulted is ${x:-y} and its like.
func (s *Shell) defaulted(p *syntax.ParamExp, value string, set, inQuotes bool) []piece {
	word := func() []piece {
		if p.Exp.Word == nil {
			return []piece{s.expansion("", inQuotes)}
		}
		out := s.pieces(p.Exp.Word.Parts, inQuotes)
		for i := range out {
			out[i].split = !out[i].quoted && !inQuotes
		}
		return out
	}
	switch p.Exp.Op {
	case syntax.AlternateUnsetOrNull, syntax.DefaultUnsetOrNull, syntax.ErrorUnsetOrNull, syntax.AssignUnsetOrNull:
		set = set && value != ""
	}
	switch p.Exp.Op {
	case syntax.AlternateUnset, syntax.AlternateUnsetOrNull:
		if set {
			return word()
		}
		return []piece{s.expansion("", inQuotes)}
	case syntax.AssignUnset, syntax.AssignUnsetOrNull:
		if !set {
			value = s.join(word())
			s.assign(p.Param.Value, value)
		}
	case syntax.ErrorUnset, syntax.ErrorUnsetOrNull:
		if !set {
			s.note("it ends here: %s has no value", p.Param.Value)
			s.state.flow = exiting
		}
	default:
		if !set {
			return word()
		}
	}
	return []piece{s.expansion(value, inQuotes)}
}

// changed is ${#x}, ${x%y}, ${x/y/z}, ${x:1:2} and their like of a value.
func (s *Shell) changed(p *syntax.ParamExp, value string) string {
	if IsUnknown(value) && (p.Length || p.Slice != nil || p.Repl != nil || p.Exp != nil) {
		return unknownValue(Plain(value))
	}
	switch {
	case p.Length:
		return strconv.Itoa(len(value))
	case p.Slice != nil:
		return s.substring(p.Slice, value)
	case p.Repl != nil:
		return s.replaced(p.Repl, value)
	case p.Exp != nil:
		return s.trimmed(p.Exp, value)
	}
	return value
}

func (s *Shell) substring(p *syntax.Slice, value string) string {
	from, _ := s.arith(p.Offset)
	if from < 0 {
		from += int64(len(value))
	}
	value = value[min(max(from, 0), int64(len(value))):]
	if p.Length == nil {
		return value
	}
	n, _ := s.arith(p.Length)
	if n < 0 {
		n += int64(len(value))
	}
	return value[:min(max(n, 0), int64(len(value)))]
}

// replaced is ${x/y/z} and ${x//y/z}, for what is no pattern: the longest match
// of a pattern is looked for at each place.
func (s *Shell) replaced(p *syntax.Replace, value string) string {
	pattern, with := s.pattern(p.Orig), s.one(p.With)
	anchor := byte(0)
	if !p.All && pattern != "" && (pattern[0] == '#' || pattern[0] == '%') {
		anchor, pattern = pattern[0], pattern[1:]
	}
	var b strings.Builder
	for i := 0; i <= len(value); i++ {
		end := -1
		if (anchor != '#' || i == 0) && pattern != "" {
			end = s.longest(pattern, value, i, anchor == '%')
		}
		if end < 0 || end == i {
			if i < len(value) {
				b.WriteByte(value[i])
			}
			continue
		}
		s.spend(len(with) + 1)
		b.WriteString(with)
		if b.Len() > valueMax {
			panic(stopped{"a value gets too large"})
		}
		if !p.All {
			return b.String() + value[end:]
		}
		i = end - 1
	}
	return b.String()
}

// longest is where the longest match that begins at i ends, or -1.
func (s *Shell) longest(pattern, value string, i int, toEnd bool) int {
	for end := len(value); end >= i; end-- {
		if s.match(pattern, value[i:end]) {
			return end
		}
		if toEnd {
			break
		}
	}
	return -1
}

// trimmed is ${x#y}, ${x##y}, ${x%y}, ${x%%y}, ${x^} and their like.
func (s *Shell) trimmed(p *syntax.Expansion, value string) string {
	switch p.Op {
	case syntax.UpperFirst:
		return strings.ToUpper(value[:min(1, len(value))]) + value[min(1, len(value)):]
	case syntax.UpperAll:
		return strings.ToUpper(value)
	case syntax.LowerFirst:
		return strings.ToLower(value[:min(1, len(value))]) + value[min(1, len(value)):]
	case syntax.LowerAll:
		return strings.ToLower(value)
	case syntax.OtherParamOps:
		return value
	}
	pattern := s.pattern(p.Word)
	n := len(value)
	for k := 0; k <= n; k++ {
		switch p.Op {
		case syntax.RemSmallPrefix:
			if s.match(pattern, value[:k]) {
				return value[k:]
			}
		case syntax.RemLargePrefix:
			if s.match(pattern, value[:n-k]) {
				return value[n-k:]
			}
		case syntax.RemSmallSuffix:
			if s.match(pattern, value[n-k:]) {
				return value[:n-k]
			}
		case syntax.RemLargeSuffix:
			if s.match(pattern, value[k:]) {
				return value[:k]
			}
		}
	}
	return value
}
