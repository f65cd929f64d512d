package explain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/xjail/xjail/activators"
)

// takes tells whether the kernel's table would give a file to an entry, were it
// enabled. An extension is compared with what follows the last dot of the name
// that the kernel was asked for, not of the file.
func (e *explainer) takes(t Entry, img *image) bool {
	if t.Extension != "" {
		dot := strings.LastIndexByte(img.name, '.')
		return !e.w.freebsd() && dot >= 0 && img.name[dot+1:] == t.Extension
	}
	limit := e.w.limit(headerSize, headerSizeBSD)
	if e.w.freebsd() && len(t.Mask) == 0 && slices.ContainsFunc(t.Magic, func(b byte) bool { return b >= 0x80 }) {
		return false // it compares signed with unsigned bytes
	}
	return activators.Captures(t.Entry, img.header[:min(len(img.header), limit)])
}

// choose is the activator that gets a file: the first enabled one that matches.
func (e *explainer) choose(img *image) (Entry, bool) {
	if e.w.Table.Off {
		return Entry{}, false
	}
	var won *Entry
	var evidence []string
	for i := range e.w.Table.Entries {
		t := &e.w.Table.Entries[i]
		switch {
		case !e.takes(*t, img):
		case !t.Enabled:
			evidence = append(evidence, unquoted(t.Name)+" matches too, and is disabled")
		case won == nil:
			won = t
		default:
			evidence = append(evidence, unquoted(t.Name)+" matches too, and is tried later")
		}
	}
	if won == nil {
		return Entry{}, false
	}
	e.step(OK, fmt.Sprintf("the activator %s takes %s", unquoted(won.Name), img.shown()), append([]string{matchText(*won)}, evidence...)...)
	return *won, true
}

// matchText is the rule of an entry.
func matchText(t Entry) string {
	if t.Extension != "" {
		return fmt.Sprintf("by its name, which ends in .%s; interpreter %s, flags %s", unquoted(t.Extension), unquoted(t.Interpreter), t.Flags)
	}
	text := fmt.Sprintf("magic %x", []byte(t.Magic))
	if len(t.Mask) > 0 {
		text += fmt.Sprintf(", mask %x", []byte(t.Mask))
	}
	if t.Offset > 0 {
		text += fmt.Sprintf(", offset %d", t.Offset)
	}
	return text + fmt.Sprintf("; interpreter %s, flags %s", unquoted(t.Interpreter), t.Flags)
}

// interpreter opens what an activator starts. With the flag F, or PRE_OPEN, the
// kernel has opened it when the entry was registered: what is at the path now
// does not matter then, only that it is likely to be the same file.
func (e *explainer) interpreter(img *image, t Entry) (*image, *Verdict) {
	e.taken = append(e.taken, taken{program: img, entry: t})
	var next *image
	var v *Verdict
	if t.Flags.FixBinary || t.Flags.PreOpen {
		next, v = e.heldInterpreter(img, t)
	} else {
		next, v = e.open(t.Interpreter, asEmulator)
		if v != nil && v.Runs == No {
			v.Remedy = e.emulatorRemedy(t, v.Cause)
			if v.Cause == asEmulator.cause(Missing) {
				v.Message = fmt.Sprintf("the activator %s starts %s, which is not there%s: the error is of the emulator, not of the program", unquoted(t.Name), unquoted(t.Interpreter), e.where())
			}
		}
	}
	e.taken[len(e.taken)-1].interpreter = next
	return next, v
}

// where says which root names are looked up in.
func (e *explainer) where() string {
	if e.w.Root == "/" || e.w.Root == "" {
		return ""
	}
	return " in this root"
}

// heldInterpreter is the file that the kernel holds for an entry. From outside
// only the file at its path can be looked at; for a private table it is the file
// in the root, since it is opened when the jail is entered. It is looked up
// from the root of the machine otherwise.
func (e *explainer) heldInterpreter(program *image, t Entry) (*image, *Verdict) {
	if e.w.Jail != nil && e.w.Jail.Private {
		img, v := e.open(t.Interpreter, asEmulator)
		if v != nil && v.Runs == No {
			v.Remedy = e.emulatorRemedy(t, v.Cause)
		}
		return img, v
	}
	e.step(OK, fmt.Sprintf("the kernel holds the file that was %s when %s was registered", unquoted(t.Interpreter), unquoted(t.Name)),
		"so it need not be in the root, and what is at the path now does not matter", t.Stale)
	if t.Stale != "" {
		e.remark = &Verdict{Cause: asEmulator.cause(Replaced), Remedy: e.registerAgain(t),
			Message: fmt.Sprintf("it runs by the old %s, which the kernel holds open: %s", t.Interpreter, t.Stale)}
		return nil, nil
	}
	host := e.w.hostWorld()
	sub := &explainer{w: host, x: &Explanation{}}
	img, v := sub.open(t.Interpreter, asEmulator)
	e.opened = append(e.opened, sub.opened...)
	if v == nil && e.sameSince(program, t, img) {
		return img, nil
	}
	if v == nil {
		e.remark = &Verdict{Cause: asEmulator.cause(Replaced), Remedy: e.registerAgain(t),
			Message: fmt.Sprintf("it runs by the old %s, which the kernel holds open: what is there now came after the activator %s was registered", t.Interpreter, unquoted(t.Name))}
		e.step(Note, fmt.Sprintf("%s was replaced after %s was registered", unquoted(t.Interpreter), unquoted(t.Name)))
		return nil, nil
	}
	if e.w.freebsd() && v.Errno == EACCES {
		return nil, v // its mode and noexec are looked at each time
	}
	if v.Cause == asEmulator.cause(NoExec) {
		return nil, e.heldNoExec(t, v)
	}
	e.heldGone(t, v)
	return nil, nil
}

// sameSince tells whether the file at the path of an entry may be taken for the
// one that the kernel holds: nothing happened to it since the entry was
// registered, or it would do as well.
func (e *explainer) sameSince(program *image, t Entry, img *image) bool {
	changed := img.place.info.Changed
	if t.Registered.IsZero() || changed.IsZero() || !changed.After(t.Registered) {
		return true
	}
	f, p := parseELF(img), parseELF(program)
	if f == nil || p == nil || e.w.native(f) == nil {
		return false
	}
	m, ok := emulatorOf(f)
	return ok && m.runs(p)
}

// heldNoExec is the verdict on an interpreter that is held open and whose file
// system was mounted noexec since. Linux opens it again without a look at that,
// and then cannot map it: the process is killed when there is no way back.
func (e *explainer) heldNoExec(t Entry, v *Verdict) *Verdict {
	return e.bad(Verdict{Stage: AtEmulator, Cause: v.Cause, Remedy: v.Remedy, Message: v.Message + ": the kernel kills the process with SIGSEGV when it maps the emulator"},
		fmt.Sprintf("%s may not be mapped to be executed", unquoted(t.Interpreter)), v.Message)
}

// heldGone is what is said when there is no usable file at the path of an entry
// that was opened when it was registered. Then it was one: the kernel refuses
// others. So it was replaced since, or is seen at another path from here, and
// what runs is the one that was opened.
func (e *explainer) heldGone(t Entry, v *Verdict) {
	e.step(Note, fmt.Sprintf("%s cannot be started by its path from here: the kernel runs the file that it was", unquoted(t.Interpreter)), v.Message)
	e.remark = &Verdict{Cause: v.Cause, Remedy: e.registerAgain(t),
		Message: fmt.Sprintf("it runs by the %s that the kernel opened when %s was registered; now, and after a restart, %s", t.Interpreter, unquoted(t.Name), v.Message)}
}

// switchedOff is the verdict when the table has an entry for a file, which has
// no effect.
func (e *explainer) switchedOff(img *image) *Verdict {
	for _, t := range e.w.Table.Entries {
		if !e.takes(t, img) {
			continue
		}
		v := Verdict{Stage: AtExec, Errno: ENOEXEC}
		if e.w.Table.Off {
			v.Cause, v.Remedy = TableOff, "echo 1 > "+e.w.Table.Where+"/status"
			v.Message = fmt.Sprintf("the activator %s is for %s, and the table is switched off as a whole", unquoted(t.Name), img.shown())
		} else if !t.Enabled {
			v.Cause, v.Remedy = ActivatorDisabled, e.enableEntry(t)
			v.Message = fmt.Sprintf("the activator %s is for %s, and is disabled", unquoted(t.Name), img.shown())
		}
		return e.bad(v, "no enabled activator takes "+img.shown(), v.Message, matchText(t))
	}
	return nil
}

// noActivator is the verdict on a foreign program that no entry is for.
func (e *explainer) noActivator(img *image, f *elfFile) *Verdict {
	v := Verdict{Runs: No, Stage: AtExec, Errno: ENOEXEC, Cause: NoActivator, Remedy: e.newActivator(f)}
	v.Message = fmt.Sprintf("%s is a program of %s, and no activator is for it", img.shown(), f.archText())
	evidence := f.describe()
	table := e.w.Table
	switch {
	case table.Unseen != "":
		v.Runs, v.Stage, v.Errno, v.Cause = Unknown, "", "", TableUnseen
		v.Message = fmt.Sprintf("%s is a program of %s, and whether the kernel has an activator for it cannot be seen: %s", img.shown(), f.archText(), table.Unseen)
		e.step(Note, v.Message, evidence...)
		return &v
	case table.Absent:
		v.Message += ": imgact_binmisc is not in the kernel"
	case len(table.Entries) == 0 && table.Namespace:
		v.Cause = InstanceEmpty
		v.Message += ": this user namespace has a table of its own, which is empty, and those of the machine do not count in it"
	}
	for _, t := range table.Entries {
		text, near := e.difference(t, img, f)
		if near && v.Cause == NoActivator {
			v.Cause, v.Remedy = ActivatorMisses, e.missesRemedy(t, f)
			v.Message = fmt.Sprintf("%s is a program of %s, and the activator %s does not match it: %s", img.shown(), f.archText(), unquoted(t.Name), text)
		}
		if len(evidence) < 8 {
			evidence = append(evidence, fmt.Sprintf("activator %s does not match: %s", unquoted(t.Name), text))
		}
	}
	return e.bad(v, "no activator takes "+img.shown(), evidence...)
}

// difference tells at which byte an entry does not match a file, and whether it
// looks for the same class, byte order and machine all the same.
func (e *explainer) difference(t Entry, img *image, f *elfFile) (text string, near bool) {
	if t.Extension != "" {
		return "it is for names that end in ." + unquoted(t.Extension), false
	}
	count, sameArch := 0, len(t.Magic) >= 20 && t.Offset == 0 && isELF(t.Magic)
	for i, want := range t.Magic {
		mask := byte(0xff)
		if i < len(t.Mask) {
			mask = t.Mask[i]
		}
		var b byte
		if at := t.Offset + i; at < len(img.header) {
			b = img.header[at]
		}
		if (b^want)&mask == 0 {
			continue
		}
		if at := t.Offset + i; at < 7 || at == 18 || at == 19 {
			sameArch = false
		}
		if count++; count == 1 {
			text = fmt.Sprintf("byte %d is %02x%s, it wants %02x (mask %02x)", t.Offset+i, b, byteText(t.Offset+i, f.class), want&mask, mask)
		}
	}
	if count == 0 {
		return "it has no mask, and this kernel then matches no byte of 0x80 or more", sameArch
	}
	if count > 1 {
		text += fmt.Sprintf(", and %d bytes more", count-1)
	}
	return text, sameArch
}

// byteText names a byte of the ELF header.
func byteText(at, class int) string {
	flags := 36
	if class == 64 {
		flags = 48
	}
	switch {
	case at < 4:
		return ""
	case at == 4:
		return " (class)"
	case at == 5:
		return " (byte order)"
	case at == 7:
		return " (OSABI)"
	case at == 8:
		return " (ABI version)"
	case at == 16 || at == 17:
		return " (type)"
	case at == 18 || at == 19:
		return " (machine)"
	case at >= flags && at < flags+4:
		return " (flags)"
	}
	return ""
}

// unseen is evidence where the table is not seen.
func (e *explainer) unseen() string {
	if e.w.Table.Unseen == "" {
		return ""
	}
	return "the kernel's table of activators is not seen: " + e.w.Table.Unseen
}

// hostWorld is the machine itself, in which interpreters are opened that the
// kernel holds.
func (w *World) hostWorld() *World {
	host := *w
	if w.Host != nil {
		host.Files = w.Host
		host.Root, host.Jail, host.Dir = "/", nil, "/"
	}
	return &host
}
