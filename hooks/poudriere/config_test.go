package poudriere

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/xjail/xjail/internal/fault"
)

func TestParseSettings(t *testing.T) {
	for text, want := range map[string]Settings{
		"": {},
		"ZPOOL=zroot\nBASEFS=/usr/local/poudriere\n":              {ZPool: "zroot", ZRootFS: "/poudriere", BaseFS: "/usr/local/poudriere", Data: "/usr/local/poudriere/data"},
		"ZPOOL='tank'\nZROOTFS=\"/p\"\nPOUDRIERE_DATA=/data\n":    {ZPool: "tank", ZRootFS: "/p", Data: "/data"},
		"NO_ZFS=yes\nZPOOL=zroot\nBASEFS=/p # here\n":             {BaseFS: "/p", Data: "/p/data"},
		"# ZPOOL=no\n#BASEFS=/no\n":                               {},
		"B=/base\nBASEFS=$B/p\n: ${BINMISC:=/opt/binmiscctl}\n":   {BaseFS: "/base/p", Data: "/base/p/data", Binmisc: "/opt/binmiscctl"},
		"BASEFS=$(zfs get mountpoint)\n":                          {},
		"exit 0\n":                                                {},
		"if true; then BASEFS=/p; fi\nPOUDRIERE_DATA=${BASEFS}/d": {BaseFS: "/p", Data: "/p/d"},
	} {
		got, err := parseSettings(text + "\n")
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
		got.Limits = nil
		if got.ZPool != want.ZPool || got.ZRootFS != want.ZRootFS || got.BaseFS != want.BaseFS || got.Data != want.Data || got.Binmisc != want.Binmisc {
			t.Errorf("%q:\ngot  %+v\nwant %+v", text, got, want)
		}
	}
	if _, err := parseSettings("if true; then\n"); fault.KindOf(err) != fault.Damaged {
		t.Errorf("half a script: %v", err)
	}
}

func TestSettingsLimits(t *testing.T) {
	c := testConfig(t)
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(c.Etc, "poudriere.conf"), "NOHANG_TIME=100\nMAX_EXECUTION_TIME=$(expr 1)\n")
	write(filepath.Join(c.Dir(), "poudriere.conf"), "MAX_EXECUTION_TIME_PACKAGE=9000\nNOHANG_TIME=200\n")
	write(c.ConfFile("a"), "QEMU_NOHANG_TIME=30000\n")
	s, err := c.Settings("a")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{
		"MAX_EXECUTION_TIME": 86400, "MAX_EXECUTION_TIME_PACKAGE": 9000, "NOHANG_TIME": 200, "QEMU_NOHANG_TIME": 30000, "MAX_EXECUTION_TIME_EXTRACT": 3600,
	} {
		if s.Limits[name] != want {
			t.Errorf("%s = %d, want %d", name, s.Limits[name], want)
		}
	}
	if s, err = c.Settings(""); err != nil || s.Limits["QEMU_NOHANG_TIME"] != 21600 {
		t.Errorf("of no jail: %v, %v", s.Limits, err)
	}
}

func TestFindConfig(t *testing.T) {
	env := map[string]string{}
	getenv := func(name string) string { return env[name] }
	if c, _ := FindConfig("", getenv); c.Etc != DefaultEtc || c.Dir() != "/usr/local/etc/poudriere.d" {
		t.Errorf("default: %+v", c)
	}
	env["POUDRIERE_ETC"] = "/opt/etc/"
	if c, _ := FindConfig("", getenv); c.Etc != "/opt/etc" {
		t.Errorf("environment: %+v", c)
	}
	if c, _ := FindConfig("/x", getenv); c.Etc != "/x" {
		t.Errorf("option: %+v", c)
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("ZPOOL=zroot\nBASEFS=/p\n")
	f.Add("if [ -f /x ]; then ZPOOL=a; else ZPOOL=b; fi\nwhile :; do :; done\n")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parseSettings(text + "\n")
		if err == nil && s.ZPool == "" && s.ZFS() {
			t.Error("ZFS without a pool")
		}
	})
}
