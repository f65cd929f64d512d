package buildlog

import (
	"path"
	"strings"
)

// program finds who died: the message names it, or one near it does, or it is the
// last command that was echoed.
func (c *choice) program() string {
	if c.main.rule.name == "crash/llvm" {
		if p := programOf(c.arguments()); p != "" {
			return p // not the driver, which only tells of it
		}
	}
	// The compiler's driver tells of the program that it could not run.
	if p := named(c.main.found); p != "" && c.main.rule.name != "crash/driver" {
		return p
	}
	for i := c.main.at; i < min(c.main.at+6, c.end); i++ {
		t := c.lines[i].Text
		switch {
		case strings.Contains(t, "linker command failed due to signal"), strings.Contains(t, "linker command failed with exit code 139"):
			return "ld"
		case strings.HasPrefix(t, "# JRE version"), strings.HasPrefix(t, "# Java VM"):
			return "java"
		case strings.HasPrefix(t, "ruby "):
			return "ruby"
		}
		if i == c.main.at || c.main.rule.name == "crash/driver" {
			continue
		}
		if r, found := match(t); r != nil && (r.cause == EmulatorCrash || r.cause == OutOfMemory) {
			if p := named(found); p != "" {
				return p
			}
		}
	}
	if p := named(c.main.found); p != "" {
		return p
	}
	if p := runtimes[c.main.rule.name]; p != "" {
		return p
	}
	return programOf(c.command())
}

// runtimes are the programs of rules that are for one.
var runtimes = map[string]string{"crash/go": "go", "crash/mono": "mono", "crash/conftest": "conftest"}

// arguments is the command line that the report of a crash has.
func (c *choice) arguments() string {
	if c.main == nil {
		return ""
	}
	for i := c.main.at; i < min(c.main.at+4, c.end); i++ {
		if _, args, ok := strings.Cut(c.lines[i].Text, "Program arguments: "); ok {
			return args
		}
	}
	if cmd := c.main.found["prog"]; strings.HasPrefix(cmd, "/") {
		return cmd
	}
	return c.main.found["cmd"]
}

// named is the program that a message names.
func named(found map[string]string) string {
	for _, key := range []string{"prog", "path"} {
		if p := found[key]; p != "" {
			return base(p)
		}
	}
	if cmd := found["cmd"]; cmd != "" {
		return programOf(cmd)
	}
	return ""
}

// base is the name of a program without directory, and without what libtool and
// make put around it.
func base(p string) string {
	return strings.TrimPrefix(path.Base(strings.Trim(p, `"'()`)), "lt-")
}

// command is the last command line that was echoed in front of the chosen
// message, with its continuations.
func (c *choice) command() string {
	for i := c.main.at - 1; i >= max(c.main.at-12, c.begin); i-- {
		t := c.lines[i].Text
		if c.skip[i] || noise.MatchString(t) || t == "" || strings.HasPrefix(t, "checking ") {
			continue
		}
		for i > c.begin && strings.HasSuffix(c.lines[i-1].Text, `\`) {
			i--
			t = strings.TrimSuffix(c.lines[i].Text, `\`) + " " + t
		}
		if programOf(t) != "" {
			return t
		}
	}
	return ""
}

var (
	assignment = newForm(`^[A-Za-z_]\w*=(?:"[^"]*"|'[^']*'|\S*)`)
	wrapper    = newForm(`^(?:\+|env|/usr/bin/env|time|nice|exec|sudo|nohup|if|then|&&|;|\(|\||"\$@"|-[a-zA-Z]\w*)$`)
	programRE  = newForm(`^(?:\.{0,2}/|\$\{?\w+\}?/)?[\w.+-]+(?:/[\w.+-]+)*$`)
)

// shortcuts are what quiet makes print instead of a command.
var shortcuts = newForm(`^\s*(?:\[[\s\d%/]+\] )?(?:Building (?:C|CXX|Fortran|ASM) object|Compiling C(?:\+\+)? object|CC |CXX |Linking|LINK |CCLD |CXXLD |LD |AR )`)

// programOf is the program of a command line, "" when it is none.
func programOf(line string) string {
	if m := shortcuts.FindString(line); m != "" {
		if strings.Contains(strings.ToUpper(m), "LD") || strings.Contains(m, "ink") {
			return "ld"
		}
		return "cc"
	}
	line = strings.TrimSpace(line)
	if _, cmd, ok := strings.Cut(line, "Running `"); ok {
		line = strings.TrimSuffix(cmd, "`")
	}
	// The last command of several is the one that ran last.
	for _, and := range []string{"&& ", " ; ", "; "} {
		if i := strings.LastIndex(line, and); i >= 0 {
			line = line[i+len(and):]
		}
	}
	for line != "" {
		if m := assignment.FindString(line); m != "" {
			line = strings.TrimSpace(line[len(m):])
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		if base(word) == "chroot" || base(word) == "jexec" {
			_, line, _ = strings.Cut(strings.TrimSpace(rest), " ")
			continue
		}
		if strings.HasPrefix(base(word), "qemu-") {
			line = emulated(rest)
			continue
		}
		if !wrapper.MatchString(word) {
			return script(plausible(word, rest), rest)
		}
		line = strings.TrimSpace(rest)
	}
	return ""
}

// emulated is the command that an emulator's arguments name.
func emulated(args string) string {
	words := strings.Fields(args)
	for i := 0; i < len(words); i++ {
		switch words[i] {
		case "-L", "-cpu", "-E", "-0", "-s", "-B", "-R":
			i++
		default:
			return strings.Join(words[i:], " ")
		}
	}
	return ""
}

// script is the script that a shell runs, else the program itself.
func script(program, rest string) string {
	if program != "sh" && program != "bash" {
		return program
	}
	for _, word := range strings.Fields(rest) {
		if !strings.HasPrefix(word, "-") {
			if programRE.MatchString(word) {
				return base(word)
			}
			break
		}
	}
	return program
}

// plausible tells a program from the first word of a sentence.
func plausible(word, rest string) string {
	word = strings.Trim(word, `"'`)
	options := strings.HasPrefix(strings.TrimSpace(rest), "-") || strings.Contains(rest, " -") || strings.ContainsAny(rest, "/.")
	if !programRE.MatchString(word) || strings.HasSuffix(word, ":") || len(word) > 200 {
		return ""
	}
	if strings.Contains(word, "/") && !strings.HasSuffix(word, ".o") && !strings.HasSuffix(word, ".c") || known[word] || options && word == strings.ToLower(word) && rest != "" {
		return base(word)
	}
	return ""
}

// known are programs that need no further sign to be one.
var known = map[string]bool{
	"cc": true, "c++": true, "gcc": true, "g++": true, "clang": true, "ld": true, "ar": true, "cargo": true, "rustc": true, "go": true, "node": true, "npm": true, "python3": true, "perl": true,
	"ruby": true, "java": true, "javac": true, "cmake": true, "ninja": true, "meson": true, "ghc": true, "ocamlopt": true, "sh": true, "make": true, "gmake": true, "tclsh": true, "bash": true, "apt-get": true, "dpkg": true,
}
