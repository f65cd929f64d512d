package hook

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/hooks/poudriere/buildlog"
	"github.com/xjail/xjail/profile"
	"github.com/xjail/xjail/profile/dtrace"
)

// ErrCollect asks for the event "collect" of the hook "jail", beside the build.
var ErrCollect = errors.New("profiles are wanted")

// ProfilesDir is the directory of profiles below a state directory: JAIL/BUILD,
// with a file for each package.
func ProfilesDir(state string) string { return filepath.Join(state, "poudriere", "profiles") }

// Below the directory of a jail's profiles the collector that runs has one of its
// own.
const (
	collectorDir = ".collector" // as no build is called: FileName makes no such name
	lockName     = "lock"       // held while it runs; its process id
	cutsName     = "cuts.jsonl" // what the hooks tell it
	saidName     = "said"       // what it has to say, for the next hook
)

func (j *job) collectorPath(name string) string {
	return filepath.Join(ProfilesDir(j.Store.Dir), buildlog.FileName(j.masterName()), collectorDir, name)
}

// runDtrace collects by dtrace(1).
func runDtrace(ctx context.Context, k dtrace.Keeper, o dtrace.BulkOptions) error {
	c, err := dtrace.StartBulk(k, o)
	if err != nil {
		return err
	}
	return c.RunBulk(ctx)
}

func noDtrace() error {
	_, err := dtrace.Find()
	return err
}

// wantsCollector ends the collector of a build that was killed, and tells whether
// there is to be another. That it cannot be is said, and is no failure.
func (j *job) wantsCollector(ctx context.Context) (bool, error) {
	if !j.call.Profile {
		return false, nil
	}
	if err := j.endCollector(ctx); err != nil {
		return false, err
	}
	if err := j.noCollector(); err != nil {
		return false, fmt.Errorf("there are no profiles of this build: %w", err)
	}
	return true, nil
}

// quiet is after how long without a new program in the jails a collector ends that
// nobody ended: longer than any limit of poudriere's for a build.
const quiet = 5 * 24 * time.Hour

// jailCollect makes profiles until the build is over. Nobody hears it but by what
// it leaves for the next hook.
func (j *job) jailCollect(ctx context.Context) error {
	_, _ = syscall.Setsid() // not of poudriere's group, which is killed as a whole
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
	defer stop()
	lock, err := j.lockCollector()
	if err != nil {
		return err
	}
	defer lock.Close()
	k := &keeper{job: j, open: map[string]*openProfile{}}
	k.dir = filepath.Join(ProfilesDir(j.Store.Dir), buildlog.FileName(j.masterName()), buildlog.FileName(j.call.Getenv("BUILDNAME")))
	if k.cuts, err = os.OpenFile(j.collectorPath(cutsName), os.O_RDONLY|os.O_CREATE|os.O_TRUNC, 0o644); err != nil {
		return err
	}
	defer k.cuts.Close()
	o := dtrace.BulkOptions{Name: j.masterName(), Quiet: quiet}
	for _, name := range append([]string{j.name}, j.Second[j.name]...) {
		if e, err := j.Table.Lookup(name); err == nil {
			o.Emulators = append(o.Emulators, profile.Emulator{Path: e.Interpreter, Arch: name})
			o.Words = max(o.Words, len(e.Args))
		}
	}
	k.header = j.header(o.Emulators)
	err = j.collector(ctx, k, o)
	_ = os.Remove(j.collectorPath(cutsName))
	if err != nil {
		err = errors.Join(err, os.WriteFile(j.collectorPath(saidName), []byte("the profiles of this build end: "+err.Error()), 0o644))
	}
	return err
}

// header is that of every profile of the build.
func (j *job) header(emulators []profile.Emulator) profile.Header {
	h := profile.Header{
		Jail: j.jail.Name, Arch: j.name, Guest: j.guest, Collector: "dtrace", Command: []string{"poudriere", "bulk"}, Emulators: emulators,
	}
	if host := arch.Host(); host != nil {
		h.Host = host.Name
	}
	if name, _, err := j.Store.NxbOf(j.jail.Mnt); err == nil {
		h.Jail = name
	}
	return h
}

// lockCollector makes this process the collector of the jail, of which there is
// one.
func (j *job) lockCollector() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(j.collectorPath(lockName)), 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(j.collectorPath(lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		_ = os.Remove(j.collectorPath(saidName)) // of a build before
		err = errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func writeAt(f *os.File, text string) error {
	_, err := f.WriteAt([]byte(text), 0)
	return err
}

// How long a collector may take to write what it has, and to be gone once it was
// killed.
const (
	collectorEnds = 20 * time.Second
	collectorGone = 2 * time.Second
)

// endCollector ends the collector of the jail, if one runs, and says what it has
// to say. Its dtrace ends with it: nobody reads what that prints.
func (j *job) endCollector(ctx context.Context) error {
	f, err := os.Open(j.collectorPath(lockName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, collectorEnds}, {syscall.SIGKILL, collectorGone}} {
		if err := signalHolder(f, step.signal); err != nil {
			return err
		}
		if waitFree(ctx, f, step.wait) {
			return errors.Join(j.collectorSaid(), j.clearCollector())
		}
	}
	return errors.New("the process that makes profiles does not end")
}

// signalHolder sends a signal to the process that holds a lock. It holds it as
// long as it lives, so that its number is nobody else's.
func signalHolder(f *os.File, s syscall.Signal) error {
	if free(f) {
		return nil
	}
	text := make([]byte, 20)
	n, _ := f.ReadAt(text, 0)
	pid, err := strconv.Atoi(string(text[:n]))
	if err != nil || pid <= 1 {
		return nil // it has not written it yet: waitFree waits for what becomes of it
	}
	if err := syscall.Kill(pid, s); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// free tells whether nobody holds a lock; then f holds it.
func free(f *os.File) bool { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil }

func waitFree(ctx context.Context, f *os.File, limit time.Duration) bool {
	for end := time.Now().Add(limit); ; {
		if free(f) {
			return true
		}
		if time.Now().After(end) || ctx.Err() != nil {
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// collectorSaid says once why there are no more profiles.
func (j *job) collectorSaid() error {
	name := j.collectorPath(saidName)
	text, err := os.ReadFile(name)
	if err != nil || os.Remove(name) != nil { // another hook says it
		return nil //nolint:nilerr // there is nothing to say
	}
	return errors.New(string(text))
}

func (j *job) clearCollector() error {
	for _, name := range []string{cutsName, lockName, ""} {
		if err := os.Remove(j.collectorPath(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// cutProfile tells the collector that a builder has done with a package. The
// builder goes on when this has returned.
func (j *job) cutProfile() error {
	id := cmp.Or(j.call.Getenv("MY_BUILDER_ID"), j.call.Getenv("MY_JOBID")) // of poudriere 3.4
	if !j.call.Profile || len(j.call.Args) < 2 || id == "" {
		return nil
	}
	said := j.collectorSaid()
	c := dtrace.Cut{At: j.now(), Jail: dtrace.BuilderJail(j.masterName(), id), Subject: j.call.Args[1]}
	line, err := json.Marshal(c)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(j.collectorPath(cutsName), os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return said // there is no collector
	}
	if err != nil {
		return errors.Join(said, err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(said, err, f.Close())
}

// readCuts are the whole lines that were not read yet.
func readCuts(text string) (list []dtrace.Cut, rest string) {
	end := strings.LastIndexByte(text, '\n') + 1
	for line := range strings.Lines(text[:end]) {
		var c dtrace.Cut
		if json.Unmarshal([]byte(line), &c) == nil && c.Jail != "" {
			list = append(list, c)
		}
	}
	return list, text[end:]
}
