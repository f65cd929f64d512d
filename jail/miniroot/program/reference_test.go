package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// reference finds Bash and GNU's commands, which are what most scripts were
// written for.
func reference(t *testing.T) (shell, path string) {
	t.Helper()
	out, err := exec.Command("/bin/ls", "--version").Output()
	if err != nil || !strings.Contains(string(out), "GNU coreutils") {
		t.Skip("GNU coreutils are the reference, and are not here")
	}
	shell, err = exec.LookPath("bash")
	if err != nil {
		t.Skip("Bash is the reference, and is not here")
	}
	// The sh that a script calls is Bash as well.
	dir := t.TempDir()
	if err := os.Symlink(shell, filepath.Join(dir, "sh")); err != nil {
		t.Fatal(err)
	}
	return shell, dir + ":/usr/bin:/bin:/usr/sbin:/sbin"
}

// TestReference runs scripts with the program and with Bash and coreutils: the
// standard output and the status have to be the same.
func TestReference(t *testing.T) {
	shell, path := reference(t)
	bin := binDir(t)
	for _, group := range []struct {
		name    string
		scripts []string
	}{
		{"shell", shellScripts}, {"files", fileScripts}, {"text", textScripts}, {"grep", grepScripts}, {"sed", sedScripts},
		{"find", findScripts}, {"archives", archiveScripts}, {"system", systemScripts},
	} {
		t.Run(group.name, func(t *testing.T) {
			t.Parallel()
			for _, script := range group.scripts {
				want := runScript(t, shell, path, script, sampleInput)
				got := runScript(t, bin+"/sh", bin, script, sampleInput)
				if got.stdout != want.stdout || got.status != want.status {
					t.Errorf("%s\n got %d %q\nwant %d %q\nstderr %q, of the reference %q", script, got.status, got.stdout, want.status, want.stdout, got.stderr, want.stderr)
				}
			}
		})
	}
}

// sampleInput is the standard input of every script.
const sampleInput = "one 1 apple\ntwo 22 Banana\nthree 3 cherry\nfour 14 apple\n\nfive 5 date palm\n"

var shellScripts = []string{
	`echo hello`, `echo -n hello`, `echo -e 'a\tb\n'`, `echo -ne 'x\0101y'`, `echo 'a\tb'`, `echo -E 'a\tb' --`, `echo -nx`,
	`false`, `exit 7`, `(exit 3); echo $?`, `false || echo $?`, `true && echo yes`, `! true; echo $?`,
	`no-such-command 2>/dev/null; echo $?`, `echo x > plain; ./plain 2>/dev/null; echo $?`, `/ 2>/dev/null; echo $?`,
	`./missing/x 2>/dev/null; echo $?`, `cat no-such 2>/dev/null; echo $?`,
	`sh -c 'exit 42'; echo $?`, `sh -c 'kill -9 $$' 2>/dev/null; echo $?`, `sh -c 'kill -TERM $$' 2>/dev/null; echo $?`,
	`sh -c 'echo $0 $1 $#' name arg`, `sh -c 'echo $0 "$@"' a 'b c' d`, `echo 'echo script $1' > s; sh s arg`,
	`echo 'echo $0 $#' > s; sh ./s a b`, `echo 'echo from stdin $1' | sh -s x`, `printf 'echo a\nexit 3\n' | sh; echo $?`,
	`printf 'read x\nhello\necho "got $x"\n' | sh`, `printf 'cat\nrest of it\n' | sh`, `printf 'head -n1\nl1\necho l2\n' > in; sh < in`,
	`printf 'echo one\nif\n' | sh 2>/dev/null; echo $?`, `sh -c 'echo a; if' 2>/dev/null; echo $?`,
	`sh -ec 'false; echo no'; echo $?`, `set -e; if false; then :; fi; false || true; echo still; false; echo no`,
	`set -u; (echo $unset) 2>/dev/null; echo $?`, `sh -xc 'echo hi' 2>&1`, `x=5; sh -c 'echo [$x]'; export x; sh -c 'echo [$x]'`,
	`X=1 sh -c 'echo $X'; echo "[$X]"`, `a=$(echo one; echo two); echo "$a"`, `echo $((3 * (4 + 5) % 7)) $((1 << 10)) $((0x1f))`,
	`x=abc.tar.gz; echo ${x%.*} ${x%%.*} ${x#*.} ${x##*.} ${#x} ${y:-def} ${x:+set}`, `x=; echo ${x:=new} $x`,
	`for i in 1 2 3; do echo $i; done | wc -l`, `i=0; while [ $i -lt 3 ]; do i=$((i+1)); echo $i; done`, `until true; do echo x; done; echo done`,
	`case abc in a*) echo yes;; *) echo no;; esac`, `case x in y|x) echo xy;; esac`, `f() { echo "f $1"; return 5; }; f x; echo $?`,
	`f() { local v=1; echo $v; }; v=2; f; echo $v`, `echo() { printf 'mine %s\n' "$1"; }; echo x`, `kill() { printf 'no\n'; }; kill 1`,
	`cat <<E
a $HOME
E
`, `cat <<'E'
a $HOME
E
`, `cat <<-E
	tab
	E
`, `echo a > f; echo b >> f; cat < f`, `cat f 2>&1 >/dev/null | wc -l`, `echo err 1>&2 2>/dev/null; echo ok`, `{ echo a; echo b; } > f; wc -l < f`,
	`(echo sub; exit 4); echo $?`, `(cd /; pwd); pwd`, `cd / && pwd && cd - >/dev/null && pwd`, `mkdir d; cd -P d; pwd; cd ..; cd -- d; pwd`,
	`echo a b c | while read x y; do echo "$y"; done`, `echo x | { read v; echo "[$v]"; }`, `printf 'a\nb\n' | while read l; do echo "<$l>"; done`,
	`echo a | exit 3; echo $?`, `echo a | while read l; do exit 4; done; echo after $?`, `false | true; echo $?`, `true | false; echo $?`,
	`set -o pipefail; false | true; echo $?`, `yes | head -n 2`, `yes 2>/dev/null | head -1 >/dev/null; echo $?`, `seq 1 100000 | head -1`,
	`trap 'echo bye' EXIT; echo hi`, `trap 'echo bye $?' EXIT; exit 3`, `trap 'echo bye' 0; false`, `sh -c 'trap "echo got; exit 9" TERM; kill -TERM $$; sleep 1; echo no'; echo $?`,
	`trap 'echo sig' USR1; kill -USR1 $$; sleep 0.1; echo after`, `trap '' TERM; kill -TERM $$; echo alive`, `trap 'echo x' INT TERM EXIT; trap - INT TERM; echo y`,
	`trap 'rm -f x' EXIT HUP INT TERM; echo $?`, `set -- a b c; shift; echo $1 $#; set -- "$@" d; echo $*`, `echo "$@" $#`,
	`eval 'x=1; echo $x'`, `. ./missing 2>/dev/null; echo $?`, `echo 'v=7' > lib; . ./lib; echo $v`, `command -v ls >/dev/null; echo $?`, `command -v nope; echo $?`,
	`command echo -n x`, `type nope 2>/dev/null; echo $?`, `unset x; echo ${x-unset}`, `readonly r=1; (r=2) 2>/dev/null; echo $?`, `exec echo replaced; echo no`,
	`(exec false); echo $?`, `exec 2>/dev/null; nope; echo $?`, `echo * > /dev/null; touch b a .h; echo *; echo ?; echo [ab]; echo x*`, `echo "a  b"   c`, `echo 'a'"b"c\ d`,
	`IFS=:; x=a:b:c; for i in $x; do echo $i; done`, `x='a b'; set -- $x; echo $#; set -- "$x"; echo $#`, `wait; echo $?`, `sleep 0.01 & wait $!; echo $?`, `(exit 5) & wait $!; echo $?`,
	`umask 027; umask; touch f; stat -c %a f; mkdir d; stat -c %a d`, `umask -S; umask u=rwx,g=rx,o=; umask`, `x=1; (x=2); echo $x`, `x=1; { x=2; }; echo $x`,
	`[ a = a ] && [ ! b = a ] && [ 1 -lt 2 ] && echo ok`, `[ -f /etc/passwd -a -d /etc ] && echo ok`, `test -z "" && test -n x && echo ok`, `[ ]; echo $?`, `[ -n ]; echo $?`,
	`[ 1 -eq x ] 2>/dev/null; echo $?`, `[[ abc == a* ]] && echo glob`, `[[ abc =~ ^a.c$ ]] && echo re`, `a=(1 2 3); echo ${a[1]} ${#a[@]}`, `echo {a,b}{1,2}`, `echo ~`, `echo ${HOME##*/} | wc -l`,
	`getopts ab: o -a; echo $o`, `while getopts ab: o -b val -a; do echo $o $OPTARG; done`, `printf '%s-%d|%5s|%-5s|%05d|%x\n' a 1 b c 42 255`, `printf '%s\n' a b c`, `printf '%d %s\n' 1 a 2`,
	`printf 'no newline'`, `printf '%b' 'a\nb\c' x`, `printf '%c%c' hello world`, `printf '%%'`, `printf '\101\x41\n'`, `printf '%.2f %e %g\n' 3.14159 1234.5 0.0001`, `printf "%d\n" "'a"`, `printf '%*d\n' 6 42`, `printf '%.3s|\n' abcdef`,
	`eval 'echo() { printf "mine\n"; }'; echo x`, `echo 'kill() { printf "no\n"; }' > lib; . ./lib; kill 1`, `printf '%d\n' abc 2>/dev/null; echo $?`, `printf; echo $?`, `printf '%q\n' abc`, `printf '%5.1f|%-8.3s|\n' 2.25 abcdef`, `printf '%i %u %o %X\n' -3 7 8 255`, `printf '%+d % d\n' 5 5`, `printf '%s'`, `printf '%d\n'`, `printf '%u\n' -1`,
	`printf '#!/bin/sh\necho from script $1\n' > s; chmod +x s; ./s a`, `printf 'echo no shebang $1\n' > s; chmod +x s; ./s a`, `printf '#!/no/such\n' > s; chmod +x s; ./s 2>/dev/null; echo $?`, `printf '\0\1' > s; chmod +x s; ./s 2>/dev/null; echo $?`,
	`mkdir b; printf '#!/bin/sh\necho my ls\n' > b/ls; chmod +x b/ls; PATH=$PWD/b:$PATH; ls`, `PATH=; ls 2>/dev/null; echo $?`, `env -i PATH="$PATH" X=1 sh -c 'echo $X $HOME'`, `env A=1 B=2 printenv A B`, `env -u HOME sh -c 'echo [$HOME]'`,
	`env nope 2>/dev/null; echo $?`, `env false; echo $?`, `env FOO=bar env | grep FOO`, `echo 1 2 3 | xargs -n1 echo x`, `printf 'a b\nc\n' | xargs`, `printf 'a\0b c\0' | xargs -0 -n1 echo`, `printf '' | xargs echo none`, `printf '' | xargs -r echo none`,
	`echo a b | xargs -I{} echo '<{}>'`, `echo x | xargs false; echo $?`, `echo x | xargs nope 2>/dev/null; echo $?`, `printf '"a b" c\\ d\n' | xargs -n1 echo`, `printf '1\n2\n3\n' | xargs -L2 echo`, `echo 'exit 255' > s; echo x | xargs sh s 2>/dev/null; echo $?`,
	`x=$(cat); echo "$x" | wc -l`, `read a b; echo "$b|$a"; read c; echo $c`, `head -n1 >/dev/null; cat | wc -c >/dev/null; echo ok`, `echo $- | grep -c x`, `basename $0 >/dev/null; echo ok`, `nohup echo hi 2>/dev/null`, `timeout 5 echo in time`, `timeout 0.05 sleep 5; echo $?`, `timeout -s KILL 0.05 sleep 5 2>/dev/null; echo $?`, `timeout 5 sh -c 'exit 3'; echo $?`,
	`sh -c 'sleep 0.05; echo slept'`, `kill -l 15; kill -l 143; kill -l TERM`, `kill -0 $$; echo $?`, `kill 999999999 2>/dev/null; echo $?`, `kill -s TERM 999999999 2>/dev/null; echo $?`,
	`sleep 5 & kill $! 2>/dev/null; echo started`, `a=1; a+=2; echo $a`, `(: ${x:?}) 2>/dev/null || echo reached`, `echo $(($(echo 1)+1))`, "echo `echo back`", `x=$(false); echo $?`, `echo "${x:-"a b"}"`, `f() { exit 6; }; f; echo no`, `while :; do break; done; for i in 1 2; do continue; echo x; done; echo end`,
	`ulimit -n 64; ulimit -n; sh -c 'ulimit -n'`, `ulimit -c 0; ulimit -c`,
}

var fileScripts = []string{
	`mkdir a; mkdir a 2>/dev/null; echo $?; mkdir -p a/b/c; echo $?; mkdir x/y 2>/dev/null; echo $?; ls -R`, `mkdir -m 700 d; stat -c %a d; mkdir -p -m 711 e/f; stat -c %a e e/f`, `mkdir -p ""; echo $?`, `mkdir -pv p/q`,
	`rmdir x 2>/dev/null; echo $?; mkdir -p a/b; rmdir a 2>/dev/null; echo $?; rmdir -p a/b; ls`, `touch f; rm f; rm f 2>/dev/null; echo $?; rm -f f; echo $?`, `mkdir d; rm d 2>/dev/null; echo $?; rm -r d; echo $?; rm -rf d; echo $?; rm -r d 2>/dev/null; echo $?`,
	`mkdir d; touch d/a d/b; ln -s d l; rm -r l; ls d`, `rm -rf . 2>/dev/null; echo $?`, `rm 2>/dev/null; echo $?; rm -f; echo $?`, `touch -- -x; rm -- -x; ls`, `touch a b; rm -v a b`, `mkdir e; rm -d e; ls`, `echo y > in; touch a; rm -i a < in 2>/dev/null; ls`,
	`echo a > a; cp a b; cat b; cp a c/d 2>/dev/null; echo $?`, `mkdir d; echo a > d/a; cp d e 2>/dev/null; echo $?; cp -r d e; cat e/a; cp -r d e; ls -R e`, `echo a > a; chmod 751 a; touch -d 2001-02-03 a; cp -p a b; stat -c '%a %Y' b; cp a c; stat -c %a c`,
	`ln -s target l; cp -P l m; readlink m; cp -a l n; readlink n`, `mkdir d; ln -s ../x d/l; echo 1 > d/f; ln d/f d/g; cp -a d e; readlink e/l; [ e/f -ef e/g ] && echo linked`, `echo a > a; cp a a 2>/dev/null; echo $?`, `mkdir d; cp -r d d/e 2>/dev/null; echo $?`, `echo 1 > a; echo 2 > b; mkdir d; cp a b d; ls d; cp a b c 2>/dev/null; echo $?`,
	`echo 1 > a; echo 2 > b; cp -n a b; cat b; cp -f a b; cat b`, `echo 1 > a; mkdir d; cp a d; cp -T a c; cp -t d c; ls d`, `echo 1 > a; cp -v a b`, `echo x > a; cp -u a b; cp -l a c; [ a -ef c ] && echo hard; cp -s a d; readlink d`, `mkdir d; chmod 700 d; cp -r d e; stat -c %a e`, `mkdir d; echo x > d/f; cp -r d/. e; ls e`, `mkdir d e; touch d/x; cp -r d/. e; ls e`, `cp a b 2>/dev/null; echo $?`, `ln -s nowhere l; cp l m 2>/dev/null; echo $?; mkdir d; ln -s nowhere d/l; cp -r d e; readlink e/l`,
	`echo 1 > a; mv a b; ls; mv nope c 2>/dev/null; echo $?`, `mkdir d; touch a b; mv a b d; ls d; touch a; mv a d/c; ls d`, `touch a b c; mv a b c 2>/dev/null; echo $?`, `echo 1 > a; echo 2 > b; mv -n a b; cat b; mv -f a b; cat b`, `mkdir a b; mv a b; ls -R`, `mkdir a; touch b; mv b a; mv a/b .; ls; mv -T a c; ls`, `touch a; mv a a 2>/dev/null; echo $?`, `touch a; mv -v a b`, `mkdir a b; touch a/x b/y; mv -T a b 2>/dev/null; echo $?`,
	`touch a; ln a b; stat -c %h a; ln a b 2>/dev/null; echo $?; ln -f a b; ln -s a l; readlink l; ln -s b l 2>/dev/null; echo $?; ln -sf b l; readlink l`, `mkdir d; ln -s d l; ln -s x l; ls l d; ln -sfn y l; readlink l`, `ln -s a; echo $?; readlink a`, `mkdir d; touch a; ln -s ../a d; cat d/a; ls d`, `mkdir -p a/b c; touch c/f; ln -sr c/f a/b/l; readlink a/b/l`, `ln nope l 2>/dev/null; echo $?`, `touch a; ln -sv a b`,
	`touch f; chmod 640 f; stat -c %a f; chmod u+x,g-r,o=r f; stat -c %a f; chmod +x f; stat -c %a f; chmod a-w f; stat -c %a f; chmod g=u f; stat -c %a f`, `umask 022; touch f; chmod =rw f; stat -c %a f; chmod -x f; chmod +w f; stat -c %a f; chmod 4755 f; stat -c '%a %A' f; chmod u-s f; stat -c %a f`, `mkdir -p d/e; touch d/f; chmod -R 700 d; stat -c %a d d/e d/f; chmod -R a+rX d; stat -c %a d d/e d/f`, `chmod 999 x 2>/dev/null; echo $?; chmod 644 nope 2>/dev/null; echo $?; touch f; chmod q f 2>/dev/null; echo $?`, `mkdir d; chmod 2755 d; chmod 755 d; stat -c %a d; chmod 0755 d; stat -c %a d; chmod 00755 d; stat -c %a d; chmod +t d; stat -c '%a %A' d; chmod 1777 d; stat -c '%A' d`, `touch f; chmod -rwx f; stat -c %a f; chmod ug+rw,o+r f; stat -c '%a' f`, `touch f; chmod g+s f; stat -c %A f; chmod g+x f; stat -c %A f`, `umask 077; touch f; chmod 0 f; chmod +r f; stat -c %a f`,
	`touch -d '2020-01-02 03:04:05' a; stat -c %Y a; touch -t 202001020304.05 b; stat -c %Y b; touch -r a c; stat -c %Y c; touch -c d; ls`, `touch -d @86400 a; stat -c '%y' a; touch -a -d 2021-01-01 a; stat -c '%X %Y' a; touch -m -d 2022-01-01 a; stat -c '%X %Y' a`, `touch x/y 2>/dev/null; echo $?`, `touch -d nonsense a 2>/dev/null; echo $?; ls`, `touch -t 01020304 a; touch -t 7001020304 b; stat -c %Y b`, `touch -d 2020-01-01T00:00:00Z a; stat -c %Y a; touch -d 'Thu, 02 Jan 2020 03:04:05 +0000' b; stat -c %Y b`,
	`touch b a .h; mkdir d; ls; ls -a; ls -A; ls -1; ls -d .; ls -d *; ls -r; ls -F; ls -p; ls d b; ls nope 2>/dev/null; echo $?`, `mkdir -p a/b; touch a/x; ls -R; ls a/*; ls a nope 2>/dev/null; echo $?`, `touch -d 2001-01-01 old; touch -d 2020-01-01 new; ls -t; ls -tr`, `printf 123 > s; printf 123456 > l; ls -S; ls -Sr`, `touch -d 2001-02-03 f; chmod 640 f; ls -ln f | tr -s ' ' | cut -d' ' -f1,2,5-; ln -s f l; ls -l l | cut -c1-10`, `printf 12345 > f; touch -d '2019-12-31 23:59' f; chmod 4711 f; ls -l f | cut -c1-10; ls -l | head -n1 | cut -d' ' -f1`, `ls -l /dev/null | cut -c1`, `ln -s nope l; ls -l l | sed 's/.*l ->/l ->/'; ls -L l 2>/dev/null; echo $?; ls l`, `mkdir d; ln -s d l; ls -d l; touch d/f; ls l; ls -l l | wc -l; ls -l l/`, `ls -d / /etc`, `seq 2000 > f; ls -sh f >/dev/null; ls -lh f | tr -s ' ' | cut -d' ' -f5`, `touch a b; ls -i a b | wc -l; ls -m >/dev/null 2>&1; true`, `mkdir x; touch x/1 x/2; ls x/ ; ls -la x | wc -l; ls -n x | wc -l`,
	`basename /a/b/c.txt; basename /a/b/c.txt .txt; basename c; basename /; basename a/ ; basename .txt .txt; basename -a x/y z/w; basename -s .c a.c b.c; basename //`, `dirname /a/b; dirname a; dirname /a; dirname /; dirname a/b/ ; dirname a//b; dirname .; dirname a/b c/d`, `pwd; cd /tmp && pwd; pwd -P`, `ln -s a l; readlink l; readlink a; echo $?; touch a; readlink -f l; readlink -f nope; readlink -f no/pe; echo $?; readlink -m no/pe; readlink -e nope; echo $?`, `mkdir -p d/e; ln -s d l; realpath l/e/..; realpath l/e; realpath nope; realpath no/pe 2>/dev/null; echo $?; realpath -m no/pe/../x; realpath .; realpath -s l`, `ln -s b a; ln -s a b; readlink -f a; echo $?; realpath a 2>/dev/null; echo $?; cat a 2>/dev/null; echo $?`,
	`mktemp >/dev/null; echo $?; mktemp -d x.XXXXXX | wc -c; mktemp foo.XXXX.txt | cut -c1-4; mktemp noxs 2>/dev/null; echo $?; ls -d x.* | wc -l; mktemp -u | wc -l; mktemp -p . a.XXX | cut -c1-4`, `f=$(mktemp); stat -c %a "$f"; d=$(mktemp -d); stat -c %a "$d"`,
	`printf abc > a; printf abd > b; cmp a a; echo $?; cmp a b; echo $?; cmp -s a b; echo $?; printf ab > c; cmp a c 2>/dev/null; echo $?; cmp a nope 2>/dev/null; echo $?; cmp -l a b; cat a | cmp - a; echo $?`, `printf 'a\nb\n' > a; printf 'a\nc\n' > b; cmp a b`,
	`printf hello > f; stat -c '%s %F %n %a' f; mkdir d; stat -c %F d; ln -s f l; stat -c '%F %N' l; stat -L -c %F l; : > e; stat -c %F e; stat nope 2>/dev/null; echo $?; stat -c '%h %%' f; stat -c '%f' f`, `mkfifo p; stat -c %F p; ls -l p | cut -c1; mkfifo p 2>/dev/null; echo $?; mkfifo -m 600 q; stat -c %a q`, `mkdir d; seq 10000 > d/f; du -s d | cut -f2; du -a d | cut -f2; du -sh d | cut -f2; du nope 2>/dev/null; echo $?; du -b d/f`, `df / | tail -n1 | tr -s ' ' | cut -d' ' -f6; df nope 2>/dev/null; echo $?`, `printf '%s' "$(cat)" | wc -l; touch f; [ -s f ]; echo $?; echo x > f; [ -s f ]; echo $?; [ f -nt /etc/passwd ]; echo $?; [ -x f ]; echo $?; [ -e nope ]; echo $?; [ -L f ]; echo $?; [ -r f ]; echo $?; [ -p f ]; echo $?`,
	`chown nobody-such f 2>/dev/null; echo $?; touch f; chown $(id -u):$(id -g) f; echo $?; chown -R $(id -u) .; echo $?; chown $(id -u) nope 2>/dev/null; echo $?`,
	`printf 'x\n' | tee a b; cat a b; printf 'y\n' | tee -a a >/dev/null; cat a; echo z | tee no/pe 2>/dev/null; echo $?`, `sync; echo $?; which ls >/dev/null; echo $?; which nope; echo $?`,
}

var textScripts = []string{
	`cat`, `cat - /dev/null`, `cat -n`, `cat -b`, `echo x > f; cat f nope f 2>/dev/null; echo $?`, `cat /etc 2>/dev/null; echo $?`, `head -n 2`, `head -2`, `head -n -2`, `head -c 5`, `head -c -5`, `head -n 0`, `seq 20 | head`, `seq 3 > a; seq 4 6 > b; head -n1 a b; head -q -n1 a b; head -v -n1 a`, `head -n x 2>/dev/null; echo $?`, `head nope 2>/dev/null; echo $?`, `(head -n1; cat) < /etc/passwd | wc -l | grep -c .`, `seq 5 > f; (head -n 2 > /dev/null; cat) < f`,
	`tail -n 2`, `tail -2`, `tail -n +3`, `tail -c 5`, `tail -c +5`, `tail -n 0`, `seq 20 | tail`, `printf 'a\nb' | tail -n 1`, `printf '' | tail`, `seq 3 > a; tail -n1 a a; tail +2 a`, `seq 100000 | tail -n 3`, `wc`, `wc -l`, `wc -w`, `wc -c`, `wc -m`, `wc -L`, `wc -lc`, `printf 'a b\nc' > f; wc f; wc -l f; wc f f; wc < f; wc -l f nope 2>/dev/null; echo $?; printf x | wc -l; printf '\303\251' | wc -c`,
	`sort`, `sort -r`, `sort -n`, `sort -u`, `sort -k2`, `sort -k2n`, `sort -k2,2nr`, `sort -t' ' -k3`, `sort -t' ' -k3,3 -k2,2n`, `sort -f`, `printf '10\n9\n-1\n1.5\n\nabc\n' | sort -n`, `printf 'b\na\n' > f; sort -o f f; cat f; sort -c f; echo $?; sort -r f | sort -c 2>/dev/null; echo $?`, `printf 'a:3\nb:1\nc:2\n' | sort -t: -k2`, `printf 'x 1\nx 2\ny 1\n' | sort -u -k1,1`, `printf 'b 1\na 1\n' | sort -s -k2`, `printf '1K\n1M\n10\n' | sort -h`, `printf 'v1.10\nv1.9\nv1.2\n' | sort -V`, `printf 'B\na\nC\n' | sort; printf 'B\na\nC\n' | sort -f`, `printf '  b\n a\nc\n' | sort -b; printf '  b\n a\nc\n' | sort`, `printf 'a\0c\0b\0' | sort -z | tr '\0' '\n'`, `printf 'ab12\nab3\n' | sort -k1.3n`, `sort nope 2>/dev/null; echo $?`, `printf 'a b\na a\n' | sort -k2b`, `printf '3\n1\n2' | sort`,
	`sort | uniq`, `printf 'a\na\nb\nc\nc\nc\n' | uniq -c`, `printf 'a\na\nb\n' | uniq -d`, `printf 'a\na\nb\n' | uniq -u`, `printf 'a\nA\nb\n' | uniq -i`, `printf '1 a\n2 a\n3 b\n' | uniq -f1`, `printf 'xa\nya\nzb\n' | uniq -s1`, `printf 'a\na\n' > f; uniq f g; cat g; uniq -cd f`,
	`cut -d' ' -f2`, `cut -d' ' -f1,3`, `cut -d' ' -f2-`, `cut -d' ' -f-2`, `cut -c1-3`, `cut -c2`, `cut -b1,3-4`, `cut -d: -f1`, `cut -s -d: -f1`, `printf 'a:b:c\n' | cut -d: -f3,1`, `printf 'a\tb\n' | cut -f2`, `cut 2>/dev/null; echo $?`, `cut -f0 2>/dev/null; echo $?`, `printf 'a:b:c\n' | cut -d: -f2 --complement`,
	`tr a-z A-Z`, `tr -d aeiou`, `tr -s ' '`, `tr -cd '0-9\n'`, `tr '[:lower:]' '[:upper:]'`, `tr -s '\n' ' '`, `tr -d '\n'`, `tr abc x`, `tr 'a-c' '1-3'`, `tr '\n' '\0' | wc -c`, `tr -c 'a-z\n' _`, `echo 'a-b' | tr -- -b x_; echo 'aabb' | tr -s ab`, `tr z-a x 2>/dev/null; echo $?`, `echo hello | tr -s l r`, `echo 'x\y' | tr '\\' /`,
	`seq 3`, `seq 2 5`, `seq 5 -2 1`, `seq 0 0.5 2`, `seq -s, 3`, `seq -w 8 11`, `seq 3 1; echo $?`, `seq -3 -1`, `seq x 2>/dev/null; echo $?`, `seq 1 0 2 2>/dev/null; echo $?`, `seq 1.5`, `seq 1 2.5`, `yes x | head -n3`, `yes a b | head -n1`,
	`od -c`, `od`, `od -x`, `od -An -tx1`, `od -A x -t x1z 2>/dev/null | cut -c1-20`, `od -t d1 -N 4`, `od -j 3 -N 5 -c`, `od -b`, `head -c 100 /dev/zero | od`, `head -c 100 /dev/zero | od -v | wc -l`, `printf 'abc' | od -tu2`, `printf 'abcdefgh' | od -td8 -tx4`, `printf 'a\n\001' | od -ta`, `printf '' | od`, `od -An -td4 -w8`, `printf '\377\376' | od -An -tu1`, `printf abc | od -An -c -tx1`,
	`base64`, `base64 | base64 -d`, `base64 -w0`, `base64 -w 10`, `printf 'aGk=\n' | base64 -d; printf '' | base64; printf 'a' | base64; head -c 57 /dev/zero | base64; head -c 58 /dev/zero | base64`, `printf '!!' | base64 -d 2>/dev/null; echo $?`,
	`sha256sum`, `md5sum`, `sha1sum`, `sha512sum`, `echo a > f; sha256sum f > s; sha256sum -c s; echo b > f; sha256sum -c s 2>/dev/null; echo $?; rm f; sha256sum -c s 2>/dev/null; echo $?; md5sum nope 2>/dev/null; echo $?`, `echo hi | tee /dev/null | cat -u`,
	`expr 1 + 2; expr 3 \* 4; expr 7 / 2; expr 7 % 3; expr 1 \< 2; expr a = b; echo $?; expr 0; echo $?; expr abc : 'a\(.\)c'; expr abc : 'x'; expr abc : '.*'; expr \( 1 + 2 \) \* 3; expr length hello; expr substr hello 2 3; expr index hello l; expr match abc a; expr 5 - 10; expr a \| b; expr '' \| c; expr 1 \& 0; expr 2>/dev/null; echo $?; expr 1 / 0 2>/dev/null; echo $?; expr 1 + 2>/dev/null; echo $?; expr x + 1 2>/dev/null; echo $?; expr 10 \>= 9; expr b \> a; expr + length`,
}

var grepScripts = []string{
	`grep apple`, `grep -c a`, `grep -v a`, `grep -n e`, `grep -i BANANA`, `grep nope; echo $?`, `grep -q apple; echo $?`, `grep -o '[0-9]*'`, `grep -E 'one|two'`, `grep 'one\|two'`, `grep -F '1 a'`, `grep -w 1`, `grep -x 'one 1 apple'`, `grep '^t'`, `grep 'e$'`, `grep '^$'`, `grep -e one -e five`, `grep -E '^[a-z]+ [0-9]{2} '`, `grep '[[:upper:]]'`, `grep -m1 a`, `grep -A1 two`, `grep -B1 three`, `grep -C1 three`, `grep -nA1 one`, `grep -c nope; echo $?`,
	`echo a > f; echo b > g; grep a f g; grep -l a f g; grep -L a f g; grep -h a f g; grep -H a f; grep -c a f g; grep -s a nope; echo $?; grep a f nope 2>/dev/null; echo $?; grep -q a f nope 2>/dev/null; echo $?`, `mkdir -p d/e; echo hit > d/e/f; echo hit > d/g; grep -r hit d | sort; grep -rl hit . | sort; grep -r hit | sort; grep -rh hit d; grep -rn --include='g' hit d; grep -r --exclude=g hit d`, `grep '[' 2>/dev/null; echo $?`, `grep -E '(' 2>/dev/null; echo $?`, `grep 2>/dev/null; echo $?`, `printf 'a.c\nabc\n' | grep 'a\.c'; printf 'a.c\nabc\n' | grep -F a.c`, `printf 'a*b\n' | grep 'a\*b'; printf '*a\n' | grep '*a'; printf 'a{1}\naa\n' | grep 'a{1}'; printf 'aa\nb\n' | grep 'a\{2\}'`, `printf 'foo\nfoobar\n' | grep -w foo`, `printf 'x\n' > p; printf 'ax\nb\n' | grep -f p`, `printf 'a\nb\nc\nd\ne\nf\n' | grep -A1 -e a -e e`, `printf 'abcabc\n' | grep -o 'b.'; printf 'aXbX\n' | grep -on X`, `printf 'a\0b\n' | grep -c a; printf 'a\0b\n' | grep -a a | od -c`, `printf 'no newline' | grep new`, `egrep 'a|b' | wc -l`, `fgrep . ; echo $?`, `printf 'a]b\n' | grep 'a[]]b'; printf 'a^b\n' | grep 'a[b^]'; printf 'a\\b\n' | grep 'a[\]b'; printf 'a-b\n' | grep 'a[x-]b'`, `printf 'color\ncolour\n' | grep -E 'colou?r'; printf 'color\ncolour\n' | grep 'colou\?r'`, `printf 'ab\n' | grep '\(a\)b'; printf 'aab\n' | grep -E 'a+b'; printf 'a+b\n' | grep 'a+b'`, `printf 'A\n' | grep -i '[a-z]'; printf 'été\n' | grep -c t`, `printf 'one two\n' | grep -o '\<t.*\>'`, `grep -vn e`, `grep -L zzz - ; echo $?`, `grep -on a`, `grep -iw APPLE`, `grep -F -x -e 'one 1 apple' -e ''`, `grep -E 'a{2,}|b{1,2}'`, `printf 'x\ny\n' | grep -m 1 -A 1 x`, `printf 'tab\there\n' | grep -P '\t'`, `printf 'ab\n' | grep -E '^(a|ab)$'`,
}

var sedScripts = []string{
	`sed ''`, `sed -n 1p`, `sed 2d`, `sed '$d'`, `sed -n '$p'`, `sed 's/a/A/'`, `sed 's/a/A/g'`, `sed 's/a/A/2'`, `sed -n 's/apple/X/p'`, `sed 's/APPLE/x/i'`, `sed 's/APPLE/x/I'`, `sed 's/[a-z]*/<&>/'`, `sed 's/\([a-z]*\) \([0-9]*\)/\2 \1/'`, `sed -E 's/([a-z]+) ([0-9]+)/\2 \1/'`, `sed 2q`, `sed 2,3d`, `sed '2,$d'`, `sed '/two/,/four/d'`, `sed '/two/d;/four/d'`, `sed -e 1d -e 2d`, `sed '/^$/d'`, `sed '1!d'`, `sed -n '/apple/='`, `sed 's|/|_|g; s,a,/,'`, `sed 's/a/\
/'`, `sed 's/ /\n/g'`, `sed 'y/abc/xyz/'`, `sed '1i\
inserted'`, `sed '2a appended'`, `sed '3c changed'`, `sed '2,3c changed'`, `sed '$!N;s/\n/+/'`, `sed -n 'H;${x;s/\n/,/g;p;}'`, `sed '1!G;h;$!d'`, `sed ':a;N;$!ba;s/\n/ /g'`, `sed 's/a/b/;ta;s/^/no /;:a'`, `sed '/one/{s/1/9/;s/apple/pear/}'`, `sed -n '/one/{p;p}'`, `sed 'n;d'`, `sed '0~2d'`, `sed '1~2d'`, `sed '2,+1d'`, `sed '0,/apple/s/apple/X/'`, `sed '1,/apple/s/apple/X/'`, `sed '2q5'; echo $?`, `sed '/nope/q'; echo $?`, `sed Q`, `sed '3Q7'; echo $?`,
	`printf 'a\nb\n' > f; sed -i 's/a/x/' f; cat f; sed -i.bak 1d f; cat f f.bak; sed -n -i p f; cat f`, `printf 'a\n' > f; printf 'b\n' > g; sed '$d' f g; sed -s '$d' f g 2>/dev/null | wc -l`, `echo s/a/b/ > s; echo aa | sed -f s`, `printf 'no newline' | sed p`, `printf 'a' | sed 's/a/b/' | od -c`, `sed 's/x' 2>/dev/null; echo $?`, `sed k 2>/dev/null; echo $?`, `sed 2>/dev/null; echo $?`, `sed p nope 2>/dev/null; echo $?`, `sed 's/\(a\)/\2/' 2>/dev/null; echo $?`, `sed '{p' 2>/dev/null; echo $?`, `sed 'bx' 2>/dev/null || echo failed`, `sed 's/a/\U&/g;s/b/\u&/'`, `sed -E 's/(^|[^a-z])([a-z])/\1\u\2/g'`, `sed 's/[/]/x/;s/[0-9]\{2\}/NN/'`, `sed 's/\//x/g'`, `sed 's/a*/x/g'`, `sed 's/b*/x/2'`, `sed -n l`, `sed 's/.$//'`, `sed 's/^/> /'`, `sed 's/[^ ]* *//2'`, `sed -n '2{p;q}'`, `sed '/a/!s/$/ none/'`, `sed -e '1{' -e 's/o/0/' -e '}'`, `sed 's/a/&&/;s/e/\&/'`, `sed = | head -4`, `sed -n 'x;p'`, `sed '1{h;d};2{G}'`, `sed 'P;D'`, `sed '$!{h;d};x;G'`, `sed 's/one/1/w out' >/dev/null; cat out`, `sed -n '/two/w out'; cat out`, `echo extra > r; sed '1r r'`, `sed '/apple/b;s/^/X/'`, `sed -n '/two/,$p'`, `sed '5,2d'`, `sed '/two/,2d'`, `sed '#comment
p'`, `sed -n '#n
1p'`, `sed '1,3{/two/d}'`, `sed 's/\./x/;s/\t/T/'`, `echo 'a.b|c' | sed 's/\./|/;s/|/./2'`, `echo aaa | sed 's/a/b/2g'`, `echo 'hello' | sed 's/\(l\)\(l\)/[\1\2]/'`, `echo abc | sed 's/b/\//'`, `echo path/to | sed 's#/#\#g#'`, `echo 'a,b' | sed 's,\,,;,'`, `echo x | sed 's/x/a\tb/'`, `sed --expression='1d' --quiet -e p`, `sed -nE '/^(one|two)/p'`, `sed '1d;$d'`, `printf '1\n2\n3\n4\n5\n' | sed -n '2,4!p'`, `printf '1\n2\n3\n4\n5\n' | sed '2,4{3!d}'`, `printf 'a b\n' | sed 's/\w\+/<&>/g'`, `printf 'x=1\n' | sed -e 's/=.*//' -e 's/x/y/'`, `printf 'foo\n' | sed 's/o\{1,\}/0/'`, `printf 'a\nb\nc\n' | sed '1~2!d'`, `printf 'a\nb\nc\nd\n' | sed '2,~4d'`, `printf 'k\n' | sed 's/k/[&]/;s/\[/(/;s/]/)/'`, `seq 10 | sed '1,4!d;2q'`, `seq 5 > f; (sed 2q >/dev/null; cat) < f`, `echo a | sed 's/a/x/;T;s/x/y/'`, `echo ab | sed 'z;s/^$/e/'`, `printf 'a\nb\n' | sed 'N;N;s/\n/-/'`, `printf 'a\nb\n' | sed -n '$='`,
}

var findScripts = []string{
	`mkdir -p a/b; touch a/f a/b/g.c x.c; find . | sort; find a | sort; find . -name '*.c' | sort; find . -type d | sort; find . -type f -name g.c; find . -maxdepth 1 | sort; find . -mindepth 2 | sort; find a/b; find nope 2>/dev/null; echo $?`, `mkdir -p a/b; touch a/f a/b/g; find . -name b -prune -o -type f -print; find . ! -name f -type f; find . -type f -o -name b | sort; find . \( -name f -o -name g \) -print | sort; find . -not -type d | sort`, `mkdir -p a/b; touch a/f a/b/g; find a -depth; find a -delete; ls`, `touch a b; find . -type f -exec echo x {} \; | sort; find . -type f -exec echo {} + | tr ' ' '\n' | sort; find . -type f -exec false \; ; echo $?; find . -type f -exec false {} + ; echo $?; find . -name a -exec sh -c 'echo "got $1"' _ {} \;`, `touch a; mkdir e; find . -empty | sort; printf 12345 > s; find . -size -10c -type f | sort; find . -size +4c -type f; find . -size 1 -type f`, `touch -d '3 days ago' old 2>/dev/null || touch -d 2020-01-01 old; touch new; find . -type f -mtime +1; find . -type f -newer old; find . -mmin -5 -type f | sort`, `touch a; chmod 644 a; touch b; chmod 755 b; find . -perm 644; find . -type f -perm -100; find . -type f -perm /111; find . -type f -perm -u+x`, `touch a; ln -s a l; ln -s nope d; find . -type l | sort; find -L . -type f | sort; find . -lname a; find . -type f,l | sort`, `touch 'a b' c; find . -type f -print0 | sort -z | tr '\0' '\n'; find . -type f -print0 | xargs -0 -n1 basename | sort`, `mkdir -p A/b; touch A/b/C; find . -iname c; find . -path './A/*' | sort; find . -path '*/b'; find . -printf '%f %y\n' | sort; find . -name C -printf '%h %P %d\n'`, `find . -bogus 2>/dev/null; echo $?; find . -name 2>/dev/null; echo $?; find . -type q 2>/dev/null; echo $?; find . \( -name x 2>/dev/null; echo $?`, `touch a b c; find . -type f -quit | wc -l; find . -type f -print -quit | wc -l; find . -false; find . -true -maxdepth 0; touch .hid; find . -name '*hid'`, `mkdir d; touch d/x; ln d/x d/y; find d -links 2 | sort; find d/x -user $(id -u); find . -name '[ab]*'; find -maxdepth 0; find / -maxdepth 0`, `touch a; find a -exec rm {} \; ; ls; find . -maxdepth 0 -exec echo \{\} \{\} \;`,
}

var archiveScripts = []string{
	`echo hello > f; gzip f; ls; gunzip f.gz; cat f`, `gzip -c | gunzip`, `gzip | gzip -dc`, `echo x > f; gzip -k f; ls; zcat f.gz; gzip -t f.gz; echo $?; gzip -d f.gz 2>/dev/null </dev/null; echo $?; gzip -df f.gz; ls`, `echo nope > f.gz; gunzip f.gz 2>/dev/null; echo $?; ls; gzip nope 2>/dev/null; echo $?; gunzip < f.gz 2>/dev/null; echo $?`, `seq 10000 | gzip -9 | gzip -d | tail -1; seq 10 | gzip > a.gz; seq 11 20 | gzip >> a.gz; zcat a.gz | wc -l; zcat < a.gz | head -1`, `touch -d 2001-01-01 f; chmod 640 f; gzip f; stat -c '%a %Y' f.gz; gunzip f; stat -c '%a %Y' f`, `echo a > a.tgz; gzip -d a.tgz 2>/dev/null; echo $?; echo a | gzip > b.tgz; gunzip b.tgz; ls`,
	`mkdir -p d/e; echo 1 > d/a; echo 2 > d/e/b; chmod 750 d/e; ln -s a d/l; ln d/a d/h; tar -cf t.tar d; tar -tf t.tar | sort; rm -r d; tar -xf t.tar; find d | sort; cat d/e/b; readlink d/l; stat -c %a d/e; [ d/a -ef d/h ] && echo linked`, `mkdir d; echo 1 > d/a; tar czf t.tgz d; tar tzf t.tgz; tar tf t.tgz; mkdir o; tar xzf t.tgz -C o; cat o/d/a; tar -cf - d | tar -tf -; tar cf - d | (cd o && tar xf -); tar -xOf t.tgz d/a`, `mkdir -p d/e; touch d/a d/b d/e/c; tar -cf t.tar --exclude=b d; tar tf t.tar | sort; tar -cf t.tar -C d a b; tar tf t.tar; mkdir o; tar -xf t.tar -C o a; ls o; tar xf t.tar nope 2>/dev/null; echo $?`, `mkdir -p d/e; echo x > d/e/f; tar cf t.tar d; mkdir o; tar xf t.tar --strip-components=1 -C o; find o | sort; tar xvf t.tar; tar cvf u.tar d`, `tar xf nope.tar 2>/dev/null; echo $?; echo junk > j; tar xf j 2>/dev/null; echo $?; tar 2>/dev/null; echo $?; tar cf x.tar nope 2>/dev/null; echo $?; tar cf y.tar 2>/dev/null; echo $?`, `touch -d 2001-02-03 f; mkdir d; touch -d 2002-02-03 d; tar cf t.tar f d; rm -r f d; tar xf t.tar; stat -c %Y f d; tar tvf t.tar | tr -s ' ' | cut -d' ' -f1,3-`, `mkdir a; echo new > a/f; tar cf t.tar a; echo old > a/f; tar xf t.tar; cat a/f; tar xf t.tar a/f; tar -x -f t.tar --exclude='a/f'; echo $?; printf 'a/f\n' > list; tar cf u.tar -T list; tar tf u.tar`, `mkdir d; ln -s d l; tar chf t.tar l; tar tf t.tar; tar cf u.tar l; tar tvf u.tar | cut -c1`,
}

var systemScripts = []string{
	`uname`, `uname -s`, `uname -m`, `uname -n`, `uname -r`, `uname -v`, `uname -a | cut -d' ' -f1-3`, `uname -o`, `uname -sm`, `uname -x 2>/dev/null; echo $?`, `arch`, `nproc`, `hostname`, `whoami`, `id -u`, `id -g`, `id -un`, `id -gn`, `id -u root`, `id root`, `id nope 2>/dev/null; echo $?`, `id | cut -d' ' -f1,2`, `printenv HOME; printenv NOPE; echo $?`, `env | grep ^HOME`, `true; echo $?; false; echo $?; true x; echo $?`, `sleep 0; echo $?; sleep x 2>/dev/null; echo $?; sleep 0.01s`, `tty; echo $?`,
	`date -u -d @0`, `date -u -d @86400 '+%Y-%m-%d %H:%M:%S %j %a %A %b %B %y %e %k %l %I %p %s %u %w %U %V %W %G %Z %z %%'`, `date -u -d '2024-02-29 13:45:59' '+%F %T %D %R %r %c'`, `date -u -d 2024-12-30 '+%V %G %g %U %W'`, `date -d nonsense 2>/dev/null; echo $?`, `date -u -d @0 -R; date -u -d @0 -Iseconds; date -u -d @0 -I; date -u -d @0 --iso-8601=minutes`, `touch -d 2001-02-03 f; date -u -r f +%s`, `date -u -d @5 '+%-d %-H %_d %03d x%n%t'`, `date +%s | wc -c`, `date +%N | wc -c`, `ps -p $$ -o pid= | tr -d ' ' | grep -c .; ps -e >/dev/null; echo $?; ps -p 999999999 -o pid=; echo $?`, `ps | head -1 | tr -s ' '`, `ps -ef | head -1 >/dev/null; ps aux | head -n1 | cut -d' ' -f1`, `sh -c 'ps -o ppid= -p $$' | grep -c .`, `kill -l | grep -c . | grep -q .; echo $?`,
}
