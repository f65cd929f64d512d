package selftest

import (
	"fmt"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// Result is the outcome of one check.
type Result string

// The results. A warning is a difference that does no harm.
const (
	OK      Result = "ok"
	Warning Result = "warning"
	Skipped Result = "skipped"
	Failed  Result = "failed"
)

// Finding is the outcome of one check.
type Finding struct {
	Result  Result `json:"result"`
	Check   string `json:"check"`
	Message string `json:"message"`
	// Evidence are lines that show it: what was said by either side, files,
	// sections.
	Evidence []string `json:"evidence,omitempty"`
	// Omitted is how many lines of evidence were left out.
	Omitted int `json:"evidence_omitted,omitempty"`
	// Kind sorts a failure, and is the exit status; 0 when nothing failed.
	Kind fault.Kind `json:"code,omitempty"`
}

// evidenceMax is how many lines a finding has at most, and lineMax how long each
// may be, in bytes.
const (
	evidenceMax = 12
	lineMax     = 300
)

// report collects findings in the order of the checks.
type report struct {
	list []Finding
	told func(Finding)
}

func (r *report) add(f Finding) {
	f.Omitted = max(0, len(f.Evidence)-evidenceMax)
	f.Evidence = short(f.Evidence)
	r.list = append(r.list, f)
	if r.told != nil {
		r.told(f)
	}
}

func (r *report) ok(check, format string, args ...any) {
	r.add(Finding{Result: OK, Check: check, Message: fmt.Sprintf(format, args...)})
}

func (r *report) skipped(check, why string, evidence ...string) {
	r.add(Finding{Result: Skipped, Check: check, Message: why, Evidence: evidence})
}

func (r *report) warning(check, message string, evidence []string) {
	r.add(Finding{Result: Warning, Check: check, Message: message, Evidence: evidence})
}

func (r *report) failed(check string, kind fault.Kind, message string, evidence []string) {
	r.add(Finding{Result: Failed, Check: check, Message: message, Evidence: evidence, Kind: kind})
}

// short bounds evidence: a broken compiler can say a lot.
func short(lines []string) []string {
	var kept []string
	for i, line := range lines {
		if i == evidenceMax {
			return append(kept, fmt.Sprintf("and %d more lines", len(lines)-i))
		}
		if line = printable(line); len(line) > lineMax {
			line = strings.ToValidUTF8(line[:lineMax], "") + "..."
		}
		kept = append(kept, line)
	}
	return kept
}

// Failure is the first check that failed, as an error; nil when none did.
func Failure(findings []Finding) error {
	for _, f := range findings {
		if f.Result == Failed {
			text := f.Message
			if len(f.Evidence) > 0 {
				text += ": " + f.Evidence[0]
			}
			return fault.New(f.Kind, "", "%s: %s", f.Check, text)
		}
	}
	return nil
}
