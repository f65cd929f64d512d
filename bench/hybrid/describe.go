package main

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strings"
)

// stamps are commands whose first line decides what a build does.
var stamps = map[string]string{
	"compiler":  "gcc --version",
	"assembler": "as --version",
	"linker":    "ld --version",
	"libc":      "dpkg-query --show libc6",
	"kernel":    "uname -sm",
}

// describe notes what the numbers depend on.
func (l *lab) describe(ctx context.Context) error {
	m := &l.results.Machine
	m.Processors = runtime.NumCPU()
	m.CPU = field("/proc/cpuinfo", "model name")
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(b))
	if m.Sources == nil {
		m.Sources, m.Jails = map[string]string{}, map[string]map[string]string{}
	}
	for _, name := range l.packages {
		v, err := l.sourceVersion(packageNamed(name))
		if err != nil {
			return err
		}
		m.Sources[name] = v
	}
	for _, name := range slices.Concat([]string{l.host.Debian}, l.archs) {
		m.Jails[name] = map[string]string{}
		for what, command := range stamps {
			out, err := l.output(ctx, "exec", name, "--", "sh", "-ec", command)
			if err != nil {
				return err
			}
			line, _, _ := strings.Cut(out, "\n")
			m.Jails[name][what] = strings.ReplaceAll(line, "\t", " ")
		}
	}
	return l.results.save()
}

// field is the first value of a name in a file of lines NAME : VALUE.
func field(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
