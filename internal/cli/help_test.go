package cli

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// eachCommand calls f with every command that a user can run.
func eachCommand(t *testing.T, f func(*testing.T, *cobra.Command)) {
	t.Helper()
	var walk func(*cobra.Command)
	walk = func(cmd *cobra.Command) {
		t.Run(strings.ReplaceAll(cmd.CommandPath(), " ", "_"), func(t *testing.T) { f(t, cmd) })
		for _, sub := range cmd.Commands() {
			if sub.IsAvailableCommand() {
				walk(sub)
			}
		}
	}
	walk(newRoot(&globals{Env: &Env{Getenv: func(string) string { return "" }}}))
}

// TestHelp holds every command's help to what a user needs of it.
func TestHelp(t *testing.T) {
	eachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		if cmd.Short == "" || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("Short %q: say what it does, without a period", cmd.Short)
		}
		if cmd.Example == "" {
			t.Error("no examples")
		}
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "sudo ")
			if line != "" && !strings.HasPrefix(line, cmd.CommandPath()) {
				t.Errorf("example %q is not of %s", line, cmd.CommandPath())
			}
		}
		if cmd.HasParent() && cmd.Parent().Name() == "completion" {
			return // cobra's own text
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Example) {
			if n := len([]rune(strings.TrimRight(line, "\n"))); n > 80 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
		if cmd.ValidArgsFunction == nil && strings.Contains(cmd.Use, "NAME") {
			t.Error("NAME is not completed")
		}
	})
}

// TestExamplesParse holds the examples to the flags that there are.
func TestExamplesParse(t *testing.T) {
	eachCommand(t, func(t *testing.T, cmd *cobra.Command) {
		for line := range strings.Lines(cmd.Example) {
			line = strings.TrimPrefix(strings.TrimSpace(line), "sudo ")
			line, _, _ = strings.Cut(line, "   ") // a remark
			words := strings.Fields(strings.NewReplacer("'", " ", "|", " -- ", ">", " -- ").Replace(line))
			if len(words) < 2 {
				continue
			}
			root := newRoot(&globals{Env: &Env{Getenv: func(string) string { return "" }}})
			found, rest, err := root.Find(words[1:])
			if err != nil || found == root && len(cmd.Commands()) == 0 {
				t.Errorf("%q: no such command: %v", line, err)
				continue
			}
			if err := found.ParseFlags(rest); err != nil {
				t.Errorf("%q: %v", line, err)
			}
		}
	})
}
