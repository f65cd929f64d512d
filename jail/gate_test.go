package jail

import (
	"bytes"
	"debug/elf"
	"testing"
)

func TestGateELF(t *testing.T) {
	if gateELF("mips") != nil {
		t.Error("a gate for a host that has none")
	}
	for goarch, machine := range gateMachines {
		f, err := elf.NewFile(bytes.NewReader(gateELF(goarch)))
		if err != nil {
			t.Fatal(err)
		}
		if uint16(f.Machine) != machine || f.Entry != gateAddress+gateHeader+2*gateSegment || len(f.Progs) != 2 || f.Progs[1].Vaddr != gateData || f.Progs[0].Filesz != uint64(len(gateELF(goarch))) {
			t.Errorf("%s: %+v", goarch, f)
		}
	}
}
