package xtools

import (
	"bytes"
	_ "embed" // policy.yaml
	"errors"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/internal/fault"
)

//go:embed policy.yaml
var policyText []byte

// Policy says which programs of a root may be laid over. Names of files may have
// * and ? in them; paths have no leading slash.
type Policy struct {
	// Directories are where programs are looked for.
	Directories []string `yaml:"directories"`
	// Programs are patterns of paths of programs elsewhere.
	Programs []string `yaml:"programs"`
	// Plugins are patterns of paths of what native programs load.
	Plugins []string `yaml:"plugins"`
	// Pays are programs that a build spends its time in.
	Pays []string `yaml:"pays"`
	// Asks are programs that call uname(2) and may be native all the same.
	Asks []string `yaml:"asks"`
	// Searches are programs in which the directory of the libraries of the
	// architecture that they are built for becomes the root's.
	Searches []string `yaml:"searches"`
	// Names are programs that name a directory of libraries of their own architecture,
	// and may be native all the same.
	Names []string `yaml:"names"`
	// Libraries are patterns of names of libraries: programs that need one stay as
	// they are, each with its reason.
	Libraries map[string]string `yaml:"libraries"`
	// Order are programs that stay as they are in roots of another order of bytes than
	// the host's, each with its reason.
	Order map[string]string `yaml:"order"`
	// Never are programs that stay as they are, each with its reason.
	Never map[string]string `yaml:"never"`
	// Scripts are scripts that a native interpreter may run: by the package, the
	// path, and with the reason why that is safe. Packages and paths are patterns.
	Scripts map[string]map[string]string `yaml:"scripts"`
	// Revisions are those of compilers of which it is known what they change.
	Revisions []Revision `yaml:"revisions"`
	// Allow are names of Never that a configuration has decided otherwise about,
	// programs that may be native whatever libraries they need and directories they
	// name, and those of a compiler whatever their revision is.
	Allow []string `yaml:"allow"`
}

var defaultPolicy = sync.OnceValues(func() (*Policy, error) { return parsePolicy(policyText) })

// DefaultPolicy is the one that xjail comes with.
func DefaultPolicy() *Policy {
	p, err := defaultPolicy()
	if err != nil {
		panic("xtools: policy.yaml: " + err.Error()) // a test reads it
	}
	return p
}

func parsePolicy(text []byte) (*Policy, error) {
	p := &Policy{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(p); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return p, p.check()
}

// check refuses patterns that cannot be used, and exceptions without a reason.
func (p *Policy) check() error {
	for _, list := range [][]string{p.Programs, p.Plugins, p.Pays, p.Asks, p.Searches, p.Names, p.Allow, p.Directories} {
		for _, pattern := range list {
			if err := checkPattern(pattern); err != nil {
				return err
			}
		}
	}
	if err := checkReasons("never", "why it stays", p.Never); err != nil {
		return err
	}
	if err := checkReasons("order", "why it stays where the order is another", p.Order); err != nil {
		return err
	}
	if err := checkReasons("libraries", "why what needs it stays", p.Libraries); err != nil {
		return err
	}
	for i := range p.Revisions {
		if err := p.Revisions[i].check(); err != nil {
			return err
		}
	}
	for name, scripts := range p.Scripts {
		if err := checkPattern(name); err != nil {
			return err
		}
		if err := checkReasons("scripts", "why it may", scripts); err != nil {
			return err
		}
	}
	return nil
}

func checkReasons(list, what string, reasons map[string]string) error {
	for pattern, reason := range reasons {
		if err := checkPattern(pattern); err != nil {
			return err
		}
		if strings.TrimSpace(reason) == "" {
			return fault.New(fault.Usage, pattern+": "+what, "tools: %s: %q has no reason", list, pattern)
		}
	}
	return nil
}

func checkPattern(pattern string) error {
	if _, err := path.Match(pattern, "x"); err != nil || pattern == "" || strings.HasPrefix(pattern, "/") {
		return fault.New(fault.Usage, "patterns are those of sh: sed, *-gcc-12, usr/lib/git-core/*; paths without the first /", "tools: %q cannot be a pattern", pattern)
	}
	return nil
}

// With is the policy with what a configuration adds to it. A name of Allow takes
// exactly that name out of Never; nothing else of it goes away.
func (p *Policy) With(add *Policy) (*Policy, error) {
	if add == nil {
		return p, nil
	}
	if err := add.check(); err != nil {
		return nil, err
	}
	sum := &Policy{
		Directories: slices.Concat(p.Directories, add.Directories),
		Programs:    slices.Concat(p.Programs, add.Programs),
		Plugins:     slices.Concat(p.Plugins, add.Plugins),
		Pays:        slices.Concat(p.Pays, add.Pays),
		Asks:        slices.Concat(p.Asks, add.Asks),
		Searches:    slices.Concat(p.Searches, add.Searches),
		Names:       slices.Concat(p.Names, add.Names),
		Allow:       slices.Concat(p.Allow, add.Allow),
		Revisions:   slices.Concat(p.Revisions, add.Revisions),
		Libraries:   map[string]string{},
		Order:       map[string]string{},
		Never:       map[string]string{},
		Scripts:     map[string]map[string]string{},
	}
	for _, scripts := range []map[string]map[string]string{p.Scripts, add.Scripts} {
		for name, reasons := range scripts {
			if sum.Scripts[name] == nil {
				sum.Scripts[name] = map[string]string{}
			}
			maps.Copy(sum.Scripts[name], reasons)
		}
	}
	for _, policy := range []*Policy{p, add} {
		maps.Copy(sum.Never, policy.Never)
		maps.Copy(sum.Libraries, policy.Libraries)
		maps.Copy(sum.Order, policy.Order)
	}
	return sum, nil
}

// NeverWhy is the reason why a program of this name stays as it is; "" when it
// need not. Of several patterns the longest counts.
func (p *Policy) NeverWhy(name string) string {
	if matches(p.Allow, name) {
		return ""
	}
	return reasonFor(p.Never, name)
}

// staysWhy is the reason why a program of this name stays as it is in a root.
func (p *Policy) staysWhy(s *Subject, name string) string {
	if why := p.NeverWhy(name); why != "" || s.Host.Order == s.Arch.Order {
		return why
	}
	return p.OrderWhy(name)
}

// OrderWhy is the reason why a program of this name stays as it is in a root of
// another order of bytes; "" when it need not.
func (p *Policy) OrderWhy(name string) string {
	if matches(p.Allow, name) {
		return ""
	}
	return reasonFor(p.Order, name)
}

// LibraryWhy is the reason why a program that needs a library of this name stays as
// it is; "" when it need not.
func (p *Policy) LibraryWhy(name string) string { return reasonFor(p.Libraries, name) }

// reasonFor is the reason of the longest pattern that a name matches.
func reasonFor(reasons map[string]string, name string) string {
	best, why := "", ""
	for pattern, reason := range reasons {
		if ok, _ := path.Match(pattern, name); ok && (why == "" || len(pattern) > len(best) || len(pattern) == len(best) && pattern < best) {
			best, why = pattern, reason
		}
	}
	return why
}

// PaysOff tells whether a program of this name is one that builds spend their
// time in.
func (p *Policy) PaysOff(name string) bool { return matches(p.Pays, name) }

// isProgram tells whether a program may be at that path, and isPlugin whether
// native programs load it.
func (p *Policy) isProgram(name string) bool {
	return slices.Contains(p.Directories, path.Dir(name)) || matches(p.Programs, name)
}

// scriptsOf are the patterns of paths of a package's scripts.
func (p *Policy) scriptsOf(name string) []string {
	var patterns []string
	for pattern, scripts := range p.Scripts {
		if ok, _ := path.Match(pattern, name); ok {
			patterns = slices.AppendSeq(patterns, maps.Keys(scripts))
		}
	}
	return patterns
}

// scriptWhy is the reason why a script of a package may be native.
func (p *Policy) scriptWhy(name, file string) (why string) {
	for _, pattern := range slices.Sorted(maps.Keys(p.Scripts)) {
		if ok, _ := path.Match(pattern, name); !ok {
			continue
		}
		for _, files := range slices.Sorted(maps.Keys(p.Scripts[pattern])) {
			if ok, _ := path.Match(files, file); ok {
				why = p.Scripts[pattern][files]
			}
		}
	}
	return why
}

func (p *Policy) isPlugin(name string) bool { return matches(p.Plugins, name) }

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		ok, _ := path.Match(pattern, name)
		return ok
	})
}
