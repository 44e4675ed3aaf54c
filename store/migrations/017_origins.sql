-- The client that a proxy names, and the network that a connection was seen in. Warrants and holds on an IP address may name the network,
-- since private addresses are in use in many. What was granted before goes on opening what it opened.

-- Rows. All four columns are null in rows of before, and a null takes no room: the null bitmap has 32 bits with 26 columns too.

do $$
declare
    -- The form of a network's name: what smtp.IsNetwork takes.
    part constant text := '(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?)';
    form constant text := format('^%1$s(?:/%1$s)*$', part);
    t    text;
begin
    execute format('create function tap25_internal.is_network(name text) returns boolean language sql immutable parallel safe return octet_length(name) <= 255 and name ~ %L', form);
    foreach t in array array['envelopes', 'misdated', 'held'] loop
        execute format('alter table tap25_internal.%I add origin_ip inet, add network text, add origin_port smallint, add origin_by smallint', t);
        if t <> 'held' then -- whose rows were checked before
            execute format('alter table tap25_internal.%I add constraint origins check (origin_by between 1 and 3 and origin_port > -32768
                and (origin_by is not null or num_nonnulls(origin_ip, origin_port) = 0) and octet_length(network) <= 255 and network ~ %L)', t, form);
        end if;
        execute format('create index on tap25_internal.%I (origin_ip) where origin_ip is not null', t);
    end loop;
end $$;

create or replace view tap25_internal.mail_days as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code,
       ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[outcome + 1] as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       case when flags = 0 then null else array_remove(array[
           case when flags & 1 <> 0 then 'midstream' end, case when flags & 2 <> 0 then 'one-sided' end, case when flags & 4 <> 0 then 'gap' end,
           case when flags & 8 <> 0 then 'conflict' end, case when flags & 16 <> 0 then 'smuggling' end, case when flags & 32 <> 0 then 'injected' end,
           case when flags & 64 <> 0 then 'truncated' end], null) end as flags,
       origin_ip, origin_port + 32768 as origin_port, ('{proxy,xclient,xforward}'::text[])[origin_by] as origin_by, network
from tap25_internal.envelopes;

create or replace view tap25_internal.mail_aside as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code,
       ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[outcome + 1] as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       case when flags = 0 then null else array_remove(array[
           case when flags & 1 <> 0 then 'midstream' end, case when flags & 2 <> 0 then 'one-sided' end, case when flags & 4 <> 0 then 'gap' end,
           case when flags & 8 <> 0 then 'conflict' end, case when flags & 16 <> 0 then 'smuggling' end, case when flags & 32 <> 0 then 'injected' end,
           case when flags & 64 <> 0 then 'truncated' end], null) end as flags,
       origin_ip, origin_port + 32768 as origin_port, ('{proxy,xclient,xforward}'::text[])[origin_by] as origin_by, network
from (
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name, origin_ip, network, origin_port, origin_by
    from tap25_internal.held
    union all
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name, origin_ip, network, origin_port, origin_by
    from tap25_internal.misdated
) as aside;

create or replace view tap25.mail as select * from tap25_internal.mail_days union all select * from tap25_internal.mail_aside;

-- Questions. The bodies of the first five are those of before; they name the columns of mail, which has more now.

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
create or replace function tap25.mail_server(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('server', case when tap25_internal.is_host(ip) then host(ip) end,
        case when tap25_internal.is_host(ip) then 'server_ip = $1::inet' else format('server_ip <<= %L::inet', ip) end, since, before);
end;
create or replace function tap25.mail_client(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('client', case when tap25_internal.is_host(ip) then host(ip) end,
        case when tap25_internal.is_host(ip) then '(client_ip = $1::inet or origin_ip = $1::inet)'
             else format('(client_ip <<= %1$L::inet or origin_ip <<= %1$L::inet)', ip) end, since, before);
end;

create or replace function tap25_internal.mail_concerning(mailbox text, domain text, network inet, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    if mailbox is not null then
        return query select * from tap25.mail_from(mailbox, since, before)
            union all select * from tap25.mail_to(mailbox, since, before) m where lower(m.mail_from) is distinct from lower(mailbox);
    elsif domain is not null then
        return query select * from tap25.mail_from_domain(domain, since, before)
            union all select * from tap25.mail_to_domain(domain, since, before) m where tap25_internal.domain_of(m.mail_from) is distinct from lower(domain);
    else
        return query select * from tap25.mail_client(network, since, before)
            union all select * from tap25.mail_server(network, since, before) m where not (m.client_ip <<= network or coalesce(m.origin_ip <<= network, false));
    end if;
end $$;

-- A day's summary has the clients that proxies name among its clients. Rows of before name none, so summaries of before hold.
create or replace function tap25_internal.summarize_day(which date) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise 'a summary is made in a transaction that is read committed' using errcode = 'invalid_transaction_state';
    end if;
    if tap25_internal.is_tied() and not exists (select from tap25_internal.days_over('0') d where d.day = which and d.summary_due) then
        return false;
    end if;
    begin
        lock table tap25_internal.making_summaries in exclusive mode nowait;
    exception when lock_not_available then
        return false;
    end;
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
            (tap25_internal.print_hash('client', host(e.client_ip))), (tap25_internal.print_hash('client', host(e.origin_ip))),
            (tap25_internal.print_hash('server', host(e.server_ip)))) v (hash)
        where hash is not null and e.seen_at >= which::timestamp at time zone 'UTC' and e.seen_at < (which + 1)::timestamp at time zone 'UTC'
    ) p group by page order by page;
    return true;
end $$;

-- Counting. A trigger that looks at what a statement has added makes COPY into a partitioned table insert row by row, and into one
-- partition not. So a load of a few days copies into each day's partition, where this counts; what is added to envelopes itself is
-- counted by count_rows as before, whose trigger does not fire then. All rows of a partition are of its day.
create function tap25_internal.count_day() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    mine  constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
    alien boolean;
begin
    with counted as (
        select a.sensor, count(*) as rows from added a group by a.sensor
    ), entered as (
        insert into tap25_internal.days as t (day, sensor, rows, loaded_at)
        select to_date(right(tg_table_name, 8), 'YYYYMMDD'), c.sensor, c.rows, clock_timestamp() from counted c order by c.sensor
        on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = excluded.loaded_at returning t.sensor
    )
    select bool_or(e.sensor <> mine) into alien from entered e;
    if alien then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    end if;
    return null;
end $$;

-- Lets sensors load into a partition, and counts what they do.
create function tap25_internal.open_partition(partition regclass) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    execute format('create trigger count_day after insert on %s referencing new table as added for each statement execute function tap25_internal.count_day()', partition);
    execute format('alter table %s enable always trigger count_day', partition);
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partition);
    end if;
end $$;
do $$ begin
    perform tap25_internal.open_partition(i.inhrelid) from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass;
end $$;

create or replace function tap25_internal.make_partition(day date) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' set default_table_access_method = 'heap' as $$
declare
    name constant text := tap25_internal.partition_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.envelopes including defaults including constraints)', name);
    execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I for values from (%L) to (%L)', name,
                   to_char(day::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00', to_char((day + 1)::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00');
    perform tap25_internal.open_partition(('tap25_internal.' || name)::regclass);
end $$;

-- Warrants and holds.

-- A warrant of before does not open what a proxy's word would add to it; a hold of before keeps it.
alter table tap25_internal.warrants add seen_in text, add by_origin boolean not null default false;
alter table tap25_internal.warrants alter by_origin set default true,
    add constraint seen_in check (seen_in is null or network is not null and tap25_internal.is_network(seen_in)),
    add constraint ends check (isfinite(valid_until)) not valid; -- a warrant of before may be without end
alter table tap25.holds add seen_in text,
    add constraint seen_in check (seen_in is null or network is not null and tap25_internal.is_network(seen_in));

do $$ begin
    alter table tap25_internal.warrants validate constraint ends;
exception when check_violation then
    raise warning 'a warrant has no end: end_warrant() ends it';
end $$;

create or replace view tap25.warrants as
select w.case_id, w.auditor, w.mailbox, w.domain, w.network, w.since, w.before,
       least(w.valid_until, (select min(e.valid_until) from tap25.warrant_events e where e.warrant_id = w.id)) as valid_until,
       w.reason, w.id, w.granted_by, w.granted_at, w.seen_in, w.by_origin
from tap25_internal.warrants w;

-- Refuses a network's name that no row can have, and one without an IP address. A check's message would have the whole line.
create function tap25_internal.check_seen_in(network inet, seen_in text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    if seen_in is not null and not tap25_internal.is_network(seen_in) then
        raise 'a network is named as in mail.network, such as vlan 12 or vxlan 5001/vlan 3' using errcode = 'invalid_parameter_value';
    elsif seen_in is not null and network is null then
        raise 'only with an IP address or subnet can the network be named that it was seen in' using errcode = 'invalid_parameter_value';
    end if;
end $$;

create or replace function tap25_internal.change_warrant() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    wanted constant timestamptz := new.valid_until;
    moment constant timestamptz := clock_timestamp();
begin
    if tg_op = 'INSERT' then
        perform tap25_internal.check_seen_in(new.network, new.seen_in);
        if isfinite(new.valid_until) is not true then
            raise 'a warrant has an end: valid_until is a time' using errcode = 'invalid_parameter_value';
        end if;
        begin
            insert into tap25_internal.warrants as w (case_id, auditor, mailbox, domain, network, seen_in, by_origin, since, before, valid_until, reason)
            values (new.case_id, new.auditor, new.mailbox, new.domain, new.network, new.seen_in, coalesce(new.by_origin, true),
                    new.since, new.before, new.valid_until, new.reason)
            returning w.id, w.granted_by, w.granted_at, w.by_origin into new.id, new.granted_by, new.granted_at, new.by_origin;
        exception when integrity_constraint_violation then
            raise '%', sqlerrm using errcode = sqlstate; -- without the detail, which has the whole line, for the server's log
        end;
        return new;
    end if;
    new.valid_until := old.valid_until;
    if new is distinct from old or wanted is null or wanted > greatest(old.valid_until, moment) then
        raise 'warrant % is not changed: select end_warrant(%, reason) ends it, and a longer or another one is granted anew', old.id, old.id
            using errcode = 'insufficient_privilege';
    end if;
    if greatest(wanted, moment) < old.valid_until then
        new.valid_until := greatest(wanted, moment);
        insert into tap25.warrant_events (warrant_id, action, valid_until) values (old.id, 'ended', new.valid_until);
    end if;
    return new;
end $$;

drop function tap25_internal.concerns(text, text, inet, timestamptz, timestamptz, timestamptz, text, text, inet, inet);
create function tap25_internal.concerns(mailbox text, domain text, network inet, seen_in text, by_origin boolean, since timestamptz, before timestamptz,
                         seen_at timestamptz, mail_from text, rcpt_to text, client_ip inet, server_ip inet, origin_ip inet, row_network text)
returns boolean language sql immutable parallel safe
return seen_at >= since and seen_at < before and case
    when mailbox is not null then coalesce(lower(mail_from) = lower(mailbox), false) or coalesce(lower(rcpt_to) = lower(mailbox), false)
    when domain is not null then coalesce(tap25_internal.domain_of(mail_from) = lower(domain), false) or coalesce(tap25_internal.domain_of(rcpt_to) = lower(domain), false)
    else (client_ip <<= network or server_ip <<= network or by_origin and coalesce(origin_ip <<= network, false))
        and (seen_in is null or coalesce(row_network = seen_in, false)) end;

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
                tap25_internal.concerns(h.mailbox, h.domain, h.network, h.seen_in, true, h.since, h.before,
                    e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip, e.origin_ip, e.network)
            ) h where ids is not null and %3$s', columns, source, filter) using active;
        get diagnostics n = row_count;
    end if;
    return n;
end $$;

drop function tap25.add_hold(text, text, inet, timestamptz, timestamptz, timestamptz, text);
create function tap25.add_hold(mailbox text, domain text, network inet, since timestamptz, before timestamptz, until timestamptz, reason text, seen_in text default null)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare h tap25.holds;
begin
    perform tap25_internal.check_snapshot();
    perform tap25_internal.check_seen_in(add_hold.network, add_hold.seen_in);
    begin
        insert into tap25.holds (mailbox, domain, network, seen_in, since, before, until, reason)
        values (add_hold.mailbox, lower(add_hold.domain), add_hold.network, add_hold.seen_in, coalesce(add_hold.since, '-infinity'),
                coalesce(add_hold.before, 'infinity'), coalesce(add_hold.until, 'infinity'), add_hold.reason) returning * into h;
    exception when integrity_constraint_violation then
        raise '%', sqlerrm using errcode = sqlstate; -- without the detail, which has the whole line, for the server's log
    end;
    update tap25_internal.held e set hold_ids = e.hold_ids || h.id
    where tap25_internal.concerns(h.mailbox, h.domain, h.network, h.seen_in, true, h.since, h.before,
        e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip, e.origin_ip, e.network);
    return h.id;
end $$;

create or replace function tap25_internal.record_access(number bigint, which text, action text, warrants bigint[], purpose text default null,
    rows bigint default null, opening bigint default null, refusal text default null) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, case_id, action, purpose, rows, opening, refusal, warrant_ids, targets, since, before) overriding system value
    select number, which, record_access.action, record_access.purpose, record_access.rows, record_access.opening, record_access.refusal, warrants,
           array_agg(coalesce(w.mailbox, w.domain, w.network::text || coalesce(' in ' || w.seen_in, '')) order by w.id), min(w.since), max(w.before)
    from tap25_internal.warrants w where w.id = any (warrants);
end $$;

create or replace function tap25.case_mail(which text) returns setof tap25.mail language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning
set plan_cache_mode = force_custom_plan as $$
declare
    number   constant bigint := tap25_internal.begin_access('read', which);
    warrants bigint[];
    opening  bigint;
    w        tap25_internal.warrants;
    done     bigint[] := '{}'; -- warrants whose rows were returned
    n        bigint;
    sum      bigint := 0;
begin
    perform tap25_internal.check_isolation(number);
    opening := (select a.id from tap25.accesses a where a.case_id = which and a.auditor = session_user and a.action = 'open'
                and a.at > clock_timestamp() - interval '12 hours' and a.xid <> pg_current_xact_id() order by a.at desc limit 1);
    if opening is null then
        perform tap25_internal.log_refusal(number, 'the case is not open');
        raise 'the case is not open: select open_case(case, purpose), and commit' using errcode = 'insufficient_privilege';
    end if;
    warrants := tap25_internal.valid_warrants(which);
    if warrants = '{}' then
        perform tap25_internal.log_refusal(number, 'every warrant of the case has ended');
        perform tap25_internal.record_access(number, which, 'refused', '{}', opening => opening, refusal => 'every warrant of the case has ended');
        raise warning 'every warrant that opened this case has ended; the attempt is recorded' using errcode = 'insufficient_privilege';
        return;
    end if;
    for w in select * from tap25_internal.warrants x where x.id = any (warrants) order by x.id loop
        return query select m.* from tap25_internal.mail_concerning(w.mailbox, w.domain, w.network, w.since, w.before) m
        where tap25_internal.concerns(w.mailbox, w.domain, w.network, w.seen_in, w.by_origin, w.since, w.before,
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network)
          and not exists (select from tap25_internal.warrants x where x.id = any (done) and
              tap25_internal.concerns(x.mailbox, x.domain, x.network, x.seen_in, x.by_origin, x.since, x.before,
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network));
        get diagnostics n = row_count;
        sum := sum + n;
        done := done || w.id;
    end loop;
    -- Nothing has left this function yet, so a warrant that has ended while it read opens nothing.
    if not warrants <@ tap25_internal.valid_warrants(which) then
        perform tap25_internal.log_refusal(number, 'a warrant of the case has ended meanwhile');
        raise 'a warrant of this case has ended while it was read: ask again' using errcode = 'insufficient_privilege';
    end if;
    perform tap25_internal.record_access(number, which, 'read', warrants, rows => sum, opening => opening);
end $$;

-- Rights.

revoke execute on function tap25_internal.count_day, tap25_internal.open_partition, tap25_internal.is_network, tap25_internal.check_seen_in, tap25_internal.concerns, tap25.add_hold from public;

alter function tap25_internal.grant_roles() rename to grant_roles_014;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    partitions constant text := (select string_agg(i.inhrelid::regclass::text, ', ') from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass);
begin
    perform tap25_internal.grant_roles_014();
    if partitions is not null and exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partitions);
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant insert (seen_in, by_origin) on tap25.warrants to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on column tap25.mail.origin_ip is 'Address of the client that a proxy in front of the server names: a claim of the peer, client_ip, that the tap cannot check. Null: none is named.';
comment on column tap25.mail.origin_port is 'TCP port of that client, by the same claim. Null: none is named.';
comment on column tap25.mail.origin_by is 'What named that client: proxy (a header of the PROXY protocol), xclient, xforward. Null: nothing did.';
comment on column tap25.mail.network is 'The network that the connection was seen in, by its tags and tunnels, the outermost first: vlan 12, vxlan 5001/vlan 3, gtp. Null: none.';
do $$
declare
    c record;
    t text;
begin
    for c in
        select t.relation, n.name, case when t.relation ~ '\.mail_' then col_description('tap25.mail'::regclass, a.attnum) else coalesce(n.stored, col_description('tap25.mail'::regclass, a.attnum)) end as meaning
        from unnest(array['tap25_internal.envelopes', 'tap25_internal.misdated', 'tap25_internal.held', 'tap25_internal.mail_days', 'tap25_internal.mail_aside']) t (relation)
        cross join (values ('origin_ip', null), ('network', null), ('origin_port', 'TCP port of the client that a proxy names, less 32768. Null: none is named.'),
            ('origin_by', 'What named the client in origin_ip: 1 a header of the PROXY protocol, 2 XCLIENT, 3 XFORWARD. Null: nothing did.')) n (name, stored)
        join pg_attribute a on a.attrelid = 'tap25.mail'::regclass and a.attname = n.name
    loop
        execute format('comment on column %s.%I is %L', c.relation, c.name, c.meaning);
    end loop;
    foreach t in array array['tap25.warrants', 'tap25_internal.warrants', 'tap25.holds'] loop
        execute format('comment on column %s.seen_in is %L', t, 'With network: only mail that was seen in the network of this name, mail.network. Null: in whatever network.');
    end loop;
    foreach t in array array['tap25.warrants', 'tap25_internal.warrants'] loop
        execute format('comment on column %s.network is %L', t, 'The IP address or subnet whose mail may be read, as client, server or origin. Null: the warrant names a mailbox or a domain.');
        execute format('comment on column %s.by_origin is %L', t, 'Whether network is held against mail.origin_ip too, which is a claim of the peer. False for what was granted before there was origin_ip.');
    end loop;
end $$;
comment on column tap25.holds.network is 'The IP address or subnet whose mail is kept, as client, server or origin. Null: the hold names a mailbox or a domain.';
comment on function tap25.mail_client is 'Returns the mail that an IP address or subnet sent, itself or through a proxy that names it (origin_ip), with since <= seen_at < before. For administrators: select * from mail_client(''192.0.2.0/24'')';
comment on function tap25.add_hold is 'Adds a hold on a mailbox, a domain or a network (the others are null) and returns its number; a null time is no bound. With a network, seen_in may name the one that the mail was seen in, mail.network. For administrators: select add_hold(''a@a.example'', null, null, ''2026-01-01'', null, null, ''court order'')';
comment on function tap25_internal.count_day is 'Trigger: as count_rows, for what a statement adds to the partition of a day.';
comment on function tap25_internal.open_partition is 'Gives a partition its trigger that counts rows, and sensors the right to add them.';
comment on function tap25_internal.is_network is 'Returns whether a text has the form of mail.network: parts joined by /, each a word, or a word and a number.';
comment on function tap25_internal.check_seen_in is 'Fails if a warrant or hold names a network in a form that mail.network never has, or without an IP address.';
comment on function tap25_internal.concerns is 'Returns whether a row is of a mailbox, domain or network (the others are null) and in a time range; of a network, seen in the network of a name, by origin_ip too if by_origin.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_014 is 'The part of grant_roles that is of schema version 14.';
