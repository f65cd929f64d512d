package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"

	"github.com/xjail/xjail/internal/fault"
)

// Download gets url into the new file name and returns its SHA-256. sha256sum
// in hexadecimal is what it must be; "" accepts any. progress is called with
// the bytes so far and the total, -1 when the server does not say. Nothing is
// left of a download that failed.
func Download(ctx context.Context, url, name, sha256sum string, progress func(done, total int64)) (string, error) {
	f := &Fetcher{Progress: progress}
	sum, err := f.download(ctx, url, name)
	if err == nil && sha256sum != "" && sum != sha256sum {
		err = fault.New(fault.Mismatch, "check the address and the digest; the file may have been replaced or damaged",
			"%s: SHA-256 is %s, expected %s", url, sum, sha256sum)
	}
	if err != nil {
		_ = os.Remove(name)
		return "", err
	}
	return sum, nil
}

func (f *Fetcher) download(ctx context.Context, url, name string) (string, error) {
	t, err := f.open(ctx, url, 0, "")
	if err != nil {
		return "", err
	}
	defer t.close()
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	_, err = t.copyTo(io.MultiWriter(file, hash), url)
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return "", err
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}
