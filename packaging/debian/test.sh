#!/bin/sh
# test.sh SUITE OLD NEW: installs the package OLD in a Debian of that suite, upgrades it to NEW under a running tap, removes and
# purges it. As root. The Debian is made once, in bin/debian-SUITE; what a test changes is thrown away with its mount namespace.
set -eu
suite=$1 old=$2 new=$3
base=bin/debian-$suite
if [ ! -d "$base" ]; then
	rm -rf "$base.new"
	debootstrap --variant=minbase --include=systemd-standalone-sysusers,iproute2 "$suite" "$base.new" ${DEBIAN:+"$DEBIAN"}
	mv "$base.new" "$base"
fi
exec unshare --mount --net --pid --fork sh -eu -c '
	base=$1 old=$2 new=$3
	mount -t tmpfs tmpfs /mnt && mkdir /mnt/up /mnt/work /mnt/root
	mount -t overlay overlay -o "lowerdir=$base,upperdir=/mnt/up,workdir=/mnt/work" /mnt/root
	cp "$old" /mnt/root/old.deb && cp "$new" /mnt/root/new.deb && cp packaging/debian/inside.sh /mnt/root/inside.sh
	mount -t proc proc /mnt/root/proc && mount --rbind /dev /mnt/root/dev && mount -t sysfs sysfs /mnt/root/sys
	exec chroot /mnt/root env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root sh -eu /inside.sh' sh "$base" "$old" "$new"
