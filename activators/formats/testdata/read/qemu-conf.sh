#!/bin/sh
# The shape of QEMU's script that registers its emulators: a table in variables
# whose names are made up, functions in variables, options through getopt, and the
# kind of host found out by a program.

list="i386 arm \
microblaze mips64"

i386_magic='\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x03\x00'
i386_mask='\xff\xff\xff\xff\xff\xfe\xfe\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
i386_family=x86
arm_magic='\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00'
arm_mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
arm_family=arm
microblaze_magic='\x7fELF\x01\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xba\xab'
microblaze_mask='\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff'
microblaze_family=microblaze
mips64_magic='\x7fELF\x02\x02\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x08'
mips64_mask='\xff\xff\xff\xff\xff\xff\xff\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff'
mips64_family=mips

family_of_host() {
    kind=${HOST_ARCH:-$(uname -m)}
    case "$kind" in
    amd64|i?86|x86_64) echo x86 ;;
    mips*) echo mips ;;
    *) echo "$kind" ;;
    esac
}

writable() {
    if [ ! -w "$1" ] ; then
        echo "cannot write to $1" 1>&2
        exit 1
    fi
}

check_kernel() {
    if [ ! -d /proc/sys/fs/binfmt_misc ]; then
      if ! /sbin/modprobe binfmt_misc ; then
          exit 1
      fi
    fi
    if [ ! -f /proc/sys/fs/binfmt_misc/register ]; then
      if ! mount binfmt_misc -t binfmt_misc /proc/sys/fs/binfmt_misc ; then
          exit 1
      fi
    fi
    writable /proc/sys/fs/binfmt_misc/register
}

check_dir() { writable "$out"; }

rule() {
    flags=""
    if [ "$credential" = "yes" ] ; then
        flags="OC"
    fi
    if [ "$persistent" = "yes" ] ; then
        flags="${flags}F"
    fi
    echo ":qemu-$cpu:M::$magic:$mask:$emulator:$flags"
}

to_kernel() { rule > /proc/sys/fs/binfmt_misc/register; }

to_systemd() { rule > "$out/qemu-$cpu.conf"; }

to_debian() {
    cat > "$out/qemu-$cpu" <<END
package qemu-$cpu
interpreter $emulator
magic $magic
mask $mask
credentials $credential
fix_binary $persistent
END
}

each() {
    host=$(family_of_host)
    for cpu in ${list} ; do
        magic=$(eval echo \$${cpu}_magic)
        mask=$(eval echo \$${cpu}_mask)
        family=$(eval echo \$${cpu}_family)
        if [ "$magic" = "" ] || [ "$mask" = "" ] || [ "$family" = "" ] ; then
            echo "unknown cpu $cpu" 1>&2
            continue
        fi
        emulator="$place/qemu-$cpu"
        if [ "$host" != "$family" ] ; then
            $do
        fi
    done
}

check=check_kernel
do=to_kernel
place=/usr/local/bin
credential=no
persistent=no

options=$(getopt -o dse:c:p: -l debian,systemd,exportdir:,credential:,persistent: -- "$@")
eval set -- "$options"

while true ; do
    case "$1" in
    -d|--debian)
        check=check_dir
        do=to_debian
        out=${out:-/usr/share/binfmts}
        ;;
    -s|--systemd)
        check=check_dir
        do=to_systemd
        out=${out:-/etc/binfmt.d}
        ;;
    -e|--exportdir) shift; out="$1" ;;
    -c|--credential) shift; credential="$1" ;;
    -p|--persistent) shift; persistent="$1" ;;
    *) break ;;
    esac
    shift
done

$check
each
