package xtools

import (
	"context"
	"io"
	"os"

	"github.com/xjail/xjail/arch"
)

// Subject is the root that tools are wanted for.
type Subject struct {
	Root *os.Root
	Arch *arch.Arch // of the root
	Host *arch.Arch // of this machine
}

// Notes is told how the work goes on.
type Notes struct {
	// Step is called when a part begins.
	Step func(what string)
	// Log gets what programs print.
	Log io.Writer
}

// The sources, as --tools and manifests call them; see TwinName too.
const (
	HostName = "host" // the programs of this machine
	NxbName  = "nxb"  // what FreeBSD's make native-xtools made
	PackName = "pack" // a file of WritePack
)

// Source is where native tools come from.
type Source interface {
	// Name is what --tools and the manifest call it.
	Name() string
	// Collect makes a farm of tools for the subject, or finds the one that is
	// there already, and describes it. It changes nothing in the root. Points and
	// Env of the manifest are left to who lays the tools over.
	Collect(ctx context.Context, s *Subject, n Notes) (*Manifest, error)
}
