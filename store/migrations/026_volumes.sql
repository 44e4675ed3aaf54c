-- How many rows each day has of each sensor, for dashboards: a view that shows no address.

create view tap25.volumes as select day, sensor, rows, loaded_at from tap25_internal.days;

alter function tap25_internal.grant_roles() rename to grant_roles_before_volumes;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_volumes();
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.volumes to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

comment on view tap25.volumes is 'Rows loaded for each day and sensor: for dashboards, since it shows no address. A login that reads it needs USAGE on the schema tap25 and SELECT on this view, and nothing else.';
comment on column tap25.volumes.day is 'The UTC day of mail.seen_at.';
comment on column tap25.volumes.sensor is 'Name of the sensor, mail.sensor.';
comment on column tap25.volumes.rows is 'Rows loaded, as the server counted them. Days that were dropped are not here any more.';
comment on column tap25.volumes.loaded_at is 'When the last row was loaded.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_volumes is 'The part of grant_roles that is older than volumes.';
