package advice

import (
	"encoding/json"
	"io"
	"path"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// formatVersion is in every advice; a newer one is not read.
const formatVersion = 1

// maxFile is far more than the longest advice.
const maxFile = 64 << 20

// Write writes the advice as JSON.
func (a *Advice) Write(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(a)
}

// Read reads what Write wrote. An error is of kind fault.Damaged, or
// fault.Unsupported for a newer format.
func Read(r io.Reader) (*Advice, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	if err != nil {
		return nil, err
	}
	const hint = "xjail profile advice FILE --output ADVICE makes one"
	if len(text) > maxFile {
		return nil, fault.New(fault.Damaged, hint, "not an advice of xjail: it is longer than %d MiB", maxFile>>20)
	}
	a := &Advice{}
	if err := json.Unmarshal(text, a); err != nil {
		return nil, fault.New(fault.Damaged, hint, "not an advice of xjail: %w", err)
	}
	switch {
	case a.Format < 1:
		return nil, fault.New(fault.Damaged, hint, "not an advice of xjail")
	case a.Format > formatVersion:
		return nil, fault.New(fault.Unsupported, "use the xjail that wrote it, or a newer one", "the advice has format %d; this xjail reads up to %d", a.Format, formatVersion)
	}
	for _, p := range a.Install {
		if !path.IsAbs(p) || path.Clean(p) != p || strings.ContainsRune(p, 0) {
			return nil, fault.New(fault.Damaged, hint, "the advice names %q, which is no path of a jail", p)
		}
	}
	return a, nil
}
