package jail

import (
	"bytes"
	"errors"
	"io"
	"os"

	"gopkg.in/yaml.v3"

	"github.com/xjail/xjail/internal/fault"
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
	// MaxEntries and MaxBytes bound what an archive may unpack to; 0 is the
	// default of package extract.
	MaxEntries int64 `yaml:"max_entries"`
	MaxBytes   int64 `yaml:"max_bytes"`
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
