// Package selftest tries the native tools of a jail: that they are what they
// were when they were made, that they start, that they say what the root's own
// programs say, and that what they build is what these build and runs.
//
// What can be told from the files is told from them. The rest runs in the jail,
// by a Runner, as scripts of sh with many small steps: entering a jail once for
// each would take longer than the steps. The part that runs the root's own
// programs emulated, to compare, is left out when a short test is asked for.
package selftest
