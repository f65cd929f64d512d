package shell

import (
	"fmt"
	"path"
	"strconv"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// builtins are what the shell itself knows.
var builtins, programs map[string]func(*Shell, []string) Status

func init() { // they refer to each other
	builtins = map[string]func(*Shell, []string) Status{
		":": succeed, "true": succeed, "false": func(*Shell, []string) Status { return Failure },
		"echo": echo, "printf": printf, "test": testCommand, "[": testCommand, "read": read,
		"eval": func(s *Shell, args []string) Status { return s.Eval(strings.Join(args[1:], " ")) },
		"set":  set, "shift": shift, "unset": unset,
		"return": leaveWith(returning), "exit": leaveWith(exiting), "break": leaveLoop(breaking), "continue": leaveLoop(continuing),
		"exec": execute, "command": command, "builtin": wrapper, "type": command, "which": command, "hash": succeed,
		"cd": succeed, "pwd": unknownOutput, "umask": succeed, "trap": succeed, "wait": succeed, "alias": succeed, "unalias": succeed,
		"getopts": func(*Shell, []string) Status { return Failure },
		"local":   declareWords, "export": declareWords, "readonly": declareWords, "declare": declareWords, "typeset": declareWords,
		"shopt": succeed, "times": succeed, "ulimit": succeed,
	}
	programs = map[string]func(*Shell, []string) Status{
		"cat": cat, "tee": tee, "dd": dd, "su": su, "sudo": wrapper, "doas": wrapper, "env": wrapper, "nice": wrapper, "nohup": wrapper, "time": wrapper,
		"sh": script, "bash": script, "dash": script, "ash": script, "ksh": script, "busybox": wrapper,
		"basename": baseName, "dirname": dirName, "getopt": getopt, "seq": seq,
		"echo": echo, "printf": printf, "test": testCommand, "true": succeed, "false": builtins["false"],
		"sleep": succeed, "kldload": succeed, "modprobe": succeed, "mkdir": succeed, "chmod": succeed, "chown": succeed, "logger": succeed, "sync": succeed,
	}
}

func succeed(*Shell, []string) Status { return Success }

func unknownOutput(s *Shell, args []string) Status {
	s.print(unknownValue("$(" + strings.Join(args, " ") + ")"))
	return Success
}

// echo writes its arguments. sh's leaves \x alone, and so does bash's without
// -e.
func echo(s *Shell, args []string) Status {
	words, newline, escapes := args[1:], "\n", false
	for len(words) > 0 && len(words[0]) > 1 && strings.Trim(words[0][1:], "neE") == "" && words[0][0] == '-' {
		if strings.Contains(words[0], "n") {
			newline = ""
		}
		escapes = escapes || strings.Contains(words[0], "e")
		words = words[1:]
	}
	text := s.made(strings.Join(words, " "))
	if escapes {
		text = unescape(text, true)
	}
	s.print(text + newline)
	return Success
}

// printf writes with a format, which is used again while there are arguments.
func printf(s *Shell, args []string) Status {
	args = args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		return 2
	}
	format, args := args[0], args[1:]
	var b strings.Builder
	for {
		used := s.format(&b, format, args)
		args = args[min(used, len(args)):]
		if used == 0 || len(args) == 0 {
			break
		}
		s.spend(b.Len())
	}
	s.print(b.String())
	return Success
}

// format writes a format once and returns how many arguments it took.
func (s *Shell) format(b *strings.Builder, format string, args []string) (used int) {
	next := func() string {
		used++
		if used <= len(args) {
			return args[used-1]
		}
		return ""
	}
	for format != "" {
		i := strings.IndexByte(format, '%')
		if i < 0 || i+1 == len(format) {
			b.WriteString(unescape(format, s.bash))
			return used
		}
		b.WriteString(unescape(format[:i], s.bash))
		end := i + 1
		for end < len(format)-1 && strings.IndexByte("-+ #0123456789.*", format[end]) >= 0 {
			end++
		}
		spec, verb := format[i:end], format[end]
		format = format[end+1:]
		if verb != '%' {
			b.WriteString(s.made(s.conversion(spec, verb, next())))
		} else {
			b.WriteByte('%')
		}
	}
	return used
}

// conversion is one argument as a format wants it; widths are small ones.
func (s *Shell) conversion(spec string, verb byte, arg string) string {
	if len(spec) > 4 || strings.Contains(spec, "*") {
		spec = "%"
	}
	switch verb {
	case 's', 'q':
		return fmt.Sprintf(spec+"s", arg)
	case 'b':
		return unescape(arg, s.bash)
	case 'c':
		return arg[:min(1, len(arg))]
	case 'd', 'i', 'u', 'x', 'X', 'o':
		n, known := s.number(arg)
		if !known {
			return unknownValue(Plain(arg))
		}
		if verb == 'i' || verb == 'u' {
			verb = 'd'
		}
		return fmt.Sprintf(spec+string(verb), n)
	}
	return unknownValue("%" + string(verb))
}

// read takes a line of the standard input into variables.
func read(s *Shell, args []string) Status {
	raw, names := false, []string{}
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case strings.HasPrefix(a, "-") && strings.HasSuffix(a, "r"):
			raw = true
		case a == "-p" || a == "-t" || a == "-n" || a == "-u" || a == "-d":
			i++
		case !strings.HasPrefix(a, "-"):
			names = append(names, a)
		}
	}
	if s.in.unknown {
		s.note("what is read here is not known")
		return Failure
	}
	line, _, whole := strings.Cut(s.in.text[s.in.pos:], "\n")
	s.in.pos += len(line) + 1
	if !whole {
		s.in.pos = len(s.in.text)
	}
	if !raw {
		line = s.join(literal(line, false))
	}
	s.assignFields(names, line)
	return statusOf(whole)
}

// assignFields gives each name a field of a line, the last one the rest.
func (s *Shell) assignFields(names []string, line string) {
	ifs := s.ifs()
	blanks := strings.Map(func(r rune) rune {
		if strings.ContainsRune(" \t\n", r) {
			return r
		}
		return -1
	}, ifs)
	line = strings.Trim(line, blanks)
	if len(names) == 0 {
		names = []string{"REPLY"}
	}
	for i, name := range names {
		field, rest := line, ""
		if at := strings.IndexAny(line, ifs); at >= 0 && ifs != "" && i < len(names)-1 {
			field, rest = line[:at], strings.TrimLeft(line[at+1:], blanks)
		}
		s.assign(name, field)
		line = rest
	}
}

// set changes options and the parameters.
func set(s *Shell, args []string) Status {
	for i, a := range args[1:] {
		switch {
		case a == "--":
			s.state.params = args[i+2:]
			return Success
		case strings.HasPrefix(a, "-") && strings.Contains(a, "e"), strings.HasPrefix(a, "+") && strings.Contains(a, "e"):
			s.state.errexit = a[0] == '-'
		case a == "errexit" && i > 0:
			s.state.errexit = args[i] == "-o"
		case strings.HasPrefix(a, "-"), strings.HasPrefix(a, "+"), i > 0 && strings.HasSuffix(args[i], "o"):
		default:
			s.state.params = args[i+1:]
			return Success
		}
	}
	return Success
}

func shift(s *Shell, args []string) Status {
	n := 1
	if len(args) > 1 {
		n, _ = strconv.Atoi(args[1])
	}
	if n < 0 || n > len(s.state.params) {
		return Failure
	}
	s.state.params = s.state.params[n:]
	return Success
}

func unset(s *Shell, args []string) Status {
	for _, name := range args[1:] {
		delete(s.state.vars, name)
		if len(args) > 1 && args[1] == "-f" {
			delete(s.state.funcs, name)
		}
	}
	return Success
}

// leaveWith is return and exit.
func leaveWith(f flow) func(*Shell, []string) Status {
	return func(s *Shell, args []string) Status {
		s.state.flow = f
		if len(args) < 2 {
			return s.state.status
		}
		n, err := strconv.Atoi(args[1])
		if err != nil {
			return Unknown
		}
		return Status(n & 0xff)
	}
}

// leaveLoop is break and continue.
func leaveLoop(f flow) func(*Shell, []string) Status {
	return func(s *Shell, args []string) Status {
		s.state.flow, s.state.count = f, 1
		if len(args) > 1 {
			if n, err := strconv.Atoi(args[1]); err == nil && n > 0 {
				s.state.count = n
			}
		}
		return Success
	}
}

// execute is exec: a command after which nothing of the script is run.
func execute(s *Shell, args []string) Status {
	if len(args) < 2 {
		return Success
	}
	s.runArgs(args[1:])
	s.state.flow = exiting
	return s.state.status
}

// command is command, which and type: with -v they tell where a program is,
// which is not known.
func command(s *Shell, args []string) Status {
	tells := args[0] != "command"
	words := args[1:]
	for len(words) > 0 && strings.HasPrefix(words[0], "-") {
		tells = tells || strings.ContainsAny(words[0], "vV")
		words = words[1:]
	}
	if len(words) == 0 {
		return Failure
	}
	if !tells {
		s.runArgs(words)
		return s.state.status
	}
	_, isFunc := s.state.funcs[words[0]]
	if _, known := builtins[words[0]]; known || isFunc {
		s.print(words[0] + "\n")
		return Success
	}
	s.print(unknownValue("$(" + strings.Join(args, " ") + ")"))
	return Unknown
}

// wrapper runs the command that is behind its options: sudo, env and their like.
func wrapper(s *Shell, args []string) Status {
	name := path.Base(args[0])
	words := args[1:]
	for len(words) > 0 {
		w := words[0]
		switch {
		case w == "--":
			words = words[1:]
		case name == "sudo" && (w == "-u" || w == "-g" || w == "-p") && len(words) > 1, name == "nice" && w == "-n" && len(words) > 1, name == "doas" && w == "-u" && len(words) > 1:
			words = words[2:]
			continue
		case strings.HasPrefix(w, "-"):
			words = words[1:]
			continue
		case strings.Contains(w, "=") && (name == "env" || name == "sudo"):
			if key, value, _ := strings.Cut(w, "="); syntax.ValidName(key) {
				s.assign(key, value)
			}
			words = words[1:]
			continue
		}
		break
	}
	if len(words) == 0 {
		return Success
	}
	s.runArgs(words)
	return s.state.status
}

// script is sh -c TEXT, and sh that reads its commands.
func script(s *Shell, args []string) Status {
	for i := 1; i < len(args); i++ {
		a := args[i]
		if strings.HasPrefix(a, "-") && strings.HasSuffix(a, "c") && i+1 < len(args) {
			s.apart(func() {
				s.state.params = args[min(i+3, len(args)):]
				s.Eval(args[i+1])
			})
			return s.state.status
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			if a != "-" {
				s.note("the script %s is not followed", Plain(a))
				return Unknown
			}
		}
	}
	text, known := s.in.all()
	if !known {
		return Unknown
	}
	s.apart(func() { s.Eval(text) })
	return s.state.status
}

// declareWords is local, export and their like where they are read as a command.
func declareWords(s *Shell, args []string) Status {
	for _, a := range args[1:] {
		name, value, ok := strings.Cut(a, "=")
		if !syntax.ValidName(name) {
			continue
		}
		if args[0] == "local" {
			s.hide(name)
		}
		if ok {
			s.assign(name, value)
		}
	}
	return Success
}

// hide makes a variable local to the function that runs.
func (s *Shell) hide(name string) {
	if len(s.state.scopes) == 0 {
		return
	}
	scope := s.state.scopes[len(s.state.scopes)-1]
	if _, done := scope[name]; done {
		return
	}
	scope[name] = nil
	if v, ok := s.state.vars[name]; ok {
		scope[name] = &v
	}
	delete(s.state.vars, name)
}

// declare is local, export, declare and readonly.
func (s *Shell) declare(c *syntax.DeclClause) {
	s.state.status = Success
	local := c.Variant.Value == "local" || (c.Variant.Value == "declare" || c.Variant.Value == "typeset") && len(s.state.scopes) > 0
	table := false
	for _, a := range c.Args {
		if a.Name == nil {
			for _, word := range s.fields([]*syntax.Word{a.Value}) {
				if strings.HasPrefix(word, "-") {
					table = table || strings.Contains(word, "A")
					local = local && !strings.Contains(word, "g")
					continue
				}
				declareWords(s, []string{c.Variant.Value, word})
			}
			continue
		}
		if local {
			value := *a
			if a.Value != nil { // local x=$x is the outer one
				text := s.one(a.Value)
				s.hide(a.Name.Value)
				s.assign(a.Name.Value, text)
				continue
			}
			s.hide(a.Name.Value)
			s.assignment(&value, table)
			continue
		}
		s.assignment(a, table)
	}
}

// cat writes the standard input; of files it is not known what they hold.
func cat(s *Shell, args []string) Status {
	var text strings.Builder
	files := 0
	for _, a := range args[1:] {
		if a == "-" || strings.HasPrefix(a, "-") {
			continue
		}
		written, known := s.state.files[a]
		if !known {
			return s.ask(args)
		}
		files++
		text.WriteString(s.made(written))
	}
	if files == 0 {
		all, known := s.in.all()
		if !known {
			all = unknownValue("$(cat)")
		}
		text.WriteString(all)
	}
	s.print(text.String())
	return Success
}

// tee writes the standard input to files as well.
func tee(s *Shell, args []string) Status {
	text, known := s.in.all()
	if !known {
		text = unknownValue("$(tee)")
	}
	for _, a := range args[1:] {
		if !strings.HasPrefix(a, "-") {
			s.write(s.line, a, text)
		}
	}
	s.print(text)
	return Success
}

// dd writes the standard input to a file, in one write: what is registered is
// shorter than a block.
func dd(s *Shell, args []string) Status {
	out := ""
	for _, a := range args[1:] {
		name, value, _ := strings.Cut(a, "=")
		switch name {
		case "of":
			out = value
		case "status":
		default:
			return s.ask(args)
		}
	}
	if out == "" {
		return s.ask(args)
	}
	text, known := s.in.all()
	if !known {
		text = unknownValue("$(dd)")
	}
	s.write(s.line, out, text)
	return Success
}

// su runs the command of -c.
func su(s *Shell, args []string) Status {
	for i, a := range args[1:] {
		if (a == "-c" || a == "--command") && i+2 < len(args) {
			return script(s, []string{"sh", "-c", args[i+2]})
		}
	}
	return s.ask(args)
}

func baseName(s *Shell, args []string) Status {
	if len(args) < 2 || IsUnknown(args[1]) {
		return unknownOutput(s, args)
	}
	base := path.Base(args[1])
	if len(args) > 2 && base != args[2] {
		base = strings.TrimSuffix(base, args[2])
	}
	s.print(base + "\n")
	return Success
}

func dirName(s *Shell, args []string) Status {
	if len(args) < 2 || IsUnknown(args[1]) {
		return unknownOutput(s, args)
	}
	s.print(path.Dir(args[1]) + "\n")
	return Success
}

// getopt is that of util-linux, for arguments that are no options.
func getopt(s *Shell, args []string) Status {
	var rest []string
	for i, a := range args {
		if a == "--" {
			rest = args[i+1:]
			break
		}
	}
	text := " --"
	for _, a := range rest {
		if strings.HasPrefix(a, "-") {
			return unknownOutput(s, args)
		}
		text += " '" + strings.ReplaceAll(a, "'", `'\''`) + "'"
	}
	s.print(text + "\n")
	return Success
}

func seq(s *Shell, args []string) Status {
	from, to := int64(1), int64(0)
	var known bool
	switch len(args) {
	case 2:
		to, known = s.number(args[1])
	case 3:
		from, _ = s.number(args[1])
		to, known = s.number(args[2])
	}
	if !known {
		return unknownOutput(s, args)
	}
	for i := from; i <= to; i++ {
		s.print(strconv.FormatInt(i, 10) + "\n")
	}
	return Success
}
