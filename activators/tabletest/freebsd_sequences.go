package tabletest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
)

// freebsdSequences are calls whose effect depends on those before.
var freebsdSequences = []struct {
	name string
	run  func(*testing.T, FreeBSDKernel)
}{
	{"order of the list", freebsdOrder}, {"duplicate names", freebsdDuplicates}, {"order of the errors", freebsdErrorOrder},
	{"names that are not there", freebsdUnknown}, {"buffers", freebsdBuffers}, {"records of names", freebsdNameRecords},
}

func wantNames(t *testing.T, k FreeBSDKernel, want string) {
	t.Helper()
	list, err := k.List()
	var names []string
	for _, r := range list {
		names = append(names, r.Name)
	}
	if got := strings.Join(names, " "); err != nil || got != want {
		t.Errorf("the list is %q, %v, want %q", got, err, want)
	}
}

func addRecords(t *testing.T, k FreeBSDKernel, names ...string) {
	t.Helper()
	for _, name := range names {
		wantErrno(t, "add "+name, k.Add(plainRecord(t, k, name)), 0)
	}
}

func freebsdOrder(t *testing.T, k FreeBSDKernel) {
	wantNames(t, k, "")
	addRecords(t, k, "mips64", "mips64b", "mips64c")
	wantNames(t, k, "mips64c mips64b mips64")
	for _, node := range []string{"disable", "disable", "enable", "enable"} {
		wantErrno(t, node, k.Change(node, "mips64"), 0)
		r, err := k.Lookup("mips64")
		if err != nil || (r.Flags&Enabled != 0) != (node == "enable") {
			t.Errorf("after %s: %+v, %v", node, r, err)
		}
	}
	wantNames(t, k, "mips64c mips64b mips64")
	wantErrno(t, "remove", k.Change("remove", "mips64"), 0)
	addRecords(t, k, "mips64")
	wantNames(t, k, "mips64 mips64c mips64b")
}

func freebsdDuplicates(t *testing.T, k FreeBSDKernel) {
	addRecords(t, k, "a")
	other := plainRecord(t, k, "a")
	other.Interpreter, other.Magic = "/nonexistent/other", "xjt2"
	wantErrno(t, "another entry of the same name", k.Add(other), syscall.EEXIST)
	addRecords(t, k, "b", "A", "aa")
	wantNames(t, k, "aa A b a")
}

// freebsdErrorOrder is which of two errors is said.
func freebsdErrorOrder(t *testing.T, k FreeBSDKernel) {
	bad := plainRecord(t, k, "e0")
	bad.Interpreter = "/a #"
	addRecords(t, k, "e0")
	wantErrno(t, "macro and duplicate", k.Add(bad), syscall.EINVAL)
	for i := 1; i < 64; i++ {
		addRecords(t, k, fmt.Sprint("e", i))
	}
	wantErrno(t, "the 65th", k.Add(plainRecord(t, k, "e64")), syscall.ENOSPC)
	wantErrno(t, "full and duplicate", k.Add(plainRecord(t, k, "e0")), syscall.ENOSPC)
	wantErrno(t, "full and macro", k.Add(bad), syscall.ENOSPC)
	if k.Sysctl != nil {
		large, flag, version := plainRecord(t, k, "e64"), plainRecord(t, k, "e64"), plainRecord(t, k, "e64")
		large.Size, flag.Flags, version.Version = 257, 8, 0
		wantErrno(t, "full and too large", k.Add(large), syscall.ENOSPC)
		wantErrno(t, "full and a bad flag", k.Add(flag), syscall.EINVAL)
		wantErrno(t, "full and a bad version", k.Add(version), syscall.EINVAL)
	}
	wantErrno(t, "remove", k.Change("remove", "e7"), 0)
	addRecords(t, k, "e64")
	for i := range 65 {
		if i != 7 {
			wantErrno(t, "remove", k.Change("remove", fmt.Sprint("e", i)), 0)
		}
	}
	wantNames(t, k, "")
}

func freebsdUnknown(t *testing.T, k FreeBSDKernel) {
	addRecords(t, k, "a")
	for _, name := range []string{"nope", "", "A", "a ", " a"} {
		for _, node := range []string{"remove", "enable", "disable"} {
			wantErrno(t, fmt.Sprintf("%s %q", node, name), k.Change(node, name), syscall.ENOENT)
		}
		_, err := k.Lookup(name)
		wantErrno(t, fmt.Sprintf("look up %q", name), err, syscall.ENOENT)
	}
	wantNames(t, k, "a")
}

func freebsdBuffers(t *testing.T, k FreeBSDKernel) {
	if k.Sysctl == nil {
		t.Skip("this model knows entries, not bytes")
	}
	size := func(want int) {
		t.Helper()
		if n, err := k.Sysctl("list", nil, nil); err != nil || n != want {
			t.Errorf("the list has %d bytes, %v, want %d", n, err, want)
		}
	}
	fetch := func(room, want int, errno syscall.Errno) {
		t.Helper()
		n, err := k.Sysctl("list", make([]byte, room), nil)
		wantErrno(t, fmt.Sprintf("list into %d bytes", room), err, errno)
		if n != want {
			t.Errorf("list into %d bytes gives %d, want %d", room, n, want)
		}
	}
	size(0)
	addRecords(t, k, "a", "b", "c")
	size(3 * BinmiscSize)
	fetch(0, 0, syscall.EINVAL)
	fetch(3*BinmiscSize-1, 3*BinmiscSize-1, syscall.ENOMEM)
	fetch(BinmiscSize, BinmiscSize, syscall.ENOMEM)
	fetch(3*BinmiscSize, 3*BinmiscSize, 0)
	fetch(9*BinmiscSize, 3*BinmiscSize, 0)
	_, err := k.Sysctl("list", nil, BinmiscRecord{Version: 1}.Bytes())
	wantErrno(t, "write to list", err, syscall.EPERM)
	_, err = k.Sysctl("lookup", make([]byte, BinmiscSize-1), BinmiscRecord{Version: 1, Name: "a"}.Bytes())
	wantErrno(t, "lookup into a short buffer", err, syscall.ENOMEM)
}

// freebsdNameRecords is which fields of a record name an entry.
func freebsdNameRecords(t *testing.T, k FreeBSDKernel) {
	if k.Sysctl == nil {
		t.Skip("this model knows entries, not bytes")
	}
	addRecords(t, k, "a")
	out := make([]byte, BinmiscSize)
	for _, node := range []string{"lookup", "disable", "enable", "remove"} {
		_, err := k.Sysctl(node, out, BinmiscRecord{Name: "a"}.Bytes())
		wantErrno(t, node+" of version 0", err, syscall.EINVAL)
		_, err = k.Sysctl(node, out, BinmiscRecord{Version: 1, Name: "a"}.Bytes()[:BinmiscSize-1])
		wantErrno(t, node+" of a short record", err, syscall.EINVAL)
	}
	wantNames(t, k, "a")
	full := plainRecord(t, k, "a")
	full.Flags, full.Size, full.Interpreter = 0xffff, 999, "#"
	for _, node := range []string{"disable", "enable", "remove"} {
		_, err := k.Sysctl(node, nil, full.Bytes())
		wantErrno(t, node+" with other fields set", err, 0)
	}
	wantNames(t, k, "")
}
