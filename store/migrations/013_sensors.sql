-- A sensor is confined to itself: its login has one name, under which alone it loads; what it loads is counted here, not by it; and
-- no value that it may write leaves a row out of an answer. Locks are those of tables, which nobody else may lock: a stranger may
-- take any advisory lock.

-- Who is a sensor.

-- Whose login a sensor's name is, one login for one name. What was so before keeps its line, with its end.
create table tap25_internal.sensors (
    sensor   text        not null,
    login    name        not null,
    since    timestamptz not null default clock_timestamp(),
    bound_by name        not null default session_user,
    until    timestamptz
);
create unique index on tap25_internal.sensors (sensor) where until is null;
create unique index on tap25_internal.sensors (login) where until is null;

create view tap25.sensors as select sensor, login, since, bound_by from tap25_internal.sensors where until is null;

-- Whether this session's login has a name of its own. Those who may act as the owner load under any name, and replay for others.
-- session_user is the login, whatever role it has set.
create function tap25_internal.is_tied() returns boolean language sql stable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ select not pg_has_role(session_user, c.relowner, 'member') from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass $$;

-- Why a text is no name of a sensor, or null. Names are shown on terminals.
create function tap25_internal.bad_name(name text) returns text language sql immutable
return case when name is null or name = '' then 'it is empty' when octet_length(name) > 255 then 'it is longer than 255 octets'
            when name ~ '[\u0001-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]' then 'it has control characters' end;

-- Takes a name for this session's login, or refuses. The first name that a login loads under is its own from then on, unless others
-- might miss it: a name that has rows, and no login yet, goes to the login that is called the same, or to the only sensor's login
-- there is; else an administrator decides. The loader waits after 42501 (insufficient_privilege), and its log has the message.
create function tap25_internal.claim_sensor(name text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    me    constant text := session_user;
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    mine  text;
    bad   constant text := tap25_internal.bad_name(name);
begin
    if not tap25_internal.is_tied() then
        return;
    end if;
    for attempt in 1..2 loop -- the second where another transaction has bound the one or the other just now
        select s.sensor into mine from tap25_internal.sensors s where s.login = me and s.until is null;
        if mine = name then
            return;
        elsif bad is not null then
            raise 'this cannot be the name of a sensor: %', bad using errcode = 'insufficient_privilege';
        elsif mine is not null then
            raise 'the login % loads as the sensor %, not as %: each sensor takes a login of its own; if the name has changed, an administrator calls tap25.bind_sensor(%, %)',
                quote_ident(me), quote_literal(mine), quote_literal(name), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        elsif exists (select from tap25_internal.sensors s where s.sensor = name and s.until is null) then
            raise 'the sensor % has another login than %; if that has changed, an administrator calls tap25.bind_sensor(%, %)',
                quote_literal(name), quote_ident(me), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        elsif name <> me
            and (exists (select from tap25_internal.days d where d.sensor = name) or exists (select from tap25_internal.loads l where l.sensor = name))
            and exists (select from pg_roles r join pg_roles s on s.rolname = 'tap25_sensor' where r.rolcanlogin and not r.rolsuper and r.rolname <> me
                        and pg_has_role(r.oid, s.oid, 'member') and not pg_has_role(r.oid, owner, 'member')) then
            raise 'the sensor % has rows of before sensors had logins, and there are several logins; if it is %, an administrator calls tap25.bind_sensor(%, %)',
                quote_literal(name), quote_ident(me), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        end if;
        insert into tap25_internal.sensors (sensor, login) values (name, me) on conflict do nothing;
        if found then
            return;
        end if;
    end loop;
    raise 'the sensor % is being bound by another transaction', quote_literal(name) using errcode = 'lock_not_available';
end $$;

-- The name that this session's login has.
create function tap25_internal.my_sensor() returns text language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare mine text;
begin
    select s.sensor into mine from tap25_internal.sensors s where s.login = session_user and s.until is null;
    if mine is null then
        raise 'the login % is no sensor yet: rows are loaded behind begin_load', quote_ident(session_user) using errcode = 'insufficient_privilege';
    end if;
    return mine;
end $$;

-- Gives a sensor's name to a login, in place of the name that it had, and of the login that the name had. With null the login has
-- no name, and takes one with its next load.
create function tap25.bind_sensor(login name, sensor text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if not exists (select from pg_roles r where r.rolname = bind_sensor.login) then
        raise 'there is no login %', quote_ident(bind_sensor.login) using errcode = 'undefined_object';
    elsif sensor is not null and tap25_internal.bad_name(sensor) is not null then
        raise 'this cannot be the name of a sensor: %', tap25_internal.bad_name(sensor) using errcode = 'invalid_parameter_value';
    end if;
    update tap25_internal.sensors s set until = clock_timestamp()
    where s.until is null and (s.login = bind_sensor.login or s.sensor = bind_sensor.sensor);
    if sensor is not null then
        insert into tap25_internal.sensors (sensor, login) values (bind_sensor.sensor, bind_sensor.login);
    end if;
end $$;

-- What a row may be. Rows of before that are not so stay, and the check is then of new rows only.
do $$
declare
    rules constant text := 'check (outcome between 0 and 5 and flags between 0 and 127 and mail_no >= 0 and message_bytes >= 0 and declared_size >= 0 and lost_bytes >= 0) not valid';
    t regclass;
    sound boolean := true;
begin
    execute 'alter table tap25_internal.envelopes add constraint row_values ' || rules;
    execute 'alter table tap25_internal.misdated add constraint row_values ' || rules;
    alter table tap25_internal.misdated add constraint reasons check (reason in ('before 1990', 'ahead of the clock', 'too many days') and isfinite(seen_at)) not valid;
    for t in select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass union all select 'tap25_internal.misdated'::regclass loop
        begin
            execute format('alter table %s validate constraint row_values', t);
        exception when check_violation then
            sound := sound and t = 'tap25_internal.misdated'::regclass;
            raise warning '% has rows that no tap25 makes', t;
        end;
    end loop;
    if sound then
        alter table tap25_internal.envelopes validate constraint row_values;
    end if;
end $$;

-- Counts.

-- Counts the rows that a statement has added, and holds them to the name of who added them. One look at the rows of a statement costs a
-- load little (docs/storage.md); a trigger of each row, or a policy, which COPY does not have, would cost more.
create function tap25_internal.count_rows() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    mine  constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
    alien boolean;
begin
    with counted as (
        select (seen_at at time zone 'UTC')::date as day, sensor, count(*) as rows from added group by 1, 2 order by 1, 2
    ), entered as (
        insert into tap25_internal.days as t (day, sensor, rows, loaded_at) select c.day, c.sensor, c.rows, clock_timestamp() from counted c
        on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = excluded.loaded_at returning t.sensor
    )
    select bool_or(e.sensor <> mine) into alien from entered e;
    if alien then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create trigger count_rows after insert on tap25_internal.envelopes referencing new table as added
    for each statement execute function tap25_internal.count_rows();

-- Rows of a day that gets no partition, and of no other: a sensor cannot choose by what time they expire.
create function tap25_internal.check_misdated() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    mine constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
begin
    if exists (select from added a where a.sensor <> mine) then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    elsif mine is not null and exists (
        select from (select distinct (seen_at at time zone 'UTC')::date as day, reason from added) a
        where a.reason is distinct from coalesce(tap25_internal.wrong_clock(a.day),
            case when a.day < (now() at time zone 'UTC')::date - 7 and not tap25_internal.has_partition(a.day) then 'too many days' end)) then
        raise 'rows are misdated whose day gets a partition' using errcode = 'object_not_in_prerequisite_state';
    end if;
    return null;
end $$;
create trigger check_misdated after insert on tap25_internal.misdated referencing new table as added
    for each statement execute function tap25_internal.check_misdated();

-- What sensors could write before is not believed: counts that no load makes are counted anew, and where there are sensors' logins
-- every summary is made anew, since a count may have been forged to keep it.
update tap25_internal.days d set rows = (select count(*) from tap25_internal.envelopes e where e.sensor = d.sensor
    and e.seen_at >= d.day::timestamp at time zone 'UTC' and e.seen_at < (d.day + 1)::timestamp at time zone 'UTC')
where d.rows not between 0 and 10000000000;
delete from tap25_internal.summaries where exists (select from pg_roles r join pg_roles s on s.rolname = 'tap25_sensor' where r.rolcanlogin and not r.rolsuper
    and pg_has_role(r.oid, s.oid, 'member') and not pg_has_role(r.oid, (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass), 'member'));
delete from tap25_internal.prints p where not exists (select from tap25_internal.summaries s where s.day = p.day);

-- Locks. These tables have no rows: each is there to be locked, by the owner's functions and by nobody else. The lock of a day is
-- that of its partition.
create table tap25_internal.making_partitions ();
create table tap25_internal.making_summaries ();
create table tap25_internal.rebuilding_indexes ();

-- Ends a wait for a lock after a while, where the session does not say when: a loader tries again, and says who has the lock.
create function tap25_internal.bound_waits() returns void language sql
set search_path = pg_catalog, pg_temp as
$$ select set_config('lock_timeout', '30s', true) where current_setting('lock_timeout') in ('0', '0ms') $$;

-- Locks a day against expiry; false where it has no partition. Who has just made it still has it locked, until every server process
-- can find it.
create function tap25_internal.lock_day(day date) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if not tap25_internal.has_partition(day) then
        return false;
    end if;
    execute format('lock table tap25_internal.%I in row exclusive mode', tap25_internal.partition_name(day));
    return true;
exception when undefined_table then -- dropped meanwhile
    return false;
end $$;

-- Partitions.

-- Bounds are UTC, in whatever form the session writes times.
create or replace function tap25_internal.make_partition(day date) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' set default_table_access_method = 'heap' as $$
declare
    name constant text := tap25_internal.partition_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.envelopes including defaults including constraints)', name);
    execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I for values from (%L) to (%L)', name,
                   to_char(day::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00', to_char((day + 1)::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00');
end $$;

-- Why a day gets no partition, by the clock alone; or null.
create function tap25_internal.wrong_clock(day date) returns text language sql stable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ select case when day < date '1990-01-01' then 'before 1990' when day > (now() at time zone 'UTC')::date + 2 then 'ahead of the clock' end $$;

create or replace function tap25_internal.ensure_partition(day date) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.wrong_clock(day) is not null then
        return tap25_internal.wrong_clock(day);
    elsif not tap25_internal.has_partition(day) then
        if day < (now() at time zone 'UTC')::date - 7
            and (select count(*) from pg_inherits where inhparent = 'tap25_internal.envelopes'::regclass) >= tap25_internal.max_partitions() then
            return 'too many days';
        end if;
        perform tap25_internal.make_partition(day);
    end if;
    return null;
end $$;

-- Makes the partitions of these days, as far as they get one. A load of days that all have theirs waits for nobody here: whoever
-- made one a moment ago is waited for by lock_day.
create or replace function tap25_internal.make_partitions(which date[]) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.lacks_partition(which) then
        perform tap25_internal.bound_waits();
        lock table tap25_internal.making_partitions in exclusive mode;
        perform tap25_internal.ensure_partition(d) from unnest(which) d;
    end if;
end $$;

create or replace function tap25_internal.make_partitions_ahead(n int) returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    today date := (now() at time zone 'UTC')::date;
    made  int := 0;
    d     date;
begin
    if n is null or n not between 0 and 31 then
        raise 'partitions ahead: % days, want 0 to 31', n;
    end if;
    if not exists (select from generate_series(0, n) i where not tap25_internal.has_partition(today + i)) then
        return 0;
    end if;
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    for d in select today + i from generate_series(0, n) i loop
        if not tap25_internal.has_partition(d) then
            perform tap25_internal.make_partition(d);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

-- Loads.

-- Enters segments as loaded, and says of each whether it was not yet: of the sensor's own alone, so that nobody learns of others'.
-- How many rows a segment has is its sensor's word; nothing depends on it.
create function tap25_internal.enter_loads(by_sensor text, segments text[], counts bigint[]) returns boolean[] language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    entered boolean[] := '{}';
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    if cardinality(segments) is distinct from cardinality(counts)
        or exists (select from unnest(segments, counts) u (s, n) where (octet_length(s) between 1 and 255 and n between 0 and 10000000) is not true) then
        raise 'segments have a name and at most ten million rows';
    end if;
    for i in 1..cardinality(segments) loop
        insert into tap25_internal.loads (sensor, segment, rows) values (by_sensor, segments[i], counts[i]) on conflict do nothing;
        entered := entered || found;
    end loop;
    return entered;
end $$;

-- Prepares a load: makes the partitions of its days, locks them, and returns the days that get none, with the reason; rows of those
-- go to misdated. Call it once in a transaction, with all days, before the first row.
--
-- The locks, always taken in this order: the row of loads; the partitions of the days, ascending, as an insert locks them; the making
-- of partitions; the rows of days, ascending; envelopes.
drop function tap25_internal.begin_load(text, date[], bigint[]);
create function tap25_internal.begin_load(by_sensor text, which date[]) returns table (misdated_day date, misdated_reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    lacking date[] := '{}';
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    -- What count_rows looks at stays in memory: the loader's 50,000 rows at once are about 15 MB.
    perform set_config('work_mem', '64MB', true) where pg_size_bytes(current_setting('work_mem')) < 64 << 20;
    for misdated_day in select distinct w from unnest(which) w where w is not null order by w loop
        misdated_reason := tap25_internal.wrong_clock(misdated_day);
        if misdated_reason is not null then
            return next;
        elsif not tap25_internal.lock_day(misdated_day) then
            lacking := lacking || misdated_day;
        end if;
    end loop;
    if lacking <> '{}' then
        lock table tap25_internal.making_partitions in exclusive mode;
        foreach misdated_day in array lacking loop
            for attempt in 1..10 loop -- expiry may drop the day between the two
                misdated_reason := tap25_internal.ensure_partition(misdated_day);
                exit when misdated_reason is not null or tap25_internal.lock_day(misdated_day);
                if attempt = 10 then
                    raise 'the day % is being dropped', misdated_day using errcode = 'lock_not_available';
                end if;
            end loop;
            if misdated_reason is not null then
                return next;
            end if;
        end loop;
    end if;
    perform from tap25_internal.days d where d.sensor = by_sensor and d.day = any (which) order by d.day for no key update;
end $$;

-- Of the login's own name alone; nothing where it has another.
create or replace function tap25_internal.prune_loads(by_sensor text, older text) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare n bigint;
begin
    if tap25_internal.is_tied() and not exists (select from tap25_internal.sensors s where s.login = session_user and s.sensor = by_sensor and s.until is null) then
        return 0;
    end if;
    delete from tap25_internal.loads where sensor = by_sensor and segment ~ '^[0-9a-f]{16}-[0-9a-f]{16}$' and segment collate "C" < older collate "C"
        and loaded_at < now() - interval '30 days';
    get diagnostics n = row_count;
    return n;
end $$;

-- Expiry.

-- Days that expiry had to leave, since when, and who used them then.
create table tap25_internal.late_days (
    day   date        primary key,
    since timestamptz not null default clock_timestamp(),
    tried timestamptz not null default clock_timestamp(),
    users text        not null
);
-- Sessions that expiry has ended.
create table tap25_internal.ended_sessions (
    at          timestamptz not null default clock_timestamp(),
    login       name        not null,
    application text,
    open_since  timestamptz not null,
    day         date,                 -- that it kept from being dropped; null: partitions from being made
    ended_by    name        not null default session_user
);

-- As before, behind the lock of the day's partition, which a load has too: it fails at once, with lock_not_available, beside one.
create or replace function tap25_internal.expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    partition regclass;
begin
    lock table tap25.holds in share mode; -- a hold that is added now waits, and then concerns what is left
    if not tap25_internal.has_partition(which) then
        return;
    end if;
    begin
        execute format('lock table tap25_internal.%I in share row exclusive mode nowait', tap25_internal.partition_name(which));
    exception when undefined_table then
        return;
    end;
    partition := ('tap25_internal.' || tap25_internal.partition_name(which))::regclass;
    kept := tap25_internal.keep_held(partition, which::timestamp at time zone 'UTC', (which + 1)::timestamp at time zone 'UTC', 'true');
    bytes := pg_total_relation_size(partition);
    rows := coalesce((select sum(d.rows) from tap25_internal.days d where d.day = which), 0);
    execute format('drop table %s', partition);
    delete from tap25_internal.days d where d.day = which;
    delete from tap25_internal.prints p where p.day = which;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.late_days l where l.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

-- Who keeps a day from being dropped, or, where no day is given, partitions from being made. It ends whom it may, and notes a day
-- that is late.
--
-- An auditor or an administrator is ended whose transaction is older than a time; once the day has been late for that time, whoever
-- of them keeps it, or they could take turns. Of sensors, those are ended that are in no load: one lasts at most ten minutes, and
-- does not stop in between, unless its machine is gone. Nobody else is ended, nor who may act as the owner; nobody where the time is
-- null. The owner needs pg_signal_backend for that, and pg_read_all_stats to see how old a transaction is.
create function tap25_internal.end_blockers(which date, older interval)
returns table (login name, application text, open_since timestamptz, ended boolean, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    held  constant regclass[] := case when which is null then array['tap25_internal.making_partitions'::regclass]
        else array['tap25_internal.envelopes'::regclass, 'tap25.holds'::regclass, to_regclass('tap25_internal.' || tap25_internal.partition_name(which))] end;
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
    insert into tap25_internal.late_days as l (day, users) select which, array_to_string(using_it, ', ') where tap25_internal.has_partition(which)
    on conflict (day) do update set tried = excluded.tried, users = excluded.users;
end $$;

-- Summaries.

-- As before. A summary holds as long as the day has as many rows as were counted when it was made: the server counts, and rows are only
-- ever added. So it must be of what is there now, not of an older snapshot.
create or replace function tap25_internal.summarize_day(which date) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise 'a summary is made in a transaction that is read committed' using errcode = 'invalid_transaction_state';
    end if;
    if tap25_internal.is_tied() and not exists (select from tap25_internal.days_over('0') d where d.day = which and d.summary_due) then
        return false;
    end if;
    begin
        lock table tap25_internal.making_summaries in exclusive mode nowait;
    exception when lock_not_available then
        return false;
    end;
    lock table only tap25_internal.envelopes in access share mode; -- first, as expiry does
    delete from tap25_internal.prints p where p.day = which;
    delete from tap25_internal.summaries s where s.day = which;
    with counted as (
        select sum(d.rows) as rows, greatest(0, ceil(log(2, greatest(1, sum(d.rows) * 2.5 / 512))))::smallint as bits
        from tap25_internal.days d where d.day = which having sum(d.rows) > 0 -- about 512 prints in a page
    ), noted as (
        insert into tap25_internal.summaries (day, rows, bits) select which, c.rows, c.bits from counted c
    )
    insert into tap25_internal.prints (day, page, prints)
    select which, page, array_agg(print order by print) from (
        select distinct tap25_internal.print_page(hash, c.bits) as page, tap25_internal.print_of(hash) as print
        from tap25_internal.envelopes e cross join counted c cross join lateral (values
            (tap25_internal.print_hash('mail_from', e.mail_from)), (tap25_internal.print_hash('rcpt_to', e.rcpt_to)),
            (tap25_internal.print_hash('from_domain', tap25_internal.domain_of(e.mail_from))), (tap25_internal.print_hash('to_domain', tap25_internal.domain_of(e.rcpt_to))),
            (tap25_internal.print_hash('client', host(e.client_ip))), (tap25_internal.print_hash('server', host(e.server_ip)))) v (hash)
        where hash is not null and e.seen_at >= which::timestamp at time zone 'UTC' and e.seen_at < (which + 1)::timestamp at time zone 'UTC'
    ) p group by page order by page;
    return true;
end $$;

-- As before, but a sensor learns no count.
create or replace function tap25_internal.days_over(quiet interval) returns table (day date, rows bigint, summary_due boolean, reindex_due boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, case when t.tied then 0 else d.rows::bigint end, s.day is null, not t.tied and d.rows >= 10000 and (r.day is null or d.rows >= r.rows * 1.1)
    from (select day, sum(rows) as rows, max(loaded_at) as loaded_at from tap25_internal.days group by day) d
    cross join (select tap25_internal.is_tied() as tied) t
    left join tap25_internal.summaries s on s.day = d.day and s.rows = d.rows left join tap25_internal.reindexed r on r.day = d.day
    where d.day < (now() at time zone 'UTC')::date and d.loaded_at <= now() - quiet and d.rows > 0 and tap25_internal.has_partition(d.day) $$;

-- The days that no summary says do not have this: every day that has a partition, whatever was counted of it, unless a summary is of
-- exactly the rows that the day has; without a value all.
create or replace function tap25_internal.days_with(kind text, value text, since timestamptz, before timestamptz) returns setof date language sql stable parallel safe
begin atomic
    with hashed as (select tap25_internal.print_hash(kind, value) as hash),
    inherits as materialized (select i.inhrelid from pg_catalog.pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass),
    parts as materialized ( -- so that no other name is looked at
        select to_date(right(c.relname, 8), 'YYYYMMDD') as day
        from inherits i cross join lateral (select c.relname from pg_catalog.pg_class c where c.oid = i.inhrelid offset 0) c
        where translate(c.relname, '0123456789', '') = 'envelopes_' and length(c.relname) = 18
    )
    select q.day from parts q left join (select day, sum(rows) as rows from tap25_internal.days
        where day >= (since at time zone 'UTC')::date and day <= (before at time zone 'UTC')::date group by day) d on d.day = q.day
    cross join hashed h left join tap25_internal.summaries s on s.day = q.day and s.rows = d.rows
    where q.day >= (since at time zone 'UTC')::date and q.day <= (before at time zone 'UTC')::date
      and (h.hash is null or s.day is null or exists (select from tap25_internal.prints p
        where p.day = q.day and p.page = tap25_internal.print_page(h.hash, s.bits) and tap25_internal.print_of(h.hash) = any (p.prints)))
    order by q.day;
end;

-- Rights.

alter function tap25_internal.grant_roles() rename to grant_roles_012;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ') from pg_attribute
        where attrelid = 'tap25_internal.misdated'::regclass and attnum > 0 and not attisdropped and attname <> 'loaded_at');
begin
    perform tap25_internal.grant_roles_012();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        revoke insert on tap25_internal.loads, tap25_internal.misdated from tap25_sensor;
        execute format('grant insert (%s) on tap25_internal.misdated to tap25_sensor', columns);
        grant execute on function tap25_internal.enter_loads, tap25_internal.begin_load to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.sensors, tap25_internal.sensors, tap25_internal.late_days, tap25_internal.ended_sessions to tap25_admin;
        grant execute on function tap25.bind_sensor, tap25_internal.end_blockers to tap25_admin;
    end if;
end $$;
do $$ begin perform tap25_internal.grant_roles(); end $$;
