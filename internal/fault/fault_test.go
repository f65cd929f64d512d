package fault

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestChain(t *testing.T) {
	inner := New(NotFound, "xjail emulator fetch mips64", "no emulator for mips64: %w", fs.ErrNotExist)
	outer := fmt.Errorf("create mips64: %w", inner)
	tests := []struct {
		name string
		err  error
		kind Kind
		hint string
		text string
	}{
		{"nil", nil, 0, "", ""},
		{"foreign", fs.ErrExist, Failed, "", "file already exists"},
		{"wrapped", outer, NotFound, "xjail emulator fetch mips64", "create mips64: no emulator for mips64: file does not exist"},
		{"outer kind wins, inner hint is kept", Wrap(Permission, outer, "plan", ""), Permission, "xjail emulator fetch mips64", "plan: create mips64: no emulator for mips64: file does not exist"},
		{"no cause", New(Usage, "", "bad name %q", "a/b"), Usage, "", `bad name "a/b"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := KindOf(tt.err); got != tt.kind {
				t.Errorf("KindOf = %d, want %d", got, tt.kind)
			}
			if got := HintOf(tt.err); got != tt.hint {
				t.Errorf("HintOf = %q, want %q", got, tt.hint)
			}
			if tt.err != nil && tt.err.Error() != tt.text {
				t.Errorf("Error = %q, want %q", tt.err, tt.text)
			}
		})
	}
	if !errors.Is(outer, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
	if Wrap(Failed, nil, "x", "") != nil {
		t.Error("Wrap(nil) is not nil")
	}
}
