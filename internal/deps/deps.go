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
	_ "github.com/u-root/u-root/pkg/core"
	_ "github.com/u-root/u-root/pkg/core/ls"
	_ "github.com/u-root/u-root/pkg/core/tar"
	_ "mvdan.cc/sh/v3/interp"
	_ "mvdan.cc/sh/v3/moreinterp/coreutils"

)
