package profile

import "slices"

// Costs are what runs cost, in nanoseconds: of very many an even sample, since a
// bulk run has hundreds of millions.
type Costs struct {
	kept []int64
	seen int64
	seed uint64
}

// costsKept is how many are kept at most.
const costsKept = 1 << 16

// Add adds what a run cost.
func (c *Costs) Add(ns int64) {
	c.seen++
	if len(c.kept) < costsKept {
		c.kept = append(c.kept, ns)
		return
	}
	// Any sequence will do that does not go with the costs, and is the same each time.
	c.seed = c.seed*6364136223846793005 + 1442695040888963407
	if at := (c.seed >> 20) % uint64(c.seen); at < costsKept {
		c.kept[at] = ns
	}
}

// Seen is how many were added.
func (c *Costs) Seen() int64 { return c.seen }

// Sorted are those that are kept, the cheapest first, until the next Add.
func (c *Costs) Sorted() []int64 {
	slices.Sort(c.kept)
	return c.kept
}
