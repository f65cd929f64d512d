package main

import (
	"fmt"
	"slices"
)

// summary is a package built in one way on one architecture.
type summary struct {
	n                         int
	configure, make, cpu      float64 // medians, seconds of CPU
	wall                      float64 // median, seconds
	ratio, least, most        float64 // CPU to the native build beside it
	configureRatio, makeRatio float64
}

// summarize compares with the native builds. Each build is set against that of
// its own round and architecture, which was just before it, so that what else the
// machine did then counts for both; one that has none is set against the median of
// all.
func (r *results) summarize(host, debian, variant, pkg string) (summary, bool) {
	runs := r.of(debian, variant, pkg)
	if len(runs) == 0 {
		return summary{}, false
	}
	natives := map[int]*buildRun{}
	var all []float64
	for _, x := range r.of(host, native, pkg) {
		if x.Beside == debian {
			natives[x.Round] = x
		}
		all = append(all, x.cpu())
	}
	of := func(number func(*buildRun) float64) float64 {
		var list []float64
		for _, x := range runs {
			list = append(list, number(x))
		}
		return median(list)
	}
	s := summary{
		n:         len(runs),
		configure: of(func(x *buildRun) float64 { return x.Configure.cpu() }),
		make:      of(func(x *buildRun) float64 { return x.Make.cpu() }),
		cpu:       of((*buildRun).cpu),
		wall:      of(func(x *buildRun) float64 { return x.Configure.Wall + x.Make.Wall }),
	}
	if len(all) == 0 {
		return s, true
	}
	var ratios, configures, makes []float64
	for _, x := range runs {
		twin := natives[x.Round]
		if twin == nil {
			ratios = append(ratios, x.cpu()/median(all))
			continue
		}
		ratios = append(ratios, x.cpu()/twin.cpu())
		makes = append(makes, x.Make.cpu()/twin.Make.cpu())
		if twin.Configure.cpu() > 0 {
			configures = append(configures, x.Configure.cpu()/twin.Configure.cpu())
		}
	}
	s.ratio, s.least, s.most = median(ratios), slices.Min(ratios), slices.Max(ratios)
	s.configureRatio, s.makeRatio = median(configures), median(makes)
	return s, true
}

// median of an even number is the mean of the two in the middle; of none it is 0.
func median(list []float64) float64 {
	if len(list) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(list))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// times is a ratio as people read it: 1.04x, 21x.
func times(ratio float64) string {
	if ratio >= 10 {
		return fmt.Sprintf("%.0fx", ratio)
	}
	return fmt.Sprintf("%.2fx", ratio)
}
