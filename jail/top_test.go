package jail

import (
	"encoding/binary"
	"os"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/xjail/xjail/activators"
)

func TestParseProcStat(t *testing.T) {
	// The fields are those of proc_pid_stat(5); from a kernel 6.1.
	const rest = " S 40 41 41 34816 41 4194304 150 0 0 0 123 45 6 7 20 0 2 0 98765 12345678 321 18446744073709551615 1 1 0 0 0 0 0 16781312 134433281 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
	for _, comm := range []string{"sed", "a) S 1 (", "", "x\ny"} {
		s, ok := parseProcStat([]byte("42 (" + comm + ")" + rest))
		want := procStat{pid: 42, parent: 40, comm: comm, state: "S", cpu: 1680 * time.Millisecond, started: 987650 * time.Millisecond, rss: 321, threads: 2}
		if !ok || s != want {
			t.Errorf("%q: %+v %v", comm, s, ok)
		}
	}
	for _, bad := range []string{"", "42", "42 (x", "x (y)" + rest, ") (", "42 (sed) S 40\n"} {
		if s, ok := parseProcStat([]byte(bad)); ok {
			t.Errorf("%q: %+v", bad, s)
		}
	}
}

func FuzzParseProc(f *testing.F) {
	f.Add([]byte("42 (sed) S 40 41 41 34816 41 4194304 150 0 0 0 123 45 6 7 20 0 2 0 98765 12345678 321 1"))
	f.Add([]byte("Uid:\t0\t1000\t0\t0\nNSpid:\t42\t7\n"))
	f.Fuzz(func(_ *testing.T, b []byte) {
		parseProcStat(b)
		parseStatus(b)
		parseIDMap(b)
		parseNulls(b)
		parseKinfo(b, time.Now(), 4096)
	})
}

func TestParseStatus(t *testing.T) {
	nspid, uid := parseStatus([]byte("Name:\tsed\nUid:\t100000\t100033\t0\t0\nNSpid:\t4242\t17\t3\n"))
	if !slices.Equal(nspid, []int{4242, 17, 3}) || uid != 100033 {
		t.Errorf("%v %d", nspid, uid)
	}
	if nspid, _ := parseStatus([]byte("NSpid:\tx\n")); nspid != nil {
		t.Errorf("%v", nspid)
	}
}

func TestIDInside(t *testing.T) {
	list := parseIDMap([]byte("         0       1000          1\n         1     100000      65536\nx y z\n"))
	for id, want := range map[uint32]uint32{1000: 0, 100000: 1, 165535: 65536, 165536: 165536, 5: 5} {
		if got := idInside(list, id); got != want {
			t.Errorf("%d: %d, want %d", id, got, want)
		}
	}
	whole := parseIDMap([]byte("0 0 4294967295\n"))
	if got := idInside(whole, 4294967294); got != 4294967294 {
		t.Errorf("%d", got)
	}
}

func TestDescendants(t *testing.T) {
	all := map[int]procStat{}
	for pid, parent := range map[int]int{1: 0, 10: 1, 11: 10, 12: 11, 20: 1, 21: 20, 30: 31, 31: 30} {
		all[pid] = procStat{pid: pid, parent: parent}
	}
	for _, tt := range []struct{ roots, want []int }{
		{[]int{10}, []int{11, 12}}, {[]int{20, 10}, []int{11, 12, 21}}, {[]int{12}, nil}, {[]int{30}, []int{31}}, {[]int{99}, nil},
	} {
		roots := map[int]bool{}
		for _, r := range tt.roots {
			roots[r] = true
		}
		got := descendants(all, roots)
		slices.Sort(got)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.roots, got, tt.want)
		}
	}
}

func TestRates(t *testing.T) {
	at := time.Unix(1700000000, 0)
	before := &Snapshot{At: at, Processes: []Process{{PID: 7, CPU: 5 * time.Second, Elapsed: 10 * time.Second}, {PID: 8, CPU: time.Second, Elapsed: 10 * time.Second}}}
	now := &Snapshot{At: at.Add(2 * time.Second), Processes: []Process{
		{PID: 9, CPU: time.Second, Elapsed: 2 * time.Second},
		{PID: 7, CPU: 7 * time.Second, Elapsed: 12*time.Second + 700*time.Millisecond}, // by another clock
		{PID: 8, CPU: 500 * time.Millisecond, Elapsed: time.Second},                    // another process of that number
	}}
	now.rate(before)
	var got []float64
	for _, p := range now.Processes {
		got = append(got, float64(p.PID), p.Load)
	}
	if want := []float64{7, 1, 9, 0.5, 8, 0.5}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	first := &Snapshot{At: at, Processes: []Process{{PID: 1, CPU: 3 * time.Second, Elapsed: 6 * time.Second}, {PID: 2}}}
	if first.rate(nil); first.Processes[0].Load != 0.5 || first.Processes[1].Load != 0 {
		t.Errorf("%+v", first.Processes)
	}
}

func lookOn(t *testing.T) *onlooker {
	t.Helper()
	root := plant(t, "usr/bin/\nusr/bin/dash\nusr/bin/sh -> dash\nbin -> usr/bin\netc/\n")
	if err := root.WriteFile("etc/passwd", []byte("root:x:0:0::/root:/bin/sh\nbuild:x:1001:1001::/:/bin/sh\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return &onlooker{root: root, users: map[uint32]string{}, record: &Record{Root: "/var/db/xjail/jails/j/root", Activators: []activators.Entry{
		{Interpreter: "/usr/bin/qemu-aarch64-static", Flags: activators.Flags{PreserveArgv0: true}},
		{Interpreter: "/usr/local/bin/qemu-aarch64", Args: []string{"-x"}},
	}}}
}

func TestEmulatedProcess(t *testing.T) {
	o := lookOn(t)
	for _, tt := range []struct {
		argv          []string
		program, qemu string
		args          []string
	}{
		{[]string{"/usr/bin/qemu-aarch64-static", "/bin/sh", "-sh", "-c", "x"}, "/usr/bin/dash", "/usr/bin/qemu-aarch64-static", []string{"-sh", "-c", "x"}},
		{[]string{"/usr/bin/qemu-aarch64-static", "./conftest", "conftest"}, "./conftest", "/usr/bin/qemu-aarch64-static", []string{"conftest"}},
		{[]string{"/usr/local/bin/qemu-aarch64", "-x", "/usr/bin/gone"}, "/usr/bin/gone", "/usr/local/bin/qemu-aarch64", []string{"/usr/bin/gone"}},
		{[]string{"/usr/local/bin/qemu-aarch64"}, "[q]", "/usr/local/bin/qemu-aarch64", nil},
		{[]string{"/bin/sh"}, "[q]", "", nil},
		{nil, "[q]", "", nil},
	} {
		p := Process{Program: "[q]"}
		if o.emulated(&p, tt.argv); p.Program != tt.program || p.Emulator != tt.qemu || !slices.Equal(p.Args, tt.args) {
			t.Errorf("%q: %+v", tt.argv, p)
		}
	}
	if a, b := o.user(1001), o.user(77); a != "build" || b != "77" {
		t.Errorf("%q %q", a, b)
	}
}

// kinfo is a struct kinfo_proc as FreeBSD 14 has it on amd64.
func kinfo(pid, jail int, comm string) []byte {
	raw := make([]byte, kinfoSize)
	order := binary.NativeEndian
	order.PutUint32(raw, kinfoSize)
	order.PutUint32(raw[kinfoPID:], uint32(pid))
	order.PutUint32(raw[kinfoParentPID:], 1)
	order.PutUint32(raw[kinfoUID:], 1001)
	order.PutUint64(raw[kinfoRSS:], 10)
	order.PutUint64(raw[kinfoRuntime:], 2500000)
	order.PutUint64(raw[kinfoStart:], 1700000000)
	raw[kinfoStat] = 3
	copy(raw[kinfoComm:], comm)
	order.PutUint32(raw[kinfoJail:], uint32(jail))
	order.PutUint32(raw[kinfoThreads:], 2)
	return raw
}

func TestParseKinfo(t *testing.T) {
	raw := slices.Concat(kinfo(7, 3, "qemu-aarch64-static"), kinfo(8, 0, "init"))
	list := parseKinfo(raw, time.Unix(1700000009, 0), 4096)
	want := Process{PID: 7, Parent: 1, UID: 1001, State: "S", Program: "[qemu-aarch64-static]", CPU: 2500 * time.Millisecond, Elapsed: 9 * time.Second, RSS: 40960, Threads: 2}
	if len(list) != 2 || list[0].jail != 3 || !reflect.DeepEqual(list[0].Process, want) || list[1].comm != "init" {
		t.Errorf("%+v", list)
	}
	binary.NativeEndian.PutUint32(raw, 768)
	if list := parseKinfo(raw, time.Now(), 4096); list != nil {
		t.Errorf("another struct: %+v", list)
	}
}

func TestLookAtKinfo(t *testing.T) {
	o := lookOn(t)
	const views = "/var/db/xjail/jails/j/enter"
	prisons := map[int]string{3: views + "/v1", 4: "/var/db/xjail/jails/other/enter/v1", 5: views, 6: "/usr/jails/www"}
	var raw []byte
	for jail := range 8 {
		raw = append(raw, kinfo(100+jail, jail, "x")...)
	}
	raw = append(raw, kinfo(200, 3, "sed")...)
	args := func(pid int) []byte {
		if pid == 200 {
			return []byte("sed\x00-n\x00")
		}
		return []byte("/usr/local/bin/qemu-aarch64\x00-x\x00/bin/sh\x00-c\x00:\x00")
	}
	exe := func(pid int) []byte {
		if pid == 200 {
			return []byte(views + "/v1/nxb-bin/usr/bin/sed\x00")
		}
		return []byte(views + "/v1/usr/local/bin/qemu-aarch64\x00")
	}
	list := o.lookAtKinfo(parseKinfo(raw, time.Now(), 4096), prisons, views, args, exe)
	if len(list) != 2 {
		t.Fatalf("%+v", list)
	}
	if p := list[0]; p.PID != 103 || p.Emulator != "/usr/local/bin/qemu-aarch64" || p.Program != "/usr/bin/dash" || !slices.Equal(p.Args, []string{"/bin/sh", "-c", ":"}) || p.User != "build" {
		t.Errorf("%+v", p)
	}
	if p := list[1]; p.PID != 200 || p.Emulated() || p.Program != "/nxb-bin/usr/bin/sed" || !slices.Equal(p.Args, []string{"sed", "-n"}) {
		t.Errorf("%+v", p)
	}
}

// A jail that nobody is in has no processes; one that is not there is an error.
func TestProcessesOfNobody(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	root := t.TempDir()
	if err := os.MkdirAll(s.dir("j"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := s.save(&Record{Version: recordVersion, Name: "j", Root: root}); err != nil {
		t.Fatal(err)
	}
	now, err := s.Processes("j", nil)
	if err != nil || len(now.Processes) != 0 || now.Processes == nil {
		t.Errorf("%+v %v", now, err)
	}
	if _, err := s.Processes("k", nil); err == nil {
		t.Error("no error")
	}
}
