package ptrace

import (
	"bytes"
	"encoding/binary"
)

// What is kept of the arguments of a program.
const (
	argsMax  = 32   // how many
	argBytes = 1024 // of all together
)

// Entries of the auxiliary vector: linux/auxvec.h. The bit of atFlags tells that
// argv[0] of the caller is behind the program's path (binfmt_misc's flag P).
const (
	atNull         = 0
	atExecFD       = 2
	atFlags        = 8
	preservedArgv0 = 1
)

// auxMax is how far behind the stack's start the auxiliary vector is looked for, in
// bytes: execve(2) takes 6 MiB of arguments and environment at most, pointers to
// them included.
const auxMax = 6 << 20

// stack is what the kernel gives a new program: the process image of the System V
// ABI, which grows up from the stack pointer.
type stack struct {
	argv []string
	cut  bool // there were more arguments, or longer ones
	// execFD is the descriptor that the kernel opened the program under for its
	// interpreter; -1 for none.
	execFD int
	// argv0 tells that argv[0] was kept for the program.
	argv0 bool
}

// memory reads from an address on as much as there is, and says how much.
type memory func(at uint64, into []byte) int

// stackReader reads the stack of a program that has not yet begun.
type stackReader struct {
	mem  memory
	word uint64 // 4 or 8 bytes
	buf  [4096]byte
	text [argBytes + 1]byte
	args [argsMax]uint64
}

// read reads the stack that begins at sp. An unreadable one has no arguments.
func (r *stackReader) read(sp, word uint64) stack {
	s := stack{execFD: -1}
	r.word = word
	var pos uint64 // of the word that is looked at, counted in words
	var argc, kept uint64
	zeros, key := 0, uint64(0)
	for at := sp; at-sp < auxMax; {
		n := uint64(r.mem(at, r.buf[:])) / word * word
		if n == 0 {
			break
		}
		for off := uint64(0); off < n; off += word {
			v := r.number(r.buf[off:])
			switch {
			case pos == 0 && v > auxMax && word == 8:
				return r.read(sp, 4) // x32, which the kernel does not tell from amd64
			case pos == 0:
				argc = v
				kept = min(argc, argsMax)
			case pos <= kept:
				r.args[pos-1] = v
			case pos <= argc:
			case zeros < 2: // the end of argv, then the environment and its end
				if v == 0 {
					zeros++
				}
			case key == 0 && v == atNull:
				return r.finish(s, argc, kept)
			case key == 0:
				key = v
			default:
				s.take(key, v)
				key = 0
			}
			pos++
		}
		at += n
	}
	if pos <= kept {
		return s
	}
	return r.finish(s, argc, kept)
}

func (s *stack) take(key, value uint64) {
	switch key {
	case atExecFD:
		s.execFD = int(int32(value))
	case atFlags:
		s.argv0 = value&preservedArgv0 != 0
	}
}

func (r *stackReader) number(b []byte) uint64 {
	if r.word == 4 {
		return uint64(binary.NativeEndian.Uint32(b))
	}
	return binary.NativeEndian.Uint64(b)
}

// finish reads the arguments, which lie one after the other.
func (r *stackReader) finish(s stack, argc, kept uint64) stack {
	s.cut = argc > kept
	s.argv = make([]string, 0, kept)
	if kept == 0 {
		return s
	}
	first := r.args[0]
	n := r.mem(first, r.text[:])
	for _, at := range r.args[:kept] {
		from := at - first
		if from >= uint64(n) {
			s.cut = true
			break
		}
		text := r.text[from:n]
		end := bytes.IndexByte(text, 0)
		if end < 0 || int(from)+end > argBytes {
			s.cut = true
			s.argv = append(s.argv, string(text[:min(len(text), argBytes-int(from))]))
			break
		}
		s.argv = append(s.argv, string(text[:end]))
	}
	return s
}
