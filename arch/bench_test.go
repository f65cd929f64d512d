package arch

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// BenchmarkIdentify is what a program and a library of this machine cost in a
// walk over many files, without reading them.
func BenchmarkIdentify(b *testing.B) {
	for _, name := range []string{"/bin/ls", "/lib/x86_64-linux-gnu/libz.so.1", "/usr/lib/libz.so"} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		b.Run(filepath.Base(name), func(b *testing.B) {
			b.ReportAllocs()
			var x Identifier
			for b.Loop() {
				if _, err := x.Identify(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
