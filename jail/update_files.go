package jail

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/xjail/xjail/internal/fault"
	"github.com/xjail/xjail/qemu"
)

// saveIntent writes down what an update is about to do.
func (s Store) saveIntent(in *updateIntent) error {
	text, err := json.MarshalIndent(in, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(s.inDir(in.Old.Name, updateName), append(text, '\n'))
}

// loadIntent reads it; nil when there is none.
func (s Store) loadIntent(name string) (*updateIntent, error) {
	text, err := os.ReadFile(s.inDir(name, updateName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	in := &updateIntent{}
	err = json.Unmarshal(text, in)
	if err == nil && (in.Old == nil || in.New == nil || in.Old.Name != name || in.New.Name != name || in.Old.Root != in.New.Root) {
		err = errors.New("it is of another jail")
	}
	return in, fault.Wrap(fault.Damaged, err, s.inDir(name, updateName), "xjail destroy "+name)
}

// keepFile copies a file of a root and returns its digest; "" when it is not
// there, or no plain file.
func keepFile(root *os.Root, name, to string) (sum string, err error) {
	rel := strings.TrimPrefix(name, "/")
	st, err := root.Lstat(rel)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !st.Mode().IsRegular() {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	src, err := root.Open(rel)
	if err != nil {
		return "", err
	}
	defer src.Close()
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(dst, h), src)
	if err == nil {
		err = dst.Sync()
	}
	return hex.EncodeToString(h.Sum(nil)), errors.Join(err, dst.Close())
}

// removePlaced removes a file of a root when it is the one of that digest.
func removePlaced(dir, name, sum string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	rel := strings.TrimPrefix(name, "/")
	if qemu.Verify(root, qemu.Placed{Path: rel, SHA256: sum}) != nil {
		return nil // it is another one, or gone
	}
	return root.Remove(rel)
}
