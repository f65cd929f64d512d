package source

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// stallTimeout ends a download that has not brought a byte for so long.
const stallTimeout = 60 * time.Second

// Download gets url into the new file name and returns its SHA-256. sha256sum
// in hexadecimal is what it must be; "" accepts any. progress is called with
// the bytes so far and the total, -1 when the server does not say. Nothing is
// left of a download that failed.
func Download(ctx context.Context, url, name, sha256sum string, progress func(done, total int64)) (string, error) {
	sum, err := download(ctx, url, name, progress)
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

func download(ctx context.Context, url, name string, progress func(done, total int64)) (string, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fault.Wrap(fault.Usage, err, "", "")
	}
	client := &http.Client{Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: stallTimeout,
	}}
	defer client.CloseIdleConnections()
	res, err := client.Do(req)
	if err != nil {
		return "", fault.Wrap(fault.Failed, err, "download", "check the address and the network; http_proxy is honoured")
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		kind := fault.Failed
		if res.StatusCode == http.StatusNotFound {
			kind = fault.NotFound
		}
		return "", fault.New(kind, "check the address", "download %s: %s", url, res.Status)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return "", err
	}
	hash := sha256.New()
	body := &watched{r: res.Body, total: res.ContentLength, progress: progress,
		stall: time.AfterFunc(stallTimeout, func() { cancel(errStalled) })}
	defer body.stall.Stop()
	n, err := io.Copy(io.MultiWriter(f, hash), body)
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errStalled) {
		err = cause
	}
	if err != nil {
		return "", fault.New(fault.Failed, "try again; nothing of it was kept", "%s after %d bytes: %w", url, n, err)
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

var errStalled = fmt.Errorf("no byte for %s", stallTimeout)

// watched counts what is read, and winds up the stall timer.
type watched struct {
	r           io.Reader
	done, total int64
	progress    func(done, total int64)
	stall       *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.done += int64(n)
	w.stall.Reset(stallTimeout)
	if w.progress != nil {
		w.progress(w.done, w.total)
	}
	return n, err
}
