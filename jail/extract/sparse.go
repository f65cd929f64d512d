package extract

import (
	"bytes"
	"os"
)

// holeSize is the block of every file system in use: a smaller run of zeros
// saves nothing.
const holeSize = 4096

var zeros [holeSize]byte

// holeWriter writes a file from start to end and leaves its zero blocks out.
type holeWriter struct {
	file *os.File
	off  int64 // in the file, holes included
	size int64 // of the file as it is on disk
}

// write takes the next piece. Pieces other than the last must be a multiple of
// holeSize long.
func (w *holeWriter) write(p []byte) error {
	for len(p) > 0 {
		hole := holeLen(p)
		w.off += int64(hole)
		p = p[hole:]
		data := dataLen(p)
		if data == 0 {
			continue
		}
		if _, err := w.file.WriteAt(p[:data], w.off); err != nil {
			return err
		}
		w.off += int64(data)
		w.size = w.off
		p = p[data:]
	}
	return nil
}

// skip leaves a hole of n bytes.
func (w *holeWriter) skip(n int64) { w.off += n }

// end gives the file its size when a hole is last.
func (w *holeWriter) end() error {
	if w.size == w.off {
		return nil
	}
	return w.file.Truncate(w.off)
}

// holeLen is the number of bytes at the start of p that are whole zero blocks.
func holeLen(p []byte) int {
	n := 0
	for len(p)-n >= holeSize && isHole(p[n:n+holeSize]) {
		n += holeSize
	}
	return n
}

// dataLen is the number of bytes up to the next whole zero block.
func dataLen(p []byte) int {
	n := 0
	for len(p)-n >= holeSize && !isHole(p[n:n+holeSize]) {
		n += holeSize
	}
	if len(p)-n < holeSize {
		n = len(p)
	}
	return n
}

func isHole(block []byte) bool {
	return block[0] == 0 && block[holeSize-1] == 0 && bytes.Equal(block, zeros[:])
}
