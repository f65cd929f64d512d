package jail

import (
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/xtools"
)

func TestToolsOutlook(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("native tools are laid over on Linux")
	}
	s, r, root, old := toolsJail(t)
	if err := s.useTools(r, root, old); err != nil {
		t.Fatal(err)
	}
	before := listRoot(t, root)
	pack := filepath.Join(t.TempDir(), "p.tar")
	if _, err := s.ToolsOutlook(&Config{}, r.Name, ToolsRequest{Source: xtools.TwinName}); err == nil || !strings.Contains(err.Error(), "os-release") {
		t.Errorf("a root of nothing: %v", err)
	}
	if err := root.MkdirAll("etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := root.WriteFile("etc/os-release", []byte("ID=debian\nVERSION_CODENAME=bookworm\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		req  ToolsRequest
		want *ToolsOutlook
		kind fault.Kind
	}{
		{ToolsRequest{Source: "twin", Try: true}, &ToolsOutlook{Source: "twin", Tried: true}, 0},
		{ToolsRequest{Source: "host", Materialize: true}, &ToolsOutlook{Source: "host", Layout: xtools.Written}, 0},
		{ToolsRequest{Source: "pack:" + pack}, nil, fault.NotFound},
		{ToolsRequest{Source: "nxb:/"}, nil, fault.Unsupported},
		{ToolsRequest{Source: "sauce"}, nil, fault.Usage},
	} {
		got, err := s.ToolsOutlook(&Config{}, r.Name, tt.req)
		if fault.KindOf(err) != tt.kind {
			t.Errorf("%+v: %v", tt.req, err)
		}
		if want := tt.want; want != nil {
			want.Jail, want.Release = r.Name, "debian:bookworm"
			want.Replaces = &ReplacedTools{old.Source, old.Release, old.Layout, len(old.Files)}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v: %+v, want %+v", tt.req, got, want)
			}
		}
	}
	if err := root.RemoveAll("etc"); err != nil {
		t.Fatal(err)
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("the root has %q, had %q", after, before)
	}
}

func TestToolsOutlookOfOthers(t *testing.T) {
	s, root := freebsdJail(t)
	_, l, err := s.take("f") // makes the file of the lock, as create does
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	if err := root.Mkdir("nxb-bin", 0o755); err != nil {
		t.Fatal(err)
	}
	_, err = s.ToolsOutlook(&Config{}, "f", ToolsRequest{Source: "twin"})
	if fault.KindOf(err) != fault.Exists || !strings.Contains(err.Error(), "did not make") {
		t.Errorf("%v", err)
	}
}

func TestToolsOutlookOfFreeBSD(t *testing.T) {
	s, root := freebsdJail(t)
	_, l, err := s.take("f") // makes the file of the lock, as create does
	if err != nil {
		t.Fatal(err)
	}
	l.release()
	before := listRoot(t, root)
	got, err := s.ToolsOutlook(&Config{}, "f", ToolsRequest{Source: "twin", Try: true})
	if err != nil || got.Release != "freebsd:15.1-RELEASE-p3" || got.Layout != xtools.NxbBin || got.Tried || got.Replaces != nil {
		t.Errorf("%v: %+v", err, got)
	}
	for from, kind := range map[string]fault.Kind{"nxb:/nonexistent": fault.NotFound, "pack:/": fault.Unsupported, "sauce": fault.Unsupported} {
		if _, err := s.ToolsOutlook(&Config{}, "f", ToolsRequest{Source: from}); fault.KindOf(err) != kind {
			t.Errorf("%s: %v", from, err)
		}
	}
	if _, err := s.ToolsOutlook(&Config{}, "none", ToolsRequest{Source: "twin"}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("no jail: %v", err)
	}
	if after := listRoot(t, root); !slices.Equal(before, after) {
		t.Errorf("the root has %q, had %q", after, before)
	}
}
