// Package html writes reports as one page that needs nothing else: no network, no
// script but for sorting, and no font. It shows what programs cost as a tree map,
// when it ran, and the tables. How large it is does not depend on how much ran.
package html

import (
	"crypto/sha256"
	_ "embed" // the template, the style and the script
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strings"
	"sync"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile"
)

//go:embed page.tmpl
var pageText string

//go:embed page.css
var style string

//go:embed page.js
var script string

// page is parsed when it is wanted: every start of xjail would pay for it.
var page = sync.OnceValues(func() (*template.Template, error) {
	return template.New("page").Funcs(functions).Parse(pageText)
})

var functions = template.FuncMap{
	"seconds": seconds, "millis": millis, "size": ui.Size, "ran": ran, "class": class, "printable": profile.Printable,
	"command": func(argv []string, cut bool) string { return shorten(profile.CommandLine(argv, cut), 300) },
	"percent": func(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) },
	"f":       func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"names":   names,
}

// Rows is how many rows a table has at most, when the caller has no other wish.
const Rows = 300

// view is what the template shows.
type view struct {
	*profile.Report
	Title  string
	Policy string
	Style  template.CSS
	Script template.JS
	Tiles  []tile
	Chart  chart
	Lanes  []lanes
	Calls  []*call
	Hidden int // calls that are not shown

	MapWidth, MapHeight, LineWidth, LineHeight float64
}

// call is a node of the tree of calls, with those below it that are shown.
type call struct {
	*profile.Node
	Share float64
	Open  bool
	Below []*call
}

// Write writes a report, which has a tree of calls. p is the profile that it is of,
// and nil when there are several.
func Write(w io.Writer, r *profile.Report, p *profile.Profile) error {
	v := &view{Report: r, Title: title(r), Style: template.CSS(style), Script: template.JS(script), Policy: policy(), //nolint:gosec // both are embedded
		Tiles: tilesOf(r), Chart: chartOf(r), MapWidth: mapWidth, MapHeight: mapHeight, LineWidth: lineWidth, LineHeight: lineHeight}
	spans := sourceSpans(r)
	if p != nil {
		spans = spansOf(p)
	}
	v.Lanes = lanesOf(spans, r.Totals.Elapsed)
	if r.Tree != nil {
		v.Calls, v.Hidden = callsOf(r.Tree)
	}
	t, err := page()
	if err != nil {
		return err
	}
	return t.Execute(w, v)
}

// policy lets the page load nothing, and run nothing but what it came with.
func policy() string {
	hash := func(s string) string {
		sum := sha256.Sum256([]byte(s))
		return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'; style-src " + hash(style) + "; script-src " + hash(script)
}

func title(r *profile.Report) string {
	if n := len(r.Profiles) + r.LeftOut.Profiles; n != 1 {
		return fmt.Sprintf("%d profiles", n)
	}
	s := r.Profiles[0]
	if s.Subject != "" {
		return profile.Printable(s.Subject)
	}
	return shorten(profile.CommandLine(s.Command, false), 80)
}

// What the tree of calls shows: at most so many nodes, and none that cost less
// than that share of the CPU time.
const (
	maxCalls  = 300
	leastCall = 0.002
)

// callsOf chooses the calls to show: the most expensive, callers before callees.
func callsOf(root *profile.Node) (shown []*call, hidden int) {
	nodes := map[*profile.Node]*call{}
	root.Walk(func(stack []*profile.Node) bool {
		n := stack[len(stack)-1]
		c := &call{Node: n, Open: len(stack) < 4}
		if root.Total.CPU > 0 {
			c.Share = float64(n.Total.CPU) / float64(root.Total.CPU)
		}
		if c.Share < leastCall || len(nodes) == maxCalls {
			hidden++
			return false
		}
		nodes[n] = c
		if len(stack) == 1 {
			shown = append(shown, c)
		} else {
			up := nodes[stack[len(stack)-2]]
			up.Below = append(up.Below, c)
		}
		return true
	})
	return shown, hidden
}

func seconds(ns int64) string { return fmt.Sprintf("%.2f", float64(ns)/1e9) }

func millis(ns int64) string { return fmt.Sprintf("%.1f", float64(ns)/1e6) }

func ran(emulated bool) string {
	if emulated {
		return "emulated"
	}
	return "native"
}

// class is that of the style: e or n.
func class(emulated bool) string { return ran(emulated)[:1] }

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// shorten cuts a text to n letters.
func shorten(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:max(n-1, 0)]) + "…"
	}
	return s
}

// names are those by which a program was started.
func names(p *profile.Program) string {
	if len(p.Names) == 0 || len(p.Names) == 1 && p.Names[0].Name == base(p.Program) {
		return ""
	}
	var list []string
	for i, n := range p.Names {
		if i == 6 {
			list = append(list, "…")
			break
		}
		list = append(list, fmt.Sprintf("%s %d", profile.Printable(n.Name), n.Execs))
	}
	return strings.Join(list, ", ")
}
