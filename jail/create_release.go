package jail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/extract"
	"github.com/xjail/xjail/jail/source"
)

// releaseSteps make a root of the sets of a FreeBSD release.
func releaseSteps(r *source.FreeBSDRelease) []step {
	return []step{
		{"manifest", "get the MANIFEST of " + r.Name(), journalEntry{}, (*creation).getManifest},
		{"download", "get its sets, unless the cache has them", journalEntry{}, (*creation).getSets},
		{"extract", "unpack them, one over the other", journalEntry{}, (*creation).extractSets},
	}
}

// fetcher shows how far a download is.
func (c *creation) fetcher() *source.Fetcher {
	return &source.Fetcher{Stall: c.plan.stall, Progress: func(done, total int64) { c.watch.Progress(done, total, 0) }}
}

func (c *creation) notes() source.Notes {
	return source.Notes{
		Warn:  c.watch.Warn,
		Waits: func(name string) { c.watch.Step("download", "wait for another xjail that gets "+name) },
	}
}

// getManifest gets what the release consists of, and says how far it can be
// believed.
func (c *creation) getManifest(ctx context.Context) error {
	m, err := c.plan.Source.Release.Manifest(ctx, c.fetcher(), c.store.Cache(), c.notes())
	if err != nil {
		return writeError(err)
	}
	c.record.Source.Manifest = m
	if w := m.Warning(); w != "" {
		c.watch.Warn(w)
	}
	return nil
}

// getSets gets all sets before one is unpacked, each with the digest that the
// MANIFEST has for it.
func (c *creation) getSets(ctx context.Context) error {
	m := c.record.Source.Manifest
	for _, set := range m.Sets {
		c.watch.Step("download", set.File)
		cached, err := c.plan.Source.Release.Set(ctx, c.fetcher(), c.store.Cache(), m, set, c.notes())
		if err != nil {
			return writeError(err)
		}
		c.sets = append(c.sets, cached)
	}
	return nil
}

func (c *creation) extractSets(ctx context.Context) error {
	if err := c.openPartial(); err != nil {
		return err
	}
	var layers []extract.Layer
	for i, set := range c.record.Source.Manifest.Sets {
		layers = append(layers, extract.Layer{Name: set.File, Source: c.sets[i].File, SHA256: set.SHA256})
	}
	report, err := extract.Archives(ctx, layers, c.root, c.extractOptions())
	if err != nil {
		return err
	}
	return c.keep(report)
}

// closeSets lets go of the cache's files.
func (c *creation) closeSets() {
	for _, set := range c.sets {
		_ = set.Close() // it was only read
	}
	c.sets = nil
}

// installPackages runs pkg(8) over the partial root. It looks for the keys of
// the packages in there.
func (c *creation) installPackages(ctx context.Context) error {
	base := c.plan.Source.pkgBase
	tool, err := source.FindPkg()
	if err != nil {
		return err
	}
	if err := os.Mkdir(c.temp(), 0o700); err != nil {
		return writeError(err)
	}
	if err := os.WriteFile(source.RepoFile(c.temp()), []byte(base.RepoConf()), 0o600); err != nil {
		return writeError(err)
	}
	if err := c.openPartial(); err != nil {
		return err
	}
	if err := os.CopyFS(filepath.Join(c.partial, base.Keys()), os.DirFS(base.Keys())); err != nil {
		return writeError(err)
	}
	if err := c.runTool(ctx, base.Command(tool, c.partial, c.temp()), "its output above says more"); err != nil {
		return err
	}
	return removeTree(ctx, c.temp())
}

// installWorld runs make in a source tree.
func (c *creation) installWorld(ctx context.Context) error {
	if err := c.openPartial(); err != nil {
		return err
	}
	a := c.plan.arch
	hint := fmt.Sprintf("build it first: make -C %s buildworld TARGET=%s TARGET_ARCH=%s", c.plan.Source.Value, a.Target, a.Name)
	for _, argv := range c.plan.Source.tree.Commands(c.partial) {
		if err := c.runTool(ctx, argv, hint); err != nil {
			return err
		}
	}
	return nil
}

// runTool runs a program of the host that fills the root. The end of what it
// prints is in the error.
func (c *creation) runTool(ctx context.Context, argv []string, hint string) error {
	tail := &tailWriter{}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	// What it has started ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// When xjail is killed, the jail stays locked until the program has ended:
	// nobody removes the root under its hands.
	cmd.ExtraFiles = []*os.File{c.lock.f}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.Stdout = io.MultiWriter(c.watch.Log(), tail)
	cmd.Stderr = cmd.Stdout
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fault.Wrap(fault.Interrupted, ctx.Err(), argv[0], "")
	case errors.Is(err, exec.ErrNotFound):
		return fault.Wrap(fault.NotFound, err, "run "+argv[0], "")
	case errors.As(err, &exit):
		return fault.New(debianKind(tail.String()), hint, "%s: %w: %s", filepath.Base(argv[0]), err, tail.lastError())
	}
	return fault.Wrap(fault.Failed, err, "run "+argv[0], "")
}
