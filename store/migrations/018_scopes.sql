-- Which rows a sensor may record, from when on: each change of its scope is a line, which nobody changes.

create table tap25.scopes (
    id      bigint      generated always as identity primary key,
    sensor  text        not null,
    program text        not null check (program in ('sniff', 'replay', 'follow')),
    since   timestamptz not null check (isfinite(since)),
    rules   text        check (octet_length(rules) <= 4194304),
    sha256  text,
    version text        not null,
    set_by  name        not null default session_user,
    set_at  timestamptz not null default clock_timestamp(),
    unique (sensor, program, since)
);

create function tap25_internal.stamp_scope() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    new.set_by := session_user;
    new.set_at := clock_timestamp();
    new.sha256 := encode(sha256(convert_to(new.rules, 'UTF8')), 'hex');
    return new;
end $$;
create trigger stamp before insert on tap25.scopes for each row execute function tap25_internal.stamp_scope();
create trigger append_only before update or delete or truncate on tap25.scopes execute function tap25_internal.refuse();
alter table tap25.scopes enable always trigger stamp;
alter table tap25.scopes enable always trigger append_only;

-- A repetition, and what was in force already, add no line; neither does a sensor that never had a scope and has none.
create function tap25_internal.record_scope(sensor text, program text, since timestamptz, rules text, version text) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    last text;
begin
    perform tap25_internal.claim_sensor(record_scope.sensor);
    last := (select s.rules from tap25.scopes s
             where s.sensor = record_scope.sensor and s.program = record_scope.program and s.since <= record_scope.since
             order by s.since desc limit 1);
    if last is not distinct from record_scope.rules then
        return false;
    end if;
    insert into tap25.scopes (sensor, program, since, rules, version)
    values (record_scope.sensor, record_scope.program, record_scope.since, record_scope.rules, record_scope.version)
    on conflict do nothing;
    return found;
end $$;

-- Rights.

revoke execute on function tap25_internal.stamp_scope, tap25_internal.record_scope from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_scopes;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_scopes();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.record_scope to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.scopes to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25.scopes is 'Which rows a sensor may record: of each sensor and program the line with the latest since is in force. None: every row. Append-only; administrators read it.';
comment on column tap25.scopes.id is 'Number of the line.';
comment on column tap25.scopes.sensor is 'Name of the sensor, mail.sensor.';
comment on column tap25.scopes.program is 'What has the scope: sniff, the live tap; replay, of capture files; follow, replay --follow.';
comment on column tap25.scopes.since is 'From when on, by the sensor''s clock: rows that were finished then or later, whose seen_at may be earlier; of a replay, the rows that it read after that.';
comment on column tap25.scopes.rules is 'The scope file, as it was read. Null: no scope any more, so that every row is recorded.';
comment on column tap25.scopes.sha256 is 'SHA-256 of the scope file, in hexadecimal digits, as the log and tap25 status show it.';
comment on column tap25.scopes.version is 'Version of tap25.';
comment on column tap25.scopes.set_by is 'The login that recorded it.';
comment on column tap25.scopes.set_at is 'When it was recorded, by the database''s clock: later than since if the database was away.';
comment on sequence tap25.scopes_id_seq is 'Gives scopes.id.';
comment on function tap25_internal.stamp_scope is 'Trigger: stamps a line of scopes with who adds it and when, and the digest of its rules, whatever was given.';
comment on function tap25_internal.record_scope is 'Records that a scope is in force for a sensor from a time on, and returns whether that is a change. For sensors, under their own name.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_scopes is 'The part of grant_roles that is older than scopes.';
