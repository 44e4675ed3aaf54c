#!/bin/sh
# make demo: replays a capture of real mail into the private database and answers four questions of an auditor.
# The database is the demo's own and goes at the end, so that made-up mail never comes among real rows.
set -eu
tap25=${TAP25:-bin/tap25}
XDG_STATE_HOME=$(mktemp -d)
export XDG_STATE_HOME
chmod 755 "$XDG_STATE_HOME" # as root, PostgreSQL runs as another user
trap '$tap25 db down; rm -rf "$XDG_STATE_HOME"' EXIT

say() { printf '\n== %s\n' "$*"; }
ask() {
	say "$1"
	printf '%s\n\n' "$2"
	$tap25 db psql --db local -- -X -q -P pager=off -P null=- -c "$2"
}

say "tap25 replay testdata/demo.pcap.gz"
$tap25 db up >/dev/null
$tap25 replay --db local --sensor demo testdata/demo.pcap.gz

ask "Who wrote to marta@orchard.example?" \
"SELECT mail_from, count(DISTINCT (session_id, mail_no)) AS mails, min(seen_at) AS first, max(seen_at) AS last,
       count(*) FILTER (WHERE outcome <> 'accepted') AS not_delivered
FROM mail_to('marta@orchard.example')
GROUP BY mail_from ORDER BY mails DESC, mail_from LIMIT 8;"

ask "Whom did karim@harbor.example write to?" \
"SELECT rcpt_to, outcome, count(DISTINCT (session_id, mail_no)) AS mails
FROM mail_from('karim@harbor.example')
GROUP BY rcpt_to, outcome ORDER BY mails DESC, rcpt_to LIMIT 8;"

ask "All mail of 198.51.100.107 on the morning of 22 November 2026" \
"SELECT seen_at, client_ip, mail_from, rcpt_to, outcome, queue_id
FROM mail
WHERE (client_ip = '198.51.100.107' OR server_ip = '198.51.100.107')
  AND seen_at >= '2026-11-22 09:00Z' AND seen_at < '2026-11-22 13:00Z'
ORDER BY seen_at LIMIT 8;"

ask "Mail per day and recipient's domain" \
"SELECT date_trunc('day', seen_at)::date AS day, lower(split_part(rcpt_to, '@', -1)) AS domain,
       count(DISTINCT (session_id, mail_no)) AS mails, count(*) AS recipients,
       count(*) FILTER (WHERE outcome = 'accepted') AS accepted
FROM mail GROUP BY day, domain ORDER BY day, mails DESC LIMIT 12;"

say "This database is gone now. '$tap25 replay FILE' makes one that stays, and '$tap25 db psql' opens it."
