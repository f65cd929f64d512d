// Package ptrace collects a profile with ptrace(2): it follows a program and all
// that comes of it, and tells of every run when it begins and when it ends.
//
// What is followed stops where a process is forked, where it becomes another
// program, where that fails, and where it ends; nothing can be missed, since the
// kernel goes on only when the tracer says so. No rights are needed beyond those
// over the processes: the first process of a user namespace has them over all that
// are in it. The one that traces also has to be who reaps what its parents leave
// (init, or a subreaper), else their times are not in the sum.
//
// The package knows processes and emulators, and nothing of jails.
package ptrace
