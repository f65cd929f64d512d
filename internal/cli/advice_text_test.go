package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/xjail/xjail/internal/ui"
	"github.com/xjail/xjail/profile/advice"
)

// Tables are no wider than the terminal, and say all the same why.
func TestAdviceOnTerminal(t *testing.T) {
	a := &advice.Advice{Jail: "j", Before: advice.Total{CPU: 100e9, Emulated: 100e9}, After: advice.Total{CPU: 10e9}, Install: []string{"/x"}, Items: []advice.Item{
		{Name: "/x", Programs: []string{"/usr/lib/" + strings.Repeat("long/", 20)}, Install: true, Saving: 90e9, Emulated: 95e9},
		{Name: "/build/conftest", Programs: []string{"/build/conftest"}, State: advice.Built, Emulated: 5e9, Why: "the build made it: nothing native does the same", Hint: "a hint"},
	}}
	var b bytes.Buffer
	if err := printAdvice(&b, a, &adviceOptions{columns: 80, output: "an advice"}); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if ui.Width(strings.TrimSuffix(line, "\n")) > 80 {
			t.Errorf("wider than the terminal: %s", line)
		}
	}
	text := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{"the build made it: nothing native does the same (a hint)", "/long…", "xjail tools install j --advice 'an advice'"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q:\n%s", want, b.String())
		}
	}
}
