package formats

import (
	"errors"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/activators/binmiscctl"
)

// Tasks of ansible, as xjail writes them: on Linux one that copies a file to
// binfmt.d, on FreeBSD one for each binmiscctl command.

func fitsAnsible(s *source) bool {
	return strings.Contains(s.text, "\n- ") && (strings.Contains(s.text, "ansible.builtin.") || strings.Contains(s.text, "\n  hosts:")) &&
		scriptWords().MatchString(s.text)
}

func readAnsible(s *source) (*Set, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(s.text), &root); err != nil {
		return nil, s.damaged(0, err, "xjail activator generate ARCH --format ansible shows the form")
	}
	b := newBuilder(s, Ansible, "")
	nodes := 0
	if !b.tasks(&root, 0, &nodes) {
		return nil, s.damaged(0, errors.New("it has too many parts, or aliases"), "")
	}
	if len(b.set.Entries) == 0 {
		b.note(0, "no task of it registers entries in a way that is known")
	}
	return &b.set, nil
}

// tasks looks for what registers entries in all of a document, which is no more
// than so large.
func (b *builder) tasks(n *yaml.Node, depth int, nodes *int) bool {
	if *nodes++; *nodes > 10000 || depth > 40 || n.Kind == yaml.AliasNode {
		return false
	}
	if n.Kind == yaml.MappingNode {
		b.task(n)
	}
	for _, c := range n.Content {
		if !b.tasks(c, depth+1, nodes) {
			return false
		}
	}
	return true
}

// task is a module with its arguments.
func (b *builder) task(n *yaml.Node) {
	dest, content, argv := child(n, "dest"), child(n, "content"), child(n, "argv")
	switch {
	case dest != nil && content != nil && strings.Contains(dest.Value, "/binfmt.d/"):
		b.set.Kernel = linux
		b.lines(content.Line, content.Value)
	case argv != nil && len(argv.Content) > 1:
		b.argv(argv)
	}
}

// argv is a command of binmiscctl; others are none of ours.
func (b *builder) argv(n *yaml.Node) {
	var words []string
	for _, w := range n.Content {
		words = append(words, w.Value)
	}
	if !strings.HasSuffix(words[0], "binmiscctl") || words[1] != "add" {
		return
	}
	cmd, err := binmiscctl.Parse(words[1:])
	if err != nil {
		b.note(n.Line, "%v", err)
		return
	}
	b.set.Kernel = freebsd
	b.replace(n.Line, cmd.Entry)
}

// child is the value of a key of a mapping.
func child(n *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}
