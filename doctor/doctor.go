// Package doctor looks at a machine, at its emulators and activators and at the
// jails of a state directory, and says what is wrong with them and what mends
// it. Each check is a function, in a file by its subject; a check changes
// nothing.
package doctor

import (
	"context"
	"runtime"
	"slices"
	"sync"
)

// Result is the outcome of a check.
type Result string

// The results, from good to bad. Skipped is what could not be looked at, with
// the reason.
const (
	OK      Result = "ok"
	Skipped Result = "skipped"
	Note    Result = "note" // worth knowing, and nothing to be done
	Warning Result = "warning"
	Failed  Result = "failed"
)

// Finding is what a check says of its subject.
type Finding struct {
	Check   string `json:"check"`
	Subject string `json:"subject,omitempty"` // the jail, entry, file or variable that it is about
	Result  Result `json:"result"`
	Message string `json:"message"`
	// Fix is the command or the change that mends it, "" when there is none.
	Fix string `json:"fix,omitempty"`
	// Safe: Mend can do it. It touches nothing but what xjail made.
	Safe bool `json:"safe,omitempty"`
	// Fixed: Mend did it.
	Fixed bool `json:"fixed"`

	mend func(context.Context) error
}

// Trouble tells whether f is more than worth knowing.
func (f Finding) Trouble() bool { return f.Result == Warning || f.Result == Failed }

// key tells findings of two examinations apart.
func (f Finding) key() string { return f.Check + "\x00" + f.Subject }

// check is one thing to look at. Its findings bear its name.
type check struct {
	name string
	run  func(context.Context, *World) []Finding
}

// checks are all of them, in the order of the answer.
func checks() []check {
	return []check{
		{"machine-system", system},
		{"machine-emulated", emulated},
		{"machine-container", container},
		{"kernel-activators", kernelActivators},
		{"kernel-table", kernelTable},
		{"kernel-namespaces", kernelNamespaces},
		{"kernel-private", kernelPrivate},
		{"kernel-ids", kernelIDs},
		{"activators-check", activatorsCheck},
		{"activators-record", activatorsRecord},
		{"activators-stand-in", activatorsStandIn},
		{"activators-stale", activatorsStale},
		{"activators-disabled", activatorsDisabled},
		{"activators-boot", activatorsBoot},
		{"emulators-found", emulatorsFound},
		{"emulators-fetched", emulatorsFetched},
		{"jail", jailChecks},
		{"state-directory", stateDirectory},
		{"state-mount", stateMount},
		{"state-space", stateSpace},
		{"state-leftovers", stateLeftovers},
		{"state-mounted", stateMounted},
		{"state-unknown", stateUnknown},
		{"temporary-directory", temporaryDirectory},
		{"settings-configuration", settingsConfiguration},
		{"settings-environment", settingsEnvironment},
		{"settings-program", settingsProgram},
	}
}

// jailCheckNames are the names of the findings of jailChecks.
var jailCheckNames = []string{
	"jail-record", "jail-root", "jail-architecture", "jail-emulator", "jail-origin", "jail-activator", "jail-tools", "jail-run", "jail-poudriere",
}

// Names are the names of all checks, in the order of the answer.
func Names() []string {
	var names []string
	for _, c := range checks() {
		if c.name == "jail" {
			names = append(names, jailCheckNames...)
		} else {
			names = append(names, c.name)
		}
	}
	return names
}

// Examine runs every check of w, some at a time, and returns what they say in
// the order of Names.
func Examine(ctx context.Context, w *World) []Finding {
	all := checks()
	found := make([][]Finding, len(all))
	run := func(i int) { found[i] = all[i].findings(ctx, w) }
	// What nobody uses must be known before jails are entered.
	first := slices.IndexFunc(all, func(c check) bool { return c.name == "state-leftovers" })
	run(first)
	each(len(all), func(i int) {
		if i != first {
			run(i)
		}
	})
	return slices.Concat(found...)
}

// findings are what a check says, with its name.
func (c check) findings(ctx context.Context, w *World) []Finding {
	found := c.run(ctx, w)
	for i := range found {
		if found[i].Check == "" {
			found[i].Check = c.name
		}
		found[i].Safe = found[i].mend != nil
	}
	return found
}

// each calls f for 0 to n-1, a few at a time: most of them wait for files and
// for programs.
func each(n int, f func(int)) {
	var wait sync.WaitGroup
	gate := make(chan struct{}, 2*runtime.NumCPU())
	for i := range n {
		gate <- struct{}{}
		wait.Go(func() {
			f(i)
			<-gate
		})
	}
	wait.Wait()
}

// one is the answer of a check with one thing to say.
func one(r Result, message, fix string) []Finding {
	return []Finding{{Result: r, Message: message, Fix: fix}}
}
