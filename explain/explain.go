package explain

import (
	"fmt"
	"path"
	"strings"
)

// Explain follows what the kernel of w would do with a file, and what comes
// after it. A name without a slash is looked for in the world's Path, others
// from its Dir. It is an answer always, never an error: a file that is not there
// is one of them.
func Explain(w *World, file string) *Explanation {
	return explain(w, file, true)
}

// explain is Explain; why says that causes are looked for by asking what would
// be if the table were another one.
func explain(w *World, file string, why bool) *Explanation {
	e := &explainer{w: w, x: &Explanation{File: file, Steps: []Step{}}}
	defer e.close()
	v := e.run(file)
	e.x.Verdict = *v
	if why {
		e.blameTable(file)
	}
	return e.x
}

// explainer is an explanation being made.
type explainer struct {
	w       *World
	x       *Explanation
	opened  []*image
	scripts []*image // whose #! lines were followed
	lines   []script // theirs
	taken   []taken  // what activators took
	remark  *Verdict // what is to be said should it run
}

// taken is a file that an activator took, and the one that it starts.
type taken struct {
	program     *image
	entry       Entry
	interpreter *image
}

func (e *explainer) close() {
	for _, img := range e.opened {
		img.close()
	}
}

func (e *explainer) step(r Result, what string, evidence ...string) {
	var lines []string
	for _, l := range evidence {
		if l != "" {
			lines = append(lines, l)
		}
	}
	e.x.Steps = append(e.x.Steps, Step{What: what, Evidence: lines, Result: r})
}

// bad writes a failing step and its verdict.
func (e *explainer) bad(v Verdict, what string, evidence ...string) *Verdict {
	v.Runs = No
	e.step(Bad, what, evidence...)
	return &v
}

func (e *explainer) run(file string) *Verdict {
	name := file
	if !strings.Contains(file, "/") {
		found, ok := e.w.searchPath(file)
		if !ok {
			return e.bad(Verdict{Stage: AtExec, Errno: ENOENT, Cause: Missing, Remedy: e.slashRemedy(file),
				Message: fmt.Sprintf("%s is in no directory of PATH, which is %s", unquoted(file), e.w.Path)},
				"look for "+unquoted(file)+" in PATH", e.w.Path)
		}
		e.step(OK, fmt.Sprintf("PATH has %s as %s", file, path.Clean(found)))
		name = found
	}
	e.x.Name = name
	img, v := e.open(name, asProgram)
	if img != nil {
		e.x.Path = img.place.path
	}
	if v == nil {
		v = e.entered()
	}
	if v != nil {
		return v
	}
	last, v := e.kernel(img)
	if v == nil {
		v = e.started(last)
	}
	if v.Runs == Yes {
		v = e.env(v)
	}
	if v.Runs == Yes {
		e.rights(img, v)
	}
	return v
}

// entered is the verdict in a jail that xjail does not enter.
func (e *explainer) entered() *Verdict {
	j := e.w.Jail
	if j == nil || j.Refused == "" {
		return nil
	}
	v := Verdict{Stage: AtJail, Cause: j.Cause, Message: fmt.Sprintf("the jail %s is not entered: %s", j.Name, j.Refused), Remedy: j.Remedy}
	if v.Remedy == "" {
		v.Remedy = e.emulatorRemedy(Entry{}, j.Cause)
	}
	return e.bad(v, "xjail looks whether the jail can be entered", j.Refused)
}

// kernel follows execve(2) from file to file, and is the native program that
// starts in the end.
func (e *explainer) kernel(img *image) (*elfFile, *Verdict) {
	if e.w.freebsd() {
		return e.imgact(img)
	}
	return e.binprm(img)
}

// rewritesMax is how often Linux goes on with another file (exec_binprm).
const rewritesMax = 5

// binprm is Linux's exec_binprm: the formats are asked in the order misc,
// script, elf, and each can go on with another file.
func (e *explainer) binprm(img *image) (*elfFile, *Verdict) {
	for rewrites := 0; ; rewrites++ {
		if rewrites > rewritesMax {
			return nil, e.tooDeep(img)
		}
		entry, ok := e.choose(img)
		var next *image
		var v *Verdict
		switch {
		case ok:
			next, v = e.interpreter(img, entry)
		case isScript(img.header):
			next, v = e.script(img)
		default:
			f := parseELF(img)
			if v := e.linuxELF(img, f); v != nil {
				return nil, v
			}
			return f, nil
		}
		if v != nil || next == nil {
			return nil, v
		}
		img = next
	}
}

// tooDeep is the verdict on a chain that Linux gives up.
func (e *explainer) tooDeep(img *image) *Verdict {
	v := Verdict{Stage: AtExec, Errno: ELOOP}
	if len(e.taken) == 0 {
		v.Cause = ChainTooDeep
		v.Message = fmt.Sprintf("%s is a script of a script, and so on: the kernel gives up after %d", e.scripts[0].shown(), rewritesMax)
		v.Remedy = e.chainRemedy(img)
		return e.bad(v, fmt.Sprintf("%d files led to another one: the kernel gives up", rewritesMax+1))
	}
	last := e.taken[len(e.taken)-1]
	v.Cause = ActivatorLoop
	v.Message = fmt.Sprintf("the interpreter %s of the activator %s is itself taken by an activator, again and again", last.interpreter.shown(), unquoted(last.entry.Name))
	v.Remedy = e.removeEntry(last.entry)
	return e.bad(v, fmt.Sprintf("%d files led to another one: the kernel gives up", rewritesMax+1))
}

// started is what happens after execve(2): f, the native program, loads its
// libraries; when it is an emulator it loads the program that an activator took.
// A nil f is an emulator that the kernel holds and that cannot be looked at.
func (e *explainer) started(f *elfFile) *Verdict {
	if f == nil {
		return e.emulated(nil)
	}
	if v := e.loads(f, "", true); v != nil {
		return v
	}
	if len(e.taken) == 0 {
		if v := e.system(f); v != nil {
			return v
		}
		return e.runs(fmt.Sprintf("the kernel runs it by itself, as a program of %s", f.archText()))
	}
	if v := e.whole(f); v != nil {
		return v
	}
	return e.emulated(f)
}

func (e *explainer) runs(how string) *Verdict {
	text := "it runs: " + how
	if n := len(e.scripts); n > 0 && e.x.Path == e.scripts[0].place.path {
		text = "it runs as a script: " + how
	}
	return &Verdict{Runs: Yes, Message: text}
}
