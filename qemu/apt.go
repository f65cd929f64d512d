package qemu

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/xjail/xjail/internal/aptsources"
	"github.com/xjail/xjail/internal/fault"
)

// privateApt is apt with a configuration, state and cache of its own below dir.
// It runs as any user, changes nothing of the machine's, and trusts what the
// machine's apt trusts: its keyrings and its sources. Until update is called it
// reads the machine's package lists.
type privateApt struct {
	dir   string
	log   io.Writer
	paths aptPaths
}

// aptPaths are where the machine's apt has its lists.
type aptPaths struct {
	sourceList, sourceParts, lists string
	acquire                        []string // lines of configuration that are kept
}

// newPrivateApt asks the machine's apt for its configuration.
func newPrivateApt(ctx context.Context, dir string, log io.Writer) (*privateApt, error) {
	a := &privateApt{dir: dir, log: log}
	for _, d := range []string{"state/lists/partial", "cache/archives/partial", "download"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return nil, fileError(err)
		}
	}
	var err error
	if a.paths, err = readAptPaths(ctx); err != nil {
		return nil, err
	}
	// An empty status file: what is installed is not a candidate for a download.
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		return nil, fileError(err)
	}
	return a, a.configure(a.paths.sourceList, a.paths.sourceParts, a.paths.lists)
}

func readAptPaths(ctx context.Context) (aptPaths, error) {
	var p aptPaths
	env := aptEnv()
	if own := os.Getenv("APT_CONFIG"); own != "" {
		env = append(env, "APT_CONFIG="+own)
	}
	shell, err := run(ctx, env, "", "apt-config", "shell",
		"LIST", "Dir::Etc::sourcelist/f", "PARTS", "Dir::Etc::sourceparts/d", "STATE", "Dir::State::lists/d")
	if err != nil {
		return p, err
	}
	for line := range strings.Lines(string(shell)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		value = strings.Trim(value, "'")
		switch key {
		case "LIST":
			p.sourceList = value
		case "PARTS":
			p.sourceParts = value
		case "STATE":
			p.lists = value
		}
	}
	dump, err := run(ctx, env, "", "apt-config", "dump", "--format", `%F "%V";%n`)
	p.acquire = keptConfig(dump)
	return p, err
}

// keptConfig are the settings of the machine that matter for a download:
// proxies, timeouts, certificates, architecture, preferred release. Left out
// are hooks, which would act on the machine, further index files, and leave to
// take what is not signed.
func keptConfig(dump []byte) []string {
	dropped := []string{
		"Acquire::IndexTargets", "Acquire::Languages", "Acquire::Changelogs", "Acquire::AllowInsecureRepositories",
		"Acquire::AllowWeakRepositories", "Acquire::AllowDowngradeToInsecureRepositories",
	}
	var kept []string
	for line := range strings.Lines(string(dump)) {
		line = strings.TrimSpace(line)
		key, _, _ := strings.Cut(line, " ")
		switch {
		case hasAnyPrefix(key, dropped):
		case strings.HasPrefix(key, "Acquire::"), key == "APT::Architecture", key == "APT::Default-Release":
			kept = append(kept, line)
		}
	}
	return kept
}

func hasAnyPrefix(s string, prefixes []string) bool {
	for _, p := range prefixes {
		if s == p || strings.HasPrefix(s, p+"::") {
			return true
		}
	}
	return false
}

// aptConfig is the text of the private configuration. No other file is read.
// The user _apt, to whom apt gives up root, could not reach a private directory.
func aptConfig(p aptPaths, dir, list, parts, lists string) string {
	text := strings.Join(p.acquire, "\n") + fmt.Sprintf(`
Dir::Etc::main "/dev/null";
Dir::Etc::parts "/dev/null";
Dir::Etc::sourcelist "%[2]s";
Dir::Etc::sourceparts "%[3]s";
Dir::State "%[1]s/state";
Dir::State::status "%[1]s/status";
Dir::State::lists "%[4]s";
Dir::Cache "%[1]s/cache";
Dir::Log "%[1]s/log";
APT::Sandbox::User "root";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::IndexTargets::deb-src::Sources::DefaultEnabled "false";
`, dir, list, parts, lists)
	for _, line := range p.acquire {
		if native, ok := strings.CutPrefix(line, "APT::Architecture "); ok {
			// Indexes of foreign architectures are not needed.
			text += "APT::Architectures { " + strings.TrimSuffix(native, ";") + "; };\n"
		}
	}
	return text
}

func (a *privateApt) configFile() string { return filepath.Join(a.dir, "apt.conf") }

// configure writes the private configuration.
func (a *privateApt) configure(list, parts, lists string) error {
	if strings.ContainsAny(a.dir, "\"\n") {
		return fault.New(fault.Usage, "", "apt cannot work in a directory with such a name: %q", a.dir)
	}
	return fileError(os.WriteFile(a.configFile(), []byte(aptConfig(a.paths, a.dir, list, parts, lists)), 0o600))
}

// password is what a URL has before its host name.
var password = lazy(`//[^/@"]*@`)

// withoutPasswords is a configuration that can be shown: that of a proxy may
// hold a password.
func withoutPasswords(config string) string { return password().ReplaceAllString(config, "//***@") }

// update downloads the indexes of the distribution's own sources. Errors of
// single sources do not count here: what is missing shows at the download.
func (a *privateApt) update(ctx context.Context) error {
	own := ownSources(aptsources.Read(a.paths.sourceList, a.paths.sourceParts), readOSRelease().codenames)
	if len(own) == 0 {
		return fault.New(fault.Failed, "add the distribution's sources to them", "apt has no sources: nothing usable in %s and %s", a.paths.sourceList, a.paths.sourceParts)
	}
	list, parts, err := writeSources(filepath.Join(a.dir, "etc"), own)
	if err != nil {
		return fileError(err)
	}
	if err := a.configure(list, parts, filepath.Join(a.dir, "state", "lists")); err != nil {
		return err
	}
	_, err = a.get(ctx, "update")
	return err
}

// debFile is a package that apt would download.
type debFile struct {
	name, version string
	size          int64 // bytes
}

// candidate says what apt would download for a package.
func (a *privateApt) candidate(ctx context.Context, pkg string) (debFile, error) {
	out, err := a.quiet(ctx, "--print-uris", "download", pkg)
	if err != nil && (strings.Contains(err.Error(), "Unable to locate package") || strings.Contains(err.Error(), "select candidate")) {
		return debFile{}, fault.New(fault.NotFound, "", "apt knows no package %s", pkg)
	}
	if err != nil {
		return debFile{}, err
	}
	return parseURIs(out, pkg)
}

// parseURIs reads a line of apt-get --print-uris: 'URI' FILE SIZE DIGEST.
func parseURIs(out []byte, pkg string) (debFile, error) {
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) < 3 || !strings.HasPrefix(f[0], "'") {
			continue
		}
		size, err := strconv.ParseInt(f[2], 10, 64)
		parts := strings.Split(f[1], "_")
		if err != nil || len(parts) != 3 || f[1] != filepath.Base(f[1]) {
			continue
		}
		version, err := url.PathUnescape(parts[1])
		if err != nil {
			continue
		}
		return debFile{name: f[1], version: version, size: size}, nil
	}
	return debFile{}, fault.New(fault.Failed, "", "apt-get does not say where package %s is", pkg)
}

// download gets a package and returns its path.
func (a *privateApt) download(ctx context.Context, pkg string, deb debFile) (string, error) {
	if _, err := a.get(ctx, "download", pkg); err != nil {
		return "", err
	}
	path := filepath.Join(a.downloads(), deb.name)
	if _, err := os.Stat(path); err != nil {
		return "", fault.Wrap(fault.Failed, err, "apt-get has not downloaded "+pkg, "")
	}
	return path, nil
}

func (a *privateApt) downloads() string { return filepath.Join(a.dir, "download") }

// get runs apt-get and shows what it says.
func (a *privateApt) get(ctx context.Context, args ...string) ([]byte, error) {
	fmt.Fprintf(a.log, "apt-get %s\n", strings.Join(args, " "))
	return a.apt(ctx, a.log, args...)
}

func (a *privateApt) quiet(ctx context.Context, args ...string) ([]byte, error) {
	return a.apt(ctx, io.Discard, args...)
}

func (a *privateApt) apt(ctx context.Context, log io.Writer, args ...string) ([]byte, error) {
	env := append(aptEnv(), "APT_CONFIG="+a.configFile())
	return runLogged(ctx, log, env, a.downloads(), "apt-get", append([]string{"-q", "-y"}, args...)...)
}

// aptEnv is the environment of apt: where programs are, and the proxies.
func aptEnv() []string {
	path := "/usr/sbin:/usr/bin:/sbin:/bin"
	if own := os.Getenv("PATH"); own != "" {
		path = own + ":" + path
	}
	env := []string{"PATH=" + path, "LC_ALL=C", "DEBIAN_FRONTEND=noninteractive"}
	for _, kv := range os.Environ() {
		switch key, _, _ := strings.Cut(kv, "="); strings.ToLower(key) {
		case "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy":
			env = append(env, kv)
		}
	}
	return env
}

// run runs a program and returns its standard output.
func run(ctx context.Context, env []string, dir, name string, args ...string) ([]byte, error) {
	return runLogged(ctx, io.Discard, env, dir, name, args...)
}

// runLogged is run that copies all output to log. Interrupted, it waits until
// the program's own children are gone too, so that they no longer write.
func runLogged(ctx context.Context, log io.Writer, env []string, dir, name string, args ...string) ([]byte, error) {
	var out bytes.Buffer
	errs := &tail{limit: 4 << 10}
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env, cmd.Dir = env, dir
	cmd.Stdout, cmd.Stderr = io.MultiWriter(&out, log), io.MultiWriter(errs, log)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return out.Bytes(), nil
	case ctx.Err() != nil:
		return nil, fault.Wrap(fault.Interrupted, ctx.Err(), name, "")
	}
	return nil, commandError(name, args, errs.String(), err)
}

// tail keeps the end of a program's messages.
type tail struct {
	b     []byte
	limit int
}

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if len(t.b) > t.limit {
		t.b = t.b[len(t.b)-t.limit:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }

// commandError takes the reason out of apt's messages: its lines "E: ...".
func commandError(name string, args []string, text string, err error) error {
	var reasons []string
	for line := range strings.Lines(text) {
		if r, ok := strings.CutPrefix(strings.TrimSpace(line), "E: "); ok {
			reasons = append(reasons, printable(r))
		}
	}
	what := name
	if name == "apt-get" && len(args) > 0 {
		what += " " + args[len(args)-1]
	}
	if len(reasons) > 0 {
		err = errors.New(strings.Join(reasons, "; "))
	} else if line, _, _ := strings.Cut(strings.TrimSpace(text), "\n"); line != "" {
		err = fmt.Errorf("%w: %s", err, printable(line))
	}
	kind := fault.Failed
	for _, mark := range []string{"not signed", "NO_PUBKEY", "Hash Sum mismatch", "authenticate", "GPG error"} {
		if strings.Contains(text, mark) {
			kind = fault.Mismatch
		}
	}
	if strings.Contains(text, "No space left on device") || strings.Contains(text, "don't have enough free space") {
		kind = fault.NoSpace
	}
	return fault.Wrap(kind, err, what, "")
}
