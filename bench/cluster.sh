# Sourced by the scripts beside it: a PostgreSQL of their own in BENCH_DIR, gone when they end. Needs root, to run it as
# postgres and to drop the page cache.
set -euo pipefail

dir=${BENCH_DIR:-/var/tmp/tap25-bench}
bin=$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -1)

as_postgres() { (cd / && setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
sql() { as_postgres psql -XAtq -h "$dir" -p 5499 -d postgres -v ON_ERROR_STOP=1 "$@"; }
start() { as_postgres "$bin/pg_ctl" start -w -s -D "$dir/data" -l "$dir/log" -o "-k $dir -p 5499 -c listen_addresses= -c shared_buffers=256MB -c max_wal_size=4GB -c autovacuum=off -c jit=off -c max_locks_per_transaction=512 ${SETTINGS:-}"; }
stop() { as_postgres "$bin/pg_ctl" stop -s -m fast -D "$dir/data"; }
now() { date +%s.%N; }

# KEEP=1 leaves the cluster and its directory, and the next run goes on with them.
[ "$(df --output=avail -k "$(dirname "$dir")" | tail -1)" -gt 10000000 ] || { echo "less than 10 GB free for $dir" >&2; exit 1; }
fresh=
if [ ! -d "$dir/data" ]; then
	fresh=1
	mkdir -m 700 "$dir" && chown postgres "$dir"
	as_postgres "$bin/initdb" -D "$dir/data" -E UTF8 --locale=C.UTF-8 -A peer --data-checksums >/dev/null
fi
trap 'stop || true; [ -n "${KEEP:-}" ] || rm -rf "$dir"' EXIT
start

# migrate creates the schema in the same way as store/migrate.go.
migrate() {
	local file path
	sql -c "create schema tap25; create schema tap25_internal; create table tap25_internal.tap25_schema_version (version int)"
	for file in "$migrations"/*.sql; do
		path="pg_catalog, pg_temp"
		[[ $(basename "$file") > 012 ]] || path="tap25_internal; set check_function_bodies = off"
		{ echo "set search_path = $path;" && cat "$file"; } | sql --single-transaction -f -
	done
}

# r(n, k) is a number in [0, 1), the same in each run; k keeps the columns apart. A power of it makes a few values common.
[ -z "$fresh" ] || sql <<'END'
create function r(n bigint, k bigint) returns float8 language sql immutable parallel safe as
$$ select ((hashint8extended(n, k) & 4294967295) / 4294967296.0)::float8 $$;
END

# rows FROM TO BEGINNING SPAN is the query of rows, numbered from and to, evenly spread over a time.
rows() {
	cat <<END
select timestamptz '$3' + (n - $1) * (interval '$4' / ($2 - $1 + 1)) as seen_at, hashint8extended(n / 2, 1) as session_id,
       (2000 + 60000 * r(n, 2) ^ 3)::bigint as message_bytes, case when n % 2 = 0 then (2000 + 60000 * r(n, 2) ^ 3)::bigint end as declared_size,
       0::bigint as lost_bytes, 1 as mail_no, (1024 + 64000 * r(n / 2, 3))::int as client_port, 25 as server_port,
       (array[1, 3, 2])[1 + (3 * r(n, 4) ^ 4)::int % 3] as outcome,
       250::smallint as mail_code, 250::smallint as rcpt_code, 250::smallint as data_code, 0::smallint as flags, false as auth,
       inet '10.0.0.0' + (1e6 * r(n / 2, 5) ^ 2)::bigint as client_ip, inet '172.16.0.0' + (2e4 * r(n / 2, 6) ^ 2)::bigint as server_ip,
       'tap-1' as sensor,
       substring(md5((n * 7)::text), 1, 6 + (n % 9)::int) || '@d' || (5e4 * r(n, 7) ^ 2)::int || '.example' as mail_from,
       substring(md5((n * 11 + 5)::text), 1, 6 + (n % 9)::int) || '@d' || (5e4 * r(n, 8) ^ 2)::int || '.example' as rcpt_to,
       'mx.d' || (5e4 * r(n, 7) ^ 2)::int || '.example' as helo, '4Z' || upper(substring(md5(n::text), 1, 9)) as queue_id,
       null::bytea as mail_from_raw, null::bytea as rcpt_to_raw, null::text as envid, null::text as orcpt, null::text as tls_server_name
from generate_series($1::bigint, $2::bigint) n
END
}
