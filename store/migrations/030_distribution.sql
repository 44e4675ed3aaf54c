-- A database on several machines: 'tap25 db distribute' has Citus divide the rows. docs/operating.md says what becomes
-- of each table. All that is here works in both forms.

create table tap25_internal.distribution (
    distributed_at timestamptz not null default now(),
    distributed_by name        not null default session_user,
    citus          text        not null
);

create function tap25_internal.is_distributed() returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select exists (select from tap25_internal.distribution)
$$;

-- The columns of a row, in the order of its canonical form. A distributed table has one more, entered.
create function tap25_internal.row_columns(prefix text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select string_agg(prefix || quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped and attname <> 'entered'
$$;

-- A row's xmin is of the machine that has the row, so it names no load. entered is the xmin that the row had in arrivals.
create function tap25_internal.load_column() returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select case when tap25_internal.is_distributed() then 'entered' else 'xmin' end
$$;

-- Has Citus make the type outcome on each machine: those of its objects that functions name are its own to make.
create function tap25_internal.outcomes() returns tap25.outcome[] language sql immutable parallel safe
return enum_range(null::tap25.outcome);

-- Sizes. Of a distributed table the coordinator has an empty shell.

create function tap25_internal.size_of(which regclass) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    bytes bigint;
begin
    if tap25_internal.is_distributed() then
        begin
            execute 'select citus_total_relation_size(logicalrelid) from pg_dist_partition where logicalrelid = $1' into bytes using which;
        exception when internal_error then -- dropped meanwhile
        end;
    end if;
    return coalesce(bytes, pg_total_relation_size(which));
end $$;

create function tap25_internal.size_of_indexes(which regclass) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    bytes bigint;
begin
    if tap25_internal.is_distributed() then
        execute 'select citus_total_relation_size(logicalrelid) - citus_table_size(logicalrelid) from pg_dist_partition where logicalrelid = $1'
            into bytes using which;
    end if;
    return coalesce(bytes, pg_indexes_size(which));
end $$;

-- With its owner's rights, for whoever was granted it: a copy's login has no right to size_of.
create or replace function tap25_internal.partitions() returns table (day date, bytes bigint) language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD'), sum(tap25_internal.size_of(c.oid))::bigint
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass) and c.relname ~ '^(envelopes|blocks)_[0-9]{8}$'
    group by 1
$$;

-- As before, but that the days are listed, with their sizes, before one of them is changed.
create or replace function tap25_internal.set_volume(rows_a_day bigint) returns smallint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' as $$
declare
    width constant smallint := tap25_internal.bits_for(rows_a_day);
    d     date;
begin
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    update tap25_internal.expected_volume v set rows_a_day = set_volume.rows_a_day, bits = width, set_at = now(), set_by = session_user;
    foreach d in array array(select p.day from tap25_internal.partitions() p
        where p.day > (now() at time zone 'UTC')::date and not exists (select from tap25_internal.days d where d.day = p.day and d.rows > 0) order by p.day)
    loop
        perform tap25_internal.index_day(d);
    end loop;
    return width;
end $$;

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

-- Loads. A distributed table has no triggers that could count rows or check their sensor. So rows are first copied to
-- temporary tables of the session, which have these triggers, and go from there to the machines.

create function tap25_internal.make_arrivals() returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    t     record;
    c     record;
begin
    lock table tap25_internal.distribution in row share mode; -- waits for 'tap25 db distribute', which then waits for the load
    if not tap25_internal.is_distributed() then
        return false;
    end if;
    for t in select * from (values ('arrivals', 'envelopes', 'count_rows'), ('arrivals_aside', 'misdated', 'check_misdated')) t (name, target, check_) loop
        select r.relowner, r.relkind into c from pg_class r where r.relname = t.name and r.relnamespace = pg_my_temp_schema();
        if c.relowner is null then
            execute format('create temporary table %I (like tap25_internal.%I including defaults including constraints) on commit delete rows', t.name, t.target);
            execute format('alter table pg_temp.%I drop column entered', t.name);
            execute format('create trigger %2$I after insert on pg_temp.%1$I referencing new table as added for each statement
                execute function tap25_internal.%2$I()', t.name, t.check_);
            execute format('alter table pg_temp.%I enable always trigger %I', t.name, t.check_);
            execute format('grant insert on pg_temp.%I to %I', t.name, session_user);
        elsif c.relowner <> owner or c.relkind <> 'r' then
            raise 'the temporary relation % is not a table as tap25 makes it', t.name using errcode = 'insufficient_privilege';
        end if;
    end loop;
    return true;
end $$;

create function tap25_internal.place_arrivals() returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning as $$
declare
    columns constant text := tap25_internal.row_columns('');
begin
    if not tap25_internal.make_arrivals() then -- it looks whose tables they are
        return;
    end if;
    execute format('insert into tap25_internal.envelopes (%1$s, entered) select %1$s, xmin from pg_temp.arrivals', columns);
    execute format('insert into tap25_internal.misdated (%1$s, reason, entered) select %1$s, reason, xmin from pg_temp.arrivals_aside', columns);
    truncate pg_temp.arrivals, pg_temp.arrivals_aside;
end $$;

create or replace function tap25_internal.open_partition(partition regclass) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    if tap25_internal.is_distributed() then
        return;
    end if;
    execute format('create trigger count_day after insert on %s referencing new table as added for each statement execute function tap25_internal.count_day()', partition);
    execute format('alter table %s enable always trigger count_day', partition);
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partition);
    end if;
end $$;

-- As before, but that a distributed database has no day to pack: its rows have no xmin of their load.
create or replace function tap25_internal.days_to_pack(older interval, quiet interval) returns table (day date, rows bigint) language sql stable
security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, case when tap25_internal.is_tied() then 0 else sum(d.rows)::bigint end from tap25_internal.days d
    where d.day < (now() at time zone 'UTC')::date and d.day < ((now() at time zone 'UTC')::date - older)::date and not tap25_internal.is_distributed()
    group by d.day having sum(d.rows) > 0 and max(d.loaded_at) <= now() - quiet and tap25_internal.has_partition(d.day) order by d.day
$$;

-- Holds and expiry.

create or replace function tap25_internal.keep_held(source text, since timestamptz, before timestamptz, filter text) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    columns constant text := tap25_internal.row_columns('');
    of_load constant text := case when tap25_internal.is_distributed() then ', entered' else '' end;
    n       bigint := 0;
    tests   constant text := (
        select string_agg(format('case when tap25_internal.concerns(%L, %L, %L, %L, true, %L, %L, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip,
            e.origin_ip, e.network) then %s::bigint end', h.mailbox, h.domain, h.network, h.seen_in, h.since, h.before, h.id), ', ' order by h.id)
        from tap25.holds h where h.dropped_at is null and h.until > now() and h.since < keep_held.before and h.before > keep_held.since);
begin
    if tests is not null then
        execute format('insert into tap25_internal.held (%1$s%2$s, hold_ids) select %1$s%2$s, ids from (
                select e.*, array_remove(array[%3$s], null) as ids from %4$s e where %5$s) e
            where ids <> ''{}''', columns, of_load, tests, source, filter);
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
        bytes := bytes + tap25_internal.size_of(('tap25_internal.' || quote_ident(part))::regclass); -- Citus tells it before a change alone
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

create or replace function tap25_internal.expire_misdated(loaded_before timestamptz, version text)
returns table (day date, rows bigint, bytes bigint, kept bigint) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    gone record;
begin
    perform tap25_internal.check_retention(loaded_before);
    lock table tap25.holds in share row exclusive mode; -- nobody adds a hold meanwhile, or counts the same rows
    kept := tap25_internal.keep_held('tap25_internal.misdated', '-infinity', 'infinity', format('e.loaded_at < %L', loaded_before));
    -- What was counted is what is deleted: a load's loaded_at is the beginning of its transaction, long after loaded_before.
    for gone in select (m.loaded_at at time zone 'UTC')::date as d, count(*) as n, sum(pg_column_size(m.*)) as size
        from tap25_internal.misdated m where m.loaded_at < loaded_before group by 1 order by 1
    loop
        day := gone.d;
        rows := gone.n;
        bytes := gone.size;
        insert into tap25.expired (day, kind, rows, bytes, kept, version)
        values (expire_misdated.day, 'misdated', expire_misdated.rows, expire_misdated.bytes, expire_misdated.kept, expire_misdated.version);
        return next;
        kept := 0;
    end loop;
    delete from tap25_internal.misdated m where m.loaded_at < loaded_before;
end $$;

create or replace function tap25_internal.release_holds(version text) returns table (day date, rows bigint, bytes bigint) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    ended bigint[];
    gone  record;
begin
    perform tap25_internal.check_snapshot();
    lock table tap25.holds in exclusive mode; -- nobody adds to held meanwhile
    ended := (select array_agg(id order by id) from tap25.holds where released_at is null and (dropped_at is not null or until <= now()));
    if ended is null then
        return;
    end if;
    for gone in select (h.seen_at at time zone 'UTC')::date as d, h.hold_ids as ids, count(*) as n, sum(pg_column_size(h.*)) as size
        from tap25_internal.held h where h.hold_ids <@ ended group by 1, 2 order by 1, 2
    loop
        day := gone.d;
        rows := gone.n;
        bytes := gone.size;
        insert into tap25.expired (day, kind, rows, bytes, hold_ids, version)
        values (release_holds.day, 'held', release_holds.rows, release_holds.bytes, gone.ids, release_holds.version);
        return next;
    end loop;
    delete from tap25_internal.held h where h.hold_ids <@ ended;
    update tap25_internal.held h set hold_ids = array(select x from unnest(h.hold_ids) x where x <> all (ended) order by 1) where h.hold_ids && ended;
    update tap25.holds set released_at = now() where id = any (ended);
end $$;

create or replace function tap25_internal.rows_held(hold bigint) returns bigint language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.is_tied() then
        return null;
    end if;
    return (select count(*) from tap25_internal.held h where h.hold_ids @> array[hold]);
end $$;

create or replace function tap25_internal.mark_dropped_loads() returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    oldest  constant date := coalesce((select min(p.day) from tap25_internal.partitions() p), 'infinity');
    sensors text[];
    days    date[];
    n       bigint;
begin
    delete from tap25_internal.loads l where l.dropped_at < now() - interval '30 days';
    if not exists (select from tap25_internal.loads l where l.dropped_at is null and l.last_day is not null and l.last_day < oldest) then
        return 0;
    end if;
    select array_agg(a.sensor), array_agg(a.day) into sensors, days from (
        select h.sensor, (h.seen_at at time zone 'UTC')::date as day from tap25_internal.held h
        union select m.sensor, (m.seen_at at time zone 'UTC')::date from tap25_internal.misdated m) a;
    with files as (
        select l.sensor, left(l.segment, 71) as file, min(l.first_day) as since, max(l.last_day) as until
        from tap25_internal.loads l where l.segment ~ '^(replay|follow)-' group by l.sensor, left(l.segment, 71)
        having bool_and(coalesce(l.last_day < oldest, false))
    ), gone as (
        select f.sensor, f.file from files f
        where not exists (select from unnest(sensors, days) a (sensor, day) where a.sensor = f.sensor and a.day between f.since and f.until)
    )
    update tap25_internal.loads l set dropped_at = now() from gone g
    where l.sensor = g.sensor and left(l.segment, 71) = g.file and l.dropped_at is null;
    get diagnostics n = row_count;
    return n;
end $$;

create or replace function tap25_internal.check_period(since timestamptz, before timestamptz, valid_until timestamptz) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    cutoff constant timestamptz := (select clock_timestamp() - r.kept from tap25.retentions r order by r.id desc limit 1);
begin
    if (isfinite(since) and isfinite(before) and since < before) is not true then
        raise 'the period of mail has a beginning and a later end' using errcode = 'invalid_parameter_value';
    elsif isfinite(valid_until) is not true then
        raise 'a warrant has an end: valid_until is a time' using errcode = 'invalid_parameter_value';
    elsif valid_until <= clock_timestamp() then
        raise 'valid_until is past: the warrant would open nothing' using errcode = 'invalid_parameter_value';
    elsif since >= valid_until then
        raise 'the period of mail begins when the warrant has ended' using errcode = 'invalid_parameter_value';
    elsif before < cutoff
        and not exists (select from tap25_internal.days d where d.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date) then
        perform from tap25_internal.mail_aside m where m.seen_at >= since and m.seen_at < before limit 1;
        if not found then
            raise 'the period of mail is older than the retention: nothing of it is kept' using errcode = 'invalid_parameter_value';
        end if;
    end if;
end $$;

-- Evidence.

-- The query of the days and leaves of rows that are aside.
create function tap25_internal.leaves_query(source text, condition text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select format('select (t.seen_at at time zone ''UTC'')::date, tap25_internal.leaf(row(%s)::tap25_internal.envelopes) from tap25_internal.%I t where %s',
        tap25_internal.row_columns('t.') || case when tap25_internal.is_distributed() then ', t.entered' else '' end, source, condition)
$$;

create or replace function tap25_internal.held_leaves(which date[]) returns table (day date, leaf bytea) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    return query execute tap25_internal.leaves_query('held', '(t.seen_at at time zone ''UTC'')::date = any ($1)') using which;
end $$;

create or replace function tap25_internal.released_leaves() returns table (day date, leaf bytea) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    lock table tap25.holds in exclusive mode;
    return query execute tap25_internal.leaves_query('held', 't.hold_ids <@ $1')
        using (select array_agg(h.id) from tap25.holds h where h.released_at is null and (h.dropped_at is not null or h.until <= now()));
end $$;

create or replace function tap25_internal.misdated_leaves(loaded_before timestamptz) returns table (day date, leaf bytea) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    lock table tap25.holds in share row exclusive mode; -- as expire_misdated, which comes next
    return query execute tap25_internal.leaves_query('misdated', 't.loaded_at < $1') using loaded_before;
end $$;

create or replace function tap25.case_leaves(access bigint) returns table (body bytea, signature bytea, public_key bytea, day date, leaves bytea)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    asked   constant tap25.accesses := tap25_internal.answered(access);
    by_load constant text := tap25_internal.load_column();
    rows    constant text := tap25_internal.row_columns('e.') || case when tap25_internal.is_distributed() then ', e.entered' else '' end;
    its     record;
    first   timestamptz;
    last    timestamptz;
    found_  bigint[];
    sensors text[];
    xids    xid[];
begin
    for its in select (r.seen_at at time zone 'UTC')::date as day, array_agg(r.seen_at) as times, array_agg(r.session_id) as sessions
        from tap25_internal.case_rows(asked.warrant_ids, asked.asked_since, asked.asked_before, asked.asked_target) r group by 1
    loop
        first := its.day::timestamp at time zone 'UTC';
        last := (its.day + 1)::timestamp at time zone 'UTC';
        if tap25_internal.has_partition(its.day) then
            execute format('select array_agg(x.sensor), array_agg(x.load) from (
                    select distinct e.sensor, e.%I as load from unnest($1, $2) w (seen_at, session_id)
                    join tap25_internal.envelopes e on e.seen_at = w.seen_at and e.session_id = w.session_id and e.seen_at >= $3 and e.seen_at < $4) x', by_load)
                into sensors, xids using its.times, its.sessions, first, last;
            found_ := array(select distinct l.id from unnest(sensors, xids) x (sensor, load)
                join tap25.links l on l.sensor = x.sensor and l.xid = x.load and daterange(l.first_day, l.last_day, '[]') @> its.day);
            select array_agg(l.sensor), array_agg(l.xid) into sensors, xids from tap25.links l where l.id = any (found_);
            return query execute format('select l.body, l.signature, k.public_key, $6, g.leaves
                from (select e.sensor, e.%1$I as load, string_agg(tap25_internal.leaf(row(%2$s)::tap25_internal.envelopes), '''') as leaves from unnest($1, $2) x (sensor, load)
                      join tap25_internal.envelopes e on e.sensor = x.sensor and e.%1$I = x.load and e.seen_at >= $3 and e.seen_at < $4 group by 1, 2) g
                join tap25.links l on l.sensor = g.sensor and l.xid = g.load and l.id = any ($5) join tap25.keys k on k.id = l.key', by_load, rows)
                using sensors, xids, first, last, found_, its.day;
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

revoke all on tap25_internal.distribution from public;
revoke execute on function tap25_internal.is_distributed, tap25_internal.row_columns, tap25_internal.load_column, tap25_internal.size_of,
    tap25_internal.size_of_indexes, tap25_internal.make_arrivals, tap25_internal.place_arrivals, tap25_internal.leaves_query, tap25_internal.outcomes from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_distribution;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    propagates constant text := coalesce(current_setting('citus.enable_ddl_propagation', true), 'on');
    t regclass;
begin
    -- The machines of a distributed database know the owner alone, who asks for everybody.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    perform tap25_internal.grant_roles_before_distribution();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.make_arrivals, tap25_internal.place_arrivals to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.size_of, tap25_internal.size_of_indexes, tap25_internal.load_column to tap25_admin;
        grant select on tap25_internal.distribution to tap25_admin;
    end if;
    if tap25_internal.is_distributed() and exists (select from pg_roles where rolname = 'tap25_sensor') then
        for t in select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass
            union all values ('tap25_internal.envelopes'::regclass), ('tap25_internal.misdated'::regclass)
        loop
            execute format('revoke insert on %s from tap25_sensor', t);
        end loop;
        revoke execute on function tap25_internal.pack_day from tap25_sensor;
    end if;
    perform set_config('citus.enable_ddl_propagation', propagates, true);
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25_internal.distribution is 'One line if the rows are divided among several machines, by tap25 db distribute; else none.';
comment on column tap25_internal.distribution.distributed_at is 'When that was done, by the database''s clock.';
comment on column tap25_internal.distribution.distributed_by is 'The login that did it.';
comment on column tap25_internal.distribution.citus is 'Version of the extension then.';
comment on function tap25_internal.is_distributed is 'Returns whether the rows are divided among several machines.';
comment on function tap25_internal.row_columns is 'Returns the columns of a row in the order of its canonical form, each with a prefix.';
comment on function tap25_internal.load_column is 'Returns the column of envelopes that has what links.xid names: xmin, or entered in a distributed database.';
comment on function tap25_internal.outcomes is 'Returns the outcomes. Since Citus makes functions on each machine, and the types that they name, the type is there, too.';
comment on function tap25_internal.size_of is 'Returns the octets of a table with its indexes, on all machines.';
comment on function tap25_internal.size_of_indexes is 'Returns the octets of a table''s indexes, on all machines.';
comment on function tap25_internal.make_arrivals is 'In a distributed database, makes the temporary tables that a load copies its rows to, and returns true. For sensors.';
comment on function tap25_internal.place_arrivals is 'Puts the rows that the session has copied to its temporary tables on their machines. For sensors.';
comment on function tap25_internal.leaves_query is 'Returns the query of the days and leaves of rows that are aside.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_distribution is 'The part of grant_roles that is older than distribution.';
