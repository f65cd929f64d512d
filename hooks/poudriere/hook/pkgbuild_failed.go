package hook

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
)

// pkgbuildFailed writes down why a package failed: ORIGIN PKGNAME PHASE LOG. An
// activator that went away is a reason for all that follow to fail as well, so it
// is looked for first.
func (j *job) pkgbuildFailed(ctx context.Context) error {
	restored := errors.Join(j.restore(ctx), j.cutProfile())
	if len(j.call.Args) < 4 {
		return restored
	}
	phase := j.call.Args[2]
	rec := j.record(j.call.Args)
	rec.Phase, rec.Log = phase, j.call.Args[3]
	log, err := openLog(rec.Log)
	if err != nil {
		return errors.Join(restored, err)
	}
	defer log.Close()
	verdict := buildlog.Classify(readerOf(ctx, log), phase)
	rec.Verdict = &verdict
	if verdict.Emulation == buildlog.Yes {
		j.say("%s: %s: %s", rec.PkgName, verdict.Cause, verdict.Summary)
	}
	return errors.Join(restored, buildlog.Append(j.Store.Dir, rec))
}

// pkgbuildSuccess is where the profile of a package ends: ORIGIN PKGNAME.
func (j *job) pkgbuildSuccess(context.Context) error { return j.cutProfile() }

// pkgbuildSkipped writes down which package is missing for the sake of which:
// ORIGIN PKGNAME DEPENDENCY.
func (j *job) pkgbuildSkipped(context.Context) error {
	if len(j.call.Args) < 3 {
		return nil
	}
	rec := j.record(j.call.Args)
	rec.Because = j.call.Args[2]
	return buildlog.Append(j.Store.Dir, rec)
}

// record is a package of this build.
func (j *job) record(args []string) buildlog.Record {
	return buildlog.Record{Time: j.now(), Jail: j.masterName(), Build: j.call.Getenv("BUILDNAME"), Origin: args[0], PkgName: args[1]}
}

// masterName is the name of the build's jail with its ports tree and set.
func (j *job) masterName() string {
	if name := j.call.Getenv("MASTERNAME"); name != "" {
		return name
	}
	return j.jail.Name
}

// openLog opens a file that is a log, and waits for nothing.
func openLog(name string) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		f.Close()
		return nil, &os.PathError{Op: "open", Path: filepath.Clean(name), Err: errors.New("no log")}
	}
	return f, nil
}

// readerOf is a reader that ends when ctx does: what was read until then tells.
func readerOf(ctx context.Context, r io.Reader) io.Reader { return &timedReader{ctx, r} }

type timedReader struct {
	ctx context.Context
	r   io.Reader
}

func (t *timedReader) Read(b []byte) (int, error) {
	if t.ctx.Err() != nil {
		return 0, io.EOF
	}
	return t.r.Read(b)
}
