// Package activators is the kernel's list of image activators: the rules by
// which it hands a foreign program to an interpreter. An Entry is one rule, a
// Table the list that a kernel holds (packages binfmt, binmisc and memory), a
// Plan what to change in it, a Ledger the memory of which entries are ours.
//
// Both kernels try the entry first that was registered last.
package activators

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/xjail/xjail/internal/fault"
)

// HeaderMax is how much of a file a kernel looks at, in bytes: a page on
// FreeBSD (IBE_MATCH_MAX). Linux looks at LinuxHeaderMax.
const HeaderMax = 4096

// MagicMax is the longest magic of either kernel, in bytes: IBE_MAGIC_MAX of
// FreeBSD sys/sys/imgact_binmisc.h, BINPRM_BUF_SIZE of Linux.
const MagicMax = 256

// nameMax is the longest name in bytes; FreeBSD's table wants fewer.
const nameMax = 255

// Hex is bytes that JSON shows in hexadecimal.
type Hex []byte

// MarshalText writes h in lower-case hexadecimal.
func (h Hex) MarshalText() ([]byte, error) {
	return hex.AppendEncode(nil, h), nil
}

// UnmarshalText reads hexadecimal in either case. Nothing is a nil Hex.
func (h *Hex) UnmarshalText(text []byte) error {
	b, err := hex.AppendDecode(nil, text)
	if err != nil {
		return fmt.Errorf("hexadecimal %q: %w", text, err)
	}
	*h = b
	return nil
}

// Flags are how an interpreter is started. The first four are Linux's
// (Documentation/admin-guide/binfmt-misc.rst), the last one FreeBSD's.
type Flags struct {
	PreserveArgv0 bool `json:"preserve_argv0"` // P: argv[0] of the program is passed on, as an argument of its own
	OpenBinary    bool `json:"open_binary"`    // O: the program is passed as an open descriptor
	Credentials   bool `json:"credentials"`    // C: set-id bits of the program count, not the interpreter's; implies O
	FixBinary     bool `json:"fix_binary"`     // F: the interpreter is opened when the entry is registered
	PreOpen       bool `json:"pre_open"`       // IBF_PRE_OPEN: the same on FreeBSD 13.2 and newer
}

// String is Linux's letters in the order in which its kernel prints them, and
// PRE_OPEN as binmiscctl(8) does.
func (f Flags) String() string {
	var s strings.Builder
	for _, l := range f.letters() {
		if l.set {
			s.WriteString(l.letter)
		}
	}
	if f.PreOpen {
		if s.Len() > 0 {
			s.WriteByte(' ')
		}
		s.WriteString("PRE_OPEN")
	}
	return s.String()
}

type flagLetter struct {
	letter string
	set    bool
}

func (f Flags) letters() []flagLetter {
	return []flagLetter{{"P", f.PreserveArgv0}, {"O", f.OpenBinary}, {"C", f.Credentials}, {"F", f.FixBinary}}
}

// Normal is f as a kernel reports it: C implies O.
func (f Flags) Normal() Flags {
	f.OpenBinary = f.OpenBinary || f.Credentials
	return f
}

// Entry is one activator. It has a magic, or on Linux an extension instead.
type Entry struct {
	Name        string `json:"name"`
	Interpreter string `json:"interpreter"` // absolute path
	// Args come between the interpreter and the program's arguments; FreeBSD
	// only. #a and ## are macros there (binmiscctl(8)).
	Args []string `json:"args,omitempty"`
	// Offset is where the magic begins, in bytes from the start of the file.
	Offset int `json:"offset"`
	Magic  Hex `json:"magic,omitempty"`
	// Mask is as long as Magic: only its bits are compared. Without a mask all
	// are; FreeBSD's kernel then never matches a byte of 0x80 or more.
	Mask      Hex    `json:"mask,omitempty"`
	Extension string `json:"extension,omitempty"` // of the file's name, without the dot; Linux only
	Flags     Flags  `json:"flags"`
	Enabled   bool   `json:"enabled"`
}

// Normal is e as a desired entry should be sent: the flags as the kernel
// reports them, and a mask of ones where there is none.
func (e Entry) Normal() Entry {
	e.Flags = e.Flags.Normal()
	if len(e.Mask) == 0 && len(e.Magic) > 0 {
		e.Mask = Hex(bytes.Repeat([]byte{0xff}, len(e.Magic)))
	}
	return e
}

// Equal tells whether a kernel holds e and o as the same entry. A missing mask
// is not a mask of ones: on FreeBSD they differ.
func (e Entry) Equal(o Entry) bool {
	return e.Enabled == o.Enabled && e.SameRule(o)
}

// SameRule is Equal whether enabled or not.
func (e Entry) SameRule(o Entry) bool {
	return e.Name == o.Name && e.Interpreter == o.Interpreter && slices.Equal(e.Args, o.Args) &&
		e.Offset == o.Offset && bytes.Equal(e.Magic, o.Magic) && bytes.Equal(e.Mask, o.Mask) &&
		e.Extension == o.Extension && e.Flags.Normal() == o.Flags.Normal()
}

// Digest is the SHA-256 of the rule, in hexadecimal. It does not depend on
// whether the entry is enabled.
func (e Entry) Digest() string {
	sum := sha256.New()
	for _, field := range []string{e.Name, e.Interpreter, strings.Join(e.Args, "\x00"), fmt.Sprint(len(e.Args), e.Offset),
		string(e.Magic), string(e.Mask), e.Extension, e.Flags.Normal().String()} {
		fmt.Fprintf(sum, "%d:%s", len(field), field)
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// Validate refuses what no kernel should get, although they take some of it: a
// relative interpreter, a magic that is empty or matches everything, a mask of
// another length, and an offset out of the header, which makes a FreeBSD kernel
// panic. Limits of one kernel are its Table's. The errors are ErrInvalid; those
// of an entry that would match every file are of kind fault.Unsafe.
func (e Entry) Validate() error {
	checks := []func() error{e.validName, e.validInterpreter, e.validPattern}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (e Entry) invalid(hint, format string, args ...any) error {
	return Fail(ErrInvalid, fmt.Sprintf("activator %q", e.Name), fmt.Errorf(format, args...), hint)
}

func (e Entry) unsafe(hint string, why error) error {
	return failOf(fault.Unsafe, ErrInvalid, fmt.Sprintf("activator %q", e.Name), why, hint)
}

func (e Entry) validName() error {
	if err := CheckName(e.Name); err != nil {
		return err
	}
	if len(e.Name) > nameMax {
		return e.invalid("", "its name has %d bytes, %d at most", len(e.Name), nameMax)
	}
	return nil
}

// CheckName refuses names that a kernel does not take, that mean something
// else in binfmt_misc's directory, or that would break a line when printed.
func CheckName(name string) error {
	why := ""
	switch {
	case name == "":
		why = "it is empty"
	case slices.Contains([]string{".", "..", "register", "status"}, name):
		why = "binfmt_misc uses that name itself"
	case strings.Contains(name, "/"):
		why = "it has a slash"
	case hasControl(name):
		why = "it has a control character"
	default:
		return nil
	}
	return Fail(ErrInvalid, fmt.Sprintf("%q cannot be the name of an activator", name), fmt.Errorf("%s", why), "")
}

// hasControl finds what ends a line or a string, or disturbs a terminal.
func hasControl(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0
}

func (e Entry) validInterpreter() error {
	switch {
	case !path.IsAbs(e.Interpreter):
		return e.invalid("give the absolute path", "its interpreter %q is not an absolute path: the kernel would look for it in every program's working directory", e.Interpreter)
	case hasControl(e.Interpreter):
		return e.invalid("", "its interpreter %q has a control character", e.Interpreter)
	case e.Flags.PreOpen && e.Flags.FixBinary:
		return e.invalid("F is Linux's, PRE_OPEN FreeBSD's", "it has flags of two kernels")
	}
	for _, a := range e.Args {
		if a == "" || strings.ContainsAny(a, " \t") || hasControl(a) {
			return e.invalid("", "its argument %q is empty or has a blank: the kernel could not keep it in one piece", a)
		}
	}
	return nil
}

func (e Entry) validPattern() error {
	if e.Extension != "" {
		return e.validExtension()
	}
	size := len(e.Magic)
	switch {
	case size == 0:
		return e.unsafe("give a magic", errEverything)
	case size > MagicMax:
		return e.invalid("", "its magic has %d bytes, %d at most", size, MagicMax)
	case e.Offset < 0 || e.Offset > HeaderMax-size:
		return e.invalid("", "its magic of %d bytes at offset %d is not within the first %d bytes of a file", size, e.Offset, HeaderMax)
	case len(e.Mask) != 0 && len(e.Mask) != size:
		return e.invalid("", "its mask has %d bytes, its magic %d", len(e.Mask), size)
	case matchesAll(e):
		return e.unsafe("set bits in the mask", errEverything)
	}
	return nil
}

func (e Entry) validExtension() error {
	switch {
	case len(e.Magic) != 0 || len(e.Mask) != 0 || e.Offset != 0:
		return e.invalid("", "it has a magic and an extension")
	case strings.Contains(e.Extension, "/") || hasControl(e.Extension):
		return e.invalid("", "its extension %q has a slash or a control character", e.Extension)
	case strings.Contains(e.Extension, "."):
		return e.invalid("give what follows the last dot", "its extension %q has a dot: the kernel compares what follows the last one", e.Extension)
	}
	return nil
}
