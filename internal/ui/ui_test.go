package ui

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1024: "1.0 KiB", 1536: "1.5 KiB", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB", 3 << 50: "3.0 PiB"} {
		if got := Size(n); got != want {
			t.Errorf("Size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestTable(t *testing.T) {
	var b bytes.Buffer
	if err := Table(&b, []string{"A", "B"}, [][]string{{"long", ""}, {"x", "y"}}); err != nil {
		t.Fatal(err)
	}
	if want := "A     B\nlong\nx     y\n"; b.String() != want {
		t.Errorf("Table = %q, want %q", b.String(), want)
	}
	b.Reset()
	if err := Table(&b, []string{"A"}, nil); err != nil || b.Len() > 0 {
		t.Errorf("an empty table prints %q", b.String())
	}
	if err := Pairs(&b, [][]string{{"jail", "x"}, {"", "y"}}); err != nil || b.String() != "jail  x\n      y\n" {
		t.Errorf("Pairs = %q", b.String())
	}
}

func TestTableWithin(t *testing.T) {
	header, rows := []string{"STATE", "WHY"}, [][]string{{"built", "the build made it: nothing native does the same"}, {"native", ""}, {"x", strings.Repeat("long", 9)}}
	for columns, want := range map[int]string{
		0:  "STATE   WHY\nbuilt   the build made it: nothing native does the same\nnative\nx       " + strings.Repeat("long", 9) + "\n",
		40: "STATE   WHY\nbuilt   the build made it: nothing\n        native does the same\nnative\nx       longlonglonglonglonglonglonglon…\n",
		20: "STATE   WHY\nbuilt   the build m…\nnative\nx       longlonglon…\n",
		1:  "…\n…\n…\n…\n",
	} {
		var b bytes.Buffer
		if err := TableWithin(&b, columns, header, rows); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("%d columns:\n%s", columns, b.String())
		}
	}
}

// The clock is ours, so the exact bytes can be told.
func newTestProgress(w *bytes.Buffer, tty bool) (*Progress, *time.Time) {
	p := NewProgress(w, false)
	now := time.Unix(1000, 0)
	p.tty, p.now = tty, func() time.Time { return now }
	return p, &now
}

func TestProgressOnTerminal(t *testing.T) {
	var b bytes.Buffer
	p, now := newTestProgress(&b, true)
	p.Step("extract", "unpack it")
	*now = now.Add(2 * time.Second)
	p.Update(10<<20, 40<<20, 7)
	p.Update(11<<20, 40<<20, 8) // too early to draw again
	if _, err := p.Log().Write([]byte("noise\n")); err != nil {
		t.Fatal(err)
	}
	p.Close()
	p.Close()
	want := "xjail: extract: unpack it\n" +
		"extract, 10.0 MiB of 40.0 MiB, 25 %, 7 entries, 5.0 MiB/s, 6s left" +
		"\r\x1b[Knoise\n"
	if b.String() != want {
		t.Errorf("got  %q\nwant %q", b.String(), want)
	}
}

func TestProgressElsewhere(t *testing.T) {
	var b bytes.Buffer
	p, now := newTestProgress(&b, false)
	p.Step("debian", "install it")
	*now = now.Add(time.Minute)
	p.Update(1, 2, 3)
	p.Close()
	if want := "xjail: debian: install it\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	if line := p.line(); !strings.Contains(line, "50 %") {
		t.Errorf("line = %q", line)
	}
}
