package cli

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/xjail/xjail/activators/tabletest"
)

// TestBinmiscctlKernel runs the scripts of testdata/binmisc, each with a
// binfmt_misc of its own in XJAIL_BINFMT_DIR.
func TestBinmiscctlKernel(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/binmisc",
		Setup: func(e *testscript.Env) error {
			e.Setenv("XJAIL_BINFMT_DIR", tabletest.Private(e.T().(testing.TB)).Dir)
			e.Setenv("XJAIL_STATE", filepath.Join(e.WorkDir, "state"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"status": wantStatus},
	})
}
