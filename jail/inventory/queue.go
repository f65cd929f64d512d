package inventory

import "sync"

// item is a piece of work: an argument, names of a list, a directory to enter,
// or regular files in an open directory.
type item struct {
	group int
	path  string   // an argument
	dir   *dir     // the open directory that names are in
	names []string // files, of dir or of a list
	enter string   // a directory in dir
}

// queue is a stack: what is deep in a tree comes first, so that few directories
// are open at a time.
type queue struct {
	mu    sync.Mutex
	more  *sync.Cond
	items []item
	busy  int // workers that may still push
	ended bool
}

func newQueue() *queue {
	q := &queue{}
	q.more = sync.NewCond(&q.mu)
	return q
}

// batch is how many files are one item.
const batch = 128

// fill pushes arguments and lists, so that the first comes first.
func (q *queue) fill(args, list []string) {
	for at := 0; at < len(list); at += batch {
		q.items = append(q.items, item{group: len(args), names: list[at:min(at+batch, len(list))]})
	}
	for i := len(args) - 1; i >= 0; i-- {
		q.items = append(q.items, item{group: i, path: args[i]})
	}
}

func (q *queue) push(items ...item) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.items = append(q.items, items...)
	q.more.Broadcast()
}

// pop waits for an item. It is false when there is none and nobody is left who
// could push one. Each pop that is true is followed by a call of done.
func (q *queue) pop() (item, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && q.busy > 0 && !q.ended {
		q.more.Wait()
	}
	if len(q.items) == 0 || q.ended {
		return item{}, false
	}
	last := len(q.items) - 1
	it := q.items[last]
	q.items[last] = item{}
	q.items = q.items[:last]
	q.busy++
	return it, true
}

func (q *queue) done() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.busy--; q.busy == 0 {
		q.more.Broadcast()
	}
}

// stop makes pop false for all.
func (q *queue) stop() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ended = true
	q.more.Broadcast()
}
