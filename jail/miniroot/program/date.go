package main

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// location is the time zone of TZ; UTC where its name is not known, as in a
// root without zone files.
func (p *proc) location() *time.Location {
	name, ok := p.lookupEnv("TZ")
	if !ok {
		return time.Local
	}
	if zone, err := time.LoadLocation(strings.TrimPrefix(name, ":")); err == nil {
		return zone
	}
	return time.UTC
}

func runDate(p *proc) int {
	args := slices.Clone(p.args)
	for i, arg := range args { // -I and --iso-8601 take their value only in the same word
		if arg == "-I" || arg == "--iso-8601" {
			args[i] = "-Idate"
		}
	}
	p.args = args
	o := p.options("ud:r:I:Rs:", "utc=u", "date=d", "reference=r", "rfc-email=R", "iso-8601=I")
	zone := p.location()
	if o.has("u") {
		zone = time.UTC
	}
	now := time.Now().In(zone)
	switch {
	case o.has("s"):
		p.fatal(1, "a jail's clock is its host's")
	case o.has("d"):
		t, err := parseTime(o.value('d', ""), now)
		if err != nil {
			p.fatal(1, "invalid date '%s'", o.value('d', ""))
		}
		now = t.In(zone)
	case o.has("r"):
		st, err := os.Stat(p.path(o.value('r', "")))
		if err != nil {
			p.fatal(1, "%s: %s", o.value('r', ""), reason(err))
		}
		now = st.ModTime().In(zone)
	}
	format := "%a %b %e %H:%M:%S %Z %Y"
	switch o.last("IR") {
	case 'R':
		format = "%a, %d %b %Y %H:%M:%S %z"
	case 'I':
		format = map[string]string{"": "%F", "date": "%F", "hours": "%FT%H%:z", "minutes": "%FT%H:%M%:z", "seconds": "%FT%T%:z", "ns": "%FT%T,%N%:z"}[o.value('I', "")]
	}
	if rest := o.operands(0, 1); len(rest) == 1 {
		text, ok := strings.CutPrefix(rest[0], "+")
		if !ok {
			p.fatal(1, "invalid date '%s'", rest[0])
		}
		format = text
	}
	p.printf("%s\n", strftime(format, now))
	return 0
}

// strftime is strftime(3) in the C locale, with GNU's flags - _ 0 ^ and %N, %s, %:z.
func strftime(format string, t time.Time) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		start := i
		i++
		flag := byte(0)
		if strings.IndexByte("-_0^:", format[i]) >= 0 && i+1 < len(format) {
			flag = format[i]
			i++
		}
		digits := i
		for i+1 < len(format) && format[i] >= '0' && format[i] <= '9' {
			i++
		}
		width, _ := strconv.Atoi(format[digits:i]) // nothing is 0
		text, ok := timeField(format[i], flag, t)
		if !ok {
			text = format[start : i+1]
		} else if n := min(width, 99) - len(text); n > 0 && strings.IndexByte("aAbBhcpPZxXDFTrR", format[i]) < 0 {
			text = strings.Repeat("0", n) + text
		}
		b.WriteString(text)
	}
	return b.String()
}

// timeField is one conversion.
func timeField(verb, flag byte, t time.Time) (string, bool) {
	pad := func(n, width int, fill byte) string {
		switch flag {
		case '-':
			return strconv.Itoa(n)
		case '_':
			fill = ' '
		case '0':
			fill = '0'
		}
		text := strconv.Itoa(n)
		return strings.Repeat(string(fill), max(0, width-len(text))) + text
	}
	upper := func(s string) string {
		if flag == '^' {
			return strings.ToUpper(s)
		}
		return s
	}
	year, week := t.ISOWeek()
	hour12 := (t.Hour()+11)%12 + 1
	switch verb {
	case '%':
		return "%", true
	case 'n':
		return "\n", true
	case 't':
		return "\t", true
	case 'a':
		return upper(t.Format("Mon")), true
	case 'A':
		return upper(t.Format("Monday")), true
	case 'b', 'h':
		return upper(t.Format("Jan")), true
	case 'B':
		return upper(t.Format("January")), true
	case 'c':
		return strftime("%a %b %e %H:%M:%S %Y", t), true
	case 'C':
		return pad(t.Year()/100, 2, '0'), true
	case 'd':
		return pad(t.Day(), 2, '0'), true
	case 'D', 'x':
		return strftime("%m/%d/%y", t), true
	case 'e':
		return pad(t.Day(), 2, ' '), true
	case 'F':
		return strftime("%Y-%m-%d", t), true
	case 'g':
		return pad(year%100, 2, '0'), true
	case 'G':
		return pad(year, 4, '0'), true
	case 'H':
		return pad(t.Hour(), 2, '0'), true
	case 'I':
		return pad(hour12, 2, '0'), true
	case 'j':
		return pad(t.YearDay(), 3, '0'), true
	case 'k':
		return pad(t.Hour(), 2, ' '), true
	case 'l':
		return pad(hour12, 2, ' '), true
	case 'm':
		return pad(int(t.Month()), 2, '0'), true
	case 'M':
		return pad(t.Minute(), 2, '0'), true
	case 'N':
		return fmt.Sprintf("%09d", t.Nanosecond()), true
	case 'p':
		return t.Format("PM"), true
	case 'P':
		return t.Format("pm"), true
	case 'r':
		return strftime("%I:%M:%S %p", t), true
	case 'R':
		return strftime("%H:%M", t), true
	case 's':
		return strconv.FormatInt(t.Unix(), 10), true
	case 'S':
		return pad(t.Second(), 2, '0'), true
	case 'T', 'X':
		return strftime("%H:%M:%S", t), true
	case 'u':
		return strconv.Itoa((int(t.Weekday())+6)%7 + 1), true
	case 'U':
		return pad((t.YearDay()+6-int(t.Weekday()))/7, 2, '0'), true
	case 'V':
		return pad(week, 2, '0'), true
	case 'w':
		return strconv.Itoa(int(t.Weekday())), true
	case 'W':
		return pad((t.YearDay()+6-(int(t.Weekday())+6)%7)/7, 2, '0'), true
	case 'y':
		return pad(t.Year()%100, 2, '0'), true
	case 'Y':
		return pad(t.Year(), 1, '0'), true
	case 'z':
		if flag == ':' {
			return t.Format("-07:00"), true
		}
		return t.Format("-0700"), true
	case 'Z':
		return t.Format("MST"), true
	}
	return "", false
}
