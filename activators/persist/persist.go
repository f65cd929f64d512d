// Package persist is the files by which a machine registers xjail's activators
// at every boot, since no kernel keeps them: on FreeBSD an rc.d script and its
// settings, on Linux a file of binfmt.d and a unit of systemd.
//
// What is in them is data here, for both systems on either; a Plan compares
// them with what is on disk, and Apply writes or removes them.
package persist

import (
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// The systems that have such files.
const (
	FreeBSD = "freebsd"
	Linux   = "linux"
)

// Boot is what is registered at boot.
type Boot struct {
	Program    string // absolute path of xjail
	State      string // its state directory, "" for the usual one
	Activators []Activator
}

// Activator is one entry, and the command that registers it.
type Activator struct {
	Arch  string           // the catalog's name
	Flags []string         // of xjail activator register, without --global
	Entry activators.Entry // what is registered
}

// File is a file to be written, or a symbolic link.
type File struct {
	Path string // absolute
	Mode fs.FileMode
	Text string
	Link string // the target, for a link
}

// Files are the files of a system, in the order in which they are to be
// written: what refers to another file comes after it. fault.Unsupported:
// the system has none, or its files cannot hold a path.
func Files(system string, b Boot) ([]File, error) {
	if err := b.check(); err != nil {
		return nil, err
	}
	switch system {
	case FreeBSD:
		return freebsdFiles(b), nil
	case Linux:
		return linuxFiles(b)
	}
	return nil, fault.New(fault.Unsupported, "run xjail activator register when the machine has started", "nothing is known that registers activators when %s starts", system)
}

// paths are all the files of a system, whatever is in them, in the order of
// Files.
func paths(system string) []string {
	switch system {
	case FreeBSD:
		return []string{rcScript, rcSettings}
	case Linux:
		return []string{binfmtFile, unitFile, unitLink}
	}
	return nil
}

// plain are the bytes that stand for themselves in a shell's words, in
// rc.conf(5) and in a unit.
const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@"

// check refuses what the files could only hold quoted, in three manners.
func (b Boot) check() error {
	words := []string{b.Program, b.State}
	for _, a := range b.Activators {
		if strings.Trim(a.Arch, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || a.Arch == "" {
			return fault.New(fault.Unsupported, "", "%q cannot be part of a variable's name", a.Arch)
		}
		words = append(words, a.Flags...)
	}
	for _, w := range words {
		if strings.Trim(w, plain) != "" {
			return fault.New(fault.Unsupported, "use a path without blanks and other special characters", "%q cannot be written to the files that are read at boot", w)
		}
	}
	if !path.IsAbs(b.Program) {
		return fault.New(fault.Usage, "", "%q is not the absolute path of xjail", b.Program)
	}
	return nil
}

// archs are the names, in the order in which they are registered.
func (b Boot) archs() string {
	var names []string
	for _, a := range b.Activators {
		names = append(names, a.Arch)
	}
	return strings.Join(names, " ")
}

// command is xjail with the options that all commands get.
func (b Boot) command() string {
	if b.State == "" {
		return b.Program
	}
	return fmt.Sprintf("%s --state %s", b.Program, b.State)
}
