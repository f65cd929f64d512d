package shell

import (
	"strings"
	"unicode/utf8"
)

// Old scripts have names in Latin-1 in their comments, and a path may have any
// byte. The parser takes UTF-8 only, so each byte that is none is a character of
// a private plane while a script is followed.
const (
	byteFirst = 0x10fe80 // stands for 0x80
	byteLast  = 0x10feff
)

// toText makes text UTF-8.
func toText(text string) string {
	if utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if r == utf8.RuneError && n == 1 {
			r = byteFirst + rune(text[i]-0x80)
		}
		b.WriteRune(r)
		i += n
	}
	return b.String()
}

// toBytes is the inverse of toText. What is no UTF-8 stays as it is.
func toBytes(text string) string {
	if !strings.ContainsFunc(text, standsForByte) {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRuneInString(text[i:])
		if standsForByte(r) {
			b.WriteByte(byte(r - byteFirst + 0x80))
		} else {
			b.WriteString(text[i : i+n])
		}
		i += n
	}
	return b.String()
}

func standsForByte(r rune) bool { return r >= byteFirst && r <= byteLast }
