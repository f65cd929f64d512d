package jail

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
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
	Global  []string `json:"global,omitempty"`  // activators in the machine's table
}

// openJournal goes on with the journal of a jail, or begins it.
func (s Store) openJournal(name string) (*journal, error) {
	entries, err := s.readJournal(name)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(s.journal(name), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, writeError(err)
	}
	return &journal{file: f, entries: entries}, nil
}

// readJournal reads what there is. A last line that was cut short by a power
// cut announces a step that had not begun.
func (s Store) readJournal(name string) ([]journalEntry, error) {
	f, err := os.Open(s.journal(name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var entries []journalEntry
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var e journalEntry
		if json.Unmarshal(sc.Bytes(), &e) != nil {
			break
		}
		entries = append(entries, e)
	}
	return entries, nil
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

// outside are the directories that the entries name, the last first.
func outside(entries []journalEntry) []string {
	var dirs []string
	for _, e := range slices.Backward(entries) {
		dirs = append(dirs, e.Outside...)
	}
	return dirs
}

// global are the activators that the entries name.
func global(entries []journalEntry) []string {
	var names []string
	for _, e := range slices.Backward(entries) {
		names = append(names, e.Global...)
	}
	return names
}
