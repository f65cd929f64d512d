package main

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"time"
)

// results is results.json: all that was measured and found.
type results struct {
	path string

	Machine machine    `json:"machine"`
	Runs    []buildRun `json:"runs"`
	Checks  []check    `json:"checks,omitempty"`
	Debs    []debRun   `json:"debs,omitempty"`
}

// machine is what the numbers depend on.
type machine struct {
	CPU        string            `json:"cpu"`
	Processors int               `json:"processors"`
	Kernel     string            `json:"kernel"`
	Sources    map[string]string `json:"sources"` // version of each package
	// Jails says of each jail its emulator and its gcc-12, libc6 and dash.
	Jails map[string]map[string]string `json:"jails"`
}

// cost is what a phase took, in seconds.
type cost struct {
	User   float64 `json:"user_s"`
	System float64 `json:"system_s"`
	Wall   float64 `json:"wall_s"`
	// Waited is user + system by wait4(2), which loses children for which nobody
	// waits; it is beside the control group's numbers where there is one.
	Waited float64 `json:"waited_s,omitempty"`
	// By is cgroup or rusage.
	By string `json:"by"`
}

func (c cost) cpu() float64 { return c.User + c.System }

// buildRun is one build of one package.
type buildRun struct {
	Round     int       `json:"round"`
	Arch      string    `json:"arch"` // Debian's name; the host's for native
	Variant   string    `json:"variant"`
	Beside    string    `json:"beside,omitempty"` // of native: the architecture built next
	Package   string    `json:"package"`
	When      time.Time `json:"when"`
	Load      float64   `json:"load"` // of the machine when it began
	Xjail     string    `json:"xjail"`
	Configure cost      `json:"configure"`
	Make      cost      `json:"make"`
	Outcome   outcome   `json:"outcome"`
}

// cpu is user + system of configure and make, in seconds.
func (r *buildRun) cpu() float64 { return r.Configure.cpu() + r.Make.cpu() }

// outcome is what a build produced.
type outcome struct {
	Objects  int    `json:"objects"`  // relocatable files
	Programs int    `json:"programs"` // programs and shared libraries
	Said     string `json:"said"`     // what the program printed, emulated
	// Same counts objects that equal the emulated build's, Stamped those that
	// differ in the compiler's name and version (.comment) only, and Differ names
	// others with the first section that differs. Programs are compared alike.
	Same    int      `json:"same,omitempty"`
	Stamped int      `json:"stamped,omitempty"`
	Differ  []string `json:"differ,omitempty"`
	// Answers counts configure's answers, Other are those that differ from the
	// emulated ones.
	Answers int      `json:"answers,omitempty"`
	Other   []string `json:"other_answers,omitempty"`
}

// check is a package's own test suite in the jail without native tools.
type check struct {
	Arch    string    `json:"arch"`
	Package string    `json:"package"`
	When    time.Time `json:"when"`
	Cost    cost      `json:"cost"`
	Passed  bool      `json:"passed"`
	Tail    string    `json:"tail"` // the end of what it printed
}

// debRun is dpkg-buildpackage of one package, with and without native tools.
type debRun struct {
	Arch     string    `json:"arch"`
	Package  string    `json:"package"`
	When     time.Time `json:"when"`
	Emulated cost      `json:"emulated"`
	Full     cost      `json:"full"`
	Debs     []string  `json:"debs"`
	Members  int       `json:"members"` // files in them
	Differ   []string  `json:"differ,omitempty"`
}

func loadResults(path string) (*results, error) {
	r := &results{path: path}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(b, r)
}

// save is called after each build, so that an interruption loses one.
func (r *results) save() error {
	b, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	if err := os.WriteFile(r.path+".new", append(b, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(r.path+".new", r.path)
}

func (r *results) has(round int, t target, pkg string) bool {
	return slices.ContainsFunc(r.Runs, func(x buildRun) bool {
		return x.Round == round && x.Arch == t.debian && x.Variant == t.variant && x.Beside == t.beside && x.Package == pkg
	})
}

// forget drops the runs of some variants, and of what was built from their
// results nothing remains to be compared.
func (r *results) forget(variants []string) {
	r.Runs = slices.DeleteFunc(r.Runs, func(x buildRun) bool { return slices.Contains(variants, x.Variant) })
}

// of are the runs of a package in one way on one architecture, by round.
func (r *results) of(arch, variant, pkg string) []*buildRun {
	var runs []*buildRun
	for i := range r.Runs {
		if x := &r.Runs[i]; x.Arch == arch && x.Variant == variant && x.Package == pkg {
			runs = append(runs, x)
		}
	}
	slices.SortFunc(runs, func(a, b *buildRun) int { return a.Round - b.Round })
	return runs
}
