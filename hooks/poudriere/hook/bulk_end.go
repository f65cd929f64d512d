package hook

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"time"
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

// bulkEnd writes down what became of the build. A jail that crashed had no event
// stop, so what that does is done here too.
func (j *job) bulkEnd(ctx context.Context) error {
	get := j.call.Getenv
	b := Build{
		Time: j.now().UTC().Truncate(time.Second), Jail: j.jail.Name, Arch: j.name, Build: get("BUILDNAME"),
		Ports: get("PTNAME"), Set: get("SETNAME"), Event: j.call.Event,
	}
	b.Master, b.Seconds = j.masterName(), secondsSince(b.Build, j.now())
	for i, n := range []*int{&b.Built, &b.Failed, &b.Ignored, &b.Skipped, &b.Fetched} {
		if i < len(j.call.Args) {
			*n, _ = strconv.Atoi(j.call.Args[i]) // what is no number counts as none
		}
	}
	err := errors.Join(j.jailStop(ctx), appendLine(filepath.Join(j.data(), BuildsName), b))
	return errors.Join(err, j.forget(b.Master))
}

// secondsSince is how long ago a build began, by its name: poudriere's is the
// local time at which it began, unless somebody chose another.
func secondsSince(name string, now time.Time) int64 {
	began, err := time.ParseInLocation("2006-01-02_15h04m05s", name, time.Local)
	if err != nil || now.Before(began) {
		return 0
	}
	return int64(now.Sub(began) / time.Second)
}

// appendLine adds a line of JSON to a file, in one write.
func appendLine(name string, v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}
