package binmiscctl

import (
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

// Parse takes what no kernel should get, and says what getopt would.
func TestParse(t *testing.T) {
	for _, c := range []struct {
		args string
		want activators.Entry
	}{
		{"add x --interpreter bin/x --magic abc --mask \\x00\\x00\\x00 --size 3", activators.Entry{Name: "x", Interpreter: "bin/x", Magic: activators.Hex("abc"), Mask: activators.Hex("\x00\x00\x00")}},
		{"ADD x -eps2 -m ab -i /x -o 70000", activators.Entry{Name: "x", Interpreter: "/x", Magic: activators.Hex("ab"), Offset: 70000, Enabled: true, Flags: activators.Flags{PreOpen: true}}},
		{"remove x y", activators.Entry{Name: "x"}},
		{"list x", activators.Entry{}},
	} {
		cmd, err := Parse(strings.Fields(c.args))
		if err != nil || !cmd.Entry.Equal(c.want) || !strings.EqualFold(cmd.Name, strings.Fields(c.args)[0]) {
			t.Errorf("%s: %+v, %v", c.args, cmd, err)
		}
	}
	for args, want := range map[string]string{
		"":                                    "a command is missing",
		"frob":                                `unknown command "frob"`,
		"enable":                              "enable: Required argument missing",
		"add x --nope":                        "add: unrecognized option `--nope'",
		"add x -i /x -m a -s":                 "add: option requires an argument -- s",
		"add x -i /x -m a -s 2":               "--size is 2",
		"add x -i /x -s 1 -m a -o 4294967296": "is not within",
	} {
		_, err := Parse(strings.Fields(args))
		if err == nil || !strings.Contains(err.Error(), want) || fault.KindOf(err) != fault.Usage {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
}
