package jail

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// guestVar makes the test's own program, which is copied into a root, a guest:
// a bare FreeBSD machine has no other program to run in a jail.
const guestVar = "XJAIL_TEST_GUEST"

func init() {
	if IsInit() {
		os.Exit(RunInit(nil))
	}
	if strings.HasPrefix(filepath.Base(os.Args[0]), "qemu-") {
		os.Exit(beEmulator(os.Args[1:]))
	}
	if os.Getenv(guestVar) == "" {
		return
	}
	if err := beGuest(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(99)
	}
	os.Exit(0)
}
