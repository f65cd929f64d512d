package poudriere

import (
	"bytes"
	"debug/elf"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// pluginFiles are the hooks as they are installed, but for what depends on the
// machine.
//
//go:embed plugin
var pluginFiles embed.FS

// pluginName is the plugin's directory in poudriere.d/hooks/plugins.
const pluginName = "xjail"

// StopStatus is the status of a hook that is meant to stop poudriere; EX_TEMPFAIL
// of sysexits(3). No xjail that fails, is killed, or knows no hooks ends with it.
const StopStatus = 75

// CollectStatus is the status of the hook "jail" that wants to be called once more
// with the event "collect", in the background.
const CollectStatus = 76

// Plugin is what the hooks know besides what poudriere tells them: what was in
// force when they were installed, since poudriere's environment has none of it.
type Plugin struct {
	Program string // xjail, an absolute path
	// Options come before the command: the state directory, the configuration.
	// HookOptions are those of the command.
	Options, HookOptions []string
	// Limit is how long poudriere waits for a hook; whole seconds.
	Limit time.Duration

	machine string // e_machine of Program, as a pattern of sh(1) for what od(1) prints
}

// FileState says what became of an installed file.
type FileState string

// The states.
const (
	FileMissing  FileState = "missing"  // it is not there
	FileCurrent  FileState = "current"  // it is what would be installed now
	FileOutdated FileState = "outdated" // another xjail wrote it, or this one with other settings
	FileChanged  FileState = "changed"  // somebody changed it, or made it
)

// PluginFile is one file of the plugin.
type PluginFile struct {
	Path  string    `json:"path"`
	State FileState `json:"state"`
	// Options are those of the command that it calls, of a file that nobody
	// changed: what install was told.
	Options []string `json:"options,omitempty"`
	// Problem is why the program that it calls does not start: then the hook does
	// nothing, in silence.
	Problem string `json:"problem,omitempty"`
}

// PluginDir is where poudriere finds the hooks.
func (c Config) PluginDir() string { return filepath.Join(c.Dir(), "hooks", "plugins", pluginName) }

// pluginNames are the files of the plugin, sorted.
func pluginNames() []string {
	entries, err := pluginFiles.ReadDir("plugin")
	if err != nil {
		panic(err) // they are in the program
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// check refuses what cannot be a word of the hooks.
func (p Plugin) check() error {
	for _, word := range slices.Concat([]string{p.Program}, p.Options, p.HookOptions) {
		if strings.ContainsAny(word, "\n\r\x00") {
			return fault.New(fault.Usage, "use a path without line breaks", "%q cannot be written into a hook", word)
		}
	}
	if !filepath.IsAbs(p.Program) {
		return fault.New(fault.Usage, "", "xjail's own path is not absolute: %q", p.Program)
	}
	if p.Limit < time.Second || p.Limit%time.Second != 0 {
		return fault.New(fault.Usage, "--limit 5m", "a hook's limit is whole seconds, at least one, and not %v", p.Limit)
	}
	return nil
}

// machineOf reads e_machine of a program, bytes 18 and 19 of its ELF header.
func machineOf(program string) (string, error) {
	f, err := os.Open(program)
	if err != nil {
		return "", fault.Wrap(fault.NotFound, err, "xjail itself", "")
	}
	defer f.Close()
	header := make([]byte, 20)
	if _, err := io.ReadFull(f, header); err != nil || string(header[:4]) != elf.ELFMAG {
		return "", fault.New(fault.Damaged, "", "%s is no program", program)
	}
	return fmt.Sprintf("%02x*%02x", header[18], header[19]), nil
}

// text is a file of the plugin as it is installed.
func (p Plugin) text(name string) []byte {
	text, err := pluginFiles.ReadFile("plugin/" + name)
	if err != nil {
		panic(err) // it is in the program
	}
	fill := strings.NewReplacer("'@XJAIL@'", shellWord(p.Program), "@MACHINE@", p.machine, "'@LIMIT@'", strconv.Itoa(int((p.Limit+grace)/time.Second)),
		"'@OPTIONS@' ", shellWords(p.Options), "'@HOOK@' ", shellWords(p.HookOptions))
	filled := []byte(fill.Replace(string(text)))
	return bytes.Replace(filled, []byte(digestMark), []byte(digestLine(filled, name)), 1)
}

// grace is how much later the shell ends an xjail that did not end by itself.
const grace = 2 * time.Second

// shellWord quotes a word for sh(1).
func shellWord(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }

// shellWords are words with a blank behind each.
func shellWords(words []string) string {
	var b strings.Builder
	for _, word := range words {
		b.WriteString(shellWord(word) + " ")
	}
	return b.String()
}

// A file says what its digest was when it was written, with digestMark in the
// place of the line that says it, and that of what it was made from. So one that
// nobody changed is known, whichever xjail wrote it.
const (
	digestMark  = "# @DIGEST@"
	digestBegin = "# xjail "
)

func digestLine(filled []byte, name string) string {
	return digestBegin + digestOf(string(filled)) + " " + sourceDigest(name)
}

// sourceDigest is that of a file of the plugin before anything is filled in.
func sourceDigest(name string) string {
	text, err := pluginFiles.ReadFile("plugin/" + name)
	if err != nil {
		panic(err) // it is in the program
	}
	return digestOf(string(text))
}

// pristine tells whether a file is as some xjail wrote it, and the digest of what
// it was made from.
func pristine(text []byte) (source string, ok bool) {
	for line := range bytes.Lines(text) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		words, ours := bytes.CutPrefix(line, []byte(digestBegin))
		sum, source, two := bytes.Cut(words, []byte(" "))
		if ours && two {
			filled := bytes.Replace(text, line, []byte(digestMark), 1)
			return string(source), digestOf(string(filled)) == string(sum)
		}
	}
	return "", false
}

// PluginStatus says which files of the plugin are there, and whether they are
// this xjail's. The error is fault.Unsafe where something else than a directory is
// in its place.
func (c Config) PluginStatus() ([]PluginFile, error) {
	return c.pluginFiles(func(string) []byte { return nil })
}

// pluginFiles is PluginStatus where want says what the files shall be; nil for
// what this xjail writes with whatever settings.
func (c Config) pluginFiles(want func(name string) []byte) ([]PluginFile, error) {
	dir, err := c.openPlugin()
	if err != nil {
		return nil, err
	}
	if dir != nil {
		defer dir.Close()
	}
	var list []PluginFile
	for _, name := range pluginNames() {
		f := PluginFile{Path: filepath.Join(c.PluginDir(), name), State: FileMissing}
		if dir != nil {
			if f.State, err = fileState(dir, name, want(name)); err != nil {
				return nil, err
			}
		}
		if f.State == FileCurrent || f.State == FileOutdated {
			text, _ := dir.ReadFile(name) // it was read before
			f.Options, f.Problem = optionsOf(string(text)), problemOf(string(text))
		}
		list = append(list, f)
	}
	return list, nil
}

// openPlugin opens the plugin's directory; nil when there is none.
func (c Config) openPlugin() (*os.Root, error) {
	st, err := os.Lstat(c.PluginDir())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, fault.Wrap(fault.Permission, err, "poudriere's hooks", "run it as root")
	case !st.IsDir():
		return nil, fault.New(fault.Unsafe, "remove it, and install the hooks", "%s is no directory", c.PluginDir())
	}
	dir, err := os.OpenRoot(c.PluginDir())
	return dir, fault.Wrap(fault.Permission, err, "poudriere's hooks", "run it as root")
}

// pluginFileMax is more than any file of the plugin has, in bytes.
const pluginFileMax = 64 << 10

// fileState compares one file.
func fileState(dir *os.Root, name string, want []byte) (FileState, error) {
	st, err := dir.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return FileMissing, nil
	case err != nil:
		return "", fault.Wrap(fault.Permission, err, "poudriere's hooks", "run it as root")
	case !st.Mode().IsRegular() || st.Size() > pluginFileMax:
		return FileChanged, nil
	}
	text, err := dir.ReadFile(name)
	if err != nil {
		return "", fault.Wrap(fault.Permission, err, "poudriere's hooks", "run it as root")
	}
	source, ok := pristine(text)
	switch {
	case want != nil && bytes.Equal(text, want):
		return FileCurrent, nil
	case !ok:
		return FileChanged, nil
	case want == nil && source == sourceDigest(name):
		return FileCurrent, nil
	}
	return FileOutdated, nil
}

// optionsOf reads HookOptions from a hook: what is between the name of the command
// and the hook's.
func optionsOf(text string) []string {
	_, rest, _ := strings.Cut(text, " poudriere hook ")
	rest, _, _ = strings.Cut(rest, "\n")
	return quotedWords(rest)
}

// problemOf is why the program of a hook does not start, as the hook itself finds
// it; "" when it does, or when the file calls none.
func problemOf(text string) string {
	_, rest, _ := strings.Cut(text, "\nxjail=")
	rest, _, _ = strings.Cut(rest, "\n")
	words := quotedWords(rest)
	if len(words) != 1 {
		return ""
	}
	program := words[0]
	st, err := os.Stat(program)
	switch {
	case err != nil || !st.Mode().IsRegular():
		return program + " is not there"
	case st.Mode().Perm()&0o111 == 0:
		return program + " is not executable"
	}
	machine, err := machineOf(program)
	if err != nil || st.Size() < programMin || !strings.Contains(text, "*7f*45*4c*46*"+machine+"*)") {
		return program + " is not the program that it was"
	}
	return ""
}

// programMin is what the hooks take for the beginning of a program, in bytes.
const programMin = 64 << 10

// quotedWords reads words as shellWords writes them, up to something else.
func quotedWords(rest string) []string {
	var words []string
	for strings.HasPrefix(rest, "'") {
		word := ""
		for {
			part, more, whole := strings.Cut(rest[1:], "'")
			if !whole {
				return words
			}
			word, rest = word+part, more
			if !strings.HasPrefix(rest, `\''`) {
				break
			}
			word, rest = word+"'", rest[2:]
		}
		words, rest = append(words, word), strings.TrimPrefix(rest, " ")
	}
	return words
}
