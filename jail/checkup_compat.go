package jail

import (
	"bufio"
	"io"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/arch"
)

// compat is an ABI of another architecture for which Linux can be configured.
type compat struct {
	host   string   // catalog name
	option string   // of the kernel's configuration
	archs  []string // whose programs it then runs
}

// compats are from arch/*/Kconfig of Linux 6.18.
var compats = []compat{
	{"amd64", "CONFIG_IA32_EMULATION", []string{"i386"}},
	{"amd64", "CONFIG_X86_X32_ABI", []string{"x32"}},
	{"aarch64", "CONFIG_COMPAT", []string{"arm", "armv6", "armv7"}},
	{"aarch64_be", "CONFIG_COMPAT", []string{"armeb"}},
	{"mips64", "CONFIG_MIPS32_O32", []string{"mips", "mipshf"}},
	{"mips64", "CONFIG_MIPS32_N32", []string{"mipsn32"}},
	{"mips64el", "CONFIG_MIPS32_O32", []string{"mipsel", "mipselhf"}},
	{"mips64el", "CONFIG_MIPS32_N32", []string{"mipsn32el"}},
	{"powerpc64", "CONFIG_COMPAT", []string{"powerpc", "powerpcspe"}},
	{"riscv64", "CONFIG_COMPAT", []string{"riscv32"}},
	{"s390x", "CONFIG_COMPAT", []string{"s390"}},
	{"sparc64", "CONFIG_COMPAT", []string{"sparc", "sparc32plus"}},
}

// compatPrograms are those that a kernel of a runs besides its own, the first of
// architectures that look the same. runs says whether the kernel has an option,
// and whether that is known; where it is not, the programs are unsure.
func compatPrograms(a *arch.Arch, runs func(option string) (has, known bool)) []activators.Program {
	var list []activators.Program
	for _, c := range compats {
		if a == nil || a.Name != c.host {
			continue
		}
		has, known := runs(c.option)
		if known && !has {
			continue
		}
		for _, name := range c.archs {
			if b, err := arch.Lookup(name); err == nil && !looksLike(list, b) {
				p := nativeProgram("linux", b)
				p.Unsure = !known
				list = append(list, p)
			}
		}
	}
	return list
}

func looksLike(list []activators.Program, a *arch.Arch) bool {
	return slices.ContainsFunc(list, func(p activators.Program) bool { return slices.Contains(a.Same, p.Arch) })
}

// readKernelConfig reads the options that are set in a kernel's configuration
// file.
func readKernelConfig(r io.Reader) (map[string]string, error) {
	options := map[string]string{}
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		name, value, ok := strings.Cut(lines.Text(), "=")
		if ok && strings.HasPrefix(name, "CONFIG_") {
			options[name] = value
		}
	}
	return options, lines.Err()
}

// hasOption tells whether a kernel of that configuration, started with that
// command line, runs the programs of an option.
func hasOption(options map[string]string, cmdline, option string) bool {
	if options[option] != "y" {
		return false
	}
	if option != "CONFIG_IA32_EMULATION" {
		return true
	}
	// Since Linux 6.7 it is also switched when the kernel starts.
	on := options["CONFIG_IA32_EMULATION_DEFAULT_DISABLED"] != "y"
	for word := range strings.FieldsSeq(cmdline) {
		if value, ok := strings.CutPrefix(word, "ia32_emulation="); ok {
			on = slices.Contains([]string{"1", "y", "Y", "on", "true"}, value)
		}
	}
	return on
}
