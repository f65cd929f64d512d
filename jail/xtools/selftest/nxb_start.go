package selftest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools/nxb"
)

// nxbStart has the run-time linker list what each relocated program would load, and
// lets the small programs work.
func (t *test) nxbStart(ctx context.Context) error {
	linked := slices.DeleteFunc(slices.Clone(t.s.Nxb.Files), func(f nxb.File) bool { return f.Kind != nxb.Relocated })
	runs := slices.DeleteFunc(slices.Clone(nxbRuns), func(r nxbRun) bool { return !t.has(r.needs) })
	list := []step{{"libraries", nxbLinkScript(linked)}}
	for _, r := range runs {
		list = append(list, step{r.step(), r.script})
	}
	found, err := t.run(ctx, "start", hybrid, list)
	if err != nil || found == nil {
		return err
	}
	t.judgeNxbLinks(found["libraries"], linked)
	var wrong []string
	for _, r := range runs {
		if o := found[r.step()]; !o.good() {
			wrong = append(wrong, r.name+": "+strings.Join(o.why(), " "))
		} else if o.out != r.want {
			wrong = append(wrong, fmt.Sprintf("%s: it says %q, want %q", r.name, o.out, r.want))
		}
	}
	if len(wrong) > 0 {
		t.failed("start", fault.Failed, fmt.Sprintf("%d of %d trials of the small programs went wrong", len(wrong), len(runs)), wrong)
		return nil
	}
	t.ok("start", "the small programs start and do their work, in %d trials", len(runs))
	return nil
}

// nxbLinkScript asks the relocated run-time linker, whose variables begin with NX_
// (ld-elf.so.1(1), LD_TRACE_LOADED_OBJECTS). Nothing of the programs is run.
func nxbLinkScript(files []nxb.File) string {
	var b strings.Builder
	for _, f := range files {
		name := quote(nxbDir + "/" + f.Path)
		fmt.Fprintf(&b, "echo '%s'%s; NX_TRACE_LOADED_OBJECTS=1 %s 2>&1 || echo \"not found: status $?\"\n", header, name, name)
	}
	return b.String()
}

// judgeNxbLinks looks that every library is there, and native.
func (t *test) judgeNxbLinks(o outcome, files []nxb.File) {
	if len(files) == 0 {
		t.ok("link", "all native programs are static")
		return
	}
	var wrong []string
	all := sections(o.out)
	for _, f := range files {
		name := nxbDir + "/" + f.Path
		if why := nxbLinkTrouble(all[name]); why != "" {
			wrong = append(wrong, name+": "+why)
		}
	}
	switch {
	case len(wrong) > 0:
		t.failed("link", fault.Failed, fmt.Sprintf("%d of %d native programs do not link in the jail", len(wrong), len(files)), wrong)
	case !o.good():
		t.failed("link", fault.Failed, "the run-time linker was not started for all", o.why())
	default:
		t.ok("link", "%d native programs link, to native libraries only", len(files))
	}
}

// nxbLinkTrouble is what is wrong with what a program would load; "" for nothing.
func nxbLinkTrouble(said string) string {
	n := 0
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		_, from, is := strings.Cut(line, " => ")
		switch {
		case linkTrouble().MatchString(line), is && !strings.HasPrefix(from, nxbDir+"/lib/"):
			return line
		case is:
			n++
		}
	}
	if n == 0 {
		return "it loads no library: " + strings.TrimSpace(said)
	}
	return ""
}

// nxbRun is something that small programs do together.
type nxbRun struct {
	name, script, want string
	needs              []string // programs below /nxb-bin that it is about
}

func (r nxbRun) step() string { return "small-" + r.name }

// nxbRuns are what builds have them do. They leave nothing but files in tmp.
var nxbRuns = []nxbRun{
	{"sh", `/nxb-bin/bin/sh -c 'echo $((6*7))'`, "42\n", []string{"bin/sh"}},
	{"text", `printf 'b 2\na 1\nb 2\n' | sort | uniq | awk '{ print $2 $1 }' | tr a-z A-Z | grep -v x | sed s/A/a/ | head -n 2`, "1a\n2B\n",
		[]string{"usr/bin/sort", "usr/bin/awk", "usr/bin/sed"}},
	{"files", `echo x >tmp/x && cp tmp/x tmp/y && mv tmp/y tmp/z && ln -f tmp/z tmp/w && chmod 600 tmp/w && cat tmp/w && rm tmp/x tmp/z tmp/w && test ! -e tmp/x && echo gone`, "x\ngone\n",
		[]string{"bin/cp", "bin/mv", "bin/ln", "bin/cat", "bin/rm"}},
	{"find", `mkdir -p tmp/d/e && echo 1 >tmp/d/e/f && find tmp/d -type f | xargs cat && rm -r tmp/d`, "1\n", []string{"usr/bin/find", "usr/bin/xargs"}},
	{"make", `printf 'all:\n\t@echo made\n' >tmp/mk && make -r -f tmp/mk && rm tmp/mk`, "made\n", []string{"usr/bin/make"}},
	{"tar", `echo t >tmp/t && tar -cf tmp/t.tar tmp/t && tar -tf tmp/t.tar && rm tmp/t tmp/t.tar`, "tmp/t\n", []string{"usr/bin/tar"}},
	{"gzip", `echo zipped | gzip | gzip -d`, "zipped\n", []string{"usr/bin/gzip"}},
	{"bzip2", `echo zipped | bzip2 | bzip2 -d`, "zipped\n", []string{"usr/bin/bzip2"}},
	{"xz", `echo zipped | xz | xz -d`, "zipped\n", []string{"usr/bin/xz"}},
	{"install", `echo i >tmp/i && install -m 755 tmp/i tmp/j && test -x tmp/j && cat tmp/j && rm tmp/i tmp/j`, "i\n", []string{"usr/bin/install"}},
	{"m4", `echo 'define(x,42)x' | m4`, "42\n", []string{"usr/bin/m4"}},
	// What makes emulated programs load a library must not reach native ones.
	{"environment", `export LD_LIBRARY_PATH=/lib LD_PRELOAD=/lib/libc.so.7; echo native | /nxb-bin/usr/bin/sed s/n/N/`, "Native\n", []string{"bin/sh", "usr/bin/sed"}},
}
