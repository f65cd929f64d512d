package hook

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
)

// crashes sets what poudriere exports when a command of it ends with an error.
func (m *machine) crashes(script string) {
	m.env["CRASHED"], m.env["SCRIPTNAME"], m.env["POUDRIERE_BUILD_TYPE"] = "1", script, "bulk"
}

// ends are the events in the statistics.
func (m *machine) ends() []string {
	m.t.Helper()
	list, err := Statistics(m.Store.Dir, buildlog.Filter{}, false)
	if err != nil {
		m.t.Fatal(err)
	}
	var events []string
	for _, b := range list {
		events = append(events, b.Build+" "+b.Event)
	}
	return events
}

// A build that crashed is written down once, whichever of poudriere's events tell
// of it, and not when it was done before.
func TestCrashed(t *testing.T) {
	const build = "2026-11-28_12h00m00s "
	for name, test := range map[string]struct {
		script string
		events []string
		want   []string
	}{
		"jail stop alone":       {"bulk.sh", []string{"jail stop"}, []string{build + "crashed"}},
		"both":                  {"bulk.sh", []string{"jail stop", "bulk crashed"}, []string{build + "crashed"}},
		"bulk crashed alone":    {"bulk.sh", []string{"bulk crashed"}, []string{build + "crashed"}},
		"done before":           {"bulk.sh", []string{"bulk done 1 0 0 0 0", "jail stop"}, []string{build + "done"}},
		"a test of a port":      {"testport.sh", []string{"jail stop"}, nil},
		"an older poudriere":    {"", []string{"jail stop"}, []string{build + "crashed"}},
		"another build between": {"bulk.sh", []string{"jail stop", "other", "jail stop"}, []string{build + "crashed", "other crashed"}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			m.crashes(test.script)
			for _, event := range test.events {
				if event == "other" {
					m.env["BUILDNAME"] = "other"
					continue
				}
				m.goesOn(strings.Fields(event)...)
			}
			if got := m.ends(); !slices.Equal(got, test.want) {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	m := newMachine(t)
	m.env["POUDRIERE_BUILD_TYPE"], m.env["SCRIPTNAME"] = "bulk", "bulk.sh"
	m.goesOn("jail", "stop")
	if got := m.ends(); got != nil {
		t.Errorf("one that did not crash: %q", got)
	}
}

// The end of a build that crashed, as poudriere's own code calls the hooks.
func TestPoudriereCrashes(t *testing.T) {
	src := poudrieretest.Checkout(t)
	if text := src.Functions(t, "exit_handler"); !strings.Contains(text, "set -f\n\t\t${CLEANUP_HOOK}") {
		t.Log("this poudriere calls bulk crashed in another way")
	}
	for _, shell := range poudrieretest.Shells(t) {
		t.Run(poudrieretest.Name(shell), func(t *testing.T) {
			r := newRunner(t, shell)
			r.crashes("bulk.sh")
			for _, event := range []string{"jail stop", "bulk crashed; set +f"} {
				if strings.HasPrefix(event, "bulk") {
					event = "jail none; set -f; run_hook " + event
				}
				if got := r.runHook(src, event); got.Status != 0 {
					t.Errorf("%s: %+v", event, got)
				}
			}
			if got := r.ends(); len(got) != 1 || !strings.HasSuffix(got[0], " crashed") {
				t.Errorf("%q", got)
			}
		})
	}
}

// Builds that end together lose no line, also when old ones go; a line that a full
// disk cut off takes no other with it.
func TestEndTogether(t *testing.T) {
	m := newMachine(t)
	name := filepath.Join(m.data(), BuildsName)
	m.write(name, strings.Repeat("{}\n", statisticsKept-5)+`{"time":"20`)
	const builds = 40
	var all sync.WaitGroup
	for i := range builds {
		all.Go(func() {
			env := map[string]string{"BUILDNAME": fmt.Sprint("b", i)}
			w := *m.World
			w.Say = func(string) {}
			err := w.Run(t.Context(), &Call{Hook: "bulk", Event: "done", Args: []string{"1"}, Getenv: func(name string) string {
				if v, ok := env[name]; ok {
					return v
				}
				return m.env[name]
			}})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if got := m.ends(); len(got) != builds {
		t.Errorf("%d builds, want %d: %q", len(got), builds, got)
	}
	text, err := os.ReadFile(name)
	if n := strings.Count(string(text), "\n"); err != nil || n > statisticsKept {
		t.Errorf("%d lines, %v", n, err)
	}
}

// The clock was set back: the build that ends now is the last all the same.
func TestClockSetBack(t *testing.T) {
	m := newMachine(t)
	dir := filepath.Join(ProfilesDir(m.Store.Dir), "m64-default")
	later := time.Now().Add(24 * time.Hour)
	for _, build := range []string{"old", "older", "oldest", "now"} {
		record, profile := filepath.Join(buildlog.Dir(m.Store.Dir), "m64-default", build+".jsonl"), filepath.Join(dir, build, "a.xprof")
		m.write(record, "{}\n")
		m.write(profile, "{}\n")
		if build == "now" {
			continue
		}
		for _, name := range []string{record, profile, filepath.Dir(profile)} {
			if err := os.Chtimes(name, later, later); err != nil {
				t.Fatal(err)
			}
		}
	}
	m.env["BUILDNAME"], m.Keep, m.now = "old", 0, func() time.Time { return later }
	m.goesOn("bulk", "done", "2")
	m.env["BUILDNAME"], m.Keep, m.now = "now", 1, time.Now
	m.goesOn("bulk", "done", "1")
	if names := names(t, dir); !slices.Equal(names, []string{"now"}) {
		t.Errorf("profiles of %q", names)
	}
	if names := names(t, filepath.Join(buildlog.Dir(m.Store.Dir), "m64-default")); !slices.Equal(names, []string{"now.jsonl"}) {
		t.Errorf("records %q", names)
	}
	list, err := Statistics(m.Store.Dir, buildlog.Filter{}, true)
	if err != nil || len(list) != 1 || list[0].Build != "now" {
		t.Errorf("%+v, %v", list, err)
	}
}
