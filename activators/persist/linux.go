package persist

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/internal/fault"
)

// The files of Linux. systemd-binfmt.service (and OpenRC's binfmt) empties the
// machine's table and registers what is in binfmt.d, at boot and whenever it is
// started anew, so that nothing lasts that is not there. The unit comes after
// it: it registers what could not be registered then, and what has become
// another emulator since; usually it finds all as it shall be. Entries of
// binfmt.d are xjail's own through Declared.
const (
	binfmtFile = "/etc/binfmt.d/xjail.conf"
	unitName   = "xjail-activators.service"
	unitFile   = "/etc/systemd/system/" + unitName
	unitLink   = "/etc/systemd/system/multi-user.target.wants/" + unitName // as systemctl enable makes it
)

func linuxFiles(b Boot) ([]File, error) {
	lines, err := binfmtLines(b)
	if err != nil {
		return nil, err
	}
	return []File{
		{Path: binfmtFile, Mode: 0o644, Text: sign(lines)},
		{Path: unitFile, Mode: 0o644, Text: sign(unit(b))},
		{Path: unitLink, Link: unitFile},
	}, nil
}

// binfmtLines are the register lines, see binfmt.d(5).
func binfmtLines(b Boot) (string, error) {
	var s strings.Builder
	s.WriteString(placeholder + "\n")
	for _, a := range b.Activators {
		line, err := binfmt.EncodeLine(a.Entry)
		if err != nil {
			return "", err
		}
		if comment(string(line)) {
			return "", fault.New(fault.Unsupported, "use a path without colons", "the register line of %q would be taken for a comment in %s", a.Entry.Name, binfmtFile)
		}
		fmt.Fprintf(&s, "%s\n", line)
	}
	return s.String(), nil
}

// comment tells whether binfmt.d(5) ignores a line.
func comment(line string) bool { return line == "" || strings.ContainsAny(line[:1], "#;") }

// unit has one command for each activator: systemd stops at the first that
// fails, and the unit then shows it.
func unit(b Boot) string {
	var s strings.Builder
	fmt.Fprintf(&s, `%s
[Unit]
Description=Activators of xjail
Documentation=man:xjail-activator-persist(1)
Wants=proc-sys-fs-binfmt_misc.mount
After=proc-sys-fs-binfmt_misc.mount systemd-binfmt.service
PartOf=systemd-binfmt.service
ConditionPathIsReadWrite=/proc/sys

[Service]
Type=oneshot
RemainAfterExit=yes
`, placeholder)
	for _, a := range b.Activators {
		words := append([]string{b.command(), "activator register", a.Arch, "--global"}, a.Flags...)
		fmt.Fprintf(&s, "ExecStart=%s\n", strings.Join(words, " "))
	}
	for _, a := range slices.Backward(b.Activators) {
		// 10: it is not there any more.
		fmt.Fprintf(&s, "ExecStop=-%s activator unregister %s --global\n", b.command(), a.Arch)
	}
	s.WriteString("\n[Install]\nWantedBy=multi-user.target\n")
	return s.String()
}

// Declared are the entries that xjail wrote to binfmt.d below a directory, "/"
// for the machine. A file that is not there, that xjail did not write, or that
// somebody changed declares none.
func Declared(root string) ([]activators.Entry, error) {
	text, err := os.ReadFile(root + binfmtFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "activators that are registered at boot", "")
	}
	if ownerOf(string(text)) != ours {
		return nil, nil
	}
	return parseLines(string(text))
}

func parseLines(text string) ([]activators.Entry, error) {
	var list []activators.Entry
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if comment(line) {
			continue
		}
		e, err := binfmt.ParseLine([]byte(line))
		if err != nil {
			return nil, fault.Wrap(fault.Damaged, err, binfmtFile, "xjail activator persist --force writes it anew")
		}
		list = append(list, e)
	}
	return list, nil
}

// Fit leaves out the files of systemd where there is none: OpenRC reads
// binfmt.d as well.
func (t *Tree) Fit(files []File) []File {
	for _, dir := range []string{"/etc/systemd", "/usr/lib/systemd", "/lib/systemd"} {
		if s, err := t.look(dir); err != nil || s.exists {
			return files // what cannot be looked at is said when it is written
		}
	}
	return slices.DeleteFunc(slices.Clone(files), func(f File) bool { return f.Path == unitFile || f.Path == unitLink })
}
