package html

import (
	"fmt"
	"slices"

	"github.com/xjail/xjail/profile"
)

// The tree map, in units of the drawing.
const (
	mapWidth  = 1000.0
	mapHeight = 380.0
	// maxTiles bounds it; what is smaller than leastTile of everything is one tile
	// with all others of its kind.
	maxTiles  = 150
	leastTile = 1.0 / 2000
	letter    = 6.8 // how wide a letter is
)

// tile is a rectangle of the tree map: a program, or the small ones together.
type tile struct {
	X, Y, W, H float64
	Class      string
	Title      string
	Name, Note string // "" when there is no room

	name string
	cpu  float64
}

// tilesOf lays out the programs: what ran emulated on the left, both by size.
func tilesOf(r *profile.Report) []tile {
	total := float64(r.Totals.All.CPU)
	if total <= 0 {
		return nil
	}
	groups := map[bool][]tile{}
	rest := map[bool]*tile{true: {}, false: {}}
	number := map[bool]int{}
	rows := slices.Clone(r.Programs)
	slices.SortStableFunc(rows, func(a, b *profile.Program) int { return int(min(max(b.CPU-a.CPU, -1), 1)) })
	for i, p := range rows {
		cpu := float64(p.CPU)
		switch {
		case cpu <= 0:
		case i >= maxTiles || cpu < leastTile*total:
			number[p.Emulated]++
			rest[p.Emulated].cpu += cpu
		default:
			name := profile.Printable(p.Program)
			short := base(name)
			if len(p.Names) == 1 { // as, and not aarch64-linux-gnu-as
				short = profile.Printable(p.Names[0].Name)
			}
			groups[p.Emulated] = append(groups[p.Emulated], tile{name: short, cpu: cpu, Class: class(p.Emulated),
				Title: fmt.Sprintf("%s, %s: %s s, %.1f %% of the CPU time, execs: %d, forks: %d, %s ms each",
					name, ran(p.Emulated), seconds(p.CPU), 100*p.Share, p.Execs, p.Forks, millis(p.Each))})
		}
	}
	sums := map[bool]float64{}
	for _, emulated := range []bool{true, false} {
		if o := rest[emulated]; o.cpu > 0 {
			o.Class, o.name = class(emulated), "others"
			o.Title = fmt.Sprintf("%d others, %s: %s s", number[emulated], ran(emulated), seconds(int64(o.cpu)))
			groups[emulated] = append(groups[emulated], *o)
		}
		for _, t := range groups[emulated] {
			sums[emulated] += t.cpu
		}
	}
	all := sums[true] + sums[false]
	if all <= 0 {
		return nil
	}
	left := mapWidth * sums[true] / all
	tiles := squarify(groups[true], sums[true], 0, 0, left, mapHeight)
	tiles = append(tiles, squarify(groups[false], sums[false], left, 0, mapWidth-left, mapHeight)...)
	for i := range tiles {
		tiles[i].label()
	}
	return tiles
}

// squarify lays tiles, the largest first, into a rectangle so that they are as
// square as can be: rows along its shorter side, each as long as adding a tile
// makes the worst one better (Bruls, Huizing, van Wijk: Squarified Treemaps, 2000).
func squarify(tiles []tile, sum, x, y, w, h float64) []tile {
	var done []tile
	for len(tiles) > 0 && sum > 0 && w > 0 && h > 0 {
		side, scale := min(w, h), w*h/sum
		n, row := 1, tiles[0].cpu
		for n < len(tiles) && worst(tiles[:n+1], row+tiles[n].cpu, scale, side) <= worst(tiles[:n], row, scale, side) {
			row += tiles[n].cpu
			n++
		}
		thick := row * scale / side
		at := 0.0
		for _, t := range tiles[:n] {
			long := side * t.cpu / row
			if w >= h {
				t.X, t.Y, t.W, t.H = x, y+at, thick, long
			} else {
				t.X, t.Y, t.W, t.H = x+at, y, long, thick
			}
			at += long
			done = append(done, t)
		}
		if w >= h {
			x, w = x+thick, w-thick
		} else {
			y, h = y+thick, h-thick
		}
		tiles, sum = tiles[n:], sum-row
	}
	return done
}

// worst is the worst ratio of sides in a row of tiles.
func worst(row []tile, sum, scale, side float64) float64 {
	thick, bad := sum*scale/side, 0.0
	for _, t := range row {
		long := t.cpu * scale / thick
		bad = max(bad, long/thick, thick/long)
	}
	return bad
}

// label writes into a tile what there is room for.
func (t *tile) label() {
	room := int((t.W - 8) / letter)
	if t.H < 18 || room < 3 {
		return
	}
	t.Name = shorten(t.name, room)
	if note := seconds(int64(t.cpu)) + " s"; t.H >= 34 && room >= len(note) {
		t.Note = note
	}
}
