package binmiscctl

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/xjail/xjail/activators"
	"github.com/xjail/xjail/internal/fault"
)

const addUsage = `<name> --interpreter <path_and_arguments> \
		--magic <magic_bytes> [--mask <mask_bytes>] \
		--size <magic_size> [--offset <magic_offset>] \
		[--set-enabled] \
		[--pre-open]`

// failed is an error with binmiscctl's own message. details say more, each on
// a line of its own.
type failed struct {
	message string
	usage   bool // the usage text follows
	details []string
}

func (f *failed) Error() string { return f.message }

// with adds what there is to say beyond binmiscctl's message.
func (f *failed) with(details ...string) *failed {
	for _, d := range details {
		if d != "" {
			f.details = append(f.details, d)
		}
	}
	return f
}

// usagef is a failure after which the usage text is printed.
func usagef(format string, args ...any) *failed {
	return &failed{message: fmt.Sprintf(format, args...), usage: true}
}

// fatalf is a failure that the usage text does not help with.
func fatalf(format string, args ...any) *failed {
	return &failed{message: fmt.Sprintf(format, args...)}
}

// report prints a failure as binmiscctl does: the message, and the usage text.
func (c *call) report(err error) {
	var f *failed
	if !errors.As(err, &f) {
		f = fatalf("Fatal: %v", err)
	}
	fmt.Fprintln(c.stderr, f.message)
	for _, d := range f.details {
		fmt.Fprintln(c.stderr, d)
	}
	if f.usage {
		_, _ = io.WriteString(c.stderr, Usage())
	}
}

// Usage is the usage text, without a message before it.
func Usage() string {
	var s strings.Builder
	fmt.Fprintf(&s, "usage: %s command [args...]\n\n", Name)
	for _, c := range commands {
		fmt.Fprintf(&s, "%s:\n\t%s %s %s\n\n", c.desc, Name, c.name, c.args)
	}
	return s.String()
}

const invalidText = "Invalid interpreter name or --interpreter, --magic, --mask, or --size argument value"

// failure is the error of a Table in binmiscctl's words; name is the entry's.
func (c *call) failure(err error, name string) error {
	switch {
	case err == nil:
		return nil
	case fault.KindOf(err) == fault.Unsafe:
		return fatalf("Error: %v", err).with(hintOf(err))
	case errors.Is(err, activators.ErrNotFound):
		return usagef("'%s' is not found in activator list", name)
	case errors.Is(err, activators.ErrExists):
		return usagef("'%s' is not unique in activator list", name)
	case errors.Is(err, activators.ErrFull):
		// The misspelling is binmiscctl's, and scripts may look for it.
		return fatalf("Fatal: no more room in the activator list (limited to %d enties)", entriesMax)
	case errors.Is(err, activators.ErrPermission):
		return usagef("Insufficient privileges for '%s' command", c.command).with(hintOf(err))
	case errors.Is(err, activators.ErrInvalid):
		return usagef("%s", invalidText).with(err.Error(), hintOf(err))
	case errors.Is(err, activators.ErrUnsupported), errors.Is(err, activators.ErrInterpreter):
		return fatalf("Error: %v", err).with(hintOf(err))
	case c.kernel == freebsd:
		return fatalf("Fatal: sysctlbyname() returned: %s", strerror(err))
	}
	return fatalf("Fatal: %v", err)
}

func hintOf(err error) string {
	if hint := fault.HintOf(err); hint != "" {
		return "Hint: " + hint
	}
	return ""
}

// strerror is the text of the errno in err as strerror(3) writes it, or err's.
func strerror(err error) string {
	var errno syscall.Errno
	text := err.Error()
	if errors.As(err, &errno) {
		text = errno.Error()
	}
	return strings.ToUpper(text[:min(1, len(text))]) + text[min(1, len(text)):]
}
