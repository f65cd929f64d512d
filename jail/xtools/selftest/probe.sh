# What configure scripts find out, as lines NAME=VALUE. It is run with the native
# tools, and with the root's own programs.
say() { printf '%s=%s\n' "$1" "$2"; }
yes_no() { name=$1; shift; if "$@" >probe.log 2>&1; then say "$name" yes; else say "$name" no; fi; }
mkdir -p probe && cd probe || exit 1
rm -rf ./*

# The machine, as config.guess asks.
say uname_m "`(uname -m) 2>/dev/null`"
say uname_s "`(uname -s) 2>/dev/null`"
say uname_p "`(uname -p) 2>/dev/null`"
say arch "`(arch) 2>/dev/null`"
say hosttype "`bash -c 'echo $HOSTTYPE-$MACHTYPE' 2>/dev/null`"
say getconf "`getconf LONG_BIT 2>/dev/null` `getconf PAGESIZE 2>/dev/null`"
say arg_max_known "`test \`getconf ARG_MAX 2>/dev/null || echo 1\` -gt 4096 && echo yes`"
say dpkg "`dpkg --print-architecture 2>/dev/null`"

# The shell.
say shell_functions "`f() { return 3; }; f; echo $?`"
say shell_arith "`echo $((7 / 2)) $((1 << 40)) $((-7 % 3))`"
say shell_large "`echo $((0x7fffffffffffffff)) $((010))`"
say shell_subst "`x=abcabc; echo ${x#a} ${x##*b} ${x%c} ${x%%b*} ${#x}`"
say shell_echo_n "`echo -n a; echo b\\\\c`"
say shell_umask "`umask`"
say shell_glob "`mkdir g; cd g; : >a; : >B; : >c1; : >_d; echo *; echo [a-c]*`"
say shell_signals "`sh -c 'trap "echo caught" USR1; kill -USR1 $$; :'; sh -c 'kill -TERM $$' 2>/dev/null; echo $?`"
say shell_limits "`ulimit -c`"
say shell_lineno "`eval 'echo $LINENO' | sed 's/[0-9][0-9]*/n/'`"
say shell_read "`printf 'a\\tb  c\\n' | { read x y; echo "$y"; }`"
say shell_printf "`printf '%05d|%-4s|%x|%.3f|%e|%c' 42 ab 255 1.5 12345.678 xyz`"
say bash "`bash -c 'a=(1 2 3); echo ${#a[@]} $((2**62)); [[ abc =~ b(.) ]] && echo ${BASH_REMATCH[1]}; echo $OSTYPE' 2>/dev/null`"
say bash_versinfo "`bash -c 'echo ${BASH_VERSINFO[5]}' 2>/dev/null`"

# The small tools.
printf 'b 2\na 10\nB 1\n_ 3\na 9\n' >list
say sort "`sort list | tr '\n' ,`"
say sort_n "`sort -k2n list | tr '\n' ,`"
say sort_f "`sort -f list | tr '\n' ,`"
say sed "`sed -n 's/\\([a-z]\\) \\([0-9]*\\)/\\2-\\1/p; $=' list | tr '\n' ,`"
say sed_e "`echo foo123bar | sed -E 's/([0-9]+)/<\\1>/; s/b.*$/\\U&/'`"
say grep "`grep -c '^[ab]' list` `grep -n -F 'a 9' list` `grep -E '(1|2)0?$' list | tr '\n' ,`"
say grep_x "`grep -x 'a' list; echo $?`"
say awk "`awk '{ s += $2; n[$1]++ } END { printf "%d %d %s %s %.10g\n", s, n["a"], substr("hello", 2, 3), toupper("x"), 2 ^ 53 + 1 }' list`"
say awk_srand "`awk 'BEGIN { srand(1); srand(2); print srand() , length("abc"), index("abc", "c"), match("xay", /a/) }'`"
say expr "`expr 7 \\* 6` `expr abc : 'a\\(.*\\)'` `expr length hello`"
say tr "`echo HELLO | tr '[:upper:]' '[:lower:]' | tr -d l`"
say cut "`echo a:b:c | cut -d: -f2,3`"
say od "`printf 'ab\\0' | od -An -tx1 | tr -d ' '`"
say od_order "`printf '\\001\\002\\003\\004' | od -An -tx4 | tr -d ' '` `printf '\\001\\002' | od -An -td2 | tr -d ' '`"
say cksum "`cksum <list` `md5sum <list 2>/dev/null` `sha256sum <list 2>/dev/null`"
say basename "`basename /a/b.c .c` `dirname /a/b.c`"
say date "`date -u -d @1000000000 +%Y-%m-%dT%H:%M:%S 2>/dev/null`"
say seq "`seq -s, 1 5 2>/dev/null` `seq 0.1 0.1 0.5 2>/dev/null | tr '\n' ,`"
say nl_wc "`wc -l <list | tr -d ' '` `wc -c <list | tr -d ' '`"
say find "`mkdir -p d/e; : >d/e/f; : >d/x; find d -type f -name '[fx]' | sort | tr '\n' ,`"
say xargs "`printf 'a b\\nc\\n' | xargs -n 2 echo | tr '\n' ,`"
say m4 "`echo 'define(x, eval(3 * 14))x' | m4 2>/dev/null`"
say diff "`printf 'a\\n' >p; printf 'b\\n' >q; diff p q | tr '\n' ,; diff -u p q | sed -n '3,$p' | tr '\n' ,; cmp -s p q; echo $?`"
say make_features "`printf 'x := $(sort b a c)\\nall: ; @echo $(x) $(words $(x)) $(MAKE_HOST) $(filter order-only second-expansion,$(.FEATURES))\\n' >m; make -s -f m 2>/dev/null`"
say make_library "`printf 'all: -lm ; @echo $<\n' >m; make -s -f m 2>/dev/null`"
say make_set "`printf 'all: ; @echo $(MAKE)\\n' >m; make -s -f m 2>/dev/null`"

# Files.
umask 027
: >mode; mkdir moded
say mode "`ls -ld mode moded | cut -c1-10 | tr '\n' ,`"
umask 022
say chmod "`chmod 4711 mode; ls -l mode | cut -c1-10; chmod u=rw,go=r mode; ls -l mode | cut -c1-10`"
say links "`ln mode hard; ln -s mode soft; ls -l hard | awk '{ print $2 }'; readlink soft`"
say install "`install -m 751 list inst 2>/dev/null; ls -l inst | cut -c1-10`"
say mkdir_p "`mkdir -p r/s/t && test -d r/s/t && echo yes`"
say touch "`touch -d 2001-09-09T01:46:40Z old 2>/dev/null; ls -l --time-style=+%s old 2>/dev/null | awk '{ print $6 }'; test list -nt old && echo newer`"
say cp_p "`cp -p old old2; test old2 -nt old || echo kept`"
say long_name "`x=0123456789012345678901234567890123456789; : >$x$x$x && ls | grep -c $x$x$x`"
say case "`: >Upper; test -f upper || echo kept`"
say executable "`printf '#!/bin/sh\\necho ran\\n' >s; chmod +x s; ./s`"
say tar "`tar --format=ustar --sort=name --mtime=@0 --owner=0 --group=0 -cf - d list 2>/dev/null | cksum`"
say gzip "`gzip -n -9 <list | cksum; gzip -c list | gzip -dc | cksum`"
say xz "`xz -T1 -6 -c <list 2>/dev/null | cksum`"
say bzip2 "`bzip2 -c <list 2>/dev/null | cksum`"
test -n "$CC" || exit 0

# The compiler.
cat >conftest.c <<'X'
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>
struct align { char c; long double d; };
int main(void) {
	union { uint32_t n; unsigned char c[4]; } u = { 1 };
	printf("%zu %zu %zu %zu %zu %zu %zu %zu %zu %zu %zu ", sizeof(short), sizeof(int), sizeof(long), sizeof(long long), sizeof(void *), sizeof(float),
		sizeof(double), sizeof(long double), sizeof(size_t), sizeof(wchar_t), sizeof(off_t));
	printf("%zu %zu %s %d %d\n", sizeof(time_t), offsetof(struct align, d), u.c[0] ? "little" : "big", (char)-1 < 0, (wchar_t)-1 < 0);
	return 0;
}
X
yes_no compiles $CC -o conftest conftest.c
say types "`./conftest 2>&1`"
say exeext "`ls conftest* | tr '\n' ,`"
try_link() { printf '#include <stddef.h>\nchar %s();\nint main(void) { return %s() == 0; }\n' "$1" "$1" >l.c; yes_no "func_$1" $CC -fno-builtin -o l l.c; }
for f in strlcpy getrandom memfd_create no_such_function; do try_link $f; done
try_header() { printf '#include <%s>\n' "$1" >h.c; yes_no "header_$1" $CC -E h.c; }
for h in stdint.h sys/epoll.h sys/event.h openssl/ssl.h asm/unistd.h; do try_header $h; done
printf 'int main(void) { return 0; }\n' >e.c
for flag in -pipe -fstack-protector-strong -fcf-protection -mbranch-protection=standard -msse2 -m32 -fno-such-flag; do yes_no "flag_$flag" $CC $flag -Werror -S -o e.s e.c; done
say stderr_empty "`$CC -o e e.c 2>&1 | cksum`"
say error_status "`printf 'int main( {\\n' >bad.c; $CC -c bad.c >/dev/null 2>&1; echo $?`"
say exit_status "`printf 'int main(void) { return 7; }\\n' >x.c; $CC -o x x.c && ./x; echo $?`"
printf '#include <stdio.h>\nint main(int c, char **v) { printf("%%s %%d\\n", v[0], c); return 0; }\n' >a.c
say argv0 "`$CC -o a a.c && ./a x y`"
say nm "`$CC -c e.c && nm e.o | awk '{ print $2 $3 }' | tr '\n' ,`"
say ld_emulation "`ld -V 2>/dev/null | sed 1d | tr -d ' ' | tr '\n' ,`"
say objdump "`objdump -f e.o 2>/dev/null | sed -n 's/.*file format //p; s/^architecture: //p' | tr '\n' ,`"
say file "`file -b e.o 2>/dev/null | cut -d, -f1,2`"
say readelf "`readelf -h e.o 2>/dev/null | sed -n 's/ *Machine: *//p; s/ *Flags: *//p' | tr '\n' ,`"
exit 0
