package poudriere

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
)

// digest is the SHA-256 of a file.
func digest(name string) (string, error) {
	text, err := os.ReadFile(name)
	return digestOf(string(text)), err
}

func digestOf(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
