-- A capture file that is in loads is not loaded again. Once retention has dropped all of its rows, it may be: then its keys
-- are marked, and the next replay of it forgets them.

alter table tap25_internal.loads
    add column first_day  date,
    add column last_day   date,
    add column dropped_at timestamptz,
    add constraint days_check check (first_day <= last_day);
create index on tap25_internal.loads (last_day) where dropped_at is null and last_day is not null;

-- Only what this transaction has entered, so that nobody dates an earlier load.
create function tap25_internal.date_loads(by_sensor text, segments text[], first_days date[], last_days date[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.claim_sensor(by_sensor);
    update tap25_internal.loads l set first_day = u.first_day, last_day = u.last_day
    from unnest(segments, first_days, last_days) u (segment, first_day, last_day)
    where l.sensor = by_sensor and l.segment = u.segment and l.loaded_at = now();
end $$;

create function tap25_internal.forget_dropped_loads(by_sensor text, segments text[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    delete from tap25_internal.loads l where l.sensor = by_sensor and l.segment = any (segments) and l.dropped_at is not null;
end $$;

-- The keys of a file begin with the same 71 characters, of which 64 are a digest, and are marked together: with some of them
-- gone, a replay would cut the rows of the others into other segments. Rows that a hold keeps, and misdated ones, are still
-- there. A key that is marked stays for a month: a spool that keeps what it has loaded may ask for it, and must not load it
-- again.
create function tap25_internal.mark_dropped_loads() returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    oldest date := coalesce((select min(p.day) from tap25_internal.partitions() p), 'infinity');
    n      bigint;
begin
    delete from tap25_internal.loads l where l.dropped_at < now() - interval '30 days';
    if not exists (select from tap25_internal.loads l where l.dropped_at is null and l.last_day is not null and l.last_day < oldest) then
        return 0;
    end if;
    with files as (
        select l.sensor, left(l.segment, 71) as file, min(l.first_day)::timestamp at time zone 'UTC' as since,
               (max(l.last_day) + 1)::timestamp at time zone 'UTC' as before
        from tap25_internal.loads l where l.segment ~ '^(replay|follow)-' group by l.sensor, left(l.segment, 71)
        having bool_and(coalesce(l.last_day < oldest, false))
    ), gone as (
        select f.sensor, f.file from files f
        where not exists (select from tap25_internal.held h where h.sensor = f.sensor and h.seen_at >= f.since and h.seen_at < f.before)
          and not exists (select from tap25_internal.misdated m where m.sensor = f.sensor and m.seen_at >= f.since and m.seen_at < f.before)
    )
    update tap25_internal.loads l set dropped_at = now() from gone g
    where l.sensor = g.sensor and left(l.segment, 71) = g.file and l.dropped_at is null;
    get diagnostics n = row_count;
    return n;
end $$;

create function tap25_internal.kept_from() returns date language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select (((clock_timestamp() at time zone 'UTC')::date - r.kept)::date) from tap25.retentions r order by r.id desc limit 1
$$;

create function tap25_internal.dropped_days(days date[]) returns setof date language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select distinct e.day from tap25.expired e
    where e.kind = 'partition' and e.day = any (days) and not tap25_internal.has_partition(e.day)
$$;

-- Rights.

revoke execute on function tap25_internal.date_loads, tap25_internal.forget_dropped_loads, tap25_internal.mark_dropped_loads,
    tap25_internal.kept_from, tap25_internal.dropped_days from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_load_days;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_load_days();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.date_loads, tap25_internal.forget_dropped_loads, tap25_internal.kept_from,
            tap25_internal.dropped_days to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function tap25_internal.mark_dropped_loads to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on column tap25_internal.loads.first_day is 'The first UTC day of its rows; of the key of a file that replay has noted, of the file''s rows. Null: a segment of live traffic, one without rows, or one that was loaded before this was noted.';
comment on column tap25_internal.loads.last_day is 'The last UTC day of its rows, like first_day.';
comment on column tap25_internal.loads.dropped_at is 'When retention had dropped all rows of the file: then a replay may load it again. Null: it may not.';
comment on function tap25_internal.date_loads is 'Notes the first and the last day of the rows of segments that the same transaction has entered in loads. For sensors, under their own name.';
comment on function tap25_internal.forget_dropped_loads is 'Forgets those of the segments whose rows were all dropped, so that they are loaded again. For sensors, under their own name, before enter_loads.';
comment on function tap25_internal.mark_dropped_loads is 'Marks the loads of capture files whose rows were all dropped, and forgets those marked a month ago; returns how many it has marked. For administrators, after expiry.';
comment on function tap25_internal.kept_from is 'Returns the first day that the stored retention keeps; null if none is stored, or days are kept for ever. For sensors.';
comment on function tap25_internal.dropped_days is 'Returns those of the days that expiry has dropped and that have no rows now. For sensors.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_load_days is 'The part of grant_roles that is older than load_days.';
