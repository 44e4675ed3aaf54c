-- The view of packed days opens only the blocks of the time that a question names.

-- Refuses a statement that would unpack more than 5,000,000 rows, which takes some seconds, and more than a day's time,
-- unless tap25.unpack is all. The view cannot check a condition on an address before it has unpacked the row. The
-- server calls this function for each part of a day before it reads the part. Rows are counted as if the mail of a day
-- were evenly spread over it.
create function tap25_internal.unpacks(since timestamp, before timestamp) returns boolean language plpgsql stable
parallel restricted set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' as $$
declare
    most  constant bigint       := 5000000;
    now_  constant text         := statement_timestamp()::text;
    state constant text[]       := string_to_array(current_setting('tap25.unpacked', true), '|');
    same  constant boolean      := state[1] is not distinct from now_; -- not the first part of the statement
    past  constant tsmultirange := case when same then state[2] else '{}' end;
    -- A statement may read a part several times, as mail_between does.
    more  constant tsmultirange := tsmultirange(tsrange(since, before)) - past;
    rows  numeric := case when same then state[3]::numeric else 0 end;
begin
    if isempty(more) then
        return true;
    end if;
    rows := rows + (select coalesce(sum(p.rows), 0) from tap25_internal.packs p where p.day = since::date)
        * (select sum(extract(epoch from upper(r) - lower(r))) from unnest(more) r) / 86400;
    if rows > most and (select sum(upper(r) - lower(r)) from unnest(past + more) r) > interval '1 day'
        and current_setting('tap25.unpack', true) is distinct from 'all' then
        raise 'this statement would unpack more than % rows of packed days', most
            using errcode = 'program_limit_exceeded',
            hint = 'mail_from() and mail_to() unpack only blocks that have the address. Or name a shorter time, as a '
                || 'constant: which blocks are of the time is decided before now() is known. '
                || 'SET tap25.unpack = ''all'' allows it.';
    end if;
    perform set_config('tap25.unpacked', concat_ws('|', now_, past + more, round(rows)), true);
    return true;
end $$;

-- The times of the mails of a block, in microseconds after its first. The estimate of 100,000 rows is too high on
-- purpose: if the planner expected few times within the limits of a question, it would search all rows of the block for
-- each time.
create function tap25_internal.block_times(at integer[], at_long bigint[]) returns table (micros bigint, mail integer)
language plpgsql immutable
rows 100000 set search_path = pg_catalog, pg_temp as $$
begin
    return query select coalesce(m.a, m.b), m.i::integer
        from rows from (unnest(at), unnest(at_long)) with ordinality m (a, b, i);
end $$;

-- The rows of the blocks of a packed day that have rows of a part of it, and maybe rows around it; its limits are in
-- UTC. It is expanded in the statement. The times of a block are unpacked first, and the rest only if one of them is
-- asked for: a LEFT JOIN, though each time has a row, so that this is also the order if the question has a condition on
-- the rest. The column apart, which nobody reads, keeps the planner from joining the times of all blocks first, and
-- then unpacking a block for each time: it takes a function for cheap whose result it has, and does not see that each
-- block has another. Functions are in lists of columns, and not in FROM: there what they return would stay in memory
-- until the statement ends.
create function tap25_internal.part_rows(since timestamp, before timestamp)
returns table (seen_at timestamptz, e tap25_internal.envelopes)
language sql stable
begin atomic
    select x.seen_at, x.e from tap25_internal.blocks k cross join lateral (
        select k.first_at + (m.t).micros * interval '1 microsecond' as seen_at, (p.u).e, random() as apart
        from (select tap25_internal.block_times(k.at, k.at_long) as t) m
        left join lateral (select tap25_internal.unpack(k) as u) p on (p.u).mail = (m.t).mail) x
    where k.day = since::date and k.first_at < before at time zone 'UTC' and k.last_at >= since at time zone 'UTC'
        and tap25_internal.unpacks(since, before);
end;

-- The query of the rows of a function within a time. What a question says of the time is pushed into it. If that
-- contradicts the limits, the planner leaves the function out: it looks for contradictions in members of a UNION ALL
-- only, which is why there is a second member, without rows. The first member is a join, so that the planner expands
-- its function only if it is not left out.
create function tap25_internal.part(source text, since text, before text) returns text language sql immutable
return format('select u.seen_at, u.e from (
        select f.seen_at, f.e from tap25_internal.%s f, (values (1)) o
        union all select null::timestamptz, null::tap25_internal.envelopes where false) u
    where u.seen_at >= %s and u.seen_at < %s', source, since, before);

-- Whether a day is divided into hours, or an hour into parts of five minutes. The planner calls this function before it
-- expands the day or the hour. It divides two days and three hours that follow one another, and leaves what comes after
-- them whole: so the plan of a short time opens only the blocks of that time, and the plan of two years does not have
-- thousands of parts. The rows are the same, whatever this function returns, so it may be called immutable.
create function tap25_internal.divides(start timestamp, hour boolean) returns boolean language plpgsql immutable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' as $$
declare
    -- Where the last day or hour ends, and how many hours and days have followed one another.
    state   constant text[]    := string_to_array(current_setting('tap25.planned', true), '|');
    last    constant timestamp := state[1];
    follows constant boolean   := coalesce(case when hour then last = start
        else last <= start and last = last::date end, false); -- there may be other days between days
    hours   constant integer   := case when follows then state[2]::integer else 0 end + hour::integer;
    days    constant integer   := case when follows or hour then coalesce(state[3]::integer, 0) else 0 end
        + (not hour)::integer;
    divided constant boolean   := case when hour then hours <= 3 else days <= 2 end;
begin
    perform set_config('tap25.planned', concat_ws('|', case when hour then start + interval '1 hour'
        when divided then start else start + interval '1 day' end, hours, days), true);
    return divided;
end $$;

-- The rows of an hour, in parts of five minutes or at once; those of the hours of a day; and those of a day, by its
-- hours or at once. With minutes, hours may be divided too.
do $do$
declare
    utc   constant text := '(%s) at time zone ''UTC''';
    start constant text := 'start at time zone ''UTC''';
    hour  constant text := '(start + interval ''1 hour'') at time zone ''UTC''';
    day   constant text := '(start + interval ''1 day'') at time zone ''UTC''';
    f     record;
begin
    for f in
        select * from (values
            ('hour_rows(start timestamp, divided boolean)', (
                select string_agg(tap25_internal.part(format('part_rows(%s, %s)', p.since, p.before),
                    format(utc, p.since), format(utc, p.before)), ' and divided union all ' order by i)
                from generate_series(0, 55, 5) i
                cross join lateral (select format('start + interval ''%s minutes''', i),
                    format('start + interval ''%s minutes''', i + 5)) p (since, before))
                || ' and divided union all '
                || tap25_internal.part('part_rows(start, start + interval ''1 hour'')', start, hour)
                || ' and not divided'),
            ('hours(start timestamp, minutes boolean)', (
                select string_agg(tap25_internal.part(format(
                    'hour_rows(%1$s, tap25_internal.divides(%1$s, true) and minutes)', p.since),
                    format(utc, p.since), format(utc, p.before)), ' union all ' order by i)
                from generate_series(0, 23) i
                cross join lateral (select format('start + interval ''%s hours''', i),
                    format('start + interval ''%s hours''', i + 1)) p (since, before))),
            ('day_rows(start timestamp, divided boolean, minutes boolean)',
                tap25_internal.part('hours(start, minutes)', start, day) || ' and divided union all '
                || tap25_internal.part('part_rows(start, start + interval ''1 day'')', start, day)
                || ' and not divided')) v (function, query)
    loop
        execute format('create function tap25_internal.%s returns table (seen_at timestamptz,
            e tap25_internal.envelopes) language sql stable begin atomic %s; end', f.function, f.query);
    end loop;
end $do$;

-- The arms of the view mail_packed, one for each packed day. Two parts of a day that share a block both unpack it. So a
-- day is divided if its hours have four blocks or more, and an hour if its parts have eight.
create function tap25_internal.show_packed() returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    arms text := coalesce((select string_agg(tap25_internal.part(format(case
                when d.blocks < 24 * 4 then 'part_rows(%1$L, %2$L)'
                else 'day_rows(%1$L, tap25_internal.divides(%1$L, false), %3$L)' end,
                d.day::timestamp, (d.day + 1)::timestamp, d.blocks >= 24 * 12 * 8),
                quote_literal(d.day || ' 00:00:00+00'), quote_literal(d.day + 1 || ' 00:00:00+00')),
                ' union all ' order by d.day)
            from (select day, sum(blocks) as blocks from tap25_internal.packs group by day) d),
        'select null::timestamptz as seen_at, null::tap25_internal.envelopes as e where false');
    columns text := (select string_agg(format('(p.e).%I', attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped
            and attname <> 'seen_at');
begin
    execute 'create or replace view tap25_internal.mail_packed as '
        || tap25_internal.as_mail('select p.seen_at, ' || columns || ' from (' || arms || ') p');
end $$;

do $$ begin perform tap25_internal.show_packed(); end $$;

-- Rights.

revoke execute on function tap25_internal.part_rows, tap25_internal.hour_rows, tap25_internal.hours,
    tap25_internal.day_rows, tap25_internal.part, tap25_internal.divides, tap25_internal.show_packed from public;

-- Comments.

comment on function tap25_internal.unpacks is
    'Returns true, or refuses a statement that unpacks millions of rows of more than a day in all.';
comment on function tap25_internal.block_times is 'Returns the times of the mails of a block.';
comment on function tap25_internal.part_rows is
    'Returns the rows of the blocks of a packed day that have rows of a part of it, with their times apart.';
comment on function tap25_internal.hour_rows is
    'Returns the rows of an hour of a packed day, in parts of five minutes or at once.';
comment on function tap25_internal.hours is 'Returns the rows of the hours of a packed day.';
comment on function tap25_internal.day_rows is 'Returns the rows of a packed day, by its hours or at once.';
comment on function tap25_internal.part is
    'Returns the query of the rows of a function within a time; a question about another time leaves it out.';
comment on function tap25_internal.divides is
    'Returns whether the plan of a statement divides a day or an hour into its parts.';
comment on function tap25_internal.show_packed is 'Makes the view mail_packed.';
