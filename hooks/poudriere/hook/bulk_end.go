package hook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/xjail/xjail/hooks/poudriere/buildlog"
)

// BuildsName is the file, beside that of failed packages, that has a line of JSON
// for each build that ended.
const BuildsName = "builds.jsonl"

// Build is what became of a build.
type Build struct {
	Time  time.Time `json:"time"`
	Jail  string    `json:"jail"`
	Arch  string    `json:"arch"` // TARGET_ARCH
	Build string    `json:"build,omitempty"`
	Ports string    `json:"ports,omitempty"` // the ports tree
	Set   string    `json:"set,omitempty"`
	Event string    `json:"event"` // done or crashed
	// Master is poudriere's name of jail, ports tree and set, as records have it.
	Master string `json:"master,omitempty"`
	// Seconds is how long it took; 0 where its name is no time.
	Seconds int64 `json:"seconds,omitempty"`
	// How many packages; there are no numbers of a build that crashed.
	Built   int `json:"built"`
	Failed  int `json:"failed"`
	Ignored int `json:"ignored"`
	Skipped int `json:"skipped"`
	Fetched int `json:"fetched"`
}

// bulkEnd is the end of a build, before or after its jail's.
func (j *job) bulkEnd(ctx context.Context) error {
	return errors.Join(j.leaveReference(ctx), j.ended(j.call.Event, j.call.Args))
}

// ended writes down what became of the build, and forgets older ones. How many
// packages is known of one that is done.
func (j *job) ended(event string, numbers []string) error {
	get := j.call.Getenv
	b := Build{
		Time: j.now().UTC().Truncate(time.Second), Jail: j.jail.Name, Arch: j.name, Build: get("BUILDNAME"),
		Ports: get("PTNAME"), Set: get("SETNAME"), Event: event,
	}
	b.Master, b.Seconds = j.masterName(), secondsSince(b.Build, j.now())
	for i, n := range []*int{&b.Built, &b.Failed, &b.Ignored, &b.Skipped, &b.Fetched} {
		if i < len(numbers) {
			*n, _ = strconv.Atoi(numbers[i]) // what is no number counts as none
		}
	}
	unlock, err := j.lockStatistics()
	if err != nil {
		return err
	}
	defer unlock()
	name := filepath.Join(j.data(), BuildsName)
	if event == "crashed" && b.Build != "" && lastLineIs(name, &b) {
		return nil // it was written down before it crashed, or by the other event
	}
	err = buildlog.AppendLine(name, b)
	return errors.Join(err, j.forget(b.Master, b.Build))
}

// lockStatistics keeps the builds of other jails from writing down their ends at
// the same time. The directory itself is locked, so that no file is left for it.
func (j *job) lockStatistics() (unlock func(), err error) {
	if err := os.MkdirAll(j.data(), 0o755); err != nil {
		return nil, err
	}
	dir, err := os.Open(j.data())
	if err != nil {
		return nil, err
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(10 * time.Millisecond) {
		err = syscall.Flock(int(dir.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil || !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) || time.Now().After(end) {
			// The line is worth more than the order of two.
			return func() { dir.Close() }, nil
		}
	}
}

// lockPatience is longer than others need to write a line.
const lockPatience = 2 * time.Second

// lastLineIs tells whether the last line of statistics is about a build.
func lastLineIs(name string, b *Build) bool {
	f, err := os.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return false
	}
	text := make([]byte, min(st.Size(), lastLineMax))
	if _, err := f.ReadAt(text, st.Size()-int64(len(text))); err != nil {
		return false
	}
	text = bytes.TrimSpace(text)
	var last Build
	err = json.Unmarshal(text[bytes.LastIndexByte(text, '\n')+1:], &last)
	return err == nil && last.Master == b.Master && last.Build == b.Build
}

// lastLineMax is more than a line has, in bytes.
const lastLineMax = 64 << 10

// secondsSince is how long ago a build began, by its name: poudriere's is the
// local time at which it began, unless somebody chose another.
func secondsSince(name string, now time.Time) int64 {
	began, err := time.ParseInLocation("2006-01-02_15h04m05s", name, time.Local)
	if err != nil || now.Before(began) {
		return 0
	}
	return int64(now.Sub(began) / time.Second)
}
