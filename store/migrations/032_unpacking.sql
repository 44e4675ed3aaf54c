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
    regular constant integer := tap25_internal.count_addresses(chunks);
begin
    if numbers is null then
        return (select coalesce(array_agg(case when domain = '' then local else local || '@' || domain end), '{}')
            from (
            select split_part(line, chr(9), 1) as domain, unnest((string_to_array(line, chr(9)))[2:]) as local from (
                select unnest(string_to_array(chunk, chr(10))) as line
                    from unnest(chunks) chunk offset 0) c offset 0) a) || odd;
    end if;
    return (select array_agg(case when n.i = 0 then null when n.i > regular then odd[n.i - regular] when a.domain = ''
        then a.local else a.local || '@' || a.domain end order by o)
        from unnest(numbers) with ordinality n (i, o)
        cross join lateral (select (n.i - 1) % 64 + 1 as k, case when n.i <= regular
            then string_to_array(chunks[(n.i - 1) / 64 + 1], chr(9)) end as parts offset 0) c
        cross join lateral (select split_part(split_part(array_to_string(c.parts[:c.k], chr(9)), chr(10), -1), chr(9),
            1) as domain,
            split_part(c.parts[c.k + 1], chr(10), 1) as local offset 0) a);
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
        places := array(select i from generate_series(1, length(bits)) i where get_bit(bits, i - 1) = 1);
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
            select i as mail, (row_number() over ())::integer as nth from generate_series(1, length(q.bits)) i
            where mails is null and get_bit(q.bits, i - 1) = 1
            union all select i, bit_count(substring(q.bits for i))::integer from unnest(mails) i
                where get_bit(q.bits, i - 1) = 1) m);
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
        positions := tap25_internal.block_rows(heads, rcpt, sender, fresh, b.back, b.peer, b.server, client_ip,
            origin_ip, server_ip, addresses_,
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
    queues := tap25_internal.block_queues(b.queue_mails, b.queue_kind, b.queue_length, b.queue_prefix, b.queue_octets,
        b.queue_text, mails);
    return query
    select m.i, a.links[coalesce(a.link[m.i], 1)], row(
        b.first_at + coalesce(a.at[m.i], a.at_long[m.i]) * interval '1 microsecond', a.session_id[s.i], z.size,
            z.declared,
        a.lost_bytes[k.i], a.mail_no[k.i], a.client_port[s.i], a.server_port[v.i], a.outcome[k.i], a.mail_code[k.i],
            a.rcpt_code[k.i],
        a.data_code[k.i], a.flags[k.i], a.auth[v.i], client_ip[p.i], server_ip[v.i], sensor[v.i],
        addresses[case when numbers is null then a.sender[m.i] else array_position(numbers,
            a.sender[m.i]::integer) end],
        addresses[case when numbers is null then a.rcpt[r.i] else array_position(numbers, a.rcpt[r.i]::integer) end],
        helo[p.i], queues[case when mails is null then m.i else array_position(mails, m.i) end], mail_from_raw[m.i],
            rcpt_to_raw[r.i],
        envid[m.i], orcpt[r.i], tls_server_name[p.i], origin_ip[p.i], network_[v.i], a.origin_port[s.i],
            a.origin_by[v.i])::tap25_internal.envelopes
    -- Concatenation with an empty array decompresses an array once. Otherwise each element that is taken would do so.
    from (select rcpt || '{}' as rcpt, sender || '{}' as sender, b.kind || '{}' as kind, b.at || '{}' as at, b.at_long
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
    tap25_internal.block_queues, tap25_internal.unpack from public;

-- Comments.

comment on function tap25_internal.count_addresses is 'Returns how many addresses the texts of a block have.';
comment on function tap25_internal.block_addresses is 'Returns addresses of a block, those of some numbers or all.';
comment on function tap25_internal.bit_positions is
    'Returns the positions of the set bits of a string, of all or of some.';
comment on function tap25_internal.block_queues is 'Returns the queue IDs of some mails of a block, or of all.';
comment on function tap25_internal.unpack is
    'Returns rows of a block, those that a question may be about or all, in their order, with the number of the mail '
    'and the link that signs it.';
