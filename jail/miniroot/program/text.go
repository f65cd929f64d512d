package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// obsolete turns the -N and +N of old head and tail into -n N.
func (p *proc) obsolete() {
	if len(p.args) == 0 {
		return
	}
	arg := p.args[0]
	if len(arg) < 2 || arg[0] != '-' && (arg[0] != '+' || p.self.name != "tail") || arg[1] < '0' || arg[1] > '9' {
		return
	}
	count := strings.TrimRight(strings.TrimPrefix(arg, "-"), "cflnqv")
	if _, err := strconv.Atoi(count); err != nil {
		return
	}
	letters := arg[len(arg)-len(strings.TrimPrefix(arg, "-"))+len(count):]
	args := []string{"-n", count}
	if strings.Contains(letters, "c") {
		args[0] = "-c"
	}
	for _, c := range letters {
		if c != 'c' && c != 'l' && c != 'n' {
			args = append(args, "-"+string(c))
		}
	}
	p.args = append(args, p.args[1:]...)
}

// count reads head's and tail's number with its sign and unit.
func (p *proc) count(text string) (n int64, sign byte) {
	digits := text
	if text != "" && (text[0] == '-' || text[0] == '+') {
		sign, digits = text[0], text[1:]
	}
	unit := int64(1)
	for suffix, size := range map[string]int64{"b": 512, "kB": 1000, "K": 1 << 10, "k": 1 << 10, "MB": 1e6, "M": 1 << 20, "G": 1 << 30} {
		if cut, ok := strings.CutSuffix(digits, suffix); ok && (len(suffix) == 2 || !strings.HasSuffix(digits, "B")) {
			digits, unit = cut, size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > 1<<62/unit {
		p.fatal(1, "invalid number: '%s'", text)
	}
	return n * unit, sign
}

// heading prints the "==> name <==" of head and tail.
func (p *proc) heading(o options, name string, index int) {
	if len(o.rest) < 2 && !o.has("v") || o.last("qv") == 'q' {
		return
	}
	if index > 0 {
		p.printf("\n")
	}
	if name == "-" {
		name = "standard input"
	}
	p.printf("==> %s <==\n", name)
}

func runHead(p *proc) int {
	p.obsolete()
	o := p.options("n:c:qv", "lines=n", "bytes=c", "quiet=q", "silent=q", "verbose=v")
	bytewise := o.last("nc") == 'c'
	text := o.value('n', "10")
	if bytewise {
		text = o.value('c', "")
	}
	n, sign := p.count(text)
	index := 0
	p.eachFile(o.rest, func(name string, r io.Reader) error {
		p.heading(o, name, index)
		index++
		switch {
		case sign == '-':
			return p.allBut(r, n, bytewise)
		case bytewise:
			_, err := io.CopyN(p.out, r, n)
			return ignoreEOF(err)
		case n == 0:
			return nil
		}
		return p.firstLines(r, n)
	})
	return 0
}

func ignoreEOF(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// firstLines copies n lines. What was read too much is given back where the
// input can seek: "(head -n1; cat) < file" loses nothing.
func (p *proc) firstLines(r io.Reader, n int64) error {
	buf := make([]byte, 8<<10)
	for {
		k, err := r.Read(buf)
		rest := buf[:k]
		for n > 0 {
			i := bytes.IndexByte(rest, '\n')
			if i < 0 {
				break
			}
			p.write(rest[:i+1])
			rest = rest[i+1:]
			n--
		}
		if n == 0 {
			p.giveBack(len(rest))
			return nil
		}
		p.write(rest)
		if err != nil {
			return ignoreEOF(err)
		}
	}
}

// giveBack seeks the standard input back by n bytes if it can.
func (p *proc) giveBack(n int) {
	if f, ok := p.stdin.(io.Seeker); ok && n > 0 {
		_, err := f.Seek(-int64(n), io.SeekCurrent)
		_ = err // a pipe cannot
	}
}

// allBut copies all but the last n lines or bytes.
func (p *proc) allBut(r io.Reader, n int64, bytewise bool) error {
	data, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	p.write(data[:len(data)-len(ending(data, n, bytewise))])
	return nil
}

// ending is the last n lines or bytes of data.
func ending(data []byte, n int64, bytewise bool) []byte {
	if bytewise {
		return data[len(data)-int(min(n, int64(len(data)))):]
	}
	if n == 0 {
		return nil
	}
	end := len(data)
	if end > 0 && data[end-1] == '\n' {
		end--
	}
	for ; n > 0; n-- {
		end = bytes.LastIndexByte(data[:end], '\n')
		if end < 0 {
			return data
		}
	}
	return data[end+1:]
}

func runTail(p *proc) int {
	p.obsolete()
	o := p.options("n:c:fFqvs:", "lines=n", "bytes=c", "follow=f", "quiet=q", "silent=q", "verbose=v")
	bytewise := o.last("nc") == 'c'
	text := o.value('n', "10")
	if bytewise {
		text = o.value('c', "")
	}
	n, sign := p.count(text)
	index := 0
	p.eachFile(o.rest, func(name string, r io.Reader) error {
		p.heading(o, name, index)
		index++
		if sign == '+' {
			return p.from(r, n, bytewise)
		}
		data, err := p.lastPart(r, n, bytewise)
		p.write(data)
		return err
	})
	if o.has("fF") && len(o.rest) > 0 {
		p.follow(o.rest[len(o.rest)-1])
	}
	return 0
}

// from copies from the n-th line or byte on; the first is 1.
func (p *proc) from(r io.Reader, n int64, bytewise bool) error {
	br := bufio.NewReader(r)
	for ; n > 1; n-- {
		var err error
		if bytewise {
			_, err = br.ReadByte()
		} else {
			err = skipLine(br)
		}
		if err != nil {
			return ignoreEOF(err)
		}
	}
	_, err := io.Copy(p.out, br)
	return err
}

func skipLine(br *bufio.Reader) error {
	for {
		_, err := br.ReadSlice('\n')
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

// lastPart reads to the end and keeps no more than about twice what is asked for.
func (p *proc) lastPart(r io.Reader, n int64, bytewise bool) ([]byte, error) {
	var kept []byte
	buf := make([]byte, 64<<10)
	limit := 1 << 20
	for {
		k, err := r.Read(buf)
		kept = append(kept, buf[:k]...)
		if len(kept) > limit || err != nil {
			kept = append([]byte(nil), ending(kept, n, bytewise)...)
			limit = max(limit, 2*len(kept))
		}
		if err != nil {
			return kept, ignoreEOF(err)
		}
	}
}

// follow prints what is added to a file, until it is interrupted.
func (p *proc) follow(name string) {
	f, err := os.Open(p.path(name))
	if p.fail(name, err) {
		return
	}
	defer f.Close()
	if _, err := f.Seek(0, io.SeekEnd); p.fail(name, err) {
		return
	}
	for {
		if _, err := io.Copy(p.out, f); p.fail(name, err) {
			return
		}
		p.out.Flush()
		select {
		case <-p.ctx.Done():
			panic(quit(statusSignal + 2))
		case <-time.After(time.Second):
		}
	}
}

// counts are wc's.
type counts struct{ lines, words, chars, bytes, longest int64 }

func runWc(p *proc) int {
	o := p.options("clwmL", "bytes=c", "lines=l", "words=w", "chars=m", "max-line-length=L")
	var total counts
	type row struct {
		counts
		name string
	}
	var rows []row
	p.eachFile(o.rest, func(name string, r io.Reader) error {
		c, err := countAll(r)
		if len(o.rest) == 0 {
			name = ""
		}
		rows = append(rows, row{c, name})
		total = counts{total.lines + c.lines, total.words + c.words, total.chars + c.chars, total.bytes + c.bytes, max(total.longest, c.longest)}
		return err
	})
	if len(o.rest) > 1 {
		rows = append(rows, row{total, "total"})
	}
	letters := "lwc"
	if o.has("clwmL") {
		letters = ""
		for _, c := range "lwmcL" {
			if o.has(string(c)) {
				letters += string(c)
			}
		}
	}
	width := 1
	if len(letters) > 1 || len(rows) > 1 {
		width = len(strconv.FormatInt(total.bytes, 10))
		if f, ok := p.stdin.(*os.File); ok && len(o.rest) == 0 {
			if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
				width = 7
			}
		}
	}
	for _, r := range rows {
		for i, c := range letters {
			if i > 0 {
				p.out.WriteString(" ")
			}
			p.printf("%*d", width, r.of(c))
		}
		if r.name != "" {
			p.printf(" %s", r.name)
		}
		p.printf("\n")
	}
	return 0
}

func (c counts) of(letter rune) int64 {
	switch letter {
	case 'l':
		return c.lines
	case 'w':
		return c.words
	case 'm':
		return c.chars
	case 'L':
		return c.longest
	}
	return c.bytes
}

func countAll(r io.Reader) (counts, error) {
	var c counts
	inWord, column := false, int64(0)
	buf := make([]byte, 64<<10)
	for {
		n, err := r.Read(buf)
		c.bytes += int64(n)
		for _, b := range buf[:n] {
			if utf8.RuneStart(b) {
				c.chars++
				column++
			}
			switch b {
			case '\n':
				c.lines++
				c.longest = max(c.longest, column-1)
				column, inWord = 0, false
			case ' ', '\t', '\r', '\v', '\f':
				inWord = false
			default:
				if !inWord {
					c.words++
				}
				inWord = true
			}
		}
		if err != nil {
			c.longest = max(c.longest, column)
			return c, ignoreEOF(err)
		}
	}
}

func runTee(p *proc) int {
	o := p.options("ai", "append=a", "ignore-interrupts=i")
	flag := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	if o.has("a") {
		flag = os.O_WRONLY | os.O_CREATE | os.O_APPEND
	}
	type sink struct {
		name string
		f    *os.File
	}
	var sinks []sink
	for _, name := range o.rest {
		f, err := os.OpenFile(p.path(name), flag, 0o666)
		if !p.fail(name, err) {
			sinks = append(sinks, sink{name, f})
		}
	}
	defer func() {
		for _, s := range sinks {
			s.f.Close()
		}
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := p.stdin.Read(buf)
		for i, s := range sinks {
			if s.f == nil {
				continue
			}
			if _, err := s.f.Write(buf[:n]); p.fail(s.name, err) {
				s.f.Close()
				sinks[i].f = nil
			}
		}
		p.write(buf[:n])
		p.out.Flush()
		if err != nil {
			p.fail("standard input", ignoreEOF(err))
			return 0
		}
	}
}

func runYes(p *proc) int {
	line := strings.Join(p.options("+").rest, " ") + "\n"
	if line == "\n" {
		line = "y\n"
	}
	for {
		p.out.WriteString(line)
	}
}

func runSeq(p *proc) int {
	// Negative numbers are operands.
	for i, arg := range p.args {
		if len(arg) > 1 && arg[0] == '-' && (arg[1] >= '0' && arg[1] <= '9' || arg[1] == '.') {
			p.args = append(append(append([]string{}, p.args[:i]...), "--"), p.args[i:]...)
			break
		}
	}
	o := p.options("s:wf:", "separator=s", "equal-width=w")
	texts := o.operands(1, 3)
	decimals := 0
	numbers := make([]float64, len(texts))
	for i, text := range texts {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			p.fatal(1, "invalid number: '%s'", text)
		}
		numbers[i] = n
		if _, fraction, ok := strings.Cut(text, "."); ok && i < len(texts)-1 {
			decimals = max(decimals, len(fraction))
		}
	}
	first, step, last := 1.0, 1.0, numbers[len(numbers)-1]
	if len(numbers) > 1 {
		first = numbers[0]
	}
	if len(numbers) > 2 {
		step = numbers[1]
	}
	if step == 0 {
		p.fatal(1, "the step is 0")
	}
	p.sequence(o, first, step, last, decimals)
	return 0
}

func (p *proc) sequence(o options, first, step, last float64, decimals int) {
	width := 0
	format := func(n float64) string { return strconv.FormatFloat(n, 'f', decimals, 64) }
	if o.has("w") {
		width = max(len(format(first)), len(format(last)))
	}
	separator := o.value('s', "\n")
	epsilon := step * 1e-9
	printed := false
	for i := 0; ; i++ {
		n := first + float64(i)*step
		if step > 0 && n > last+epsilon || step < 0 && n < last+epsilon {
			break
		}
		if printed {
			p.out.WriteString(separator)
		}
		text := format(n)
		if len(text) < width {
			sign := ""
			if text[0] == '-' {
				sign, text = "-", text[1:]
			}
			text = sign + strings.Repeat("0", width-len(sign)-len(text)) + text
		}
		p.out.WriteString(text)
		printed = true
	}
	if printed {
		p.out.WriteString("\n")
	}
}

func runCmp(p *proc) int {
	o := p.options("ls", "verbose=l", "silent=s", "quiet=s")
	names := append(o.operands(1, 2), "-")[:2]
	var readers [2]*bufio.Reader
	for i, name := range names {
		f, err := p.open(name)
		if err != nil {
			if !o.has("s") {
				p.warn("%s: %s", name, reason(err))
			}
			return 2
		}
		defer f.Close()
		readers[i] = bufio.NewReaderSize(f, 64<<10)
	}
	offset, line, different := int64(1), int64(1), false
	for ; ; offset++ {
		a, errA := readers[0].ReadByte()
		b, errB := readers[1].ReadByte()
		if errA != nil || errB != nil {
			return p.cmpEnd(o, names, errA, errB, offset-1, different)
		}
		if a != b {
			different = true
			switch {
			case o.has("s"):
				return 1
			case !o.has("l"):
				p.printf("%s %s differ: char %d, line %d\n", names[0], names[1], offset, line)
				return 1
			}
			p.printf("%d %3o %3o\n", offset, a, b)
		}
		if a == '\n' {
			line++
		}
	}
}

// cmpEnd is where one of the files ended.
func (p *proc) cmpEnd(o options, names []string, errA, errB error, offset int64, different bool) int {
	for i, err := range []error{errA, errB} {
		if p.fail(names[i], ignoreEOF(err)) {
			return 2
		}
	}
	if errA != nil && errB != nil {
		if different {
			return 1
		}
		return 0
	}
	short := names[0]
	if errA == nil {
		short = names[1]
	}
	if !o.has("s") {
		p.warn("EOF on %s after byte %d", short, offset)
	}
	return 1
}
