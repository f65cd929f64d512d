package profile

import (
	"cmp"
	"slices"
)

// maxDepth bounds the tree of calls: what is deeper is put at this depth, below
// the same callers. A program that goes on as itself ten thousand times is a
// stack of ten thousand.
const maxDepth = 64

// Node is a node of the tree of calls: all calls of a program by the same chain
// of callers. The root has no name.
type Node struct {
	Program  string `json:"program,omitempty"`
	Emulated bool   `json:"emulated"`
	Arch     string `json:"arch,omitempty"`   // the emulator's, or the machine's
	Script   string `json:"script,omitempty"` // the file, of a script
	// Self is what the calls cost, their forks included; Total with all that was
	// started from them.
	Self  Cost `json:"self"`
	Total Cost `json:"total"`
	// EmulatedCPU is the emulated part of Total.CPU.
	EmulatedCPU int64 `json:"emulated_cpu"`
	// Own is the elapsed time in which nothing ran that they started. Both
	// nanoseconds.
	Own      int64   `json:"own_wall"`
	Children []*Node `json:"children,omitempty"`

	byKey map[nodeKey]*Node
	up    *Node
	depth int
}

type nodeKey struct {
	programKey
	script string
}

// child finds or makes the node of a program that n started.
func (n *Node) child(key nodeKey) *Node {
	if n.depth == maxDepth {
		n = n.up
	}
	c := n.byKey[key]
	if c == nil {
		c = &Node{Program: key.program, Arch: key.arch, Emulated: key.emulated, Script: key.script, up: n, depth: n.depth + 1}
		if n.byKey == nil {
			n.byKey = map[nodeKey]*Node{}
		}
		n.byKey[key] = c
		n.Children = append(n.Children, c)
	}
	return c
}

// add adds the runs of a profile.
func (n *Node) add(p *Profile, calls *Calls) {
	last := p.Elapsed()
	nodes := make([]*Node, len(p.Runs))
	for i, r := range p.Runs {
		if calls.Owner(i) == i {
			parent := n
			if up := calls.Caller(i); up >= 0 {
				parent = nodes[up]
			}
			key := nodeKey{programKey: programKey{r.Program, p.ArchOf(r), r.Emulated()}}
			if r.Script {
				key.script = r.File
			}
			nodes[i] = parent.child(key)
			nodes[i].Own += calls.Own(i)
		}
		nodes[calls.Owner(i)].Self.add(costOf(r, last))
	}
}

// finish adds up the totals and sorts: what costs most first.
func (n *Node) finish() {
	n.Total, n.EmulatedCPU = n.Self, 0
	if n.Emulated {
		n.EmulatedCPU = n.Self.CPU
	}
	for _, c := range n.Children {
		c.finish()
		n.Total.add(c.Total)
		n.EmulatedCPU += c.EmulatedCPU
	}
	slices.SortFunc(n.Children, func(a, b *Node) int {
		return cmp.Or(cmp.Compare(b.Total.CPU, a.Total.CPU), cmp.Compare(a.Program, b.Program),
			cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Script, b.Script))
	})
}

// Tree is the tree of calls of one profile.
func Tree(p *Profile) *Node {
	root := &Node{}
	root.add(p, NewCalls(p))
	root.finish()
	return root
}

// Walk calls f with each node below n and the names that lead to it, callers
// first, and goes below a node when f returns true.
func (n *Node) Walk(f func(stack []*Node) bool) {
	var stack []*Node
	var walk func(*Node)
	walk = func(n *Node) {
		for _, c := range n.Children {
			stack = append(stack, c)
			if f(stack) {
				walk(c)
			}
			stack = stack[:len(stack)-1]
		}
	}
	walk(n)
}
