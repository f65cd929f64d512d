//go:build !linux

package binfmt

import (
	"errors"

	"github.com/xjail/xjail/activators"
)

// Instance is for Linux only.
func (t *Table) Instance() (string, error) {
	return "", activators.Fail(activators.ErrUnsupported, "look at "+t.dir, errors.New("binfmt_misc is Linux's"), "")
}
