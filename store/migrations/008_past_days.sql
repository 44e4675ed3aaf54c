-- What is done once for a day that is over: its indexes are rebuilt, which packs them, and a summary says what is in the day, so
-- that a question about one address, domain or IP address leaves out the days that do not have it, without opening them.
-- docs/storage.md has what was measured.

-- A summary holds as long as the day has as many rows as when it was made: rows are only ever added to a day.
create table summaries (
    day     date        primary key,
    rows    bigint      not null,
    bits    smallint    not null, -- the day has 2^bits pages of prints
    made_at timestamptz not null default now()
);
-- 16 bits of the hash of each thing that a day has, in the page that other bits of the hash name.
create table prints (
    day    date       not null,
    page   int        not null,
    prints smallint[] not null,
    primary key (day, page)
);
create table reindexed (
    day          date        primary key,
    rows         bigint      not null, -- that the day had then
    bytes_before bigint      not null, -- of its indexes
    bytes        bigint      not null,
    made_at      timestamptz not null default now()
);

-- kind is mail_from, rcpt_to, from_domain, to_domain, client or server.
create function print_hash(kind text, value text) returns bigint language sql immutable parallel safe
return hashtextextended(kind || ' ' || lower(value), 25);
create function print_page(hash bigint, bits smallint) returns int language sql immutable parallel safe
return (hash & ((1 << bits) - 1))::int;
create function print_of(hash bigint) returns smallint language sql immutable parallel safe
return (((hash >> 32) & 65535)::int - 32768)::smallint;

-- Makes the summary of a day; false where somebody else is making one. One statement reads the day and its count, so both are
-- of one moment, and loads go on meanwhile: a summary that they make untrue has fewer rows than the day.
create function summarize_day(which date) returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if not pg_try_advisory_xact_lock(25, 2147483646) then
        return false;
    end if;
    lock table only envelopes in access share mode; -- first, as expiry does
    delete from prints p where p.day = which;
    delete from summaries s where s.day = which;
    with counted as (
        select sum(d.rows) as rows, greatest(0, ceil(log(2, greatest(1, sum(d.rows) * 2.5 / 512))))::smallint as bits
        from days d where d.day = which having sum(d.rows) > 0 -- about 512 prints in a page
    ), noted as (
        insert into summaries (day, rows, bits) select which, c.rows, c.bits from counted c
    )
    insert into prints (day, page, prints)
    select which, page, array_agg(print order by print) from (
        select distinct print_page(hash, c.bits) as page, print_of(hash) as print from envelopes e cross join counted c cross join lateral (values
            (print_hash('mail_from', e.mail_from)), (print_hash('rcpt_to', e.rcpt_to)),
            (print_hash('from_domain', domain_of(e.mail_from))), (print_hash('to_domain', domain_of(e.rcpt_to))),
            (print_hash('client', host(e.client_ip))), (print_hash('server', host(e.server_ip)))) v (hash)
        where hash is not null and e.seen_at >= which::timestamp at time zone 'UTC' and e.seen_at < (which + 1)::timestamp at time zone 'UTC'
    ) p group by page order by page;
    return true;
end $$;
revoke execute on function summarize_day from public;

-- The days that have rows and that no summary says do not have this.
create function days_with(kind text, value text, since timestamptz, before timestamptz) returns setof date language sql stable parallel safe as $$
    with hashed as (select print_hash(kind, value) as hash)
    select d.day from (select day, sum(rows) as rows from days
        where day >= (since at time zone 'UTC')::date and day <= (before at time zone 'UTC')::date group by day) d
    cross join hashed h left join summaries s on s.day = d.day and s.rows = d.rows
    where d.rows > 0 and (s.day is null or exists (select from prints p
        where p.day = d.day and p.page = print_page(h.hash, s.bits) and print_of(h.hash) = any (p.prints)))
    order by d.day $$;

drop function mail_from(text), mail_to(text), mail_from_domain(text), mail_to_domain(text);

create view mail_days as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome_name(outcome) as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       flag_names(flags) as flags
from envelopes;

create view mail_aside as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome_name(outcome) as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       flag_names(flags) as flags
from (
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from held
    union all
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from misdated
) as aside;

create or replace view mail as select * from mail_days union all select * from mail_aside;

-- The mail that a condition on $1 holds for, asked day by day. Many days are asked at once instead: planning them together is
-- cheaper then.
create function mail_about(kind text, value text, condition text, since timestamptz, before timestamptz) returns setof mail
language plpgsql stable as $$
declare
    question constant text := 'select * from %s where seen_at >= $2 and seen_at < $3 and ' || condition;
    which date[] := array(select days_with(kind, value, since, before));
    d date;
begin
    if cardinality(which) > 32 then
        return query execute format(question, 'mail_days') using value, since, before;
    else
        foreach d in array which loop
            return query execute format(question, 'mail_days')
                using value, greatest(since, d::timestamp at time zone 'UTC'), least(before, (d + 1)::timestamp at time zone 'UTC');
        end loop;
    end if;
    return query execute format(question, 'mail_aside') using value, since, before;
end $$;

-- All mail from, or to, an address or a domain, in upper or lower case; of a client's or server's IP address: seen in a time
-- range, if one is given.
create function mail_from(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('mail_from', address, 'bucket(mail_from) = bucket($1) and lower(mail_from) = lower($1)', since, before) $$;
create function mail_to(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('rcpt_to', address, 'bucket(rcpt_to) = bucket($1) and lower(rcpt_to) = lower($1)', since, before) $$;
create function mail_from_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('from_domain', domain, 'bucket(domain_of(mail_from)) = bucket($1) and domain_of(mail_from) = lower($1)', since, before) $$;
create function mail_to_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('to_domain', domain, 'bucket(domain_of(rcpt_to)) = bucket($1) and domain_of(rcpt_to) = lower($1)', since, before) $$;
create function mail_client(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('client', host(ip), 'client_ip = $1::inet', since, before) $$;
create function mail_server(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('server', host(ip), 'server_ip = $1::inet', since, before) $$;

-- As before, and what was made of the day goes with it.
create or replace function expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    lock table holds in share mode; -- a hold that is added now waits, and then concerns what is left
    if not pg_try_advisory_xact_lock(25, which - date '2000-01-01') then
        raise 'the day % is being loaded', which using errcode = 'lock_not_available';
    end if;
    if not has_partition(which) then
        return;
    end if;
    kept := keep_held(partition_name(which)::regclass, which::timestamp at time zone 'UTC', (which + 1)::timestamp at time zone 'UTC', 'true');
    bytes := pg_total_relation_size(partition_name(which)::regclass);
    rows := coalesce((select sum(d.rows) from days d where d.day = which), 0);
    execute format('drop table %I', partition_name(which));
    delete from days d where d.day = which;
    delete from prints p where p.day = which;
    delete from summaries s where s.day = which;
    delete from reindexed r where r.day = which;
    insert into expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

-- The days that are over, to which nothing was loaded for a while, with what is due for them: a summary where there is none that
-- holds; a reindex where there was none, or a tenth of the rows came behind it. A small day gains nothing by that.
create function days_over(quiet interval) returns table (day date, rows bigint, summary_due boolean, reindex_due boolean)
language sql stable security definer set search_path = public, pg_temp as $$
    select d.day, d.rows::bigint, s.day is null, d.rows >= 10000 and (r.day is null or d.rows >= r.rows * 1.1)
    from (select day, sum(rows) as rows, max(loaded_at) as loaded_at from days group by day) d
    left join summaries s on s.day = d.day and s.rows = d.rows left join reindexed r on r.day = d.day
    where d.day < (now() at time zone 'UTC')::date and d.loaded_at <= now() - quiet and d.rows > 0 and has_partition(d.day) $$;
revoke execute on function days_over from public;

alter function grant_roles() rename to grant_roles_007;
create function grant_roles() returns void language plpgsql as $$
begin
    perform grant_roles_007();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function days_over, summarize_day to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function days_over, summarize_day to tap25_admin;
        grant select on mail_days, mail_aside, summaries, prints, reindexed to tap25_admin;
    end if;
end $$;
revoke execute on function grant_roles, grant_roles_007 from public;
do $$ begin perform grant_roles(); end $$;
