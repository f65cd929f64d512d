package persist

import (
	_ "embed" // the rc.d script
	"fmt"
	"strings"
)

// The files of FreeBSD. rc(8) runs the scripts of local_startup, and
// load_rc_config reads the settings of a script from rc.conf.d by its name:
// one file that is xjail's alone, where a line in rc.conf would be one in
// somebody else's.
const (
	rcScript   = "/usr/local/etc/rc.d/xjail"
	rcSettings = "/etc/rc.conf.d/xjail_activators"
)

// prefix is where FreeBSD's packages are, and the script's idea of xjail.
const (
	prefix         = "/usr/local"
	packageProgram = prefix + "/bin/xjail"
)

// Script is the rc.d script as the port has it in its files, where %%PREFIX%%
// is replaced when it is built. %%ORIGIN%% is the line that says whose it is.
//
//go:embed xjail.rc.in
var Script string

// PortScript is Script for the port.
func PortScript() string { return strings.Replace(Script, placeholder, packageMark, 1) }

func freebsdFiles(b Boot) []File {
	script := sign(strings.ReplaceAll(Script, "%%PREFIX%%", prefix))
	return []File{
		{Path: rcScript, Mode: 0o555, Text: script},
		{Path: rcSettings, Mode: 0o644, Text: sign(settings(b))},
	}
}

// settings are the variables of the script that differ from its defaults.
func settings(b Boot) string {
	var s strings.Builder
	s.WriteString(placeholder + "\n")
	set := func(name, value string) { fmt.Fprintf(&s, "xjail_activators_%s=\"%s\"\n", name, value) }
	set("enable", "YES")
	set("archs", b.archs())
	if b.Program != packageProgram {
		set("command", b.Program) // rc.subr(8) has a meaning for program
	}
	if b.State != "" {
		set("state", b.State)
	}
	for _, a := range b.Activators {
		if len(a.Flags) > 0 {
			set(a.Arch+"_flags", strings.Join(a.Flags, " "))
		}
	}
	return s.String()
}
