package buildlog

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

// TestReadKeepsHeadAndTail compares what is kept of logs with all of their lines.
func TestReadKeepsHeadAndTail(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 1000, headSize, tailSize - 1, tailSize, tailSize + 1, blockSize + tailSize, 3*blockSize + 17, 5 * blockSize} {
		var log bytes.Buffer
		for n := 1; log.Len() < size; n++ {
			fmt.Fprintf(&log, "line %d %s\n", n, strings.Repeat("x", r.IntN(300)))
		}
		all := splitLines(nil, log.Bytes(), 1, false)
		got := read(iotest.HalfReader(bytes.NewReader(log.Bytes())))
		if got.count != len(all) || got.size != int64(log.Len()) {
			t.Errorf("%d bytes: %d lines of %d bytes, want %d of %d", size, got.count, got.size, len(all), log.Len())
		}
		for _, l := range got.lines {
			if all[l.Number-1] != l {
				t.Fatalf("%d bytes: line %d is %q, want %q", size, l.Number, l.Text, all[l.Number-1].Text)
			}
		}
		kept := 0
		for _, l := range got.lines {
			kept += len(l.Text) + 2
		}
		if want := min(log.Len(), tailSize-400); kept < want {
			t.Errorf("%d bytes: %d kept, want %d", size, kept, want)
		}
		if n := len(all); n > 0 && (got.lines[0] != all[0] || got.lines[len(got.lines)-1] != all[n-1]) {
			t.Errorf("%d bytes: first or last line is not there", size)
		}
	}
}

// TestReadWindows finds what is far from both ends.
func TestReadWindows(t *testing.T) {
	filler := strings.Repeat("cc -O2 -c file.c\n", 100_000)
	log := filler + "=======================<phase: build          >============================\n" + filler +
		"/usr/local/bin/cargo build\nqemu: uncaught target signal 11 (Segmentation fault) - core dumped\ngmake: *** [all] Error 1\n" + filler
	x := read(strings.NewReader(log))
	found := map[int]string{}
	for i, l := range x.lines {
		found[l.Number] = l.Text
		if i > 0 && l.Number <= x.lines[i-1].Number {
			t.Fatalf("line %d after %d", l.Number, x.lines[i-1].Number)
		}
	}
	for number, want := range map[int]string{100_001: "=<phase: build ", 200_002: "cargo", 200_003: "uncaught", 200_004: "*** "} {
		if !strings.Contains(found[number], want) {
			t.Errorf("line %d is %q", number, found[number])
		}
	}
	v := Classify(strings.NewReader(log), "")
	if v.Cause != EmulatorCrash || v.Program != "cargo" || v.Phase != "build" || v.Evidence[0].Number != 200_003 {
		t.Errorf("verdict %+v", v)
	}
}

// endless is a log of n bytes with no line's end but every period bytes.
type endless struct {
	n, at  int64
	period int64
}

func (e *endless) Read(p []byte) (int, error) {
	if e.at >= e.n {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), e.n-e.at)]
	for i := range p {
		p[i] = 'x'
		if e.at++; e.at%e.period == 0 {
			p[i] = '\n'
		}
	}
	return len(p), nil
}

// TestBoundedMemory reads logs that do not fit what is kept.
func TestBoundedMemory(t *testing.T) {
	for _, period := range []int64{80, 1 << 20, 1 << 40} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v := Classify(&endless{n: 64 << 20, period: period}, "build")
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 16<<20 {
			t.Errorf("lines of %d bytes: %d bytes were allocated for 64 MiB", period, n)
		}
		if v.Cause != Unknown {
			t.Errorf("verdict %+v", v)
		}
	}
}

func TestReadError(t *testing.T) {
	log := "virtual memory exhausted: Cannot allocate memory\n"
	v := Classify(io.MultiReader(strings.NewReader(log), iotest.ErrReader(io.ErrClosedPipe)), "")
	if v.Cause != OutOfMemory {
		t.Errorf("verdict %+v on what could be read", v)
	}
}

func TestClean(t *testing.T) {
	long := strings.Repeat("a", 3000) + strings.Repeat("b", 3000)
	for in, want := range map[string]string{
		"plain":                          "plain",
		"\x1b[1;31mred\x1b[0m end":       "red end",
		"\x1b]0;title\x07text":           "text",
		"\x1b]8;;http://x\x1b\\link":     "link",
		"\x1b(Bx\x1b[my":                 "xy",
		"bell\x07 \x00nul \u0085c1":      "bell nul c1",
		"bad \xff\xfe utf":               "bad \ufffd utf",
		"[00:00:01] =>> Killing":         "=>> Killing",
		"[20220215013704] ===> x":        "===> x",
		"#51 796.8 aarch64":              "aarch64",
		"2025-01-13T01:20:52.0478332Z a": "a",
		" => => # qemu: x":               "qemu: x",
		"[ 47%] Building C object x.o":   "[ 47%] Building C object x.o",
		"[1/2] Compiling":                "[1/2] Compiling",
		"0.17.0 is old":                  "0.17.0 is old",
		"12 tests failed":                "12 tests failed",
		"tab\tkept   ":                   "tab\tkept",
		long:                             long[:lineSize/2] + "..." + long[len(long)-lineSize/2:],
	} {
		if got := clean([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestCarriageReturns has progress bars: each state is a line of the same number.
func TestCarriageReturns(t *testing.T) {
	lines := splitLines(nil, []byte("0%\r50%\r100%\nnext\r\n\rlast"), 1, false)
	want := []Line{{1, "0%"}, {1, "50%"}, {1, "100%"}, {2, "next"}, {3, "last"}}
	if fmt.Sprint(lines) != fmt.Sprint(want) {
		t.Errorf("%v, want %v", lines, want)
	}
}
