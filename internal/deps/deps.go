// Package deps pins modules until their first use.
package deps

import (
	_ "github.com/klauspost/compress/zstd"
	_ "github.com/mholt/archiver/v4"
	_ "github.com/rogpeppe/go-internal/testscript"
	_ "github.com/spf13/cobra"
	_ "github.com/spf13/cobra/doc"
	_ "golang.org/x/sys/unix"
	_ "golang.org/x/term"
	_ "gopkg.in/yaml.v3"
)
