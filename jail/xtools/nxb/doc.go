// Package nxb lays out /nxb-bin, the native tools of a FreeBSD jail, as
// poudriere expects it. It edits data only, and does so on any host.
//
// There are two sources. NewTwinPlan takes the programs of a native base tree of
// the very same release (base.txz unpacked): its dynamic programs are relocated,
// so that they run in a root whose own run-time linker and libraries are of
// another machine, and its clang is told which machine to compile for.
// NewXToolsPlan takes what FreeBSD's make native-xtools built, and looks whether
// it is what the jail needs.
//
// # Relocation
//
// In each dynamic program the interpreter's path is overwritten by one of the
// same length, /nxb-bin/ld-elf.so.1. That file is the release's own run-time
// linker, in which the strings that name directories, files and environment
// variables are overwritten in the same way; libraries are not touched, and are
// in the one directory that it then looks into. No file grows, no segment moves.
// It is what FreeBSD itself does at compile time for ld-elf32.so.1. The programs
// do not hear LD_LIBRARY_PATH, LD_PRELOAD and the like, nor the jail's
// libmap.conf and library hints, all of which mean the jail's own libraries.
//
// Anything unexpected is refused: a string that is not there exactly as often as
// it should be, another interpreter, a library that is missing or asks for a
// search path of its own.
//
// A Plan is data; Apply writes it below a root, all of it or nothing; the
// Manifest that it returns is what Verify and Remove work by.
package nxb
