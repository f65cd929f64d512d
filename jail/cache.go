package jail

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/xjail/xjail/jail/source"
)

// PruneOptions say what may go from the cache.
type PruneOptions struct {
	Age    time.Duration // what was used within that time stays
	All    bool          // whatever its age, and whether a jail was made of it
	DryRun bool
}

// Pruned is a file of the cache that went, or stays.
type Pruned struct {
	source.CacheItem
	Removed bool `json:"removed"`
	// Why it stays; "" for what was removed.
	Why string `json:"why,omitempty"`
}

// PruneCache removes native tools that no jail has, parts of downloads, and sets of which no jail was made,
// when they were not used for some time. What is in use stays in any case. With
// DryRun nothing is removed, and Removed says what would be.
func (s Store) PruneCache(ctx context.Context, o PruneOptions) ([]Pruned, error) {
	cache := s.Cache()
	list, err := cache.List()
	if err != nil {
		return nil, err
	}
	jails := s.setUsers()
	pruned := make([]Pruned, 0, len(list))
	for _, it := range list {
		p := Pruned{CacheItem: it, Why: o.keeps(it, jails, time.Now())}
		if p.Why == "" {
			p.Removed = true
			if !o.DryRun {
				if p.Removed, err = cache.Remove(it.SHA256); err != nil {
					return pruned, writeError(err)
				}
			}
			if !p.Removed {
				p.Why = inUse
			}
		}
		pruned = append(pruned, p)
	}
	tools, err := s.pruneTools(ctx, o)
	pruned = append(pruned, tools...)
	if err != nil {
		return pruned, err
	}
	if !o.DryRun {
		_ = os.Remove(filepath.Join(s.Dir, twins))
		_ = os.Remove(filepath.Dir(filepath.Join(s.Dir, twins)))
		cache.RemoveEmpty()
		s.removeEmpty()
	}
	return pruned, nil
}

const inUse = "in use"

// keeps says why an item stays, "" when it may go.
func (o PruneOptions) keeps(it source.CacheItem, jails map[string]string, now time.Time) string {
	switch {
	case it.Busy:
		return inUse
	case o.All:
		return ""
	case now.Sub(it.Used) < o.Age:
		return "used lately"
	case !it.Partial && jails[it.SHA256] != "":
		return "jail " + jails[it.SHA256] + " was made of it"
	}
	return ""
}

// setUsers names a jail for each digest of a set that jails were made of. A
// record that cannot be read holds nothing back: a set can be fetched again.
func (s Store) setUsers() map[string]string {
	users := map[string]string{}
	names, _ := s.Names()
	for _, name := range names {
		r, err := s.Load(name)
		if err != nil || r.Source.Manifest == nil {
			continue
		}
		users[r.Source.Manifest.SHA256] = name
		for _, set := range r.Source.Manifest.Sets {
			users[set.SHA256] = name
		}
	}
	return users
}
