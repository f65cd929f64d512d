// Package jail makes jails, enters them, verifies and destroys them. It joins
// what the other packages know: a Plan says what will be done before anything
// is (plan.go), Create does it step by step with a journal (create.go,
// journal.go), a Record says what was done (record.go), and enter builds the
// namespaces of a jail around a command (enter*.go, *_linux.go).
//
// A Store is the state directory in which all of it is.
package jail
