package binmiscctl

import (
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/xjail/xjail/activators"
)

// Unescape reads --magic and --mask: \xHH is one byte, with two hexadecimal
// digits in either case, \\ is a backslash, and every other byte is itself.
func Unescape(text string) (activators.Hex, error) {
	out := activators.Hex{}
	for text != "" {
		switch {
		case text[0] != '\\':
			out, text = append(out, text[0]), text[1:]
		case strings.HasPrefix(text, `\\`):
			out, text = append(out, '\\'), text[2:]
		case strings.HasPrefix(text, `\x`):
			if len(text) < 4 {
				return nil, fmt.Errorf(`%q at its end is not \x and two hexadecimal digits`, text)
			}
			b, err := hex.DecodeString(text[2:4])
			if err != nil {
				return nil, fmt.Errorf(`%q is not \x and two hexadecimal digits`, text[:4])
			}
			out, text = append(out, b...), text[4:]
		default:
			return nil, fmt.Errorf(`%q: after a backslash comes x and two hexadecimal digits, or another backslash`, text[:min(2, len(text))])
		}
	}
	return out, nil
}
