-- What reads days, or drops them, when some are packed.

-- With its owner's rights: the login of a logical copy may call it, but not size_of.
create or replace function tap25_internal.partitions() returns table (day date, bytes bigint) language sql stable
security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select to_date(right(c.relname, 8), 'YYYYMMDD'), sum(tap25_internal.size_of(c.oid))::bigint
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass)
        and c.relname ~ '^(envelopes|blocks)_[0-9]{8}$'
    group by 1
$$;

create or replace function tap25_internal.ensure_partition(day date) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.wrong_clock(day) is not null then
        return tap25_internal.wrong_clock(day);
    elsif not tap25_internal.has_partition(day) then
        if day < (now() at time zone 'UTC')::date - 7 and not tap25_internal.is_packed(day)
            and (select count(*) from pg_inherits
                 where inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass))
                >= tap25_internal.max_partitions() then
            return 'too many days';
        end if;
        perform tap25_internal.make_partition(day);
    end if;
    return null;
end $$;

create or replace function tap25_internal.dropped_days(days date[]) returns setof date language sql stable
security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select distinct e.day from tap25.expired e
    where e.kind = 'partition' and e.day = any (days) and not tap25_internal.has_partition(e.day)
        and not tap25_internal.is_packed(e.day)
$$;

create or replace function tap25_internal.ends(out oldest timestamptz, out newest timestamptz, out held bigint,
    out misdated bigint)
language plpgsql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    first_day constant date := (select min(d.day) from tap25_internal.days d where d.rows > 0);
    last_day  constant date := (select max(d.day) from tap25_internal.days d where d.rows > 0);
    first     constant timestamptz := first_day::timestamp at time zone 'UTC';
    last      constant timestamptz := last_day::timestamp at time zone 'UTC';
begin
    select min(e.seen_at) into oldest from tap25_internal.envelopes e
        where e.seen_at >= first and e.seen_at < first + interval '1 day';
    select max(e.seen_at) into newest from tap25_internal.envelopes e
        where e.seen_at >= last and e.seen_at < last + interval '1 day';
    oldest := least(oldest, (select min(b.first_at) from tap25_internal.blocks b where b.day = first_day));
    newest := greatest(newest, (select max(b.last_at) from tap25_internal.blocks b where b.day = last_day));
    select count(*) into held from tap25_internal.held;
    select count(*) into misdated from tap25_internal.misdated;
end $$;

-- The rows of a packed day, as the source of another query.
create function tap25_internal.packed_rows(which date) returns text language sql immutable
return format('(select (p.e).* from tap25_internal.blocks k cross join lateral tap25_internal.unpack(k) p
    where k.day = %L)', which);

drop function tap25_internal.keep_held;

create function tap25_internal.keep_held(source text, since timestamptz, before timestamptz, filter text) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped);
    n       bigint := 0;
    -- For each hold an expression that returns its id for a row that it concerns. Citus could not join rows with holds.
    tests   constant text := (
        select string_agg(format('case when tap25_internal.concerns(%L, %L, %L, %L, true, %L, %L, e.seen_at,
                e.mail_from, e.rcpt_to, e.client_ip, e.server_ip, e.origin_ip, e.network) then %s::bigint end',
            h.mailbox, h.domain, h.network, h.seen_in, h.since, h.before, h.id), ', ' order by h.id)
        from tap25.holds h where h.dropped_at is null and h.until > now() and h.since < keep_held.before
            and h.before > keep_held.since);
begin
    if tests is not null then
        execute format('insert into tap25_internal.held (%1$s, hold_ids) select %1$s, ids from (
                select e.*, array_remove(array[%2$s], null) as ids from %3$s e where %4$s) e
            where ids <> ''{}''', columns, tests, source, filter);
        get diagnostics n = row_count;
    end if;
    return n;
end $$;

create or replace function tap25_internal.expire_day(which date, version text)
returns table (rows bigint, bytes bigint, kept bigint)
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
        kept := kept + tap25_internal.keep_held(case when part = tap25_internal.partition_name(which)
            then 'tap25_internal.' || quote_ident(part)
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
    insert into tap25.expired (day, kind, rows, bytes, kept, version)
    values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

create or replace function tap25_internal.end_all_blockers(which date, older interval)
    returns table (login name, application text,
    open_since timestamptz, ended boolean, reason text) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    held  constant regclass[] := case when which is null then array['tap25_internal.making_partitions'::regclass]
        else array['tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass, 'tap25.holds'::regclass,
            to_regclass('tap25_internal.' || tap25_internal.partition_name(which)),
            to_regclass('tap25_internal.' || tap25_internal.blocks_name(which)),
            'tap25_internal.prints'::regclass, to_regclass('tap25_internal.' || tap25_internal.prints_name(which))] end;
    late  constant boolean := exists (select from tap25_internal.late_days l
        where l.day = which and l.since < clock_timestamp() - older);
    using_it text[] := '{}';
    s     record;
begin
    for s in
        select a.pid, a.usename, a.application_name, a.xact_start,
               r.rolsuper or pg_has_role(a.usesysid, owner, 'member') as owns,
               clock_timestamp() - a.xact_start as age,
               case when a.state ~ '^idle in transaction' then clock_timestamp() - a.state_change end as idle,
               exists (select from pg_roles t where t.rolname in ('tap25_auditor', 'tap25_admin')
                   and pg_has_role(a.usesysid, t.oid, 'member')) as reads,
               exists (select from pg_roles t where t.rolname = 'tap25_sensor'
                   and pg_has_role(a.usesysid, t.oid, 'member')) as loads
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
        where a.pid <> pg_backend_pid() and a.leader_pid is null and exists (
            select from pg_locks l
            where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.relation = any (held)
            and l.database = (select d.oid from pg_database d where d.datname = current_database()))
        order by a.xact_start
    loop
        login := s.usename;
        application := s.application_name;
        open_since := s.xact_start;
        ended := false;
        reason := case when s.owns or not (s.reads or s.loads) then 'not a session that expiry ends'
                       when s.xact_start is null then format('its age is hidden: '
                           'grant pg_read_all_stats, pg_signal_backend to %I', owner::regrole::name)
                       when older is null then 'expiry ends no session'
                       when s.reads and (late or s.age > older) then null
                       when s.loads and (s.age > greatest(older, '15 minutes') or s.idle > older
                           or late and s.idle > '1 minute') then null
                       else 'not open for so long yet' end;
        if reason is null then
            begin
                ended := pg_terminate_backend(s.pid, 5000);
                raise log 'tap25: % ended the session of %, which kept the day % from being dropped',
                    quote_ident(session_user), quote_ident(s.usename), which;
                insert into tap25_internal.ended_sessions (login, application, open_since, day)
                values (s.usename, s.application_name, s.xact_start, which);
            exception when insufficient_privilege then
                reason := format('the owner may not end it: grant pg_signal_backend to %I', owner::regrole::name);
            end;
        end if;
        if not ended then
            using_it := using_it || format('%s with "%s" (%s)', quote_ident(s.usename), s.application_name, reason);
        end if;
        return next;
    end loop;
    insert into tap25_internal.late_days as l (day, users) select which, array_to_string(using_it, ', ')
        where tap25_internal.has_partition(which) or tap25_internal.is_packed(which)
    on conflict (day) do update set tried = excluded.tried, users = excluded.users;
end $$;

-- The leaves of the segments that have one of some rows of a day that is not packed. It goes in steps: links is on the
-- coordinator alone, so no worker can join it with rows.
create function tap25_internal.day_leaves(which date, times timestamptz[], sessions bigint[])
returns table (body bytea, signature bytea, public_key bytea, leaves bytea) language plpgsql stable
set search_path = pg_catalog, pg_temp set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    by_load constant text := tap25_internal.load_column();
    leaf    constant text := tap25_internal.leaf_of('e.');
    first   constant timestamptz := which::timestamp at time zone 'UTC';
    last    constant timestamptz := (which + 1)::timestamp at time zone 'UTC';
    found_  bigint[];
    sensors text[];
    xids    xid[];
begin
    execute format('select array_agg(x.sensor), array_agg(x.load) from (
            select distinct e.sensor, e.%I as load from unnest($1, $2) w (seen_at, session_id)
            join tap25_internal.envelopes e on e.seen_at = w.seen_at and e.session_id = w.session_id and e.seen_at >= $3
                and e.seen_at < $4) x', by_load)
        into sensors, xids using times, sessions, first, last;
    found_ := array(select distinct l.id from unnest(sensors, xids) x (sensor, load)
        join tap25.links l on l.sensor = x.sensor and l.xid = x.load
            and l.xmin is distinct from tap25_internal.restored_links()
            and daterange(l.first_day, l.last_day, '[]') @> which);
    select array_agg(l.sensor), array_agg(l.xid) into sensors, xids from tap25.links l where l.id = any (found_);
    return query execute format('select l.body, l.signature, k.public_key, g.leaves
        from (select e.sensor, e.%1$I as load, string_agg(%2$s, '''') as leaves from unnest($1, $2) x (sensor, load)
              join tap25_internal.envelopes e on e.sensor = x.sensor and e.%1$I = x.load and e.seen_at >= $3
                  and e.seen_at < $4 group by 1, 2) g
        join tap25.links l on l.sensor = g.sensor and l.xid = g.load and l.id = any ($5)
            join tap25.keys k on k.id = l.key', by_load, leaf)
        using sensors, xids, first, last, found_;
end $$;

create or replace function tap25.case_leaves(access bigint) returns table (body bytea, signature bytea,
    public_key bytea, day date, leaves bytea)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC'
set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    asked  constant tap25.accesses := tap25_internal.answered(access);
    its    record;
    found_ bigint[];
begin
    for its in select (r.seen_at at time zone 'UTC')::date as day, array_agg(r.seen_at) as times,
        array_agg(r.session_id) as sessions
        from tap25_internal.case_rows(asked.warrant_ids, asked.asked_since, asked.asked_before, asked.asked_target) r
            group by 1
    loop
        if tap25_internal.has_partition(its.day) then
            return query select d.body, d.signature, d.public_key, its.day, d.leaves
                from tap25_internal.day_leaves(its.day, its.times, its.sessions) d;
        end if;
        continue when not tap25_internal.is_packed(its.day);
        -- OFFSET 0: each block is unpacked once, whatever it is joined with.
        found_ := array(select distinct p.link from (
                select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
                where b.day = its.day and exists (select from unnest(its.times) t
                    where t between b.first_at and b.last_at) offset 0) p
            join unnest(its.times, its.sessions) w (seen_at, session_id) on w.seen_at = (p.e).seen_at
                and w.session_id = (p.e).session_id
            where p.link is not null);
        return query
        select l.body, l.signature, k.public_key, its.day, string_agg(tap25_internal.leaf(p.e), '')
        from (select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
              where b.day = its.day and b.links && found_ offset 0) p
        join tap25.links l on l.id = p.link join tap25.keys k on k.id = l.key
            where l.id = any (found_) group by l.id, k.id;
    end loop;
end $$;

-- An exported file is imported. Its rows may be there already: of another file that has some of them, of the sensor
-- itself, or under a legal hold.

create table tap25_internal.importing ();

-- How often a sensor has each of some rows, named by their leaves, which are of a time. Until the transaction ends,
-- nobody else imports.
create function tap25_internal.rows_there(by_sensor text, leaves bytea[], first timestamptz, last timestamptz)
returns table (leaf bytea, times bigint) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set jit = off as $$
declare
    its constant text := (select string_agg(format('select %s as leaf from tap25_internal.%I e
        where e.sensor = $1 and e.seen_at between $3 and $4', tap25_internal.leaf_of('e.'), t), ' union all ')
        from unnest('{envelopes,held,misdated}'::text[]) t);
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    lock table tap25_internal.importing in exclusive mode;
    return query execute format('select t.leaf, count(*) from (%s) t where t.leaf = any ($2) group by t.leaf', its
        || case when not tap25_internal.is_distributed() then ' union all
            select tap25_internal.leaf(p.e) from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
            where b.day between ($3 at time zone ''UTC'')::date and ($4 at time zone ''UTC'')::date
                and b.last_at >= $3 and b.first_at <= $4 and (p.e).sensor = $1 and (p.e).seen_at between $3 and $4'
            else '' end)
        using by_sensor, leaves, first, last;
end $$;

-- What an import had entered is forgotten as soon as rows of it are missing, whatever the reason: rows_there decides
-- what is loaded.
create or replace function tap25_internal.forget_dropped_loads(by_sensor text, segments text[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    delete from tap25_internal.loads l where l.sensor = by_sensor and l.segment = any (segments)
        and (l.dropped_at is not null or l.segment ~ '^import-');
end $$;

-- Rights.

revoke all on tap25_internal.importing from public;
revoke execute on function tap25_internal.packed_rows, tap25_internal.keep_held, tap25_internal.day_leaves,
    tap25_internal.rows_there from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_packing;

create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    name text;
begin
    perform tap25_internal.grant_roles_before_packing();
    foreach name in array '{tap25_sensor,tap25_admin}'::text[] loop
        if exists (select from pg_roles where rolname = name) then
            execute format('grant execute on function tap25_internal.days_to_pack, tap25_internal.pack_day to %I',
                name);
        end if;
    end loop;
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.rows_there to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25_internal.packs to tap25_admin;
    end if;
end $$;

revoke execute on function tap25_internal.grant_roles() from public;

do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on function tap25_internal.packed_rows is 'Returns the query of the rows of a packed day.';
comment on function tap25_internal.keep_held is
    'Copies the rows of a source that holds concern to held, each once; returns how many. Called by expire_day and '
    'expire_misdated alone.';
comment on function tap25_internal.day_leaves is 'The part of case_leaves about a day that is not packed.';
comment on table tap25_internal.importing is 'Has no rows. Whoever imports locks it.';
comment on function tap25_internal.rows_there is
    'Returns which of some rows of a sensor are there, by their leaves, and how often. The rows are of a time. For '
    'sensors, under their own name.';
comment on function tap25_internal.forget_dropped_loads is
    'Forgets those of the segments whose rows were all dropped, or that were imported, so that they are loaded again. '
    'For sensors, under their own name, before enter_loads.';
comment on function tap25_internal.grant_roles is
    'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 '
    'db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_packing is 'The part of grant_roles that is older than packing.';
