# What test.sh runs in a Debian of its own. systemctl is a script that writes down what it is asked.
mkdir -p /run/systemd/system
printf '#!/bin/sh\necho "$@" >>/asked\n' >/usr/bin/systemctl && chmod +x /usr/bin/systemctl
printf '#!/bin/sh\nexit 0\n' >/usr/sbin/policy-rc.d && chmod +x /usr/sbin/policy-rc.d
: >/asked && mkdir -p /var/lib/systemd

fail() { echo "$suite: $*" >&2; exit 1; }
suite=$(. /etc/os-release && echo "$VERSION_CODENAME")

dpkg -i /old.deb
getent passwd tap25 >/dev/null || fail 'there is no user tap25'
! grep -q restart /asked || fail 'a tap was restarted at the first installation'
tap25 version && tap25 sniff --help >/dev/null
for page in man1/tap25.1 man1/tap25-sniff.1 man5/tap25.yaml.5 man7/tap25-sql.7; do
	zcat /usr/share/man/$page.gz | grep -q '^\.TH' || fail "$page is no manual page"
done
for file in /usr/lib/systemd/system/tap25.service /usr/share/bash-completion/completions/tap25 /etc/tap25/tap25.yaml; do
	[ -s $file ] || fail "$file is missing"
done

# A tap that runs: a veth pair, and the settings of somebody who has edited them.
ip link set lo up && ip link add eth1 type veth peer name mirror && ip link set eth1 up && ip link set mirror up
sed -i 's/^#retention: never.*/retention: never/' /etc/tap25/tap25.yaml
mkdir -p /run/tap25 /var/lib/tap25
XDG_STATE_HOME=/var/lib tap25 sniff --config /etc/tap25/tap25.yaml --json --control /run/tap25/control.sock >/rows 2>/log &
tap=$!
for i in $(seq 100); do grep -q listening /log && break; sleep 0.1; done
grep -q listening /log || { cat /log; fail 'the tap does not listen'; }

dpkg -i --force-confdef --force-confold /new.deb
kill -0 $tap || fail 'the upgrade has ended the tap'
tap25 status --control /run/tap25/control.sock >/status || fail 'the new program does not understand the tap that runs'
grep -q 'try-restart tap25.service' /asked || fail 'a tap that runs is not restarted'
grep -q '^retention: never' /etc/tap25/tap25.yaml || fail 'the upgrade has taken the settings'
kill $tap && wait $tap || fail 'the tap ended with an error'

dpkg -r tap25
[ ! -e /usr/bin/tap25 ] && [ -e /etc/tap25/tap25.yaml ] || fail 'removal: the program or the settings'
grep -q 'stop tap25.service' /asked || fail 'removal has not stopped the tap'
touch /var/lib/tap25/recorded
dpkg -P tap25
[ ! -e /etc/tap25 ] || fail 'a purge has left the settings'
[ -e /var/lib/tap25/recorded ] || fail 'a purge has taken what was recorded'
echo "$suite: installed, upgraded under a running tap, removed, purged"
