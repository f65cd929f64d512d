package dtrace

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Keywords that a declaration can begin with when dtrace -n reads it: all else is
// the name of a probe (dt_lex.l, state S2, and DTRACE_C_PSPEC of dtrace.c).
var declaring = strings.Fields("char int long self short signed string struct this union unsigned void")

// builtIn are the variables of dtrace(1), which cannot be declared (dt_open.c).
var builtIn = strings.Fields(`arg0 arg1 arg2 arg3 arg4 arg5 arg6 arg7 arg8 arg9 args caller cpu curthread epid errno
	execargs execname gid id ipl jailname jid pid ppid probefunc probemod probename probeprov stackdepth tid timestamp
	ucaller uid uregs ustackdepth vmregs vtimestamp walltimestamp`)

// What FreeBSD's D compiler refuses by the text alone, and no program that stands
// in for dtrace: declarations of other things than these, and variables that are
// read before anything declares or assigns them (dt_parser.c, dt_cook_var).
func TestDeclarations(t *testing.T) {
	for name, text := range map[string]string{"trace.d": Program(), "bulk.d": BulkProgram()} {
		for _, f := range undeclared(text) {
			t.Errorf("%s: %s", name, f)
		}
	}
	for text, want := range map[string]string{
		"uint64_t x[int];":                         "uint64_t begins no declaration",
		"int cpu[int];":                            "cpu is dtrace's own",
		"BEGIN { self->a = self->b; }":             "self->b is read first",
		"BEGIN { self->a = self->a + 1; }":         "self->a is read first",
		"self int a; BEGIN { self->a = self->a; }": "",
		"BEGIN { x[pid] = 1; }":                    "x is not declared",
	} {
		if got := strings.Join(undeclared(text), "; "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

var (
	comments    = regexp.MustCompile(`(?s)/\*.*?\*/|#[^\n]*|"(?:\\.|[^"])*"`)
	declaration = regexp.MustCompile(`^(\w+)(?: \w+)*? (\w+)(\[int\])?$`)
	assignment  = regexp.MustCompile(`^((?:self|this)->\w+) = (.*)$`)
	variable    = regexp.MustCompile(`(?:self|this)->\w+|\b\w+\[`)
)

// undeclared are the faults of a program's declarations and variables.
func undeclared(text string) (faults []string) {
	known := map[string]bool{"args[": true}
	text = strings.Join(strings.Fields(comments.ReplaceAllString(text, `""`)), " ")
	for _, s := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(";{}", r) }) {
		s = strings.TrimPrefix(strings.TrimSpace(s), `"" `)
		for strings.HasPrefix(s, `"" `) {
			s = s[3:]
		}
		if m := declaration.FindStringSubmatch(s); m != nil {
			if !slices.Contains(declaring, m[1]) {
				faults = append(faults, m[1]+" begins no declaration")
			}
			if slices.Contains(builtIn, m[2]) {
				faults = append(faults, m[2]+" is dtrace's own")
			}
			scope := ""
			if m[1] == "self" || m[1] == "this" {
				scope = m[1] + "->"
			}
			known[scope+m[2]+strings.TrimSuffix(m[3], "int]")] = true
			continue
		}
		made := ""
		if m := assignment.FindStringSubmatch(s); m != nil {
			made, s = m[1], m[2]
		}
		for _, v := range variable.FindAllString(s, -1) {
			switch {
			case known[v]:
			case strings.HasSuffix(v, "["):
				faults = append(faults, strings.TrimSuffix(v, "[")+" is not declared")
			default:
				faults = append(faults, v+" is read first")
			}
		}
		known[made] = true
	}
	return faults
}
