-- Days that are over are packed: blocks of rows that follow one another in time, column by column, with dictionaries.
-- docs/storage.md has the form of a block, and what else was tried.

create table tap25_internal.blocks (
    day             date        not null,
    number          integer     not null,
    rows            integer     not null,
    first_at        timestamptz not null,
    last_at         timestamptz not null,
    -- of each row
    heads           bit varying,
    rcpt            smallint[]  not null,
    kind            smallint[],
    rcpt_to_raw     bytea[],
    orcpt           text[],
    -- of each mail
    at              integer[],
    at_long         bigint[],
    fresh           bit varying,
    back            smallint[],
    sender          smallint[]  not null,
    size            integer[],
    size_long       bigint[],
    declared        integer[],
    declared_long   bigint[],
    link            smallint[],
    mail_from_raw   bytea[],
    envid           text[],
    -- of each session
    session_id      bigint[]    not null,
    client_port     smallint[]  not null,
    origin_port     smallint[],
    peer            smallint[]  not null,
    server          smallint[]  not null,
    -- dictionaries
    client_ip       inet[]      not null,
    helo            text[]      not null,
    tls_server_name text[],
    origin_ip       inet[],
    server_ip       inet[]      not null,
    server_port     smallint[]  not null,
    sensor          text[]      not null,
    network         text[],
    auth            boolean[]   not null,
    origin_by       smallint[],
    mail_no         integer[]   not null,
    outcome         smallint[]  not null,
    mail_code       smallint[]  not null,
    rcpt_code       smallint[]  not null,
    data_code       smallint[]  not null,
    flags           smallint[]  not null,
    lost_bytes      bigint[],
    links           bigint[]    not null,
    queue_mails     bit varying[],
    queue_kind      smallint[],
    queue_length    smallint[],
    queue_prefix    text[],
    queue_octets    bytea[],
    queue_text      text[],
    addresses       text[],
    mixed           integer     not null,
    odd_addresses   text[]
) partition by range (day);


create table tap25_internal.packs (
    day       date        not null,
    first     integer     not null,
    blocks    integer     not null,
    rows      bigint      not null,
    bits      smallint    not null,
    packed_at timestamptz not null default now(),
    primary key (day, first)
);

create table tap25_internal.block_prints (
    day    date       not null,
    first  integer    not null,
    page   integer    not null,
    prints smallint[] not null,
    blocks bit varying not null,
    primary key (page, day, first)
) partition by range (day);

create table tap25_internal.making_blocks ();

create function tap25_internal.is_packed(which date) returns boolean language sql stable
return exists (select from tap25_internal.packs p where p.day = which);

-- Packs the rows of a day into a block: from a row up to another, which is not included.
create function tap25_internal.pack_block(partition regclass, target regclass, which date, number integer, since timestamptz, first tid,
    before timestamptz, next tid, link_ids bigint[], link_sensors text[], link_xids xid[]) returns integer language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set work_mem = '16MB'
set enable_seqscan = off set enable_mergejoin = off set enable_nestloop = off set max_parallel_workers_per_gather = 0 as $$
declare
    packed integer;
begin
    execute format($query$
with entered as materialized (
    select u.sensor, u.xid, min(u.id) as link from unnest($7, $8, $9) u (id, sensor, xid) group by u.sensor, u.xid
), r as materialized (
    select e.*, l.link, (row_number() over w)::integer as n,
        (row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo, client_ip,
            client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip, origin_port, origin_by, link)
        *<> lag(row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo, client_ip,
            client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip, origin_port, origin_by, link))
            over w) is not false as head
    from %1$s e left join entered l on l.sensor = e.sensor and l.xid = e.xmin
    where e.seen_at >= $3 and e.seen_at <= $5 and (e.seen_at, e.ctid) >= ($3, $4) and (e.seen_at, e.ctid) < ($5, $6)
    window w as (order by e.seen_at, e.ctid)
),
-- addresses, by domain
named as (
    select v, split_part(v, '@', -1) as domain, v <> lower(v) as mixed, strpos(v, chr(9)) > 0 or strpos(v, chr(10)) > 0 as odd from (
        select distinct mail_from as v from r where head and mail_from is not null
        union select distinct rcpt_to from r where rcpt_to is not null) u
), parted as (
    select n.*, domain <> '' and length(domain) < length(v) as whole from named n
), numbered as materialized (
    select v, mixed, odd, case when whole then domain else '' end as domain,
        case when whole then left(v, -1 - length(domain)) else v end as local,
        row_number() over (order by (case when odd then '2' when mixed then '1' else '0' end || case when whole then domain else '' end) collate "C", v collate "C")::integer as i
    from parted
), chunks as (
    select (i - 1) / 64 as chunk, domain, domain || chr(9) || string_agg(local, chr(9) order by i) as names, min(i) as i
    from numbered where not odd group by 1, mixed, domain
), joined as (
    select chunk, string_agg(names, chr(10) order by i) as names from chunks group by chunk
),
-- rows
kinds as materialized (
    select row_number() over (order by mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes)::smallint as kind, k.*
    from (select distinct mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes from r) k
), kind_lists as (
    select array_agg(mail_no order by kind) as mail_no, array_agg(outcome order by kind) as outcome,
        array_agg(mail_code order by kind) as mail_code, array_agg(rcpt_code order by kind) as rcpt_code,
        array_agg(data_code order by kind) as data_code, array_agg(flags order by kind) as flags,
        array_agg(lost_bytes order by kind) as lost_bytes, count(lost_bytes) as lossy, count(*) as kinds
    from kinds
), row_lists as (
    select count(*)::integer as rows, string_agg(head, '')::varbit as heads, count(*) filter (where head = '0') as more, array_agg(rcpt) as rcpt,
        array_agg(kind) as kind, array_agg(rcpt_to_raw) as rcpt_to_raw, count(rcpt_to_raw) as raws,
        array_agg(orcpt) as orcpt, count(orcpt) as orcpts, max(seen_at) as last_at
    from (select case when r.head then '1' else '0' end as head, coalesce(a.i, 0)::smallint as rcpt, k.kind, r.rcpt_to_raw, r.orcpt, r.seen_at
          from r join kinds k on k.mail_no = r.mail_no and k.outcome = r.outcome and k.flags = r.flags
              and coalesce(k.mail_code, -32769) = coalesce(r.mail_code, -32769) and coalesce(k.rcpt_code, -32769) = coalesce(r.rcpt_code, -32769)
              and coalesce(k.data_code, -32769) = coalesce(r.data_code, -32769) and coalesce(k.lost_bytes, -1) = coalesce(r.lost_bytes, -1)
          left join numbered a on a.v = r.rcpt_to order by r.n) o
),
-- sessions
peers as materialized (
    select row_number() over (order by client_ip, helo collate "C", tls_server_name collate "C", origin_ip)::smallint as peer, p.*
    from (select distinct client_ip, helo, tls_server_name, origin_ip from r where head) p
), servers as materialized (
    select row_number() over (order by server_ip, server_port, sensor collate "C", network collate "C", auth, origin_by)::smallint as server, v.*
    from (select distinct server_ip, server_port, sensor, network, auth, origin_by from r where head) v
), mails as materialized (
    select r.n, r.session_id, r.client_port, r.origin_port, p.peer, v.server, r.mail_from, r.queue_id, r.mail_from_raw, r.envid, r.link,
        (extract(epoch from seen_at - $3) * 1000000)::bigint as at, coalesce(message_bytes, -1) as size,
        declared_size - coalesce(message_bytes, 0) as declared
    from r join peers p on p.client_ip = r.client_ip and coalesce(p.helo, '') = coalesce(r.helo, '')
        and coalesce(p.tls_server_name, '') = coalesce(r.tls_server_name, '') and (p.helo is null) = (r.helo is null)
        and (p.tls_server_name is null) = (r.tls_server_name is null) and coalesce(p.origin_ip, '::') = coalesce(r.origin_ip, '::')
        and (p.origin_ip is null) = (r.origin_ip is null)
    join servers v on v.server_ip = r.server_ip and v.server_port = r.server_port and v.sensor = r.sensor and v.auth = r.auth
        and coalesce(v.network, '') = coalesce(r.network, '') and (v.network is null) = (r.network is null)
        and coalesce(v.origin_by, -1) = coalesce(r.origin_by, -1)
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
    select run, row_number() over (order by n)::integer as i, session_id, client_port, origin_port, peer, server from runs where fresh
), session_lists as (
    select array_agg(session_id) as session_id, array_agg(client_port) as client_port, array_agg(origin_port) as origin_port,
        count(origin_port) as origins, array_agg(peer) as peer, array_agg(server) as server
    from (select * from fresh order by i) f
), placed as (
    select r.n, r.fresh, (max(f.i) over (order by r.n) - f.i)::smallint as back from runs r join fresh f using (run)
), peer_lists as (
    select array_agg(client_ip order by peer) as client_ip, array_agg(helo order by peer) as helo,
        array_agg(tls_server_name order by peer) as tls_server_name, count(tls_server_name) as tls,
        array_agg(origin_ip order by peer) as origin_ip, count(origin_ip) as origins
    from peers
), server_lists as (
    select array_agg(server_ip order by server) as server_ip, array_agg(server_port order by server) as server_port,
        array_agg(sensor order by server) as sensor, array_agg(network order by server) as network, count(network) as networks,
        array_agg(auth order by server) as auth, array_agg(origin_by order by server) as origin_by, count(origin_by) as origins
    from servers
),
-- queue IDs, by form and length
queued as (
    select n, queue_id, length(queue_id)::smallint as length, case when length(queue_id) > 36 then 4
            when queue_id ~ '^[0-9A-F]+$' then 1 when queue_id ~ '^[0-9A-Za-z]+$' then 2
            when queue_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then 3 else 4 end::smallint as form
    from mails where queue_id is not null
), forms as materialized (
    select form, length, (row_number() over (order by form, length))::smallint as queue,
        case when form < 3 then left(least, (select count(*)::integer from generate_series(1, f.length) i
            where left(least, i) = left(greatest, i))) else '' end as prefix
    from (select form, case when form = 4 then 0::smallint else length end as length, min(queue_id collate "C") as least,
          max(queue_id collate "C") as greatest from queued group by 1, 2) f
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
), linkings as materialized (
    select row_number() over (order by link)::smallint as i, link from (select distinct link from mails) l
), mail_lists as (
    select array_agg(at) as at, max(at) as span, string_agg(case when fresh then '1' else '0' end, '')::varbit as fresh,
        array_agg(back) filter (where not fresh) as back, array_agg(sender) as sender, array_agg(size) as size,
        max(size) as largest, array_agg(coalesce(declared, -2147483648)) as declared, array_agg(coalesce(declared, '-9223372036854775808')) as declared_long,
        min(declared) as least, max(declared) as most,
        string_agg(chr(48 + queue), '') as queue, array_agg(link) as link, array_agg(mail_from_raw) as mail_from_raw,
        count(mail_from_raw) as raws, array_agg(envid) as envid, count(envid) as envids
    from (select m.at, p.fresh, p.back, coalesce(a.i, 0)::smallint as sender, m.size, m.declared, coalesce(q.queue, 0) as queue,
              l.i as link, m.mail_from_raw, m.envid
          from mails m join placed p using (n) left join numbered a on a.v = m.mail_from left join named_queues q using (n)
          join linkings l on l.link is not distinct from m.link order by m.n) o
)
insert into %2$s
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
    v.server_ip, v.server_port, v.sensor, case when v.networks > 0 then v.network end, v.auth, case when v.origins > 0 then v.origin_by end,
    k.mail_no, k.outcome, k.mail_code, k.rcpt_code, k.data_code, k.flags, case when k.lossy > 0 then k.lost_bytes end, l.links,
    (select array_agg(translate(m.queue, chr(48 + i) || f.all_forms, rpad('1', length(f.all_forms) + 1, '0'))::varbit order by i)
        from generate_series(1, cardinality(q.queue_kind)) i,
        (select string_agg(chr(48 + i), '') as all_forms from generate_series(0, cardinality(q.queue_kind)) i) f),
    q.queue_kind, q.queue_length, q.queue_prefix, q.queue_octets, q.queue_text,
    (select array_agg(names order by chunk) from joined),
    (select coalesce(min((i - 1) / 64 + 1) filter (where mixed), 1000000) from numbered where not odd),
    (select array_agg(v order by i) from numbered where odd)
from row_lists r, mail_lists m, session_lists s, peer_lists p, server_lists v, kind_lists k, queue_lists q,
    (select array_agg(link order by i) as links from linkings) l,
    lateral (select coalesce(m.least > -2147483648 and m.most <= 2147483647, true) as narrow) d
returning rows$query$, partition, target) into packed using which, number, since, first, before, next, link_ids, link_sensors, link_xids;
    return packed;
end $$;

-- Some addresses of a block, in the order of their numbers; null: all. The k-th address of a text comes after its k-th tab; its domain
-- begins the line.
create function tap25_internal.block_addresses(chunks text[], odd text[], numbers integer[]) returns text[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    regular constant integer := tap25_internal.count_addresses(chunks);
begin
    if numbers is null then
        return (select coalesce(array_agg(case when domain = '' then local else local || '@' || domain end), '{}') from (
            select split_part(line, chr(9), 1) as domain, unnest((string_to_array(line, chr(9)))[2:]) as local from (
                select unnest(string_to_array(chunk, chr(10))) as line from unnest(chunks) chunk offset 0) c offset 0) a) || odd;
    end if;
    return (select array_agg(case when n.i = 0 then null when n.i > regular then odd[n.i - regular] when a.domain = '' then a.local else a.local || '@' || a.domain end order by o)
        from unnest(numbers) with ordinality n (i, o)
        cross join lateral (select (n.i - 1) % 64 + 1 as k, case when n.i <= regular then string_to_array(chunks[(n.i - 1) / 64 + 1], chr(9)) end as parts offset 0) c
        cross join lateral (select split_part(split_part(array_to_string(c.parts[:c.k], chr(9)), chr(10), -1), chr(9), 1) as domain,
            split_part(c.parts[c.k + 1], chr(10), 1) as local offset 0) a);
end $$;

-- The positions of the set bits of a string: of all, or of the n-th set bit for each n of some numbers, in their order.
create function tap25_internal.bit_positions(bits bit varying, numbers integer[] default null) returns integer[] language plpgsql immutable
set search_path = pg_catalog, pg_temp as $$
declare
    places   integer[];
    low      integer;
    high     integer;
    n        integer;
begin
    if numbers is null or cardinality(numbers) > 30 then
        places := array(select i from generate_series(1, length(bits)) i where get_bit(bits, i - 1) = 1);
        return case when numbers is null then places else array(select places[u.n] from unnest(numbers) with ordinality u (n, o) order by o) end;
    end if;
    foreach n in array numbers loop
        low := n;
        high := length(bits);
        while low < high loop
            if bit_count(substring(bits for (low + high) / 2)) >= n then
                high := (low + high) / 2;
            else
                low := (low + high) / 2 + 1;
            end if;
        end loop;
        places := places || low;
    end loop;
    return coalesce(places, '{}');
end $$;

-- The queue IDs of some mails of a block, in their order; null: of all its mails. The n-th mail of a form has the n-th queue ID of that form.
create function tap25_internal.block_queues(its bit varying[], kinds smallint[], lengths smallint[], prefixes text[], octets bytea[],
    texts text[], mails integer[]) returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if its is null then
        return '{}';
    end if;
    return (select array_agg(case q.form
            when 1 then q.prefix || left(upper(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'hex')), q.rest)
            when 2 then q.prefix || left(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'base64'), q.rest)
            when 3 then encode(substr(q.rests, (m.nth - 1) * 16 + 1, 16), 'hex')::uuid::text
            when 4 then texts[m.nth] end order by m.mail)
        from (select u.form, u.prefix, u.rests, u.length - length(u.prefix) as rest, u.bits from unnest(its, kinds, lengths, prefixes, octets)
                u (bits, form, length, prefix, rests)
              union all select null, null, null, null, ~bit_or(v) from unnest(its) v offset 0) q
        cross join lateral (select case q.form when 1 then (q.rest + 1) / 2 when 2 then (q.rest + 3) / 4 * 3 else 16 end as width offset 0) w
        cross join lateral (
            select i as mail, (row_number() over ())::integer as nth from generate_series(1, length(q.bits)) i
            where mails is null and get_bit(q.bits, i - 1) = 1
            union all select i, bit_count(substring(q.bits for i))::integer from unnest(mails) i where get_bit(q.bits, i - 1) = 1) m);
end $$;

-- Rows of a block, in their order: all, or those that a question of a kind may be about.
create function tap25_internal.unpack(b tap25_internal.blocks, kind text default null, value text default null, network inet default null)
returns table (mail integer, link bigint, e tap25_internal.envelopes)
language plpgsql stable rows 8000 cost 1000000 set search_path = pg_catalog, pg_temp set enable_memoize = off
set plan_cache_mode = force_generic_plan as $$
declare
    -- Arrays whose elements have no fixed width: a variable keeps them taken apart, so that no element is searched for.
    rcpt_to_raw     constant bytea[] := b.rcpt_to_raw;
    orcpt           constant text[]  := b.orcpt;
    mail_from_raw   constant bytea[] := b.mail_from_raw;
    envid           constant text[]  := b.envid;
    client_ip       constant inet[]  := b.client_ip;
    helo            constant text[]  := b.helo;
    tls_server_name constant text[]  := b.tls_server_name;
    origin_ip       constant inet[]  := b.origin_ip;
    server_ip       constant inet[]  := b.server_ip;
    sensor          constant text[]  := b.sensor;
    network_        constant text[]  := b.network;
    addresses_      constant text[]  := b.addresses;
    -- Arrays and bits that are used more than once.
    rcpt            constant smallint[]  := b.rcpt;
    sender          constant smallint[]  := b.sender;
    fresh           constant bit varying := b.fresh || '';
    heads           constant bit varying := b.heads || '';
    positions       integer[]; -- if only some rows are asked for
    mails           integer[]; -- their mails
    numbers         integer[]; -- and addresses
    addresses       text[];
    queues          text[];
    i               integer;
    m               integer;
begin
    if kind is not null then
        positions := tap25_internal.block_rows(heads, rcpt, sender, fresh, b.back, b.peer, b.server, client_ip, origin_ip, server_ip, addresses_,
            b.mixed, b.odd_addresses, kind, value, network);
        if cardinality(positions) = 0 then
            return;
        elsif cardinality(positions) < 200 then -- of more rows, all addresses and queue IDs are found sooner than some
            foreach i in array positions loop
                m := coalesce(bit_count(substring(heads for i))::integer, i);
                if m is distinct from mails[cardinality(mails)] then
                    mails := mails || m;
                    numbers := numbers || sender[m]::integer;
                end if;
                numbers := numbers || rcpt[i]::integer;
            end loop;
        end if;
    end if;
    addresses := tap25_internal.block_addresses(addresses_, b.odd_addresses, numbers);
    queues := tap25_internal.block_queues(b.queue_mails, b.queue_kind, b.queue_length, b.queue_prefix, b.queue_octets, b.queue_text, mails);
    return query
    select m.i, a.links[coalesce(a.link[m.i], 1)], row(
        b.first_at + coalesce(a.at[m.i], a.at_long[m.i]) * interval '1 microsecond', a.session_id[s.i], z.size, z.declared,
        a.lost_bytes[k.i], a.mail_no[k.i], a.client_port[s.i], a.server_port[v.i], a.outcome[k.i], a.mail_code[k.i], a.rcpt_code[k.i],
        a.data_code[k.i], a.flags[k.i], a.auth[v.i], client_ip[p.i], server_ip[v.i], sensor[v.i],
        addresses[case when numbers is null then a.sender[m.i] else array_position(numbers, a.sender[m.i]::integer) end],
        addresses[case when numbers is null then a.rcpt[r.i] else array_position(numbers, a.rcpt[r.i]::integer) end],
        helo[p.i], queues[case when mails is null then m.i else array_position(mails, m.i) end], mail_from_raw[m.i], rcpt_to_raw[r.i],
        envid[m.i], orcpt[r.i], tls_server_name[p.i], origin_ip[p.i], network_[v.i], a.origin_port[s.i], a.origin_by[v.i])::tap25_internal.envelopes
    -- Concatenation with an empty array decompresses an array once. Otherwise each element that is taken would do so.
    from (select rcpt || '{}' as rcpt, sender || '{}' as sender, b.kind || '{}' as kind, b.at || '{}' as at, b.at_long || '{}' as at_long,
            b.back || '{}' as back, b.size || '{}' as size, b.size_long || '{}' as size_long,
            b.declared || '{}' as declared, b.declared_long || '{}' as declared_long, b.link || '{}' as link, b.session_id || '{}' as session_id,
            b.client_port || '{}' as client_port, b.origin_port || '{}' as origin_port, b.peer || '{}' as peer, b.server || '{}' as server,
            b.server_port || '{}' as server_port, b.auth || '{}' as auth, b.origin_by || '{}' as origin_by, b.mail_no || '{}' as mail_no,
            b.outcome || '{}' as outcome, b.mail_code || '{}' as mail_code, b.rcpt_code || '{}' as rcpt_code, b.data_code || '{}' as data_code,
            b.flags || '{}' as flags, b.lost_bytes || '{}' as lost_bytes, b.links || '{}' as links offset 0) a
    cross join lateral unnest(coalesce(positions, array(select generate_series(1, b.rows)))) r (i)
    cross join lateral (select coalesce(bit_count(substring(heads for r.i))::integer, r.i) as i offset 0) m
    cross join lateral (select bit_count(substring(fresh for m.i))::integer as top offset 0) f
    cross join lateral (select case when f.top is null then m.i when get_bit(fresh, m.i - 1) = 1 then f.top else f.top - a.back[m.i - f.top] end as i offset 0) s
    cross join lateral (select a.peer[s.i] as i offset 0) p
    cross join lateral (select a.server[s.i] as i offset 0) v
    cross join lateral (select coalesce(a.kind[r.i], 1) as i offset 0) k
    cross join lateral (select nullif(coalesce(a.size[m.i], a.size_long[m.i]), -1) as size,
        coalesce(nullif(a.declared[m.i], -2147483648), nullif(a.declared_long[m.i], -9223372036854775808))
            + greatest(coalesce(a.size[m.i], a.size_long[m.i]), 0) as declared offset 0) z;
end $$;

-- Questions.

-- The numbers of the addresses of a block that a question of a kind is about. Texts without capitals are sorted by the domain that they
-- begin with, so bisection finds those that may have the domain. All other texts are searched.
create function tap25_internal.block_numbers(kind text, value text, chunks text[], mixed integer, odd text[]) returns integer[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    whole   constant boolean := kind in ('from_domain', 'to_domain');
    wanted  constant text := lower(value);
    domain  constant text := case when whole then wanted when wanted like '%@_%' and right(wanted, 1) <> '@' then split_part(wanted, '@', -1) else '' end;
    local   constant text := case when domain = '' then wanted else left(wanted, -1 - length(domain)) end;
    many    constant integer := coalesce(cardinality(chunks), 0);
    low     integer := 1;
    high    integer := least(mixed - 1, many) + 1;
    last    constant integer := high - 1;
    text_   text;
    before  integer;
    names   text[];
    numbers integer[] := '{}';
begin
    while low < high loop -- the first text that begins with the domain, or a later one
        if split_part(chunks[(low + high) / 2], chr(9), 1) collate "C" >= domain collate "C" then
            high := (low + high) / 2;
        else
            low := (low + high) / 2 + 1;
        end if;
    end loop;
    for n in greatest(low - 1, 1)..last loop
        text_ := chunks[n];
        exit when split_part(text_, chr(9), 1) collate "C" > domain collate "C";
        before := strpos(chr(10) || text_, chr(10) || domain || chr(9));
        continue when before = 0;
        names := string_to_array(split_part(substr(text_, before), chr(10), 1), chr(9));
        before := (n - 1) * 64 + before - 1 - length(replace(left(text_, before - 1), chr(9), '')); -- each tab is before an address
        if whole then
            numbers := numbers || array(select before + i from generate_series(1, cardinality(names) - 1) i);
        elsif local = any (names[2:]) then
            numbers := numbers || before + array_position(names, local, 2) - 1;
        end if;
    end loop;
    if many > last then
        numbers := numbers || array(
            select a.i from unnest(chunks[last + 1:]) with ordinality c (text, n)
            cross join lateral (select ((last + c.n - 1) * 64 + row_number() over ())::integer as i,
                    case when g.names[1] = '' then l else l || '@' || g.names[1] end as address
                from unnest(string_to_array(c.text, chr(10))) x cross join lateral (select string_to_array(x, chr(9)) as names offset 0) g
                cross join lateral unnest(g.names[2:]) l) a
            where strpos(lower(c.text), domain || chr(9)) > 0
              and case when whole then tap25_internal.domain_of(a.address) else lower(a.address) end = wanted);
    end if;
    if odd is not null then
        numbers := numbers || array(select (tap25_internal.count_addresses(chunks) + o.n)::integer from unnest(odd) with ordinality o (address, n)
            where case when whole then tap25_internal.domain_of(o.address) else lower(o.address) end = wanted);
    end if;
    return numbers;
end $$;

-- The rows of a block, by number, that a question of a kind may be about.
create function tap25_internal.block_rows(heads bit varying, rcpt smallint[], sender smallint[], fresh bit varying, back smallint[],
    peer smallint[], server smallint[], client_ip inet[], origin_ip inet[], server_ip inet[], addresses text[], mixed integer,
    odd text[], kind text, value text, network inet) returns integer[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    wanted integer[];
    mails  integer[];
begin
    if kind = 'server' then
        wanted := array(select i from unnest(server_ip) with ordinality v (ip, i) where ip <<= network or ip = network);
    elsif kind = 'client' then
        wanted := array(select i from unnest(client_ip) with ordinality p (ip, i) where ip <<= network or ip = network
            union select i from unnest(origin_ip) with ordinality p (ip, i) where ip <<= network or ip = network);
    else
        wanted := tap25_internal.block_numbers(kind, value, addresses, mixed, odd);
    end if;
    if wanted = '{}' then
        return wanted;
    elsif kind in ('rcpt_to', 'to_domain') then
        return tap25_internal.positions_of(rcpt, wanted);
    elsif kind in ('mail_from', 'from_domain') then
        mails := tap25_internal.positions_of(sender, wanted);
    else
        wanted := tap25_internal.positions_of(case kind when 'server' then server else peer end, wanted); -- sessions
        if fresh is null then
            mails := wanted;
        else
            -- First the mails that begin these sessions. Then the others: up to such a mail, mail - nth sessions have begun.
            mails := array(select unnest(tap25_internal.bit_positions(fresh, wanted))
                union all select b.mail from rows from (unnest(tap25_internal.bit_positions(~fresh)), unnest(back)) with ordinality b (mail, back, nth)
                where b.mail - b.nth - b.back = any (wanted) order by 1);
        end if;
    end if;
    if heads is null then
        return mails;
    end if;
    return array(select r from unnest(tap25_internal.bit_positions(heads, mails), tap25_internal.bit_positions(heads || B'1', array(select m + 1 from unnest(mails) m)))
        u (first, next) cross join lateral generate_series(first, next - 1) r order by r);
end $$;

-- Where an array has one of some values.
create function tap25_internal.positions_of(list smallint[], wanted integer[]) returns integer[] language plpgsql immutable
set search_path = pg_catalog, pg_temp as $$
begin
    if cardinality(wanted) < 20 then
        return array(select p from unnest(wanted) w cross join lateral unnest(array_positions(list, w::smallint)) p order by p);
    end if;
    return array(select l.i from unnest(list) with ordinality l (v, i) join unnest(wanted) w on w = l.v order by l.i);
end $$;

-- The query of rows of envelopes as one of mail.
create function tap25_internal.as_mail(source text) returns text language sql stable
set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
    select regexp_replace(pg_get_viewdef('tap25_internal.mail_days'::regclass), 'FROM tap25_internal.envelopes;$', 'FROM (') || source || ') envelopes'
$$;

-- The packed days that may have a value, and the blocks that may have it; without a hash, all packed days. The lines of a page in a
-- month are next to each other in the index, and a bitmap scan asks the disk for all of them before it waits for the first. The i-th
-- value is at the i-th set bit, and each bit before it that is not set stands for a block.
create function tap25_internal.blocks_with(hash bigint, since date, before date) returns table (day date, blocks integer[]) language plpgsql stable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set enable_seqscan = off set enable_indexscan = off
set effective_io_concurrency = 100 as $$
declare
    m record;
begin
    if hash is null then
        return query select distinct k.day, null::integer[] from tap25_internal.packs k where k.day between since and before order by k.day;
        return;
    end if;
    for m in select to_char(k.day, 'YYYYMM') as month, array_agg(distinct tap25_internal.print_page(hash, k.bits)) as pages
             from tap25_internal.packs k where k.day between since and before group by 1 order by 1
    loop
        return query execute format('select q.day, array_agg(distinct q.first + place - i) from tap25_internal.%I q join tap25_internal.packs k using (day, first)
            cross join lateral unnest(array_positions(q.prints, $2)) i
            cross join lateral unnest(tap25_internal.bit_positions(q.blocks, array[i])) place
            where q.page = any ($3) and q.page = tap25_internal.print_page($1, k.bits) and q.day between $4 and $5 group by q.day order by q.day',
            'block_prints_' || m.month) using hash, tap25_internal.print_of(hash), m.pages, since, before;
    end loop;
end $$;

create function tap25_internal.packed_about(kind text, value text, condition text, since timestamptz, before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question text;
    hash     constant bigint := tap25_internal.print_hash(kind, value);
    network  inet;
    found_   tap25_internal.envelopes[] := '{}';
    of_block tap25_internal.envelopes[];
    p        record;
begin
    if kind in ('client', 'server') then
        network := coalesce(value, substring(condition from '''([^'']*)''::inet'))::inet;
    end if;
    for p in select d.day, d.blocks from tap25_internal.blocks_with(hash, (since at time zone 'UTC')::date, (before at time zone 'UTC')::date) d
    loop
        -- Only after a day was found: as_mail locks envelopes, and that lock keeps every day from being dropped.
        question := 'select * from (' || tap25_internal.as_mail('select * from unnest($4)')
            || ') m where seen_at >= $2 and seen_at < $3 and ' || condition;
        for of_block in execute format('select array(select u.e from tap25_internal.unpack(b, $4, $5, $6) u) from tap25_internal.%I b
            where last_at >= $1 and first_at < $2 and ($3 is null or number = any ($3)) order by number', tap25_internal.blocks_name(p.day))
            using since, before, p.blocks, kind, value, network
        loop
            found_ := found_ || of_block;
            if cardinality(found_) > 1000 then
                return query execute question using value, since, before, found_;
                found_ := '{}';
            end if;
        end loop;
    end loop;
    if cardinality(found_) > 0 then
        return query execute question using value, since, before, found_;
    end if;
end $$;

create function tap25_internal.blocks_name(day date) returns text language sql immutable
return 'blocks_' || to_char(day::timestamp, 'YYYYMMDD');

create function tap25_internal.count_addresses(chunks text[]) returns integer language sql immutable
return coalesce((cardinality(chunks) - 1) * 64 + cardinality(string_to_array(translate(chunks[cardinality(chunks)], chr(10), chr(9)), chr(9)))
    - cardinality(string_to_array(chunks[cardinality(chunks)], chr(10))), 0);

-- Refuses a statement that would unpack more than 5,000,000 rows of several days, which takes some seconds, unless tap25.unpack is all.
-- The view cannot check a condition on an address before it has unpacked the row. The planner calls this function once for each day
-- that the statement reads, before any row is read. One day alone is not refused, since this function does not know how much of the
-- day the statement asks for.
create function tap25_internal.unpacks(which date) returns boolean language plpgsql stable parallel restricted
set search_path = pg_catalog, pg_temp as $$
declare
    most    constant bigint := 5000000;
    now_    constant text   := statement_timestamp()::text;
    before  constant text[] := string_to_array(current_setting('tap25.unpacked', true), '|');
    already constant bigint := case when before[1] = now_ then before[2]::bigint end; -- null: this is the first day
    rows    constant bigint := coalesce((select sum(p.rows) from tap25_internal.packs p where p.day = which), 0);
begin
    if already + rows > most and current_setting('tap25.unpack', true) is distinct from 'all' then
        raise 'this statement would unpack more than % rows of packed days', most using errcode = 'program_limit_exceeded',
            hint = 'mail_from() and mail_to() unpack only blocks that have the address. Or name a shorter time. SET tap25.unpack = ''all'' allows it.';
    end if;
    perform set_config('tap25.unpacked', now_ || '|' || coalesce(already, 0) + rows, true);
    return true;
end $$;

-- The times of the mails of a block, in microseconds after its first. The estimate of 100,000 rows is too high on purpose: if the
-- planner expected few times within the limits of a question, it would search all rows of the block for each time.
create function tap25_internal.block_times(at integer[], at_long bigint[]) returns table (micros bigint, mail integer) language plpgsql immutable
rows 100000 set search_path = pg_catalog, pg_temp as $$
begin
    return query select coalesce(m.a, m.b), m.i::integer from rows from (unnest(at), unnest(at_long)) with ordinality m (a, b, i);
end $$;

-- The rows of a packed day. It is expanded in the statement: the times of a block are unpacked first, and the rest only if one of them is
-- asked for. The ORDER BY keeps the planner from joining the times of all blocks first, and then unpacking a block for each time: it
-- takes a function for cheap whose result it has, and does not see that each block has another.
create function tap25_internal.day_rows(which date) returns table (seen_at timestamptz, e tap25_internal.envelopes) language sql stable
begin atomic
    select x.seen_at, x.e from tap25_internal.blocks k cross join lateral (
        select k.first_at + m.micros * interval '1 microsecond' as seen_at, p.e from tap25_internal.block_times(k.at, k.at_long) m
        join lateral tap25_internal.unpack(k) p on p.mail = m.mail order by m.mail) x
    where k.day = which and tap25_internal.unpacks(which);
end;

-- The arms of the view mail_packed, one for each packed day. What a question says of the time is pushed into each arm. There it
-- contradicts the limits of other days, and the planner leaves these out: it looks for contradictions in members of a UNION ALL
-- only, which is why each arm has a second member, without rows. The first member is a join, so that the planner expands its function
-- only if it is not left out.
create function tap25_internal.show_packed() returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    none constant text := 'select null::timestamptz as seen_at, null::tap25_internal.envelopes as e where false';
    arms text := coalesce((select string_agg(format('select u.seen_at, u.e from (
            select f.seen_at, f.e from tap25_internal.day_rows(%L) f, (values (1)) o
            union all %s) u where u.seen_at >= %L and u.seen_at < %L', d.day, none, d.day || ' 00:00:00+00', (d.day + 1) || ' 00:00:00+00'),
        ' union all ' order by d.day) from (select distinct day from tap25_internal.packs) d), none);
    columns text := (select string_agg(format('(p.e).%I', attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped and attname <> 'seen_at');
begin
    execute 'create or replace view tap25_internal.mail_packed as '
        || tap25_internal.as_mail('select p.seen_at, ' || columns || ' from (' || arms || ') p');
end $$;

-- Packing.

create function tap25_internal.days_to_pack(older interval, quiet interval) returns table (day date, rows bigint) language sql stable
security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, case when tap25_internal.is_tied() then 0 else sum(d.rows)::bigint end from tap25_internal.days d
    where d.day < (now() at time zone 'UTC')::date and d.day < ((now() at time zone 'UTC')::date - older)::date
    group by d.day having sum(d.rows) > 0 and max(d.loaded_at) <= now() - quiet and tap25_internal.has_partition(d.day) order by d.day
$$;

-- Keeps ANALYZE from the arrays of blocks. No condition is on them, and ANALYZE would decompress them all. A process that plans a
-- question would then keep their statistics, about 100,000 octets for each day.
create function tap25_internal.skip_statistics(target regclass) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    execute (select format('alter table %s ', target) || string_agg(format('alter column %I set statistics 0', attname), ', ')
        from pg_attribute where attrelid = target and attnum > 0 and attname <> all ('{day,number,rows,first_at,last_at}'));
end $$;
do $$ begin perform tap25_internal.skip_statistics('tap25_internal.blocks'); end $$;

-- Packs what a day has in its partition, in blocks of up to some rows, and of some octets beyond 300 a row. It has no lock while it
-- reads; rows that are loaded meanwhile are in the blocks too, or counted and missed: then nothing is packed.
create function tap25_internal.pack_rows(which date, most integer, octets integer) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set work_mem = '6MB'
set max_parallel_workers_per_gather = 0 as $$
declare
    partition constant regclass := 'tap25_internal.' || tap25_internal.partition_name(which);
    name      constant text := tap25_internal.blocks_name(which);
    again     constant boolean := tap25_internal.is_packed(which);
    links     record;
    lost      boolean;
    times     timestamptz[]; -- where each block begins
    rows      tid[];
    start     integer := 1;
    packed    bigint := 0;
begin
    select array_agg(l.id order by l.id) as ids, array_agg(l.sensor order by l.id) as sensors, array_agg(l.xid order by l.id) as xids into links
    from tap25.links l where daterange(l.first_day, l.last_day, '[]') @> which and l.xid is not null;
    -- After a restore from a dump only the order of the rows shows which link is theirs, and blocks do not have it.
    if links.ids is not null and (select v.xmin <> v.born from tap25_internal.evidence v) then
        execute format('select exists (select from %s e where not exists (select from unnest($1, $2) l (sensor, xid)
            where l.sensor = e.sensor and l.xid = e.xmin))', partition) into lost using links.sensors, links.xids;
        if lost then
            return null;
        end if;
    end if;
    if again then
        execute format('select coalesce(max(number), 0) + 1 from tap25_internal.%I', name) into start;
    else
        execute format('create table tap25_internal.%I (like tap25_internal.blocks including defaults including constraints)
            with (toast_tuple_target = 8160)', name);
        perform tap25_internal.skip_statistics(('tap25_internal.' || quote_ident(name))::regclass);
    end if;
    -- Where blocks begin is read at once: a cursor would keep the memory of the sort until the last block is packed.
    execute format('
        select array_agg(seen_at order by seen_at, row), array_agg(row order by seen_at, row)
        from (select seen_at, row, block is distinct from lag(block) over w as begins
              from (select seen_at, row, ((row_number() over w - 1) / $1 << 32) + (sum(more) over w / $2) as block from (
                  select e.seen_at, e.ctid as row, greatest(0, coalesce(octet_length(mail_from), 0) + coalesce(octet_length(rcpt_to), 0)
                      + coalesce(octet_length(helo), 0) + coalesce(octet_length(queue_id), 0) + coalesce(octet_length(mail_from_raw), 0)
                      + coalesce(octet_length(rcpt_to_raw), 0) + coalesce(octet_length(envid), 0) + coalesce(octet_length(orcpt), 0)
                      + coalesce(octet_length(tls_server_name), 0) - 300) as more
                  from %s e offset 0) e window w as (order by seen_at, row)) e
              window w as (order by seen_at, row)) e
        where begins', partition) into times, rows using most, octets;
    for n in 1..coalesce(cardinality(times), 0) loop
        packed := packed + tap25_internal.pack_block(partition, ('tap25_internal.' || quote_ident(name))::regclass, which, start + n - 1, times[n],
            rows[n], coalesce(times[n + 1], 'infinity'), coalesce(rows[n + 1], '(4294967295,65535)'), links.ids, links.sensors, links.xids);
    end loop;
    if packed = 0 then
        raise 'the day % has no rows, but % were counted', which, (select sum(d.rows) from tap25_internal.days d where d.day = which);
    end if;
    if not again then
        execute format('alter table tap25_internal.%I add primary key (day, number)', name);
    end if;
    perform tap25_internal.index_blocks(which, ('tap25_internal.' || quote_ident(name))::regclass, start, cardinality(times), packed);
    perform tap25_internal.change_to_blocks(which, again, packed);
    return packed;
end $$;

-- Notes which blocks have a value, by 16 bits of its hash.
create function tap25_internal.index_blocks(which date, target regclass, start integer, many integer, rows bigint) returns void
language plpgsql set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set work_mem = '6MB'
set hash_mem_multiplier = 1 set enable_memoize = off set max_parallel_workers_per_gather = 0 as $$
declare
    width constant smallint := greatest(0, ceil(log(2, greatest(1, rows * 1.9 / 480))))::smallint; -- about 480 prints in a page
    month constant text := 'block_prints_' || to_char(which, 'YYYYMM');
begin
    if to_regclass('tap25_internal.' || month) is null then
        execute format('create table tap25_internal.%I (like tap25_internal.block_prints including constraints including indexes)
            with (toast_tuple_target = 2016)', month);
        execute format('alter table tap25_internal.block_prints attach partition tap25_internal.%I for values from (%L) to (%L)',
            month, date_trunc('month', which)::date, (date_trunc('month', which) + interval '1 month')::date);
    end if;
    insert into tap25_internal.packs (day, first, blocks, rows, bits) values (which, start, many, rows, width);
    execute format($query$
        insert into tap25_internal.%I (day, first, page, prints, blocks)
        select $1, $2, page, array_agg(((place & 65535) - 32768)::smallint),
            string_agg(repeat('0', ((place >> 16) - case when before_page = page then before >> 16 else $2 end)::integer) || '1', '')::bit varying
        from (select page, place, lag(page) over w as before_page, lag(place) over w as before from (
            -- The block's number and the print are one number, which is sorted faster than two.
            select distinct tap25_internal.print_page(hash, $3) as page, (number::bigint << 16) + tap25_internal.print_of(hash) + 32768 as place
            from %s b cross join lateral (
                with addresses as (
                    select a.value, n.sent, n.received from unnest(tap25_internal.block_addresses(b.addresses, b.odd_addresses, null))
                        with ordinality a (value, i)
                    join (select u.i, bool_or(u.sent) as sent, bool_or(not u.sent) as received from (
                        select unnest(b.sender) as i, true as sent union all select unnest(b.rcpt), false) u group by u.i) n on n.i = a.i
                ), domains as (
                    select tap25_internal.domain_of(value) as value, bool_or(sent) as sent, bool_or(received) as received from addresses group by 1
                )
                select tap25_internal.print_hash('mail_from', value) as hash from addresses where sent
                union all select tap25_internal.print_hash('rcpt_to', value) from addresses where received
                union all select tap25_internal.print_hash('from_domain', value) from domains where sent and value is not null
                union all select tap25_internal.print_hash('to_domain', value) from domains where received and value is not null
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.client_ip) ip
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.origin_ip) ip where ip is not null
                union all select tap25_internal.print_hash('server', host(ip)) from unnest(b.server_ip) ip) h
            where b.number >= $2 order by page, place
        ) p window w as (order by page, place)) p group by page$query$, month, target) using which, start, width;
end $$;

-- Puts the blocks in the place of the partition, under locks that exclude loads and readers. Whoever is in the way is waited for for a
-- short time only, as by expiry, and then again.
create function tap25_internal.change_to_blocks(which date, again boolean, packed bigint) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    partition constant text := tap25_internal.partition_name(which);
begin
    perform set_config('lock_timeout', '200ms', true);
    for attempt in 1..20 loop
        begin
            execute format('lock table tap25_internal.%I in share row exclusive mode', partition);
            if (select sum(d.rows) from tap25_internal.days d where d.day = which) <> (select sum(p.rows) from tap25_internal.packs p where p.day = which) then
                raise 'rows of the day % came while it was packed, or it has others than were counted', which using errcode = 'serialization_failure';
            end if;
            execute format('drop table tap25_internal.%I', partition);
            if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
                execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
            end if;
            if not again then
                execute format('alter table tap25_internal.blocks attach partition tap25_internal.%I for values from (%L) to (%L)',
                    tap25_internal.blocks_name(which), which, which + 1);
                perform tap25_internal.show_packed();
            end if;
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise;
            end if;
        end;
        perform pg_sleep(0.3);
    end loop;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.frozen f where f.day = which;
end $$;

create function tap25_internal.pack_day(which date) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise 'a day is packed in a transaction that is read committed' using errcode = 'invalid_transaction_state';
    end if;
    begin
        lock table tap25_internal.making_blocks in exclusive mode nowait;
    exception when lock_not_available then
        return null;
    end;
    if not exists (select from tap25_internal.days_to_pack('0', '0') d where d.day = which) then
        return null;
    end if;
    begin
        perform set_config('default_toast_compression', 'lz4', true);
    exception when invalid_parameter_value then -- this server has pglz alone
    end;
    return tap25_internal.pack_rows(which, 8000, 4 << 20);
end $$;

-- What reads days, or drops them.

do $$ begin perform tap25_internal.show_packed(); end $$;
create or replace view tap25.mail as
select * from (select * from tap25_internal.mail_days union all select * from tap25_internal.mail_packed
    union all select * from tap25_internal.mail_aside) as rows where seen_at >= '-infinity';

create or replace function tap25_internal.mail_about(kind text, value text, condition text, since timestamptz, before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ';
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    d      date;
begin
    perform tap25_internal.check_may_ask();
    foreach d in array array(select tap25_internal.days_with(kind, value, first, behind)) loop
        return query execute format(question, 'mail_days') || replace(condition, '{bucket}', 'tap25_internal.' || tap25_internal.day_bucket(d))
            using value, greatest(first, d::timestamp at time zone 'UTC'), least(behind, (d + 1)::timestamp at time zone 'UTC');
    end loop;
    return query select * from tap25_internal.packed_about(kind, value, replace(condition, '{bucket}', 'tap25_internal.bucket'), first, behind);
    return query execute format(question, 'mail_aside') || replace(condition, '{bucket}', 'tap25_internal.bucket') using value, first, behind;
end $$;

create function tap25_internal.size_of(which regclass) returns bigint language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select pg_total_relation_size(which)
$$;

-- With its owner's rights: the login of a logical copy may call it, but not size_of.
create or replace function tap25_internal.partitions() returns table (day date, bytes bigint) language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD'), sum(tap25_internal.size_of(c.oid))::bigint
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass) and c.relname ~ '^(envelopes|blocks)_[0-9]{8}$'
    group by 1
$$;

create or replace function tap25_internal.ensure_partition(day date) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.wrong_clock(day) is not null then
        return tap25_internal.wrong_clock(day);
    elsif not tap25_internal.has_partition(day) then
        if day < (now() at time zone 'UTC')::date - 7 and not tap25_internal.is_packed(day)
            and (select count(*) from pg_inherits where inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass))
                >= tap25_internal.max_partitions() then
            return 'too many days';
        end if;
        perform tap25_internal.make_partition(day);
    end if;
    return null;
end $$;

create or replace function tap25_internal.dropped_days(days date[]) returns setof date language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select distinct e.day from tap25.expired e
    where e.kind = 'partition' and e.day = any (days) and not tap25_internal.has_partition(e.day) and not tap25_internal.is_packed(e.day)
$$;

create or replace function tap25_internal.ends(out oldest timestamptz, out newest timestamptz, out held bigint, out misdated bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    first_day constant date := (select min(d.day) from tap25_internal.days d where d.rows > 0);
    last_day  constant date := (select max(d.day) from tap25_internal.days d where d.rows > 0);
    first     constant timestamptz := first_day::timestamp at time zone 'UTC';
    last      constant timestamptz := last_day::timestamp at time zone 'UTC';
begin
    select min(e.seen_at) into oldest from tap25_internal.envelopes e where e.seen_at >= first and e.seen_at < first + interval '1 day';
    select max(e.seen_at) into newest from tap25_internal.envelopes e where e.seen_at >= last and e.seen_at < last + interval '1 day';
    oldest := least(oldest, (select min(b.first_at) from tap25_internal.blocks b where b.day = first_day));
    newest := greatest(newest, (select max(b.last_at) from tap25_internal.blocks b where b.day = last_day));
    select count(*) into held from tap25_internal.held;
    select count(*) into misdated from tap25_internal.misdated;
end $$;

-- The rows of a packed day, as the source of another query.
create function tap25_internal.packed_rows(which date) returns text language sql immutable
return format('(select (p.e).* from tap25_internal.blocks k cross join lateral tap25_internal.unpack(k) p where k.day = %L)', which);

drop function tap25_internal.keep_held;
create function tap25_internal.keep_held(source text, since timestamptz, before timestamptz, filter text) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                              where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped);
    n       bigint := 0;
    -- For each hold an expression that returns its id for a row that it concerns. Citus could not join rows with holds.
    tests   constant text := (
        select string_agg(format('case when tap25_internal.concerns(%L, %L, %L, %L, true, %L, %L, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip,
            e.origin_ip, e.network) then %s::bigint end', h.mailbox, h.domain, h.network, h.seen_in, h.since, h.before, h.id), ', ' order by h.id)
        from tap25.holds h where h.dropped_at is null and h.until > now() and h.since < keep_held.before and h.before > keep_held.since);
begin
    if tests is not null then
        execute format('insert into tap25_internal.held (%1$s, hold_ids) select %1$s, ids from (
                select e.*, array_remove(array[%2$s], null) as ids from %3$s e where %4$s) e
            where ids <> ''{}''', columns, tests, source, filter);
        get diagnostics n = row_count;
    end if;
    return n;
end $$;

create or replace function tap25_internal.expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    since  constant timestamptz := which::timestamp at time zone 'UTC';
    before constant timestamptz := (which + 1)::timestamp at time zone 'UTC';
    part   text;
begin
    perform tap25_internal.check_retention(before);
    lock table tap25.holds in share mode; -- a hold that is added now waits, and then concerns what is left
    kept := 0;
    bytes := 0;
    foreach part in array array[tap25_internal.partition_name(which), tap25_internal.blocks_name(which)] loop
        continue when to_regclass('tap25_internal.' || part) is null;
        begin
            execute format('lock table tap25_internal.%I in share row exclusive mode nowait', part);
        exception when undefined_table then
            continue;
        end;
        -- Before keep_held: Citus does not report a size after the transaction has changed rows.
        bytes := bytes + tap25_internal.size_of(('tap25_internal.' || quote_ident(part))::regclass);
        kept := kept + tap25_internal.keep_held(case when part = tap25_internal.partition_name(which) then 'tap25_internal.' || quote_ident(part)
            else tap25_internal.packed_rows(which) end, since, before, 'true');
        execute format('drop table tap25_internal.%I', part);
        rows := coalesce((select sum(d.rows) from tap25_internal.days d where d.day = which), 0);
    end loop;
    if rows is null then
        return;
    end if;
    delete from tap25_internal.days d where d.day = which;
    if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
        execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
    end if;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.frozen f where f.day = which;
    delete from tap25_internal.late_days l where l.day = which;
    delete from tap25_internal.block_prints p using tap25_internal.packs k, generate_series(0, (1 << k.bits) - 1) page
    where k.day = which and p.day = which and p.first = k.first and p.page = page.page;
    delete from tap25_internal.packs p where p.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

create or replace function tap25_internal.end_all_blockers(which date, older interval) returns table (login name, application text,
    open_since timestamptz, ended boolean, reason text) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    held  constant regclass[] := case when which is null then array['tap25_internal.making_partitions'::regclass]
        else array['tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass, 'tap25.holds'::regclass,
            to_regclass('tap25_internal.' || tap25_internal.partition_name(which)), to_regclass('tap25_internal.' || tap25_internal.blocks_name(which)),
            'tap25_internal.prints'::regclass, to_regclass('tap25_internal.' || tap25_internal.prints_name(which))] end;
    late  constant boolean := exists (select from tap25_internal.late_days l where l.day = which and l.since < clock_timestamp() - older);
    using_it text[] := '{}';
    s     record;
begin
    for s in
        select a.pid, a.usename, a.application_name, a.xact_start, r.rolsuper or pg_has_role(a.usesysid, owner, 'member') as owns,
               clock_timestamp() - a.xact_start as age, case when a.state ~ '^idle in transaction' then clock_timestamp() - a.state_change end as idle,
               exists (select from pg_roles t where t.rolname in ('tap25_auditor', 'tap25_admin') and pg_has_role(a.usesysid, t.oid, 'member')) as reads,
               exists (select from pg_roles t where t.rolname = 'tap25_sensor' and pg_has_role(a.usesysid, t.oid, 'member')) as loads
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
        where a.pid <> pg_backend_pid() and a.leader_pid is null and exists (
            select from pg_locks l where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.relation = any (held)
            and l.database = (select d.oid from pg_database d where d.datname = current_database()))
        order by a.xact_start
    loop
        login := s.usename;
        application := s.application_name;
        open_since := s.xact_start;
        ended := false;
        reason := case when s.owns or not (s.reads or s.loads) then 'not a session that expiry ends'
                       when s.xact_start is null then format('its age is hidden: grant pg_read_all_stats, pg_signal_backend to %I', owner::regrole::name)
                       when older is null then 'expiry ends no session'
                       when s.reads and (late or s.age > older) then null
                       when s.loads and (s.age > greatest(older, '15 minutes') or s.idle > older or late and s.idle > '1 minute') then null
                       else 'not open for so long yet' end;
        if reason is null then
            begin
                ended := pg_terminate_backend(s.pid, 5000);
                raise log 'tap25: % ended the session of %, which kept the day % from being dropped', quote_ident(session_user), quote_ident(s.usename), which;
                insert into tap25_internal.ended_sessions (login, application, open_since, day) values (s.usename, s.application_name, s.xact_start, which);
            exception when insufficient_privilege then
                reason := format('the owner may not end it: grant pg_signal_backend to %I', owner::regrole::name);
            end;
        end if;
        if not ended then
            using_it := using_it || format('%s with "%s" (%s)', quote_ident(s.usename), s.application_name, reason);
        end if;
        return next;
    end loop;
    insert into tap25_internal.late_days as l (day, users) select which, array_to_string(using_it, ', ') where tap25_internal.has_partition(which) or tap25_internal.is_packed(which)
    on conflict (day) do update set tried = excluded.tried, users = excluded.users;
end $$;

-- The leaves of the segments that have one of some rows of a day that is not packed.
create function tap25_internal.day_leaves(which date, times timestamptz[], sessions bigint[])
returns table (body bytea, signature bytea, public_key bytea, leaves bytea) language plpgsql stable
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    first constant timestamptz := which::timestamp at time zone 'UTC';
    last  constant timestamptz := (which + 1)::timestamp at time zone 'UTC';
begin
    return query
    with segments as materialized (
        select distinct l.id from unnest(times, sessions) w (seen_at, session_id)
        join tap25_internal.envelopes e on e.seen_at = w.seen_at and e.session_id = w.session_id and e.seen_at >= first and e.seen_at < last
        join tap25.links l on l.sensor = e.sensor and l.xid = e.xmin and daterange(l.first_day, l.last_day, '[]') @> which
    )
    select l.body, l.signature, k.public_key, string_agg(tap25_internal.leaf(e), '')
    from segments s join tap25.links l on l.id = s.id join tap25.keys k on k.id = l.key
    join tap25_internal.envelopes e on e.sensor = l.sensor and e.xmin = l.xid and e.seen_at >= first and e.seen_at < last
    group by l.id, k.id;
end $$;

create or replace function tap25.case_leaves(access bigint) returns table (body bytea, signature bytea, public_key bytea, day date, leaves bytea)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    asked  constant tap25.accesses := tap25_internal.answered(access);
    its    record;
    found_ bigint[];
begin
    for its in select (r.seen_at at time zone 'UTC')::date as day, array_agg(r.seen_at) as times, array_agg(r.session_id) as sessions
        from tap25_internal.case_rows(asked.warrant_ids, asked.asked_since, asked.asked_before, asked.asked_target) r group by 1
    loop
        if tap25_internal.has_partition(its.day) then
            return query select d.body, d.signature, d.public_key, its.day, d.leaves from tap25_internal.day_leaves(its.day, its.times, its.sessions) d;
        end if;
        continue when not tap25_internal.is_packed(its.day);
        -- OFFSET 0: each block is unpacked once, whatever it is joined with.
        found_ := array(select distinct p.link from (
                select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
                where b.day = its.day and exists (select from unnest(its.times) t where t between b.first_at and b.last_at) offset 0) p
            join unnest(its.times, its.sessions) w (seen_at, session_id) on w.seen_at = (p.e).seen_at and w.session_id = (p.e).session_id
            where p.link is not null);
        return query
        select l.body, l.signature, k.public_key, its.day, string_agg(tap25_internal.leaf(p.e), '')
        from (select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
              where b.day = its.day and b.links && found_ offset 0) p
        join tap25.links l on l.id = p.link join tap25.keys k on k.id = l.key where l.id = any (found_) group by l.id, k.id;
    end loop;
end $$;

-- Rights.

revoke all on tap25_internal.blocks, tap25_internal.packs, tap25_internal.block_prints, tap25_internal.making_blocks, tap25_internal.mail_packed
    from public;
revoke execute on function tap25_internal.is_packed, tap25_internal.pack_block, tap25_internal.block_addresses, tap25_internal.block_queues,
    tap25_internal.bit_positions, tap25_internal.blocks_with, tap25_internal.skip_statistics, tap25_internal.unpack, tap25_internal.block_numbers, tap25_internal.block_rows, tap25_internal.positions_of, tap25_internal.as_mail,
    tap25_internal.packed_about, tap25_internal.day_rows, tap25_internal.blocks_name, tap25_internal.count_addresses, tap25_internal.show_packed,
    tap25_internal.days_to_pack, tap25_internal.pack_rows, tap25_internal.index_blocks, tap25_internal.change_to_blocks,
    tap25_internal.pack_day, tap25_internal.packed_rows, tap25_internal.keep_held, tap25_internal.size_of, tap25_internal.day_leaves from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_packing;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    name text;
begin
    perform tap25_internal.grant_roles_before_packing();
    foreach name in array '{tap25_sensor,tap25_admin}'::text[] loop
        if exists (select from pg_roles where rolname = name) then
            execute format('grant execute on function tap25_internal.days_to_pack, tap25_internal.pack_day to %I', name);
        end if;
    end loop;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25_internal.packs to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25_internal.blocks is 'Packed rows: a line is up to 8,000 rows of a day that follow one another in time. A partition for each packed day, blocks_YYYYMMDD. Numbers count from 1. docs/storage.md describes it.';
comment on column tap25_internal.blocks.day is 'The UTC day of the rows.';
comment on column tap25_internal.blocks.number is 'Number of the block within its day.';
comment on column tap25_internal.blocks.rows is 'Number of rows.';
comment on column tap25_internal.blocks.first_at is 'The least seen_at.';
comment on column tap25_internal.blocks.last_at is 'The greatest seen_at.';
comment on column tap25_internal.blocks.heads is 'A bit for each row: set if it is the first of a mail. Null: each row is.';
comment on column tap25_internal.blocks.rcpt is 'Of each row: the number of rcpt_to among the addresses; 0: null.';
comment on column tap25_internal.blocks.kind is 'Of each row: which of the values of mail_no to lost_bytes are its; null: the first.';
comment on column tap25_internal.blocks.rcpt_to_raw is 'Of each row; null: all are null.';
comment on column tap25_internal.blocks.orcpt is 'Of each row; null: all are null.';
comment on column tap25_internal.blocks.at is 'Of each mail: microseconds from first_at to seen_at; null: at_long has them.';
comment on column tap25_internal.blocks.at_long is 'Like at, if one is beyond integer.';
comment on column tap25_internal.blocks.fresh is 'A bit for each mail: set if it begins the next session. Null: each mail does.';
comment on column tap25_internal.blocks.back is 'Of each mail that begins no session: how many sessions have begun after its own.';
comment on column tap25_internal.blocks.sender is 'Of each mail: the number of mail_from among the addresses; 0: null.';
comment on column tap25_internal.blocks.size is 'Of each mail: message_bytes; -1: null. Null: size_long has them.';
comment on column tap25_internal.blocks.size_long is 'Like size, if one is beyond integer.';
comment on column tap25_internal.blocks.declared is 'Of each mail: declared_size less message_bytes, or less 0 if that is null; the least integer: null. Null: declared_long has them.';
comment on column tap25_internal.blocks.declared_long is 'Like declared, if one is beyond integer; the least bigint: null.';
comment on column tap25_internal.blocks.link is 'Of each mail: which of links signs it; null: the first.';
comment on column tap25_internal.blocks.mail_from_raw is 'Of each mail; null: all are null.';
comment on column tap25_internal.blocks.envid is 'Of each mail; null: all are null.';
comment on column tap25_internal.blocks.session_id is 'Of each session.';
comment on column tap25_internal.blocks.client_port is 'Of each session.';
comment on column tap25_internal.blocks.origin_port is 'Of each session; null: all are null.';
comment on column tap25_internal.blocks.peer is 'Of each session: which of the values of client_ip to origin_ip are its.';
comment on column tap25_internal.blocks.server is 'Of each session: which of the values of server_ip to origin_by are its.';
comment on column tap25_internal.blocks.client_ip is 'The client''s address of each peer.';
comment on column tap25_internal.blocks.helo is 'helo of each peer.';
comment on column tap25_internal.blocks.tls_server_name is 'tls_server_name of each peer; null: all are null.';
comment on column tap25_internal.blocks.origin_ip is 'origin_ip of each peer; null: all are null.';
comment on column tap25_internal.blocks.server_ip is 'The address of each server.';
comment on column tap25_internal.blocks.server_port is 'server_port of each server, less 32768.';
comment on column tap25_internal.blocks.sensor is 'sensor of each server.';
comment on column tap25_internal.blocks.network is 'network of each server; null: all are null.';
comment on column tap25_internal.blocks.auth is 'auth of each server.';
comment on column tap25_internal.blocks.origin_by is 'origin_by of each server; null: all are null.';
comment on column tap25_internal.blocks.mail_no is 'mail_no of each kind of row.';
comment on column tap25_internal.blocks.outcome is 'outcome of each kind of row, by number.';
comment on column tap25_internal.blocks.mail_code is 'mail_code of each kind of row.';
comment on column tap25_internal.blocks.rcpt_code is 'rcpt_code of each kind of row.';
comment on column tap25_internal.blocks.data_code is 'data_code of each kind of row.';
comment on column tap25_internal.blocks.flags is 'flags of each kind of row.';
comment on column tap25_internal.blocks.lost_bytes is 'lost_bytes of each kind of row; null: all are null.';
comment on column tap25_internal.blocks.links is 'The links that sign the rows, tap25.links.id; null among them: rows that no link is of.';
comment on column tap25_internal.blocks.queue_mails is 'Of each form of queue IDs: a bit for each mail, set if its queue_id has that form. The n-th set bit belongs to the n-th queue ID of the form. Null: all are null.';
comment on column tap25_internal.blocks.queue_kind is 'Of each form of queue IDs: 1 hexadecimal, 2 letters and digits, 3 UUID, 4 any text.';
comment on column tap25_internal.blocks.queue_length is 'Of each form: the number of characters; 0 for text.';
comment on column tap25_internal.blocks.queue_prefix is 'Of each form: what all begin with, of the kinds 1 and 2.';
comment on column tap25_internal.blocks.queue_octets is 'Of each form: the rest of all, two characters an octet (1), four in three octets as in base64 (2), or 16 octets (3).';
comment on column tap25_internal.blocks.queue_text is 'The queue IDs of the form that is text.';
comment on column tap25_internal.blocks.addresses is 'The addresses, 64 in a text, by domain: in each line a domain and the local parts, with tabs between. In a line without domain they are whole.';
comment on column tap25_internal.blocks.mixed is 'The first of the texts of addresses that are not all in lower case.';
comment on column tap25_internal.blocks.odd_addresses is 'Addresses with a tab or the end of a line in them; they come after the others.';
comment on table tap25_internal.packs is 'What was packed, when: a day once, and again after rows came late.';
comment on column tap25_internal.packs.day is 'The UTC day.';
comment on column tap25_internal.packs.first is 'Number of its first block.';
comment on column tap25_internal.packs.blocks is 'Number of blocks.';
comment on column tap25_internal.packs.rows is 'Number of rows.';
comment on column tap25_internal.packs.bits is 'Bits of a hash that choose its page of block_prints.';
comment on column tap25_internal.packs.packed_at is 'When it was packed.';
comment on table tap25_internal.block_prints is 'Which blocks have a value, by 16 bits of its hash. A partition for each month, block_prints_YYYYMM.';
comment on column tap25_internal.block_prints.day is 'The UTC day.';
comment on column tap25_internal.block_prints.first is 'packs.first.';
comment on column tap25_internal.block_prints.page is 'Other bits of the hashes.';
comment on column tap25_internal.block_prints.prints is '16 bits of each hash.';
comment on column tap25_internal.block_prints.blocks is 'A set bit for each of prints, which are in the order of their blocks. Each bit that is not set means that the prints after it are of the next block. The first block is first.';
comment on table tap25_internal.making_blocks is 'Has no rows. Whoever packs locks it.';
comment on view tap25_internal.mail_packed is 'The mail of packed days; a part for each day, so that a question about a time opens no other day. Made anew when a day is packed.';
do $$
declare
    c record;
begin
    for c in select attname, col_description(attrelid, attnum) as text from pg_attribute
             where attrelid = 'tap25_internal.mail_days'::regclass and attnum > 0 loop
        execute format('comment on column tap25_internal.mail_packed.%I is %L', c.attname, c.text);
    end loop;
end $$;
comment on function tap25_internal.is_packed is 'Returns whether rows of a day are packed.';
comment on function tap25_internal.blocks_name is 'Returns the name of the partition of a packed day.';
comment on function tap25_internal.count_addresses is 'Returns how many addresses the texts of a block have.';
comment on function tap25_internal.pack_block is 'Packs the rows of a day from one place of it to another into a block; returns their number.';
comment on function tap25_internal.block_addresses is 'Returns addresses of a block, those of some numbers or all.';
comment on function tap25_internal.skip_statistics is 'Has ANALYZE leave out the arrays of blocks.';
comment on function tap25_internal.blocks_with is 'Returns the packed days that may have a value, by its hash, and which blocks do; without a hash all days.';
comment on function tap25_internal.bit_positions is 'Returns the positions of the set bits of a string, of all or of some.';
comment on function tap25_internal.block_queues is 'Returns the queue IDs of some mails of a block, or of all.';
comment on function tap25_internal.unpack is 'Returns rows of a block, those that a question may be about or all, in their order, with the number of the mail and the link that signs it.';
comment on function tap25_internal.block_numbers is 'Returns the numbers of the addresses of a block that a question is about.';
comment on function tap25_internal.block_rows is 'Returns the positions of the rows of a block that a question may be about.';
comment on function tap25_internal.positions_of is 'Returns where a list has one of some values.';
comment on function tap25_internal.as_mail is 'Returns the query that shows rows of envelopes, which another query gives, as mail does.';
comment on function tap25_internal.packed_about is 'The part of mail_about that asks packed days.';
comment on function tap25_internal.packed_rows is 'Returns the query of the rows of a packed day.';
comment on function tap25_internal.block_times is 'Returns the times of the mails of a block.';
comment on function tap25_internal.unpacks is 'Returns true, or refuses a statement that unpacks several days with millions of rows.';
comment on function tap25_internal.day_rows is 'Returns the rows of a packed day, with their times apart.';
comment on function tap25_internal.show_packed is 'Makes the view mail_packed.';
comment on function tap25_internal.days_to_pack is 'Returns the days before today that are older than a number of days, into which nothing was loaded for some time, and that have rows that are not packed. For sensors and administrators.';
comment on function tap25_internal.pack_rows is 'Packs a day in blocks of up to a number of rows, and of octets beyond 300 a row; returns how many rows.';
comment on function tap25_internal.index_blocks is 'Notes which blocks have a value.';
comment on function tap25_internal.change_to_blocks is 'Puts the blocks of a day in the place of its partition.';
comment on function tap25_internal.pack_day is 'Packs a day that is over; returns how many rows, or null if there is nothing to pack or another session packs. Fails if somebody uses the day. For sensors and administrators.';
comment on function tap25_internal.size_of is 'Returns the octets of a table with its indexes.';
comment on function tap25_internal.day_leaves is 'The part of case_leaves about a day that is not packed.';
comment on function tap25_internal.keep_held is 'Copies the rows of a source that holds concern to held, each once; returns how many. Called by expire_day and expire_misdated alone.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_packing is 'The part of grant_roles that is older than packing.';
