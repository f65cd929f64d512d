#!/bin/sh
# The shape of a Debian package's postinst before there were format files.
set -e

fmts="aarch64 arm"
aarch64_magic='\x7f\x45\x4c\x46\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00'
aarch64_mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
arm_magic='\x7f\x45\x4c\x46\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00'
arm_mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'

case "$1" in
    configure|abort-upgrade)
	if test -x /usr/sbin/update-binfmts; then
	    for fmt in $fmts; do
		eval magic=\$${fmt}_magic
		eval mask=\$${fmt}_mask
		update-binfmts --package qemu-user-static --install qemu-$fmt /usr/bin/qemu-$fmt-static \
		    --magic "$magic" --mask "$mask" --offset 0 --credentials yes --fix-binary yes
	    done
	    update-binfmts --package qemu-user-static --remove qemu-sparc /usr/bin/qemu-sparc-static
	fi
	;;
    abort-remove) ;;
    *)
	echo "called with unknown argument \`$1'" >&2
	exit 1
	;;
esac
exit 0
