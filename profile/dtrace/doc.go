// Package dtrace collects profiles on FreeBSD: a program in D tells of every
// fork, execve(2) and exit below one process, and the parser makes a profile of
// that.
//
// dtrace(1) was chosen over ktrace(1) and acct(5). Accounting has one record for a
// process, with the name of the last program in 16 bytes, and knows neither the
// parent nor an execve(2) that failed, nor whether an emulator ran. A ktrace of
// all system calls of a build is gigabytes, has no processor time, and slows what
// it looks at. dtrace sees the events themselves, and counts what it had to drop.
// It needs root, as jails on FreeBSD do anyway.
//
// Of poudriere's bulk runs, whose jails are not xjail's to start, it follows what runs
// in jails of certain names, and makes a profile of each package.
package dtrace
