-- Unpacks blocks.

create function tap25_internal.count_addresses(chunks text[]) returns integer language sql immutable
return coalesce((cardinality(chunks) - 1) * 64
    + cardinality(string_to_array(translate(chunks[cardinality(chunks)], chr(10), chr(9)), chr(9)))
    - cardinality(string_to_array(chunks[cardinality(chunks)], chr(10))), 0);

-- Some addresses of a block, in the order of their numbers; null: all. The k-th address of a text comes after its k-th
-- tab; its domain begins the line.
create function tap25_internal.block_addresses(chunks text[], odd text[], numbers integer[]) returns text[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    regular   constant integer := case when odd is not null then tap25_internal.count_addresses(chunks) end;
    addresses text[] := '{}';
    n         integer;
    k         integer;
    chunk     integer;
    parts     text[];
    name      text;
    of_       text; -- the domain
begin
    if numbers is null then
        return (select coalesce(array_agg(case when domain = '' then local else local || '@' || domain end), '{}')
            from (
            select split_part(line, chr(9), 1) as domain, unnest((string_to_array(line, chr(9)))[2:]) as local from (
                select unnest(string_to_array(c, chr(10))) as line
                    from unnest(chunks) c offset 0) c offset 0) a) || odd;
    end if;
    foreach n in array numbers loop
        if n = 0 then
            name := null;
        elsif n > regular then
            name := odd[n - regular];
        else
            if chunk is distinct from (n - 1) / 64 then
                chunk := (n - 1) / 64;
                parts := string_to_array(chunks[chunk + 1], chr(9));
            end if;
            k := (n - 1) % 64 + 1;
            name := split_part(parts[k + 1], chr(10), 1);
            of_ := split_part(split_part(array_to_string(parts[:k], chr(9)), chr(10), -1), chr(9), 1);
            if of_ <> '' then
                name := name || '@' || of_;
            end if;
        end if;
        addresses := addresses || name;
    end loop;
    return addresses;
end $$;

-- The positions of the set bits of a string: of all, or of the n-th set bit for each n of some numbers, in their order.
create function tap25_internal.bit_positions(bits bit varying, numbers integer[] default null) returns integer[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp as $$
declare
    places   integer[];
    low      integer;
    high     integer;
    n        integer;
begin
    if numbers is null or cardinality(numbers) > 30 then
        places := array(select i from (select generate_series(1, length(bits)) as i offset 0) s
            where get_bit(bits, i - 1) = 1);
        return case when numbers is null then places else array(select places[u.n]
            from unnest(numbers) with ordinality u (n, o) order by o) end;
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

-- The queue IDs of some mails of a block, in their order; null: of all its mails. The n-th mail of a form has the n-th
-- queue ID of that form.
create function tap25_internal.block_queues(its bit varying[], kinds smallint[], lengths smallint[], prefixes text[],
    octets bytea[],
    texts text[], mails integer[]) returns text[] language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
begin
    if its is null then
        return '{}';
    end if;
    return (select array_agg(case q.form
            when 1 then q.prefix || left(upper(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'hex')),
                q.rest)
            when 2 then q.prefix || left(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'base64'), q.rest)
            when 3 then encode(substr(q.rests, (m.nth - 1) * 16 + 1, 16), 'hex')::uuid::text
            when 4 then texts[m.nth] end order by m.mail)
        from (select u.form, u.prefix, u.rests, u.length - length(u.prefix) as rest, u.bits
            from unnest(its, kinds, lengths, prefixes, octets)
                u (bits, form, length, prefix, rests)
              union all select null, null, null, null, ~bit_or(v) from unnest(its) v offset 0) q
        cross join lateral (select case q.form when 1 then (q.rest + 1) / 2 when 2 then (q.rest + 3) / 4 * 3
            else 16 end as width offset 0) w
        cross join lateral (
            select p.mail, p.nth::integer from unnest(case when mails is null then tap25_internal.bit_positions(q.bits)
                end) with ordinality p (mail, nth)
            union all select i, bit_count(substring(q.bits for i))::integer from unnest(mails) i
                where get_bit(q.bits, i - 1) = 1) m);
end $$;

-- The rows of a block, by number, that a question of a kind may be about. Sides: which peer, or server, each session
-- has.
create function tap25_internal.block_rows(heads bit varying, rcpt smallint[], sender smallint[], fresh bit varying,
    back smallint[], sides smallint[], client_ip inet[], origin_ip inet[], server_ip inet[],
    addresses text[], mixed integer, odd text[], kind text, value text, network inet) returns integer[]
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    wanted integer[];
    mails  integer[];
    first  integer;
    others integer;
    places integer[] := '{}';
begin
    if kind = 'server' then
        wanted := array(select i from unnest(server_ip) with ordinality v (ip, i) where ip <<= network);
    elsif kind = 'client' then
        wanted := tap25_internal.block_peers(client_ip, origin_ip, network);
    else
        wanted := tap25_internal.block_numbers(kind, value, addresses, mixed, odd);
    end if;
    if wanted = '{}' then
        return wanted;
    elsif kind in ('rcpt_to', 'to_domain', 'to_local', 'to_below') then
        return tap25_internal.positions_of(rcpt, wanted);
    elsif kind in ('mail_from', 'from_domain', 'from_local', 'from_below') then
        mails := tap25_internal.positions_of(sender, wanted);
    else
        wanted := tap25_internal.positions_of(sides, wanted); -- sessions
        mails := wanted;
        if fresh is not null then
            -- The mails that begin these sessions. All others of these sessions come after the first of them. Of the
            -- mails that begin no session, some are before it. Up to the n-th one, mail - n sessions have begun.
            mails := tap25_internal.bit_positions(fresh, wanted);
            first := mails[1];
            others := first - wanted[1];
            mails := array(select unnest(mails)
                union all select b.mail + first
                from rows from (unnest(tap25_internal.bit_positions(~substring(fresh from first + 1))),
                    unnest(back[others + 1:])) with ordinality b (mail, back, nth)
                where b.mail + first - b.nth - others - b.back = any (wanted) order by 1);
        end if;
    end if;
    if heads is null then
        return mails;
    end if;
    -- The rows of a mail are its first, and those after it that are the first of none.
    heads := heads || B'1';
    foreach first in array tap25_internal.bit_positions(heads, mails) loop
        loop
            places := places || first;
            exit when get_bit(heads, first) = 1;
            first := first + 1;
        end loop;
    end loop;
    return places;
end $$;

-- The peers of a block whose address, or origin_ip, is in a network. Peers are in the order of addresses, and that of a
-- network is before those of its hosts. So its hosts are after the network that is twice as large.
create function tap25_internal.block_peers(client_ip inet[], origin_ip inet[], network inet) returns integer[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    -- Without a network there are none.
    low   constant integer := case when masklen(network) > 0
        then width_bucket(set_masklen(network, masklen(network) - 1), client_ip) else 0 end + 1;
    high  constant integer := coalesce(width_bucket(set_masklen(broadcast(network), case family(network) when 4 then 32
        else 128 end), client_ip), 0);
    peers integer[] := '{}';
begin
    for i in low..high loop
        if client_ip[i] <<= network then
            peers := peers || i;
        end if;
    end loop;
    if origin_ip is null then
        return peers;
    end if;
    return array(select unnest(peers)
        union select i from unnest(origin_ip) with ordinality p (ip, i) where ip <<= network order by 1);
end $$;

-- Where an array has one of some values.
create function tap25_internal.positions_of(list smallint[], wanted integer[]) returns integer[]
language plpgsql immutable
set search_path = pg_catalog, pg_temp as $$
begin
    if cardinality(wanted) = 1 then
        return array_positions(list, wanted[1]::smallint);
    elsif cardinality(wanted) < 9 then
        return array(select p from unnest(wanted) w cross join lateral unnest(array_positions(list, w::smallint)) p
            order by p);
    end if;
    -- OFFSET 0: in a list of columns, and not in FROM, the server gives what unnest returns without storing it.
    return array(select l.i from (select unnest(list) as v, generate_subscripts(list, 1) as i offset 0) l
        join unnest(wanted) w on w = l.v order by l.i);
end $$;

-- Rows of a block, in their order: all, or those that a question of a kind may be about. Its cost is high, so that the
-- planner keeps the times of a block in memory, and not its rows, when it joins them.
create function tap25_internal.unpack(b tap25_internal.blocks, kind text default null, value text default null,
    network inet default null)
returns table (mail integer, link bigint, e tap25_internal.envelopes)
language plpgsql stable rows 8000 cost 10000000 set search_path = pg_catalog, pg_temp set enable_memoize = off
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
    -- Arrays and bits that are used more than once. What a record has is not taken apart.
    flat            record;
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
    select b.rcpt || '{}' as rcpt, b.sender || '{}' as sender into flat;
    if kind is not null then
        positions := tap25_internal.block_rows(heads, flat.rcpt, flat.sender, fresh,
            case when kind in ('client', 'server') then b.back end,
            case kind when 'client' then b.peer when 'server' then b.server end, client_ip, origin_ip, server_ip,
            addresses_, b.mixed, b.odd_addresses, kind, value, network);
        if cardinality(positions) = 0 then
            return;
        elsif cardinality(positions) < 1000 then -- of more rows, all addresses and queue IDs are found sooner than some
            foreach i in array positions loop
                m := coalesce(bit_count(substring(heads for i))::integer, i);
                if m is distinct from mails[cardinality(mails)] then
                    mails := mails || m;
                    numbers := numbers || flat.sender[m]::integer;
                end if;
                numbers := numbers || flat.rcpt[i]::integer;
            end loop;
            numbers := array(select distinct n from unnest(numbers) n order by n);
        end if;
    end if;
    addresses := tap25_internal.block_addresses(addresses_, b.odd_addresses, numbers);
    queues := tap25_internal.block_queues(b.queue_mails, b.queue_kind, b.queue_length, b.queue_prefix, b.queue_octets,
        b.queue_text, mails);
    return query
    select m.i, a.links[coalesce(a.link[m.i], 1)], row(
        b.first_at + coalesce(a.at[m.i], a.at_long[m.i]) * interval '1 microsecond', a.session_id[s.i], z.size,
            z.declared,
        a.lost_bytes[k.i], a.mail_no[k.i], a.client_port[s.i], a.server_port[v.i], a.outcome[k.i], a.mail_code[k.i],
            a.rcpt_code[k.i],
        a.data_code[k.i], a.flags[k.i], a.auth[v.i], client_ip[p.i], server_ip[v.i], sensor[v.i],
        -- Numbers and mails are in order, so width_bucket finds where one is among them.
        addresses[coalesce(width_bucket(a.sender[m.i], numbers), a.sender[m.i])],
        addresses[coalesce(width_bucket(a.rcpt[r.i], numbers), a.rcpt[r.i])],
        helo[p.i], queues[coalesce(width_bucket(m.i, mails), m.i)], mail_from_raw[m.i],
            rcpt_to_raw[r.i],
        envid[m.i], orcpt[r.i], tls_server_name[p.i], origin_ip[p.i], network_[v.i], a.origin_port[s.i],
            a.origin_by[v.i])::tap25_internal.envelopes
    -- Concatenation with an empty array decompresses an array once. Otherwise each element that is taken would do so.
    from (select flat.rcpt, flat.sender, b.kind || '{}' as kind, b.at || '{}' as at, b.at_long
        || '{}' as at_long,
            b.back || '{}' as back, b.size || '{}' as size, b.size_long || '{}' as size_long,
            b.declared || '{}' as declared, b.declared_long || '{}' as declared_long, b.link || '{}' as link,
                b.session_id || '{}' as session_id,
            b.client_port || '{}' as client_port, b.origin_port || '{}' as origin_port, b.peer || '{}' as peer, b.server
                || '{}' as server,
            b.server_port || '{}' as server_port, b.auth || '{}' as auth, b.origin_by || '{}' as origin_by, b.mail_no
                || '{}' as mail_no,
            b.outcome || '{}' as outcome, b.mail_code || '{}' as mail_code, b.rcpt_code || '{}' as rcpt_code,
                b.data_code || '{}' as data_code,
            b.flags || '{}' as flags, b.lost_bytes || '{}' as lost_bytes, b.links || '{}' as links offset 0) a
    cross join lateral unnest(coalesce(positions, array(select generate_series(1, b.rows)))) r (i)
    cross join lateral (select coalesce(bit_count(substring(heads for r.i))::integer, r.i) as i offset 0) m
    cross join lateral (select bit_count(substring(fresh for m.i))::integer as top offset 0) f
    cross join lateral (select case when f.top is null then m.i when get_bit(fresh, m.i - 1) = 1 then f.top
        else f.top - a.back[m.i - f.top] end as i offset 0) s
    cross join lateral (select a.peer[s.i] as i offset 0) p
    cross join lateral (select a.server[s.i] as i offset 0) v
    cross join lateral (select coalesce(a.kind[r.i], 1) as i offset 0) k
    cross join lateral (select nullif(coalesce(a.size[m.i], a.size_long[m.i]), -1) as size,
        coalesce(nullif(a.declared[m.i], -2147483648), nullif(a.declared_long[m.i], -9223372036854775808))
            + greatest(coalesce(a.size[m.i], a.size_long[m.i]), 0) as declared offset 0) z;
end $$;

-- Rights.

revoke execute on function tap25_internal.count_addresses, tap25_internal.block_addresses, tap25_internal.bit_positions,
    tap25_internal.block_queues, tap25_internal.block_rows, tap25_internal.block_peers, tap25_internal.positions_of,
    tap25_internal.unpack from public;

-- Comments.

comment on function tap25_internal.count_addresses is 'Returns how many addresses the texts of a block have.';
comment on function tap25_internal.block_addresses is 'Returns addresses of a block, those of some numbers or all.';
comment on function tap25_internal.bit_positions is
    'Returns the positions of the set bits of a string, of all or of some.';
comment on function tap25_internal.block_queues is 'Returns the queue IDs of some mails of a block, or of all.';
comment on function tap25_internal.block_rows is
    'Returns the positions of the rows of a block that a question may be about.';
comment on function tap25_internal.block_peers is
    'Returns the peers of a block that are in a network, or that a proxy says are.';
comment on function tap25_internal.positions_of is 'Returns where a list has one of some values.';
comment on function tap25_internal.unpack is
    'Returns rows of a block, those that a question may be about or all, in their order, with the number of the mail '
    'and the link that signs it.';
