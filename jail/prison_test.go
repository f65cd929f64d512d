package jail

import (
	"fmt"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/vfsopt"
)

// describe prints options as jail(8) takes them.
func describe(o vfsopt.Options) string {
	var parts []string
	for _, opt := range o {
		switch {
		case opt.Value == nil:
			parts = append(parts, opt.Name)
		case len(opt.Value) == 4 && opt.Value[3] == 0 && opt.Value[0] < ' ' || opt.Name == "osreldate":
			parts = append(parts, fmt.Sprintf("%s=%d", opt.Name, int(opt.Value[0])|int(opt.Value[1])<<8|int(opt.Value[2])<<16))
		default:
			parts = append(parts, opt.Name+"="+string(opt.Value[:len(opt.Value)-1]))
		}
	}
	return strings.Join(parts, " ")
}

func TestPrisonOptions(t *testing.T) {
	e := &entrance{Name: "mips64.test"}
	const always = "name=xjail-mips64_test-77-1 path=/v/77-1 host.hostname=mips64.test persist children.max=0 enforce_statfs=2 allow.chflags"
	all := func(string) bool { return true }
	tests := []struct {
		name  string
		g     guest
		known func(string) bool
		want  string
	}{
		{"generic kernel", guest{Release: "13.2-RELEASE", OSReldate: 1302001}, all, always + " ip4=2 ip6=2 sysvmsg=1 sysvsem=1 sysvshm=1 osrelease=13.2-RELEASE osreldate=1302001"},
		{"small kernel", guest{}, func(p string) bool { return p == "ip4" }, always + " ip4=2"},
		{"old userland", guest{Release: "9.3-RELEASE", OSReldate: 903000}, func(string) bool { return false }, always + " osrelease=9.3-RELEASE"},
		{"a version that the kernel refuses", guest{Release: "1.0-" + strings.Repeat("a", 27)}, func(string) bool { return false }, always},
	}
	for _, tt := range tests {
		o, err := prisonOptions(e, "/v/77-1", "77-1", tt.g, tt.known)
		if got := describe(o); err != nil || got != tt.want {
			t.Errorf("%s: %v\n got %s\nwant %s", tt.name, err, got, tt.want)
		}
		if _, err := o.Encode(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	e.Allow = []string{"raw_sockets", "mlock"}
	if o, err := prisonOptions(e, "/v", "1-1", guest{}, func(p string) bool { return strings.HasPrefix(p, "allow.") }); err != nil || !strings.HasSuffix(describe(o), " allow.chflags allow.raw_sockets allow.mlock") {
		t.Errorf("allowed: %s, %v", describe(o), err)
	}
	if _, err := prisonOptions(e, "/v", "1-1", guest{}, func(p string) bool { return p != "allow.mlock" }); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("a parameter that this kernel has not: %v", err)
	}
	if _, err := prisonOptions(e, "/"+strings.Repeat("a", 1023), "1-1", guest{}, all); err == nil {
		t.Error("a path of 1024 bytes was taken")
	}
	if got := describe(unpersist(7)); got != "jid=7 nopersist" {
		t.Error(got)
	}
	if o := nextPrison(7); describe(o[:1]) != "lastjid=7" || len(o[1].Value) != 1024 {
		t.Error(describe(o[:1]))
	}
}

func TestCheckAllow(t *testing.T) {
	for _, tt := range []struct {
		host string
		in   []string
		want string
		kind fault.Kind
	}{
		{"freebsd", nil, "", 0},
		{"linux", nil, "", 0},
		{"freebsd", []string{"raw_sockets", "allow.mlock", "mlock", "mount.nullfs"}, "raw_sockets mlock mount.nullfs", 0},
		{"freebsd", []string{"Raw"}, "", fault.Usage},
		{"freebsd", []string{"a=b"}, "", fault.Usage},
		{"freebsd", []string{"allow."}, "", fault.Usage},
		{"linux", []string{"mlock"}, "", fault.Unsupported},
	} {
		got, err := checkAllow(tt.host, tt.in)
		if strings.Join(got, " ") != tt.want || fault.KindOf(err) != tt.kind {
			t.Errorf("%s %q: %q, %v", tt.host, tt.in, got, err)
		}
	}
}
