-- Each recipient of each mail once, whatever the number of taps that saw it.

-- Rows of several sensors are copies of one recipient of one mail if they have the same addresses, ports and recipient, and
--  - the server gave their mails the same name, queue_id, and nothing contradicts that; or
--  - nothing was lost before them, so that session_id and mail_no are the same at each tap (exact); or
--  - they were seen within a second of one another in the same network, none of the taps saw two mails to this recipient then, and no column
--    that several of them know differs (agreed). So a row that lacks the rest is known.
-- What one copy knows, name or number, the others of the same number or moment have too. Every other row stays by itself: to show a mail twice
-- does less harm than to show two as one. Rows of one sensor are never copies of one another: its n-th goes with the n-th of others.
--
-- source is a query with the columns of mail, such as select * from tap25.mail where ...; its parameters stay parameters. Conditions on
-- client_ip, client_port, server_ip, server_port and rcpt_to may follow the result too: the planner applies them to the source.
create function tap25_internal.once_query(source text) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    with mail as (
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns,
               string_agg(format('min(%1$I) over burst is not distinct from max(%1$I) over burst', a.attname), ' and ' order by a.attnum)
                   filter (where a.attname in ('mail_from', 'mail_code', 'rcpt_code', 'data_code', 'message_bytes', 'declared_size', 'envid', 'orcpt')) as agree
        from pg_attribute a where a.attrelid = 'tap25.mail'::regclass and a.attnum > 0 and not a.attisdropped
    )
    select format($query$
select %1$s, case copies when 1 then array[sensor] else array(select unnest(sensors) order by 1) end as sensors, copies
from (
    select *, array_agg(sensor) over copy as sensors, count(*) over copy as copies,
           row_number() over (copy order by cardinality(flags) nulls first, lost_bytes, outcome = 'unknown', num_nulls(%1$s), seen_at, sensor) as turn
    from (
        select *, row_number() over (partition by %3$s, key, sensor order by seen_at, rcpt_code, outcome, data_code) as nth
        from (
            select *, case when queue is not null
                                and min(mail_no) filter (where exact) over queue is not distinct from max(mail_no) filter (where exact) over queue
                                and min(mail_from) over queue is not distinct from max(mail_from) over queue
                                and max(seen_at) over queue - min(seen_at) over queue <= interval '1 hour' then 'queue ' || queue
                           when number is not null then 'number ' || number
                           when agreed then concat('burst ', burst, ' ', network)
                           else concat_ws(' ', 'row', session_id, mail_no, sensor) end as key
            from (
                select *, case when agreed then coalesce(name, min(name) over burst) else name end as queue,
                       case when exact then own when agreed then min(own) filter (where exact) over burst end as number
                from (
                    select *, count(*) over burst > 1 and max(at_sensor) over burst = 1 and %4$s
                              and bool_and(num_nulls(mail_from, rcpt_to) = 0 or outcome = 'encrypted') over burst
                              and min(name) over burst is not distinct from max(name) over burst
                              and min(own) filter (where exact) over burst is not distinct from max(own) filter (where exact) over burst
                              and min(outcome) filter (where outcome <> 'unknown') over burst is not distinct from
                                  max(outcome) filter (where outcome <> 'unknown') over burst as agreed
                    from (
                        select *, row_number() over (partition by %3$s, network, burst, sensor) as at_sensor,
                               coalesce(queue_id, case when exact then min(queue_id) over (partition by %3$s, own, exact) end) as name
                        from (
                            select *, count(*) filter (where begins) over (partition by %3$s, network order by seen_at) as burst
                            from (
                                select *, lost_bytes = 0 and (flags is null or not flags && '{midstream,one-sided,gap,conflict,truncated}') as exact,
                                       concat_ws(' ', session_id, mail_no) as own,
                                       seen_at - lag(seen_at) over (partition by %3$s, network order by seen_at) > interval '1 second' as begins
                                from (%2$s) as source
                            ) as source
                        ) as source
                    ) as source
                    window burst as (partition by %3$s, network, burst)
                ) as source
                window burst as (partition by %3$s, network, burst)
            ) as source
            window queue as (partition by %3$s, queue)
        ) as source
    ) as source
    window copy as (partition by %3$s, key, nth)
) as source
where turn = 1$query$, m.columns, source, 'client_ip, client_port, server_ip, server_port, rcpt_to', m.agree) from mail m
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
