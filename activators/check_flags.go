package activators

import "path"

// table is about the table as a whole.
func (c *checker) table() {
	if !c.host.Off {
		return
	}
	c.findings = append(c.findings, Finding{Code: TableOff, Severity: Warning,
		Message: "the table is switched off as a whole: no entry has an effect",
		Remedy:  "as root: echo 1 > " + path.Join(c.host.Where, "status")})
}

// flags is about how the rule starts its interpreter, and whether.
func (c *checker) flags() {
	r := c.rule()
	if !r.Enabled {
		c.find(Finding{Code: Disabled, Severity: Note, Message: "it is disabled", Remedy: c.enable()})
	}
	if !r.elf || r.dead {
		return
	}
	if !opens(r.Entry) {
		flag := "F"
		if c.host.OS == "freebsd" {
			flag = "PRE_OPEN"
		}
		c.find(Finding{Code: NotInRoots, Severity: Note,
			Message: "each root needs " + r.Interpreter + ": the kernel looks for it when a program starts, and did not open it when the entry was registered",
			Remedy:  "register it with the flag " + flag})
	}
	if c.host.OS == "freebsd" {
		return
	}
	if !r.Flags.PreserveArgv0 {
		c.find(Finding{Code: LosesArgv0, Severity: Note, Message: "programs see their path in the place of argv[0]",
			Remedy: "register it with the flag P, if the emulator understands it (QEMU 6.0)"})
	}
	if !r.Flags.Credentials {
		c.find(Finding{Code: LosesCredentials, Severity: Note, Message: "set-id programs run without the rights of their owner",
			Remedy: "register it with the flag C, if they shall have them"})
	}
}

func (c *checker) enable() string {
	if c.host.OS == "freebsd" {
		return "as root: binmiscctl enable " + c.rule().Name
	}
	return "as root: echo 1 > " + path.Join(c.host.Where, c.rule().Name)
}
