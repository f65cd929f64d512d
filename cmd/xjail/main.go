// Command xjail makes cross jails: roots of another architecture in which
// foreign binaries just run.
package main

import (
	"context"
	"os"

	"github.com/xjail/xjail/internal/cli"
)

func main() {
	os.Exit(cli.Run(context.Background(), cli.OSEnv()))
}
