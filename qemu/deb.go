package qemu

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// maxEmulator bounds the size in bytes of a file taken out of a package; QEMU's
// largest is some 15 MB.
const maxEmulator = 512 << 20

// extractDeb takes emulators out of a package. wanted has their targets by the
// absolute path in the package; a target may have several paths, of which the
// first that comes counts. Only regular files do; links to others do not. It
// returns the files in dir by target, and reads no further once it has all.
func extractDeb(ctx context.Context, deb, dir string, wanted map[string]string) (map[string]string, error) {
	errs := &tail{limit: 4 << 10}
	cmd := exec.CommandContext(ctx, "dpkg-deb", "--fsys-tarfile", deb)
	cmd.Env, cmd.Stderr = aptEnv(), errs
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 5 * time.Second
	pipe, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fault.Wrap(fault.Failed, err, "dpkg-deb", "")
	}
	if err := cmd.Start(); err != nil {
		return nil, fault.Wrap(fault.Failed, err, "dpkg-deb", "")
	}
	found, err := extractTar(pipe, dir, wanted)
	done := len(found) == len(distinct(wanted))
	// dpkg-deb and the program that unpacks for it end when nobody reads on.
	pipe.Close()
	waitErr := cmd.Wait()
	switch {
	case err != nil && fault.KindOf(err) != fault.Failed:
		return nil, err
	case done:
		return found, nil
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Interrupted, ctx.Err(), "dpkg-deb", "")
	case waitErr != nil:
		err = joined([]error{commandError("dpkg-deb", nil, errs.String(), waitErr), err})
	}
	return found, err
}

// distinct are the targets of wanted.
func distinct(wanted map[string]string) map[string]bool {
	targets := map[string]bool{}
	for _, t := range wanted {
		targets[t] = true
	}
	return targets
}

// extractTar copies the wanted regular files out of a tar stream.
func extractTar(r io.Reader, dir string, wanted map[string]string) (map[string]string, error) {
	found, all := map[string]string{}, len(distinct(wanted))
	archive := tar.NewReader(r)
	for len(found) < all {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			// The padding after the end of a tar is read too, or its writer
			// would fail on a closed pipe.
			_, err = io.Copy(io.Discard, r)
			return found, fileError(err)
		}
		if err != nil {
			return found, fault.Wrap(fault.Failed, err, "unpack the package", "")
		}
		name := path.Join("/", h.Name)
		target, ok := wanted[name]
		if !ok || h.Typeflag != tar.TypeReg || found[target] != "" {
			continue
		}
		if h.Size > maxEmulator {
			return found, fault.New(fault.Unsafe, "", "%s in the package has %d bytes, more than an emulator can have", name, h.Size)
		}
		to := filepath.Join(dir, path.Base(name))
		if err := writeEmulator(to, archive); err != nil {
			return found, &fault.Error{Kind: fault.KindOf(err), What: "unpack " + name, Err: err}
		}
		found[target] = to
	}
	return found, nil
}

// writeEmulator writes an executable file, through to the disk.
func writeEmulator(to string, r io.Reader) error {
	f, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return fileError(err)
	}
	_, err = io.Copy(f, r)
	if err == nil {
		err = f.Chmod(placedMode)
	}
	if err == nil {
		err = f.Sync()
	}
	return fileError(errors.Join(err, f.Close()))
}
