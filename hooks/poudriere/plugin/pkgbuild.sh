#!/bin/sh
# Hook "pkgbuild" of poudriere, for xjail. "xjail poudriere hooks install" wrote it,
# and writes it anew; what is changed here is not overwritten but reported.
# @DIGEST@
#
# xjail is asked, and nothing is decided here. Whatever becomes of xjail, the
# answer is to go on, in silence: poudriere ends the whole build when a hook
# fails. Status 75 alone is meant to stop it, and comes with a sentence.

# A shell that cannot fork or open a file is at its end, with a status of its own.
trap 'exit 0' EXIT
exec 2>/dev/null
xjail='@XJAIL@'
limit='@LIMIT@'

if [ ! -f "$xjail" ] || [ ! -x "$xjail" ]; then
	exit 0
fi
# What the kernel cannot start, shells and execvp(3) take for a script, and run: a
# program of another machine, or one of which there is only the beginning.
case $(od -An -tx1 -N20 "$xjail") in
'') ;;
*7f*45*4c*46*@MACHINE@*)
	size=$(wc -c <"$xjail")
	if [ "${size##* }" -lt 65536 ]; then
		exit 0
	fi
	;;
*) exit 0 ;;
esac
set -- '@OPTIONS@' poudriere hook '@HOOK@' -- pkgbuild "$@"
if command -v timeout >/dev/null; then
	timeout -s KILL "$limit" "$xjail" "$@" </dev/null
else
	"$xjail" "$@" </dev/null
fi
if [ $? -eq 75 ]; then
	trap - EXIT
	exit 75
fi
exit 0
