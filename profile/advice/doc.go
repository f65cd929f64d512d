// Package advice says which programs of a jail to make native next, from profiles
// of what ran in it: what each would save, what the estimate rests on, and why the
// others stay emulated. The advice keeps its prediction, with which a later
// profile is compared.
//
// What native programs there are is told by a function: the package knows
// profiles, and no jails.
package advice
