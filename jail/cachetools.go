package jail

import (
	"context"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
)

// CacheList lists what jails share: what was downloaded, and native tools.
func (s Store) CacheList() ([]source.CacheItem, error) {
	list, err := s.Cache().List()
	if err != nil {
		return nil, err
	}
	kept, err := xtools.ListKept(filepath.Join(s.Dir, twins))
	for _, k := range kept {
		list = append(list, cacheItem(k))
	}
	return list, err
}

func cacheItem(k xtools.Kept) source.CacheItem {
	return source.CacheItem{SHA256: k.ID, Names: []string{k.What}, Size: k.Size, Partial: k.Broken, Used: k.Used}
}

// pruneTools removes farms that no jail has, and packages that were not used for
// some time.
func (s Store) pruneTools(ctx context.Context, o PruneOptions) ([]Pruned, error) {
	dir := filepath.Join(s.Dir, twins)
	kept, err := xtools.ListKept(dir)
	if err != nil || len(kept) == 0 {
		return nil, err
	}
	unlock, err := s.lockFarms(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	users := s.farmUsers()
	var pruned []Pruned
	for _, k := range kept {
		p := Pruned{CacheItem: cacheItem(k)}
		switch user := users[k.Dir]; {
		case user != "":
			p.Why = "jail " + user + " is entered with them"
		case !o.All && !k.Broken && time.Since(k.Used) < o.Age:
			p.Why = "used lately"
		default:
			p.Removed = true
			if !o.DryRun {
				if err := removeTree(ctx, filepath.Join(dir, k.Dir)); err != nil {
					return pruned, writeError(err)
				}
			}
		}
		pruned = append(pruned, p)
	}
	return pruned, nil
}

// farmUsers names a jail for each farm that jails are entered with.
func (s Store) farmUsers() map[string]string {
	users := map[string]string{}
	names, _ := s.Names()
	for _, name := range names {
		if m, err := s.LoadTools(name); err == nil && m != nil && strings.HasPrefix(m.Farm, twins+"/") {
			users[path.Base(path.Dir(m.Farm))] = name
		}
	}
	return users
}
