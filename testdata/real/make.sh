#!/bin/bash
# Remakes the captures of real mail software in this folder, their expected rows, and ../demo.pcap.gz:
#
#   testdata/real/make.sh [CASE…]        all cases, or those named (see drive.py)
#   KEEP=DIR testdata/real/make.sh …     keeps the servers' logs in DIR
#
# Needs root on Debian 12 and Go. Postfix is installed; Exim and OpenSMTPD, which conflict with it as packages, are
# only unpacked. All of them run with configurations, queues and users of their own, in namespaces of their own (network,
# mount, process): the machine's own mail system, /etc and /var are not touched, no packet leaves the machine, and
# when this script ends, however it ends, the kernel ends every process and removes every namespace.
#
#   this namespace: servers on port 25               namespace "client"
#   192.0.2.25  2001:db8:2::25  Postfix              198.51.100.25  2001:db8:1::25  Postfix   (fed on 127.0.0.1:2525)
#   192.0.2.26  2001:db8:2::26  Exim                 198.51.100.26  2001:db8:1::26  Exim      (fed on 127.0.0.1:2526)
#   192.0.2.27  2001:db8:2::27  OpenSMTPD            198.51.100.27                  OpenSMTPD (fed on 127.0.0.1:2527)
#   192.0.2.28                  Postfix that         198.51.100.30  2001:db8:1::30  Python's smtplib
#                               refuses early        198.51.100.31                  Go's net/smtp
set -euo pipefail

readonly limit=900 # seconds after which everything is ended
here=$(cd "$(dirname "$0")" && pwd)
readonly here

if [ "${1:-}" != --inside ]; then
	[ "$(id -u)" -eq 0 ] || { echo "$0: must be root: it makes network namespaces" >&2; exit 1; }
	command -v go >/dev/null || { echo "$0: go is missing" >&2; exit 1; }
	export DEBIAN_FRONTEND=noninteractive
	if ! command -v postconf >/dev/null; then
		echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
		missing=(postfix)
	fi
	missing+=(tcpdump ethtool iproute2 iputils-ping openssl python3 zstd libmariadb3 libidn12 libspf2-2)
	dpkg-query -W -f '${db:Status-Status}\n' "${missing[@]}" 2>/dev/null | grep -cx installed | grep -qx ${#missing[@]} ||
		{ apt-get update -q && apt-get install -qy --no-install-recommends "${missing[@]}"; }
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	chmod 755 "$work"
	(
		mkdir "$work/debs" && cd "$work/debs"
		apt-get download -q exim4-daemon-heavy opensmtpd 2>/dev/null
		for deb in *.deb; do dpkg -x "$deb" "$work/unpacked"; done
	)
	(cd "$here" && go build -o "$work/goclient" goclient.go)
	timeout --kill-after=5 $limit unshare --net --mount --pid --fork --kill-child --mount-proc \
		"$BASH" "$0" --inside "$work" "$@"
	exit
fi
shift
export W=$1
shift

# What the mail systems have hard-wired, they find here: private copies that go with the mount namespace.
cp -a /etc "$W/etc"
cat >> "$W/etc/passwd" <<-'END'
	store:x:64001:64001::/nonexistent:/bin/sh
	Debian-exim:x:64002:64002::/nonexistent:/usr/sbin/nologin
	opensmtpd:x:64003:64003::/var/lib/opensmtpd/empty:/usr/sbin/nologin
	opensmtpq:x:64004:64004::/var/lib/opensmtpd/empty:/usr/sbin/nologin
END
printf '%s\n' store:x:64001: Debian-exim:x:64002: opensmtpd:x:64003: opensmtpq:x:64004: >> "$W/etc/group"
printf '%s\n' 'passwd: files' 'group: files' 'shadow: files' 'hosts: files' 'services: files' > "$W/etc/nsswitch.conf"
echo '127.0.0.1 localhost' > "$W/etc/hosts"
rm -f "$W/etc/resolv.conf"
echo 'nameserver 127.0.0.1' > "$W/etc/resolv.conf" # where nobody answers
echo mx.opensmtpd.example > "$W/etc/mailname"
mount --bind "$W/etc" /etc
mkdir -p "$W/varlib/opensmtpd/empty" "$W/stored" "$W/tls"
mount --bind "$W/varlib" /var/lib
mount --bind "$W/unpacked/usr/libexec" /usr/libexec
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /var/spool
chown store "$W/stored"
chmod 1777 "$W/stored"

ip netns add client
ip link add server0 type veth peer name client0 netns client
ip link set lo up
ip -n client link set lo up
# Without offloads frames are those of the wire: 1514 bytes at most, with good checksums.
ethtool -K server0 tso off gso off gro off tx off rx off sg off >/dev/null
ip netns exec client ethtool -K client0 tso off gso off gro off tx off rx off sg off >/dev/null
for n in 25 26 27 28; do
	ip addr add 192.0.2.$n/24 dev server0
	ip addr add 2001:db8:2::$n/64 dev server0 nodad
done
for n in 25 26 27 30 31 $(seq 101 112); do
	ip -n client addr add 198.51.100.$n/24 dev client0
	ip -n client addr add 2001:db8:1::$n/64 dev client0 nodad
done
ip link set server0 up
ip -n client link set client0 up
ip route add 198.51.100.0/24 dev server0 src 192.0.2.25
ip route add 2001:db8:1::/64 dev server0
ip -n client route add 192.0.2.0/24 dev client0 src 198.51.100.30
ip -n client route add 2001:db8:2::/64 dev client0
ip netns exec client ping -q -c1 -W5 2001:db8:2::25 >/dev/null

openssl req -x509 -newkey rsa:2048 -nodes -days 3650 -subj /CN=mx.example -keyout "$W/tls/key.pem" -out "$W/tls/cert.pem" 2>/dev/null
chmod 644 "$W/tls/key.pem" # Exim reads it unprivileged; OpenSMTPD wants its own copy unreadable
install -m 600 "$W/tls/key.pem" "$W/tls/key-opensmtpd.pem"
for name in postfix-server postfix-client; do
	mkdir -p "$W/$name/etc" "$W/$name/spool" "$W/$name/data"
	chown postfix "$W/$name/data"
	sed "s#@W@#$W#g" "$here/conf/$name-main.cf" > "$W/$name/etc/main.cf"
	sed "s#@W@#$W#g" "$here/conf/$name-master.cf" > "$W/$name/etc/master.cf"
done
for name in exim-server exim-client; do
	mkdir -p "$W/$name/spool" "$W/$name/log" "$W/etc/exim4"
	chown -R Debian-exim: "$W/$name"
	sed "s#@W@#$W#g" "$here/conf/$name.conf" > "$W/etc/exim4/$name.conf"
	echo "/etc/exim4/$name.conf" >> /etc/exim4/trusted_configs
done
for name in opensmtpd-server opensmtpd-client; do
	sed "s#@W@#$W#g" "$here/conf/$name.conf" > "/etc/$name.conf"
	chmod 600 "/etc/$name.conf"
done

keep() {
	[ -n "${KEEP:-}" ] || return 0
	mkdir -p "$KEEP"
	cp -r "$W"/*.log "$W/stored" "$KEEP" || true
	for name in exim-server exim-client; do cp "$W/$name/log/mainlog" "$KEEP/$name.mainlog" || true; done
	cp "$W/exim-server/debug" "$KEEP/exim-server.debug"
	for name in postfix-server postfix-client; do cp "$W/$name/mail.log" "$KEEP/$name.log"; done
}
trap keep EXIT

# Each server's log holds its dialogues: the commands that it took and the replies that it gave.
postfix -c "$W/postfix-server/etc" start 2>"$W/postfix-server/start" || { cat "$W/postfix-server/start" >&2; exit 1; }
"$W/unpacked/usr/sbin/exim4" -C /etc/exim4/exim-server.conf -bdf -d-all+receive+pid 2>"$W/exim-server/debug" &
smtpd() { # smtpd NAME ARGUMENT…: OpenSMTPD in the foreground, with a queue and a control socket of its own
	# shellcheck disable=SC2016 # for the inner shell
	unshare --mount sh -c 'mount -t tmpfs tmpfs /run; mkdir -m 711 /var/spool/smtpd-$0; mount --bind /var/spool/smtpd-$0 /var/spool; mkdir -m 711 /var/spool/smtpd
		cd /; exec '"$W"'/unpacked/usr/sbin/smtpd -d -f /etc/$0.conf "$@"' "$@"
}
smtpd opensmtpd-server -v -T smtp >"$W/opensmtpd-server.log" 2>&1 &
ip netns exec client postfix -c "$W/postfix-client/etc" start 2>/dev/null
ip netns exec client "$W/unpacked/usr/sbin/exim4" -C /etc/exim4/exim-client.conf -bdf &
ip netns exec client "$BASH" -c "$(declare -f smtpd); smtpd opensmtpd-client" >"$W/opensmtpd-client.log" 2>&1 &

for _ in $(seq 100); do
	[ "$(ss -Hltn 'sport = 25' | wc -l)" -ge 7 ] && [ "$(ip netns exec client ss -Hltn | wc -l)" -ge 3 ] && break
	sleep 0.1
done
{
	postconf -dh mail_version | sed 's/^/Postfix /'
	"$W/unpacked/usr/sbin/exim4" -C /etc/exim4/exim-server.conf -bV 2>/dev/null | sed -n 's/^Exim version \([0-9.]*\).*/Exim \1/p'
	{ "$W/unpacked/usr/sbin/smtpd" -h 2>&1 || true; } | sed -n 's/^version: //p'
	/usr/bin/python3 --version
	go version | cut -d' ' -f3
	tcpdump --version 2>&1 | sed -n 1,2p
} > "$W/versions"
ip netns exec client /usr/bin/python3 -B "$here/drive.py" "$here" "$@"
