//go:build !linux

package jail

import (
	"context"

	"github.com/xjail/xjail/internal/fault"
)

// TryNamespaces is for Linux: nobody else has user namespaces.
func TryNamespaces(context.Context) error { return errNoNamespaces() }

// TryPrivate is for Linux: elsewhere the table of activators is the machine's.
func TryPrivate(context.Context) error { return errNoNamespaces() }

func errNoNamespaces() error {
	return fault.New(fault.Unsupported, "", "user namespaces are Linux's")
}

// SubordinateIDs is for Linux: elsewhere jails are root's, who has all ids.
func SubordinateIDs() (have, debian int, err error) { return 1 << 31, 0, nil }

// SubordinateIDsHint is how a user of Linux gets enough of them.
const SubordinateIDsHint = ""
