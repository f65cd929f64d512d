// Command extract is the part of bench/extract.sh that is not a shell's work:
//
//	extract gen DIR MIB       makes a tree like a small system, always the same
//	extract ARCHIVE DIR       unpacks with the package jail/extract
//	extract time CMD ARG...   runs a command; prints its user, system and wall
//	                          time in seconds and its peak memory in MiB
package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/xjail/xjail/jail/extract"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "extract:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 3 && args[0] == "gen":
		mib, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return generate(args[1], int64(mib)<<20)
	case len(args) > 1 && args[0] == "time":
		return measure(args[1:])
	case len(args) == 2:
		return unpack(args[0], args[1])
	}
	return errors.New("usage: extract gen DIR MIB, extract ARCHIVE DIR or extract time CMD ARGS")
}

func unpack(archive, dir string) (err error) {
	f, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	_, err = extract.Archive(context.Background(), f, root, extract.Options{SkipDevices: true})
	return err
}

// measure counts the whole process tree, as rusage of waited-for children does.
func measure(args []string) error {
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%v: %w", args, err)
	}
	use := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	fmt.Printf("%.2f %.2f %.2f %d\n", cmd.ProcessState.UserTime().Seconds(),
		cmd.ProcessState.SystemTime().Seconds(), time.Since(start).Seconds(), use.Maxrss/1024)
	return nil
}

// generate makes files until they hold that many bytes: nine of ten between 0
// and 16 KiB, the rest up to 512 KiB, 40 in a directory; one of 20 is a hard
// link, one of 20 a symbolic link. The contents compress to about a third.
func generate(dir string, bytes int64) error {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 0; bytes > 0; n++ {
		sub := filepath.Join(dir, "usr", strconv.Itoa(n/800), strconv.Itoa(n/40%20))
		if n%40 == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return err
			}
		}
		path := filepath.Join(sub, strconv.Itoa(n))
		var err error
		switch n % 20 {
		case 5:
			err = os.Link(filepath.Join(sub, strconv.Itoa(n-1)), path)
		case 15:
			err = os.Symlink(strconv.Itoa(n-1), path)
		default:
			size := r.Int64N(16 << 10)
			if n%10 == 0 {
				size = r.Int64N(512 << 10)
			}
			bytes -= size
			err = os.WriteFile(path, text(r, size), 0o644)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// text is words of a small language with numbers in between.
func text(r *rand.Rand, size int64) []byte {
	out := make([]byte, 0, size+16)
	for int64(len(out)) < size {
		word := r.Uint32N(4096)
		for range 2 + word%5 {
			out = append(out, 'a'+byte(word%26))
			word = word*1103515245 + 12345
		}
		if word%7 == 0 {
			out = strconv.AppendUint(out, uint64(r.Uint32()), 16)
		}
		out = append(out, ' ')
	}
	return out[:size]
}
