// Package explain tells why a file would run, or not: it follows what a kernel
// does at execve(2), and then what an emulator and a dynamic linker do, step by
// step, and looks at each thing that they would look at. It runs nothing and
// changes nothing.
//
// Sources: Linux fs/exec.c, fs/namei.c, fs/binfmt_misc.c, fs/binfmt_script.c and
// fs/binfmt_elf.c as of 6.18; FreeBSD sys/kern/kern_exec.c, imgact_elf.c,
// imgact_shell.c and imgact_binmisc.c as of 15.1; QEMU linux-user/elfload.c and
// linux-user/linuxload.c as of 7.2; glibc elf/dl-load.c and elf/dl-version.c;
// and what these did when they were tried.
package explain

import "strings"

// Result is what a step came to.
type Result string

// The results.
const (
	OK   Result = "ok"
	Bad  Result = "bad"
	Note Result = "note" // it does not decide, but one should know it
)

// Step is one thing that was looked at, in the order of the kernel.
type Step struct {
	What     string   `json:"what"` // one sentence, lower case, no period
	Evidence []string `json:"evidence,omitempty"`
	Result   Result   `json:"result"`
}

// Answer is whether a file would run.
type Answer string

// The answers.
const (
	Yes     Answer = "yes"
	No      Answer = "no"
	Unknown Answer = "unknown" // what decides it cannot be seen from here
)

// Stage is who fails.
type Stage string

// The stages.
const (
	AtJail     Stage = "jail"     // xjail does not enter the jail
	AtExec     Stage = "exec"     // execve(2) fails, with an errno
	AtEmulator Stage = "emulator" // the emulator starts, and refuses the program
	AtLoader   Stage = "loader"   // the dynamic linker starts, and gives up
	AtProgram  Stage = "program"  // the program starts, and cannot work
)

// Errno is the name of an error of execve(2), such as ENOENT.
type Errno string

// The errors that execve(2) gives for what a file is.
const (
	EACCES       Errno = "EACCES"
	EIO          Errno = "EIO"
	ELIBBAD      Errno = "ELIBBAD"
	ELOOP        Errno = "ELOOP"
	ENAMETOOLONG Errno = "ENAMETOOLONG"
	ENOENT       Errno = "ENOENT"
	ENOEXEC      Errno = "ENOEXEC"
	ENOTDIR      Errno = "ENOTDIR"
)

// errnoTexts are what a shell says for each, as both C libraries word it.
var errnoTexts = map[Errno]string{
	EACCES:       "Permission denied",
	EIO:          "Input/output error",
	ELIBBAD:      "Accessing a corrupted shared library",
	ELOOP:        "Too many levels of symbolic links",
	ENAMETOOLONG: "File name too long",
	ENOENT:       "No such file or directory",
	ENOEXEC:      "Exec format error",
	ENOTDIR:      "Not a directory",
}

// Text is what a shell says for an error.
func (e Errno) Text() string { return errnoTexts[e] }

// ErrnoAtEnd is the error with whose text, in any case, a message ends; "" when
// it is none of these.
func ErrnoAtEnd(message string) Errno {
	for e, text := range errnoTexts {
		if strings.HasSuffix(strings.ToLower(message), ": "+strings.ToLower(text)) {
			return e
		}
	}
	return ""
}

// Verdict is the end of an Explanation.
type Verdict struct {
	Runs  Answer `json:"runs"`
	Stage Stage  `json:"stage,omitempty"` // who fails; "" when it runs
	Errno Errno  `json:"errno,omitempty"` // of execve(2), at the stage exec
	// Cause is "" when it runs and nothing is to be said.
	Cause   Cause  `json:"cause,omitempty"`
	Message string `json:"message"` // one sentence, lower case, no period
	// Remedy is the command, or the change, that mends it; "" when there is none.
	Remedy string `json:"remedy,omitempty"`
}

// Explanation is the answer of Explain.
type Explanation struct {
	File    string  `json:"file"`           // as it was asked for
	Name    string  `json:"-"`              // as execve(2) is asked for it: found in PATH
	Path    string  `json:"path,omitempty"` // where it is, without symlinks, seen from the root
	Steps   []Step  `json:"steps"`
	Verdict Verdict `json:"verdict"`
}

// Role is what a file is to the program that was asked for.
type role string

const (
	asProgram     role = ""
	asInterpreter role = "script-interpreter-" // what a #! line names
	asEmulator    role = "emulator-"           // what an activator names
	asLoader      role = "loader-"             // what PT_INTERP names
)

func (r role) cause(c Cause) Cause { return Cause(r) + c }

// noun is how messages name it.
func (r role) noun() string {
	switch r {
	case asInterpreter:
		return "the script's interpreter"
	case asEmulator:
		return "the activator's interpreter"
	case asLoader:
		return "the dynamic linker"
	}
	return "the file"
}
