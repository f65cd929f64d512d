package extract

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// names reads the members of an archive, their contents too when read is set.
func names(t *testing.T, src io.Reader, size int64, read bool) (string, error) {
	t.Helper()
	c, err := Open(context.Background(), "the file", src, size, Options{})
	if err != nil {
		return "", err
	}
	defer c.Close() //nolint:errcheck // it was only read
	head, err := c.Peek()
	if err != nil || len(head) < tarBlock {
		t.Fatalf("%d bytes, %v", len(head), err)
	}
	var all []string
	err = c.EachMember(func(h *tar.Header, r io.Reader) error {
		all = append(all, h.Name)
		if read {
			_, err := io.Copy(io.Discard, r)
			return err
		}
		return nil
	})
	return strings.Join(all, " "), err
}

// onDisk gives a file that can be seeked in.
func onDisk(t *testing.T, data []byte) *os.File {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// What is not read of a member is skipped, in each format, from a file and from
// a pipe, with both ends of a tar that are known; a missing end is noticed.
func TestEachMember(t *testing.T) {
	for _, last := range []int{0, 1, 2, 511, 512, 513, 1023, 1024, 1025, 100000} {
		plain := tarOf(t, reg("a", strings.Repeat("a", 5000)), reg("b", ""), reg("c", strings.Repeat("c", last)))
		end := len(plain) - 2*tarBlock
		for cut, want := range map[int]fault.Kind{len(plain): 0, end + tarBlock: 0, end: fault.Damaged, end - tarBlock: fault.Damaged} {
			for _, c := range formats {
				file := compress(t, c, plain[:cut])
				for _, read := range []bool{false, true} {
					what := fmt.Sprintf("%T last %d cut %d of %d read %v", c, last, cut, len(plain), read)
					for _, src := range []io.Reader{onDisk(t, file), io.MultiReader(bytes.NewReader(file))} {
						got, err := names(t, src, int64(len(file)), read)
						if fault.KindOf(err) != want || want == 0 && got != "a b c" {
							t.Errorf("%s: %q, %v", what, got, err)
						}
					}
				}
			}
		}
	}
}

func TestContentsOfNoArchive(t *testing.T) {
	for _, c := range formats {
		for _, size := range []int64{-1, 5} {
			in, err := Open(context.Background(), "f", bytes.NewReader(compress(t, c, []byte("hello"))), size, Options{})
			if err != nil {
				t.Fatal(err)
			}
			head, err := in.Peek()
			all, rerr := io.ReadAll(in)
			if string(head) != "hello" || string(all) != "hello" || err != nil || rerr != nil {
				t.Errorf("%T: %q %q %v %v", c, head, all, err, rerr)
			}
			if err := in.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// A member of holes only says that it is as large as it likes: nobody reads it.
func TestEachMemberSparse(t *testing.T) {
	for _, c := range formats {
		for _, plain := range [][]byte{gnuSparse(8<<30 - 1), paxSparse(1 << 60)} {
			file := compress(t, c, plain)
			got, err := names(t, io.MultiReader(bytes.NewReader(file)), int64(len(file)), false)
			if got != "sparse" || err != nil {
				t.Errorf("%T: %q %v", c, got, err)
			}
		}
	}
}

// paxSparse is an archive with one file of holes in GNU tar's form 1.0.
func paxSparse(size int64) []byte {
	records := ""
	for _, r := range []string{"major=1", "minor=0", "name=sparse", fmt.Sprintf("realsize=%d", size)} {
		r = " GNU.sparse." + r + "\n"
		records += fmt.Sprint(len(r)+2) + r
	}
	var file []byte
	for _, part := range []struct {
		kind byte
		data string
	}{{'x', records}, {'0', fmt.Sprintf("1\n%d\n0\n", size)}} {
		h := make([]byte, tarBlock)
		copy(h, "sparse")
		copy(h[100:], "0000644\x000000000\x000000000\x00")
		length := len(part.data)
		if part.kind == '0' {
			length = tarBlock
		}
		copy(h[124:], fmt.Sprintf("%011o\x00%011o\x00", length, 1700000000))
		h[156] = part.kind
		copy(h[257:], "ustar\x0000")
		sign(h)
		file = append(append(file, h...), part.data...)
		file = append(file, make([]byte, tarBlock-len(part.data))...)
	}
	return append(file, make([]byte, 2*tarBlock)...)
}
