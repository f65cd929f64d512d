package poudriere

import (
	"context"
	"errors"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/poudrieretest"
	"github.com/xjail/xjail/internal/fault"
)

func defaults() map[string]int {
	now := map[string]int{}
	for _, l := range limits {
		now[l.name] = l.seconds
	}
	return now
}

func TestRaiseLimits(t *testing.T) {
	for _, tt := range []struct {
		slowness float64
		want     string
	}{
		{1, "86400 3600 3600 7200 3600 7200 345600 21600"},
		{0, "86400 3600 3600 7200 3600 7200 345600 21600"},
		{1.01, "87300 3660 3660 7320 3660 7320 345600 21600"},
		{3.5, "302400 12600 12600 25200 12600 25200 345600 25200"},
		{12, "1036800 43200 43200 86400 43200 86400 1036800 86400"},
		{1e9, "8640000 360000 360000 720000 360000 720000 8640000 720000"},
	} {
		var words []string
		for _, v := range RaiseLimits(defaults(), tt.slowness) {
			words = append(words, strings.TrimPrefix(LimitLines([]LimitValue{v}), v.Name+"="))
			if v.Seconds < v.Own {
				t.Errorf("%g: %s is lowered", tt.slowness, v.Name)
			}
		}
		if got := strings.ReplaceAll(strings.TrimSpace(strings.Join(words, "")), "\n", " "); got != tt.want {
			t.Errorf("%g: got %s, want %s", tt.slowness, got, tt.want)
		}
	}
}

// The file goes with the registration, as long as it is xjail's.
func TestSetLimits(t *testing.T) {
	w := newWorld(t)
	values := RaiseLimits(defaults(), 12)
	if _, err := w.SetLimits(w.subject, 12, values); fault.KindOf(err) != fault.NotFound {
		t.Errorf("of a jail that is not registered: %v", err)
	}
	if _, err := w.register(t, Request{}); err != nil {
		t.Fatal(err)
	}
	file := w.ConfFile("13mips64")
	writeFile(t, file, "# mine\n")
	if _, err := w.SetLimits(w.subject, 12, values); fault.KindOf(err) != fault.Exists {
		t.Errorf("over another's: %v", err)
	}
	if text, _ := os.ReadFile(file); string(text) != "# mine\n" {
		t.Errorf("another's file is %q now", text)
	}
	_ = os.Remove(file)
	for _, slowness := range []float64{12, 20} {
		if f, err := w.SetLimits(w.subject, slowness, values); err != nil || f.Path != file {
			t.Errorf("%+v, %v", f, err)
		}
	}
	// It survives that the jail is registered anew.
	if r, err := w.register(t, Request{Renew: true}); err != nil || r.Limits == nil {
		t.Errorf("%+v, %v", r, err)
	}
	if rm, err := w.Unregister(t.Context(), w.subject.Dir); err != nil || len(rm.Paths) != 2 {
		t.Errorf("%+v, %v", rm, err)
	}
	w.wantNothing(t)
}

// What shells print for times.
func TestParseTimes(t *testing.T) {
	for name, text := range map[string]string{
		"dash":    "0m0.200000s 0m0.100000s\n0m0.000000s 0m0.000000s\n0m0.200000s 0m0.200000s\n0m0.500000s 0m0.400000s\n",
		"bash":    "0m0.200s 0m0.100s\n0m0.000s 0m0.000s\n0m0.200s 0m0.200s\n0m0.500s 0m0.400s\n",
		"comma":   "0m0,200s 0m0,100s\n0m0,000s 0m0,000s\n0m0,200s 0m0,200s\n0m0,500s 0m0,400s\n",
		"FreeBSD": "0m0.20s 0m0.10s\n0m0.00s 0m0.00s\n0m0.20s 0m0.20s\n0m0.50s 0m0.40s\n",
	} {
		got, err := parseTimes(text, 10000, 10)
		if err != nil || got.Loop != 30*time.Millisecond || got.Start != 100*time.Millisecond {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, text := range []string{"", "0m1s", "sh: times: not found", strings.Repeat("0m1s ", 9)} {
		if _, err := parseTimes(text, 1, 1); err == nil {
			t.Errorf("%q is an answer", text)
		}
	}
}

// The script runs in every shell, and the same machine is not much slower than
// itself.
func TestMeasure(t *testing.T) {
	for _, sh := range poudrieretest.Shells(t) {
		run := func(ctx context.Context, script string) (string, error) {
			out, err := exec.CommandContext(ctx, sh[0], append(sh[1:len(sh):len(sh)], "-c", script)...).Output()
			return string(out), err
		}
		m, err := Measure(t.Context(), run, run)
		if err != nil || m.Factor < 1 || math.IsInf(m.Factor, 0) || m.Jail.Start <= 0 || m.Machine.Loop <= 0 {
			t.Errorf("%s: %+v, %v", poudrieretest.Name(sh), m, err)
		}
	}
	failure := errors.New("for the test")
	bad := func(context.Context, string) (string, error) { return "", failure }
	if _, err := Measure(t.Context(), bad, bad); !errors.Is(err, failure) || !strings.Contains(fault.HintOf(err), "--slowness") {
		t.Errorf("%v", err)
	}
}

func FuzzParseTimes(f *testing.F) {
	f.Add("0m0.20s 0m0.10s\n0m0.00s 0m0.00s\n0m0.20s 0m0.20s\n0m0.50s 0m0.40s\n")
	f.Add("99999999999999999999m1s 0m0.10s 0m0.00s 0m0.00s 0m0.20s 0m0.20s 0m0.50s 0m0.40s")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := parseTimes(text, jailRounds, jailStarts); err == nil && (c.Loop <= 0 || c.Start <= 0) {
			t.Errorf("%+v", c)
		}
	})
}

func FuzzLoginEnv(f *testing.F) {
	f.Add(loginConfText)
	f.Fuzz(func(t *testing.T, text string) {
		for _, kv := range loginEnv(text) {
			if !strings.Contains(kv, "=") {
				t.Errorf("%q", kv)
			}
		}
	})
}

func FuzzRoot(f *testing.F) {
	f.Add("#define __FreeBSD_version 1302001\n")
	f.Add("REVISION=\"13.2\"\nBRANCH=\"RELEASE\"\n")
	f.Fuzz(func(t *testing.T, text string) {
		if n := parseOSVersion([]byte(text)); n != 0 && (n < 100000 || n > 99999999) {
			t.Error(n)
		}
		if v := parseNewVersion([]byte(text)); strings.ContainsAny(v, "\n /&") {
			t.Errorf("%q", v)
		}
	})
}
