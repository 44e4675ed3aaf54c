-- Each recipient of each mail once, whatever the number of taps that saw it.

-- Rows are copies of one another, one of each sensor, if they are of the same connection's addresses and ports and of the same recipient, and
--  - the server gave their mails the same name (queue_id), which it gave to one mail of the connection alone; or
--  - nothing was lost before them, so that session_id and mail_no are the same at every tap.
-- A mail that has its queue_id at one tap alone has it at all taps that lost nothing before. Any other row stays by itself: a mail that is
-- shown twice does less harm than two that are shown as one. Rows of one sensor never are copies: its n-th goes with the n-th of the others.
--
-- The text is that of a query over source, a query whose columns are those of mail: select * from tap25.mail where ... . Its parameters stay
-- parameters. Conditions on addresses, ports and rcpt_to may be put behind it too, as on the view; the planner applies them first.
create function tap25_internal.once_query(source text) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select format($query$
select %1$s, case copies when 1 then array[sensor] else array(select unnest(sensors) order by 1) end as sensors, copies
from (
    select *, array_agg(sensor) over alike as sensors, count(*) over alike as copies,
           row_number() over (alike order by cardinality(flags) nulls first, lost_bytes, outcome = 'unknown',
                              num_nulls(%1$s), seen_at, sensor) as turn
    from (
        select *, row_number() over (partition by client_ip, client_port, server_ip, server_port, rcpt_to, by_queue, by_session, by_no, by_sensor, sensor
                                     order by seen_at, rcpt_code, outcome, data_code) as nth
        from (
            select *, case when named then queue end as by_queue, case when not named then session_id end as by_session,
                   case when not named then mail_no end as by_no, case when not named and not exact then sensor end as by_sensor
            from (
                select *, queue is not null and (min(mail_no) filter (where exact) over one_queue is not distinct from max(mail_no) filter (where exact) over one_queue) as named
                from (
                    select *, coalesce(queue_id, case when exact then min(queue_id) over one_number end) as queue
                    from (
                        select *, lost_bytes = 0 and (flags is null or not flags && '{midstream,one-sided,gap,conflict,truncated}') as exact
                        from (%2$s) as source
                    ) as weighed
                    window one_number as (partition by client_ip, client_port, server_ip, server_port, rcpt_to, session_id, mail_no, exact)
                ) as queued
                window one_queue as (partition by client_ip, client_port, server_ip, server_port, rcpt_to, queue)
            ) as named
        ) as keyed
    ) as counted
    window alike as (partition by client_ip, client_port, server_ip, server_port, rcpt_to, by_queue, by_session, by_no, by_sensor, nth)
) as copies
where turn = 1$query$,
        (select string_agg(quote_ident(a.attname), ', ' order by a.attnum) from pg_attribute a
         where a.attrelid = 'tap25.mail'::regclass and a.attnum > 0 and not a.attisdropped), source)
$$;

do $$ begin
    execute 'create view tap25.mail_once as ' || tap25_internal.once_query('select * from tap25.mail');
    -- The clocks of taps differ: a copy may be of another time than the row that stands for it, and of another day.
    execute format('create function tap25.mail_once(since timestamptz, before timestamptz) returns setof tap25.mail_once language sql stable
begin atomic
    select * from (%s) as once where once.seen_at >= coalesce($1, ''-infinity'') and once.seen_at < coalesce($2, ''infinity'');
end', tap25_internal.once_query('select * from tap25.mail where seen_at >= coalesce($1, ''-infinity'') - interval ''1 hour''
                    and seen_at < coalesce($2, ''infinity'') + interval ''1 hour'''));
end $$;

-- Rights.

revoke execute on function tap25_internal.once_query, tap25.mail_once from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_questions;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_questions();
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.mail_once to tap25_admin;
        grant execute on function tap25.mail_once to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on view tap25.mail_once is 'Each recipient of each mail once: of the rows that several taps have of it, the most complete. mail_once(since, before) is quicker for a time range. For administrators.';
do $$
declare
    c record;
begin
    for c in select a.attname, col_description(a.attrelid, a.attnum) as meaning from pg_attribute a
             where a.attrelid = 'tap25.mail'::regclass and a.attnum > 0 and not a.attisdropped
    loop
        execute format('comment on column tap25.mail_once.%I is %L', c.attname, c.meaning);
    end loop;
end $$;
comment on column tap25.mail_once.sensors is 'All sensors that have this recipient of this mail, sorted; sensor is the one whose row this is.';
comment on column tap25.mail_once.copies is 'Rows of mail that this one stands for, itself included: one for each of sensors.';
comment on function tap25.mail_once is 'Returns what the view mail_once has with since <= seen_at < before; reads these days alone, and an hour around them, in which copies from taps with other clocks may be. For administrators: select * from mail_once(''2026-01-01'', ''2026-02-01'')';
comment on function tap25_internal.once_query is 'Returns the text of the query behind mail_once, over the rows of a source: a query with the columns of mail.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_questions is 'The part of grant_roles that is older than mail_once.';
