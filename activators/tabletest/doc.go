// Package tabletest is one conformance suite for every activators.Table, and
// private instances of the kernel's own table to run it on. It is for tests.
package tabletest
