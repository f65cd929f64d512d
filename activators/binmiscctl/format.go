package binmiscctl

import (
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

// Bytes of magic and mask in the output of lookup and list: so many a line, in
// groups of so many.
const (
	perLine  = 12
	perGroup = 4
)

// Format is an entry as lookup and list print it, byte for byte, with the empty
// line after it. Linux's flag F is printed as PRE_OPEN, which is the same; its
// other flags have no form here.
func Format(e activators.Entry) string {
	var s strings.Builder
	fmt.Fprintf(&s, "name: %s\n", e.Name)
	fmt.Fprintf(&s, "interpreter: %s\n", interpreterString(e))
	fmt.Fprintf(&s, "flags: %s\n", flags(e))
	fmt.Fprintf(&s, "magic size: %d\n", len(e.Magic))
	fmt.Fprintf(&s, "magic offset: %d\n", e.Offset)
	formatBytes(&s, "magic: ", e.Magic)
	if len(e.Mask) > 0 {
		formatBytes(&s, "mask:  ", e.Mask)
	}
	s.WriteByte('\n')
	return s.String()
}

// interpreterString is the path and the arguments as the kernel keeps them.
func interpreterString(e activators.Entry) string {
	return strings.Join(append([]string{e.Interpreter}, e.Args...), " ")
}

// flags are the tokens, each with a blank after it.
func flags(e activators.Entry) string {
	var s strings.Builder
	for _, f := range []struct {
		set   bool
		token string
	}{
		{e.Enabled, "ENABLED "},
		{len(e.Mask) > 0, "USE_MASK "},
		{e.Flags.PreOpen || e.Flags.FixBinary, "PRE_OPEN "},
	} {
		if f.set {
			s.WriteString(f.token)
		}
	}
	return s.String()
}

// formatBytes writes bytes below each other after a label of seven columns.
func formatBytes(s *strings.Builder, label string, bytes []byte) {
	s.WriteString(label)
	for i, b := range bytes {
		switch {
		case i > 0 && i%perLine == 0:
			s.WriteString("\n" + strings.Repeat(" ", len(label)))
		case i > 0 && i%perGroup == 0:
			s.WriteByte(' ')
		}
		fmt.Fprintf(s, "0x%02x ", b)
	}
	s.WriteByte('\n')
}
