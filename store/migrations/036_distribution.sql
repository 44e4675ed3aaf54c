-- A database on several machines: 'tap25 db distribute' has Citus divide the rows. docs/operating.md says what becomes
-- of each table. Every function works in a distributed database and in one on a single server. Functions of earlier
-- migrations are replaced here if Citus refuses the way in which they were written.

-- Citus makes a distributed function on each worker, with the types that it names. This one is there only to have Citus
-- make the type outcome, which the views need.
create function tap25_internal.outcomes() returns tap25.outcome[] language sql immutable parallel safe
return enum_range(null::tap25.outcome);

-- As before, except that the days are listed before the first is changed: partitions() asks for sizes, which Citus does
-- not report after the transaction has changed tables.
create or replace function tap25_internal.set_volume(rows_a_day bigint) returns smallint language plpgsql
security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' as $$
declare
    width constant smallint := tap25_internal.bits_for(rows_a_day);
    d     date;
begin
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    update tap25_internal.expected_volume v set rows_a_day = set_volume.rows_a_day, bits = width, set_at = now(),
        set_by = session_user;
    foreach d in array array(select p.day from tap25_internal.partitions() p
        where p.day > (now() at time zone 'UTC')::date and not exists (select from tap25_internal.days d
            where d.day = p.day and d.rows > 0) order by p.day)
    loop
        perform tap25_internal.index_day(d);
    end loop;
    return width;
end $$;

-- Loads. A distributed table cannot have triggers, which count rows and check their sensor. So a load first copies rows
-- to temporary tables of its session, which have these triggers, and then inserts them into the distributed tables.

create function tap25_internal.make_arrivals() returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set client_min_messages = warning as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    t     record;
    c     record;
begin
    -- Waits for 'tap25 db distribute', which then waits for the load.
    lock table tap25_internal.distribution in row share mode;
    if not tap25_internal.is_distributed() then
        return false;
    end if;
    for t in select * from (values ('arrivals', 'envelopes', 'count_rows'),
        ('arrivals_aside', 'misdated', 'check_misdated')) t (name, target, check_) loop
        select r.relowner, r.relkind into c from pg_class r where r.relname = t.name
            and r.relnamespace = pg_my_temp_schema();
        if c.relowner is null then
            execute format('create temporary table %I (like tap25_internal.%I including defaults including constraints)
                on commit delete rows', t.name, t.target);
            execute format('alter table pg_temp.%I drop column entered', t.name);
            execute format('create trigger %2$I after insert on pg_temp.%1$I
                referencing new table as added for each statement
                execute function tap25_internal.%2$I()', t.name, t.check_);
            execute format('alter table pg_temp.%I enable always trigger %I', t.name, t.check_);
            execute format('grant insert on pg_temp.%I to %I', t.name, session_user);
        elsif c.relowner <> owner or c.relkind <> 'r' then
            raise 'the temporary relation % is not a table as tap25 makes it', t.name
                using errcode = 'insufficient_privilege';
        end if;
    end loop;
    return true;
end $$;

create function tap25_internal.place_arrivals() returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set client_min_messages = warning as $$
declare
    columns constant text := tap25_internal.row_columns('');
begin
    if not tap25_internal.make_arrivals() then -- checks that the session has not put tables of its own in their place
        return;
    end if;
    execute format('insert into tap25_internal.envelopes (%1$s, entered) select %1$s, xmin from pg_temp.arrivals',
        columns);
    execute format('insert into tap25_internal.misdated (%1$s, reason, entered) select %1$s, reason, xmin
        from pg_temp.arrivals_aside', columns);
    truncate pg_temp.arrivals, pg_temp.arrivals_aside;
end $$;

create or replace function tap25_internal.open_partition(partition regclass) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    if tap25_internal.is_distributed() then
        return;
    end if;
    execute format('create trigger count_day after insert on %s referencing new table as added for each statement
        execute function tap25_internal.count_day()', partition);
    execute format('alter table %s enable always trigger count_day', partition);
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partition);
    end if;
end $$;

-- Holds and expiry.

-- As before, with a loop: Citus refuses the statement that deleted rows in a CTE and wrote the table expired from that.
create or replace function tap25_internal.expire_misdated(loaded_before timestamptz, version text)
returns table (day date, rows bigint, bytes bigint, kept bigint) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    gone record;
begin
    perform tap25_internal.check_retention(loaded_before);
    lock table tap25.holds in share row exclusive mode; -- nobody adds a hold meanwhile, or counts the same rows
    kept := tap25_internal.keep_held('tap25_internal.misdated', '-infinity', 'infinity',
        format('e.loaded_at < %L', loaded_before));
    -- No more than the counted rows is deleted below: a load that commits meanwhile has a later loaded_at.
    for gone in select (m.loaded_at at time zone 'UTC')::date as d, count(*) as n, sum(pg_column_size(m.*)) as size
        from tap25_internal.misdated m where m.loaded_at < loaded_before group by 1 order by 1
    loop
        day := gone.d;
        rows := gone.n;
        bytes := gone.size;
        insert into tap25.expired (day, kind, rows, bytes, kept, version)
        values (expire_misdated.day, 'misdated', expire_misdated.rows, expire_misdated.bytes, expire_misdated.kept,
            expire_misdated.version);
        return next;
        kept := 0;
    end loop;
    delete from tap25_internal.misdated m where m.loaded_at < loaded_before;
end $$;

-- As before, in the same form as expire_misdated.
create or replace function tap25_internal.release_holds(version text)
returns table (day date, rows bigint, bytes bigint) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    ended bigint[];
    gone  record;
begin
    perform tap25_internal.check_snapshot();
    lock table tap25.holds in exclusive mode; -- nobody adds to held meanwhile
    ended := (select array_agg(id order by id) from tap25.holds where released_at is null
        and (dropped_at is not null or until <= now()));
    if ended is null then
        return;
    end if;
    for gone in select (h.seen_at at time zone 'UTC')::date as d, h.hold_ids as ids, count(*) as n,
        sum(pg_column_size(h.*)) as size
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
    update tap25_internal.held h set hold_ids = array(select x from unnest(h.hold_ids) x
        where x <> all (ended) order by 1) where h.hold_ids && ended;
    update tap25.holds set released_at = now() where id = any (ended);
end $$;

-- As before, in PL/pgSQL: Citus does not plan a statement of a function in SQL that has parameters.
create or replace function tap25_internal.rows_held(hold bigint) returns bigint language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.is_tied() then
        return null;
    end if;
    return (select count(*) from tap25_internal.held h where h.hold_ids @> array[hold]);
end $$;

-- As before, except that the days of rows that are aside are read first: the statement that joins them with loads, a
-- table of the coordinator, then has no distributed table.
create or replace function tap25_internal.mark_dropped_loads() returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    oldest  constant date := coalesce((select min(p.day) from tap25_internal.partitions() p), 'infinity');
    sensors text[];
    days    date[];
    n       bigint;
begin
    delete from tap25_internal.loads l where l.dropped_at < now() - interval '30 days';
    if not exists (select from tap25_internal.loads l where l.dropped_at is null and l.last_day is not null
        and l.last_day < oldest) then
        return 0;
    end if;
    select array_agg(a.sensor), array_agg(a.day) into sensors, days from (
        select h.sensor, (h.seen_at at time zone 'UTC')::date as day from tap25_internal.held h
        union select m.sensor, (m.seen_at at time zone 'UTC')::date from tap25_internal.misdated m) a;
    with files as (
        select l.sensor, left(l.segment, 71) as file, min(l.first_day) as since, max(l.last_day) as until
        from tap25_internal.loads l where l.segment ~ '^(replay|follow|import)-' group by l.sensor, left(l.segment, 71)
        having bool_and(coalesce(l.last_day < oldest, false))
    ), gone as (
        select f.sensor, f.file from files f
        where not exists (select from unnest(sensors, days) a (sensor, day)
            where a.sensor = f.sensor and a.day between f.since and f.until)
    )
    update tap25_internal.loads l set dropped_at = now() from gone g
    where l.sensor = g.sensor and left(l.segment, 71) = g.file and l.dropped_at is null;
    get diagnostics n = row_count;
    return n;
end $$;

-- As before, except that rows that are aside are looked for in a statement of their own, which Citus can divide.
create or replace function tap25_internal.check_period(since timestamptz, before timestamptz, valid_until timestamptz)
returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    cutoff constant timestamptz := (select clock_timestamp() - r.kept
        from tap25.retentions r order by r.id desc limit 1);
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
        and not exists (select from tap25_internal.days d where d.day between (since at time zone 'UTC')::date
            and (before at time zone 'UTC')::date) then
        perform from tap25_internal.mail_aside m where m.seen_at >= since and m.seen_at < before limit 1;
        if not found then
            raise 'the period of mail is older than the retention: nothing of it is kept'
                using errcode = 'invalid_parameter_value';
        end if;
    end if;
end $$;

-- The query of the days and leaves of rows in held or misdated.
create function tap25_internal.leaves_query(source text, condition text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select format('select (t.seen_at at time zone ''UTC'')::date, %s from tap25_internal.%I t where %s',
        tap25_internal.leaf_of('t.'), source, condition)
$$;

create or replace function tap25_internal.held_leaves(which date[]) returns table (day date, leaf bytea)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    return query execute tap25_internal.leaves_query('held', '(t.seen_at at time zone ''UTC'')::date = any ($1)')
        using which;
end $$;

create or replace function tap25_internal.released_leaves() returns table (day date, leaf bytea) language plpgsql
security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    lock table tap25.holds in exclusive mode;
    return query execute tap25_internal.leaves_query('held', 't.hold_ids <@ $1')
        using (select array_agg(h.id) from tap25.holds h where h.released_at is null
            and (h.dropped_at is not null or h.until <= now()));
end $$;

create or replace function tap25_internal.misdated_leaves(loaded_before timestamptz)
returns table (day date, leaf bytea) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    lock table tap25.holds in share row exclusive mode; -- as expire_misdated, which comes next
    return query execute tap25_internal.leaves_query('misdated', 't.loaded_at < $1') using loaded_before;
end $$;

-- Rights.

revoke execute on function tap25_internal.make_arrivals, tap25_internal.place_arrivals, tap25_internal.leaves_query,
    tap25_internal.outcomes from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_distribution;

create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    propagates constant text := coalesce(current_setting('citus.enable_ddl_propagation', true), 'on');
    t regclass;
begin
    -- Citus must not repeat the grants on the workers: they know only the owner, as whom the coordinator asks them.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    perform tap25_internal.grant_roles_before_distribution();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.make_arrivals,
            tap25_internal.place_arrivals to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.size_of, tap25_internal.size_of_indexes,
            tap25_internal.load_column to tap25_admin;
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
comment on function tap25_internal.outcomes is
    'Returns the outcomes. Since Citus makes functions on each machine, and the types that they name, the type is '
    'there, too.';
comment on function tap25_internal.make_arrivals is
    'In a distributed database, makes the temporary tables that a load copies its rows to, and returns true. For '
    'sensors.';
comment on function tap25_internal.place_arrivals is
    'Puts the rows that the session has copied to its temporary tables on their machines. For sensors.';
comment on function tap25_internal.leaves_query is 'Returns the query of the days and leaves of rows that are aside.';
comment on function tap25_internal.grant_roles is
    'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 '
    'db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_distribution is
    'The part of grant_roles that is older than distribution.';
