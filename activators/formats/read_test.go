package formats

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/internal/fault"
)

// Patterns, as the scripts of these tests write them.
const (
	armMagic = `\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00`
	leMask   = `\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff`
	armLine  = ":qemu-arm:M::" + armMagic + ":" + leMask + ":/usr/bin/qemu-arm-static:"
	addArm   = "binmiscctl add arm --interpreter /usr/local/bin/qemu-arm-static --magic '" + armMagic + "' --mask '" + leMask + "' --size 20 --set-enabled"
)

// shown is a set in a line an entry: name, interpreter, magic, flags.
func shown(s *Set) string {
	var b strings.Builder
	for _, e := range s.Entries {
		state := ""
		if !e.Enabled {
			state = " off"
		}
		fmt.Fprintf(&b, "%s %s %x/%x %s%s\n", e.Name, strings.Join(append([]string{e.Interpreter}, e.Args...), " "), []byte(e.Magic), []byte(e.Mask), e.Flags, state)
	}
	return b.String()
}

// short is a line for the arm entry.
func short(name, interpreter, flags string) string {
	return fmt.Sprintf("%s %s 7f454c4601010100000000000000000002002800/ffffffffffffff00fffffffffffffffffeffffff %s\n", name, interpreter, flags)
}

const qemuArm, bsdArm = "/usr/bin/qemu-arm-static", "/usr/local/bin/qemu-arm-static"

var reads = []struct {
	name   string
	file   string // name of the file
	text   string
	format string
	want   string
	notes  []string // part of each
}{
	{name: "a register line", text: armLine + "\n", format: BinfmtD, want: short("qemu-arm", qemuArm, "")},
	{name: "binfmt.d", text: "# a comment\n; another\n\n  " + armLine + "OCF  \n:exe:E::exe::/usr/bin/wine:\n", format: BinfmtD,
		want: "exe /usr/bin/wine / \n" + short("qemu-arm", qemuArm, "OCF")},
	{name: "another delimiter", text: strings.ReplaceAll(armLine, ":", "|") + "\n", format: BinfmtD, want: short("qemu-arm", qemuArm, "")},
	{name: "a bad line", text: ":bad:M::abc:ff:/bin/x:\n:worse:M::abc:/bin/x\n" + armLine + "\n", format: BinfmtD, want: short("qemu-arm", qemuArm, ""),
		notes: []string{"f:1: not a register line: the mask has 2 bytes, the magic 3", "f:2: not a register line"}},
	{name: "rubbish among lines", text: "rubbish\n" + armLine + "\n", format: BinfmtD, want: short("qemu-arm", qemuArm, ""), notes: []string{"f:1: not a register line"}},
	{name: "a delimiter that nobody uses", text: "-foo-M--MZ--/usr/bin/wine-\nxbarxMxxabcxx/bin/barx\n", format: BinfmtD, want: "bar /bin/bar 616263/ \nfoo /usr/bin/wine 4d5a/ \n"},
	{name: "twice", text: ":a:M::xxxx::/bin/x:\n" + armLine + "\n:a:M::yyyy::/bin/y:\n", format: BinfmtD, want: "a /bin/y 79797979/ \n" + short("qemu-arm", qemuArm, ""),
		notes: []string{`f:3: "a" is there twice`}},

	{name: "echo", text: "#!/bin/sh\nmount binfmt_misc -t binfmt_misc /proc/sys/fs/binfmt_misc\necho '" + armLine + "F' > /proc/sys/fs/binfmt_misc/register\n",
		format: Register, want: short("qemu-arm", qemuArm, "F"), notes: []string{"not run: mount (line 2)"}},
	{name: "echo through sudo tee", text: "echo '" + armLine + "' | sudo tee /proc/sys/fs/binfmt_misc/register > /dev/null 2>&1", format: Register, want: short("qemu-arm", qemuArm, "")},
	{name: "in double quotes", text: `echo ":qemu-arm:M::` + armMagic + `:` + leMask + `:$(echo /usr/bin)/qemu-arm-static:" > /proc/sys/fs/binfmt_misc/register`, format: Register, want: short("qemu-arm", qemuArm, "")},
	{name: "printf", text: "line='" + armLine + "'\nprintf '%s\\n' \"$line\" > /proc/sys/fs/binfmt_misc/register", format: Register, want: short("qemu-arm", qemuArm, "")},
	{name: "here-document", text: "cat > /proc/sys/fs/binfmt_misc/register <<'EOF'\n" + armLine + "\nEOF\n", format: Register, want: short("qemu-arm", qemuArm, "")},
	{name: "sh -c", text: `sudo sh -c "echo ':APE:M::MZqFpD::/usr/bin/ape:' >/proc/sys/fs/binfmt_misc/register" || true`, format: Register, want: "APE /usr/bin/ape 4d5a71467044/ \n"},
	{name: "docker run", text: `docker run --rm --privileged alpine sh -ec "echo ':APE:M::MZqFpD::/usr/bin/ape:' >/proc/sys/fs/binfmt_misc/register"`, format: Register, want: "APE /usr/bin/ape 4d5a71467044/ \n"},
	{name: "Dockerfile", text: "FROM alpine\nRUN echo ':a:M::aaaa::/bin/x:' > /proc/sys/fs/binfmt_misc/register && \\\n  echo ':b:M::bbbb::/bin/x:' > /proc/sys/fs/binfmt_misc/register\n" +
		"RUN --mount=type=cache,target=/c n=c; echo \":$n:M::cccc::/bin/x:\" > /proc/sys/fs/binfmt_misc/register\nRUN <<EOF\necho ':d:M::dddd::/bin/x:' > /proc/sys/fs/binfmt_misc/register\nEOF\n" +
		"RUN [\"sh\", \"-c\", \"echo ':e:M::eeee::/bin/x:' > /proc/sys/fs/binfmt_misc/register\"]\n", format: Register, want: "d /bin/x 64646464/ \nc /bin/x 63636363/ \nb /bin/x 62626262/ \na /bin/x 61616161/ \n", notes: []string{"f:8: not followed: RUN [sh, -c", "not run: FROM"}},
	{name: "not UTF-8", text: "#!/bin/sh\n# Andr\xe9\necho ':a\xe9:M::aaaa::/bin/\xe9:' > /proc/sys/fs/binfmt_misc/register\n", format: Register, want: "a\xe9 /bin/\xe9 61616161/ \n"},
	{name: "by way of a file", text: "f=$(mktemp)\necho '" + armLine + "' > \"$f\"\nsudo bash -c \"cat '$f' > /proc/sys/fs/binfmt_misc/register\"\n", format: Register, want: short("qemu-arm", qemuArm, ""),
		notes: []string{"not run: mktemp"}},
	{name: "bash's echo -e ends the fields at the first NUL", text: "#!/bin/bash\necho -ne '" + armLine + "' > /proc/sys/fs/binfmt_misc/register\necho ':x:M::abc::/bin/x:' > /proc/sys/fs/binfmt_misc/register", format: Register,
		want: "x /bin/x 616263/ \nqemu-arm /usr/bin/qemu-arm-static 7f454c46010101/ffffffffffffff \n", notes: []string{"f:2: the line has bytes of 0 as they are"}},
	{name: "a written file of binfmt.d", text: "cat >/etc/binfmt.d/arm.conf <<EOF\n# arm\n" + strings.ReplaceAll(armLine, `\`, `\\`) + "F\nEOF\nsystemctl restart systemd-binfmt", format: Register, want: short("qemu-arm", qemuArm, "F"), notes: []string{"systemctl"}},
	{name: "removed, switched off", text: "cd /proc/sys/fs/binfmt_misc\nfor n in a b c; do echo \":$n:M::$n$n$n::/bin/x:\" > /proc/sys/fs/binfmt_misc/register; done\n" +
		"echo -1 > /proc/sys/fs/binfmt_misc/a\necho 0 > /proc/sys/fs/binfmt_misc/b\n", format: Register, want: "c /bin/x 636363/ \nb /bin/x 626262/  off\n"},
	{name: "all removed before", text: "echo ':a:M::aaaa::/bin/x:' > /proc/sys/fs/binfmt_misc/register\necho -1 > /proc/sys/fs/binfmt_misc/status\necho ':b:M::bbbb::/bin/x:' > /proc/sys/fs/binfmt_misc/register", format: Register, want: "b /bin/x 62626262/ \n"},
	{name: "the name is taken", text: "echo ':a:M::aaaa::/bin/x:' > /proc/sys/fs/binfmt_misc/register\necho ':a:M::bbbb::/bin/x:' > /proc/sys/fs/binfmt_misc/register", format: Register, want: "a /bin/x 61616161/ \n", notes: []string{`f:2: "a" is there already`}},
	{name: "several lines in one write", text: "printf ':a:M::aaaa::/bin/x:\\n:b:M::bbbb::/bin/x:\\n' > /proc/sys/fs/binfmt_misc/register\necho ':c:M::cccc::/bin/x:' > /proc/sys/fs/binfmt_misc/register", format: Register, want: "c /bin/x 63636363/ \n", notes: []string{"f:1: several lines in one write"}},
	{name: "an interpreter that is not known", text: "echo \":a:M::aaaa::$(which qemu-arm-static):F\" > /proc/sys/fs/binfmt_misc/register", format: Register, want: "a $(which qemu-arm-static) 61616161/ F\n", notes: []string{"f:1: its interpreter is not known"}},
	{name: "a magic that is not known", text: "echo \":a:M::$(head -c 4 x)::/bin/x:F\" > /proc/sys/fs/binfmt_misc/register; echo ':c:M::cccc::/bin/x:' > /proc/sys/fs/binfmt_misc/register", format: Register, want: "c /bin/x 63636363/ \n", notes: []string{"the line that is registered is not known", "not run: head"}},

	{name: "binmiscctl", text: addArm, format: Binmiscctl, want: short("arm", bsdArm, "")},
	{name: "short and joined options", text: `/usr/sbin/binmiscctl ADD x -eps4 -m 'abcd' -i "/bin/x -a  b" --mask=\\xff\\xff\\x00\\xff`, format: Binmiscctl, want: "x /bin/x -a b 61626364/ffff00ff PRE_OPEN\n"},
	{name: "lines go on", text: "binmiscctl add \\\n\tarm \\\n\t--interpreter " + bsdArm + " \\\n\t--magic \"" + armMagic + "\" \\\n --mask \"" + leMask + "\" --size 20", format: Binmiscctl,
		want: strings.TrimSuffix(short("arm", bsdArm, ""), "\n") + " off\n"},
	{name: "the examples of a manual page are too long", text: addArm + "\nbinmiscctl add bad --interpreter /bin/x --magic \"\\x7f\\x45\\\n           \\x4c\\x46\" --size 4", format: Binmiscctl, want: short("arm", bsdArm, ""),
		notes: []string{"binmiscctl fails: add: Error: invalid magic argument: it has 15 bytes, and --size is 4"}},
	{name: "remove, disable, enable", text: "b=binmiscctl\nfor n in a b c; do $b add $n -i /bin/x -m xxxx -s 4 -e; done\n$b remove a\n$b disable b\n$b disable c; $b enable c\n$b remove nobody\n", format: Binmiscctl, want: "c /bin/x 78787878/ \nb /bin/x 78787878/  off\n"},
	{name: "only when it is not there", text: addArm + "\nbinmiscctl lookup arm >/dev/null 2>&1 || binmiscctl add arm -i /bin/no -m x -s 1\nif binmiscctl lookup x >/dev/null; then :; else binmiscctl add x -i /bin/x -m x -s 1 -e; fi", format: Binmiscctl, want: "x /bin/x 78/ \n" + short("arm", bsdArm, "")},
	{name: "looked for with grep", text: "if binmiscctl lookup arm 2>/dev/null | grep -q arm; then\n echo there\nelse\n if [ -f /usr/local/bin/qemu-arm-static ]; then\n" + addArm + " || {\n echo failed\n exit 1\n }\n fi\nfi", format: Binmiscctl, want: short("arm", bsdArm, ""), notes: []string{"grep"}},
	{name: "the wrong variable", text: "args=\"--interpreter /bin/x\"\nbinmiscctl add x ${arg} --magic xxxx --size 4\nbinmiscctl add y $args --magic yyyy --size 4 -e", format: Binmiscctl, want: "y /bin/x 79797979/ \n", notes: []string{"f:2: binmiscctl fails: add: Error: Missing 'interpreter' argument"}},
	{name: "what the environment decides", text: "case ${TARGET} in\na) binmiscctl add a -i /bin/a -m aaaa -s 4 -e;;\nb) binmiscctl add b -i /bin/b -m bbbb -s 4 -e;;\n*) exit 1;;\nesac", format: Binmiscctl, want: "b /bin/b 62626262/ \na /bin/a 61616161/ \n"},
	{name: "twice is refused", text: addArm + "\n" + addArm, format: Binmiscctl, want: short("arm", bsdArm, ""), notes: []string{`f:2: binmiscctl fails: "arm" is there already`}},
	{name: "without a mask", text: "binmiscctl add llvm -i /usr/bin/lli -m 'BC\\xc0\\xde' -s 4 --set-enabled", format: Binmiscctl, want: "llvm /usr/bin/lli 4243c0de/ \n"},
	{name: "wider than a kernel should get", text: "binmiscctl add all -i /bin/x -m xxxx -M '\\x00\\x00\\x00\\x00' -s 4 -e", format: Binmiscctl, want: "all /bin/x 78787878/00000000 \n"},
	{name: "functions, arithmetic, expansions", text: "n=0\nf() { local m=$1; n=$((n+1)); binmiscctl add ${m%.*}-$n -i \"${2:-/bin/x}\" -m \"${m##*.}\" -s ${#3} -e; }\nf one.aaaa '' 1234\nf two.bbbb /bin/y 1234\nwhile [ $n -lt 4 ]; do f w.cccc '' 1234; done", format: Binmiscctl,
		want: "w-4 /bin/x 63636363/ \nw-3 /bin/x 63636363/ \ntwo-2 /bin/y 62626262/ \none-1 /bin/x 61616161/ \n"},
	{name: "arrays", text: "#!/bin/bash\ndeclare -A m=([a]=aaaa [b]=bbbb)\nfor k in \"${!m[@]}\"; do binmiscctl add $k -i /bin/x -m ${m[$k]} -s 4 -e; done\nl=(c 'd e'); binmiscctl add ${l[0]} -i \"/bin/${l[1]}\" -m xx -s 2 -e", format: Binmiscctl,
		want: "c /bin/d e 7878/ \nb /bin/x 62626262/ \na /bin/x 61616161/ \n"},
	{name: "lines that are read", text: "while read -r n m rest; do\n case $n in '#'*|'') continue;; esac\n binmiscctl add $n -i /bin/x -m $m -s 4 -e\ndone <<E\n# table\na aaaa x y\n\nb bbbb\nE\n", format: Binmiscctl, want: "b /bin/x 62626262/ \na /bin/x 61616161/ \n"},
	{name: "set -e", text: "set -e\nbinmiscctl add a -i /bin/x -m aaaa -s 4 -e\nbinmiscctl add a -i /bin/x -m aaaa -s 4 -e\nbinmiscctl add b -i /bin/x -m aaaa -s 4 -e", format: Binmiscctl, want: "a /bin/x 61616161/ \n", notes: []string{"f:3"}},
	{name: "not followed", text: "find . -exec binmiscctl add {} \\;\n" + addArm, format: Binmiscctl, want: short("arm", bsdArm, ""), notes: []string{"f:1: not followed: find . -exec binmiscctl add", "not run: find"}},
	{name: "a service of the old kind", text: "#!/bin/sh\ncase $1 in\nstart)\n" + addArm + "\n;;\nstop)\nbinmiscctl remove arm\n;;\nesac", format: Binmiscctl, want: short("arm", bsdArm, "")},

	{name: "update-binfmts", text: "sudo update-binfmts --package q --install a /bin/a --magic 'aaaa' --mask '\\xff\\xff\\xff\\x00' --credentials yes --fix-binary yes --preserve=yes\nupdate-binfmts --install e /bin/e --extension ext\nupdate-binfmts --disable e", format: Register, want: "e /bin/e /  off\na /bin/a 61616161/ffffff00 POCF\n"},
	{name: "Debian", file: "/usr/share/binfmts/qemu-arm", text: "package qemu-user-static\ninterpreter " + qemuArm + "\nmagic " + armMagic + "\noffset 0\nmask " + leMask + "\ncredentials yes\nfix_binary yes\npreserve no\n", format: Debian, want: short("qemu-arm", qemuArm, "OCF")},
	{name: "Debian, several", text: "# /usr/share/binfmts/a\npackage p\ninterpreter /bin/a\nmagic aaaa\n\n# /usr/share/binfmts/b\npackage p\ninterpreter /bin/b\nextension b\ndetector /bin/d\n", format: Debian, want: "b /bin/b / \na /bin/a 61616161/ \n", notes: []string{"f:6: entry \"b\": the detector /bin/d"}},
	{name: "Debian, odd", file: "x", text: "interpreter /bin/a\nmagic aaaa\npreserve perhaps\n# /usr/share/binfmts/b\ninterpreter /bin/b\nmagic b\ncredential no\n", format: Debian, want: "b /bin/b 62/ \n", notes: []string{`preserve is "perhaps"`, "x:7: credential is not a key"}},
	{name: "Debian's own directory", file: "/var/lib/binfmts/jar", text: "openjdk-17\nmagic\n0\nPK\\x03\\x04\n\n/usr/bin/jexec\n\n\n\n\n", format: Debian, want: "jar /usr/bin/jexec 504b0304/ \n"},

	{name: "JSON list", text: `[{"name":"a","interpreter":"/bin/a","magic":"61","flags":{"fix_binary":true}},{"name":"b","interpreter":"/bin/b","extension":"b","enabled":false}]`, format: JSON, want: "a /bin/a 61/ F\nb /bin/b /  off\n"},
	{name: "JSON, one of which is wrong", text: `[{"name":"a","interpreter":"/bin/a","magic":"61","offset":1.5},
{"name":"b","interpreter":"/bin/b","magic":"zz"},{"name":"c","interpreter":"/bin/c","magic":"63","mask":"ffff"},{"name":"d","interpreter":"/bin/d","magic":"64"}]`, format: JSON, want: "d /bin/d 64/ \n",
		notes: []string{"f:1: not JSON as xjail writes it: entry 1: ", "f:2: not JSON as xjail writes it: entry 2: hexadecimal", "entry 3: the mask has 2 bytes"}},
	{name: "JSON of one", text: `{"name":"a","interpreter":"/bin/a","args":["x"],"magic":"61","enabled":true}`, format: JSON, want: "a /bin/a x 61/ \n"},
	{name: "JSON of status", text: `{"table":{"kernel":"linux","where":"/proc"},"entries":[{"name":"\ufffd","name_hex":"ff","interpreter":"/bin/a","magic":"61","enabled":true,"owner":"foreign","file":null}]}`, format: JSON, want: "\xff /bin/a 61/ \n"},
	{name: "JSON of nothing", text: `{"entries":[]}`, format: JSON, want: ""},

	{name: "binmiscctl list", text: "name: b\ninterpreter: /bin/b -x\nflags: ENABLED USE_MASK PRE_OPEN \nmagic size: 2\nmagic offset: 4\nmagic: 0x01 0xff \nmask:  0xff 0x00 \n\nname: a\ninterpreter: /bin/a\nflags: \nmagic size: 1\nmagic offset: 0\nmagic: 0x61 \n\n", format: List, want: "b /bin/b -x 01ff/ff00 PRE_OPEN\na /bin/a 61/  off\n"},
	{name: "a cut list", text: "name: b\ninterpreter: /bin/b\nflags: ENABLED \nmagic size: 2\nmagic offset: 0\nmagic: 0x01 \n\nname: a\ninterpreter: /bin/a\nflags: WHAT \nmagic size: 1\n\nname: c\ninterpreter: /bin/c\nflags: ENABLED \nmagic size: 1\nmagic offset: 0\nmagic: 0x61 \n", format: List, want: "c /bin/c 61/ \n", notes: []string{`f:1: entry "b": its magic has 1 bytes, not the 2`, `f:10: entry "a": unknown flag "WHAT"`}},
	{name: "entries of the kernel", text: "==> /proc/sys/fs/binfmt_misc/a <==\nenabled\ninterpreter /bin/a\nflags: PF\noffset 0\nmagic 61\n\n==> /proc/sys/fs/binfmt_misc/b <==\ndisabled\ninterpreter /bin/b\nflags: \nextension .b\n\n==> /proc/sys/fs/binfmt_misc/status <==\nenabled\n", format: Dump, want: "a /bin/a 61/ PF\nb /bin/b /  off\n", notes: []string{"do not tell the order"}},
	{name: "entries by grep", text: "/proc/sys/fs/binfmt_misc/a:enabled\n/proc/sys/fs/binfmt_misc/a:interpreter /bin/a\n/proc/sys/fs/binfmt_misc/a:flags: \n/proc/sys/fs/binfmt_misc/a:offset 0\n/proc/sys/fs/binfmt_misc/a:magic 61\n/proc/sys/fs/binfmt_misc/a:mask f0\n/proc/sys/fs/binfmt_misc/status:enabled\n", format: Dump, want: "a /bin/a 61/f0 \n"},
	{name: "the file of one entry", file: "/proc/sys/fs/binfmt_misc/cli", text: "enabled\ninterpreter /usr/bin/cli\nflags: \noffset 0\nmagic 4d5a\n", format: Dump, want: "cli /usr/bin/cli 4d5a/ \n", notes: []string{`it is called "cli"`}},

	{name: "NixOS", text: "{ config, pkgs, ... }: {\n  # a comment\n  services.x.enable = true;\n  boot.binfmt.registrations.wine = { recognitionType = \"extension\"; magicOrExtension = \"exe\"; interpreter = \"/bin/wine\"; };\n" +
		"  boot.binfmt = { registrations.\"arm\" = {\n interpreter = \"" + qemuArm + "\"; magicOrExtension = ''" + armMagic + "''; mask = \"" + strings.ReplaceAll(leMask, `\`, `\\`) + "\"; fixBinary = true; wrapInterpreterInShell = false; }; };\n}\n", format: Nix,
		want: "wine /bin/wine / \n" + short("arm", qemuArm, "F"), notes: []string{"f:4: entry \"wine\": NixOS puts a script around its interpreter"}},
	{name: "NixOS that computes", text: "{ boot.binfmt.registrations = { a = { interpreter = \"${pkgs.x}/bin/a\"; magicOrExtension = ''a''; wrapInterpreterInShell = false; };\n b = { interpreter = \"/b\"; magicOrExtension = \"b\"; wrapInterpreterInShell = false; }; }; }", format: Nix, want: "b /b 62/ \n", notes: []string{`f:1: entry "a": interpreter is not written out`}},
}

func TestRead(t *testing.T) {
	for _, c := range reads {
		t.Run(c.name, func(t *testing.T) {
			name := c.file
			if name == "" {
				name = "f"
			}
			s, err := Read(name, []byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if s.Format != c.format || shown(s) != c.want {
				t.Errorf("%s:\n%swant %s:\n%s\nnotes %q", s.Format, shown(s), c.format, c.want, s.Notes)
			}
			if len(s.Notes) != len(c.notes) {
				t.Fatalf("notes %q, want %q", s.Notes, c.notes)
			}
			for i, want := range c.notes {
				if !strings.Contains(s.Notes[i], want) {
					t.Errorf("note %q, want %q", s.Notes[i], want)
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n", "f: it is empty"},
		{"comments", "# a\n\n; b\n", "f: it is empty, or has comments only"},
		{"prose", "Register it with care.\n", "f: it is of no known form"},
		{"a program", "\x7fELF\x02\x01\x01\x00\xff", "f: it is no text"},
		{"only bad lines", "# x\n:a:M::abc:ffff:/bin/x:\n", "f:2: the mask has 4 bytes, the magic 3"},
		{"cut JSON", "[\n{\"name\": \"a\",\n", "f:3: not JSON as xjail writes it: "},
		{"JSON without a magic", "[\n\n{\"name\": \"a\", \"interpreter\": \"/x\"}]", `f:3: not JSON as xjail writes it: entry 1: "magic" is missing`},
		{"JSON of something else", `{"name": "a"}`, `an object without "entries"`},
		{"JSON and more", `[] x`, "something follows"},
		{"no shell", "binmiscctl add 'x\n", "f:1: "},
		{"a script that registers nothing", "binmiscctl list\n", "f: the script registers nothing"},
		{"too large", strings.Repeat("#", textMax+1), "bytes, 1048576 at most"},
	} {
		s, err := Read("f", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Damaged {
			t.Errorf("%s: %v, %v; want %q", c.name, s, err, c.want)
		}
	}
	_, err := Read("f", []byte("prose"))
	if hint := fault.HintOf(err); !strings.Contains(hint, "binmiscctl") || !strings.Contains(hint, "binfmt.d") {
		t.Errorf("hint %q", hint)
	}
}

func readFile(t *testing.T, name string) *Set {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "read", name))
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func namesOf(s *Set) string {
	var names []string
	for _, e := range s.Entries {
		names = append(names, e.Name)
	}
	return strings.Join(names, " ")
}

// The service of FreeBSD's port: what start registers.
func TestReadPorts(t *testing.T) {
	s := readFile(t, "ports.rc")
	if s.Format != RCScript || s.Kernel != freebsd || len(s.Notes) > 0 {
		t.Errorf("%s of %s, notes %q", s.Format, s.Kernel, s.Notes)
	}
	want := []activators.Entry{
		entry(t, "mips64", "/usr/local/bin/qemu-mips64-static", "7f454c4602020100000000000000000000020008", "ffffffffffffff00fffffffffffffffffffeffff"),
		entry(t, "mipsel", "/usr/local/bin/qemu-mipsel-static", "7f454c4601010100000000000000000002000800", "ffffffffffffff00fffffffffffffffffffeffff"),
	}
	for _, name := range []string{"armv7", "armv6", "arm"} {
		want = append(want, entry(t, name, bsdArm, "7f454c4601010100000000000000000002002800", "ffffffffffffff00fffffffffffffffffeffffff"))
	}
	wantSame(t, s, want)
}

// QEMU's script, in each of its modes.
func TestReadQEMUScript(t *testing.T) {
	text, err := os.ReadFile("testdata/read/qemu-conf.sh")
	if err != nil {
		t.Fatal(err)
	}
	var first string
	for _, options := range []string{"", "--debian", "--systemd", "-s -e /tmp/x/binfmt.d"} {
		// What the options of a command line are is not known: they are written in.
		mode := strings.Replace(string(text), "eval set -- \"$options\"", "set -- "+options, 1)
		s, err := Read("qemu-conf.sh", []byte(mode))
		if err != nil {
			t.Fatal(err)
		}
		if got := namesOf(s); got != "qemu-mips64 qemu-microblaze qemu-arm qemu-i386" || s.Kernel != linux {
			t.Errorf("%q: %s, notes %q", options, got, s.Notes)
		}
		if first == "" {
			first = shown(s)
		}
		if shown(s) != first {
			t.Errorf("%q:\n%s, and without it\n%s", options, shown(s), first)
		}
	}
	whole := readFile(t, "qemu-conf.sh")
	if shown(whole) != first {
		t.Errorf("as it is:\n%s", shown(whole))
	}
	persistent, err := Read("x", []byte(strings.Replace(string(text), "eval set -- \"$options\"", "set -- -p yes --credential yes", 1)))
	if err != nil || strings.Count(shown(persistent), " OCF\n") != 4 {
		t.Errorf("%v %v", persistent, err)
	}
}

func TestReadPostinst(t *testing.T) {
	s := readFile(t, "postinst.sh")
	if namesOf(s) != "qemu-arm qemu-aarch64" || strings.Count(shown(s), " OCF\n") != 2 || s.Kernel != linux {
		t.Errorf("%s, notes %q", shown(s), s.Notes)
	}
}

// What binmiscctl and the kernel of Linux print is read as it was.
func TestReadPrinted(t *testing.T) {
	entries := some(t, freebsd)
	var list strings.Builder
	for _, e := range entries {
		list.WriteString(binmiscctl.Format(e))
	}
	s, err := Read("list", []byte(list.String()))
	if err != nil {
		t.Fatal(err)
	}
	wantSame(t, s, entries)

	entries = some(t, linux)
	var files strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&files, "==> /proc/sys/fs/binfmt_misc/%s <==\n%s\n", e.Name, binfmt.FormatEntry(e))
	}
	if s, err = Read("dump", []byte(files.String())); err != nil {
		t.Fatal(err)
	}
	wantSame(t, s, entries)
}

// FuzzRead: nothing panics, nothing takes long, and what is read and valid is
// written and read as the same.
func FuzzRead(f *testing.F) {
	for _, c := range reads {
		f.Add(c.text)
	}
	for _, format := range Formats() {
		for _, kernel := range kernels(f, format) {
			f.Add(string(write(f, format, kernel, some(f, kernel)[:3])))
		}
	}
	for _, name := range []string{"ports.rc", "qemu-conf.sh", "postinst.sh"} {
		text, err := os.ReadFile("testdata/read/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read("f", []byte(text))
		if err != nil {
			if fault.KindOf(err) != fault.Damaged {
				t.Errorf("%v", err)
			}
			return
		}
		if s.Kernel == "" {
			return
		}
		entries := slices.Clone(s.Entries)
		slices.Reverse(entries)
		var b strings.Builder
		if Write(&b, JSON, entries, Options{Kernel: s.Kernel}) != nil {
			return
		}
		again, err := Read("f", []byte(b.String()))
		if err != nil {
			t.Fatal(err)
		}
		if len(again.Entries) != len(s.Entries) {
			t.Errorf("%d entries, written and read %d", len(s.Entries), len(again.Entries))
		}
	})
}
