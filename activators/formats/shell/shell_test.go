package shell

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
)

// recorder writes down what it is told. A program "add" is recorded, "yes" and
// "no" are known, everything else is not.
type recorder struct{ log []string }

func (r *recorder) Command(c *Command) (Status, bool) {
	switch c.Args[0] {
	case "yes":
		return Success, true
	case "no":
		return Failure, true
	case "add":
		r.log = append(r.log, Plain(strings.Join(c.Args[1:], "|")))
		return Success, true
	case "hello":
		c.Print("hello\n")
		return Success, true
	}
	return Unknown, false
}

func (r *recorder) Write(line int, path, text string) {
	r.log = append(r.log, fmt.Sprintf("%s<%q", Plain(path), Plain(text)))
}

func (r *recorder) Mark() any     { return len(r.log) }
func (r *recorder) Reset(to any)  { r.log = r.log[:to.(int)] }
func (r *recorder) Recorded() int { return len(r.log) }

func follow(t testing.TB, text string, params ...string) (string, []Note) {
	t.Helper()
	var r recorder
	notes, err := Follow(&r, text, Options{Params: params})
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return strings.Join(r.log, " "), notes
}

func TestFollow(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`add a 'b c' "d $x" e\ f`, "a|b c|d |e f"},
		{`x='a  b'; add $x; add "$x"; add ${x}c`, "a|b a  b a|bc"},
		{`IFS=:; x=a::b; add $x`, "a||b"},
		{`add "$@"; add $#; add "$*"; shift; add $1`, "1|2 2 1 2 2"},
		{`set -- "a b" c; for i; do add "$i"; done; set --; add x "$@"`, "a b c x"},
		{`x=abc.def.g; add ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${x/def/y} ${x//./-} ${x:1:2} ${x: -1}`, "abc.def|abc|def.g|g|9|abc.y.g|abc-def-g|bc|g"},
		{`add ${u:-d} ${u-d} "${u:-a b}" ${u:=v} $u ${u:+w} ${n+x}`, "d|d|a b|v|v|w"},
		{`add $(hello) "$(echo a; echo b)" ` + "`hello`", "hello|a\nb|hello"},
		{`f() { local x=1; add $x $1; return 3; }; x=0; f 2; add $? $x`, "1|2 3|0"},
		{`f() { g() { add g; }; }; f; g`, "g"},
		{`echo x | sudo dd of=/f status=none; dd if=/a of=/b; su -c "add y"; su root -c 'add z'; su - nobody`, "/f<\"x\\n\" y z"},
		{"# Andr\xe9\nx='\xe9\xc3'; add \"$x\" \xc3\xa9; eval 'add \xff'; echo \"$x\" > /f", "\xe9\xc3|\xc3\xa9 \xff /f<\"\\xe9\\xc3\\n\""},
		{`if yes; then add 1; elif no; then add 2; else add 3; fi`, "1"},
		{`if no; then add 1; elif no; then add 2; else add 3; fi`, "3"},
		{`yes && add 1 || add 2; no && add 3; no || add 4; ! no && add 5`, "1 4 5"},
		{`if what; then add 1; else add 2; fi`, "1"},
		{`if what; then echo x; exit 1; fi; add 2`, "2"},
		{`what || exit 1; add 3; what && exit; add 4`, "3 4"},
		{`if what; then echo no; else add 5; fi`, "5"},
		{`[ -x /bin/x ] || { echo missing; exit 1; }; add 6`, "6"},
		{`if [ ! -e /x ]; then if ! modprobe x; then exit 1; fi; fi; add 7`, "7"},
		{`while ! mounted; do sleep 1; done; add 8`, "8"},
		{`case $(uname -m) in a) add a;; b|c) add b;; *) exit;; esac; add 9`, "a b 9"},
		{`case $(uname -m) in a) x=a;; *) x=b;; esac; add $x`, "b"},
		{`case abc in a?c) add 1;; *) add 2;; esac; case x in y) ;; [w-x]) add 3;& z) add 4;; esac`, "1 3 4"},
		{`case a.b in *"."*) add 1;; esac; p='*'; case ab in "$p") add 2;; $p) add 3;; esac`, "1 3"},
		{`for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; add $i; done`, "1 3"},
		{`for i in 1 2; do for j in 1 2; do [ $j = 2 ] && continue 2; add $i$j; done; done`, "11 21"},
		{`i=0; while [ $i -lt 3 ]; do i=$((i+1)); done; until [ $i -eq 0 ]; do : $((i-=1)); done; add $i`, "0"},
		{`for ((i=0; i<3; i++)); do add $i; done`, "0 1 2"},
		{`add $((2+3*4)) $(( (2+3)*4 )) $((7/2)) $((7%2)) $((1<<4)) $((3>2 ? 5 : 6)) $((0x10)) $((~0)) $((!1))`, "14|20|3|1|16|5|16|-1|0"},
		{`add $((1/0))`, "$((...))"},
		{`(x=1; add $x); add "$x"; { y=2; }; add $y`, "1  2"},
		{`echo a b | while read -r x y; do add "$x" "$y"; done`, "a|b"},
		{`while read -r a b; do add "$a" "$b"; done <<E
1 2 3
4
E`, "1|2 3 4|"},
		{`while read -r a; do add "$a"; done < /etc/passwd`, ""},
		{`cat <<E
$((1+1)) \$x \"
E
echo done | tee f >/dev/null; echo a >>f; cat f >g`, `f<"done\n" f<"a\n" g<"done\na\n"`},
		{"cat <<-'E' >f\n\t$x\n\tE\n", `f<"$x\n"`},
		{`cat >f <<<word; printf '%s-%s\n' a b c >g; printf '%d%%%02x\n' 7 255 >h`, `f<"word\n" g<"a-b\nc-\n" h<"7%ff\n"`},
		{`echo '\x41' >f; echo "\x41" >f; echo -n x >f; echo -e 'a\tb' >f`, `f<"\\x41\n" f<"\\x41\n" f<"x" f<"a\tb\n"`},
		{`printf '\x41\101\n' >f`, `f<"\\x41A\n"`},
		{"#!/bin/bash\nprintf '\\x41\\101\\n' >f; add $'\\x41\\n'", "f<\"AA\\n\" A\n"},
		{`echo x 2>/dev/null >f; echo y >&2; echo z 2>&1 >f; echo w >/dev/null`, `f<"x\n" f<"z\n"`},
		{`eval 'x=1; add $x'; y=x; eval add \$$y; z=$(eval echo \$$y); add $z`, "1 1 1"},
		{`n=x; x=5; add ${!n}; a=(p 'q r'); add "${a[@]}" ${#a[@]} ${a[1]}; a+=(s); add "${a[@]:1}"`, "5 p|q r|2|q|r q r|s"},
		{`declare -A m; m[k]=v; m[l]=w; add "${!m[@]}" "${m[l]}"`, "k|l|w"},
		{`sudo -u root add 1; env A=2 sh -c 'add $A $1' x y; bash <<<'add 3'; exec add 4; add 5`, "1 2|y 3 4"},
		{`command add 1; f() { add f; }; command -v f >/dev/null && add 2`, "1 2"},
		{`[ a = a ] && [ a != b ] && [ 1 -lt 2 ] && [ -z "" ] && [ -n x ] && [ ! a = b ] && [ a = b -o c = c ] && add ok`, "ok"},
		{`[[ abc == a*c && ! abc == "a*" && abc =~ ^a.c$ ]] && add ok; [[ -n $u ]] || add no`, "ok no"},
		{`x=$(basename /a/b.c .c)$(dirname /a/b); add $x $(seq 2 4)`, "b/a|2|3|4"},
		{`set -e; yes; no || yes; if no; then :; fi; add 1; no; add 2`, "1"},
		{`add $HOME; x=$TARGET; add "${x}y" ${HOST:-h}`, "$HOME $TARGETy|h"},
		{`f=$(mktemp); echo 'add in' >$f; bash -c "cat '$f' | sh"`, `$(mktemp)<"add in\n" in`},
		{`x=1 add $x; add ${x:-none}; y=2; y=3 add; add $y`, " none  2"},
		{`time add 1; let x=2+3; add $x; ((x==5)) && add yes; typeset v=1; export w=2; readonly z=3; add $v$w$z`, "1 5 yes 123"},
		{`trap 'x' EXIT; wait; umask 022; add ok & add after`, "ok after"},
		{`add a* [b] ~/c {1,2}`, "a*|[b]|~/c|{1,2}"},
	} {
		if got, notes := follow(t, c.text, "1", "2"); got != c.want {
			t.Errorf("%s\n%q, want\n%q; notes %v", c.text, got, c.want, notes)
		}
	}
}

// What is given up or not run is said.
func TestNotes(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"x\nfrob a\nfrob b", "not run: x (line 1), frob (line 2)"},
		{"yes\nread x", "2 what is read here is not known"},
		{"sh ./other.sh", "the script ./other.sh is not followed"},
		{"eval 'a ('", "what is evaluated is no shell command"},
		{"for f in /etc/*.d; do yes; done", `the files that "/etc/*.d" stands for are not looked for`},
		{"while :; do :; done", "followed up to here only: it does too much"},
		{"f() { f; }; f", "followed up to here only: it calls itself too often"},
		{": ${x:?}", "it ends here: x has no value"},
	} {
		_, notes := follow(t, c.text)
		if !strings.Contains(fmt.Sprint(notes), c.want) {
			t.Errorf("%s: %v, want %q", c.text, notes, c.want)
		}
	}
}

// A script ends, whatever it does, and with it all that it did.
func TestHostile(t *testing.T) {
	deep := func(open, close string, n int) string {
		return strings.Repeat(open, n) + "x" + strings.Repeat(close, n)
	}
	for _, text := range []string{
		":(){ :|:& };:",
		"bomb() { bomb | bomb & }; bomb",
		"while true; do :; done", "until false; do x=$x; done", "for ((;;)); do :; done", "while ((1)); do :; done", "while [[ 1 ]]; do :; done",
		"x=a; while :; do x=$x$x; done", "x=aaaaaaaa; " + strings.Repeat("x=$x$x$x$x$x$x$x$x;", 50),
		"x=a; " + strings.Repeat("x=$x$x;", 15) + `y=${x//a/$x}; y=${y//a/$x}; y=${y//a/${y//a/$y}}`,
		"x=a; " + strings.Repeat("x=$x$x;", 16) + "add ${x##*a*a*a*a*a*a*a*b} ${x%%b*a*a*a*a}",
		"x=a; " + strings.Repeat("x=$x$x;", 18) + `[[ $x =~ (a*)*b ]]; case $x in *a*a*a*a*a*b) ;; esac`,
		"set -- a; while :; do set -- \"$@\" \"$@\"; done",
		"while :; do a+=(x x x x x x x x); done", "while :; do a[i++]=x; done",
		"f() { eval f; }; f", "f() { $(f); }; f", "f() { f <<E\n$(f)\nE\n}; f", "x='eval \"$x\"'; eval \"$x\"",
		"printf '%1000000000s' a; printf '%*s' 1000000000 a", "add {1..1000000000}", "for i in $(seq 1 1000000000); do :; done",
		"if a; then if b; then if c; then if d; then if e; then if f; then if g; then if h; then x; fi; fi; fi; fi; fi; fi; fi; fi",
		"while :; do if what; then x=1; else y=1; fi; done", strings.Repeat("if what; then x=1; else x=2; fi\n", 4000),
		"f() { if what; then f; else f; fi; }; f", "f() { case $(what) in a) f;; b) f;; *) f;; esac; }; f",
		"while :; do echo x; done | while read -r x; do :; done", "yes() { while :; do echo y; done; }; yes | head",
		"echo x > /tmp/xjail-hostile; cat /etc/passwd > /tmp/xjail-hostile; exec 3<>/tmp/xjail-hostile; mkfifo /tmp/xjail-hostile",
		"diff <(cat /etc/passwd) >(tee /tmp/xjail-hostile)", "coproc x { while :; do :; done; }", "select x in a b; do :; done",
		"exec /bin/sh -c 'rm -rf /'", "kill -9 $$ $PPID", ". /etc/passwd", "$(cat /etc/shadow)", "trap 'while :; do :; done' EXIT",
		deep("(", ")", 2000), deep("$(", ")", 2000), deep("{ ", "; }", 2000), "echo " + deep("${x:-", "}", 2000), "echo $((" + deep("(", ")", 2000) + "))",
		"echo " + deep(`"$(echo `, `)"`, 1000), strings.Repeat("x && ", 20000) + "x", strings.Repeat("x | ", 20000) + "x", "[[ " + strings.Repeat("! ", 3000) + "x ]]",
		"echo $(( 1" + strings.Repeat("**1", 20000) + " ))", "x=$((9223372036854775807+1)); echo $((x/-1)) $((x%-1)) $((1<<-1)) ${x: -99:-99}", "shift 99999999999; break 99999999999; exit 99999999999",
	} {
		var r recorder
		_, err := Follow(&r, text, Options{})
		var wrong *SyntaxError
		if err != nil && !errors.As(err, &wrong) {
			t.Errorf("%.60q: %v", text, err)
		}
	}
	if _, err := os.Lstat("/tmp/xjail-hostile"); err == nil {
		t.Error("a file was made")
	}
	for _, text := range []string{"if", "x=(", "a)", "cat <<E", "'", strings.Repeat("(", nestingMax+1), strings.Repeat("#", TextMax+1)} {
		if _, err := Follow(&recorder{}, text, Options{}); err == nil {
			t.Errorf("%.20q is taken", text)
		}
	}
}

// FuzzFollow: nothing panics past Follow, and nothing goes on for ever.
func FuzzFollow(f *testing.F) {
	for _, text := range []string{`f() { add "$@"; }; f a b`, `for i in a b; do case $i in a) add 1;; *) add ${i#x};; esac; done`, `while read x; do add $((x+1)); done <<E
1
E`, `x=$(uname) && [ -x "$x" ] || eval "add $x"`, `declare -A m=([a]=b); add ${m[a]:0:1} ${!m[@]} ${m[a]//b/c}`} {
		f.Add(text)
	}
	f.Fuzz(func(_ *testing.T, text string) {
		_, _ = Follow(&recorder{}, text, Options{Params: []string{"start"}})
	})
}
