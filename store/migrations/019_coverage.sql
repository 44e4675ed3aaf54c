-- What an answer is based on: when each sensor listened, on what, and what it saw and lost. Records come through the spool like rows.

create table tap25.coverage (
    since              timestamptz not null,
    before             timestamptz not null,
    sensor             text        not null,
    program            text        not null,
    interfaces         text[],
    scope              text,
    version            text        not null,
    started            boolean     not null,
    stopped            boolean     not null,
    clock_synchronised boolean,
    clock_offset       interval,
    clock_error        interval,
    frames_seen        bigint      not null,
    frames_read        bigint      not null,
    ring_full          bigint      not null,
    undecoded          bigint      not null,
    fragments_lost     bigint      not null,
    holes_given_up     bigint      not null,
    octets_lost        bigint      not null,
    sessions           bigint      not null,
    sessions_encrypted bigint      not null,
    sessions_cut       bigint      not null,
    rows               bigint      not null,
    rows_lost          bigint      not null,
    nic_dropped        bigint,
    records            bigint      not null default 1,
    packed             boolean     not null default false,
    loaded_at          timestamptz not null default clock_timestamp(),
    constraint intervals check (since >= '0001-01-01 00:00:00+00' and since <= before and before < '10000-01-01 00:00:00+00'),
    constraint clocks check (clock_offset between '-1 year' and '1 year' and clock_error between '0' and '1 year'),
    constraint programs check (program in ('sniff', 'replay', 'follow')),
    constraint scopes check (scope ~ '^[0-9a-f]{64}$'),
    constraint counts check (least(frames_seen, frames_read, ring_full, undecoded, fragments_lost, holes_given_up, octets_lost, sessions,
        sessions_encrypted, sessions_cut, rows, rows_lost, nic_dropped) >= 0)
);
create index on tap25.coverage (since);
create index on tap25.coverage (before);
create index on tap25.coverage (since) where not packed;

-- Append-only for everybody. Only pack_coverage puts longer rows in the place of minutes.
create function tap25_internal.keep_coverage() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tg_op <> 'DELETE' or current_setting('tap25.packing', true) is distinct from 'on' then
        raise '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create trigger append_only before update or delete or truncate on tap25.coverage execute function tap25_internal.keep_coverage();
alter table tap25.coverage enable always trigger append_only;

-- A sensor records its own coverage and nobody else's. Packed rows, which only pack_coverage makes, may be of any sensor.
create function tap25_internal.check_coverage() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    mine constant text := (select s.sensor from tap25_internal.sensors s where s.login = session_user and s.until is null);
begin
    if tap25_internal.is_tied() and exists (select from added a where not a.packed and a.sensor is distinct from mine) then
        raise 'coverage of another sensor than %, which this login is', coalesce(quote_literal(mine), 'none') using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;
create trigger check_coverage after insert on tap25.coverage referencing new table as added
    for each statement execute function tap25_internal.check_coverage();
alter table tap25.coverage enable always trigger check_coverage;

-- Answers.

-- A share as per cent, with two decimals at most; rounded up, so that some loss is never none, or down, so that a gap is never whole.
create function tap25_internal.percent(share numeric, up boolean) returns text language sql immutable
return case when not up and share > 0 and share < 0.0001 then 'less than 0.01 %'
    else trim_scale(case when up then ceil(share * 10000) else floor(share * 10000) end / 100) || ' %' end;

-- A time span for people.
create function tap25_internal.span(length interval) returns text language sql immutable
return (select v.n || ' ' || v.unit || case when v.n = 1 then '' else 's' end
    from (select extract(epoch from length) as s) e
    cross join lateral (select case when e.s < 1 then ceil(e.s * 1000) when e.s < 120 then round(e.s) when e.s < 7200 then round(e.s / 60)
                               when e.s < 172800 then round(e.s / 3600) else round(e.s / 86400) end as n,
                               case when e.s < 1 then 'millisecond' when e.s < 120 then 'second' when e.s < 7200 then 'minute'
                               when e.s < 172800 then 'hour' else 'day' end as unit) v);

-- A sentence, with a space before it, if there are rows of days of which the sensor has no coverage; else nothing.
create function tap25_internal.without_coverage(since timestamptz, before timestamptz, of_sensor text) returns text
language sql stable set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    with covered as (
        select c.sensor, range_agg(tstzrange(c.since, c.before, '[]')) as times from tap25.coverage c
        where c.since >= '1990-01-01' and c.before >= date_trunc('day', $1) and c.since < date_trunc('day', $2) + interval '1 day'
          and ($3 is null or c.sensor = $3)
        group by c.sensor
    )
    select case count(distinct d.day) when 0 then '' else format(' Rows of %s day%s are there without coverage: they were imported, or '
            'loaded before coverage was recorded. What was missed then is not known.', count(distinct d.day), case count(distinct d.day) when 1 then '' else 's' end) end
    from tap25_internal.days d left join covered v on v.sensor = d.sensor
    where d.rows > 0 and d.day >= date_trunc('day', $1) and d.day < $2 and ($3 is null or d.sensor = $3)
      and not coalesce(v.times && tstzrange(d.day, d.day + 1), false)
$$;

-- What is known of a period. Coverage of a time before 1990 is that of a wrong clock, and left out. Of a row that the period cuts, the
-- counts are taken by the share of its time: rows of minutes, or of days in which nothing was lost.
create function tap25.completeness(since timestamptz, before timestamptz, sensor text default null)
returns table (begins timestamptz, ends timestamptz, sensors text[], listened numeric, gaps tstzmultirange, frames numeric,
    frames_lost numeric, octets_lost numeric, sessions numeric, sessions_encrypted numeric, sessions_cut numeric, rows numeric,
    rows_lost numeric, clock_synchronised boolean, clock_offset interval, clock_error interval, scopes text[], sentence text)
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
#variable_conflict use_variable
declare
    first  constant timestamptz := '1990-01-01';
    found_ tstzmultirange;
    unknown text;
    without constant text := tap25_internal.without_coverage(since, least(before, now()), sensor);
begin
    if (since < before) is not true then
        raise 'the period is empty: its end must be after its beginning' using errcode = 'invalid_parameter_value';
    end if;
    begins := case when isfinite(since) then since else
        (select min(c.since) from tap25.coverage c where c.since >= first and (sensor is null or c.sensor = sensor)) end;
    ends := least(before, now());
    if not exists (select from tap25.coverage c where c.since >= first and (sensor is null or c.sensor = sensor)) then
        unknown := 'No coverage is recorded' || coalesce(' of a sensor that is named ' || to_json(left(sensor, 100)), '') || '.';
    end if;
    if begins is null then
        sentence := unknown;
    elsif begins >= ends and not isfinite(since) and begins < now() then
        sentence := format('No coverage is recorded before %s, UTC: the first is of %s.', to_char(before, 'YYYY-MM-DD HH24:MI:SS'),
            to_char(begins, 'YYYY-MM-DD HH24:MI:SS'));
    elsif begins >= ends then
        sentence := format('The period from %s, UTC, has not begun.', to_char(begins, 'YYYY-MM-DD HH24:MI:SS'));
    end if;
    if sentence is not null then
        sentence := sentence || without;
        return next;
        return;
    end if;
    with shared as (
        select c.*, case when c.since = c.before then 1 else extract(epoch from least(c.before, ends) - greatest(c.since, begins))
            / extract(epoch from c.before - c.since) end as share
        from tap25.coverage c
        where c.since >= first and c.since < ends and (c.before > begins or c.since = c.before and c.since = begins)
          and (sensor is null or c.sensor = sensor)
    ), summed as (
        select sum(s.frames_read * s.share) as read, sum(s.ring_full * s.share) as full,
            sum((s.undecoded::numeric + s.fragments_lost) * s.share) as bad, sum(s.frames_seen * s.share) as seen,
            coalesce(sum(s.nic_dropped * s.share), 0) as nic
        from shared s
    )
    select array_agg(distinct s.sensor order by s.sensor),
        range_agg(tstzrange(greatest(s.since, begins), least(s.before, ends)))
            filter (where s.since < s.before and s.interfaces is distinct from '{}'),
        sum(s.octets_lost * s.share), sum(s.sessions * s.share), sum(s.sessions_encrypted * s.share), sum(s.sessions_cut * s.share),
        sum(s.rows * s.share), ceil(sum(s.rows_lost * s.share)),
        bool_and(s.clock_synchronised), max(greatest(s.clock_offset, -s.clock_offset)), max(s.clock_error),
        array_agg(distinct coalesce(s.scope, 'all') order by coalesce(s.scope, 'all')),
        (select t.seen from summed t),
        (select 1 - (1 - least(1, coalesce((t.full + t.bad) / nullif(t.read + t.full, 0), 0))) * (1 - coalesce(t.nic / nullif(t.seen + t.nic, 0), 0))
         from summed t)
    into sensors, found_, octets_lost, sessions, sessions_encrypted, sessions_cut, rows, rows_lost, clock_synchronised, clock_offset,
        clock_error, scopes, frames, frames_lost
    from shared s;
    gaps := tstzmultirange(tstzrange(begins, ends)) - coalesce(found_, '{}');
    listened := 1 - coalesce((select sum(extract(epoch from upper(g) - lower(g))) from unnest(gaps) g), 0)
        / extract(epoch from ends - begins);
    sentence := coalesce(unknown, case when listened = 0 and without <> '' then format('From %s to %s, UTC, nothing shows that a tap listened.',
            to_char(begins, 'YYYY-MM-DD HH24:MI:SS'), to_char(ends, 'YYYY-MM-DD HH24:MI:SS'))
        else tap25_internal.completeness_sentence(begins, ends, coalesce(sensors, array[sensor]), listened, gaps, frames,
            frames_lost, sessions, sessions_encrypted, rows_lost, clock_synchronised, scopes) end) || without;
    frames := round(frames);
    octets_lost := round(octets_lost);
    sessions := round(sessions);
    sessions_encrypted := round(sessions_encrypted);
    sessions_cut := round(sessions_cut);
    rows := round(rows);
    return next;
end $$;

-- The figures of completeness() in words.
create function tap25_internal.completeness_sentence(begins timestamptz, ends timestamptz, sensors text[], listened numeric,
    gaps tstzmultirange, frames numeric, frames_lost numeric, sessions numeric, sessions_encrypted numeric, rows_lost numeric,
    clock_synchronised boolean, scopes text[]) returns text language plpgsql stable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    many  constant int := cardinality(sensors);
    names constant text := case when many > 4 then many || ' sensors' when many > 1
        then array_to_string(sensors[:many - 1], ', ') || ' and ' || sensors[many] else coalesce(sensors[1], 'no sensor') end;
    n     constant bigint := (select count(*) from unnest(gaps));
    gap   constant interval := (select sum(upper(g) - lower(g)) from unnest(gaps) g);
    told  text := format('From %s to %s, UTC, ', to_char(begins, 'YYYY-MM-DD HH24:MI:SS'), to_char(ends, 'YYYY-MM-DD HH24:MI:SS'));
begin
    if listened = 0 then
        return told || names || case when sensors[1] is null then ' listened' else ' did not listen' end || ': mail of that time is not recorded.';
    end if;
    told := told || names || case when many > 1 then ' together' else '' end || ' listened for ' || tap25_internal.percent(listened, false)
        || ' of the time' || case when n = 0 then ' (no gap)' else format(' (%s gap%s, %s)', n, case when n = 1 then '' else 's' end, tap25_internal.span(gap)) end;
    told := told || case when frames = 0 then '; no frame passed' when frames_lost = 0 then '; no frame was lost'
        else '; ' || tap25_internal.percent(frames_lost, true) || ' of frames were lost' end;
    told := told || case when sessions = 0 then '; there was no session'
        when sessions_encrypted = 0 then '; no session was encrypted' else '; ' || tap25_internal.percent(sessions_encrypted / sessions, false) || ' of sessions were encrypted' end;
    if rows_lost > 0 then
        told := told || '; ' || rows_lost || case when rows_lost = 1 then ' row was' else ' rows were' end || ' lost to a full spool';
    end if;
    if scopes <> '{all}' then
        told := told || '; a scope limited what was recorded';
    end if;
    if not clock_synchronised then
        told := told || '; the clock was not synchronised';
    end if;
    return told || '.';
end $$;

-- Rights.

revoke execute on function tap25_internal.keep_coverage, tap25_internal.check_coverage, tap25_internal.percent,
    tap25_internal.span, tap25_internal.completeness_sentence, tap25_internal.without_coverage, tap25.completeness from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_coverage;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ') from pg_attribute
        where attrelid = 'tap25.coverage'::regclass and attnum > 0 and not attisdropped and attname not in ('records', 'packed', 'loaded_at'));
begin
    perform tap25_internal.grant_roles_before_coverage();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert (%s) on tap25.coverage to tap25_sensor', columns);
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.coverage to tap25_admin;
        grant execute on function tap25.completeness to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25.coverage is 'What each sensor saw and lost, and when it listened: a row a minute, longer ones of days that are over. Of a time without a row nothing is known: the tap was off. Append-only; administrators read it, auditors ask case_completeness().';
comment on column tap25.coverage.since is 'Beginning of the interval, by the sensor''s clock; of a replay, by the packets'' times.';
comment on column tap25.coverage.before is 'End of the interval, which is not in it.';
comment on column tap25.coverage.sensor is 'Name of the sensor, mail.sensor.';
comment on column tap25.coverage.program is 'What listened: sniff, the live tap; replay, of capture files; follow, replay --follow.';
comment on column tap25.coverage.interfaces is 'Interfaces that were up and captured the whole time; none if all were down or gone. Null: capture files.';
comment on column tap25.coverage.scope is 'SHA-256 of the scope in force, scopes.sha256; null: none, so that every row was recorded.';
comment on column tap25.coverage.version is 'Version of tap25.';
comment on column tap25.coverage.started is 'The sensor started at the beginning. A start without a stop before it is that after a crash.';
comment on column tap25.coverage.stopped is 'The sensor stopped at the end.';
comment on column tap25.coverage.clock_synchronised is 'True if the kernel considered the sensor''s clock synchronised; null: unknown, or capture files.';
comment on column tap25.coverage.clock_offset is 'By how much the clock was still off, as the kernel knew; of a longer row the largest.';
comment on column tap25.coverage.clock_error is 'By how much the clock may have been off at most, as the kernel estimated; of a longer row the largest.';
comment on column tap25.coverage.frames_seen is 'Frames that passed the tap, of any kind; of a replay, frames of the file.';
comment on column tap25.coverage.frames_read is 'Of these, frames that may hold mail, and that were read.';
comment on column tap25.coverage.ring_full is 'Frames that may hold mail, and were lost because a ring was full.';
comment on column tap25.coverage.undecoded is 'Frames read that were cut or malformed.';
comment on column tap25.coverage.fragments_lost is 'Fragments of datagrams that stayed incomplete, or were bad.';
comment on column tap25.coverage.holes_given_up is 'Times that missing segments of a connection were no longer waited for, for want of memory.';
comment on column tap25.coverage.octets_lost is 'Octets of sessions that were not captured.';
comment on column tap25.coverage.sessions is 'Sessions that began.';
comment on column tap25.coverage.sessions_encrypted is 'Sessions that went on encrypted (STARTTLS): their mail after that has no addresses.';
comment on column tap25.coverage.sessions_cut is 'Sessions that lost octets for the first time.';
comment on column tap25.coverage.rows is 'Rows in scope, rows_lost among them.';
comment on column tap25.coverage.rows_lost is 'Of these, rows that were lost because the spool was full.';
comment on column tap25.coverage.nic_dropped is 'Frames of any kind that the network card had no room for, as its driver counts them; null: unknown, or capture files.';
comment on column tap25.coverage.records is 'How many records of a sensor the row stands for.';
comment on column tap25.coverage.packed is 'True if pack_coverage made the row, after its day was over.';
comment on column tap25.coverage.loaded_at is 'When it was loaded, by the database''s clock; the latest.';
comment on column tap25_internal.loads.rows is 'How many rows and records of coverage it has, as its sensor reported.';
comment on function tap25_internal.keep_coverage is 'Trigger: refuses to change or delete coverage, except for pack_coverage.';
comment on function tap25_internal.check_coverage is 'Trigger: refuses coverage of another sensor than the login''s.';
comment on function tap25_internal.percent is 'A share as per cent, rounded up or down to two decimals.';
comment on function tap25_internal.span is 'A time span for people, in one unit.';
comment on function tap25_internal.completeness_sentence is 'The figures of completeness() in words.';
comment on function tap25_internal.without_coverage is 'A sentence about days of a time that have rows of sensors without coverage, such as imported ones; empty if there are none.';
comment on function tap25.completeness is 'What an answer about a period is based on, of one sensor or of all together: when a tap listened (listened, a share; gaps), which share of frames was lost, octets and sessions lost, how many sessions were encrypted, and a sentence. An infinite bound is the first coverage, or now. For administrators; auditors call case_completeness: select sentence from completeness(''2026-01-01'', ''2026-02-01'')';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_coverage is 'The part of grant_roles that is older than coverage.';
