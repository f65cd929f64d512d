package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/xjail/xjail/internal/fault"
)

// stallTimeout ends a download that has not brought a byte for so long.
const stallTimeout = 60 * time.Second

// Fetcher gets files by http, https and file URLs. The zero value is ready.
type Fetcher struct {
	// Stall ends a transfer that has not brought a byte for so long; 0 is a
	// minute.
	Stall time.Duration
	// Progress is called with the bytes so far and the total, -1 when the server
	// does not say.
	Progress func(done, total int64)
	// SameHost refuses to be sent to another server.
	SameHost bool
}

// transfer is a file that is coming in.
type transfer struct {
	body  io.ReadCloser
	start int64  // where in the file body begins
	total int64  // bytes of the whole file, -1 when not known
	tag   string // what If-Range takes
	ctx   context.Context
	end   func()
}

func (t *transfer) close() {
	t.end()
	t.body.Close()
}

// refusal is a redirect that is not followed.
type refusal struct{ from, to *url.URL }

func (r *refusal) Error() string {
	if r.from.Scheme == "https" && r.to.Scheme != "https" {
		return fmt.Sprintf("%s redirects to %s, which is not encrypted", r.from, r.to)
	}
	return fmt.Sprintf("%s redirects to another host, %s", r.from, r.to)
}

// follow is the policy on redirects: never from https to http, and with SameHost
// not to another server; http to https of the same host is none.
func (f *Fetcher) follow(req *http.Request, via []*http.Request) error {
	from, to := via[len(via)-1].URL, req.URL
	sameHost := strings.EqualFold(from.Host, to.Host) ||
		strings.EqualFold(from.Hostname(), to.Hostname()) && from.Scheme == "http" && to.Scheme == "https"
	switch {
	case from.Scheme == "https" && to.Scheme != "https", f.SameHost && !sameHost:
		return &refusal{from, to}
	case len(via) >= 10:
		return errors.New("more than 10 redirects")
	}
	return nil
}

func (f *Fetcher) stall() time.Duration {
	if f.Stall > 0 {
		return f.Stall
	}
	return stallTimeout
}

// open begins a transfer from the byte offset on; the answer may begin at 0 all
// the same. tag is that of the bytes that are there already, "" for none.
func (f *Fetcher) open(ctx context.Context, address string, offset int64, tag string) (*transfer, error) {
	if path, ok := strings.CutPrefix(address, "file://"); ok {
		return f.openFile(ctx, address, path, offset)
	}
	asked := ctx
	ctx, cancel := context.WithCancelCause(asked)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		cancel(nil)
		return nil, fault.Wrap(fault.Usage, err, "", "")
	}
	if offset > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-", offset))
		if tag != "" {
			req.Header.Set("If-Range", tag)
		}
	}
	client := &http.Client{CheckRedirect: f.follow, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:   30 * time.Second,
		ResponseHeaderTimeout: f.stall(),
		// Offsets count the file's own bytes.
		DisableCompression: true,
	}}
	res, err := client.Do(req)
	if err != nil {
		cancel(nil)
		client.CloseIdleConnections()
		return nil, fetchError(asked, address, err)
	}
	t := &transfer{body: res.Body, total: res.ContentLength, ctx: ctx, end: func() { cancel(nil); client.CloseIdleConnections() }}
	t.body = f.watch(t, cancel)
	if err := t.accept(address, res, offset); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// accept looks at the answer of a server.
func (t *transfer) accept(address string, res *http.Response, offset int64) error {
	if tag := res.Header.Get("ETag"); tag != "" && !strings.HasPrefix(tag, "W/") {
		t.tag = tag
	}
	switch {
	case res.StatusCode == http.StatusOK:
		return nil
	case res.StatusCode == http.StatusPartialContent && offset > 0:
		start, total, ok := parseContentRange(res.Header.Get("Content-Range"))
		if !ok || start != offset {
			return fault.New(fault.Damaged, "use another mirror", "download %s: the server sends %q, wanted from byte %d on", address, res.Header.Get("Content-Range"), offset)
		}
		t.start, t.total = start, total
		return nil
	case res.StatusCode == http.StatusRequestedRangeNotSatisfiable && offset > 0:
		return errBeyond
	case res.StatusCode == http.StatusNotFound, res.StatusCode == http.StatusGone:
		return fault.New(fault.NotFound, "check the address", "download %s: %s", address, res.Status)
	}
	return fault.New(fault.Failed, "check the address, or try again later", "download %s: %s", address, res.Status)
}

// errBeyond is the answer to a range behind the end of the file.
var errBeyond = errors.New("the file has no more bytes than that")

// parseContentRange reads "bytes 5-9/10"; total is -1 for *.
func parseContentRange(s string) (start, total int64, ok bool) {
	s, ok = strings.CutPrefix(s, "bytes ")
	span, size, cut := strings.Cut(s, "/")
	first, _, dash := strings.Cut(span, "-")
	start, err := strconv.ParseInt(first, 10, 64)
	if !ok || !cut || !dash || err != nil || start < 0 {
		return 0, 0, false
	}
	if size == "*" {
		return start, -1, true
	}
	total, err = strconv.ParseInt(size, 10, 64)
	return start, total, err == nil && total >= start
}

// openFile is open for a file of this machine.
func (f *Fetcher) openFile(ctx context.Context, address, path string, offset int64) (*transfer, error) {
	path, err := url.PathUnescape(path)
	if err != nil {
		return nil, fault.Wrap(fault.Usage, err, address, "")
	}
	info, err := os.Stat(path) // before opening: a FIFO would block for ever
	if err == nil && !info.Mode().IsRegular() {
		return nil, fault.New(fault.Damaged, "", "%s is not a file", address)
	}
	var file *os.File
	if err == nil {
		file, err = os.Open(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault.New(fault.NotFound, "check the address", "%s: no such file", address)
	case err != nil:
		return nil, fetchError(ctx, address, err)
	}
	t := &transfer{body: file, total: info.Size(), ctx: ctx, end: func() {}}
	if offset > 0 && offset <= info.Size() {
		if t.start, err = file.Seek(offset, io.SeekStart); err != nil {
			file.Close()
			return nil, fetchError(ctx, address, err)
		}
	}
	t.body = f.watch(t, func(error) {})
	return t, nil
}

// fetchError gives an error of the network or of a local mirror its kind. That the
// user has ended it ctx alone tells: a mirror that does not answer in time is
// context.DeadlineExceeded to errors.Is as well.
func fetchError(ctx context.Context, address string, err error) error {
	var refused *refusal
	var urlErr *url.Error
	switch {
	case errors.As(err, &refused):
		return fault.Wrap(fault.Unsafe, refused, "download", "name the other host as a mirror if you trust it")
	case ctx.Err() != nil:
		return fault.Wrap(fault.Interrupted, err, "download "+address, "")
	case errors.Is(err, fs.ErrPermission):
		return fault.Wrap(fault.Permission, err, "", "")
	case errors.As(err, &urlErr):
		return fault.Wrap(fault.Failed, err, "download", "check the address and the network; http_proxy and https_proxy are honoured")
	}
	return fault.Wrap(fault.Failed, err, "download "+address, "check the address and the network")
}

// watch counts what is read, and ends the transfer when nothing comes.
func (f *Fetcher) watch(t *transfer, cancel context.CancelCauseFunc) io.ReadCloser {
	stall := f.stall()
	return &watched{ReadCloser: t.body, f: f, t: t, timer: time.AfterFunc(stall, func() { cancel(&stalled{stall}) })}
}

// stalled is why a transfer was ended.
type stalled struct{ after time.Duration }

func (s *stalled) Error() string { return fmt.Sprintf("no byte for %s", s.after) }

// watched counts what is read, and winds up the stall timer.
type watched struct {
	io.ReadCloser
	f     *Fetcher
	t     *transfer
	done  int64
	timer *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	w.done += int64(n)
	w.timer.Reset(w.f.stall())
	if w.f.Progress != nil && n > 0 {
		w.f.Progress(w.t.start+w.done, w.t.total)
	}
	return n, err
}

func (w *watched) Close() error {
	w.timer.Stop()
	return w.ReadCloser.Close()
}

// copyTo writes what comes to w. An error of w is a *diskError; others have the
// kinds Damaged (the file ended early), Failed (stalled, or the network) and
// Interrupted.
func (t *transfer) copyTo(w io.Writer, address string) (int64, error) {
	n, err := io.Copy(diskWriter{w}, t.body)
	if err == nil && t.total >= 0 && t.start+n != t.total {
		err = io.ErrUnexpectedEOF
	}
	var disk *diskError
	var stall *stalled
	switch {
	case err == nil, errors.As(err, &disk):
		return n, err
	case errors.As(context.Cause(t.ctx), &stall):
		return n, fault.New(fault.Failed, "try again, or use another mirror", "download %s: stalled after %d bytes: %w", address, t.start+n, stall)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return n, fault.New(fault.Damaged, "try again", "download %s: cut short after %d of %d bytes", address, t.start+n, t.total)
	}
	return n, fetchError(t.ctx, address, fmt.Errorf("after %d bytes: %w", t.start+n, err))
}

// diskError is a failure to keep what was downloaded, for which no mirror is to
// blame.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

type diskWriter struct{ w io.Writer }

func (d diskWriter) Write(p []byte) (int, error) {
	n, err := d.w.Write(p)
	if err != nil {
		err = &diskError{err}
	}
	return n, err
}
