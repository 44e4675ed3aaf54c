-- Packs a day.

-- A packed day may have a partition without rows: one that was made for a load that then added nothing, or, in a
-- logical copy, for rows that may still come. A distributed database has no days to pack: the xmin of its rows does not
-- name their load.
create function tap25_internal.days_to_pack(older interval, quiet interval) returns table (day date, rows bigint)
language sql stable
security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, case when tap25_internal.is_tied() then 0 else sum(d.rows)::bigint end from tap25_internal.days d
    where d.day < (now() at time zone 'UTC')::date and d.day < ((now() at time zone 'UTC')::date - older)::date
        and not tap25_internal.is_distributed()
    group by d.day
    having sum(d.rows) > coalesce((select sum(p.rows) from tap25_internal.packs p where p.day = d.day), 0)
        and max(d.loaded_at) <= now() - quiet and tap25_internal.has_partition(d.day) order by d.day
$$;

-- Where the blocks of a day begin. All of it is read at once: a cursor would keep the memory of the sort until the last
-- block is packed.
create function tap25_internal.block_starts(partition regclass, most integer, octets integer, out times timestamptz[],
    out rows tid[]) language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    execute format('
        select array_agg(seen_at order by seen_at, row), array_agg(row order by seen_at, row)
        from (select seen_at, row, block is distinct from lag(block) over w as begins
              from (select seen_at, row, ((row_number() over w - 1) / $1 << 32) + (sum(more) over w / $2) as block
              from (
                  select e.seen_at, e.ctid as row, greatest(0, coalesce(octet_length(mail_from), 0)
                      + coalesce(octet_length(rcpt_to), 0) + coalesce(octet_length(helo), 0)
                      + coalesce(octet_length(queue_id), 0) + coalesce(octet_length(mail_from_raw), 0)
                      + coalesce(octet_length(rcpt_to_raw), 0) + coalesce(octet_length(envid), 0)
                      + coalesce(octet_length(orcpt), 0) + coalesce(octet_length(tls_server_name), 0) - 300) as more
                  from %s e offset 0) e window w as (order by seen_at, row)) e
              window w as (order by seen_at, row)) e
        where begins', partition) into times, rows using most, octets;
end $$;

-- The xmin of the links that a restored dump has brought; null: none was restored. What their xid names is gone, and
-- may be by chance the xmin that the restore has given to rows. A dump's COPY gives all lines of a table one xmin.
create function tap25_internal.restored_links() returns xid language sql stable
set search_path = pg_catalog, pg_temp as $$
    select l.xmin from tap25.links l cross join tap25_internal.evidence v where v.xmin <> v.born order by l.id limit 1
$$;

-- Packs what a day has in its partition, in blocks of up to some rows, and of some octets beyond 300 a row. It has no
-- lock while it reads; rows that are loaded meanwhile are in the blocks too, or counted and missed: then nothing is
-- packed. JIT would compile the statement for each block, which takes seconds.
create function tap25_internal.pack_rows(which date, most integer, octets integer) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set work_mem = '6MB'
set max_parallel_workers_per_gather = 0 set jit = off as $$
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
    select array_agg(l.id order by l.id) as ids, array_agg(l.sensor order by l.id) as sensors,
        array_agg(l.xid order by l.id) as xids into links
    from tap25.links l where daterange(l.first_day, l.last_day, '[]') @> which and l.xid is not null
        and l.xmin is distinct from tap25_internal.restored_links();
    -- After a restore from a dump only the order of the rows shows which link is theirs, and blocks do not have it.
    if exists (select from tap25.links l where daterange(l.first_day, l.last_day, '[]') @> which and l.xid is not null
            and l.xmin = tap25_internal.restored_links()) then
        execute format('select exists (select from %s e where not exists (select from unnest($1, $2) l (sensor, xid)
            where l.sensor = e.sensor and l.xid = e.xmin))', partition) into lost using links.sensors, links.xids;
        if lost then
            return null;
        end if;
    end if;
    if again then
        execute format('select coalesce(max(number), 0) + 1 from tap25_internal.%I', name) into start;
    else
        execute format('create table tap25_internal.%I
            (like tap25_internal.blocks including defaults including constraints)
            with (toast_tuple_target = 8160)', name);
        perform tap25_internal.skip_arrays(('tap25_internal.' || quote_ident(name))::regclass);
    end if;
    select s.times, s.rows into times, rows from tap25_internal.block_starts(partition, most, octets) s;
    for n in 1..coalesce(cardinality(times), 0) loop
        packed := packed + tap25_internal.pack_block(partition, ('tap25_internal.' || quote_ident(name))::regclass,
            which, start + n - 1, times[n], rows[n], coalesce(times[n + 1], 'infinity'),
            coalesce(rows[n + 1], '(4294967295,65535)'), links.ids, links.sensors, links.xids);
    end loop;
    if packed = 0 then
        raise 'the day % has no rows, but % were counted', which,
            (select sum(d.rows) from tap25_internal.days d where d.day = which);
    end if;
    if not again then
        execute format('alter table tap25_internal.%I add primary key (day, number)', name);
    end if;
    if start + cardinality(times) > 1000 then -- fewer lines are read as quickly without an index
        execute format('create index if not exists %I on tap25_internal.%I (day, last_at, first_at)',
            name || '_times', name);
    end if;
    perform tap25_internal.index_blocks(which, ('tap25_internal.' || quote_ident(name))::regclass, start,
        cardinality(times), packed);
    perform tap25_internal.change_to_blocks(which, again, packed);
    return packed;
end $$;

-- Notes which blocks have a value, by 16 bits of its hash.
create function tap25_internal.index_blocks(which date, target regclass, start integer, many integer, rows bigint)
returns void
language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set work_mem = '6MB' set hash_mem_multiplier = 1 set enable_memoize = off set max_parallel_workers_per_gather = 0 as $$
declare
    -- About 480 prints in a page.
    width constant smallint := greatest(0, ceil(log(2, greatest(1, rows * 1.9 / 480))))::smallint;
    month constant text := 'block_prints_' || to_char(which, 'YYYYMM');
begin
    if to_regclass('tap25_internal.' || month) is null then
        execute format('create table tap25_internal.%I
            (like tap25_internal.block_prints including constraints including indexes)
            with (toast_tuple_target = 2016)', month);
        execute format('alter table tap25_internal.block_prints attach partition tap25_internal.%I
            for values from (%L) to (%L)', month, date_trunc('month', which)::date,
            (date_trunc('month', which) + interval '1 month')::date);
    end if;
    insert into tap25_internal.packs (day, first, blocks, rows, bits) values (which, start, many, rows, width);
    execute format($query$
        insert into tap25_internal.%I (day, first, page, prints, blocks)
        select $1, $2, page, array_agg(((place & 65535) - 32768)::smallint),
            string_agg(repeat('0', ((place >> 16)
                - case when before_page = page then before >> 16 else $2 end)::integer) || '1', '')::bit varying
        from (select page, place, lag(page) over w as before_page, lag(place) over w as before from (
            -- The block's number and the print are one number, which is sorted faster than two.
            select distinct tap25_internal.print_page(hash, $3) as page,
                (number::bigint << 16) + tap25_internal.print_of(hash) + 32768 as place
            from %s b cross join lateral (
                with addresses as (
                    select a.value, n.sent, n.received
                    from unnest(tap25_internal.block_addresses(b.addresses, b.odd_addresses, null))
                        with ordinality a (value, i)
                    join (select u.i, bool_or(u.sent) as sent, bool_or(not u.sent) as received from (
                              select unnest(b.sender) as i, true as sent union all select unnest(b.rcpt), false) u
                          group by u.i) n on n.i = a.i
                ), domains as (
                    select tap25_internal.domain_of(value) as value, bool_or(sent) as sent,
                        bool_or(received) as received
                    from addresses group by 1
                )
                select tap25_internal.print_hash('mail_from', value) as hash from addresses where sent
                union all select tap25_internal.print_hash('rcpt_to', value) from addresses where received
                union all select tap25_internal.print_hash('from_domain', value) from domains
                    where sent and value is not null
                union all select tap25_internal.print_hash('to_domain', value) from domains
                    where received and value is not null
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.client_ip) ip
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.origin_ip) ip
                    where ip is not null
                union all select tap25_internal.print_hash('server', host(ip)) from unnest(b.server_ip) ip) h
            where b.number >= $2 order by page, place
        ) p window w as (order by page, place)) p group by page$query$, month, target) using which, start, width;
end $$;

-- Puts the blocks in the place of the partition, under locks that exclude loads and readers. Whoever is in the way is
-- waited for for a short time only, as by expiry, and then again.
create function tap25_internal.change_to_blocks(which date, again boolean, packed bigint) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    partition constant text := tap25_internal.partition_name(which);
begin
    perform set_config('lock_timeout', '200ms', true);
    for attempt in 1..20 loop
        begin
            execute format('lock table tap25_internal.%I in share row exclusive mode', partition);
            if (select sum(d.rows) from tap25_internal.days d where d.day = which)
                <> (select sum(p.rows) from tap25_internal.packs p where p.day = which) then
                raise 'rows of the day % came while it was packed, or it has others than were counted', which
                    using errcode = 'serialization_failure';
            end if;
            execute format('drop table tap25_internal.%I', partition);
            if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
                execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
            end if;
            if not again then
                execute format('alter table tap25_internal.blocks attach partition tap25_internal.%I
                    for values from (%L) to (%L)', tap25_internal.blocks_name(which), which, which + 1);
            end if;
            perform tap25_internal.show_packed();
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
    -- Until the transaction ends, nobody can read the view mail.
    perform set_config('idle_in_transaction_session_timeout', '10s', true);
    begin
        perform set_config('default_toast_compression', 'lz4', true);
    exception when invalid_parameter_value then -- this server has pglz alone
    end;
    return tap25_internal.pack_rows(which, 8000, 4 << 20);
end $$;

-- Rights.

revoke execute on function tap25_internal.days_to_pack, tap25_internal.restored_links, tap25_internal.block_starts,
    tap25_internal.pack_rows, tap25_internal.index_blocks, tap25_internal.change_to_blocks, tap25_internal.pack_day
    from public;

-- Comments.

comment on function tap25_internal.days_to_pack is
    'Returns the days before today that are older than a number of days, into which nothing was loaded for some time, '
    'and that have rows that are not packed. For sensors and administrators.';
comment on function tap25_internal.block_starts is
    'Returns where the blocks of a day begin: times, and places of rows.';
comment on function tap25_internal.restored_links is
    'Returns the xmin of the links that a restored dump has brought; null if none was restored.';
comment on function tap25_internal.pack_rows is
    'Packs a day in blocks of up to a number of rows, and of octets beyond 300 a row; returns how many rows.';
comment on function tap25_internal.index_blocks is 'Notes which blocks have a value.';
comment on function tap25_internal.change_to_blocks is 'Puts the blocks of a day in the place of its partition.';
comment on function tap25_internal.pack_day is
    'Packs a day that is over; returns how many rows, or null if there is nothing to pack or another session packs. '
    'Fails if somebody uses the day. For sensors and administrators.';
