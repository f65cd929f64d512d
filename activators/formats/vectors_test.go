package formats

import (
	"encoding/hex"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
)

// vectors are patterns as QEMU's scripts/qemu-binfmt-conf.sh has them (version
// 10.1), name, magic and mask: published tables, wrong rows as well. microblaze
// is one that never matches.
const vectors = `
i386         7f454c4601010100000000000000000002000300 fffffffffffefe00fffffffffffffffffeffffff
arm          7f454c4601010100000000000000000002002800 ffffffffffffff00fffffffffffffffffeffffff
ppc64le      7f454c4602010100000000000000000002001500 ffffffffffffff00fffffffffffffffffeffff00
mips         7f454c46010201000000000000000000000200080000000100000000000000000000000000000000 ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020
mipsn32      7f454c46010201000000000000000000000200080000000100000000000000000000000000000020 ffffffffffffff0000fffffffffffffffffeffffffffffff00000000000000000000000000000020
mips64       7f454c4602020100000000000000000000020008 ffffffffffffff0000fffffffffffffffffeffff
s390x        7f454c4602020100000000000000000000020016 ffffffffffffff00fffffffffffffffffffeffff
aarch64      7f454c460201010000000000000000000200b700 ffffffffffffff00fffffffffffffffffeffffff
riscv64      7f454c460201010000000000000000000200f300 ffffffffffffff00fffffffffffffffffeffffff
microblaze   7f454c460102010000000000000000000200baab ffffffffffffff00fffffffffffffffffeffffff
loongarch64  7f454c4602010100000000000000000002000201 fffffffffffffffc00fffffffffffffffeffffff
`

// some are entries of the vectors, in the order in which they are registered.
func some(t testing.TB, kernel string) []activators.Entry {
	t.Helper()
	var list []activators.Entry
	for line := range strings.Lines(vectors) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		e := entry(t, words[0], "/usr/bin/qemu-"+words[0]+"-static", words[1], words[2])
		if kernel == freebsd {
			e.Flags.PreOpen = len(list)%2 == 0
			if words[0] == "arm" {
				e.Args = []string{"-cpu", "cortex-a7"}
			}
		} else {
			e.Flags = activators.Flags{FixBinary: true, PreserveArgv0: len(list)%3 != 0, Credentials: len(list)%2 == 0}.Normal()
		}
		list = append(list, e)
	}
	return list
}

func entry(t testing.TB, name, interpreter, magic, mask string) activators.Entry {
	t.Helper()
	e := activators.Entry{Name: name, Interpreter: interpreter, Enabled: true}
	var err error
	if e.Magic, err = hex.DecodeString(magic); err != nil {
		t.Fatal(err)
	}
	if e.Mask, err = hex.DecodeString(mask); err != nil {
		t.Fatal(err)
	}
	if mask == "" {
		e.Mask = nil
	}
	return e
}
