// Command xjail makes cross jails: roots of another architecture in which
// foreign programs just run.
package main

import (
	"os"

	"github.com/xjail/xjail/internal/cli"
)

func main() {
	os.Exit(cli.Main())
}
