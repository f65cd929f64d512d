package jail

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// A journal is the file jails/NAME/journal while a jail is being made or
// destroyed: a line of JSON before each step. What a step makes below
// jails/NAME needs no line of its own to be undone; what it makes elsewhere is
// named. So whatever ended the process, the next create or destroy knows what
// to take away.
type journal struct {
	file    *os.File
	entries []journalEntry
}

type journalEntry struct {
	Step    string   `json:"step"`
	Outside []string `json:"outside,omitempty"` // directories outside of the state directory
	Parents []string `json:"parents,omitempty"` // directories made for them, the outermost first
	Inode   uint64   `json:"inode,omitempty"`   // of the directories, when another may have their names
	Global  []string `json:"global,omitempty"`  // activators in the machine's table
}

// openJournal goes on with the journal of a jail, or begins it. What a power
// cut left of a line goes, or the next one would be lost behind it.
func (s Store) openJournal(name string) (*journal, error) {
	entries, whole, err := s.scanJournal(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.journal(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, writeError(err)
	}
	if err := f.Truncate(whole); err != nil {
		f.Close()
		return nil, writeError(err)
	}
	return &journal{file: f, entries: entries}, nil
}

// readJournal reads what there is. A last line that was cut short by a power
// cut announces a step that had not begun.
func (s Store) readJournal(name string) ([]journalEntry, error) {
	entries, _, err := s.scanJournal(name)
	return entries, err
}

// scanJournal also tells how many bytes the whole lines have.
func (s Store) scanJournal(name string) (entries []journalEntry, whole int64, err error) {
	text, err := os.ReadFile(s.journal(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	for line := range bytes.Lines(text) {
		var e journalEntry
		if !bytes.HasSuffix(line, []byte("\n")) || json.Unmarshal(line, &e) != nil {
			break
		}
		entries, whole = append(entries, e), whole+int64(len(line))
	}
	return entries, whole, nil
}

// announce writes a step down before it is done.
func (j *journal) announce(e journalEntry) error {
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if _, err = j.file.Write(append(b, '\n')); err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return writeError(fmt.Errorf("journal: %w", err))
	}
	j.entries = append(j.entries, e)
	return nil
}

func (j *journal) close() { j.file.Close() }

// outside are the directories that the entries name, the last first, without
// those of others that have got their names.
func outside(entries []journalEntry) []string {
	var dirs []string
	for _, e := range slices.Backward(entries) {
		for _, dir := range e.Outside {
			inode, err := inodeOf(dir)
			if err == nil && e.Inode != 0 && inode != e.Inode {
				continue
			}
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// parents are the directories that were made for others, the innermost first.
func parents(entries []journalEntry) []string {
	var dirs []string
	for _, e := range entries {
		dirs = append(dirs, e.Parents...)
	}
	slices.Reverse(dirs)
	return dirs
}

// missingParents are the directories above dir that are not there, the
// outermost first.
func missingParents(dir string) []string {
	var missing []string
	for {
		dir = filepath.Dir(dir)
		if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
			slices.Reverse(missing)
			return missing
		}
		missing = append(missing, dir)
	}
}

// inodeOf is the number of a directory's inode.
func inodeOf(dir string) (uint64, error) {
	info, err := os.Lstat(dir)
	if err != nil {
		return 0, err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Ino), nil //nolint:unconvert // 32 bits elsewhere
	}
	return 0, nil
}

// global are the activators that the entries name.
func global(entries []journalEntry) []string {
	var names []string
	for _, e := range slices.Backward(entries) {
		names = append(names, e.Global...)
	}
	return names
}
