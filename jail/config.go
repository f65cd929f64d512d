package jail

import (
	"bytes"
	"errors"
	"io"
	"os"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/jail/source"
	"github.com/xjail/xjail/jail/xtools"
)

// Config is xjail.yaml. Every key may be left out; an unknown one is an error
// that names its line. docs/configuration.md describes them.
type Config struct {
	// Emulators names the emulator of an architecture (catalog name), and wins
	// over every other place but --emulator.
	Emulators map[string]string `yaml:"emulators"`
	// EmulatorDirs are looked through before PATH.
	EmulatorDirs []string `yaml:"emulator_dirs"`
	// Mirror is the Debian mirror of debian: sources; the machine's own apt
	// sources when it is empty.
	Mirror string `yaml:"debian_mirror"`
	// FreeBSDMirrors are where the sets of FreeBSD's releases come from, in this
	// order; the project's own servers when it is empty. A mirror with {version}
	// in it is a whole address, with {type}, {target} and {arch}.
	FreeBSDMirrors []string `yaml:"freebsd_mirrors"`
	// FreeBSDManifests are the SHA-256 of MANIFESTs by
	// TARGET-TARGET_ARCH-VERSION, such as arm64-aarch64-14.3-RELEASE.
	FreeBSDManifests map[string]string `yaml:"freebsd_manifests"`
	// FreeBSDManifestDirs are looked through for files of such names, before
	// those of the ports.
	FreeBSDManifestDirs []string `yaml:"freebsd_manifest_dirs"`
	// FreeBSDRequirePinned refuses a release whose MANIFEST is known by neither.
	FreeBSDRequirePinned bool `yaml:"freebsd_require_pinned"`
	// Tools is added to the policy of native tools.
	Tools *xtools.Policy `yaml:"tools"`
	// MaxEntries and MaxBytes bound what an archive may unpack to; 0 is the
	// default of package extract.
	MaxEntries int64 `yaml:"max_entries"`
	MaxBytes   int64 `yaml:"max_bytes"`
}

// releaseOptions are the settings for a FreeBSD release.
func (c *Config) releaseOptions(req Request) source.ReleaseOptions {
	return source.ReleaseOptions{
		Mirrors: c.FreeBSDMirrors, Sets: req.Sets, SHA256: req.ManifestSHA256,
		Pins: c.FreeBSDManifests, Dirs: c.FreeBSDManifestDirs, RequirePinned: c.FreeBSDRequirePinned,
	}
}

// ReadConfig reads the file at path.
func ReadConfig(path string) (*Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fault.Wrap(fault.NotFound, err, "configuration", "")
	}
	c := &Config{}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fault.Wrap(fault.Usage, err, path, "docs/configuration.md lists the keys")
	}
	return c, nil
}
