package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersion(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, and what this program was built from",
		Example: "  xjail version\n  xjail version --json",
		Args:    noArgs,
		RunE:    func(*cobra.Command, []string) error { return runVersion(g) },
	}
}

// buildVersion is what the Go toolchain wrote into the program.
type buildVersion struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Time     string `json:"time,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func readVersion() buildVersion {
	v := buildVersion{Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.time":
			v.Time = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}

func runVersion(g *globals) error {
	v := readVersion()
	if g.json {
		return g.printJSON(v)
	}
	fmt.Fprintf(g.Stdout, "xjail %s %s %s/%s\n", v.Version, v.Go, v.OS, v.Arch)
	if v.Revision != "" {
		fmt.Fprintf(g.Stdout, "revision %s %s\n", v.Revision, v.Time)
	}
	return nil
}
