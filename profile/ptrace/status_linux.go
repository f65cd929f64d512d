package ptrace

import "bytes"

// numberOf is the number behind a key of /proc/PID/status, which begins with the
// end of the line before; 0 when there is none.
func numberOf(status []byte, key string) int64 {
	i := bytes.Index(status, []byte(key))
	if i < 0 {
		return 0
	}
	n := int64(0)
	for _, c := range bytes.TrimLeft(status[i+len(key):], " \t") {
		if c < '0' || c > '9' || n > 1<<52 {
			break
		}
		n = 10*n + int64(c-'0')
	}
	return n
}
