package inventory

import "sync"

// links are the files with more than one name that were met, so that each is
// read once. They are kept by argument: what is in two of them is in both.
type links struct {
	mu    sync.Mutex
	known map[inode]*linked
}

type inode struct {
	group    int
	dev, ino uint64
}

// linked is such a file.
type linked struct{ path string } // the least of its names

func newLinks() *links { return &links{known: map[inode]*linked{}} }

// meet says whether this is the first name of the file. Which one is the first
// depends on who is faster, so the least is the one that is shown.
func (l *links) meet(st stat, src *source) (link *linked, first bool) {
	path := src.name()
	l.mu.Lock()
	defer l.mu.Unlock()
	key := inode{src.group, st.dev, st.ino}
	if link := l.known[key]; link != nil {
		link.path = min(link.path, path)
		return link, false
	}
	link = &linked{path: path}
	l.known[key] = link
	return link, true
}
