package jail

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
)

// staticProgram is this test's own program for a root that has no libraries.
func staticProgram(t *testing.T) []byte {
	t.Helper()
	program, err := ownProgram()
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// ownProgram builds the program once more where go test has linked it with the
// system's libraries, as it does where there is a C compiler.
var ownProgram = sync.OnceValues(func() ([]byte, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	if dynamic, err := isDynamic(self); err != nil || !dynamic {
		program, readErr := os.ReadFile(self)
		return program, errors.Join(err, readErr)
	}
	dir, err := os.MkdirTemp("", "jail-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary directory
	file := filepath.Join(dir, "jail.test")
	cmd := exec.Command("go", "test", "-c", "-o", file, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, errors.Join(errors.New("build the test without cgo: "+string(out)), err)
	}
	return os.ReadFile(file)
})

func isDynamic(file string) (bool, error) {
	f, err := elf.Open(file)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // only read
	return slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), nil
}
