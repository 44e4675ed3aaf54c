-- Two schemas of tap25's own, in place of public: tap25 has what is meant for people, tap25_internal the rest.
--
-- Every name below is qualified, and every function says itself which schemas it searches, so that nobody can put a function,
-- an operator or a table of his own in the way of one that runs with its owner's rights (CVE-2018-1058). All objects are in
-- tap25_internal by now: those of an older database were moved there out of public.

do $$
declare o record;
begin
    for o in
        select format('alter function %s set schema tap25', p.oid::regprocedure) as step from pg_proc p -- before their arguments' types
        where p.pronamespace = 'tap25_internal'::regnamespace and p.proname in ('mail_from', 'mail_to', 'mail_from_domain', 'mail_to_domain',
            'mail_client', 'mail_server', 'open_case', 'case_mail', 'add_hold', 'drop_hold')
    loop
        execute o.step;
    end loop;
end $$;
alter table tap25_internal.warrants set schema tap25;
alter table tap25_internal.accesses set schema tap25;
alter table tap25_internal.holds set schema tap25;
alter table tap25_internal.expired set schema tap25;
alter view tap25_internal.mail set schema tap25;
alter type tap25_internal.outcome set schema tap25;

alter default privileges revoke execute on functions from public;

-- What an address, a domain or a row is. SQL-standard bodies bind their names now, under this migration's search_path.

create or replace function tap25_internal.domain_of(address text) returns text language sql immutable parallel safe
return case when position('@' in address) > 0 then lower(split_part(address, '@', -1)) end;

create or replace function tap25_internal.bucket(name text) returns int language sql immutable parallel safe
return hashtext(lower(name)) & 65535;

create or replace function tap25_internal.is_host(ip inet) returns boolean language sql immutable parallel safe
return masklen(ip) = case family(ip) when 4 then 32 else 128 end;

create or replace function tap25_internal.concerns(mailbox text, domain text, network inet, since timestamptz, before timestamptz,
                         seen_at timestamptz, mail_from text, rcpt_to text, client_ip inet, server_ip inet)
returns boolean language sql immutable parallel safe
return seen_at >= since and seen_at < before and case
    when mailbox is not null then coalesce(lower(mail_from) = lower(mailbox), false) or coalesce(lower(rcpt_to) = lower(mailbox), false)
    when domain is not null then coalesce(tap25_internal.domain_of(mail_from) = lower(domain), false) or coalesce(tap25_internal.domain_of(rcpt_to) = lower(domain), false)
    else client_ip <<= network or server_ip <<= network end;

create or replace function tap25_internal.print_hash(kind text, value text) returns bigint language sql immutable parallel safe
return hashtextextended(kind || ' ' || lower(value), 25);
create or replace function tap25_internal.print_page(hash bigint, bits smallint) returns int language sql immutable parallel safe
return (hash & ((1 << bits) - 1))::int;
create or replace function tap25_internal.print_of(hash bigint) returns smallint language sql immutable parallel safe
return (((hash >> 32) & 65535)::int - 32768)::smallint;

-- The views call no function of tap25's: who may read a view would need the right to execute it too.

create or replace view tap25_internal.mail_days as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code,
       ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[outcome + 1] as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       case when flags = 0 then null else array_remove(array[
           case when flags & 1 <> 0 then 'midstream' end, case when flags & 2 <> 0 then 'one-sided' end, case when flags & 4 <> 0 then 'gap' end,
           case when flags & 8 <> 0 then 'conflict' end, case when flags & 16 <> 0 then 'smuggling' end, case when flags & 32 <> 0 then 'injected' end,
           case when flags & 64 <> 0 then 'truncated' end], null) end as flags
from tap25_internal.envelopes;

create or replace view tap25_internal.mail_aside as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code,
       ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[outcome + 1] as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       case when flags = 0 then null else array_remove(array[
           case when flags & 1 <> 0 then 'midstream' end, case when flags & 2 <> 0 then 'one-sided' end, case when flags & 4 <> 0 then 'gap' end,
           case when flags & 8 <> 0 then 'conflict' end, case when flags & 16 <> 0 then 'smuggling' end, case when flags & 32 <> 0 then 'injected' end,
           case when flags & 64 <> 0 then 'truncated' end], null) end as flags
from (
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from tap25_internal.held
    union all
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from tap25_internal.misdated
) as aside;

do $$ begin
    drop function tap25_internal.outcome_name(smallint), tap25_internal.flag_names(smallint);
exception when dependent_objects_still_exist then null; -- a view of a user's calls them
end $$;

-- Partitions.

create or replace function tap25_internal.partition_name(day date) returns text language sql immutable
return 'envelopes_' || to_char(day::timestamp, 'YYYYMMDD');

create or replace function tap25_internal.has_partition(day date) returns boolean language sql volatile security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                  where i.inhparent = 'tap25_internal.envelopes'::regclass and c.relname = tap25_internal.partition_name(day)) $$;

create or replace function tap25_internal.partitions() returns table (day date, bytes bigint) language sql stable
begin atomic
    select to_date(right(c.relname, 8), 'YYYYMMDD'), pg_total_relation_size(c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'tap25_internal.envelopes'::regclass and c.relname ~ '^envelopes_\d{8}$';
end;

create or replace function tap25_internal.max_partitions() returns int language sql immutable return 1100;

create or replace function tap25_internal.make_partition(day date) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    name constant text := tap25_internal.partition_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.envelopes including defaults including constraints)', name);
    execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I for values from (%L) to (%L)', name,
                   day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
end $$;

create or replace function tap25_internal.ensure_partition(day date) returns text language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    today date := (now() at time zone 'UTC')::date;
begin
    if day < '1990-01-01' then
        return 'before 1990';
    elsif day > today + 2 then
        return 'ahead of the clock';
    elsif not tap25_internal.has_partition(day) then
        if day < today - 7 and (select count(*) from pg_inherits where inhparent = 'tap25_internal.envelopes'::regclass) >= tap25_internal.max_partitions() then
            return 'too many days';
        end if;
        perform tap25_internal.make_partition(day);
    end if;
    return null;
end $$;

create or replace function tap25_internal.lacks_partition(which date[]) returns boolean language sql volatile
begin atomic
    select exists (select from unnest(which) d
        where d between '1990-01-01' and (now() at time zone 'UTC')::date + 2 and not tap25_internal.has_partition(d));
end;

create or replace function tap25_internal.make_partitions(which date[]) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if tap25_internal.lacks_partition(which) then
        perform pg_advisory_xact_lock(25, -2147483648);
        perform tap25_internal.ensure_partition(d) from unnest(which) d;
    else
        perform pg_advisory_lock_shared(25, -2147483648);
        perform pg_advisory_unlock_shared(25, -2147483648);
    end if;
end $$;

create or replace function tap25_internal.make_partitions_ahead(n int) returns int language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    today date := (now() at time zone 'UTC')::date;
    made  int := 0;
    d     date;
begin
    if n not between 0 and 31 then
        raise 'partitions ahead: % days, want 0 to 31', n;
    end if;
    perform pg_advisory_xact_lock(25, -2147483648);
    for d in select today + i from generate_series(0, n) i loop
        if not tap25_internal.has_partition(d) then
            perform tap25_internal.make_partition(d);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;

create or replace function tap25_internal.begin_load(by_sensor text, which date[], counts bigint[]) returns table (misdated_day date, misdated_reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    reasons jsonb := '{}';
    reason  text;
    d       date;
begin
    for d in select w from unnest(which) w order by w loop
        perform pg_advisory_xact_lock_shared(25, d - date '2000-01-01');
    end loop;
    if tap25_internal.lacks_partition(which) then
        perform pg_advisory_xact_lock(25, -2147483648);
    end if;
    for d in select w from unnest(which) w order by w loop
        reason := tap25_internal.ensure_partition(d);
        if reason is not null then
            reasons := reasons || jsonb_build_object(d, reason);
        end if;
    end loop;
    insert into tap25_internal.days as t (day, sensor, rows)
    select w, by_sensor, n from unnest(which, counts) as u (w, n) where not reasons ? w::text order by w
    on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = now();
    return query select key::date, value from jsonb_each_text(reasons);
end $$;

create or replace function tap25_internal.prune_loads(by_sensor text, older text) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare n bigint;
begin
    delete from tap25_internal.loads where sensor = by_sensor and segment ~ '^[0-9a-f]{16}-[0-9a-f]{16}$' and segment collate "C" < older collate "C"
        and loaded_at < now() - interval '30 days';
    get diagnostics n = row_count;
    return n;
end $$;

-- Holds and expiry.

create or replace function tap25_internal.keep_held(source regclass, since timestamptz, before timestamptz, filter text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    columns text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                     where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped);
    n bigint := 0;
    active bigint[] := (select array_agg(h.id) from tap25.holds h where h.dropped_at is null and h.until > now()
                        and h.since < keep_held.before and h.before > keep_held.since);
begin
    if active is not null then
        execute format('insert into tap25_internal.held (%1$s, hold_ids) select %1$s, ids from %2$s e cross join lateral (
                select array_agg(h.id order by h.id) as ids from tap25.holds h where h.id = any ($1) and
                tap25_internal.concerns(h.mailbox, h.domain, h.network, h.since, h.before, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip)
            ) h where ids is not null and %3$s', columns, source, filter) using active;
        get diagnostics n = row_count;
    end if;
    return n;
end $$;

create or replace function tap25_internal.expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    partition regclass;
begin
    lock table tap25.holds in share mode; -- a hold that is added now waits, and then concerns what is left
    if not pg_try_advisory_xact_lock(25, which - date '2000-01-01') then
        raise 'the day % is being loaded', which using errcode = 'lock_not_available';
    end if;
    if not tap25_internal.has_partition(which) then
        return;
    end if;
    partition := ('tap25_internal.' || tap25_internal.partition_name(which))::regclass;
    kept := tap25_internal.keep_held(partition, which::timestamp at time zone 'UTC', (which + 1)::timestamp at time zone 'UTC', 'true');
    bytes := pg_total_relation_size(partition);
    rows := coalesce((select sum(d.rows) from tap25_internal.days d where d.day = which), 0);
    execute format('drop table %s', partition);
    delete from tap25_internal.days d where d.day = which;
    delete from tap25_internal.prints p where p.day = which;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

create or replace function tap25_internal.expire_misdated(loaded_before timestamptz, version text) returns table (day date, rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    lock table tap25.holds in share mode;
    kept := tap25_internal.keep_held('tap25_internal.misdated', '-infinity', 'infinity', format('e.loaded_at < %L', loaded_before));
    return query
    with gone as (
        delete from tap25_internal.misdated m where m.loaded_at < loaded_before returning (m.loaded_at at time zone 'UTC')::date as d, pg_column_size(m.*) as size
    ), noted as (
        insert into tap25.expired as x (day, kind, rows, bytes, kept, version)
        select d, 'misdated', count(*), sum(size), case when d = min(d) over () then expire_misdated.kept else 0 end, expire_misdated.version from gone group by d
        returning x.day, x.rows, x.bytes, x.kept
    )
    select * from noted;
end $$;

create or replace function tap25_internal.release_holds(version text) returns table (day date, rows bigint, bytes bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare ended bigint[];
begin
    lock table tap25.holds in exclusive mode;
    ended := (select array_agg(id order by id) from tap25.holds where released_at is null and (dropped_at is not null or until <= now()));
    if ended is null then
        return;
    end if;
    return query
    with gone as (
        delete from tap25_internal.held h where h.hold_ids <@ ended
        returning (h.seen_at at time zone 'UTC')::date as d, pg_column_size(h.*) as size, h.hold_ids
    ), noted as (
        insert into tap25.expired as x (day, kind, rows, bytes, hold_ids, version)
        select d, 'held', count(*), sum(size), gone.hold_ids, release_holds.version from gone group by d, gone.hold_ids
        returning x.day, x.rows, x.bytes
    )
    select * from noted;
    update tap25_internal.held h set hold_ids = array(select unnest(h.hold_ids) except select unnest(ended) order by 1) where h.hold_ids && ended;
    update tap25.holds set released_at = now() where id = any (ended);
end $$;

create or replace function tap25.add_hold(mailbox text, domain text, network inet, since timestamptz, before timestamptz, until timestamptz, reason text)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare h tap25.holds;
begin
    insert into tap25.holds (mailbox, domain, network, since, before, until, reason)
    values (add_hold.mailbox, lower(add_hold.domain), add_hold.network, coalesce(add_hold.since, '-infinity'),
            coalesce(add_hold.before, 'infinity'), coalesce(add_hold.until, 'infinity'), add_hold.reason) returning * into h;
    update tap25_internal.held e set hold_ids = e.hold_ids || h.id
    where tap25_internal.concerns(h.mailbox, h.domain, h.network, h.since, h.before, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip);
    return h.id;
end $$;

create or replace function tap25.drop_hold(which bigint) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    update tap25.holds set dropped_at = now(), dropped_by = session_user where id = which and dropped_at is null and until > now();
    return found;
end $$;

-- Days that are over.

create or replace function tap25_internal.summarize_day(which date) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if not pg_try_advisory_xact_lock(25, 2147483646) then
        return false;
    end if;
    lock table only tap25_internal.envelopes in access share mode; -- first, as expiry does
    delete from tap25_internal.prints p where p.day = which;
    delete from tap25_internal.summaries s where s.day = which;
    with counted as (
        select sum(d.rows) as rows, greatest(0, ceil(log(2, greatest(1, sum(d.rows) * 2.5 / 512))))::smallint as bits
        from tap25_internal.days d where d.day = which having sum(d.rows) > 0 -- about 512 prints in a page
    ), noted as (
        insert into tap25_internal.summaries (day, rows, bits) select which, c.rows, c.bits from counted c
    )
    insert into tap25_internal.prints (day, page, prints)
    select which, page, array_agg(print order by print) from (
        select distinct tap25_internal.print_page(hash, c.bits) as page, tap25_internal.print_of(hash) as print
        from tap25_internal.envelopes e cross join counted c cross join lateral (values
            (tap25_internal.print_hash('mail_from', e.mail_from)), (tap25_internal.print_hash('rcpt_to', e.rcpt_to)),
            (tap25_internal.print_hash('from_domain', tap25_internal.domain_of(e.mail_from))), (tap25_internal.print_hash('to_domain', tap25_internal.domain_of(e.rcpt_to))),
            (tap25_internal.print_hash('client', host(e.client_ip))), (tap25_internal.print_hash('server', host(e.server_ip)))) v (hash)
        where hash is not null and e.seen_at >= which::timestamp at time zone 'UTC' and e.seen_at < (which + 1)::timestamp at time zone 'UTC'
    ) p group by page order by page;
    return true;
end $$;

create or replace function tap25_internal.days_over(quiet interval) returns table (day date, rows bigint, summary_due boolean, reindex_due boolean)
language sql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, d.rows::bigint, s.day is null, d.rows >= 10000 and (r.day is null or d.rows >= r.rows * 1.1)
    from (select day, sum(rows) as rows, max(loaded_at) as loaded_at from tap25_internal.days group by day) d
    left join tap25_internal.summaries s on s.day = d.day and s.rows = d.rows left join tap25_internal.reindexed r on r.day = d.day
    where d.day < (now() at time zone 'UTC')::date and d.loaded_at <= now() - quiet and d.rows > 0 and tap25_internal.has_partition(d.day) $$;

-- Questions. Those of people are expanded in the statement that asks them, as a SET clause would not let them be.

create or replace function tap25_internal.days_with(kind text, value text, since timestamptz, before timestamptz) returns setof date language sql stable parallel safe
begin atomic
    with hashed as (select tap25_internal.print_hash(kind, value) as hash)
    select d.day from (select day, sum(rows) as rows from tap25_internal.days
        where day >= (since at time zone 'UTC')::date and day <= (before at time zone 'UTC')::date group by day) d
    cross join hashed h left join tap25_internal.summaries s on s.day = d.day and s.rows = d.rows
    where d.rows > 0 and (h.hash is null or s.day is null or exists (select from tap25_internal.prints p
        where p.day = d.day and p.page = tap25_internal.print_page(h.hash, s.bits) and tap25_internal.print_of(h.hash) = any (p.prints)))
    order by d.day;
end;

create or replace function tap25_internal.mail_about(kind text, value text, condition text, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ' || condition;
    first constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    which date[] := array(select tap25_internal.days_with(kind, value, first, behind));
    d date;
begin
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

create or replace function tap25.mail_from(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('mail_from', address,
        'tap25_internal.bucket(mail_from) = tap25_internal.bucket($1) and lower(mail_from) = lower($1)', since, before);
end;
create or replace function tap25.mail_to(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('rcpt_to', address,
        'tap25_internal.bucket(rcpt_to) = tap25_internal.bucket($1) and lower(rcpt_to) = lower($1)', since, before);
end;
create or replace function tap25.mail_from_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('from_domain', domain,
        'tap25_internal.bucket(tap25_internal.domain_of(mail_from)) = tap25_internal.bucket($1) and tap25_internal.domain_of(mail_from) = lower($1)', since, before);
end;
create or replace function tap25.mail_to_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('to_domain', domain,
        'tap25_internal.bucket(tap25_internal.domain_of(rcpt_to)) = tap25_internal.bucket($1) and tap25_internal.domain_of(rcpt_to) = lower($1)', since, before);
end;
create or replace function tap25.mail_client(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('client', case when tap25_internal.is_host(ip) then host(ip) end,
        case when tap25_internal.is_host(ip) then 'client_ip = $1::inet' else format('client_ip <<= %L::inet', ip) end, since, before);
end;
create or replace function tap25.mail_server(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('server', case when tap25_internal.is_host(ip) then host(ip) end,
        case when tap25_internal.is_host(ip) then 'server_ip = $1::inet' else format('server_ip <<= %L::inet', ip) end, since, before);
end;

create or replace function tap25_internal.mail_concerning(mailbox text, domain text, network inet, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
begin
    if mailbox is not null then
        return query select * from tap25.mail_from(mailbox, since, before)
            union all select * from tap25.mail_to(mailbox, since, before) m where lower(m.mail_from) is distinct from lower(mailbox);
    elsif domain is not null then
        return query select * from tap25.mail_from_domain(domain, since, before)
            union all select * from tap25.mail_to_domain(domain, since, before) m where tap25_internal.domain_of(m.mail_from) is distinct from lower(domain);
    else
        return query select * from tap25.mail_client(network, since, before)
            union all select * from tap25.mail_server(network, since, before) m where not m.client_ip <<= network;
    end if;
end $$;

-- Warrants.

create or replace function tap25_internal.refuse() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ begin raise '% is append-only', tg_table_name using errcode = 'insufficient_privilege'; end $$;

create or replace function tap25_internal.may_read(w tap25.warrants) returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ select w.valid_until > now() and (w.auditor = session_user or
   exists (select from pg_roles r where r.rolname = w.auditor and pg_has_role(session_user, r.oid, 'member'))) $$;

create or replace function tap25.open_case(which text, purpose text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if coalesce(purpose, '') = '' then
        raise 'say what the case is opened for';
    end if;
    if not exists (select from tap25.warrants w where w.case_id = which and tap25_internal.may_read(w)) then
        raise 'no warrant that is valid now opens this case to %', session_user using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.accesses (case_id, action, purpose) values (which, 'open', open_case.purpose);
end $$;

create or replace function tap25.case_mail(which text) returns setof tap25.mail language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set plan_cache_mode = force_custom_plan as $$
declare
    w    tap25.warrants;
    done bigint[] := '{}'; -- warrants whose rows were returned
    n    bigint;
    sum  bigint := 0;
begin
    if not exists (select from tap25.accesses a where a.case_id = which and a.auditor = session_user and a.action = 'open'
                   and a.at > now() - interval '12 hours' and a.xid <> pg_current_xact_id()) then
        raise 'the case is not open to %: select open_case(case, purpose), and commit', session_user using errcode = 'insufficient_privilege';
    end if;
    for w in select * from tap25.warrants x where x.case_id = which and tap25_internal.may_read(x) order by x.id loop
        return query select m.* from tap25_internal.mail_concerning(w.mailbox, w.domain, w.network, w.since, w.before) m
        where tap25_internal.concerns(w.mailbox, w.domain, w.network, w.since, w.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip)
          and not exists (select from tap25.warrants x where x.id = any (done) and
              tap25_internal.concerns(x.mailbox, x.domain, x.network, x.since, x.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip));
        get diagnostics n = row_count;
        sum := sum + n;
        done := done || w.id;
    end loop;
    insert into tap25.accesses (case_id, action, rows) values (which, 'read', sum);
end $$;

-- Rights.

drop function tap25_internal.grant_roles(), tap25_internal.grant_roles_006(), tap25_internal.grant_roles_007();

revoke execute on all functions in schema tap25, tap25_internal from public;
revoke usage on type tap25.outcome from public;

-- Gives the roles that exist their rights. Where this migration may not make roles, an administrator makes them, and
-- 'tap25 db migrate' calls it again.
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant usage on schema tap25, tap25_internal to tap25_sensor;
        grant select on tap25_internal.tap25_schema_version to tap25_sensor;
        grant insert on tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.loads to tap25_sensor;
        grant execute on function tap25_internal.bucket, tap25_internal.domain_of to tap25_sensor; -- the indexes call them
        grant execute on function tap25_internal.begin_load, tap25_internal.make_partitions, tap25_internal.make_partitions_ahead, tap25_internal.prune_loads,
            tap25_internal.days_over, tap25_internal.summarize_day, tap25_internal.partition_name to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant usage on schema tap25 to tap25_auditor;
        grant usage on type tap25.outcome to tap25_auditor;
        grant execute on function tap25.open_case, tap25.case_mail to tap25_auditor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant usage on schema tap25, tap25_internal to tap25_admin;
        grant usage on type tap25.outcome to tap25_admin;
        grant select on tap25.mail, tap25.expired, tap25.holds, tap25.warrants, tap25.accesses to tap25_admin;
        grant select on tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.held, tap25_internal.mail_days, tap25_internal.mail_aside,
            tap25_internal.days, tap25_internal.loads, tap25_internal.summaries, tap25_internal.prints, tap25_internal.reindexed,
            tap25_internal.tap25_schema_version to tap25_admin;
        grant insert, update (valid_until) on tap25.warrants to tap25_admin;
        grant execute on function tap25.mail_from, tap25.mail_to, tap25.mail_from_domain, tap25.mail_to_domain, tap25.mail_client, tap25.mail_server,
            tap25.add_hold, tap25.drop_hold to tap25_admin;
        -- What those functions call.
        grant execute on function tap25_internal.mail_about, tap25_internal.days_with,
            tap25_internal.print_hash, tap25_internal.print_page, tap25_internal.print_of, tap25_internal.is_host, tap25_internal.bucket,
            tap25_internal.domain_of to tap25_admin;
        grant execute on function tap25_internal.expire_day, tap25_internal.expire_misdated, tap25_internal.release_holds,
            tap25_internal.make_partitions_ahead, tap25_internal.days_over, tap25_internal.summarize_day, tap25_internal.partitions,
            tap25_internal.partition_name to tap25_admin;
    end if;
end $$;

-- Lets the roles that exist connect to the database: by its owner, who may be another than tap25's.
create function tap25_internal.let_roles_connect() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare r name;
begin
    if (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
        for r in select rolname from pg_roles where rolname in ('tap25_sensor', 'tap25_auditor', 'tap25_admin') loop
            execute format('grant connect on database %I to %I', current_database(), r);
        end loop;
    end if;
end $$;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- What was made while others could create in public may have their functions in an index, a constraint, a default or a view.
do $$
declare
    ours  constant oid := (select nspowner from pg_namespace where nspname = 'tap25_internal');
    found text;
begin
    select format('%s uses %s', i.identity, f.identity) into found
    from pg_depend d
    join (select 'pg_proc'::regclass as class, oid, proowner as owner from pg_proc union all select 'pg_operator'::regclass, oid, oprowner from pg_operator
          union all select 'pg_type'::regclass, oid, typowner from pg_type) o on o.class = d.refclassid and o.oid = d.refobjid
    join pg_roles r on r.oid = o.owner and not r.rolsuper and r.oid <> ours
    cross join lateral pg_identify_object(d.classid, d.objid, 0) i cross join lateral pg_identify_object(d.refclassid, d.refobjid, 0) f
    where i.identity ~ '(^| )tap25(_internal)?\.' and i.type <> 'trigger' limit 1;
    if found is not null then
        raise '%, which belongs to another user: make it anew without that', found;
    end if;
end $$;

-- Who was given something of tap25's by name goes on having it.
do $$
declare r record;
begin
    for r in
        select distinct a.grantee::regrole as name from (
            select aclexplode(c.relacl) as a from pg_class c where c.relnamespace = 'tap25'::regnamespace
            union all
            select aclexplode(p.proacl) from pg_proc p where p.pronamespace = 'tap25'::regnamespace) x
        cross join lateral (select (x.a).grantee) a where a.grantee <> 0
    loop
        execute format('grant usage on schema tap25 to %s', r.name);
    end loop;
end $$;

-- The database: as the user who migrates, where he owns it.
reset role;
do $$
declare
    path text := (select substr(s, length('search_path=') + 1) from pg_db_role_setting d, unnest(d.setconfig) s
                  where d.setdatabase = (select oid from pg_database where datname = current_database()) and d.setrole = 0 and s like 'search\_path=%');
    others boolean := exists (
        select from pg_class c where c.relnamespace not in ('tap25'::regnamespace, 'tap25_internal'::regnamespace, 'pg_catalog'::regnamespace,
            'information_schema'::regnamespace) and c.relkind in ('r', 'p', 'v', 'm', 'f') and c.relpersistence <> 't' and not exists (
                select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
            and c.relnamespace not in (select oid from pg_namespace where nspname like 'pg\_%'));
begin
    if not (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
        raise warning 'this database belongs to another: its search_path, and who may connect to it, stay as they are';
        return;
    end if;
    -- A database of tap25's own finds it first. One that has other objects too finds them as before, then tap25.
    if path is null or path !~ '\mtap25\M' then
        execute format('alter database %I set search_path = %s', current_database(),
                       case when others then coalesce(path, '"$user", public') || ', tap25' else 'tap25, public' end);
    end if;
    execute format('revoke connect, temporary on database %I from public', current_database());
    -- Large objects take room that no retention gives back. Only a superuser may close them.
    if not others and (select rolsuper from pg_roles where rolname = current_user) then
        revoke execute on function lo_creat(int), lo_create(oid), lo_from_bytea(oid, bytea) from public;
    end if;
    perform tap25_internal.let_roles_connect();
end $$;
