package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// getSource unpacks the source $2 of Debian into the directory that is /src, with
// Debian's patches applied; apt checks it against the signed lists. It becomes $1
// when it is ready.
const getSource = `
cd /src
lists=/etc/apt/sources.list.d/xjail-bench.list
if [ ! -e $lists ]; then
	sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >$lists
	apt-get update -q
fi
rm -rf "$1.new" && mkdir "$1.new" && cd "$1.new"
apt-get -o APT::Sandbox::User=root source -q "$2"
mv ./*/ tree
cd tree
dpkg-parsechangelog -S Version >../version
`

// tree is where the unpacked and prepared source of a package is.
func (l *lab) tree(p *source) string { return l.path("src", p.Name, "tree") }

// ensureSource gets and prepares a source once, in the native jail.
func (l *lab) ensureSource(ctx context.Context, p *source) error {
	src := l.path("src")
	if _, err := os.Stat(filepath.Join(src, p.Name)); err == nil {
		return nil
	}
	if err := os.MkdirAll(src, 0o755); err != nil {
		return err
	}
	say("getting the source of %s", p.Name)
	_, err := l.output(ctx, "exec", "--bind", src+":/src", l.host.Debian, "--", "sh", "-ec", getSource+p.Prepare, "sh", p.Name, cmp.Or(p.Of, p.Name))
	if err != nil {
		return err
	}
	return os.Rename(filepath.Join(src, p.Name+".new"), filepath.Join(src, p.Name))
}

func (l *lab) sourceVersion(p *source) (string, error) {
	b, err := os.ReadFile(l.path("src", p.Name, "version"))
	return strings.TrimSpace(string(b)), err
}

// copyTree copies with times, modes and links, which make and configure look at.
func copyTree(ctx context.Context, from, to string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copying %s: %w\n%s", from, err, out)
	}
	return nil
}

func packageNamed(name string) *source {
	for _, p := range packages {
		if p.Name == name {
			return p
		}
	}
	return nil
}
