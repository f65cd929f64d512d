package explain

import (
	"fmt"
	"io/fs"
)

// rights looks whether a program that runs gets the ids of its set-id bits, and
// at other things that one should know of one that runs.
func (e *explainer) rights(img *image, v *Verdict) {
	if e.remark != nil && v.Cause == "" {
		v.Cause, v.Message, v.Remedy = e.remark.Cause, e.remark.Message, e.remark.Remedy
	}
	bits := img.place.info.Mode & (fs.ModeSetuid | fs.ModeSetgid)
	if bits == 0 || img.place.info.Mode&fs.ModeSetuid == 0 && img.place.info.Mode.Perm()&0o010 == 0 {
		return
	}
	why, remedy := e.dropped(img)
	if why == "" {
		e.step(OK, fmt.Sprintf("its set-id bits count: mode %s, owner %d:%d", modeText(img.place.info.Mode), img.place.info.UID, img.place.info.GID))
		return
	}
	text := fmt.Sprintf("%s has set-id bits (mode %s), which have no effect: %s", img.shown(), modeText(img.place.info.Mode), why)
	e.step(Note, text)
	if v.Cause == "" {
		v.Cause, v.Message, v.Remedy = SetIDDropped, "it runs without the rights of its owner: "+text, remedy
	}
}

// dropped is why set-id bits have no effect; "" when they have.
func (e *explainer) dropped(img *image) (why, remedy string) {
	switch {
	case e.w.NoNewPrivs:
		return "no_new_privs is set for this process", "start it from a process without no_new_privs"
	case img.mount.NoSUID:
		return mountText(img.mount) + " is mounted nosuid", e.remount(img.mount, "suid")
	case len(e.scripts) > 0 && e.scripts[0] == img:
		return "scripts never get them", "run it with the rights that it needs, or let a program start it"
	case len(e.taken) == 0:
		return "", ""
	case e.w.freebsd():
		return "the kernel takes those of the emulator", "run it as the user that it needs"
	case !e.taken[0].entry.Flags.Credentials:
		return fmt.Sprintf("the activator %s has not the flag C, so those of the emulator count", unquoted(e.taken[0].entry.Name)), e.credentialRemedy(e.taken[0])
	}
	return "", ""
}
