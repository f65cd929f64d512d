package formats

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/xjail/xjail/activators"
)

// JSON: a list of entries, an entry, or an object that has entries, as
// activator status and generate write it.

// jsonEntry is an entry as it is read. One that says nothing of it is enabled.
type jsonEntry struct {
	activators.Entry
	NameHex string `json:"name_hex"`
	Enabled *bool  `json:"enabled"`
}

// jsonSet is an object with entries. Kernel is in it where generate wrote it,
// and below table where status did.
type jsonSet struct {
	Kernel string `json:"kernel"`
	Table  struct {
		Kernel string `json:"kernel"`
	} `json:"table"`
	Entries *[]json.RawMessage `json:"entries"`
}

func fitsJSON(s *source) bool {
	text := strings.TrimSpace(s.text)
	if strings.HasPrefix(text, "[") {
		rest := strings.TrimSpace(text[1:])
		return strings.HasPrefix(rest, "{") || strings.HasPrefix(rest, "]")
	}
	return strings.HasPrefix(text, "{") && strings.HasPrefix(strings.TrimSpace(text[1:]), `"`)
}

func readJSON(s *source) (*Set, error) {
	b := newBuilder(s, JSON, "")
	raw, kernel, err := jsonEntries([]byte(s.text))
	if err != nil {
		return nil, s.jsonError(err)
	}
	if kernel != "" && kernel != linux && kernel != freebsd {
		return nil, s.damaged(0, fmt.Errorf("unknown kernel %q: linux or freebsd is expected", kernel), "")
	}
	b.set.Kernel = kernel
	at := 0
	for i, text := range raw {
		at += max(0, strings.Index(s.text[at:], string(text)))
		e, err := jsonToEntry(text)
		if err != nil {
			b.note(lineOf(s.text, at), "not JSON as xjail writes it: entry %d: %v", i+1, err)
			continue
		}
		b.append(lineOf(s.text, at), e)
	}
	return &b.set, nil
}

// jsonEntries finds the entries of a text.
func jsonEntries(text []byte) (list []json.RawMessage, kernel string, err error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("[")) {
		err = dec.Decode(&list)
	} else {
		var whole json.RawMessage
		if err = dec.Decode(&whole); err == nil {
			list, kernel, err = jsonObject(whole)
		}
	}
	if err == nil && dec.More() {
		err = errors.New("something follows the end")
	}
	return list, kernel, err
}

func jsonObject(whole json.RawMessage) (list []json.RawMessage, kernel string, err error) {
	var set jsonSet
	if err := json.Unmarshal(whole, &set); err != nil {
		return nil, "", err
	}
	kernel = set.Kernel
	if kernel == "" {
		kernel = set.Table.Kernel
	}
	if set.Entries != nil {
		return *set.Entries, kernel, nil
	}
	var e jsonEntry
	if json.Unmarshal(whole, &e) == nil && e.Interpreter != "" {
		return []json.RawMessage{whole}, kernel, nil
	}
	return nil, "", errors.New(`it is an object without "entries"`)
}

func jsonToEntry(text json.RawMessage) (activators.Entry, error) {
	var e jsonEntry
	if err := json.Unmarshal(text, &e); err != nil {
		return e.Entry, err
	}
	e.Entry.Enabled = e.Enabled == nil || *e.Enabled
	if e.NameHex != "" {
		name, err := hex.DecodeString(e.NameHex)
		if err != nil {
			return e.Entry, fmt.Errorf("name_hex: %w", err)
		}
		e.Name = string(name)
	}
	switch {
	case e.Name == "":
		return e.Entry, errors.New(`"name" is missing`)
	case e.Interpreter == "":
		return e.Entry, errors.New(`"interpreter" is missing`)
	case len(e.Magic) == 0 && e.Extension == "":
		return e.Entry, errors.New(`"magic" is missing`)
	case len(e.Mask) > 0 && len(e.Mask) != len(e.Magic):
		return e.Entry, fmt.Errorf("the mask has %d bytes, the magic %d", len(e.Mask), len(e.Magic))
	case e.Offset < 0:
		return e.Entry, fmt.Errorf("the offset is %d", e.Offset)
	}
	return e.Entry, nil
}

// jsonError is err with the line where it is.
func (s *source) jsonError(err error) error {
	at := 0
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		at = int(syntax.Offset)
	case errors.As(err, &kind):
		at = int(kind.Offset)
	case errors.Is(err, io.ErrUnexpectedEOF):
		at = len(s.text)
		err = errors.New("it is cut off")
	}
	return s.damaged(lineOf(s.text, at), fmt.Errorf("not JSON as xjail writes it: %w", err), "xjail activator generate ARCH --format json shows the form")
}

// lineOf is the line in which byte at is.
func lineOf(text string, at int) int {
	return 1 + strings.Count(text[:min(at, len(text))], "\n")
}
