package formats

import (
	_ "embed" // the script
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binfmt"
)

// line is the register line of an entry that was checked.
func line(e activators.Entry) string {
	text, _ := binfmt.EncodeLine(e)
	return string(text)
}

func writeBinfmtD(d *draft) []byte {
	var b strings.Builder
	b.WriteString(d.comment("#", "Activators of Linux's binfmt_misc: "+d.names()))
	for _, e := range d.entries {
		b.WriteString(line(e) + "\n")
	}
	return []byte(b.String())
}

// script is a shell script that registers, without its heading and its entries.
//
//go:embed register.sh.in
var script string

func writeRegister(d *draft) []byte {
	var entries strings.Builder
	for _, e := range d.entries {
		state := strings.TrimSuffix(string(binfmt.FormatEntry(e)), "\n")
		fmt.Fprintf(&entries, "register %s %s \\\n\t%s \\\n%s\n", quote(e.Name), quote(e.Interpreter), quote(line(e)), quote(state))
	}
	return []byte(strings.NewReplacer(
		"%%HEADING%%\n", d.comment("#", "Activators of Linux's binfmt_misc: "+d.names()),
		"%%ENTRIES%%\n", entries.String(),
	).Replace(script))
}

// binfmtsFile is the file of an entry in /usr/share/binfmts.
func (d *draft) binfmtsFile(e activators.Entry) []byte {
	var b strings.Builder
	yesNo := func(set bool) string {
		if set {
			return "yes"
		}
		return "no"
	}
	b.WriteString(d.comment("#", "A binary format of update-binfmts(8): "+e.Name))
	fmt.Fprintf(&b, "package xjail\ninterpreter %s\n", e.Interpreter)
	if e.Extension != "" {
		fmt.Fprintf(&b, "extension %s\n", e.Extension)
	} else {
		fmt.Fprintf(&b, "magic %s\noffset %d\nmask %s\n", escape(e.Magic), e.Offset, escape(e.Mask))
	}
	fmt.Fprintf(&b, "credentials %s\npreserve %s\nfix_binary %s\n", yesNo(e.Flags.Credentials), yesNo(e.Flags.PreserveArgv0), yesNo(e.Flags.FixBinary))
	return []byte(b.String())
}

func writeNix(d *draft) []byte {
	var b strings.Builder
	b.WriteString(d.comment("#", "Activators of NixOS: "+d.names()))
	b.WriteString("{\n  boot.binfmt.registrations = {\n")
	for _, e := range d.entries {
		fmt.Fprintf(&b, "    %s = {\n", nixQuote(e.Name))
		if e.Extension != "" {
			fmt.Fprintf(&b, "      recognitionType = \"extension\";\n      magicOrExtension = %s;\n", nixQuote(e.Extension))
		} else {
			fmt.Fprintf(&b, "      recognitionType = \"magic\";\n      offset = %d;\n      magicOrExtension = ''%s'';\n      mask = ''%s'';\n", e.Offset, escape(e.Magic), escape(e.Mask))
		}
		fmt.Fprintf(&b, "      interpreter = %s;\n      preserveArgvZero = %t;\n      openBinary = %t;\n      matchCredentials = %t;\n      fixBinary = %t;\n      wrapInterpreterInShell = false;\n    };\n",
			nixQuote(e.Interpreter), e.Flags.PreserveArgv0, e.Flags.OpenBinary, e.Flags.Credentials, e.Flags.FixBinary)
	}
	b.WriteString("  };\n}\n")
	return []byte(b.String())
}

// nixQuote is a text of Nix.
func nixQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "${", `\${`).Replace(s) + `"`
}
