package shell

import "strings"

// escapePattern makes a text a pattern of itself.
func escapePattern(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if strings.IndexByte(`*?[]\`, text[i]) >= 0 {
			b.WriteByte('\\')
		}
		b.WriteByte(text[i])
	}
	return b.String()
}

// match tells whether a pattern of the shell matches a whole text. It goes back
// to the last star only, so that its time is bounded.
func (s *Shell) match(pattern, text string) bool {
	p, t, starP, starT := 0, 0, -1, 0
	s.spend(1)
	for t < len(text) {
		s.spend(1)
		if p < len(pattern) && pattern[p] == '*' {
			starP, starT = p, t
			p++
			continue
		}
		if width := single(pattern[min(p, len(pattern)):], text[t]); width > 0 {
			p += width
			t++
			continue
		}
		if starP < 0 {
			return false
		}
		starT++
		p, t = starP+1, starT
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// single is how much of the pattern one character takes, 0 when it does not fit.
func single(pattern string, c byte) int {
	if pattern == "" {
		return 0
	}
	switch pattern[0] {
	case '?':
		return 1
	case '\\':
		if len(pattern) > 1 && pattern[1] == c {
			return 2
		}
		return 0
	case '[':
		if fits, width := bracket(pattern, c); width > 0 {
			if fits {
				return width
			}
			return 0
		}
	}
	if pattern[0] == c {
		return 1
	}
	return 0
}

// bracket tries [abc], [!a-z] and [[:digit:]]; width is 0 when it has no end.
func bracket(pattern string, c byte) (fits bool, width int) {
	i := 1
	negated := i < len(pattern) && (pattern[i] == '!' || pattern[i] == '^')
	if negated {
		i++
	}
	for first := true; i < len(pattern); first = false {
		if pattern[i] == ']' && !first {
			return fits != negated, i + 1
		}
		if class, rest, ok := strings.Cut(pattern[i:], ":]"); ok && strings.HasPrefix(class, "[:") {
			fits = fits || inClass(class[2:], c)
			i = len(pattern) - len(rest)
			continue
		}
		if pattern[i] == '\\' && i+1 < len(pattern) {
			i++
		}
		low, high := pattern[i], pattern[i]
		if i+2 < len(pattern) && pattern[i+1] == '-' && pattern[i+2] != ']' {
			high = pattern[i+2]
			i += 2
		}
		fits = fits || low <= c && c <= high
		i++
	}
	return false, 0
}

func inClass(name string, c byte) bool {
	lower, upper, digit := c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9'
	switch name {
	case "alnum":
		return lower || upper || digit
	case "alpha":
		return lower || upper
	case "digit":
		return digit
	case "lower":
		return lower
	case "upper":
		return upper
	case "space":
		return c == ' ' || c >= '\t' && c <= '\r'
	case "blank":
		return c == ' ' || c == '\t'
	case "xdigit":
		return isHex(c)
	}
	return false
}
