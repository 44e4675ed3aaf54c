#!/usr/bin/env bash
# Measures questions about a packed day of ROWS rows. With FILL it first makes the day, a few million rows at a time. Each such lot is
# packed before the next one is made, so the disk never holds the whole day unpacked. The directory is kept. A run that was
# interrupted continues after its last packed lot. UNTIL (a time for 'date') ends the making of rows early.
migrations=$(realpath "$(dirname "$0")/../store/migrations")
export BENCH_DIR=${BENCH_DIR:-/var/tmp/tap25-day} KEEP=1
SETTINGS="-c wal_level=minimal -c max_wal_senders=0 -c synchronous_commit=off"
mail=$(realpath "$(dirname "$0")/mail.sql")
. "$(dirname "$0")/cluster.sh"
rows=${ROWS:-100000000} day=${DAY:-2026-10-31} lot=${LOT:-3800000} # mails at once
mails=$((rows * 1000 / 1312))                                          # mail.sql makes 1.312 rows a mail
end=$(date -d "${UNTIL:-tomorrow}" +%s)

# Unpacked rows get no indexes here: each lot would fill them, and packing would drop them.
if [ -n "$fresh" ]; then
	migrate
	sql -f - <"$mail"
	sql <<-'END'
		create table bench.indexes as select pg_get_indexdef(i.indexrelid) as made, i.indexrelid::regclass::text as name from pg_index i
		join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
		where i.indrelid = 'tap25_internal.envelopes'::regclass and a.amname = 'btree';
		select format('drop index %s', name) from bench.indexes \gexec
	END
fi

# The CPU time of the session, in ns.
used='\set ns `cut -d" " -f1 /proc/$PID/schedstat`'

fill() { # from to: the mails of a lot
	sql <<-END
		begin;
		select tap25_internal.make_partition('$day') \g /dev/null
		select format('drop index %s', i.indexrelid::regclass) from pg_index i join pg_class c on c.oid = i.indexrelid
		join pg_am a on a.oid = c.relam where i.indrelid = 'tap25_internal.envelopes_${day//-/}'::regclass and a.amname = 'btree' \gexec
		call bench.fill('tap25_internal.envelopes_${day//-/}', '$day', $1, $2, $mails);
		commit;
		select brin_summarize_new_values(i.indexrelid::regclass) from pg_index i where i.indrelid = 'tap25_internal.envelopes_${day//-/}'::regclass \g /dev/null
	END
}

pack() {
	sql <<-END
		select pg_backend_pid() as pid \gset
		\setenv PID :pid
		select tap25_internal.pack_day('$day') as rows \gset
		$used
		select :rows || ' rows packed, ' || round(:rows * 1e9 / :ns) || ' rows/s of CPU';
	END
}

if [ -n "${FILL:-}" ]; then
	while [ "$(date +%s)" -lt "$end" ]; do
		[ "$(sql -c "select tap25_internal.has_partition('$day')")" = f ] || pack
		first=$(($(sql -c "select count(*) from tap25_internal.packs where day = '$day'") * lot + 1))
		[ "$first" -le "$mails" ] || break
		fill "$first" "$((first + lot - 1 < mails ? first + lot - 1 : mails))"
	done
	[ "$(sql -c "select tap25_internal.has_partition('$day')")" = f ] || pack # or each question would read the last lot whole
fi
sql -c "$(sql -c "select coalesce(string_agg(made, ';'), '') from bench.indexes b where to_regclass(b.name) is null")"
sql -F ' | ' <<-END
	select ''; select '| part | octets a row |'; select '| --- | --- |';
	select '| ' || part, round(pg_total_relation_size(part::regclass) / rows, 1) || ' |'
	from (select sum(rows)::numeric as rows from tap25_internal.packs where day = '$day') r,
	unnest(array['tap25_internal.blocks_${day//-/}', 'tap25_internal.block_prints_$(date -d "$day" +%Y%m)']) part;
	select '';
	select sum(rows) || ' rows in ' || sum(blocks) || ' blocks, packed in ' || count(*) || ' lots. A question looks into a page of the index for each lot.'
	from tap25_internal.packs where day = '$day';
END

# The questions are about an address in a block in the middle of the day that has little mail, and about one that has much.
sql <<-END
	create table if not exists bench.asked as with b as materialized (
		select (p.e).*, b.first_at from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p where b.day = '$day'
		and b.number = (select max(number) / 2 from tap25_internal.blocks where day = '$day')
	), one as (
		select b.* from (select * from b where mail_from ~ '@' order by seen_at, rcpt_to limit 200) b
		order by (select sum(cardinality(w.blocks)) from (values ('rcpt_to', rcpt_to), ('mail_from', mail_from)) a (kind, address)
			cross join lateral tap25_internal.blocks_with(tap25_internal.print_hash(kind, address), '$day', '$day') w), seen_at, rcpt_to limit 1
	)
	select one.rcpt_to as x, one.mail_from as y, one.client_ip as ip, split_part(one.rcpt_to, '@', 2) as domain, one.session_id as session, one.mail_no,
		one.first_at as since, split_part(one.rcpt_to, '@', 1) as local,
		(select rcpt_to from b group by rcpt_to order by count(*) desc, rcpt_to offset 20 limit 1) as much from one;
END

ask() { # name, query: runs it after a restart with the page cache dropped, and again
	stop
	sync && echo 3 >/proc/sys/vm/drop_caches
	start
	sql <<-END | awk -v what="$1" '/^Time/ { t[++n] = $2; next } { rows = $1 } END { printf "| %s | %s | %.0f | %.0f |\n", what, rows, t[1], t[2] }'
		select x, y, ip, domain, session, mail_no, since, local, much, since + interval '10 seconds' as ten_seconds,
			since + interval '10 minutes' as ten_minutes, since + interval '1 hour' as hour from bench.asked \gset
		\timing on
		select count(*) from ($2) q;
		select count(*) from ($2) q;
	END
}
echo
echo '| question | rows | cold ms | again ms |'
echo '| --- | --- | --- | --- |'
ask 'who wrote to an address' "select * from tap25.mail_to(:'x')"
ask 'the same, of one with much mail' "select * from tap25.mail_to(:'much')"
ask 'the same of nobody' "select * from tap25.mail_to('nobody@nowhere.example')"
ask 'with whom an address had mail, both ways' "select * from tap25.correspondents(:'x')"
ask 'what two addresses sent each other' "select * from tap25.mail_between(:'x', :'y')"
ask 'mail of an IP address in a quarter of an hour' "select * from tap25.mail_ip(:'ip', :'since', :'since'::timestamptz + interval '15 minutes')"
ask 'senders that used an IP address' "select distinct mail_from from tap25.mail_client(:'ip')"
ask 'mails to a domain by the hour' "select date_trunc('hour', seen_at), count(distinct (session_id, mail_no)) from tap25.mail_to_domain(:'domain') group by 1"
ask 'what was refused to a domain' "select * from tap25.mail_to_domain(:'domain') where outcome = 'refused'"
ask 'sessions of a client that were encrypted' "select * from tap25.mail_client(:'ip') where outcome = 'encrypted'"
ask 'a mail over two hops' "select * from tap25.mail_hops(:'session', :'mail_no', :'x')"
ask 'the view, ten seconds' "select * from tap25.mail where seen_at >= :'since' and seen_at < :'ten_seconds'"
ask 'the view, ten minutes' "select * from tap25.mail where seen_at >= :'since' and seen_at < :'ten_minutes'"
ask 'the view, an hour' "select * from tap25.mail where seen_at >= :'since' and seen_at < :'hour'"
ask 'each mail once, ten minutes' "select * from tap25.mail_once(:'since', :'ten_minutes')"
ask 'a local part at any domain, in ten seconds' "select * from tap25.mail_local_part(:'local', :'since', :'since'::timestamptz + interval '10 seconds')"
