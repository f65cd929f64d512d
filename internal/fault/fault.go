// Package fault is the error that xjail shows to people: what failed, why, and
// the command that mends it, together with the kind that decides the exit
// status. It imports nothing of xjail, so that every package can use it.
package fault

import (
	"errors"
	"fmt"
)

// Kind sorts failures by what a script can do about them. Each kind has one
// exit status, and docs/exit-codes.md is their table.
type Kind int

// The kinds, with the exit status of each. 2 is never used: a Go panic exits
// with it.
const (
	Failed      Kind = 1   // anything that has no kind of its own
	Partly      Kind = 3   // done in part
	NotFound    Kind = 10  // no such architecture, jail, emulator, file
	Locked      Kind = 11  // another xjail works on it
	Mismatch    Kind = 12  // digest or signature does not match
	Unsupported Kind = 13  // this kernel or system cannot do it
	Permission  Kind = 14  // not allowed to
	Unsafe      Kind = 15  // refused because it could do harm
	Exists      Kind = 16  // it is there already
	Damaged     Kind = 17  // input is truncated, corrupt or not what it should be
	WrongArch   Kind = 18  // root or file is of another architecture
	BadEmulator Kind = 19  // emulator is dynamic, truncated, for another host or target
	NoSpace     Kind = 20  // disk full
	Usage       Kind = 64  // the command line is wrong
	Interrupted Kind = 130 // stopped by a signal
)

// Error is a failure with a kind and, where there is one, a hint: a command or
// a setting that mends it.
type Error struct {
	Kind Kind
	What string // what failed and where, lower case, no period
	Hint string // what the reader can do; "" when there is nothing to say
	Err  error  // why; may be nil
}

// Error returns what failed and why on one line, without the hint.
func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.What
	case e.What == "":
		return e.Err.Error()
	}
	return e.What + ": " + e.Err.Error()
}

// Unwrap gives errors.Is and errors.As the cause.
func (e *Error) Unwrap() error { return e.Err }

// New makes an Error of kind k; format may hold one %w, which becomes the cause.
func New(k Kind, hint, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	if errors.Unwrap(err) == nil {
		return &Error{Kind: k, What: err.Error(), Hint: hint}
	}
	return &Error{Kind: k, Hint: hint, Err: err}
}

// Wrap puts a kind, a description and a hint on err. It returns nil for nil.
func Wrap(k Kind, err error, what, hint string) error {
	if err == nil {
		return nil
	}
	return &Error{Kind: k, What: what, Hint: hint, Err: err}
}

// KindOf is the kind of the outermost Error in err's chain; Failed when there
// is none, 0 for nil.
func KindOf(err error) Kind {
	if err == nil {
		return 0
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Failed
}

// HintOf is the first hint in err's chain, "" when there is none.
func HintOf(err error) string {
	for err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return ""
		}
		if e.Hint != "" {
			return e.Hint
		}
		err = e.Err
	}
	return ""
}
