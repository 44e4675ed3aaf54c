-- Packs rows into a block. One statement does it. The functions that begin with packing_ give its parts: lists of CTEs,
-- and what is taken from them. In it, $1 to $9 are which and the parameters of pack_block that follow.

-- The rows in their order, with the link that signs each. Head: the row is the first of a mail.
create function tap25_internal.packing_rows() returns text language sql immutable as $$ select $part$
entered as materialized (
    select u.sensor, u.xid, min(u.id) as link from unnest($7, $8, $9) u (id, sensor, xid) group by u.sensor, u.xid
), r as materialized (
    select e.*, l.link, (row_number() over w)::integer as n,
        (row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo,
            client_ip, client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip,
            origin_port, origin_by, link)
        *<> lag(row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo,
            client_ip, client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip,
            origin_port, origin_by, link)) over w) is not false as head
    from %1$s e left join entered l on l.sensor = e.sensor and l.xid = e.xmin
    where e.seen_at >= $3 and e.seen_at <= $5 and (e.seen_at, e.ctid) >= ($3, $4) and (e.seen_at, e.ctid) < ($5, $6)
    window w as (order by e.seen_at, e.ctid)
)$part$ $$;

-- The addresses, by domain.
create function tap25_internal.packing_addresses() returns text language sql immutable as $$ select $part$
named as (
    select v, split_part(v, '@', -1) as domain, v <> lower(v) as mixed,
        strpos(v, chr(9)) > 0 or strpos(v, chr(10)) > 0 as odd
    from (select distinct mail_from as v from r where head and mail_from is not null
          union select distinct rcpt_to from r where rcpt_to is not null) u
), parted as (
    select n.*, domain <> '' and length(domain) < length(v) as whole from named n
), numbered as materialized (
    select v, mixed, odd, case when whole then domain else '' end as domain,
        case when whole then left(v, -1 - length(domain)) else v end as local,
        row_number() over (order by (case when odd then '2' when mixed then '1' else '0' end
            || case when whole then domain else '' end) collate "C", v collate "C")::integer as i
    from parted
), chunks as (
    select (i - 1) / 64 as chunk, domain, domain || chr(9) || string_agg(local, chr(9) order by i) as names, min(i) as i
    from numbered where not odd group by 1, mixed, domain
), joined as (
    select chunk, string_agg(names, chr(10) order by i) as names from chunks group by chunk
)$part$ $$;

-- What each row has, and the kinds of rows.
create function tap25_internal.packing_kinds() returns text language sql immutable as $$ select $part$
kinds as materialized (
    select row_number() over (order by mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes)::smallint
        as kind, k.*
    from (select distinct mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes from r) k
), kind_lists as (
    select array_agg(mail_no order by kind) as mail_no, array_agg(outcome order by kind) as outcome,
        array_agg(mail_code order by kind) as mail_code, array_agg(rcpt_code order by kind) as rcpt_code,
        array_agg(data_code order by kind) as data_code, array_agg(flags order by kind) as flags,
        array_agg(lost_bytes order by kind) as lost_bytes, count(lost_bytes) as lossy, count(*) as kinds
    from kinds
), row_lists as (
    select count(*)::integer as rows, string_agg(head, '')::varbit as heads, count(*) filter (where head = '0') as more,
        array_agg(rcpt) as rcpt, array_agg(kind) as kind, array_agg(rcpt_to_raw) as rcpt_to_raw,
        count(rcpt_to_raw) as raws, array_agg(orcpt) as orcpt, count(orcpt) as orcpts, max(seen_at) as last_at
    from (select case when r.head then '1' else '0' end as head, coalesce(a.i, 0)::smallint as rcpt, k.kind,
              r.rcpt_to_raw, r.orcpt, r.seen_at
          from r join kinds k on k.mail_no = r.mail_no and k.outcome = r.outcome and k.flags = r.flags
              and coalesce(k.mail_code, -32769) = coalesce(r.mail_code, -32769)
              and coalesce(k.rcpt_code, -32769) = coalesce(r.rcpt_code, -32769)
              and coalesce(k.data_code, -32769) = coalesce(r.data_code, -32769)
              and coalesce(k.lost_bytes, -1) = coalesce(r.lost_bytes, -1)
          left join numbered a on a.v = r.rcpt_to order by r.n) o
)$part$ $$;

-- The mails, and the sessions that they are of.
create function tap25_internal.packing_sessions() returns text language sql immutable as $$ select $part$
peers as materialized (
    select row_number() over (order by client_ip, helo collate "C", tls_server_name collate "C", origin_ip)::smallint
        as peer, p.*
    from (select distinct client_ip, helo, tls_server_name, origin_ip from r where head) p
), servers as materialized (
    select row_number() over (order by server_ip, server_port, sensor collate "C", network collate "C", auth,
        origin_by)::smallint as server, v.*
    from (select distinct server_ip, server_port, sensor, network, auth, origin_by from r where head) v
), mails as materialized (
    select r.n, r.session_id, r.client_port, r.origin_port, p.peer, v.server, r.mail_from, r.queue_id, r.mail_from_raw,
        r.envid, r.link, (extract(epoch from seen_at - $3) * 1000000)::bigint as at,
        coalesce(message_bytes, -1) as size, declared_size - coalesce(message_bytes, 0) as declared
    from r join peers p on p.client_ip = r.client_ip and coalesce(p.helo, '') = coalesce(r.helo, '')
        and coalesce(p.tls_server_name, '') = coalesce(r.tls_server_name, '') and (p.helo is null) = (r.helo is null)
        and (p.tls_server_name is null) = (r.tls_server_name is null)
        and coalesce(p.origin_ip, '::') = coalesce(r.origin_ip, '::')
        and (p.origin_ip is null) = (r.origin_ip is null)
    join servers v on v.server_ip = r.server_ip and v.server_port = r.server_port and v.sensor = r.sensor
        and v.auth = r.auth and coalesce(v.network, '') = coalesce(r.network, '')
        and (v.network is null) = (r.network is null) and coalesce(v.origin_by, -1) = coalesce(r.origin_by, -1)
    where head
), marked as (
    select n, session_id, client_port, origin_port, peer, server,
        session_id is distinct from lag(session_id) over w or client_port is distinct from lag(client_port) over w
        or origin_port is distinct from lag(origin_port) over w or peer is distinct from lag(peer) over w
        or server is distinct from lag(server) over w as fresh
    from mails window w as (order by session_id, n)
), runs as materialized (
    select m.*, sum(fresh::integer) over (order by session_id, n) as run from marked m
), fresh as materialized (
    select run, row_number() over (order by n)::integer as i, session_id, client_port, origin_port, peer, server
    from runs where fresh
), session_lists as (
    select array_agg(session_id) as session_id, array_agg(client_port) as client_port,
        array_agg(origin_port) as origin_port, count(origin_port) as origins, array_agg(peer) as peer,
        array_agg(server) as server
    from (select * from fresh order by i) f
), placed as (
    select r.n, r.fresh, (max(f.i) over (order by r.n) - f.i)::smallint as back from runs r join fresh f using (run)
)$part$ $$;

-- The dictionaries of sessions.
create function tap25_internal.packing_peers() returns text language sql immutable as $$ select $part$
peer_lists as (
    select array_agg(client_ip order by peer) as client_ip, array_agg(helo order by peer) as helo,
        array_agg(tls_server_name order by peer) as tls_server_name, count(tls_server_name) as tls,
        array_agg(origin_ip order by peer) as origin_ip, count(origin_ip) as origins
    from peers
), server_lists as (
    select array_agg(server_ip order by server) as server_ip, array_agg(server_port order by server) as server_port,
        array_agg(sensor order by server) as sensor, array_agg(network order by server) as network,
        count(network) as networks, array_agg(auth order by server) as auth,
        array_agg(origin_by order by server) as origin_by, count(origin_by) as origins
    from servers
)$part$ $$;

-- The queue IDs, by form and length.
create function tap25_internal.packing_queues() returns text language sql immutable as $$ select $part$
queued as (
    select n, queue_id, length(queue_id)::smallint as length, case when length(queue_id) > 36 then 4
        when queue_id ~ '^[0-9A-F]+$' then 1 when queue_id ~ '^[0-9A-Za-z]+$' then 2
        when queue_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then 3
        else 4 end::smallint as form
    from mails where queue_id is not null
), forms as materialized (
    select form, length, (row_number() over (order by form, length))::smallint as queue,
        case when form < 3 then left(least, (select count(*)::integer from generate_series(1, f.length) i
            where left(least, i) = left(greatest, i))) else '' end as prefix
    from (select form, case when form = 4 then 0::smallint else length end as length,
              min(queue_id collate "C") as least, max(queue_id collate "C") as greatest from queued group by 1, 2) f
), named_queues as materialized (
    select q.n, f.queue, q.form, f.length, f.prefix, q.queue_id, substr(q.queue_id, length(f.prefix) + 1) as rest
    from queued q join forms f on f.form = q.form and f.length = case when q.form = 4 then 0 else q.length end
), octets as (
    select queue, min(form) as form, min(length) as length, min(prefix) as prefix, string_agg(case form
            when 1 then decode(rest || case when length(rest) %% 2 = 1 then '0' else '' end, 'hex')
            when 2 then decode(rpad(rest, (length(rest) + 3) / 4 * 4, '/'), 'base64')
            when 3 then uuid_send(queue_id::uuid) else '' end, '' order by n) as octets
    from named_queues group by queue
), queue_lists as (
    select array_agg(form order by queue) as queue_kind, array_agg(length order by queue) as queue_length,
        array_agg(prefix order by queue) as queue_prefix, array_agg(octets order by queue) as queue_octets,
        (select array_agg(queue_id order by n) from named_queues where form = 4) as queue_text from octets
)$part$ $$;

-- What each mail has, and the links.
create function tap25_internal.packing_mails() returns text language sql immutable as $$ select $part$
linkings as materialized (
    select row_number() over (order by link)::smallint as i, link from (select distinct link from mails) l
), mail_lists as (
    select array_agg(at) as at, max(at) as span, string_agg(case when fresh then '1' else '0' end, '')::varbit as fresh,
        array_agg(back) filter (where not fresh) as back, array_agg(sender) as sender, array_agg(size) as size,
        max(size) as largest, array_agg(coalesce(declared, -2147483648)) as declared,
        array_agg(coalesce(declared, '-9223372036854775808')) as declared_long, min(declared) as least,
        max(declared) as most, string_agg(chr(48 + queue), '') as queue, array_agg(link) as link,
        array_agg(mail_from_raw) as mail_from_raw, count(mail_from_raw) as raws, array_agg(envid) as envid,
        count(envid) as envids
    from (select m.at, p.fresh, p.back, coalesce(a.i, 0)::smallint as sender, m.size, m.declared,
              coalesce(q.queue, 0) as queue, l.i as link, m.mail_from_raw, m.envid
          from mails m join placed p using (n) left join numbered a on a.v = m.mail_from
          left join named_queues q using (n) join linkings l on l.link is not distinct from m.link order by m.n) o
)$part$ $$;

-- The columns of the block.
create function tap25_internal.packing_block() returns text language sql immutable as $$ select $part$
select $1, $2, r.rows, $3, r.last_at,
    case when r.more > 0 then r.heads end, r.rcpt, case when k.kinds > 1 then r.kind end,
    case when r.raws > 0 then r.rcpt_to_raw end, case when r.orcpts > 0 then r.orcpt end,
    case when m.span <= 2147483647 then m.at::integer[] end, case when m.span > 2147483647 then m.at end,
    case when m.back is not null then m.fresh end, m.back, m.sender,
    case when m.largest <= 2147483647 then m.size::integer[] end, case when m.largest > 2147483647 then m.size end,
    case when d.narrow then m.declared::integer[] end, case when not d.narrow then m.declared_long end,
    case when cardinality(l.links) > 1 then m.link end,
    case when m.raws > 0 then m.mail_from_raw end, case when m.envids > 0 then m.envid end,
    s.session_id, s.client_port, case when s.origins > 0 then s.origin_port end, s.peer, s.server,
    p.client_ip, p.helo, case when p.tls > 0 then p.tls_server_name end, case when p.origins > 0 then p.origin_ip end,
    v.server_ip, v.server_port, v.sensor, case when v.networks > 0 then v.network end, v.auth,
    case when v.origins > 0 then v.origin_by end,
    k.mail_no, k.outcome, k.mail_code, k.rcpt_code, k.data_code, k.flags, case when k.lossy > 0 then k.lost_bytes end,
    l.links, (select array_agg(translate(m.queue, chr(48 + i) || f.all_forms,
            rpad('1', length(f.all_forms) + 1, '0'))::varbit order by i)
        from generate_series(1, cardinality(q.queue_kind)) i,
        (select string_agg(chr(48 + i), '') as all_forms from generate_series(0, cardinality(q.queue_kind)) i) f),
    q.queue_kind, q.queue_length, q.queue_prefix, q.queue_octets, q.queue_text,
    (select array_agg(names order by chunk) from joined),
    (select coalesce(min((i - 1) / 64 + 1) filter (where mixed), 1000000) from numbered where not odd),
    (select array_agg(v order by i) from numbered where odd)
from row_lists r, mail_lists m, session_lists s, peer_lists p, server_lists v, kind_lists k, queue_lists q,
    (select array_agg(link order by i) as links from linkings) l,
    lateral (select coalesce(m.least > -2147483648 and m.most <= 2147483647, true) as narrow) d$part$ $$;

-- Packs the rows of a day into a block: from a row up to another, which is not included.
create function tap25_internal.pack_block(partition regclass, target regclass, which date, number integer,
    since timestamptz, first tid, before timestamptz, next tid, link_ids bigint[], link_sensors text[], link_xids xid[])
returns integer language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set work_mem = '16MB'
set enable_seqscan = off set enable_mergejoin = off set enable_nestloop = off
set max_parallel_workers_per_gather = 0 as $$
declare
    packed integer;
begin
    execute format('with ' || concat_ws(', ', tap25_internal.packing_rows(), tap25_internal.packing_addresses(),
            tap25_internal.packing_kinds(), tap25_internal.packing_sessions(), tap25_internal.packing_peers(),
            tap25_internal.packing_queues(), tap25_internal.packing_mails())
        || ' insert into %2$s' || tap25_internal.packing_block() || ' returning rows', partition, target)
        into packed using which, number, since, first, before, next, link_ids, link_sensors, link_xids;
    return packed;
end $$;

-- Rights.

revoke execute on function tap25_internal.packing_rows, tap25_internal.packing_addresses, tap25_internal.packing_kinds,
    tap25_internal.packing_sessions, tap25_internal.packing_peers, tap25_internal.packing_queues,
    tap25_internal.packing_mails, tap25_internal.packing_block, tap25_internal.pack_block from public;

-- Comments.

comment on function tap25_internal.packing_rows is 'Part of the statement of pack_block: the rows.';
comment on function tap25_internal.packing_addresses is 'Part of the statement of pack_block: the addresses.';
comment on function tap25_internal.packing_kinds is 'Part of the statement of pack_block: what each row has.';
comment on function tap25_internal.packing_sessions is 'Part of the statement of pack_block: mails and sessions.';
comment on function tap25_internal.packing_peers is 'Part of the statement of pack_block: peers and servers.';
comment on function tap25_internal.packing_queues is 'Part of the statement of pack_block: the queue IDs.';
comment on function tap25_internal.packing_mails is 'Part of the statement of pack_block: what each mail has.';
comment on function tap25_internal.packing_block is 'Part of the statement of pack_block: the columns of the block.';
comment on function tap25_internal.pack_block is
    'Packs the rows of a day from one place of it to another into a block; returns their number.';
