package main

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/u-root/u-root/pkg/core/touch"
)

// runTouch is u-root's touch, which takes one way of writing a time and no
// other file's times.
func runTouch(p *proc) int {
	o := p.options("amcd:r:t:h", "date=d", "reference=r", "no-create=c")
	var args []string
	if o.has("a") {
		args = append(args, "-a")
	}
	if o.has("m") {
		args = append(args, "-m")
	}
	if o.has("c") {
		args = append(args, "-c")
	}
	var when time.Time
	var err error
	switch o.last("drt") {
	case 'd':
		when, err = parseTime(o.value('d', ""), time.Now())
	case 't':
		when, err = parseStamp(o.value('t', ""), time.Now())
	case 'r':
		var st fs.FileInfo
		if st, err = os.Stat(p.path(o.value('r', ""))); err == nil {
			when = st.ModTime()
		}
	}
	if p.fail("cannot tell the time", err) {
		return 1
	}
	if !when.IsZero() {
		args = append(args, "-d", when.Format(time.RFC3339Nano))
	}
	for _, name := range o.operands(1, -1) {
		// A name of its own for each run: the first failure ends u-root's.
		// It takes "--" for a file.
		file := name
		if strings.HasPrefix(name, "-") {
			file = "./" + name
		}
		p.fail("cannot touch "+name, p.uroot(touch.New(), p.stdin, append(slices.Clone(args), file)...))
	}
	return 0
}

var errTime = errors.New("invalid time")

// parseTime reads the ways of writing a time that scripts use: @SECONDS, ISO
// 8601 with or without time and zone, RFC 2822, date(1)'s own, now, today,
// yesterday, tomorrow.
func parseTime(text string, now time.Time) (time.Time, error) {
	text = strings.TrimSpace(text)
	if seconds, ok := strings.CutPrefix(text, "@"); ok {
		d, err := time.ParseDuration(seconds + "s")
		return time.Unix(0, 0).Add(d), err
	}
	midnight := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	switch strings.ToLower(text) {
	case "now", "today", "":
		if text == "" {
			return midnight, nil
		}
		return now, nil
	case "yesterday":
		return now.AddDate(0, 0, -1), nil
	case "tomorrow":
		return now.AddDate(0, 0, 1), nil
	}
	for _, layout := range []string{
		time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02 15:04:05.999999999 -0700", "2006-01-02 15:04:05 MST",
		"2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02", "20060102",
		time.RFC1123Z, time.RFC1123, time.UnixDate, time.ANSIC, "Jan 2 15:04:05 2006", "Jan 2, 2006", "2 Jan 2006", "2 Jan 2006 15:04:05",
		"Mon Jan _2 15:04:05 MST 2006", "Mon Jan _2 03:04:05 PM MST 2006",
	} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, nil
		}
	}
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return midnight.Add(time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second), nil
		}
	}
	return time.Time{}, errTime
}

// parseStamp reads touch -t: [[CC]YY]MMDDhhmm[.SS].
func parseStamp(text string, now time.Time) (time.Time, error) {
	layout := ".05"
	stem, _, has := strings.Cut(text, ".")
	if !has {
		layout = ""
	}
	switch len(stem) {
	case 12:
		layout = "200601021504" + layout
	case 10: // 69 to 99 are of the last century, as POSIX and Go say
		layout = "0601021504" + layout
	case 8:
		layout, text = "200601021504"+layout, now.Format("2006")+text
	default:
		return time.Time{}, errTime
	}
	if has { // Go reads ".05" as a fraction: the seconds go without the point
		layout, text = strings.Replace(layout, ".", "", 1), strings.Replace(text, ".", "", 1)
	}
	t, err := time.ParseInLocation(layout, text, now.Location())
	if err != nil {
		return t, errTime
	}
	return t, nil
}
