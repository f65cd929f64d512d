#!/bin/sh
# Stands for xjail: registers names in a file. Of "broken" nothing works.
echo "xjail $*" >>"$XJAIL_LOG"
[ "$1 $2 $3" = "--state /var/db/xjail activator" ] || exit 64
command=$4 arch=$5
[ "$arch" = broken ] && echo "xjail: error: broken" >&2 && exit 13
case $command in
register)
	grep -qx "$arch" "$XJAIL_TABLE" || echo "$arch" >>"$XJAIL_TABLE"
	;;
unregister)
	grep -qx "$arch" "$XJAIL_TABLE" || { echo "xjail: error: no such entry" >&2; exit 10; }
	grep -vx "$arch" "$XJAIL_TABLE" >"$XJAIL_TABLE.new"
	mv "$XJAIL_TABLE.new" "$XJAIL_TABLE"
	;;
status)
	echo "imgact_binmisc (kern.binmisc): entries: 2 of 64"
	echo "NAME    STATE    OWNER  INTERPRETER"
	while read -r name; do
		state=enabled
		[ "$name" = other ] && state=shadowed
		echo "$name $state xjail /usr/local/bin/qemu"
	done <"$XJAIL_TABLE"
	;;
esac
