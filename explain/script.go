package explain

import (
	"bytes"
	"fmt"
	"path"
	"strings"
)

// script is a #! line as a kernel reads it.
type script struct {
	interpreter string
	argument    string // all that follows, in one piece
	// Of a line that no kernel takes, why.
	cause Cause
	errno Errno
	why   string
}

func isScript(header []byte) bool { return bytes.HasPrefix(header, []byte("#!")) }

func blank(c byte) bool { return c == ' ' || c == '\t' }

// parseScript reads the first line as Linux's load_script does: of 256 bytes,
// of which the last is never part of a line; a line that goes on beyond them is
// cut, unless it is cut in the interpreter's name.
func parseScript(header []byte) script {
	buf := make([]byte, headerSize)
	copy(buf, header)
	end := bytes.IndexByte(buf, '\n')
	if end < 0 {
		end = len(buf) - 1
		name := skipBlanks(buf, 2, end+1)
		switch {
		case name > end:
			return script{cause: NoInterpreter, errno: ENOEXEC, why: "the first 256 bytes have blanks only after #!"}
		case nextTerminator(buf, name, end+1) > end:
			return script{cause: LineTooLong, errno: ENOEXEC, why: fmt.Sprintf("the interpreter's name does not end within the first %d bytes", headerSize)}
		}
	}
	for end > 2 && blank(buf[end-1]) {
		end--
	}
	name := skipBlanks(buf, 2, end)
	if name >= end {
		return script{cause: NoInterpreter, errno: ENOEXEC, why: "its first line names no interpreter"}
	}
	sep := nextTerminator(buf, name, end)
	s := script{interpreter: string(buf[name:sep])}
	if s.interpreter == "" {
		// The name ends at a NUL before it began: open_exec("") is ENOENT.
		s.why = "its first line has a NUL where the interpreter's name should be"
	}
	if arg := skipBlanks(buf, sep, end); sep < end && blank(buf[sep]) && arg < end {
		s.argument = cString(buf[arg:end])
	}
	return s
}

// parseScriptBSD reads it as FreeBSD's exec_shell_imgact does: of a page, and no
// further than the end of the file.
func parseScriptBSD(header []byte) script {
	buf := header[:min(len(header), headerSizeBSD)]
	name := skipBlanks(buf, 2, len(buf))
	sep := name
	for sep < len(buf) && !blank(buf[sep]) && buf[sep] != '\n' && buf[sep] != 0 {
		sep++
	}
	switch {
	case sep == name:
		return script{cause: NoInterpreter, errno: ENOEXEC, why: "its first line names no interpreter"}
	case sep-name >= pathMaxBSD:
		return script{cause: LineTooLong, errno: ENAMETOOLONG, why: fmt.Sprintf("the interpreter's name has %d bytes, %d at most", sep-name, pathMaxBSD-1)}
	}
	arg := skipBlanks(buf, sep, len(buf))
	end := arg
	for end < len(buf) && buf[end] != '\n' && buf[end] != 0 {
		end++
	}
	return script{interpreter: string(buf[name:sep]), argument: strings.TrimRight(string(buf[arg:end]), " \t")}
}

func skipBlanks(buf []byte, from, end int) int {
	for from < end && blank(buf[from]) {
		from++
	}
	return from
}

func nextTerminator(buf []byte, from, end int) int {
	for from < end && !blank(buf[from]) && buf[from] != 0 {
		from++
	}
	return from
}

func cString(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

// script follows a #! line to its interpreter.
func (e *explainer) script(img *image) (*image, *Verdict) {
	parse := parseScript
	if e.w.freebsd() {
		parse = parseScriptBSD
	}
	s := parse(img.header)
	if s.cause != "" {
		e.step(Bad, img.shown()+" begins with #!, and the kernel does not take its first line", firstLine(img.header), s.why)
		return nil, &Verdict{Runs: No, Stage: AtExec, Errno: s.errno, Cause: s.cause, Message: img.shown() + ": " + s.why, Remedy: e.lineRemedy(s.cause, img)}
	}
	evidence := []string{"first line " + firstLine(img.header)}
	if s.argument != "" {
		evidence = append(evidence, fmt.Sprintf("argument %q, in one piece", s.argument))
	}
	e.step(OK, fmt.Sprintf("%s is a script of %s", img.shown(), unquoted(s.interpreter)), evidence...)
	e.scripts = append(e.scripts, img)
	e.lines = append(e.lines, s)
	next, v := e.open(s.interpreter, asInterpreter)
	if v != nil && s.interpreter != "" {
		e.scriptCause(img, s, v)
	}
	if v == nil && !path.IsAbs(s.interpreter) {
		e.step(Note, fmt.Sprintf("%s is a relative path: it is looked up from the working directory, here %s", s.interpreter, e.w.Dir))
		next.name = s.interpreter
	}
	return next, v
}

// scriptCause sees what is wrong with the line itself when the interpreter
// cannot be opened.
func (e *explainer) scriptCause(img *image, s script, v *Verdict) {
	switch {
	case strings.HasSuffix(s.interpreter, "\r"):
		v.Cause, v.Remedy = CarriageReturn, e.dropReturns(img.shown())
		v.Message = fmt.Sprintf("the first line of %s ends in a carriage return, so the kernel looks for %q", img.shown(), s.interpreter)
	case v.Cause == asInterpreter.cause(Missing) && !path.IsAbs(s.interpreter):
		v.Cause = RelativeInterpreter
		v.Message = fmt.Sprintf("%s names its interpreter %s by a relative path, which is not there from the working directory %s", img.shown(), unquoted(s.interpreter), e.w.Dir)
		v.Remedy = e.interpreterRemedy(img, s.interpreter)
	case v.Cause == asInterpreter.cause(Missing):
		v.Message = fmt.Sprintf("%s is a script of %s, which is not there: the error is of the interpreter, not of the script", img.shown(), unquoted(s.interpreter))
		v.Remedy = e.interpreterRemedy(img, s.interpreter)
	}
}
