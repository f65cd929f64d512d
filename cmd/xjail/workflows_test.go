package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"gopkg.in/yaml.v3"
)

// workflow is what a workflow of GitHub Actions has that is looked at here.
type workflow struct {
	Name        string
	On          map[string]any
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn  string `yaml:"runs-on"`
		Timeout int    `yaml:"timeout-minutes"`
		Steps   []struct {
			Uses string
			Run  string
			With map[string]any
		}
	}
}

// script finds the scripts of this tree that a step runs.
var script = regexp.MustCompile(`(?:^|\s)(\.ci/\w+)`)

// pinned is an action by its major version.
var pinned = regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+$`)

// TestWorkflows holds the workflows to what they may do: read, and run a script
// that anybody can run without them.
func TestWorkflows(t *testing.T) {
	root := filepath.Join("..", "..")
	for name, want := range map[string]string{"linux": ".ci/run", "freebsd": ".ci/freebsd"} {
		text, err := os.ReadFile(filepath.Join(root, ".github", "workflows", name+".yml"))
		if err != nil {
			t.Fatal(err)
		}
		var w workflow
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if w.Name != name || len(w.On) == 0 || len(w.Permissions) != 1 || w.Permissions["contents"] != "read" || len(w.Jobs) == 0 {
			t.Errorf("%s: %+v", name, w)
		}
		var runs []string
		for job, j := range w.Jobs {
			if j.RunsOn == "" || j.Timeout == 0 {
				t.Errorf("%s: job %s: %+v", name, job, j)
			}
			for _, s := range j.Steps {
				inVM, _ := s.With["run"].(string)
				for _, found := range script.FindAllStringSubmatch(s.Run+" "+inVM, -1) {
					runs = append(runs, found[1])
				}
				if s.Uses != "" && !pinned.MatchString(s.Uses) {
					t.Errorf("%s: %s is not pinned to a major version", name, s.Uses)
				}
			}
		}
		if len(runs) != 1 || runs[0] != want {
			t.Errorf("%s runs %v, want %s", name, runs, want)
			continue
		}
		if info, err := os.Stat(filepath.Join(root, runs[0])); err != nil || info.Mode()&0o111 == 0 {
			t.Errorf("%s: %s is not a program: %v", name, runs[0], err)
		}
	}
}
