package explain

import (
	"fmt"
	"path"
	"strings"
)

// env is what env(1) does when it is the interpreter of the script: it looks for
// its argument in PATH. It is one word unless there is -S.
func (e *explainer) env(v *Verdict) *Verdict {
	if len(e.lines) != 1 || path.Base(e.lines[0].interpreter) != "env" {
		return v
	}
	at, argument := e.scripts[0].shown(), e.lines[0].argument
	if c, why := envTrouble(argument); c != "" {
		bad := Verdict{Stage: AtProgram, Cause: c, Message: at + " gives env " + why, Remedy: "name a program in the first line of " + e.onHost(at)}
		if c == EnvArguments {
			bad.Remedy = e.editFirst(at, "env"+blanks, "env -S ")
		}
		return e.bad(bad, "env reads its arguments", fmt.Sprintf("%q", argument))
	}
	word := envProgram(argument)
	if word == "" {
		return v
	}
	_, found := e.w.searchPath(word)
	switch {
	case strings.HasSuffix(word, "\r") && !found:
		return e.bad(Verdict{Stage: AtProgram, Cause: CarriageReturn, Message: fmt.Sprintf("the first line of %s ends in a carriage return, so env looks for %q", at, word), Remedy: e.dropReturns(at)},
			fmt.Sprintf("env looks for %q in PATH", word))
	case strings.ContainsAny(word, " \t") && !found:
		return e.bad(Verdict{Stage: AtProgram, Cause: EnvArguments, Message: fmt.Sprintf("%s gives env the one word %q: the kernel splits no arguments", at, word), Remedy: e.editFirst(at, "env"+blanks, "env -S ")},
			fmt.Sprintf("env looks for %q in PATH", word))
	case !strings.Contains(word, "/") && !found:
		remedy := e.install(word)
		if remedy == "" {
			remedy = "install " + unquoted(word) + ", or name another program in the first line of " + e.onHost(at)
		}
		return e.bad(Verdict{Stage: AtProgram, Cause: EnvMissing, Message: fmt.Sprintf("%s is a script of %s, which env finds in no directory of PATH", at, unquoted(word)), Remedy: remedy},
			fmt.Sprintf("env looks for %q in PATH", word), e.w.Path)
	}
	next := explain(e.w, word, false)
	if next.Verdict.Runs == Yes {
		e.step(OK, "env starts "+unquoted(word)+", which runs")
		return v
	}
	e.step(Bad, "env starts "+unquoted(word), next.Verdict.Message)
	failed := next.Verdict
	failed.Stage, failed.Errno = AtProgram, ""
	failed.Message = fmt.Sprintf("%s is a script of %s, and env cannot start that: %s", at, unquoted(word), failed.Message)
	return &failed
}

// blanks is a regular expression of POSIX.
const blanks = "[[:blank:]][[:blank:]]*"

// envTrouble is what env(1) cannot do with the one word that the kernel makes of
// a first line, with the cause. Without a program it starts the next argument,
// which is the script.
func envTrouble(argument string) (c Cause, why string) {
	const again = "no program: it starts the script again, and so on for ever"
	const one = "the one word %q%s: the kernel splits no arguments"
	blank := strings.IndexAny(argument, " \t")
	switch options, is := strings.CutPrefix(argument, "-"); {
	case argument == "", is && strings.Trim(options, "iv") == "":
		return EnvMissing, again
	case is && strings.ContainsAny(strings.TrimLeft(options, "iv")[:1], " \t"):
		return EnvArguments, fmt.Sprintf(one, argument, "")
	case !is && strings.Contains(argument, "=") && blank >= 0:
		return EnvArguments, fmt.Sprintf(one, argument, ", which is a variable to it")
	case !is && strings.Contains(argument, "="):
		return EnvMissing, again
	}
	return "", ""
}

// splitting is what env -S splits into words, and whether there is that option:
// the last of a group of short ones, or a long one.
func splitting(argument string) (string, bool) {
	if rest, ok := strings.CutPrefix(argument, "--split-string="); ok {
		return rest, true
	}
	if options, ok := strings.CutPrefix(argument, "-"); ok {
		return strings.CutPrefix(strings.TrimLeft(options, "iv"), "S")
	}
	return argument, false
}

// envProgram is the program in the argument of env(1), behind -S, other options
// and assignments; "" when it is hard to tell.
func envProgram(argument string) string {
	rest, split := splitting(argument)
	if !split {
		if strings.HasPrefix(argument, "-") {
			return ""
		}
		return argument
	}
	words := strings.Fields(rest)
	for i := 0; i < len(words); i++ {
		switch word := words[i]; {
		case strings.ContainsAny(word, "'\"\\$"):
			return ""
		case word == "-u" || word == "-C" || word == "-P":
			i++ // its argument
		case strings.HasPrefix(word, "-") && strings.Trim(word[1:], "iv") != "":
			return ""
		case !strings.HasPrefix(word, "-") && !strings.Contains(word, "="):
			return word
		}
	}
	return ""
}
