package extract

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

// layer packs files as a set of FreeBSD is packed.
func layer(t *testing.T, name string, files ...file) Layer {
	t.Helper()
	data := compress(t, formats["tar.xz"], tarOf(t, files...))
	sum := sha256.Sum256(data)
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return Layer{name, f, hex.EncodeToString(sum[:])}
}

// flagged has a file flag, as the sets have schg on libc and others.
func flagged(f file, flags string) file {
	f.PAXRecords = map[string]string{"SCHILY.fflags": flags}
	return f
}

func TestLayers(t *testing.T) {
	base := layer(t, "base.txz",
		dir("./", 0o755), dir("./etc/", 0o755), dir("./lib/", 0o755), reg("./etc/motd", "base"),
		flagged(reg("./lib/libc.so.7", "libc"), "schg,uarch"), flagged(reg("./lib/libthr.so.3", "thr"), "schg"),
		reg("./bin/sh", "shell"), hard("./rescue/sh", "./bin/sh"), link("./sys", "usr/src/sys"), link("./motd", "etc/motd"))
	more := layer(t, "more.txz",
		dir("./etc/", 0o700), reg("./etc/motd", "more"), reg("./bin/sh", "newer"),
		reg("./lib/libthr.so.3", "plain"), hard("./usr/lib32/libc.so.7", "./lib/libc.so.7"), dir("./sys/", 0o755), reg("./motd", "mine"))
	root := newRoot(t)
	var last Progress
	r, err := Archives(context.Background(), []Layer{base, more}, root, Options{Progress: func(p Progress) { last = p }})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"etc/motd": "more", "bin/sh": "newer", "rescue/sh": "shell", "lib/libthr.so.3": "plain", "usr/lib32/libc.so.7": "libc", "motd": "mine",
	} {
		contentsOf(t, root, name, want)
	}
	modeOf(t, root, "etc", os.ModeDir|0o700)
	modeOf(t, root, "sys", os.ModeDir|0o755)
	if got := keptOf(r, "lib/libc.so.7").Flags; got != "schg,uarch" && runtime.GOOS == "linux" {
		t.Errorf("flags kept: %q", got)
	}
	if got := keptOf(r, "lib/libthr.so.3").Flags; got != "" {
		t.Errorf("flags of a file that was replaced: %q", got)
	}
	size := sizeOf(base.Source) + sizeOf(more.Source)
	if r.Read != size || last.Read != size || last.Total != size || !last.Done {
		t.Errorf("read %d, progress %+v, want %d", r.Read, last, size)
	}
}

// A link of an earlier layer leads nowhere that a later one could write to.
func TestLayersStayInside(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("safe"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string][]file{
		"up":       {link("a", "../../../../../.."), reg("a/x", "evil")},
		"absolute": {link("a", filepath.Dir(outside)), reg("a/outside", "evil")},
		"hard":     {link("a", outside), hard("b", "../a")},
	} {
		root := newRoot(t)
		_, err := Archives(context.Background(), []Layer{layer(t, "one", files[0]), layer(t, "two", files[1])}, root, Options{})
		if fault.KindOf(err) != fault.Unsafe {
			t.Errorf("%s: %v", name, err)
		}
		isEmpty(t, root)
	}
	if text, err := os.ReadFile(outside); err != nil || string(text) != "safe" {
		t.Errorf("outside: %q, %v", text, err)
	}
}

// A failure in any layer leaves nothing, and says in which.
func TestLayersFail(t *testing.T) {
	good := layer(t, "base.txz", reg("bin/sh", "shell"))
	wrong := layer(t, "lib32.txz", reg("usr/lib32/x", "x"))
	wrong.SHA256 = good.SHA256
	empty := Layer{Name: "src.txz", Source: bytes.NewReader(nil)}
	big := layer(t, "big.txz", reg("a", "1234567"), reg("b", "1234567"))
	for _, tt := range []struct {
		second Layer
		opts   Options
		kind   fault.Kind
		word   string
	}{
		{wrong, Options{}, fault.Mismatch, "lib32.txz"},
		{empty, Options{}, fault.Damaged, "src.txz"},
		{big, Options{MaxEntries: 3}, fault.Unsafe, "more than 3 entries"},
	} {
		if _, err := good.Source.(*os.File).Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		root := newRoot(t)
		_, err := Archives(context.Background(), []Layer{good, tt.second}, root, tt.opts)
		checkError(t, err, tt.kind, tt.second.Name, tt.word)
		isEmpty(t, root)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Archives(ctx, []Layer{good}, newRoot(t), Options{})
	checkError(t, err, fault.Interrupted)
}
