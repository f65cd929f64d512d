package explain

import (
	"os"
	osexec "os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// What a script says is written by anybody: the commands that mend it do what
// they say and nothing else, whatever that is.
func TestEditFirst(t *testing.T) {
	world := map[string]func(testing.TB, fake, ...Entry) *World{"linux": linuxWorld, "freebsd": freebsdWorld}[runtime.GOOS]
	if world == nil {
		t.Skip("the commands are for the tools of Linux and of FreeBSD")
	}
	files := with(base(t, runtime.GOOS), fake{"/bin/a&b|c": file("#!/bin/sh\n"), "/bin/it's": file("#!/bin/sh\n")})
	for line, want := range map[string]string{
		"#!/x/y;touch${IFS}PWN;/sh -e":     "#!/bin/sh -e",
		"#!/x/'$(touch${IFS}PWN)'/sh":      "#!/bin/sh",
		"#! \t/x|y&z/.*[a/sh\t-e":          "#!/bin/sh\t-e",
		"#!/x/a&b|c -e":                    "#!/bin/a&b|c -e",
		"#!/x/it's":                        "#!/bin/it's",
		"#!/bin/sh -e\r":                   "#!/bin/sh -e\r", // the argument is wrong, not the interpreter
		"#!/x/sh /x/sh\t":                  "#!/bin/sh /x/sh\t",
		"#!/bin/sh\r":                      "#!/bin/sh",
		"\xef\xbb\xbf#!/bin/sh":            "#!/bin/sh",
		"#!":                               "#!/bin/sh",
		"#!/usr/env/bin/env sh -e":         "#!/usr/env/bin/env -S sh -e",
		"echo":                             "#!/bin/sh\necho",
		"#!/x/\\1\\n&/sh":                  "#!/bin/sh",
		"#!/" + strings.Repeat("x", 300):   "#!/" + strings.Repeat("x", 300), // words, no command
		"#!/x/`touch\t\"PWN\"`/none-of-it": "#!/x/`touch\t\"PWN\"`/none-of-it",
	} {
		dir := t.TempDir()
		script := filepath.Join(dir, "it's a; script")
		if err := os.WriteFile(script, []byte(line+"\nrest\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		files["/usr/env/bin/env"] = files["/bin/sh"]
		files[script] = file(line + "\nrest\n")
		remedy := Explain(world(t, files), script).Verdict.Remedy
		if strings.HasPrefix(remedy, "sed ") || strings.HasPrefix(remedy, "printf ") {
			cmd := osexec.Command("/bin/sh", "-c", remedy)
			cmd.Dir = dir
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%q: %s: %v\n%s", line, remedy, err, out)
			}
		}
		got, err := os.ReadFile(script)
		if err != nil || string(got) != want+"\nrest\n" {
			t.Errorf("%q became %q by %s, want %q", line, got, remedy, want)
		}
		if _, err := os.Stat(filepath.Join(dir, "PWN")); err == nil {
			t.Errorf("%q: %s runs what the script says", line, remedy)
		}
		delete(files, script)
	}
}
