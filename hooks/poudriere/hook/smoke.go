package hook

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/rootpath"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// smokePatience is how long a step of the trial may take. An emulated compiler
// takes some seconds for it on a busy machine.
const smokePatience = time.Minute

// The trial is in a directory of the reference that goes with it.
const (
	smokeDir    = "tmp/.xjail-smoke"
	smokeSource = "#include <stdio.h>\nint main(void) { return puts(\"xjail\") < 0; }\n"
)

// smoke compiles, links and runs a program in the reference, by the compiler that
// poudriere's make.conf names, and tries a few tools. A compiler that makes
// programs of another machine is a Stop: every package would be wrong. Where
// nothing can be run from here, or the jail has no compiler, nothing is tried.
func (j *job) smoke(ctx context.Context, ref *os.Root) (err error) {
	name := j.call.Getenv("MASTERNAME")
	cc := compilerOf(ref)
	if j.exec == nil || name == "" || cc == "" {
		return nil
	}
	dropSmoke(ref)
	if err := ref.Mkdir(smokeDir, 0o755); err != nil {
		return nil //nolint:nilerr // no room for a trial is no failure of what is tried
	}
	defer dropSmoke(ref)
	if err := ref.WriteFile(smokeDir+"/hello.c", []byte(smokeSource), 0o644); err != nil {
		return nil //nolint:nilerr // likewise
	}
	run := func(argv ...string) (string, error) {
		limited, cancel := context.WithTimeout(ctx, smokePatience)
		defer cancel()
		out, err := j.exec(limited, name, argv...)
		said := strings.TrimSpace(string(out))
		switch {
		case limited.Err() != nil:
			return said, fmt.Errorf("%s does not end", argv[0])
		case err != nil:
			return said, fmt.Errorf("%s: %w: %s", argv[0], err, brief(lastLine(said)))
		}
		return said, nil
	}
	program := "/" + smokeDir + "/hello"
	if _, err := run(cc, "-o", program, program+".c"); err != nil {
		return err
	}
	if err := j.rightMachine(ref, cc); err != nil {
		return err
	}
	for _, argv := range [][]string{{program}, {"/bin/sh", "-c", smokeTools}} {
		said, err := run(argv...)
		if err != nil {
			return err
		}
		// An emulator may have something to say besides.
		if !slices.Contains(strings.Split(said, "\n"), "xjail") {
			return fmt.Errorf("%s says %q", argv[0], brief(said))
		}
	}
	return nil
}

// smokeTools has a few of the tools work together.
const smokeTools = `printf 'b\nxjbil\nb\n' | grep -v '^b$' | tr b a | sort | uniq`

// brief is as much of what a program says as is worth a line.
func brief(text string) string {
	if len(text) > 200 {
		return strings.ToValidUTF8(text[:200], "") + "..."
	}
	return text
}

// lastLine is what a failed program has to say.
func lastLine(text string) string {
	return text[strings.LastIndex(text, "\n")+1:]
}

// compilerOf is the compiler that ports are built with; "" when there is none.
func compilerOf(ref *os.Root) string {
	for _, cc := range []string{path.Join(nxb.Dir, "usr/bin/cc"), "usr/bin/cc"} {
		if _, err := rootpath.Resolve(ref, cc); err == nil {
			return "/" + cc
		}
	}
	return ""
}

// rightMachine looks at what was compiled.
func (j *job) rightMachine(ref *os.Root, cc string) error {
	f, err := rootpath.Open(ref, smokeDir+"/hello")
	if err != nil {
		return fmt.Errorf("%s makes no program: %w", cc, err)
	}
	defer f.Close()
	id, err := arch.Identify(f)
	if err != nil {
		return fmt.Errorf("what %s makes is no program: %w", cc, err)
	}
	if j.arch.Accepts(id) == nil {
		return nil
	}
	remedy := "remove /" + nxb.Dir + " of " + j.jail.Mnt
	if name, m, _ := j.Store.NxbOf(j.jail.Mnt); m != nil {
		remedy = "xjail tools install " + name + " twin"
	}
	return stop("%s compiles for %s, not for %s, so that every package would be wrong: %s", cc, id.Name, j.arch.Name, remedy)
}

// dropSmoke removes the trial's files, which are in a directory that the jail may
// have changed.
func dropSmoke(ref *os.Root) {
	for _, name := range []string{"hello.c", "hello", ""} {
		if err := ref.Remove(path.Join(smokeDir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return
		}
	}
}
