package xtools

import (
	"bytes"
	"path"
	"slices"
	"strings"
)

// names says that a program names something in the directory of the libraries of its
// own architecture, "" when it does not: it would look there for what the root has in
// another directory, modules and configuration, or tell others of it. A compiler is
// the cross compiler, and what that names is known.
func (b *farmBuild) names(name string, o *object) (string, error) {
	base, dir := path.Base(name), "/"+libDir(b.host)
	if IsCompiler(b.stage.owner[b.stage.real(name)].Name, b.target) || matches(b.policy.Names, base) || matches(b.policy.Allow, base) {
		return "", nil
	}
	text, err := b.text(name)
	if err != nil {
		return "", err
	}
	if matches(b.policy.Searches, base) && bytes.Contains(text, []byte(dir)) {
		if !moveString(slices.Clone(text), dir, "/"+libDir(b.target)) {
			return "looks for the root's libraries in " + dir, nil
		}
		return "", nil
	}
	for at := 0; ; {
		i := bytes.Index(text[at:], []byte(dir+"/"))
		if i < 0 {
			return "", nil
		}
		start, end := bounds(text, at+i)
		at += i + len(dir)
		word := string(text[start:end])
		if !o.finds(word) {
			_, below, _ := strings.Cut(word, dir+"/")
			below, _, _ = strings.Cut(below, " ")
			return "names " + dir + "/" + below + ": the root has such in a directory of its own architecture", nil
		}
	}
}

// finds tells whether a string has only directories in which the loader looks for the
// libraries of a program: those come along.
func (o *object) finds(word string) bool {
	return !slices.ContainsFunc(strings.Split(word, ":"), func(dir string) bool { return !slices.Contains(o.RunPath, dir) })
}
