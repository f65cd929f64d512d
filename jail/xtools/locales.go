package xtools

import (
	"io/fs"
	"os"
	"path"
	"strings"
)

// The locales of a root are in the byte order of its architecture, and a libc of the
// other order takes none of them: programs would be in the locale C, and say that they
// cannot set another. For such a root a farm has C.UTF-8 of the twin's libc, and its
// copy of libc looks for locales there, by paths that are as long as those that it is
// built with.

// usualLocales is where libc has its locales (COMPLOCALEDIR).
const usualLocales = "/usr/lib/locale"

// locales is the directory of a farm with them; FarmLocales and WrittenLocales are
// where native programs find it.
const (
	locales        = "locale"
	FarmLocales    = FarmDir + "/" + locales
	WrittenLocales = "/nxb-bin/" + locales
)

// nativeLocale is the locale that comes with libc itself.
const nativeLocale = "usr/lib/locale/C.utf8/"

// libc is the library that loads locales.
const libc = "libc.so.6"

// otherOrder tells whether the root's architecture has another order of bytes.
func (b *farmBuild) otherOrder() bool { return b.host.Order != b.target.Order }

// putLocales puts the locale, and what looks for it.
func (b *farmBuild) putLocales() error {
	if !b.otherOrder() {
		return nil
	}
	for name := range b.stage.owner {
		rest, ok := strings.CutPrefix(name, usualLocales[1:]+"/")
		if !ok || !strings.HasPrefix(name, nativeLocale) || b.stage.real(name) == "" {
			continue
		}
		text, err := b.text(name)
		if err == nil {
			err = b.put(path.Join(locales, rest), text, 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// moveLocales has a libc look for locales in another directory.
func moveLocales(text []byte, from, to string) error {
	_, err := editStrings(text, []string{from}, func(old string) (string, bool) {
		rest, ok := strings.CutPrefix(old, from)
		return to + rest, ok && (rest == "" || rest == "/locale-archive")
	})
	return err
}

// localeWants are the locales of a farm as they are written into a root.
func localeWants(farm *os.Root) (wants []Want, err error) {
	if _, err := farm.Lstat(locales); err != nil {
		return nil, nil //nolint:nilerr // most farms have none
	}
	err = fs.WalkDir(farm.FS(), locales, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			wants = append(wants, Want{Path: path.Join(WrittenLocales[1:], strings.TrimPrefix(name, locales)), Source: name})
		}
		return err
	})
	return wants, err
}
