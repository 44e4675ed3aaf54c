#!/usr/bin/env bash
# What a row costs: column order, types and each index tried on ROWS rows of one day, nearly every address new.
# docs/storage.md has the results.
. "$(dirname "$0")/cluster.sh"
rows=${ROWS:-1000000}

sql <<'END'
create type outcome as enum ('unknown', 'accepted', 'deferred', 'refused', 'aborted', 'encrypted');
create function domain_of(address text) returns text language sql immutable parallel safe as
$$ select lower(substring(address from '@([^@]*)$')) $$;
create function domain2(address text) returns text language sql immutable parallel safe
return case when position('@' in address) > 0 then lower(split_part(address, '@', -1)) end;
END
sql -c "create unlogged table raw as $(rows 1 "$rows" '2026-06-01 00:00Z' '1 day')"

# The layouts: a table's columns and how a row of raw fills them.
declare -A columns fill
tail_columns='sensor text, mail_from text, rcpt_to text, helo text, queue_id text, mail_from_raw bytea, rcpt_to_raw bytea, envid text, orcpt text, tls_server_name text'
tail_fill='sensor, mail_from, rcpt_to, helo, queue_id, mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name'
columns[schema2]="seen_at timestamptz, session_id bigint, message_bytes bigint, declared_size bigint, lost_bytes bigint, mail_no int, client_port int, server_port int, outcome outcome, mail_code smallint, rcpt_code smallint, data_code smallint, flags smallint, auth boolean, client_ip inet, server_ip inet, $tail_columns"
fill[schema2]="seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, (enum_range(null::outcome))[outcome + 1], mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, $tail_fill"
# Ports as smallint, outcome as "char", lost_bytes null for 0.
columns[narrow]="seen_at timestamptz, session_id bigint, message_bytes bigint, declared_size bigint, lost_bytes bigint, mail_no int, client_port smallint, server_port smallint, mail_code smallint, rcpt_code smallint, data_code smallint, flags smallint, outcome \"char\", auth boolean, client_ip inet, server_ip inet, $tail_columns"
fill[narrow]="seen_at, session_id, message_bytes, declared_size, nullif(lost_bytes, 0), mail_no, (client_port - 32768)::smallint, (server_port - 32768)::smallint, mail_code, rcpt_code, data_code, flags, chr(97 + outcome)::\"char\", auth, client_ip, server_ip, $tail_fill"
# Besides, the sensor as a number and the server's port null for 25.
columns[narrower]=${columns[narrow]/sensor text, /}; columns[narrower]=${columns[narrower]/server_port smallint, /server_port smallint, sensor smallint, }
fill[narrower]=${fill[narrow]/sensor, /}; fill[narrower]=${fill[narrower]/(server_port - 32768)::smallint, /nullif(server_port, 25)::smallint, 1::smallint as sensor, }
# An IPv4 address as int.
columns[ip-int]=${columns[narrow]/client_ip inet, server_ip inet,/}; columns[ip-int]="client_ip int, server_ip int, ${columns[ip-int]}"
fill[ip-int]=${fill[narrow]/client_ip, server_ip,/}; fill[ip-int]="(client_ip - inet '128.0.0.0')::int, (server_ip - inet '128.0.0.0')::int, ${fill[ip-int]}"

# try NAME LAYOUT INDEX-DEFINITION...: loads one day with the indexes there, and again with the indexes built after the load.
try() {
	local name=$1 layout=$2 t0 t1 t1b t2 loaded built heap
	shift 2
	[[ $name =~ ${ONLY:-.} ]] || return 0
	if [ ! -e "$dir/$layout.copy" ]; then
		sql -c "copy (select ${fill[$layout]} from raw) to '$dir/$layout.copy' (format binary)"
	fi
	sql -c "set client_min_messages = error; drop table if exists t; create table t (${columns[$layout]})"
	for index; do sql -c "create index on t $index"; done
	sql -c checkpoint
	t0=$(now); sql -c "\\copy t from '$dir/$layout.copy' (format binary)"; t1=$(now)
	heap=$(sql -c "select pg_relation_size('t')")
	loaded=$(sql -c "select pg_indexes_size('t')")
	t2=$t1 built=$loaded
	if [ $# -gt 0 ]; then
		sql -c "drop table t; create table t (${columns[$layout]})"
		sql -c "\\copy t from '$dir/$layout.copy' (format binary)"
		t1b=$(now); for index; do sql -c "create index on t $index"; done; t2=$(now)
		built=$(sql -c "select pg_indexes_size('t')")
		awk -v n="$rows" -v a="$t0" -v b="$t1" -v c="$t1b" -v d="$t2" -v h="$heap" -v l="$loaded" -v u="$built" -v s="$name" 'BEGIN {
			printf "| %s | %d | %.1f | %.1f | %.1f | %.2f |\n", s, n / (b - a), h / n, l / n, u / n, (d - c) * 1e6 / n }'
	else
		awk -v n="$rows" -v a="$t0" -v b="$t1" -v h="$heap" -v s="$name" 'BEGIN { printf "| %s | %d | %.1f | | | |\n", s, n / (b - a), h / n }'
	fi
}

echo "| what | COPY rows/s | heap B/row | index B/row, filled by COPY | index B/row, built after | building it after, µs/row |"
echo "| --- | --- | --- | --- | --- | --- |"
for layout in schema2 narrow narrower ip-int; do try "heap only: $layout" $layout; done
h() { echo "hashtext(lower($1))"; }
try "btree (mail_from)" narrow "(mail_from)"
try "btree (lower(mail_from))" narrow "(lower(mail_from))"
try "hash (lower(mail_from))" narrow "using hash (lower(mail_from))"
try "btree hashtext(lower(mail_from))" narrow "($(h mail_from))"
try "the same, fillfactor 100" narrow "($(h mail_from)) with (fillfactor=100)"
try "btree of 18 bits of the hash" narrow "(($(h mail_from) & 262143))"
try "btree of 16 bits of the hash" narrow "((($(h mail_from) & 65535) - 32768))"
try "GIN of both hashes" narrow "using gin ((array[$(h mail_from), $(h rcpt_to)]))"
try "GIN of 18 bits of both hashes" narrow "using gin ((array[$(h mail_from) & 262143, $(h rcpt_to) & 262143]))"
try "GIN of 16 bits of both hashes" narrow "using gin ((array[$(h mail_from) & 65535, $(h rcpt_to) & 65535]))"
try "BRIN bloom of the hash" narrow "using brin (($(h mail_from)) int4_bloom_ops)"
try "btree (client_ip)" narrow "(client_ip)"
try "btree (server_ip)" narrow "(server_ip)"
try "btree (client_ip) as int" ip-int "(client_ip)"
try "BRIN bloom (client_ip)" narrow "using brin (client_ip inet_bloom_ops)"
try "btree hash of the sender's domain" narrow "(hashtext(domain_of(mail_from)))"
try "GIN of both domains' hashes" narrow "using gin ((array[hashtext(domain_of(mail_from)), hashtext(domain_of(rcpt_to))]))"
try "BRIN (seen_at)" narrow "using brin (seen_at)"
d() { echo "(hashtext(domain_of($1)))"; }
try "all of schema 2" schema2 "($(h mail_from))" "($(h rcpt_to))" "(client_ip)" "(server_ip)" "$(d mail_from)" "$(d rcpt_to)" "using brin (seen_at)"
try "the same indexes" narrow "($(h mail_from))" "($(h rcpt_to))" "(client_ip)" "(server_ip)" "$(d mail_from)" "$(d rcpt_to)" "using brin (seen_at)"
b() { echo "(hashtext(lower($1)) & 65535)"; }
e() { echo "(hashtext(domain2($1)) & 65535)"; }
try "btree of 16 bits of the hash of the sender's domain" narrow "($(e mail_from))"
others=("(client_ip)" "(server_ip)" "using brin (seen_at)")
try "four btrees of 16 bits, client, server, time" narrow "($(b mail_from))" "($(b rcpt_to))" "($(e mail_from))" "($(e rcpt_to))" "${others[@]}"
keys="(array[$(b mail_from), 65536 + $(b rcpt_to), 131072 + $(e mail_from), 196608 + $(e rcpt_to)])"
try "one GIN of four times 16 bits" narrow "using gin ($keys)"
try "one GIN of four times 16 bits, fastupdate off" narrow "using gin ($keys) with (fastupdate=off)"
try "one GIN of four, client, server, time" narrow "using gin ($keys)" "${others[@]}"
