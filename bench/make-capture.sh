#!/bin/bash
# Makes a large capture of ordinary mail without loss, and the truth about it:
#
#   bench/make-capture.sh MESSAGES OUT.pcap [small]
#
# Two thirds of the mails have 1 kB, a quarter 10 kB, the rest 100 kB; with "small" all have 1 KiB.
# OUT.truth holds one line for each RCPT command, "sender<TAB>recipient", sorted; OUT.mails the number of mails.
# Both are known from what the senders were told to send, never from the packets.
#
# Postfix's smtp-source talks to its smtp-sink on port 25. Half of the batches send one mail on a connection, half
# many. smtp-source does not wait for the answer to QUIT, so that many sessions end in a RST, and the client has
# few ports, so that each is used again within seconds: two things that a reassembler must bear.
#
# Everything runs in namespaces of its own, which end with this script however it ends: no packet leaves the machine
# and no process stays. Needs root and the packages postfix ('make bin/mta' unpacks it, which is enough), tcpdump,
# ethtool, iproute2, openssl, procps. 100,000 mails: about 1.3 GB in half a minute.
set -euo pipefail

readonly batch=250          # mails that one smtp-source sends, with one sender and one recipient name
readonly parallel=4         # smtp-source processes at a time
readonly servers=16         # smtp-sink processes, each with an address
readonly limit=1800         # seconds after which everything is ended
readonly ports="20000 27999" # of the client: few, so that they are reused

unpacked=$(realpath -m "$(dirname "$0")/../bin/mta/usr")
if ! command -v smtp-source >/dev/null && [ -x "$unpacked/sbin/smtp-source" ]; then
	export PATH=$PATH:$unpacked/sbin LD_LIBRARY_PATH=$unpacked/lib/postfix
fi

if [ "${1:-}" != --inside ]; then
	[ $# -ge 2 ] && [ $# -le 3 ] && [ "$1" -gt 0 ] && [ "${3:-small}" = small ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
	for tool in smtp-source smtp-sink tcpdump ethtool ip openssl sysctl; do
		command -v "$tool" >/dev/null || { echo "$0: $tool is missing: apt-get install postfix tcpdump ethtool iproute2 openssl procps" >&2; exit 1; }
	done
	exec timeout --kill-after=5 "$limit" unshare --net --mount --pid --fork --kill-child --mount-proc \
		"$BASH" "$0" --inside "$1" "$(realpath -m "$2")" "${3:-}"
fi
readonly messages=$2 out=$3 stem=${3%.pcap} kind=$4

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mount -t tmpfs tmpfs /run # ip netns keeps its names there

# The server is this namespace, the client one below it.
ip netns add client
ip link add server0 type veth peer name client0 netns client
sysctl -qw net.core.somaxconn=4096
ip netns exec client sysctl -qw net.ipv4.ip_local_port_range="$ports" net.ipv4.tcp_tw_reuse=1
ip addr add 192.0.2.1/24 dev server0
ip -n client addr add 192.0.2.100/24 dev client0
for n in $(seq $servers); do ip addr add "192.0.2.$((n + 1))/32" dev server0; done
# Without offloads frames are those of the wire: 1514 bytes at most, with good checksums.
ethtool -K server0 tso off gso off gro off tx off rx off sg off >/dev/null
ip netns exec client ethtool -K client0 tso off gso off gro off tx off rx off sg off >/dev/null
ip link set lo up
ip link set server0 up
ip -n client link set client0 up

for n in $(seq $servers); do
	smtp-sink -u nobody -h "mx$n.dest.example" "192.0.2.$((n + 1)):25" 1000 >/dev/null 2>&1 &
done
until [ "$(ss -Hltn 'sport = 25' | wc -l)" -eq $servers ]; do sleep 0.1; done

tcpdump -i server0 -n -s0 -B 524288 -w - 'tcp port 25' 2>"$work/tcpdump.log" >"$out" &
tcpdump=$!
until grep -q listening "$work/tcpdump.log"; do sleep 0.1; done

# noise BYTES: text that does not compress, the same in each run, as base64 lines.
noise() { openssl enc -aes-128-ctr -K "$(printf %032d "$1")" -iv 00 -in /dev/zero 2>/dev/null | head -c $(($1 * 3 / 4)) | base64 || true; }
sizes="1000 10000 100000" shares="68 01 25 02 7 03"
[ "$kind" != small ] || sizes=1024 shares="100 01"
for size in $sizes; do
	printf 'From: Sender <sender@src.example>\nTo: list@dest.example\nSubject: %d bytes\nMIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n' $size
	noise $((size - 130))
done > "$work/all"
csplit -s -f "$work/message" "$work/all" '/^From: /' '{*}' # message00 is empty, 01 and on hold one each

# Ordinary mail, in shares of 100: most of it small and to one recipient.
pick() { # pick SHARE VALUE SHARE VALUE …
	local r=$((RANDOM % 100))
	while [ $r -ge "$1" ]; do r=$((r - $1)); shift 2; done
	echo "$2"
}
RANDOM=25
sent=0 number=0
while [ $sent -lt "$messages" ]; do
	count=$((messages - sent < batch ? messages - sent : batch))
	server=$((number % servers + 1))
	sender="user$number@src$((number % 13)).example" recipient="rcpt$number@dest$server.example"
	message=$(pick $shares) recipients=$(pick 60 1 18 2 12 3 7 5 3 10) sessions=$(pick 34 5 33 10 33 25)
	reuse=$(pick 50 -d 50 "")
	# -N numbers all recipients of the batch, so that every RCPT of the capture is unlike every other.
	ip netns exec client smtp-source -4 $reuse -N -s "$sessions" -m "$count" -r "$recipients" -F "$work/message$message" \
		-M "relay$((number % 97)).src$((number % 13)).example" -f "$sender" -t "$recipient" "inet:192.0.2.$((server + 1)):25" &
	pids+=($!)
	seq $((count * recipients)) | awk -v s="$sender" -v r="$recipient" '{print s "\t" $1 r}' >> "$work/truth"
	sent=$((sent + count)) number=$((number + 1))
	if [ ${#pids[@]} -ge $parallel ]; then wait "${pids[0]}"; pids=("${pids[@]:1}"); fi
done
for pid in "${pids[@]}"; do wait "$pid"; done

sleep 2 # the last packets
kill -INT $tcpdump
wait $tcpdump || true
grep -q '^0 packets dropped by kernel' "$work/tcpdump.log" || { cat "$work/tcpdump.log" >&2; exit 1; }
LC_ALL=C sort "$work/truth" > "$stem.truth"
echo "$sent" > "$stem.mails"
echo "$sent mails, $(wc -l < "$stem.truth") recipients, $(stat -c %s "$out") bytes: $out, $stem.truth"
