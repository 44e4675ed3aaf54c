-- loads must not grow for ever. Segments that a spool has named by itself, "<seq>-<run>", are forgotten a month after their
-- load, and only those that are older than every segment that still waits in that spool. Keys of other segments stay: they
-- are what makes the repetition of a replay add nothing.
create function prune_loads(by_sensor text, older text) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare n bigint;
begin
    delete from loads where sensor = by_sensor and segment ~ '^[0-9a-f]{16}-[0-9a-f]{16}$' and segment collate "C" < older collate "C"
        and loaded_at < now() - interval '30 days';
    get diagnostics n = row_count;
    return n;
end $$;
revoke execute on function prune_loads from public;

do $$ begin
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function prune_loads to tap25_sensor;
    end if;
end $$;
alter function grant_roles() rename to grant_roles_006;
create function grant_roles() returns void language plpgsql as $$
begin
    perform grant_roles_006();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function prune_loads to tap25_sensor;
    end if;
end $$;
revoke execute on function grant_roles, grant_roles_006 from public;
