package profile_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/profiletest"
)

// keys collects the names of all members.
func keys(v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			into[k] = true
			keys(x, into)
		}
	case []any:
		for _, x := range v {
			keys(x, into)
		}
	}
}

// Every member of the JSON is documented.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/profile-report.md")
	if err != nil {
		t.Fatal(err)
	}
	build := profiletest.Read(t, profiletest.Build(t))
	found := map[string]bool{}
	for _, v := range []any{report(t, profile.Options{Tree: true}, profiletest.Build(t), profiletest.BuildMaker(t).Cut()),
		profile.Compare(build, tools(t, "/nxb-bin/usr/bin/sed"), "a", "b", profile.DiffOptions{})} {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		var plain any
		if err := json.Unmarshal(b, &plain); err != nil {
			t.Fatal(err)
		}
		keys(plain, found)
	}
	if len(found) < 60 {
		t.Errorf("only %d names", len(found))
	}
	for k := range found {
		if !strings.Contains(string(text), "`"+k+"`") {
			t.Errorf("docs/profile-report.md does not say what %s is", k)
		}
	}
}
