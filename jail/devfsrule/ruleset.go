package devfsrule

import (
	"errors"
	"fmt"
	"slices"
	"syscall"
)

// visible are the nodes that a jail sees: none of them reaches hardware or
// another process. Terminals below pts are shown only to the jail that opened
// them and to the processes that have one as their terminal (devfs_prison_check
// in sys/fs/devfs/devfs_vnops.c).
var visible = []string{
	"null", "zero", "full", "random", "urandom",
	"stdin", "stdout", "stderr", "fd", "fd/*",
	"tty", "ctty", "ptmx", "pts", "pts/*",
}

// Jail are the rules of a jail's /dev, in their order: the last that matches a
// node decides.
func Jail() []Rule {
	rules := []Rule{{Number: 100, Hide: true}}
	for i, path := range visible {
		rules = append(rules, Rule{Number: uint16(200 + 100*i), Path: path})
	}
	return rules
}

// The rulesets that xjail looks at. devfs.rules(5) of administrators begin at
// 1, and 100 is taken by some; nobody is known to go as high as this.
const (
	firstSet = 30826
	lastSet  = firstSet + 15
)

// Kernel is the list of rulesets in the kernel. Next gives the struct of the
// rule that follows in its ruleset; at the end it fails with ENOENT. Add fails
// with EEXIST when the ruleset has a rule of this number.
type Kernel interface {
	Next(set, after uint16) ([]byte, error)
	Add(rule []byte) error
}

// Ensure finds a ruleset that holds exactly these rules, or makes one, and
// returns its number. A ruleset that somebody filled with other rules is left
// alone. It is safe to be called by many processes at once, and again after one
// was killed half-way. The ruleset stays until the machine is restarted: the
// kernel would let go of its rules under those who use it.
func Ensure(k Kernel, rules []Rule) (uint16, error) {
	for set := uint16(firstSet); set <= lastSet; set++ {
		have, err := list(k, set)
		if err != nil {
			return 0, err
		}
		missing, ours := compare(have, rules)
		if !ours {
			continue
		}
		if err := add(k, set, missing); err != nil {
			return 0, err
		}
		if have, err = list(k, set); err != nil {
			return 0, err
		}
		if slices.Equal(have, rules) {
			return set, nil
		}
	}
	return 0, fmt.Errorf("the rulesets %d to %d of devfs all hold other rules", firstSet, lastSet)
}

// foreign stands for a rule that xjail does not make.
var foreign = Rule{Path: "?", Hide: true}

func list(k Kernel, set uint16) ([]Rule, error) {
	var rules []Rule
	for after := uint16(0); ; {
		b, err := k.Next(set, after)
		if errors.Is(err, syscall.ENOENT) {
			return rules, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read ruleset %d of devfs: %w", set, err)
		}
		of, r, err := Decode(b)
		if err != nil {
			return append(rules, foreign), nil //nolint:nilerr // another's ruleset is not an error
		}
		if of != set || r.Number <= after {
			return nil, fmt.Errorf("ruleset %d of devfs: rule %d of %d after %d", set, r.Number, of, after)
		}
		rules, after = append(rules, r), r.Number
	}
}

// compare finds what a ruleset lacks; it is not ours when it has anything else.
func compare(have, want []Rule) (missing []Rule, ours bool) {
	for _, r := range have {
		if !slices.Contains(want, r) {
			return nil, false
		}
	}
	for _, r := range want {
		if !slices.Contains(have, r) {
			missing = append(missing, r)
		}
	}
	return missing, true
}

func add(k Kernel, set uint16, rules []Rule) error {
	for _, r := range rules {
		b, err := r.Encode(set)
		if err != nil {
			return err
		}
		// Another process that makes the same ruleset may have been faster.
		if err := k.Add(b); err != nil && !errors.Is(err, syscall.EEXIST) {
			return fmt.Errorf("add rule %d to ruleset %d of devfs: %w", r.Number, set, err)
		}
	}
	return nil
}
