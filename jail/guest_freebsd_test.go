package jail

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func beGuest(what string, args []string) error {
	switch what {
	case "print":
		fmt.Println(strings.Join(args, " "))
	case "exit", "signal":
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return err
		}
		if what == "exit" {
			os.Exit(n)
		}
		if err := unix.Kill(os.Getpid(), unix.Signal(n)); err != nil {
			return err
		}
		time.Sleep(time.Hour) // another thread may take the signal
	case "list":
		entries, err := os.ReadDir(args[0])
		for _, e := range entries {
			fmt.Println(e.Name())
		}
		return err
	case "read":
		text, err := os.ReadFile(args[0])
		fmt.Print(string(text))
		return err
	case "write":
		return os.WriteFile(args[0], []byte(args[1]), 0o644)
	case "sysctl":
		text, err := unix.Sysctl(args[0])
		fmt.Println(text)
		return err
	case "whoami":
		groups, err := os.Getgroups()
		slices.Sort(groups)
		dir, _ := os.Getwd()
		fmt.Println(os.Geteuid(), os.Getegid(), groups, dir, os.Getenv("HOME"))
		return err
	case "wait":
		fmt.Println("waiting")
		time.Sleep(time.Hour)
	case "leave":
		cmd := exec.Command("/bin/guest", "wait")
		cmd.Env = os.Environ()
		return cmd.Start()
	}
	return nil
}
