package explain

import "strings"

// Remedies that change a script's first line are commands of sed, or of ed on
// FreeBSD, where sed knows no \n and no \r. What a script says itself is put
// into none of them unless it is quoted: one need not trust it.

// editFirst is the command that replaces what pattern, a regular expression of
// POSIX, matches in the first line of a script.
func (e *explainer) editFirst(file, pattern, to string) string {
	command := "sed -i "
	if e.w.freebsd() {
		command = "sed -i '' "
	}
	to = strings.NewReplacer(`\`, `\\`, `&`, `\&`, `|`, `\|`).Replace(to)
	return command + quote("1s|"+pattern+"|"+to+"|") + " " + e.onHost(file)
}

// insertFirst is the command that puts a line in front of a script.
func (e *explainer) insertFirst(file, line string) string {
	if e.w.freebsd() {
		return `printf '1i\n` + line + `\n.\nw\n' | ed -s ` + e.onHost(file)
	}
	return "sed -i '1i " + line + "' " + e.onHost(file)
}

// dropReturns is the command that takes carriage returns off the ends of lines.
func (e *explainer) dropReturns(file string) string {
	if e.w.freebsd() {
		return `printf ',s/\r$//\nw\n' | ed -s ` + e.onHost(file)
	}
	return `sed -i 's/\r$//' ` + e.onHost(file)
}

// dropMark is the command that takes off a byte order mark.
func (e *explainer) dropMark(file string) string {
	if e.w.freebsd() {
		return `printf '1s/^\357\273\277//\nw\n' | ed -s ` + e.onHost(file)
	}
	return `sed -i '1s/^\xef\xbb\xbf//' ` + e.onHost(file)
}
