package selftest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// question is something that tells what machine a program takes this for.
type question struct {
	name string
	// script answers; it ends with status absent when the jail has no such
	// program.
	script string
	// want is the answer where it is known without asking the root's own
	// programs; nil when it is not.
	want func(t *test) string
}

const ifThere = "command -v %s >/dev/null || exit 111\n"

// questions are what configure scripts and packages ask.
var questions = []question{
	{"uname-m", "uname -m", func(t *test) string { return t.s.Machine }},
	{"uname", "uname -s; uname -p; uname -i; uname -o", nil},
	{"arch", fmt.Sprintf(ifThere, "arch") + "arch", func(t *test) string { return t.s.Machine }},
	{"bash", fmt.Sprintf(ifThere, "bash") + `bash -c 'echo "$HOSTTYPE $MACHTYPE $OSTYPE"'`, func(t *test) string {
		return t.fromEnv("HOSTTYPE", "MACHTYPE", "OSTYPE")
	}},
	{"make", fmt.Sprintf(ifThere, "make") + "printf 'all: ; @echo $(MAKE_HOST)\\n' >tmp/host.mk; make -s -f tmp/host.mk", func(t *test) string {
		return t.fromEnv("MAKE_HOST")
	}},
	{"dpkg", fmt.Sprintf(ifThere, "dpkg") + "dpkg --print-architecture", func(t *test) string { return t.s.Target.Debian }},
	{"dpkg-architecture", fmt.Sprintf(ifThere, "dpkg-architecture") + "dpkg-architecture -qDEB_BUILD_ARCH", func(t *test) string { return t.s.Target.Debian }},
	{"getconf", fmt.Sprintf(ifThere, "getconf") + "getconf LONG_BIT", func(t *test) string { return fmt.Sprint(t.s.Target.Class) }},
	{"perl", fmt.Sprintf(ifThere, "perl") + "perl -V:archname -V:byteorder -V:ptrsize", nil},
}

// fromEnv are values that the manifest gives to programs; "" when it has not all.
func (t *test) fromEnv(names ...string) string {
	var values []string
	for _, name := range names {
		i := slices.IndexFunc(t.s.Manifest.Env, func(kv string) bool { return strings.HasPrefix(kv, name+"=") })
		if i < 0 {
			return ""
		}
		values = append(values, t.s.Manifest.Env[i][len(name)+1:])
	}
	return strings.Join(values, " ")
}

// identity looks that nothing says that this is the host's architecture.
func (t *test) identity(ctx context.Context) error {
	var list []step
	for _, q := range questions {
		list = append(list, step{q.name, q.script})
	}
	ours, err := t.run(ctx, "identity", hybrid, list)
	if err != nil || ours == nil {
		return err
	}
	var theirs map[string]outcome
	if !t.o.Quick {
		if theirs, err = t.run(ctx, "identity", emulated, list); err != nil || theirs == nil && t.s.Nxb == nil {
			return err
		}
	}
	var wrong []string
	asked := 0
	for _, q := range questions {
		a := ours[q.name]
		if a.absent() || t.nxbMute(q, a, theirs) {
			continue
		}
		asked++
		wrong = append(wrong, t.judgeAnswer(q, a, theirs)...)
	}
	if len(wrong) > 0 {
		t.failed("identity", fault.WrongArch, "programs take the jail for another machine than the root's own do", wrong)
		return nil
	}
	if asked > 0 {
		t.ok("identity", "uname and %d others tell %s", asked-1, t.s.Target.Name)
	}
	return nil
}

func (t *test) judgeAnswer(q question, a outcome, theirs map[string]outcome) []string {
	said := strings.TrimSpace(a.out)
	if q.want != nil {
		if want := q.want(t); want != "" && said != want && !t.isNxbAnswer(q, a) {
			return []string{fmt.Sprintf("%s: %q, want %q", q.name, said, want)}
		}
	}
	if t.s.Nxb != nil && !theirs[q.name].good() && a.good() {
		return nil // the emulator does not run it for an emulated shell
	}
	if b, ok := theirs[q.name]; ok && (a.out != b.out || a.status != b.status) {
		return differing(q.name, a.out+fmt.Sprint(a.status), b.out+fmt.Sprint(b.status))
	}
	return nil
}
