package xtools

import (
	"bytes"
	"testing"

	"github.com/xjail/xjail/arch"
	"github.com/xjail/xjail/internal/fault"
)

func TestLoaderPlace(t *testing.T) {
	for _, tt := range []struct{ host, asked, place, source string }{
		{"amd64", loader, nearLoader, libs + "ld.so"},
		{"arm64", "/lib/ld-linux-aarch64.so.1", "/lib/ld-linux-aarch64.so.1", "lib/ld-linux-aarch64.so.1"},
		{"ppc64el", "/lib64/ld64.so.2", "/lib64/ld64.so.2", "lib64/ld64.so.2"}, // no room
	} {
		host, err := arch.Lookup(tt.host)
		if err != nil {
			t.Fatal(err)
		}
		place := loaderPlace(host, tt.asked)
		if place != tt.place || loaderSource(host, place) != tt.source || len(place) > len(tt.asked) {
			t.Errorf("%s: %s, %s", tt.host, place, loaderSource(host, place))
		}
		if !isLoader(host, tt.asked) || !isLoader(host, tt.place) || isLoader(host, "/tmp/ld.so") {
			t.Errorf("%s: another is the loader", tt.host)
		}
	}
}

func TestSetLoader(t *testing.T) {
	text := []byte(program("libc.so.6"))
	if err := setLoader(text, nearLoader); err != nil || string(text) != inFarm(program("libc.so.6")) {
		t.Errorf("%q, %v", text, err)
	}
	static := []byte(elfSpec{machine: amd64}.file())
	if before := bytes.Clone(static); setLoader(static, nearLoader) != nil || !bytes.Equal(static, before) {
		t.Error("a program without a loader is changed")
	}
	if err := setLoader([]byte(program()), nearLoader+"x"); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("no room: %v", err)
	}
	if err := setLoader([]byte("#!/bin/sh\n"), nearLoader); fault.KindOf(err) != fault.Damaged {
		t.Errorf("a script: %v", err)
	}
}
