package buildlog

import (
	"regexp"
	"sync"
)

// form is a regular expression that is compiled when it is first needed: hooks
// start xjail thousands of times, and most of these do not look at a log.
type form struct {
	text string
	once sync.Once
	made *regexp.Regexp
}

func newForm(text string) *form { return &form{text: text} }

func (f *form) get() *regexp.Regexp {
	f.once.Do(func() { f.made = regexp.MustCompile(f.text) })
	return f.made
}

func (f *form) MatchString(s string) bool              { return f.get().MatchString(s) }
func (f *form) FindString(s string) string             { return f.get().FindString(s) }
func (f *form) FindStringIndex(s string) []int         { return f.get().FindStringIndex(s) }
func (f *form) FindStringSubmatch(s string) []string   { return f.get().FindStringSubmatch(s) }
func (f *form) ReplaceAll(text, instead []byte) []byte { return f.get().ReplaceAll(text, instead) }
func (f *form) SubexpNames() []string                  { return f.get().SubexpNames() }
