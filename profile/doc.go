// Package profile tells what ran while a command ran in a jail: every program,
// native or emulated, who started it and what it cost.
//
// A profile is a file of JSON lines, written while the command runs, so that it
// can be read at any moment and what was written survives whoever wrote it. The
// first line is the Header. Of every Run there is one line when it begins and one
// when it ends; what ran on when the profile was read has no end. The last line
// is the Close; a profile without one was cut off.
//
// A run is one program in one process: it begins with fork(2) or with execve(2)
// and ends with the process, or with the execve(2) that replaces it. So the time
// that a shell's child uses before it becomes another program is the shell's.
package profile
