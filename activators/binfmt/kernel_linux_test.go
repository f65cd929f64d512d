package binfmt

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/activators/tabletest"
)

// kernelTraits are those of the real kernel: a match is an exec of a file with
// that content, and the interpreters are scripts that print their names.
func kernelTraits(t *testing.T, i *tabletest.Instance) tabletest.Traits {
	dir := t.TempDir()
	return tabletest.Traits{
		Kernel: "linux", NameMax: 255, HeaderMax: HeaderMax, LinuxOnly: true, Strict: true,
		Interpreter: func(t *testing.T, name string) string {
			path := filepath.Join(dir, name)
			if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+name+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
			return path
		},
		Match: func(t *testing.T, _ activators.Table, content []byte) string {
			program := filepath.Join(dir, "program")
			_ = os.Remove(program)
			if err := os.WriteFile(program, content, 0o755); err != nil {
				t.Fatal(err)
			}
			out, err := i.Run(program)
			if err != nil && !strings.Contains(err.Error(), "exec format error") {
				t.Fatal(err)
			}
			return strings.TrimSpace(out)
		},
	}
}

func TestConformance(t *testing.T) {
	i := tabletest.Private(t)
	tabletest.Run(t, func(t *testing.T) activators.Table {
		i.Clear(t)
		return New(i.Dir)
	}, kernelTraits(t, i))
}
