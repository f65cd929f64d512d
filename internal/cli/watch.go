package cli

import (
	"io"

	"github.com/xjail/xjail/internal/ui"
)

// watch shows the steps of a creation: a line each, and progress below it.
type watch struct {
	g        *globals
	progress *ui.Progress
}

func (g *globals) newWatch() *watch {
	return &watch{g: g, progress: ui.NewProgress(g.Stderr, g.quiet || g.json)}
}

// Step implements jail.Watcher.
func (w *watch) Step(name, what string) { w.progress.Step(name, what) }

// Progress implements jail.Watcher.
func (w *watch) Progress(done, total, entries int64) { w.progress.Update(done, total, entries) }

// Log implements jail.Watcher: the output of other programs goes to stderr.
func (w *watch) Log() io.Writer { return w.progress.Log() }

// Warn implements jail.Watcher: a warning is shown also when progress is not.
func (w *watch) Warn(text string) {
	w.progress.Clear()
	w.g.warn(text)
}

// Close ends the progress line. It can be called twice.
func (w *watch) Close() { w.progress.Close() }
