package extract

import (
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/mholt/archiver/v4"

	"github.com/xjail/xjail/internal/fault"
)

// Format is a form of a tar that can be written.
type Format struct {
	Name        string // "tar", "tar.zst", as in Report.Format
	compression archiver.Compression
}

// PlainTar is a tar that is not compressed.
var PlainTar = Format{Name: "tar"}

// zstdWriters is how many goroutines a zstd encoder has. It is fixed, so that
// the archive does not depend on the number of processors.
const zstdWriters = 2

// endings are the names of files that Pack is used for, and their formats.
var endings = []struct {
	ending      string
	format      string
	compression archiver.Compression
}{
	{".tar", "tar", nil},
	{".tar.gz", "tar.gz", archiver.Gz{}}, {".tgz", "tar.gz", archiver.Gz{}},
	{".tar.zst", "tar.zst", zstdWriter}, {".tzst", "tar.zst", zstdWriter},
	{".tar.xz", "tar.xz", archiver.Xz{}}, {".txz", "tar.xz", archiver.Xz{}},
}

var zstdWriter = archiver.Zstd{EncoderOptions: []zstd.EOption{zstd.WithEncoderConcurrency(zstdWriters)}}

// Endings are those that FormatOf knows.
func Endings() []string {
	var all []string
	for _, e := range endings {
		all = append(all, e.ending)
	}
	return all
}

// FormatOf tells the format by the ending of a file's name, in small or capital
// letters. Another ending is an error of the kind fault.Usage.
func FormatOf(file string) (Format, error) {
	name := strings.ToLower(file)
	for _, e := range endings {
		if strings.HasSuffix(name, e.ending) {
			return Format{e.format, e.compression}, nil
		}
	}
	return Format{}, fault.New(fault.Usage, "end the name with one of "+strings.Join(Endings(), " "),
		"%s: the ending says no format of an archive", quote(file))
}

// NewWriter compresses what is written to it into w. Closing it leaves w open.
func (f Format) NewWriter(w io.Writer) (io.WriteCloser, error) {
	if f.compression == nil {
		return keepOpen{w}, nil
	}
	return f.compression.OpenWriter(w)
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }
