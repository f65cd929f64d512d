package formats

import (
	"path"
	"strings"

	"github.com/xjail/xjail/activators/binfmt"
)

// The files of binfmt_misc's directory, one after the other. Each says enabled
// or disabled, then its interpreter; its name is on the line before, in the way
// of head(1), tail(1) or "grep .", or else it is that of the file.

func fitsDump(s *source) bool {
	lines := dumpLines(s.text)
	for i, line := range lines {
		if i+1 < len(lines) && isState(line.text) && strings.HasPrefix(lines[i+1].text, "interpreter ") {
			return true
		}
	}
	return false
}

func isState(line string) bool { return line == "enabled" || line == "disabled" }

// dumpLine is a line of a dump; name is set where grep put it before the line.
type dumpLine struct{ name, text string }

// dumpLines takes the names that grep writes before each line off them.
func dumpLines(text string) []dumpLine {
	var lines []dumpLine
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		l := dumpLine{text: line}
		if file, rest, ok := strings.Cut(line, ":"); ok && strings.HasPrefix(line, "/") && strings.Contains(file, "binfmt") {
			l = dumpLine{path.Base(file), rest}
		}
		lines = append(lines, l)
	}
	return lines
}

func readDump(s *source) (*Set, error) {
	b := newBuilder(s, Dump, linux)
	lines := dumpLines(s.text)
	name := ""
	for i := 0; i < len(lines); {
		line := lines[i]
		if !isState(line.text) || i+1 == len(lines) || !strings.HasPrefix(lines[i+1].text, "interpreter ") {
			if n, ok := heading(line.text); ok {
				name = n
			} else if strings.TrimSpace(line.text) != "" && !isState(line.text) && line.name == "" && name != "register" {
				b.note(i+1, "ignored: %q", line.text)
			}
			i++
			continue
		}
		end := entryEnd(lines, i)
		if line.name != "" {
			name = line.name
		}
		b.dumped(i, name, lines[i:end])
		name, i = "", end
	}
	if len(b.set.Entries) > 1 {
		b.note(0, "such files do not tell the order of the table, in which the newest entry is tried first: the order here is that of the file")
	}
	return &b.set, nil
}

// heading is a line that names the file that follows.
func heading(line string) (string, bool) {
	text := strings.TrimSpace(line)
	for _, mark := range []string{"==>", "#", "---", "::"} {
		text = strings.TrimSpace(strings.TrimPrefix(text, mark))
	}
	for _, mark := range []string{"<==", ":", "---"} {
		text = strings.TrimSpace(strings.TrimSuffix(text, mark))
	}
	if text == "" || text == strings.TrimSpace(line) && !strings.Contains(text, "/") || strings.ContainsAny(text, " \t") {
		return "", false
	}
	return path.Base(text), true
}

// entryEnd is the line after the last one of the entry that begins at line i.
func entryEnd(lines []dumpLine, i int) int {
	for i++; i < len(lines); i++ {
		label, _, _ := strings.Cut(lines[i].text, " ")
		switch label {
		case "interpreter", "flags:", "offset", "magic", "mask", "extension":
		default:
			return i
		}
	}
	return i
}

// dumped reads one entry, whose first line is the one after before.
func (b *builder) dumped(before int, name string, lines []dumpLine) {
	if name == "" {
		name = b.base()
		if name == "" {
			name = "entry-at-line-" + itoa(before+1)
		}
		b.note(before+1, "the entry has no name here: it is called %q", name)
	}
	var text strings.Builder
	for _, l := range lines {
		text.WriteString(l.text + "\n")
	}
	e, err := binfmt.ParseEntry(name, []byte(text.String()))
	if err != nil {
		b.note(before+1, "entry %q: %v", name, why(err))
		return
	}
	b.append(before+1, e)
}
