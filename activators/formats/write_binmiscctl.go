package formats

import (
	_ "embed" // the service
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/binmiscctl"
)

// writeBinmiscctl is a shell script. What is there already is left.
func writeBinmiscctl(d *draft) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "#!/bin/sh\n%s\nstatus=0\n", d.comment("#", "Activators of FreeBSD's imgact_binmisc: "+d.names()))
	for _, e := range d.entries {
		fmt.Fprintf(&b, "binmiscctl lookup %s >/dev/null 2>&1 ||\n\t%s || status=1\n", quote(e.Name), binmiscctl.CommandLine(e))
	}
	b.WriteString("exit $status\n")
	return []byte(b.String())
}

// ServiceName is the name of the service of rc(8), and of its file.
const ServiceName = "xjail_entries"

// service is the script, without its heading and its entries.
//
//go:embed service.rc.in
var service string

// writeRCScript is a service that registers the entries at boot.
func writeRCScript(d *draft) []byte {
	var entries strings.Builder
	for _, e := range d.entries {
		fmt.Fprintf(&entries, "\t\"$1\" %s %s \\\n\t\t--magic '%s' \\\n\t\t--mask '%s' \\\n\t\t--size %d%s\n",
			quote(e.Name), quote(command(e)), escape(e.Magic), escape(e.Mask), len(e.Magic), serviceFlags(e))
	}
	return []byte(strings.NewReplacer(
		"%%HEADING%%\n", d.comment("#", "A service of rc(8): activators of FreeBSD's imgact_binmisc: "+d.names()),
		"%%ENTRIES%%\n", entries.String(),
		"%%NAME%%", ServiceName,
	).Replace(service))
}

func serviceFlags(e activators.Entry) string {
	text := ""
	if e.Offset != 0 {
		text += fmt.Sprintf(" --offset %d", e.Offset)
	}
	if e.Flags.PreOpen {
		text += " --pre-open"
	}
	if e.Enabled {
		text += " --set-enabled"
	}
	return text
}
