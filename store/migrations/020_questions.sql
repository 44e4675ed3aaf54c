-- Questions as people type them use an index, each mail is counted once, and what an investigator asks has a function.

-- Addresses by index. WHERE mail_from = '…', IN and = ANY of the view find their rows by a Bloom filter for each 44 pages of a day, which are
-- about 1,900 rows: 2.2 octets a row for both (docs/storage.md). It takes the place of the index of the time, so that a day has no more
-- indexes than before. The planner expects to read every range of a BRIN index of values that lie in no order, and then reads the table; it
-- takes the best ordered of the index's columns that a question names. So the view names the time, which is in order, in each question.
--
-- This locks the days against loads while it reads them all, about a second for a million rows.
do $$
declare
    i regclass;
begin
    for i in select x.indexrelid from pg_index x join pg_class c on c.oid = x.indexrelid join pg_am a on a.oid = c.relam
             where x.indrelid = 'tap25_internal.envelopes'::regclass and a.amname = 'brin'
    loop
        execute format('drop index %s', i);
    end loop;
end $$;
create index on tap25_internal.envelopes using brin (
    seen_at,
    mail_from text_bloom_ops (n_distinct_per_range = 1900, false_positive_rate = 0.03),
    rcpt_to text_bloom_ops (n_distinct_per_range = 1900, false_positive_rate = 0.03)
) with (pages_per_range = 44);

create or replace view tap25.mail as
select * from (select * from tap25_internal.mail_days union all select * from tap25_internal.mail_aside) as rows where seen_at >= '-infinity';

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
                                and min(message_bytes) over queue is not distinct from max(message_bytes) over queue
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
    -- The clocks of taps differ: a copy may be of another time than the row that stands for it, and of another day. The
    -- planner knows the hours more when it leaves days out: unlike timestamptz - interval, this arithmetic depends on no
    -- setting.
    execute format('create function tap25.mail_once(since timestamptz, before timestamptz) returns setof tap25.mail_once language sql stable
begin atomic
    select * from (%s) as once where once.seen_at >= coalesce($1, ''-infinity'') and once.seen_at < coalesce($2, ''infinity'');
end', tap25_internal.once_query('select * from tap25.mail
        where seen_at >= (coalesce($1, ''-infinity'') at time zone ''UTC'' - interval ''1 hour'') at time zone ''UTC''
            and seen_at < (coalesce($2, ''infinity'') at time zone ''UTC'' + interval ''1 hour'') at time zone ''UTC'''));
end $$;

-- Questions. Each has each mail once.

create function tap25_internal.is_mailbox(party text) returns boolean language sql immutable parallel safe
return party = '' or position('@' in party) > 0 or lower(party) = 'postmaster';

create function tap25_internal.is_of(address text, party text) returns boolean language sql immutable parallel safe
return case when party is null then true
    when tap25_internal.is_mailbox(party) then coalesce(lower(address) = lower(party), false)
    when left(party, 1) = '.' then coalesce(right('.' || tap25_internal.domain_of(address), length(party)) = lower(party), false)
    else coalesce(tap25_internal.domain_of(address) = lower(party), false) end;

create function tap25_internal.local_part(address text) returns text language sql immutable parallel safe
return lower(case when position('@' in address) > 0 then left(address, -1 - length(split_part(address, '@', -1))) else address end);

-- Auditors may call the questions so that they learn what to do instead: without the right to mail these end here.
create function tap25_internal.check_may_ask() returns void language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if not has_table_privilege('tap25.mail', 'select') then
        raise 'mail is read through a case: select * from my_cases, then open_case, ask_case and case_mail' using errcode = 'insufficient_privilege';
    end if;
end $$;

create or replace function tap25_internal.mail_about(kind text, value text, condition text, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ' || condition;
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    which  date[];
    d      date;
begin
    perform tap25_internal.check_may_ask();
    which := array(select tap25_internal.days_with(kind, value, first, behind));
    if cardinality(which) > 32 then
        return query execute format(question, 'mail_days') using value, first, behind;
    else
        foreach d in array which loop
            return query execute format(question, 'mail_days')
                using value, greatest(first, d::timestamp at time zone 'UTC'), least(behind, (d + 1)::timestamp at time zone 'UTC');
        end loop;
    end if;
    return query execute format(question, 'mail_aside') using value, first, behind;
end $$;

-- What no index finds is read from whole days, so of no more than 31.
create function tap25_internal.check_days_read(since timestamptz, before timestamptz) returns void language plpgsql immutable
set search_path = pg_catalog, pg_temp as $$
begin
    if isfinite(since) is not true or isfinite(before) is not true or before > since + interval '31 days' then
        raise 'no index finds subdomains and local parts: whole days are read, 31 at most'
            using errcode = 'invalid_parameter_value', hint = 'Name a time range, since and before, and ask month by month.';
    end if;
end $$;

create function tap25_internal.mail_of_party(party text, sent boolean, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    if tap25_internal.is_mailbox(party) then
        if sent then
            return query select * from tap25.mail_from(party, since, before);
        else
            return query select * from tap25.mail_to(party, since, before);
        end if;
    elsif left(party, 1) = '.' then
        return query select * from tap25.mail m where m.seen_at >= since and m.seen_at < before
            and tap25_internal.is_of(case when sent then m.mail_from else m.rcpt_to end, party);
    elsif coalesce(position('.' in party), 0) = 0 then
        raise 'a party is a mailbox or a domain; a domain with a dot before it is meant with its subdomains' using errcode = 'invalid_parameter_value',
            hint = 'A domain of one label is written with the dot, such as .localhost; a local part is for mail_local_part().';
    elsif sent then
        return query select * from tap25.mail_from_domain(party, since, before);
    else
        return query select * from tap25.mail_to_domain(party, since, before);
    end if;
end $$;

-- The rows of both directions. An index finds those of one party: of a mailbox rather than a domain, and of a domain rather than one with its
-- subdomains. An hour more, as in mail_once.
create function tap25.mail_between(a text, b text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail_once
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
begin
    perform tap25_internal.check_may_ask();
    if a is null or not tap25_internal.is_mailbox(a) and (tap25_internal.is_mailbox(b) or left(a, 1) = '.' and b is not null) then
        select b, a into a, b;
    end if;
    if left(a, 1) = '.' and not tap25_internal.is_mailbox(a) then
        perform tap25_internal.check_days_read(since, before);
    end if;
    return query execute 'select * from (' || tap25_internal.once_query('
            select * from tap25_internal.mail_of_party($1, true, $3 - interval ''1 hour'', $4 + interval ''1 hour'') m where tap25_internal.is_of(m.rcpt_to, $2)
            union all
            select * from tap25_internal.mail_of_party($1, false, $3 - interval ''1 hour'', $4 + interval ''1 hour'') m where tap25_internal.is_of(m.mail_from, $2)
                and not (tap25_internal.is_of(m.mail_from, $1) and tap25_internal.is_of(m.rcpt_to, $2))')
        || ') as once where once.seen_at >= $3 and once.seen_at < $4' using a, b, first, behind;
end $$;

create function tap25.mail_of(party text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail_once language sql stable
begin atomic
    select * from tap25.mail_between(party, null, since, before);
end;

create function tap25.mail_ip(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail_once
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
begin
    perform tap25_internal.check_may_ask();
    return query execute 'select * from (' || tap25_internal.once_query(
            'select * from tap25_internal.mail_concerning(null, null, $1, $2 - interval ''1 hour'', $3 + interval ''1 hour'')')
        || ') as once where once.seen_at >= $2 and once.seen_at < $3' using ip, first, behind;
end $$;

create function tap25.mail_local_part(local text, since timestamptz, before timestamptz) returns setof tap25.mail_once
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    perform tap25_internal.check_may_ask();
    perform tap25_internal.check_days_read(since, before);
    return query execute 'select * from (' || tap25_internal.once_query('
            select * from tap25.mail where seen_at >= $2 - interval ''1 hour'' and seen_at < $3 + interval ''1 hour''
                and (tap25_internal.local_part(mail_from) = lower($1) or tap25_internal.local_part(rcpt_to) = lower($1))')
        || ') as once where once.seen_at >= $2 and once.seen_at < $3' using local, since, before;
end $$;

create function tap25.correspondents(party text, since timestamptz default '-infinity', before timestamptz default 'infinity')
returns table (correspondent text, sent bigint, received bigint, accepted bigint, first_seen timestamptz, last_seen timestamptz) language sql stable
begin atomic
    select lower(w.other), count(distinct (m.session_id, m.mail_no)) filter (where w.sent), count(distinct (m.session_id, m.mail_no)) filter (where not w.sent),
           count(distinct (m.session_id, m.mail_no)) filter (where m.outcome = 'accepted'), min(m.seen_at), max(m.seen_at)
    from tap25.mail_of(party, since, before) m
    cross join lateral (values (m.rcpt_to, true, m.mail_from), (m.mail_from, false, m.rcpt_to)) w (other, sent, own)
    where w.other is not null and tap25_internal.is_of(w.own, party)
    group by lower(w.other) order by count(distinct (m.session_id, m.mail_no)) desc, lower(w.other);
end;

-- Hops.

-- What links b to a as the next hop of the same mail; null if that is too little. It takes the same recipient and sender by some name, a time
-- within the 5 days after a in which a relay tries (RFC 5321 section 4.5.4.1), nothing that contradicts it, and one thing more.
create function tap25_internal.hop_links(a tap25.mail_once, b tap25.mail_once) returns text[] language sql immutable parallel safe
return (
    select case when links && '{recipient,orcpt}' and links && '{sender,envid}' and links && '{orcpt,envid,size,address}' then links end
    from (select array_remove(array[
              case when lower(a.rcpt_to) = lower(b.rcpt_to) then 'recipient' end,
              case when lower(a.rcpt_to) <> lower(b.rcpt_to) and lower(coalesce(a.orcpt, a.rcpt_to)) = lower(coalesce(b.orcpt, b.rcpt_to)) then 'orcpt' end,
              case when lower(a.mail_from) = lower(b.mail_from) then 'sender' end,
              case when a.envid = b.envid then 'envid' end,
              case when b.message_bytes - a.message_bytes between 1 and 4096 then 'size' end,
              case when a.server_ip in (b.client_ip, b.origin_ip) then 'address' end,
              case when b.seen_at >= a.seen_at then 'time' end], null) as links) l
    where a.outcome = 'accepted' and a.client_ip <> b.client_ip and b.seen_at < a.seen_at + interval '5 days'
        and (b.seen_at >= a.seen_at or not a.sensors && b.sensors and b.seen_at >= a.seen_at - interval '1 second') -- two clocks
        and (a.envid = b.envid or a.envid is null or b.envid is null)
        and (a.envid = b.envid or a.message_bytes <= b.message_bytes or num_nulls(a.message_bytes, b.message_bytes) > 0)
);

-- Follows a mail to its earlier and its later hops, among the 1,000 rows nearest in time that may be of it. Of several candidates for a hop it
-- takes the one with the most links, then one that was accepted, then the nearest in time. others counts those that only the time ranks lower.
create function tap25.mail_hops(session bigint, number int, recipient text)
returns table (hop int, linked_by text[], others bigint, seen_at timestamptz, sensors text[], session_id bigint, mail_no int, client_ip inet,
               server_ip inet, mail_from text, rcpt_to text, outcome tap25.outcome, message_bytes bigint, queue_id text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
    given tap25.mail;
    step  constant text := $step$
        select h.hop %1$s 1, n.m, n.links, n.others from %2$s h cross join lateral (
            select c.m, c.links, count(*) over (partition by cardinality(c.links), (c.m).outcome = 'accepted') - 1 as others
            from (select f.m, tap25_internal.hop_links(%3$s) as links from found f) c where c.links is not null
            order by cardinality(c.links) desc, (c.m).outcome = 'accepted' desc, (c.m).seen_at %4$s limit 1
        ) n where abs(h.hop) < 30$step$;
begin
    select m.* into given from tap25.mail_to(recipient) m where m.session_id = session and m.mail_no = number order by m.seen_at limit 1;
    return query execute 'with recursive found as materialized (
            select row(o.*)::tap25.mail_once as m from (' || tap25_internal.once_query($source$
                select * from tap25.mail_to($1, $2, $3) m where lower(m.mail_from) = lower($4) or m.envid = $5
                union all
                select * from tap25.mail_from(nullif($4, ''), $2, $3) m where lower(m.rcpt_to) <> lower($1)
                    and lower($6) in (lower(m.rcpt_to), lower(m.orcpt))$source$) || ') as o
            order by abs(extract(epoch from o.seen_at - $7)), o.session_id, o.mail_no limit 1000
        ), given as (
            select 0 as hop, f.m, null::text[] as links, null::bigint as others from found f
            where ((f.m).client_ip, (f.m).client_port, (f.m).server_ip, (f.m).server_port) = ($8, $9, $10, $11) and lower((f.m).rcpt_to) = lower($1)
            order by (f.m).session_id <> $12 or (f.m).mail_no <> $13, abs(extract(epoch from (f.m).seen_at - $7)) limit 1
        ), later as (select * from given union all ' || format(step, '+', 'later', 'h.m, f.m', '') || '
        ), earlier as (select * from given union all ' || format(step, '-', 'earlier', 'f.m, h.m', 'desc') || ')
        select w.hop, w.links, w.others, (w.m).seen_at, (w.m).sensors, (w.m).session_id, (w.m).mail_no, (w.m).client_ip, (w.m).server_ip,
               (w.m).mail_from, (w.m).rcpt_to, (w.m).outcome, (w.m).message_bytes, (w.m).queue_id
        from (select * from later union all select * from earlier where hop < 0) w order by w.hop'
    using given.rcpt_to, given.seen_at - interval '5 days', given.seen_at + interval '5 days', given.mail_from, given.envid,
        coalesce(given.orcpt, given.rcpt_to), given.seen_at, given.client_ip, given.client_port, given.server_ip, given.server_port, session, number;
end $$;

-- Rights.

revoke execute on function tap25_internal.once_query, tap25.mail_once, tap25_internal.is_mailbox, tap25_internal.is_of, tap25_internal.local_part,
    tap25_internal.check_may_ask, tap25_internal.check_days_read, tap25_internal.mail_of_party, tap25.mail_between, tap25.mail_of, tap25.mail_ip, tap25.mail_local_part,
    tap25.correspondents, tap25_internal.hop_links, tap25.mail_hops from public;

-- Comments.

comment on view tap25.mail_once is 'Each recipient of each mail once: of the rows that several taps have of it, the most complete. mail_once(since, before) is quicker for a time range. For the owner.';
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
comment on function tap25.mail_once is 'Returns what the view mail_once has with since <= seen_at < before; reads these days alone, and an hour around them, in which copies from taps with other clocks may be. For the owner: select * from mail_once(''2026-01-01'', ''2026-02-01'')';
comment on function tap25_internal.once_query is 'Returns the text of the query behind mail_once, over the rows of a source: a query with the columns of mail.';
comment on function tap25_internal.is_mailbox is 'Returns whether a party is a mailbox, with @, rather than a domain. The empty one is the null reverse-path, and Postmaster has no domain.';
comment on function tap25_internal.is_of is 'Returns whether an address is of a party: a mailbox, a domain, or with a dot before it a domain and its subdomains. Null is everybody.';
comment on function tap25_internal.local_part is 'Returns the part of an address before the last @, in lower case; all of it without @.';
comment on function tap25_internal.check_may_ask is 'Fails, and says what to call instead, unless the caller may read mail.';
comment on function tap25_internal.check_days_read is 'Fails unless a time range is 31 days or less: for questions that read whole days.';
comment on function tap25_internal.mail_of_party is 'Returns the rows of mail from a party, or else to it: a mailbox, a domain, or with a dot before it a domain and its subdomains.';
comment on function tap25.mail_between is 'Returns the mail between two parties in both directions, each once, with since <= seen_at < before. A party is a mailbox, a domain, or with a dot before it a domain and its subdomains, for 31 days at most if the other is no mailbox and no single domain. For the owner: select * from mail_between(''a@a.example'', ''b.example'', ''2026-01-01'')';
comment on function tap25.mail_of is 'Returns the mail from and to a party, each once, with since <= seen_at < before. A party is as for mail_between. For the owner: select * from mail_of(''a@a.example'')';
comment on function tap25.mail_ip is 'Returns the mail of an IP address or subnet as client, server or origin, each once, with since <= seen_at < before. For the owner: select * from mail_ip(''192.0.2.1'', ''2026-01-01'', ''2026-02-01'')';
comment on function tap25.mail_local_part is 'Returns the mail from and to all addresses with a local part, whatever their domain, each once, with since <= seen_at < before: 31 days at most, which are read whole. For the owner: select * from mail_local_part(''info'', ''2026-01-01'', ''2026-02-01'')';
comment on function tap25.correspondents is 'Returns with whom a party had mail: how many mails it sent to each, received from each, how many of both were accepted, the first and the last. Each mail counts once. A party is as for mail_between. For the owner: select * from correspondents(''a@a.example'')';
comment on function tap25_internal.hop_links is 'Returns what links one mail to another as its next hop; null if that is too little. mail_hops explains the words.';
comment on function tap25.mail_hops is 'Returns the hops of a mail to a recipient: 0 is the one given, by its session_id, mail_no and rcpt_to; those before have numbers below. linked_by says what the link to the neighbour towards 0 rests on: recipient and sender, equal; orcpt and envid, those of RFC 3461; size, at most 4,096 octets more, as fields of the header make it; address, the server of one is the client of the next; time, the next began after it. others counts mails with as many links: if there are any, the hop is one of several. For the owner: select h.* from mail_to(''b@b.example'') m, mail_hops(m.session_id, m.mail_no, m.rcpt_to) h';
