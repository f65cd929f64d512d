package cli

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/xjail/xjail/activators/binfmt"
	"github.com/xjail/xjail/activators/binmiscctl"
	"github.com/xjail/xjail/jail"
)

// binmiscctlLong has the example that needs more than a line: that of the
// activator's announcement in 2013. What is set in by four is a shell's, or as
// it is, in the man page too.
const binmiscctlLong = `The command line of FreeBSD's binmiscctl(8): the same options, the same output,
the same messages, and exit status 255 for every failure. A link to xjail that
is called binmiscctl is that program. On Linux the entries are those of
binfmt_misc; --pre-open is its flag F.

    add NAME --interpreter "PATH ARGUMENTS" --magic M [--mask K]
        --size N [--offset N] [--set-enabled] [--pre-open] [--verbatim]
    remove|disable|enable|lookup NAME
    list

M and K have N bytes. In them \xHH is a byte, in hexadecimal, and a backslash is
written twice.

    f='\xff\xff\xff\xff' z='\x00\x00\x00\x00'
    xjail binmiscctl add mips64elf --set-enabled --size 20 \
        --interpreter /usr/local/bin/qemu-mips64 \
        --magic "\x7fELF\x02\x02\x01\x00$z$z\x00\x02\x00\x08" \
        --mask "$f\xff\xff\xff\x00$f$f\xff\xfe\xff\xff"

Without --mask, a mask of ones is sent: FreeBSD's kernel would otherwise match
no byte of 0x80 or more. --verbatim sends the entry as it is. An entry that
would take the machine's own programs is refused.

remove, disable and enable act on the entry of that name whoever made it, and
what add makes is not xjail's own to xjail activator.

XJAIL_BINFMT_DIR names another directory than /proc/sys/fs/binfmt_misc.`

func newBinmiscctl(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "binmiscctl COMMAND [ARGUMENT...]",
		Short: "FreeBSD's binmiscctl(8), with its own options and output",
		Long:  binmiscctlLong,
		Example: `  xjail binmiscctl list
  xjail binmiscctl lookup mips64
  sudo xjail binmiscctl add llvm -i /usr/bin/lli -m 'BC\xc0\xde' -s 4 -e
  sudo xjail binmiscctl remove llvm`,
		// What follows is binmiscctl's own grammar, not xjail's.
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && (args[0] == "--help" || args[0] == "-h") {
				return cmd.Help()
			}
			if status := runBinmiscctl(g.Env, args); status != 0 {
				return exitStatus(status)
			}
			return nil
		},
	}
}

// isBinmiscctl tells whether a program was started as binmiscctl.
func isBinmiscctl(argv0 string) bool { return filepath.Base(argv0) == binmiscctl.Name }

// runBinmiscctl runs binmiscctl on the machine's table, or on the directory
// that the environment names, and returns the exit status.
func runBinmiscctl(env *Env, args []string) int {
	dir := env.Getenv("XJAIL_BINFMT_DIR")
	if dir == "" {
		dir = binfmt.DefaultDir
	}
	o := binmiscctl.Options{Posix: env.Getenv("POSIXLY_CORRECT") != "", Safe: jail.Safe}
	return binmiscctl.Run(machineTable(dir), args, env.Stdout, env.Stderr, o)
}
