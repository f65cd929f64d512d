package formats

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmisc"
	"github.com/xjail/xjail/internal/fault"
)

// Options are what a file says beside its entries.
type Options struct {
	// Kernel is for whose table it is, in the forms that are not of one kernel.
	Kernel  string
	Version string   // of xjail
	Command string   // with which it was made, "" when there is none
	Notes   []string // what whoever uses it should know
}

// File is a text and how it is called. Mode is that of programs for scripts.
type File struct {
	Name    string
	Text    []byte
	Program bool
}

// writer is a form that is written.
type writer struct {
	name   string
	kernel string // "" when it is of both
	write  func(d *draft) []byte
	check  func(e activators.Entry) error // what this form does not have
	use    string                         // how it is used
	ending string                         // of a file's name
	script bool
}

func writers() []writer {
	return []writer{
		{Binmiscctl, freebsd, writeBinmiscctl, nil, "Run it as root; entries last until the next boot.", ".sh", true},
		{RCScript, freebsd, writeRCScript, noQuote, "Install it as /usr/local/etc/rc.d/" + ServiceName + " (mode 555), then: sysrc " + ServiceName + "_enable=YES; service " + ServiceName + " start", "", true},
		{BinfmtD, linux, writeBinfmtD, lineOnly, "Install it as /etc/binfmt.d/xjail-generated.conf, then: systemctl restart systemd-binfmt", ".conf", false},
		{Register, linux, writeRegister, nil, "Run it as root; entries last until the next boot. BINFMT_DIR names another directory than /proc/sys/fs/binfmt_misc.", ".sh", true},
		{Debian, linux, nil, debianOnly, "Install it as /usr/share/binfmts/NAME, then: update-binfmts --package xjail --import NAME", "", false},
		{JSON, "", writeJSON, textOnly, "xjail activator check reads it.", ".json", false},
		{Nix, linux, writeNix, nixOnly, "Put it beside configuration.nix and name it in imports, then: nixos-rebuild switch", ".nix", false},
		{Ansible, "", writeAnsible, ansibleOnly, "ansible-playbook -i HOST, FILE", ".yml", false},
	}
}

// Formats are the names of the forms that Write knows.
func Formats() []string {
	var names []string
	for _, w := range writers() {
		names = append(names, w.name)
	}
	return names
}

func writerOf(format string) (writer, error) {
	for _, w := range writers() {
		if w.name == format {
			return w, nil
		}
	}
	return writer{}, fault.New(fault.Usage, "use "+strings.Join(Formats(), ", "), "unknown format %q", format)
}

// KernelOf is the kernel for which a form is, "" when it can be for both, and an
// error of kind fault.Usage when there is no such form.
func KernelOf(format string) (string, error) {
	w, err := writerOf(format)
	return w.kernel, err
}

// Ending is what the name of a file of a form ends with, "" when nothing.
func Ending(format string) string {
	w, _ := writerOf(format)
	return w.ending
}

// draft is what is to be written: entries in the order in which they are
// registered.
type draft struct {
	Options
	writer  writer
	entries []activators.Entry
}

// Write writes entries in a form. They are arranged: general ones are
// registered before specific ones. What the form or its kernel has not is
// activators.ErrUnsupported, what no kernel should get activators.ErrInvalid;
// then nothing is written.
func Write(w io.Writer, format string, entries []activators.Entry, o Options) error {
	files, err := Files(format, entries, o)
	if err != nil {
		return err
	}
	for i, f := range files {
		text := string(f.Text)
		if format == Debian {
			text = "# /usr/share/binfmts/" + f.Name + "\n" + text
			if i > 0 {
				text = "\n" + text
			}
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}

// Files is Write to files: one, or for Debian one for each entry, which is
// called like it. The name of a single one is "".
func Files(format string, entries []activators.Entry, o Options) ([]File, error) {
	d, err := newDraft(format, entries, o)
	if err != nil {
		return nil, err
	}
	if format == Debian {
		var files []File
		for _, e := range d.entries {
			files = append(files, File{Name: e.Name, Text: sign(d.binfmtsFile(e))})
		}
		return files, nil
	}
	return []File{{Text: sign(d.writer.write(d)), Program: d.writer.script}}, nil
}

func newDraft(format string, entries []activators.Entry, o Options) (*draft, error) {
	w, err := writerOf(format)
	if err != nil {
		return nil, err
	}
	if w.kernel != "" {
		o.Kernel = w.kernel
	}
	if o.Kernel != linux && o.Kernel != freebsd {
		return nil, fault.New(fault.Usage, "use linux or freebsd", "the format %s wants to know for which kernel, and %q is none", format, o.Kernel)
	}
	d := &draft{Options: o, writer: w}
	if d.entries, err = activators.Arrange(entries); err != nil {
		return nil, err
	}
	for _, e := range d.entries {
		if err := d.check(e); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// check refuses what the kernel or the form has not.
func (d *draft) check(e activators.Entry) error {
	var err error
	if d.Kernel == freebsd {
		err = binmisc.Valid(e)
	} else {
		_, err = binfmt.EncodeLine(e)
	}
	if err == nil && d.writer.check != nil {
		err = d.writer.check(e)
	}
	return err
}

func unsupported(e activators.Entry, hint, format string, args ...any) error {
	return activators.Fail(activators.ErrUnsupported, fmt.Sprintf("activator %q", e.Name), fmt.Errorf(format, args...), hint)
}

// enabledOnly refuses what is disabled, for forms that cannot say so.
func enabledOnly(e activators.Entry) error {
	if !e.Enabled {
		return unsupported(e, "leave it out", "it is disabled, which this form cannot say")
	}
	return nil
}

func lineOnly(e activators.Entry) error {
	line, err := binfmt.EncodeLine(e)
	if err != nil {
		return err
	}
	if isComment(string(line)) {
		return unsupported(e, "use a path without colons", "its register line would be a comment in this form")
	}
	return enabledOnly(e)
}

func debianOnly(e activators.Entry) error {
	if e.Flags.OpenBinary && !e.Flags.Credentials {
		return unsupported(e, "", "update-binfmts has no form for the flag O alone")
	}
	if strings.TrimSpace(e.Interpreter) != e.Interpreter || strings.TrimSpace(e.Extension) != e.Extension {
		return unsupported(e, "use a path without blanks at its ends", "its interpreter or extension begins or ends with a blank")
	}
	return enabledOnly(e)
}

func nixOnly(e activators.Entry) error {
	if err := lineOnly(e); err != nil {
		return err
	}
	return colonless(e)
}

// colonless is for NixOS, which always makes the delimiter a colon.
func colonless(e activators.Entry) error {
	if strings.Contains(e.Name+e.Extension, ":") {
		return unsupported(e, "", "NixOS separates the fields with colons, and its name or extension has one")
	}
	return nil
}

// noQuote is for scripts that hand words on.
func noQuote(e activators.Entry) error {
	if strings.HasPrefix(e.Name, "-") {
		return unsupported(e, "", "its name would be taken for an option")
	}
	return nil
}

// texts is all that an entry has of text.
func texts(e activators.Entry) string {
	return e.Name + e.Interpreter + strings.Join(e.Args, " ") + e.Extension
}

// textOnly is for forms that are Unicode by definition: bytes that are none
// would become others.
func textOnly(e activators.Entry) error {
	if !utf8.ValidString(texts(e)) {
		return unsupported(e, "link it under a path of UTF-8 characters", "its name, interpreter or extension is not UTF-8, which this form is")
	}
	return nil
}

// yamlBreaks are characters that end a line of YAML 1.1, or that it does not
// have.
func yamlBreaks(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r == 0xfeff || r == 0xfffe || r == 0xffff
}

func ansibleOnly(e activators.Entry) error {
	if err := textOnly(e); err != nil {
		return err
	}
	all := texts(e)
	if strings.ContainsFunc(all, yamlBreaks) {
		return unsupported(e, "link it under a path without such a character", "it has a character that ends a line of YAML, or that YAML does not have")
	}
	if strings.Contains(all, "{{") || strings.Contains(all, "{%") || strings.Contains(all, "{#") {
		return unsupported(e, "", "ansible would take a part of it for a template")
	}
	if line, err := binfmt.EncodeLine(e); err == nil && isComment(string(line)) {
		return unsupported(e, "use a path without colons", "its register line would be a comment in its file")
	}
	return enabledOnly(e)
}

// Warnings says what a form cannot keep of a set: the order of entries of which
// one is more specific.
func Warnings(format string, entries []activators.Entry) []string {
	sorted := slices.Clone(entries)
	switch format {
	case Nix:
		slices.SortStableFunc(sorted, func(a, b activators.Entry) int { return cmp.Compare(a.Name, b.Name) })
	case Debian:
	default:
		return nil
	}
	var list []string
	for i, e := range sorted {
		for k, general := range sorted {
			if i == k || !activators.Covers(general, e) {
				continue
			}
			switch {
			case format == Debian:
				list = append(list, fmt.Sprintf("%s has to be registered after %s, and update-binfmts knows no order: it may have no effect", e.Name, general.Name))
			case k > i:
				list = append(list, fmt.Sprintf("%s has to be registered after %s, and NixOS registers in the order of the names: it would have no effect", e.Name, general.Name))
			}
		}
	}
	return list
}
