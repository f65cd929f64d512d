// Package inplace writes native tools into a root, over its own programs, and
// takes them out again: for those who need a plain directory, and cannot have the
// tools laid over when the root is entered.
//
// What is replaced is kept in a directory of the caller's, its state: by a hard
// link where the two are on one file system, so that the very file comes back,
// and else by a copy of all that it has. Before anything is done the state has a
// journal of it; Recover undoes a Lay that was interrupted, and ends a Restore.
// Files that somebody else has put in the place of the tools meanwhile, such as
// a newer version of a package, are left as they are and reported.
//
// Below the root no link is followed and nothing that is mounted is touched. The
// times of the directories stay what they were. The caller keeps others from the
// root meanwhile.
package inplace
