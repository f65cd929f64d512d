package formats

import (
	"bytes"
	"slices"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
)

// catalog are entries for every architecture, one for each pattern, in the order
// of the catalog.
func catalog(kernel string) []activators.Entry {
	var list []activators.Entry
	for _, a := range arch.All() {
		p := a.Pattern(arch.DefaultPolicy(kernel))
		e := activators.Entry{Name: "xjail-" + a.Name, Interpreter: "/usr/bin/qemu-" + a.Name + "-static", Offset: p.Offset, Magic: p.Magic, Mask: p.Mask, Enabled: true}
		if kernel == freebsd {
			e.Name, e.Flags.PreOpen = a.Name, len(list)%2 == 0
			if a.CPU != "" {
				e.Args = []string{"-cpu", a.CPU}
			}
		} else {
			e.Flags = activators.Flags{FixBinary: true, PreserveArgv0: true, Credentials: len(list)%2 == 0}.Normal()
		}
		if !slices.ContainsFunc(list, func(o activators.Entry) bool { return activators.Covers(o, e) && activators.Covers(e, o) }) {
			list = append(list, e)
		}
	}
	return list
}

// kernels are those for which a form can be written.
func kernels(t *testing.T, format string) []string {
	t.Helper()
	kernel, err := KernelOf(format)
	if err != nil {
		t.Fatal(err)
	}
	if kernel == "" {
		return []string{linux, freebsd}
	}
	return []string{kernel}
}

func write(t *testing.T, format, kernel string, entries []activators.Entry) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, format, entries, Options{Kernel: kernel, Version: "v0"}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// wantSame compares a set with entries in the order of a table.
func wantSame(t *testing.T, got *Set, want []activators.Entry) {
	t.Helper()
	if len(got.Notes) > 0 {
		t.Errorf("notes: %q", got.Notes)
	}
	if len(got.Entries) != len(want) {
		t.Fatalf("%d entries, want %d", len(got.Entries), len(want))
	}
	for i := range want {
		if !got.Entries[i].Equal(want[i]) {
			t.Errorf("entry %d:\n%+v, want\n%+v", i, got.Entries[i], want[i])
		}
	}
}

// What is written is read as the same, in the order of a table that registered
// it.
func TestRoundTrip(t *testing.T) {
	for _, format := range Formats() {
		for _, kernel := range kernels(t, format) {
			t.Run(format+" "+kernel, func(t *testing.T) {
				entries := catalog(kernel)
				if len(Warnings(format, entries)) > 0 { // the form has no order
					entries = slices.DeleteFunc(entries, func(e activators.Entry) bool {
						return slices.ContainsFunc(entries, func(o activators.Entry) bool { return o.Name != e.Name && activators.Covers(o, e) })
					})
				}
				want, err := activators.Arrange(entries)
				if err != nil {
					t.Fatal(err)
				}
				slices.Reverse(want)
				got, err := Read("file", write(t, format, kernel, entries))
				if err != nil {
					t.Fatal(err)
				}
				if format == Nix {
					slices.SortFunc(want, func(a, b activators.Entry) int { return bytes.Compare([]byte(b.Name), []byte(a.Name)) })
				}
				wantSame(t, got, want)
				if got.Kernel != kernel || got.Format != format {
					t.Errorf("%s of %q", got.Format, got.Kernel)
				}
			})
		}
	}
}
