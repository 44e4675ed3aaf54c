-- Evidence: each loaded segment is a signed link of its sensor's chain, and so is each destruction. docs/evidence.md.

create table tap25.keys (
    id          integer     generated always as identity primary key,
    fingerprint bytea       not null unique,
    public_key  bytea       not null check (octet_length(public_key) = 32),
    check (fingerprint = sha256('\x302a300506032b6570032100' || public_key)), -- its DER form (RFC 8410)
    added_by    name        not null default session_user,
    added_at    timestamptz not null default clock_timestamp()
);

create table tap25.links (
    id        bigint      generated always as identity primary key,
    sensor    text        not null,
    key       integer     not null, -- of keys, without a constraint, which would lock that line in each load
    number    bigint      not null check (number > 0),
    segment   text,
    first_day date,
    last_day  date        check (last_day >= first_day),
    xid       xid,
    body      bytea       not null check (octet_length(body) between 1 and 1048576),
    signature bytea       not null check (octet_length(signature) = 64),
    added_at  timestamptz not null default clock_timestamp(),
    unique (sensor, key, number)
);
create index links_days_idx on tap25.links using gist (daterange(first_day, last_day, '[]'));

-- The head of each chain, whose row is locked while links are added.
create table tap25_internal.chains (
    sensor text    not null,
    key    integer not null,
    number bigint  not null,
    hash   bytea   not null,
    primary key (sensor, key)
);

-- Which database this is, for a sensor that remembers what it has signed for each.
create table tap25_internal.evidence (
    one      boolean     primary key default true check (one),
    database uuid        not null default gen_random_uuid(),
    since    timestamptz not null default clock_timestamp(),
    born     xid         not null default pg_current_xact_id()::xid -- its xmin, unless a dump was restored
);
insert into tap25_internal.evidence default values;

-- How many rows no link is of, since they were loaded before there were links.
create table tap25_internal.before_evidence (
    sensor text     not null,
    kind   smallint not null check (kind in (6, 9, 10)),
    day    date     not null,
    rows   bigint   not null,
    primary key (sensor, kind, day)
);
insert into tap25_internal.before_evidence
select sensor, 6, day, rows from tap25_internal.days d where rows > 0 and tap25_internal.has_partition(d.day)
union all select sensor, 9, 'epoch'::date, count(*) from tap25_internal.misdated group by sensor
union all select sensor, 10, 'epoch'::date, count(*) from tap25_internal.held group by sensor;

do $$
declare t regclass;
begin
    foreach t in array array['tap25.keys', 'tap25.links']::regclass[] loop
        execute format('create trigger stamp before insert on %s for each row execute function tap25_internal.stamp()', t);
        execute format('alter table %s enable always trigger stamp', t);
    end loop;
    foreach t in array array['tap25.keys', 'tap25.links', 'tap25_internal.evidence', 'tap25_internal.before_evidence']::regclass[] loop
        execute format('create trigger append_only before update or delete or truncate on %s execute function tap25_internal.refuse()', t);
        execute format('alter table %s enable always trigger append_only', t);
    end loop;
end $$;

-- Loads.

-- Gives the name of a segment that this transaction has entered the number (xid) of the savepoint that its rows are copied in.
create function tap25_internal.stamp_load(by_sensor text, which text) returns void language sql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select tap25_internal.claim_sensor(by_sensor);
    update tap25_internal.loads l set rows = l.rows where l.sensor = by_sensor and l.segment = which and l.loaded_at = now() $$;

-- Fails unless this login may add to a chain: a sensor may to its own, and who may drop days to that of destructions, which has no name.
create function tap25_internal.claim_chain(name text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if name <> '' then
        perform tap25_internal.claim_sensor(name);
    elsif not has_function_privilege(session_user, 'tap25_internal.expire_day(date, text)', 'execute') then
        raise 'only who may drop days signs destructions' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- Locks a chain until the end of the transaction, and returns its last link; of a chain that has none yet, the last link of the
-- sensor's chain by another key, or the rows that are older than the first chain.
create function tap25_internal.lock_chain(of_sensor text, its_key bytea)
returns table (database uuid, number bigint, hash bytea, before_key bytea, before_number bigint, before_hash bytea,
    kinds smallint[], days date[], rows bigint[])
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    its_fingerprint constant bytea := sha256(decode('302a300506032b6570032100', 'hex') || its_key);
    which integer;
begin
    perform tap25_internal.claim_chain(of_sensor);
    if not exists (select from tap25.keys k where k.fingerprint = its_fingerprint) then
        insert into tap25.keys (fingerprint, public_key) values (its_fingerprint, its_key) on conflict do nothing;
    end if;
    select k.id into strict which from tap25.keys k where k.fingerprint = its_fingerprint;
    insert into tap25_internal.chains as c (sensor, key, number, hash) values (of_sensor, which, 0, '') on conflict do nothing;
    select e.database, c.number, c.hash into database, number, hash from tap25_internal.chains c, tap25_internal.evidence e
    where c.sensor = of_sensor and c.key = which for update of c;
    if number = 0 then
        select k.fingerprint, c.number, c.hash into before_key, before_number, before_hash
        from tap25_internal.chains c join tap25.keys k on k.id = c.key
        where c.sensor = of_sensor and c.key <> which and c.number > 0
        order by (select max(l.id) from tap25.links l where l.sensor = c.sensor and l.key = c.key) desc limit 1;
        if before_key is null then
            select array_agg(b.kind order by b.kind, b.day), array_agg(b.day order by b.kind, b.day), array_agg(b.rows order by b.kind, b.day)
            into kinds, days, rows from tap25_internal.before_evidence b where b.sensor = of_sensor;
        end if;
    end if;
    return next;
end $$;

-- Which of some links a chain has.
create function tap25_internal.has_links(of_sensor text, its_fingerprint bytea, numbers bigint[], hashes bytea[]) returns boolean[]
language plpgsql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.claim_chain(of_sensor);
    return (select array_agg(exists (select from tap25.links l join tap25.keys k on k.id = l.key
                where l.sensor = of_sensor and k.fingerprint = its_fingerprint and l.number = u.n and sha256(l.body) = u.h) order by u.i)
            from unnest(numbers, hashes) with ordinality u (n, h, i));
end $$;

-- Adds links to a chain that lock_chain has locked. The rows of a segment were copied in the savepoint, or the transaction, that has
-- written its line of loads last.
create function tap25_internal.add_links(of_sensor text, its_fingerprint bytea, numbers bigint[], segments text[], first_days date[],
    last_days date[], bodies bytea[], signatures bytea[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    which integer := (select k.id from tap25.keys k where k.fingerprint = its_fingerprint);
    head  bigint;
begin
    perform tap25_internal.claim_chain(of_sensor);
    select c.number into head from tap25_internal.chains c where c.sensor = of_sensor and c.key = which for update;
    for i in 1..cardinality(numbers) loop
        if numbers[i] > head is not true then
            raise 'link % comes after link %', numbers[i], head;
        end if;
        insert into tap25.links (sensor, key, number, segment, first_day, last_day, xid, body, signature)
        values (of_sensor, which, numbers[i], segments[i], first_days[i], last_days[i],
            (select l.xmin from tap25_internal.loads l where l.sensor = of_sensor and l.segment = segments[i]), bodies[i], signatures[i]);
        head := numbers[i];
    end loop;
    update tap25_internal.chains c set number = head, hash = sha256(bodies[cardinality(bodies)]) where c.sensor = of_sensor and c.key = which;
end $$;

-- Destructions.

-- The leaf of a row: SHA-256 of 0x00 and the tuple of COPY's binary format.
create function tap25_internal.leaf(e tap25_internal.envelopes) returns bytea language sql stable
set search_path = pg_catalog, pg_temp as $$
    select sha256(decode('00001e', 'hex') || string_agg(coalesce(int4send(octet_length(f)) || f, decode('ffffffff', 'hex')), '' order by n))
    from unnest(array[timestamptz_send(e.seen_at), int8send(e.session_id), int8send(e.message_bytes), int8send(e.declared_size),
        int8send(e.lost_bytes), int4send(e.mail_no), int2send(e.client_port), int2send(e.server_port), int2send(e.outcome),
        int2send(e.mail_code), int2send(e.rcpt_code), int2send(e.data_code), int2send(e.flags), boolsend(e.auth),
        inet_send(e.client_ip), inet_send(e.server_ip), convert_to(e.sensor, 'UTF8'), convert_to(e.mail_from, 'UTF8'),
        convert_to(e.rcpt_to, 'UTF8'), convert_to(e.helo, 'UTF8'), convert_to(e.queue_id, 'UTF8'), e.mail_from_raw, e.rcpt_to_raw,
        convert_to(e.envid, 'UTF8'), convert_to(e.orcpt, 'UTF8'), convert_to(e.tls_server_name, 'UTF8'), inet_send(e.origin_ip),
        convert_to(e.network, 'UTF8'), int2send(e.origin_port), int2send(e.origin_by)]) with ordinality u (f, n) $$;

-- The leaves of rows of held that are of some days; of those that release_holds will drop, before anything can change that; of those
-- of misdated that expire_misdated will drop.
do $$
declare
    row constant text := 'row(' || (select string_agg('t.' || quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped) || ')::tap25_internal.envelopes';
    settings constant text := ' language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = ''ISO, YMD'' set timezone = ''UTC'' as ';
    leaves constant text := 'return query select (t.seen_at at time zone ''UTC'')::date, tap25_internal.leaf(' || row || ') from ';
begin
    execute 'create function tap25_internal.held_leaves(which date[]) returns table (day date, leaf bytea)' || settings || quote_literal(format(
        'begin %s tap25_internal.held t where (t.seen_at at time zone ''UTC'')::date = any (which); end', leaves));
    execute 'create function tap25_internal.released_leaves() returns table (day date, leaf bytea)' || settings || quote_literal(format(
        'begin lock table tap25.holds in exclusive mode; %s tap25_internal.held t
         where t.hold_ids <@ (select array_agg(id) from tap25.holds where released_at is null and (dropped_at is not null or until <= now())); end', leaves));
    execute 'create function tap25_internal.misdated_leaves(loaded_before timestamptz) returns table (day date, leaf bytea)' || settings || quote_literal(format(
        'begin lock table tap25.holds in share mode; %s tap25_internal.misdated t where t.loaded_at < loaded_before; end', leaves));
end $$;

-- Packing of coverage.

-- The leaf of a record of coverage, like that of a row.
create function tap25_internal.leaf(c tap25.coverage) returns bytea language sql stable
set search_path = pg_catalog, pg_temp as $$
    select sha256(decode('000019', 'hex') || string_agg(coalesce(int4send(octet_length(f)) || f, decode('ffffffff', 'hex')), '' order by n))
    from unnest(array[timestamptz_send(c.since), timestamptz_send(c.before), convert_to(c.sensor, 'UTF8'), convert_to(c.program, 'UTF8'),
        array_send(c.interfaces), convert_to(c.scope, 'UTF8'), convert_to(c.version, 'UTF8'), boolsend(c.started), boolsend(c.stopped),
        boolsend(c.clock_synchronised), interval_send(c.clock_offset), interval_send(c.clock_error), int8send(c.frames_seen),
        int8send(c.frames_read), int8send(c.ring_full), int8send(c.undecoded), int8send(c.fragments_lost), int8send(c.holes_given_up),
        int8send(c.octets_lost), int8send(c.sessions), int8send(c.sessions_encrypted), int8send(c.sessions_cut), int8send(c.rows),
        int8send(c.rows_lost), int8send(c.nic_dropped)]) with ordinality u (f, n) $$;

-- The chain that signs what this login packs of a sensor: a sensor's login packs its own, and who may drop days packs all; else null.
create function tap25_internal.packing_chain(of_sensor text) returns text language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select case when has_function_privilege(session_user, 'tap25_internal.expire_day(date, text)', 'execute') then ''
        when exists (select from tap25_internal.sensors s where s.login = session_user and s.until is null and s.sensor = of_sensor)
        then of_sensor end $$;

create function tap25_internal.coverage_over(quiet interval) returns table (day date, sensor text, chain text)
language sql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select g.day, g.sensor, p.chain
    from (select c.since::date as day, c.sensor from tap25.coverage c where not c.packed and c.since < date_trunc('day', now())
          group by 1, 2 having max(c.loaded_at) <= clock_timestamp() - quiet) g
    cross join lateral (select tap25_internal.packing_chain(g.sensor) as chain) p
    where p.chain is not null order by 1, 2 $$;

-- Records of a day become longer rows: those that follow one another, and differ in nothing but their counts. Those with losses stay
-- within an hour, so that a loss has a time. Returns the leaves of what goes, with its xmin, and of what comes, and the links of the
-- day that may be of either: all as of one snapshot, so that a load that commits meanwhile is left as it is, with its link.
create function tap25_internal.pack_coverage(which date, of_sensor text) returns table (what text, id bigint, xid bigint, octets bytea)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
#variable_conflict use_column
begin
    if tap25_internal.packing_chain(of_sensor) is null or which >= now()::date then
        raise 'only coverage of one''s own, of days that are over, is packed' using errcode = 'insufficient_privilege';
    end if;
    begin
        lock table tap25_internal.making_summaries in exclusive mode nowait;
    exception when lock_not_available then
        return;
    end;
    perform set_config('tap25.packing', 'on', true);
    return query
    with taken as (
        delete from tap25.coverage c where c.sensor = of_sensor and c.since >= which and c.since < which + 1
        returning c.*, c.xmin::text::bigint as was_xid, tap25_internal.leaf(c) as was_leaf
    ), lossy as (
        select t.*, greatest(t.ring_full, t.undecoded, t.fragments_lost, t.holes_given_up, t.octets_lost, t.sessions_cut, t.rows_lost,
            t.nic_dropped) > 0 as lossy, date_trunc('hour', t.since) as hour
        from taken t
    ), alike as (
        select l.*, jsonb_build_array(l.interfaces, l.scope, l.version, l.clock_synchronised, l.nic_dropped is null, l.lossy,
            case when l.lossy then l.hour end)::text as kind
        from lossy l
    ), headed as (
        select a.*, a.started or a.before > which + 1 or (a.lossy and a.before > a.hour + interval '1 hour')
            or lag(a.before) over w is distinct from a.since or lag(a.kind) over w <> a.kind as head
        from alike a window w as (partition by a.sensor, a.program order by a.since, a.before, a.loaded_at)
    ), numbered as (
        select h.*, count(*) filter (where h.head) over (partition by h.sensor, h.program order by h.since, h.before, h.loaded_at
            rows unbounded preceding) as part
        from headed h
    ), entered as (
        insert into tap25.coverage as e
        select min(p.since), max(p.before), p.sensor, p.program, min(p.interfaces), min(p.scope), min(p.version), bool_or(p.started),
            bool_or(p.stopped), bool_and(p.clock_synchronised),
            (array_agg(p.clock_offset order by greatest(p.clock_offset, -p.clock_offset) desc nulls last))[1], max(p.clock_error),
            sum(p.frames_seen), sum(p.frames_read), sum(p.ring_full), sum(p.undecoded), sum(p.fragments_lost), sum(p.holes_given_up),
            sum(p.octets_lost), sum(p.sessions), sum(p.sessions_encrypted), sum(p.sessions_cut), sum(p.rows), sum(p.rows_lost),
            sum(p.nic_dropped), sum(p.records), true, max(p.loaded_at)
        from numbered p group by p.sensor, p.program, p.part
        returning tap25_internal.leaf(e) as its_leaf
    )
    select case when t.packed then 'longer before' else 'minute' end, null::bigint, t.was_xid, t.was_leaf from taken t
    union all select 'longer', null, null, e.its_leaf from entered e
    union all select 'link', l.id, l.xid::text::bigint, l.body from tap25.links l
    where daterange(l.first_day, l.last_day, '[]') @> which
      and (l.sensor = of_sensor or l.sensor = '' and l.segment = of_sensor)
      and (position(decode('04', 'hex') || int4send(which - date '1970-01-01') in l.body) > 0
           or position(decode('05', 'hex') || int4send(which - date '1970-01-01') in l.body) > 0)
    order by 2;
    perform set_config('tap25.packing', 'off', true);
end $$;

-- Rights.

revoke execute on function tap25_internal.stamp_load, tap25_internal.claim_chain, tap25_internal.lock_chain,
    tap25_internal.has_links, tap25_internal.add_links, tap25_internal.leaf(tap25_internal.envelopes), tap25_internal.held_leaves,
    tap25_internal.released_leaves, tap25_internal.misdated_leaves, tap25_internal.leaf(tap25.coverage), tap25_internal.packing_chain,
    tap25_internal.coverage_over, tap25_internal.pack_coverage from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_evidence;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_evidence();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.stamp_load, tap25_internal.lock_chain, tap25_internal.has_links, tap25_internal.add_links,
            tap25_internal.coverage_over, tap25_internal.pack_coverage to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.keys, tap25.links, tap25_internal.chains, tap25_internal.evidence, tap25_internal.before_evidence to tap25_admin;
        grant execute on function tap25_internal.lock_chain, tap25_internal.has_links, tap25_internal.add_links, tap25_internal.held_leaves,
            tap25_internal.released_leaves, tap25_internal.misdated_leaves, tap25_internal.coverage_over, tap25_internal.pack_coverage to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25.keys is 'Public keys that links are signed with. Append-only. A key is a sensor''s only if its fingerprint is that of the sensor''s log.';
comment on column tap25.keys.id is 'Number of the key, links.key.';
comment on column tap25.keys.fingerprint is 'SHA-256 of the DER form of the public key.';
comment on column tap25.keys.public_key is 'The 32 octets of the Ed25519 public key.';
comment on column tap25.keys.added_by is 'The login that used the key first.';
comment on column tap25.keys.added_at is 'When it was used first, by the database''s clock.';
comment on sequence tap25.keys_id_seq is 'Gives keys.id.';
comment on table tap25.links is 'The chains of evidence: a link for each loaded segment, each destruction of rows, and each packing of coverage. Append-only; ''tap25 verify'' checks them.';
comment on column tap25.links.id is 'Number of the line, in the order of adding.';
comment on column tap25.links.sensor is 'Whose chain it is; empty: that of destructions.';
comment on column tap25.links.key is 'The key that has signed it, keys.id. Each key has a chain of its own.';
comment on column tap25.links.number is 'Number of the link in its chain.';
comment on column tap25.links.segment is 'The segment whose rows it proves, loads.segment; of packed coverage, its sensor; null: none.';
comment on column tap25.links.first_day is 'The first UTC day of the rows; null: no rows.';
comment on column tap25.links.last_day is 'The last UTC day of the rows.';
comment on column tap25.links.xid is 'The xmin of the rows. It is not signed: it says where to look.';
comment on column tap25.links.body is 'What is signed; docs/evidence.md describes it.';
comment on column tap25.links.signature is 'Ed25519 signature of body.';
comment on column tap25.links.added_at is 'When it was added, by the database''s clock.';
comment on sequence tap25.links_id_seq is 'Gives links.id.';
comment on table tap25_internal.chains is 'The last link of each chain. Adding links locks its line.';
comment on column tap25_internal.chains.sensor is 'Whose chain it is; empty: that of destructions.';
comment on column tap25_internal.chains.key is 'The key of the chain, keys.id.';
comment on column tap25_internal.chains.number is 'Number of the last link; 0: none yet.';
comment on column tap25_internal.chains.hash is 'SHA-256 of the last link''s body; empty: none yet.';
comment on table tap25_internal.evidence is 'One line: which database this is, and since when it has evidence.';
comment on column tap25_internal.evidence.one is 'Always true, so that there is one line.';
comment on column tap25_internal.evidence.database is 'Random; a sensor remembers by it what it has signed for this database.';
comment on column tap25_internal.evidence.since is 'When the schema got evidence.';
comment on column tap25_internal.evidence.born is 'The xmin of this line, unless a dump was restored: then the xmin of no row is that of its load any more.';
comment on table tap25_internal.before_evidence is 'How many rows were loaded before there was evidence: no link proves them. Append-only; a sensor''s first link signs its lines.';
comment on column tap25_internal.before_evidence.sensor is 'Name of the sensor, mail.sensor.';
comment on column tap25_internal.before_evidence.kind is '6: rows of a day''s partition, 9: all of misdated, 10: all of held.';
comment on column tap25_internal.before_evidence.day is 'UTC day; 1970-01-01 for the kinds 9 and 10.';
comment on column tap25_internal.before_evidence.rows is 'Number of rows.';
comment on function tap25_internal.stamp_load is 'Gives a segment''s line in loads, which this transaction has entered, the xmin of the rows that it copies next. For sensors, under their own name.';
comment on function tap25_internal.claim_chain is 'Refuses who may not add links to a chain.';
comment on function tap25_internal.lock_chain is 'Locks a chain, and returns its last link, and what its first link must name. For sensors, under their own name, and for who may drop days.';
comment on function tap25_internal.has_links is 'Which of some links, by number and SHA-256, a chain has. For sensors, under their own name, and for who may drop days.';
comment on function tap25_internal.add_links is 'Adds links to a chain. For sensors, under their own name, and for who may drop days.';
comment on function tap25_internal.leaf(tap25_internal.envelopes) is 'The leaf of a row in a tree of evidence: SHA-256 of 0x00 and its tuple of COPY''s binary format.';
comment on function tap25_internal.leaf(tap25.coverage) is 'The leaf of a record of coverage in a tree of evidence.';
comment on function tap25_internal.packing_chain is 'The chain that signs what this login packs of a sensor''s coverage; null: it may not.';
comment on function tap25_internal.coverage_over is 'Days that are over, and the sensors whose coverage of them this login may pack, with the chain that signs it. For sensors and administrators.';
comment on function tap25_internal.pack_coverage is 'Puts longer rows in the place of a sensor''s coverage of a day that is over; returns what whoever packs signs. For sensors, of their own, and administrators.';
comment on function tap25_internal.held_leaves is 'The leaves of the rows of held that are of some days. For administrators, who sign what is kept.';
comment on function tap25_internal.released_leaves is 'The leaves of the rows that release_holds will drop in this transaction. For administrators, who sign what they drop.';
comment on function tap25_internal.misdated_leaves is 'The leaves of the rows that expire_misdated will drop. For administrators, who sign what they drop.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_evidence is 'The part of grant_roles that is older than evidence.';
