package buildlog

import (
	"bufio"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// fixture is a log with what is to be found in it: lines "# key: value", an
// empty line, and the log. They are re-typed and shortened from public reports;
// source names the project and the number of its issue.
type fixture struct {
	name string
	want map[string]string
	log  string
}

func fixtures(t testing.TB) []fixture {
	t.Helper()
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatal("no fixtures", err)
	}
	var list []fixture
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, log, ok := strings.Cut(string(text), "\n\n")
		if !ok {
			t.Fatalf("%s: no empty line after the header", file)
		}
		f := fixture{name: strings.TrimSuffix(filepath.Base(file), ".log"), want: map[string]string{}, log: log}
		lines := bufio.NewScanner(strings.NewReader(head))
		for lines.Scan() {
			key, value, _ := strings.Cut(strings.TrimPrefix(lines.Text(), "# "), ": ")
			f.want[key] = value
		}
		list = append(list, f)
	}
	return list
}

// fields are what a fixture can ask for.
func fields(v *Verdict) map[string]string {
	return map[string]string{
		"cause": string(v.Cause), "emulation": string(v.Emulation), "rule": v.Rule, "program": v.Program, "signal": v.Signal,
		"syscall": v.Syscall, "target": v.Target, "limit": v.Limit, "phase": v.Phase, "seconds": strconv.FormatInt(v.Seconds, 10),
	}
}

func TestFixtures(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			v := Classify(strings.NewReader(f.log), "")
			got := fields(&v)
			for _, key := range []string{"source", "cause", "emulation"} {
				if f.want[key] == "" {
					t.Errorf("the header has no %s", key)
				}
			}
			for key, want := range f.want {
				if key != "source" && got[key] != want {
					t.Errorf("%s %q, want %q (rule %s, %v)", key, got[key], want, v.Rule, v.Evidence)
				}
			}
			if len(v.Evidence) == 0 || len(v.Advice) == 0 || v.Summary == "" {
				t.Errorf("verdict without evidence, advice or summary: %+v", v)
			}
		})
	}
}
