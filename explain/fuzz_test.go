package explain

import (
	"encoding/binary"
	"slices"
	"testing"
)

// FuzzExplain gives both kernels, both emulators and the linkers any file: as the
// program, as what a script and an activator start, and as a library. There is
// always an answer, and it is one that the types know.
func FuzzExplain(f *testing.F) {
	files := with(base(f, "linux"), foreign(f))
	for _, n := range files {
		f.Add([]byte(n.text))
	}
	for _, text := range []string{"", "#!", "#!/bin/sh\r\n", "#! ", "\x7fELF", "\x7fELF\x02\x02\x01", "text"} {
		f.Add([]byte(text))
	}
	any := entry(f, "any", "mips64", "/fuzz/file")
	good := entry(f, "mips64", "mips64", "/usr/bin/qemu-mips64")
	f.Fuzz(func(t *testing.T, text []byte) {
		all := with(files, fake{"/fuzz/file": file(string(text)), "/fuzz/script": file("#!/fuzz/file\n"), "/usr/lib/libfoo.so.1": file(string(text)), "/etc/ld.so.cache": file(string(text))})
		for _, w := range []*World{linuxWorld(t, all, good), linuxWorld(t, all, any), freebsdWorld(t, all, good)} {
			for _, name := range []string{"/fuzz/file", "/fuzz/script", "/m/static", "/m/dynamic"} {
				x := Explain(w, name)
				v := x.Verdict
				if !slices.Contains([]Answer{Yes, No, Unknown}, v.Runs) || v.Message == "" || (v.Stage == AtExec) != (v.Errno != "") && v.Stage != AtEmulator || v.Runs == No && v.Cause == "" {
					t.Errorf("%s: %+v", name, v)
				}
			}
		}
	})
}

func FuzzCaches(f *testing.F) {
	f.Add([]byte(cacheFile(f, "libfoo.so.1", "/opt/libfoo.so.1")))
	f.Add([]byte("\x45\x6e\x68\x74"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		for _, bo := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			parseCache(b, bo)
			parseHints(b, bo)
		}
		parseScript(b)
		if len(b) > 1 {
			parseScriptBSD(b)
		}
	})
}
