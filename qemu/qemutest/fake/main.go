// Command fake stands for an emulator in tests: it says what is appended to its
// own file. See package qemutest.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// marker begins the appended answers; its last occurrence counts.
var marker = []byte("\n#qemutest#\n")

func main() {
	self, err := os.Executable()
	if err != nil {
		os.Exit(99)
	}
	data, err := os.ReadFile(self)
	at := bytes.LastIndex(data, marker)
	if err != nil || at < 0 {
		os.Exit(98)
	}
	var says struct {
		Help, Version string
		HelpStatus    int
		RunStatus     int
		Hang, Flood   bool
	}
	if err := json.Unmarshal(data[at+len(marker):], &says); err != nil || len(os.Args) < 2 {
		os.Exit(97)
	}
	if len(os.Environ()) != 2 {
		os.Exit(96) // the environment was not clean
	}
	for says.Hang {
		time.Sleep(time.Hour)
	}
	for says.Flood {
		if _, err := os.Stdout.Write(bytes.Repeat([]byte("x"), 4096)); err != nil {
			os.Exit(95)
		}
	}
	switch os.Args[1] {
	case "-h":
		fmt.Print(says.Help)
		os.Exit(says.HelpStatus)
	case "-version":
		fmt.Print(says.Version)
	default:
		os.Exit(says.RunStatus)
	}
}
