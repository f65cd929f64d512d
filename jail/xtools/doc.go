// Package xtools finds native tools for a root of another architecture, and
// gets them ready to be laid over it: programs of the host's architecture that
// stand in for the root's own, do what these do, and answer as these do.
//
// A Source collects them into a farm, a directory in which every file is at the
// path that it is laid over, and describes it by a Manifest. The twin is the
// first source: the same packages of the same release of the same distribution,
// built for the host. How a farm is laid over a root is package jail's.
package xtools
