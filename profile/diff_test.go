package profile_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/profiletest"
)

// tools is a profile in which the programs that are named cost a millisecond
// natively, and ten emulated.
func tools(t *testing.T, names ...string) *profile.Profile {
	m := profiletest.NewMaker(t, profiletest.Header())
	for i, name := range names {
		if path, ok := strings.CutPrefix(name, "emulated "); ok {
			m.Exit(m.Start(i, profiletest.Emulated(path)), i+1, 9, 1, 0)
		} else {
			m.Exit(m.Start(i, profiletest.Native(name)), i+1, 1, 0, 0)
		}
	}
	return profiletest.Read(t, m.Close(100, 0, 0))
}

func TestCompare(t *testing.T) {
	before := tools(t, "emulated /bin/sed", "emulated /bin/sed", "/bin/sed", "emulated /bin/mv", "/bin/cc", "/bin/old", "emulated /bin/cat", "/bin/uname")
	after := tools(t, "/bin/sed", "/bin/sed", "/bin/sed", "/nxb-bin/bin/mv", "/bin/cc", "/bin/new", "emulated /bin/cat", "emulated /bin/uname")
	d := profile.Compare(before, after, "a", "b", profile.DiffOptions{})
	got := map[string]*profile.Change{}
	for _, c := range d.Programs {
		got[c.Program] = c
	}
	for name, what := range map[string]string{"/bin/sed": profile.BecameNative, "/bin/mv": profile.BecameNative, "/bin/cc": "",
		"/bin/old": profile.IsGone, "/bin/new": profile.IsNew, "/bin/cat": "", "/bin/uname": profile.BecameEmulated} {
		if c := got[name]; c == nil || c.What != what {
			t.Errorf("%s: %+v, want %q", name, c, what)
		}
	}
	if len(got) != 7 || len(d.Notes) != 0 {
		t.Errorf("%d programs, notes %q", len(got), d.Notes)
	}
	sed := got["/bin/sed"]
	if b, a := sed.Before, sed.After; b.Execs != 3 || b.EmulatedExecs != 2 || b.CPU != 21*ms || b.EmulatedCPU != 20*ms || a.Execs != 3 || a.EmulatedExecs != 0 || a.CPU != 3*ms {
		t.Errorf("%+v", sed)
	}
	if d.Programs[0] != sed || !slices.Equal(got["/bin/mv"].After.Paths, []string{"/nxb-bin/bin/mv"}) {
		t.Errorf("%+v", d.Programs[0])
	}
	d = profile.Compare(before, after, "a", "b", profile.DiffOptions{Changed: true, Top: 2, Sort: "emulated"})
	if len(d.Programs) != 2 || d.LeftOut != 3 || d.Programs[1].After.Failures != 0 {
		t.Errorf("%+v", d)
	}
}

// What makes two profiles differ is said and not made up for.
func TestIncomparable(t *testing.T) {
	h := profiletest.Header()
	h.Command, h.Jail, h.Host = []string{"make"}, "other", "arm64"
	m := profiletest.NewMaker(t, h)
	m.Start(0, profiletest.Native("/bin/make"))
	other := profiletest.Read(t, m.Cut())
	d := profile.Compare(profiletest.Read(t, profiletest.Build(t)), other, "a", "b", profile.DiffOptions{})
	for _, want := range []string{"not finished: 1 ", "commands differ", "jails differ", "machines differ"} {
		if !slices.ContainsFunc(d.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("%q: nothing of %s", d.Notes, want)
		}
	}
}

func TestCompareWithItself(t *testing.T) {
	for seed := range uint64(20) {
		p := profiletest.Read(t, profiletest.Random(t, seed, 300))
		d := profile.Compare(p, p, "a", "a", profile.DiffOptions{})
		if len(d.Programs) == 0 || len(d.Notes) > 0 {
			t.Fatalf("%+v", d)
		}
		for _, c := range d.Programs {
			if c.Before.Cost != c.After.Cost || c.Before.EmulatedCPU != c.After.EmulatedCPU || c.What != "" {
				t.Errorf("%+v", c)
			}
		}
	}
}

func TestCommandLine(t *testing.T) {
	for _, c := range []struct {
		argv []string
		cut  bool
		want string
	}{
		{[]string{"cc", "-O2", "CFLAGS=-g", "a b", "it's", ""}, false, `cc -O2 CFLAGS=-g 'a b' 'it'\''s' ''`},
		{[]string{"x\x1b[1m", "\xff"}, true, `"x\x1b[1m" "\xff" …`},
		{nil, false, ""},
	} {
		if got := profile.CommandLine(c.argv, c.cut); got != c.want {
			t.Errorf("%q: %s, want %s", c.argv, got, c.want)
		}
	}
}
