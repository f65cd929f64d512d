package inventory

import "testing"

// BenchmarkScan is a walk over the programs and libraries of this machine.
func BenchmarkScan(b *testing.B) {
	b.ReportAllocs()
	var files int64
	for b.Loop() {
		r, err := Scan(b.Context(), []string{"/usr"}, nil, Options{})
		if err != nil {
			b.Fatal(err)
		}
		files += r.Counts.Files
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(files), "ns/file")
}
