#!/bin/sh
# Runs a mail system until its standard input ends, in namespaces of its own (mount, process), in the network namespace at hand:
#
#   unshare --mount --pid --fork --mount-proc testdata/live/mta.sh postfix|exim|dovecot DIR UNPACKED [SETTING...]
#
# DIR takes its queue and its log (DIR/log); UNPACKED holds the unpacked Debian packages, which could not be installed side
# by side, nor without harm to the machine's own. Each SETTING is a line more of its configuration;
# with Postfix it takes the place of one that is there. What they have hard-wired, they find by mounts that nobody else sees: their
# programs laid over /usr, and an /etc of their own. All of it ends with this script, whatever ends it.
set -eu
kind=$1 dir=$2 unpacked=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)

mount -t overlay overlay -o "lowerdir=$unpacked/usr:/usr" /usr
cp -a /etc "$dir/etc"
cp -a "$unpacked/etc/." "$dir/etc"
mount --bind "$dir/etc" /etc
cat >> /etc/passwd <<'END'
postfix:x:64005:64005::/nonexistent:/usr/sbin/nologin
Debian-exim:x:64002:64002::/nonexistent:/usr/sbin/nologin
dovecot:x:64007:64007::/nonexistent:/usr/sbin/nologin
dovenull:x:64008:64008::/nonexistent:/usr/sbin/nologin
END
printf '%s\n' postfix:x:64005: postdrop:x:64006: Debian-exim:x:64002: dovecot:x:64007: dovenull:x:64008: >> /etc/group
printf '%s\n' 'passwd: files' 'group: files' 'hosts: files' 'services: files' 'protocols: files' > /etc/nsswitch.conf
echo '127.0.0.1 localhost' > /etc/hosts
rm -f /etc/resolv.conf
echo 'nameserver 127.0.0.1' > /etc/resolv.conf # where nobody answers

case $kind in
postfix)
	mkdir -p "$dir/conf" "$dir/spool" "$dir/data"
	chown postfix "$dir/data"
	sed "s#@DIR@#$dir#g" "$here/postfix-main.cf" > "$dir/conf/main.cf"
	[ $# = 0 ] || postconf -c "$dir/conf" -e "$@"
	cp "$here/postfix-master.cf" "$dir/conf/master.cf"
	postfix -c "$dir/conf" start
	;;
exim)
	mkdir -p "$dir/spool" /etc/exim4
	chown Debian-exim: "$dir" "$dir/spool"
	sed "s#@DIR@#$dir#g" "$here/exim.conf" > /etc/exim4/exim4.conf
	[ $# = 0 ] || printf '%s\n' "$@" >> /etc/exim4/exim4.conf
	exim4 -bdf &
	;;
dovecot)
	mkdir -p "$dir/mail"
	chown dovecot: "$dir/mail"
	case $(dovecot --version) in
	2.[0-3].*) conf=dovecot.conf full='userdb_quota_rule=*:bytes=1' ;;
	*) conf=dovecot-2.4.conf full='userdb_quota_storage_size=1B' ;;
	esac
	for user in a b c full; do
		rule=
		[ $user = full ] && rule=$full
		echo "$user:{plain}x:64007:64007::$dir/mail/$user::$rule"
	done > "$dir/users"
	sed "s#@DIR@#$dir#g" "$here/$conf" > "$dir/dovecot.conf"
	[ $# = 0 ] || printf '%s\n' "$@" >> "$dir/dovecot.conf"
	dovecot -F -c "$dir/dovecot.conf" &
	;;
esac
cat > /dev/null
