package main

import (
	"fmt"
	"math"
	"strings"
)

// Lengths of the picture, in its own units.
const (
	pictureWidth = 860
	labelWidth   = 110
	valueWidth   = 90
	barHeight    = 9
	barGap       = 2
	groupGap     = 10
	panelTitle   = 34
	panelGap     = 14
)

// pictureStyle holds the colours, of which each mode of the reader has its own.
const pictureStyle = `<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 14px }
.axis { stroke: #1f2328; stroke-opacity: .55; stroke-dasharray: 3 3 }
.axis-label { font-size: 11px; fill-opacity: .75 }
.cross { fill: #6e7781 } .emulated { fill: #b35900 } .compilers { fill: #9a8400 } .full { fill: #0a6b9e }
@media (prefers-color-scheme: dark) {
 text { fill: #e6edf3 } .axis { stroke: #e6edf3 }
 .cross { fill: #8b949e } .emulated { fill: #f0883e } .compilers { fill: #d9c12f } .full { fill: #58b4f0 }
}
</style>
`

// picture draws how many times a native build's CPU time each way takes, as an
// SVG: a panel an architecture, a group of bars a package.
func (r *results) picture(host string) string {
	most := r.mostRatio(host)
	body := &strings.Builder{}
	y := legend(body)
	for _, a := range r.archs(host) {
		y = r.panel(body, host, a, y, most)
	}
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-label="CPU time of builds as a multiple of the native build's">`+"\n%s%s</svg>\n",
		pictureWidth, y, pictureStyle, body)
}

func (r *results) mostRatio(host string) float64 {
	most := 2.0
	for _, a := range r.archs(host) {
		for _, p := range r.built(a) {
			for _, v := range variants[1:] {
				if s, ok := r.summarize(host, a, v, p.Name); ok {
					most = math.Max(most, s.ratio)
				}
			}
		}
	}
	return most
}

func legend(w *strings.Builder) (y int) {
	fmt.Fprintf(w, `<text class="title" x="0" y="16">CPU time of configure and make, native build = 1</text>`+"\n")
	x := 0
	for _, v := range variants[1:] {
		fmt.Fprintf(w, `<rect class="%s" x="%d" y="28" width="12" height="12"/><text x="%d" y="38">%s</text>`+"\n", v, x, x+18, spoken[v])
		x += 40 + 8*len(spoken[v])
	}
	return 52
}

// panel draws one architecture and says where the next one begins.
func (r *results) panel(w *strings.Builder, host, debian string, y int, most float64) int {
	scale := float64(pictureWidth-labelWidth-valueWidth) / most
	fmt.Fprintf(w, `<text class="title" x="0" y="%d">%s</text>`+"\n", y+18, debian)
	top := y + panelTitle - 4
	y += panelTitle
	for _, p := range r.built(debian) {
		begin := y
		bars := &strings.Builder{}
		for _, v := range variants[1:] {
			s, ok := r.summarize(host, debian, v, p.Name)
			if !ok {
				continue
			}
			width := s.ratio * scale
			fmt.Fprintf(bars, `<rect class="%s" x="%d" y="%d" width="%.1f" height="%d"/><text class="axis-label" x="%.1f" y="%d">%s</text>`+"\n",
				v, labelWidth, y, width, barHeight, labelWidth+width+4, y+barHeight, times(s.ratio))
			y += barHeight + barGap
		}
		if y == begin {
			continue // only the native build was measured
		}
		fmt.Fprintf(w, `<text x="%d" y="%d" text-anchor="end">%s</text>`+"\n%s", labelWidth-8, (begin+y)/2+3, p.Name, bars)
		y += groupGap
	}
	one := labelWidth + scale
	fmt.Fprintf(w, `<line class="axis" x1="%.1f" y1="%d" x2="%.1f" y2="%d"/>`+"\n", one, top, one, y-groupGap+2)
	return y + panelGap
}
