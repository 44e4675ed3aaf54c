-- Retention drops days; a legal hold keeps the rows that it concerns, in held.

create table expired (
    day        date        not null,
    kind       text        not null check (kind in ('partition', 'misdated', 'held')),
    rows       bigint      not null,
    bytes      bigint      not null,
    kept       bigint      not null default 0, -- rows that a hold kept, of these
    hold_ids   bigint[],                       -- the holds that ended, where kind is held
    dropped_at timestamptz not null default now(),
    version    text        not null            -- of the tap25 that dropped it
);

create table holds (
    id         bigint generated always as identity primary key,
    mailbox    text,
    domain     text,
    network    inet,
    since      timestamptz not null default '-infinity', -- of seen_at: since <= seen_at < before
    before     timestamptz not null default 'infinity',
    until      timestamptz not null default 'infinity',  -- when the hold ends by itself
    reason     text        not null check (reason <> ''),
    added_by   name        not null default session_user,
    added_at   timestamptz not null default now(),
    dropped_by name,
    dropped_at timestamptz,
    released_at timestamptz,                             -- when the rows that it alone kept were removed
    check (num_nonnulls(mailbox, domain, network) = 1),
    check (since < before)
);

create table held (
    like envelopes,
    hold_ids bigint[] not null
);
create index on held (bucket(mail_from));
create index on held (bucket(rcpt_to));
create index on held (bucket(domain_of(mail_from)));
create index on held (bucket(domain_of(rcpt_to)));
create index on held (client_ip);
create index on held (server_ip);

-- Everything that is kept, wherever it lies.
create view mail as
select seen_at, sensor, session_id, mail_no, client_ip, client_port + 32768 as client_port, server_ip, server_port + 32768 as server_port,
       helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome_name(outcome) as outcome,
       message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, coalesce(lost_bytes, 0) as lost_bytes,
       flag_names(flags) as flags
from (
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from envelopes
    union all
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from held
    union all
    select seen_at, session_id, message_bytes, declared_size, lost_bytes, mail_no, client_port, server_port, outcome,
           mail_code, rcpt_code, data_code, flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id,
           mail_from_raw, rcpt_to_raw, envid, orcpt, tls_server_name
    from misdated
) as kept;

-- All mail from, or to, an address, in upper or lower case; from, or to, a domain. They use the indexes.
create function mail_from(address text) returns setof mail language sql stable parallel safe as
$$ select * from mail where bucket(mail_from) = bucket(address) and lower(mail_from) = lower(address) $$;
create function mail_to(address text) returns setof mail language sql stable parallel safe as
$$ select * from mail where bucket(rcpt_to) = bucket(address) and lower(rcpt_to) = lower(address) $$;
create function mail_from_domain(domain text) returns setof mail language sql stable parallel safe as
$$ select * from mail where bucket(domain_of(mail_from)) = bucket(domain) and domain_of(mail_from) = lower(domain) $$;
create function mail_to_domain(domain text) returns setof mail language sql stable parallel safe as
$$ select * from mail where bucket(domain_of(rcpt_to)) = bucket(domain) and domain_of(rcpt_to) = lower(domain) $$;

-- Whether a row concerns an address, or a domain, or an IP address or subnet, in a time range.
create function concerns(mailbox text, domain text, network inet, since timestamptz, before timestamptz,
                         seen_at timestamptz, mail_from text, rcpt_to text, client_ip inet, server_ip inet)
returns boolean language sql immutable parallel safe
return seen_at >= since and seen_at < before and case
    when mailbox is not null then coalesce(lower(mail_from) = lower(mailbox), false) or coalesce(lower(rcpt_to) = lower(mailbox), false)
    when domain is not null then coalesce(domain_of(mail_from) = lower(domain), false) or coalesce(domain_of(rcpt_to) = lower(domain), false)
    else client_ip <<= network or server_ip <<= network end;

-- Copies the rows of a table that an active hold concerns, each once, to held.
create function keep_held(source regclass, since timestamptz, before timestamptz, filter text) returns bigint
language plpgsql security definer set search_path = public, pg_temp as $$
declare
    columns text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
                     where attrelid = 'envelopes'::regclass and attnum > 0 and not attisdropped);
    n bigint := 0;
    active bigint[] := (select array_agg(h.id) from holds h where h.dropped_at is null and h.until > now()
                        and h.since < keep_held.before and h.before > keep_held.since);
begin
    if active is not null then
        execute format('insert into held (%1$s, hold_ids) select %1$s, ids from %2$s e cross join lateral (
                select array_agg(h.id order by h.id) as ids from holds h where h.id = any ($1) and
                concerns(h.mailbox, h.domain, h.network, h.since, h.before, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip)
            ) h where ids is not null and %3$s', columns, source, filter) using active;
        get diagnostics n = row_count;
    end if;
    return n;
end $$;

-- Drops a day whole, after copying what is held. It fails at once, with lock_not_available, while the day is being
-- loaded; call it with a lock_timeout below deadlock_timeout, so that it is the one to give way to readers and writers.
create function expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
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
    insert into expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

-- Removes misdated rows that were loaded before a time: their own time says nothing.
create function expire_misdated(loaded_before timestamptz, version text) returns table (day date, rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    lock table holds in share mode;
    kept := keep_held('misdated', '-infinity', 'infinity', format('e.loaded_at < %L', loaded_before));
    return query
    with gone as (
        delete from misdated m where m.loaded_at < loaded_before returning (m.loaded_at at time zone 'UTC')::date as d, pg_column_size(m.*) as size
    ), noted as (
        insert into expired as x (day, kind, rows, bytes, kept, version)
        select d, 'misdated', count(*), sum(size), case when d = min(d) over () then expire_misdated.kept else 0 end, expire_misdated.version from gone group by d
        returning x.day, x.rows, x.bytes, x.kept
    )
    select * from noted;
end $$;

-- Ends the holds that were dropped or whose time is over: removes the rows that no other hold keeps.
create function release_holds(version text) returns table (day date, rows bigint, bytes bigint)
language plpgsql security definer set search_path = public, pg_temp as $$
declare ended bigint[];
begin
    lock table holds in exclusive mode;
    ended := (select array_agg(id order by id) from holds where released_at is null and (dropped_at is not null or until <= now()));
    if ended is null then
        return;
    end if;
    return query
    with gone as (
        delete from held h where h.hold_ids <@ ended
        returning (h.seen_at at time zone 'UTC')::date as d, pg_column_size(h.*) as size, h.hold_ids
    ), noted as (
        insert into expired as x (day, kind, rows, bytes, hold_ids, version)
        select d, 'held', count(*), sum(size), gone.hold_ids, release_holds.version from gone group by d, gone.hold_ids
        returning x.day, x.rows, x.bytes
    )
    select * from noted;
    update held h set hold_ids = array(select unnest(h.hold_ids) except select unnest(ended) order by 1) where h.hold_ids && ended;
    update holds set released_at = now() where id = any (ended);
end $$;

-- Adds a hold. What other holds have kept already, it keeps too.
create function add_hold(mailbox text, domain text, network inet, since timestamptz, before timestamptz, until timestamptz, reason text)
returns bigint language plpgsql security definer set search_path = public, pg_temp as $$
declare h holds;
begin
    insert into holds (mailbox, domain, network, since, before, until, reason)
    values (add_hold.mailbox, lower(add_hold.domain), add_hold.network, coalesce(add_hold.since, '-infinity'),
            coalesce(add_hold.before, 'infinity'), coalesce(add_hold.until, 'infinity'), add_hold.reason) returning * into h;
    update held e set hold_ids = e.hold_ids || h.id
    where concerns(h.mailbox, h.domain, h.network, h.since, h.before, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip);
    return h.id;
end $$;

-- Ends a hold now; false where there is no such hold, or it has ended.
create function drop_hold(which bigint) returns boolean language plpgsql security definer set search_path = public, pg_temp as $$
begin
    update holds set dropped_at = now(), dropped_by = session_user where id = which and dropped_at is null and until > now();
    return found;
end $$;

revoke execute on function keep_held, expire_day, expire_misdated, release_holds, add_hold, drop_hold, begin_load, make_partitions, make_partitions_ahead from public;
