#!/usr/bin/env bash
# How fast the questions of an auditor are over DAYS days of ROWS_A_DAY rows, in the schema of the migrations, once the days are
# finished: cold (server restarted, page cache dropped), in a new session, and again in the same. With PACK=1 the days are packed
# before. docs/storage.md has the results.
migrations=$(realpath "$(dirname "$0")/../store/migrations")
. "$(dirname "$0")/cluster.sh"
export PGOPTIONS='-c search_path=tap25,tap25_internal,public' # the names below are without their schemas
days=${DAYS:-100} per_day=${ROWS_A_DAY:-100000} first=${FIRST:-$(date -u -d "2026-11-01 -${DAYS:-100} days" +%F)}
total=$((days * per_day))

heading() { printf '| part | octets a row |\n| --- | --- |\n'; }

sizes() {
	heading
	sql -F ' | ' -c "select '| ' || coalesce(kind, 'all'), round(sum(size)::numeric / $total, 1) || ' |' from (
		select regexp_replace(regexp_replace(c.relname, '^envelopes_\\d+_?', ''), '_idx$', '') as kind, pg_relation_size(c.oid) as size
		from pg_class c where relname ~ '^envelopes_\\d+' and relkind in ('r', 'i')
		union all select 'summaries', pg_total_relation_size('summaries')
		union all select 'summaries', pg_total_relation_size(inhrelid) from pg_inherits where inhparent = 'prints'::regclass) x group by rollup (kind) order by 1"
}

fill() {
	migrate
	local d day t0
	t0=$(now)
	for ((d = 0; d < days; d++)); do
		day=$(date -u -d "$first + $d days" +%F)
		sql -c "begin; select * from begin_load('tap-1', array['$day'::date]);
			insert into envelopes (seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome, mail_code,
				rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id)
			select seen_at, session_id, message_bytes, declared_size, nullif(lost_bytes, 0), mail_no, client_port - 32768, server_port - 32768, outcome, mail_code,
				rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id
			from ($(rows $((d * per_day + 1)) $(((d + 1) * per_day)) "$day 00:00Z" '1 day')) x; commit"
	done
	awk -v n=$total -v a="$t0" -v b="$(now)" 'BEGIN { printf "%d rows inserted, %d rows/s\n\n", n, n / (b - a) }'
	sizes
	t0=$(now)
	for ((d = 0; d < days; d++)); do
		day=$(date -u -d "$first + $d days" +%F)
		sql -c "select summarize_day('$day')" -o /dev/null
	done
	awk -v n=$total -v a="$t0" -v b="$(now)" 'BEGIN { printf "\nsummaries: %.1f us a row\n", (b - a) * 1e6 / n }'
	t0=$(now)
	for ((d = 0; d < days; d++)); do
		day=envelopes_$(date -u -d "$first + $d days" +%Y%m%d)
		for index in $(sql -c "select i.indexrelid::regclass from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
			where i.indrelid = '$day'::regclass and a.amname = 'btree'"); do sql -c "alter index $index set (fillfactor = 100)"; done
		sql -c "reindex table concurrently $day"
	done
	awk -v n=$total -v a="$t0" -v b="$(now)" 'BEGIN { printf "reindex: %.1f us a row\n\n", (b - a) * 1e6 / n }'
	sql -c "vacuum analyze"
	sizes
}
[ -z "$fresh" ] || fill

pack() {
	local d t0
	t0=$(now)
	for ((d = 0; d < days; d++)); do
		sql -c "select pack_day('$(date -u -d "$first + $d days" +%F)')" -o /dev/null
	done
	awk -v n=$total -v a="$t0" -v b="$(now)" 'BEGIN { printf "\npacking: %.0f rows/s\n\n", n / (b - a) }'
	sql -c "vacuum analyze"
	heading
	sql -F ' | ' -c "select '| ' || part, round(sum(pg_total_relation_size(inhrelid))::numeric / $total, 1) || ' |' from (
		select inhrelid, case inhparent when 'blocks'::regclass then 'blocks' else 'which blocks have a value' end as part
		from pg_inherits where inhparent in ('blocks'::regclass, 'block_prints'::regclass)) x group by part"
}
[ -z "${PACK:-}" ] || pack

row() { sql -c "select $1 from mail where seen_at >= '$first'::timestamptz + interval '$((days / 2)) days 7 hours' order by seen_at limit 1"; }
one_from=$(row 'upper(mail_from)') one_to=$(row 'upper(rcpt_to)') ip=$(row 'host(client_ip)') server=$(row 'host(server_ip)')
typed_from=$(row mail_from) typed_to=$(row rcpt_to)
from=$(date -u -d "$first + $((days / 2)) days" +%F) to=$(date -u -d "$first + $((days / 2 + 7)) days" +%F)
questions=(
	"mail_from('$one_from')"
	"mail where bucket(mail_from) = bucket('$one_from') and lower(mail_from) = lower('$one_from')"
	"mail_to('$one_to')"
	"mail where bucket(rcpt_to) = bucket('$one_to') and lower(rcpt_to) = lower('$one_to')"
	"mail_from('$one_from', '$from', '$to')"
	"mail_from('nobody@nowhere.example')"
	"mail_client('$ip')"
	"mail where client_ip = '$ip'"
	"mail_server('$server')"
	"mail where server_ip = '$server'"
	"mail where client_ip <<= '$ip/28'"
	"mail_from_domain('D40000.example')"
	"mail_to_domain('d40000.EXAMPLE')"
	"mail_from_domain('d1.example')"
	"mail where mail_from = '$typed_from'"
	"mail where rcpt_to in ('$typed_to', 'nobody@nowhere.example')"
	"mail_once('$from 10:00Z', '$from 11:00Z')"
	"mail where seen_at >= '$from 10:00Z' and seen_at < '$from 11:00Z'"
)
echo
echo "| question | rows | cold ms | new session ms | same session ms |"
echo "| --- | --- | --- | --- | --- |"
for q in "${questions[@]}"; do
	ask="select * from $q"
	cold=
	for _ in 1 2 3; do
		stop
		sync && echo 3 >/proc/sys/vm/drop_caches
		start
		# The first connection is not the question's.
		cold="$cold $(sql -c 'select 1' -c '\timing on' -o /dev/null -c "$ask" | awk '/^Time/ { t = $2 } END { printf "%.0f", t }')"
	done
	again=$(sql -o /dev/null -c '\timing on' -c "$ask" -c "$ask" | awk '/^Time/ { t[++n] = $2 } END { printf "%.0f | %.0f", t[1], t[2] }')
	n=$(sql -c "select count(*) from $q")
	# What stands here must not be an address: the question by its kind alone.
	echo "| \`$(sed "s/'[^']*@[^']*'/'ADDRESS'/g; s/'[0-9.]*\(\/[0-9]*\)\?'/'IP\1'/" <<<"$q")\` | $n |$cold | $again |"
done

# A case on one mailbox over all days: the question is put on record, then its rows are shown.
sql -o /dev/null <<END
do \$\$ begin create role bench_auditor in role tap25_auditor; create role bench_approver in role tap25_approver;
exception when duplicate_object then null; end \$\$;
select tap25.apply_for_warrant('bench', 'benchmark', '{bench_auditor}', array['$one_from'], '$first', date '$first' + $days, now() + interval '1 day') as id \\gset
set session authorization bench_approver;
select tap25.approve_warrant(:id);
END
case_of() { sql -o /dev/null -c "set session authorization bench_auditor; select tap25.open_case('bench', 'benchmark')" -c '\timing on' -c "$1" | awk '/^Time/ { printf "%.0f", $2 }'; }
echo
echo "| a case on a mailbox | cold ms | new session ms |"
echo "| --- | --- | --- |"
for q in "select tap25.ask_case('bench')" "select * from tap25.case_mail('bench')"; do
	stop
	sync && echo 3 >/proc/sys/vm/drop_caches
	start
	sql -c 'select 1' -o /dev/null
	echo "| \`$q\` | $(case_of "$q") | $(case_of "$q") |"
done
