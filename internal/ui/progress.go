package ui

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Progress shows long work on one line of a terminal, ten times a second. When
// it is not a terminal only the steps are printed; in any case a signal
// (SIGINFO, which is Ctrl-T, on the BSDs; SIGUSR1 elsewhere) prints a line.
type Progress struct {
	mu      sync.Mutex
	w       io.Writer
	quiet   bool
	tty     bool
	now     func() time.Time
	name    string
	what    string
	began   time.Time
	drawn   time.Time
	done    int64
	total   int64
	entries int64
	online  bool // a status line is on the screen
	signals chan os.Signal
}

// redraw is the time between two drawings of the line.
const redraw = 100 * time.Millisecond

// NewProgress writes to w. quiet shows nothing but what a signal asks for.
func NewProgress(w io.Writer, quiet bool) *Progress {
	p := &Progress{w: w, quiet: quiet, now: time.Now, signals: make(chan os.Signal, 1)}
	if f, ok := w.(*os.File); ok {
		p.tty = term.IsTerminal(int(f.Fd()))
	}
	signal.Notify(p.signals, askSignals...)
	go p.answer(p.signals)
	return p
}

// answer prints a line for each signal until the channel is closed.
func (p *Progress) answer(signals <-chan os.Signal) {
	for range signals {
		p.mu.Lock()
		p.erase()
		fmt.Fprintf(p.w, "xjail: %s\n", p.line())
		p.mu.Unlock()
	}
}

// Step begins a step.
func (p *Progress) Step(name, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	p.name, p.what, p.began = name, what, p.now()
	p.done, p.total, p.entries = 0, 0, 0
	if !p.quiet {
		fmt.Fprintf(p.w, "xjail: %s: %s\n", name, what)
	}
}

// Update says how far the step is: bytes, of how many (-1 or 0 when nobody
// knows), and entries made.
func (p *Progress) Update(done, total, entries int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.entries = done, total, entries
	if p.quiet || !p.tty || p.now().Sub(p.drawn) < redraw {
		return
	}
	p.drawn = p.now()
	p.erase()
	fmt.Fprint(p.w, p.line())
	p.online = true
}

// line is the state of the step in words.
func (p *Progress) line() string {
	elapsed := p.now().Sub(p.began)
	parts := []string{p.name}
	if p.done > 0 {
		size := Size(p.done)
		if p.total > 0 {
			size = fmt.Sprintf("%s of %s, %d %%", size, Size(p.total), p.done*100/p.total)
		}
		parts = append(parts, size)
	}
	if p.entries > 0 {
		parts = append(parts, fmt.Sprintf("%d entries", p.entries))
	}
	if seconds := elapsed.Seconds(); p.done > 0 && seconds > 0.2 {
		parts = append(parts, Size(int64(float64(p.done)/seconds))+"/s")
		if p.total > p.done {
			left := time.Duration(float64(elapsed) * float64(p.total-p.done) / float64(p.done))
			parts = append(parts, left.Round(time.Second).String()+" left")
		}
	}
	if p.done == 0 {
		parts = append(parts, p.what, elapsed.Round(time.Second).String())
	}
	return strings.Join(parts, ", ")
}

// erase takes the status line off the screen.
func (p *Progress) erase() {
	if p.online {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.online = false
	}
}

// Log is a writer for the output of other programs, above the status line.
func (p *Progress) Log() io.Writer {
	if p.quiet {
		return io.Discard
	}
	return logWriter{p}
}

type logWriter struct{ p *Progress }

func (l logWriter) Write(b []byte) (int, error) {
	l.p.mu.Lock()
	defer l.p.mu.Unlock()
	l.p.erase()
	return l.p.w.Write(b)
}

// Clear takes the status line off the screen, so that something can be printed
// there; the next Update draws it again.
func (p *Progress) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
}

// Close ends the progress. A second call does nothing.
func (p *Progress) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.erase()
	if p.signals != nil {
		signal.Stop(p.signals)
		close(p.signals)
		p.signals = nil
	}
}
