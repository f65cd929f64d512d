// Package miniroot makes the smallest useful root of an architecture from
// source: one static Go program that is a shell and the usual commands
// (directory program), built for the architecture by the local Go toolchain,
// and the directories and files that programs expect around it.
//
// It needs neither root, nor a package archive of the architecture, nor a
// checkout of xjail: the sources are embedded.
package miniroot
