-- What grows with the volume of mail: the width of bucket() in the indexes of a day, and prints, which get a partition for each day. A day's
-- rows are frozen once when the day is over. Questions go day by day.

-- Indexes of addresses.
--
-- bucket() returns 16 bits. An index has what its function returned when the row was loaded, so no body of these functions may ever change:
-- each width is a function of its own. A question that names another width than the day has is answered without the index, and right.

create function tap25_internal.bucket20(name text) returns int language sql immutable parallel safe return (hashtext(lower(name)) & 1048575);
create function tap25_internal.bucket24(name text) returns int language sql immutable parallel safe return (hashtext(lower(name)) & 16777215);

create table tap25_internal.expected_volume (
    one        boolean     primary key default true check (one),
    rows_a_day bigint      not null check (rows_a_day > 0),
    bits       smallint    not null check (bits in (16, 20, 24)),
    set_at     timestamptz not null default now(),
    set_by     name        not null default session_user
);

-- At most 16 rows share an entry: fewer cost octets, more cost reads.
create function tap25_internal.bits_for(rows_a_day bigint) returns smallint language sql immutable
return (case when rows_a_day <= 16::bigint << 16 then 16 when rows_a_day <= 16::bigint << 20 then 20 else 24 end)::smallint;

insert into tap25_internal.expected_volume (rows_a_day, bits)
select v.rows, tap25_internal.bits_for(v.rows)
from (select greatest(1000000, max(d.rows))::bigint as rows from (select sum(rows) as rows from tap25_internal.days group by day) d) v;

-- A partition's indexes of addresses are its own. A partitioned index would give all days the same function. PostgreSQL takes an index away
-- from a partitioned one only with the partition. ATTACH reads the day to check its times, unless the constraint in_day, which
-- 'tap25 db migrate' adds before this migration, has been validated.
do $$
declare
    days    name[];
    bounds  text[];
    parents text;
begin
    select array_agg(c.relname order by c.relname), array_agg(pg_get_expr(c.relpartbound, c.oid) order by c.relname) into days, bounds
    from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'tap25_internal.envelopes'::regclass;
    select string_agg(i.indexrelid::regclass::text, ', ') into parents
    from pg_index i where i.indrelid = 'tap25_internal.envelopes'::regclass and pg_get_indexdef(i.indexrelid) like '%tap25_internal.bucket(%';
    for i in 1 .. coalesce(cardinality(days), 0) loop
        execute format('alter table tap25_internal.envelopes detach partition tap25_internal.%I', days[i]);
    end loop;
    execute 'drop index ' || parents;
    for i in 1 .. coalesce(cardinality(days), 0) loop
        execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I %s', days[i], bounds[i]);
        execute format('alter table tap25_internal.%I drop constraint if exists in_day', days[i]);
    end loop;
end $$;

-- Makes the four indexes, in place of those of another width.
create function tap25_internal.index_day(day date) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    name   constant text := tap25_internal.partition_name(day);
    bucket constant text := (select 'bucket' || case when v.bits > 16 then v.bits::text else '' end from tap25_internal.expected_volume v);
    i      text;
begin
    for i in select c.relname from pg_index x join pg_class c on c.oid = x.indexrelid
             where x.indrelid = ('tap25_internal.' || name)::regclass and c.relname ~ '_bucket[0-9]*_idx[0-9]*$'
    loop
        execute format('drop index tap25_internal.%I', i);
    end loop;
    foreach i in array array['mail_from', 'rcpt_to', 'tap25_internal.domain_of(mail_from)', 'tap25_internal.domain_of(rcpt_to)'] loop
        execute format('create index on tap25_internal.%I (tap25_internal.%I(%s))', name, bucket, i);
    end loop;
end $$;

create or replace function tap25_internal.make_partition(day date) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' set default_table_access_method = 'heap' as $$
declare
    name constant text := tap25_internal.partition_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.envelopes including defaults including constraints)', name);
    perform tap25_internal.index_day(day);
    execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I for values from (%L) to (%L)', name,
                   to_char(day::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00', to_char((day + 1)::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00');
    perform tap25_internal.open_partition(('tap25_internal.' || name)::regclass);
end $$;

-- Days ahead of today that have no rows get their indexes anew, which takes no time. The others keep their width.
create function tap25_internal.set_volume(rows_a_day bigint) returns smallint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = '' as $$
declare
    width constant smallint := tap25_internal.bits_for(rows_a_day);
begin
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    update tap25_internal.expected_volume v set rows_a_day = set_volume.rows_a_day, bits = width, set_at = now(), set_by = session_user;
    perform tap25_internal.index_day(p.day) from tap25_internal.partitions() p
    where p.day > (now() at time zone 'UTC')::date and not exists (select from tap25_internal.days d where d.day = p.day and d.rows > 0)
    order by p.day;
    return width;
end $$;

create function tap25_internal.day_bucket(day date) returns text language sql stable set search_path = pg_catalog, pg_temp as $$
    select coalesce((select w from unnest(array['bucket24', 'bucket20']) w
        where to_regclass(format('tap25_internal.%I', tap25_internal.partition_name(day) || '_' || w || '_idx')) is not null), 'bucket')
$$;

-- A condition names the function {bucket}, which is replaced by that of the day, or of the rows aside: bucket().
create or replace function tap25_internal.mail_about(kind text, value text, condition text, since timestamptz, before timestamptz) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ';
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    d      date;
begin
    perform tap25_internal.check_may_ask();
    foreach d in array array(select tap25_internal.days_with(kind, value, first, behind)) loop
        return query execute format(question, 'mail_days') || replace(condition, '{bucket}', 'tap25_internal.' || tap25_internal.day_bucket(d))
            using value, greatest(first, d::timestamp at time zone 'UTC'), least(behind, (d + 1)::timestamp at time zone 'UTC');
    end loop;
    return query execute format(question, 'mail_aside') || replace(condition, '{bucket}', 'tap25_internal.bucket') using value, first, behind;
end $$;

create or replace function tap25.mail_from(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('mail_from', address, '{bucket}(mail_from) = {bucket}($1) and lower(mail_from) = lower($1)', since, before);
end;
create or replace function tap25.mail_to(address text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('rcpt_to', address, '{bucket}(rcpt_to) = {bucket}($1) and lower(rcpt_to) = lower($1)', since, before);
end;
create or replace function tap25.mail_from_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('from_domain', domain,
        '{bucket}(tap25_internal.domain_of(mail_from)) = {bucket}($1) and tap25_internal.domain_of(mail_from) = lower($1)', since, before);
end;
create or replace function tap25.mail_to_domain(domain text, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof tap25.mail language sql stable
begin atomic
    select * from tap25_internal.mail_about('to_domain', domain,
        '{bucket}(tap25_internal.domain_of(rcpt_to)) = {bucket}($1) and tap25_internal.domain_of(rcpt_to) = lower($1)', since, before);
end;

-- Prints by day.

create function tap25_internal.prints_name(day date) returns text language sql immutable
return 'prints_' || to_char(day::timestamp, 'YYYYMMDD');

alter table tap25_internal.prints rename to prints_before;
alter index tap25_internal.prints_pkey rename to prints_before_pkey;
create table tap25_internal.prints (
    day    date       not null,
    page   int        not null,
    prints smallint[] not null,
    primary key (day, page)
) partition by list (day);

-- Nobody but its maker knows the table before it is attached, so that no question waits.
create function tap25_internal.make_prints(day date) returns void language plpgsql set search_path = pg_catalog, pg_temp
set datestyle = 'ISO, YMD' set default_tablespace = '' set default_table_access_method = 'heap' as $$
declare
    name constant text := tap25_internal.prints_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.prints)', name);
    execute format('alter table tap25_internal.prints attach partition tap25_internal.%I for values in (%L)', name, day);
end $$;

do $$
begin
    perform tap25_internal.make_prints(s.day) from (select day from tap25_internal.summaries union select day from tap25_internal.prints_before) s order by s.day;
end $$;
insert into tap25_internal.prints select * from tap25_internal.prints_before order by day, page;

-- Each day's partition is asked by its name: a plan over all of prints would open the partitions of all days.
create or replace function tap25_internal.days_with(kind text, value text, since timestamptz, before timestamptz) returns setof date
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    hash constant bigint := tap25_internal.print_hash(kind, value);
    d    record;
    has  boolean;
begin
    for d in
        -- Each partition's name is looked up by its number, day by day: a join would read all of pg_class, which also has the indexes.
        with inherits as materialized (
            select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass
        ), parts as materialized (
            select to_date(right(c.relname, 8), 'YYYYMMDD') as day
            from inherits i cross join lateral (select c.relname from pg_class c where c.oid = i.inhrelid offset 0) c
            where translate(c.relname, '0123456789', '') = 'envelopes_' and length(c.relname) = 18
        )
        select q.day, s.bits from parts q
        left join (
            select days.day, sum(days.rows) as rows from tap25_internal.days
            where days.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date group by days.day
        ) c on c.day = q.day
        left join tap25_internal.summaries s on s.day = q.day and s.rows = c.rows
        where q.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date order by q.day
    loop
        has := true;
        if hash is not null and d.bits is not null then
            begin
                execute format('select exists (select from tap25_internal.%I p where p.page = $1 and $2 = any (p.prints))', tap25_internal.prints_name(d.day))
                    into has using tap25_internal.print_page(hash, d.bits), tap25_internal.print_of(hash);
            exception when undefined_table then -- expiry has dropped the day meanwhile
                has := true;
            end;
        end if;
        if has then
            return next d.day;
        end if;
    end loop;
end $$;

drop table tap25_internal.prints_before;

-- The prints that a summary had are deleted, not truncated: a question that began before still finds them beside that summary.
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
    if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
        execute format('delete from tap25_internal.%I', tap25_internal.prints_name(which));
    elsif exists (select from tap25_internal.days d where d.day = which and d.rows > 0) then
        perform tap25_internal.make_prints(which);
    end if;
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

-- Days that are over.

create table tap25_internal.frozen (
    day     date        primary key,
    rows    bigint      not null,
    made_at timestamptz not null default now()
);

drop function tap25_internal.days_over(interval);
create function tap25_internal.days_over(quiet interval) returns table (day date, rows bigint, summary_due boolean, reindex_due boolean, freeze_due boolean) language sql stable
security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select d.day, case when t.tied then 0 else d.rows::bigint end, s.day is null, not t.tied and d.rows >= 10000 and (r.day is null or d.rows >= r.rows * 1.1),
           not t.tied and (f.day is null or d.rows >= f.rows * 1.1)
    from (select day, sum(rows) as rows, max(loaded_at) as loaded_at from tap25_internal.days group by day) d
    cross join (select tap25_internal.is_tied() as tied) t
    left join tap25_internal.summaries s on s.day = d.day and s.rows = d.rows left join tap25_internal.reindexed r on r.day = d.day
    left join tap25_internal.frozen f on f.day = d.day
    where d.day < (now() at time zone 'UTC')::date and d.loaded_at <= now() - quiet and d.rows > 0 and tap25_internal.has_partition(d.day) $$;
revoke execute on function tap25_internal.days_over(interval) from public;

-- A question may have the prints of a day alone.
create or replace function tap25_internal.end_all_blockers(which date, older interval)
returns table (login name, application text, open_since timestamptz, ended boolean, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    held  constant regclass[] := case when which is null then array['tap25_internal.making_partitions'::regclass]
        else array['tap25_internal.envelopes'::regclass, 'tap25.holds'::regclass, to_regclass('tap25_internal.' || tap25_internal.partition_name(which)),
            'tap25_internal.prints'::regclass, to_regclass('tap25_internal.' || tap25_internal.prints_name(which))] end;
    late  constant boolean := exists (select from tap25_internal.late_days l where l.day = which and l.since < clock_timestamp() - older);
    using_it text[] := '{}';
    s     record;
begin
    for s in
        select a.pid, a.usename, a.application_name, a.xact_start, r.rolsuper or pg_has_role(a.usesysid, owner, 'member') as owns,
               clock_timestamp() - a.xact_start as age, case when a.state ~ '^idle in transaction' then clock_timestamp() - a.state_change end as idle,
               exists (select from pg_roles t where t.rolname in ('tap25_auditor', 'tap25_admin') and pg_has_role(a.usesysid, t.oid, 'member')) as reads,
               exists (select from pg_roles t where t.rolname = 'tap25_sensor' and pg_has_role(a.usesysid, t.oid, 'member')) as loads
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
        where a.pid <> pg_backend_pid() and a.leader_pid is null and exists (
            select from pg_locks l where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.relation = any (held)
            and l.database = (select d.oid from pg_database d where d.datname = current_database()))
        order by a.xact_start
    loop
        login := s.usename;
        application := s.application_name;
        open_since := s.xact_start;
        ended := false;
        reason := case when s.owns or not (s.reads or s.loads) then 'not a session that expiry ends'
                       when s.xact_start is null then format('its age is hidden: grant pg_read_all_stats, pg_signal_backend to %I', owner::regrole::name)
                       when older is null then 'expiry ends no session'
                       when s.reads and (late or s.age > older) then null
                       when s.loads and (s.age > greatest(older, '15 minutes') or s.idle > older or late and s.idle > '1 minute') then null
                       else 'not open for so long yet' end;
        if reason is null then
            begin
                ended := pg_terminate_backend(s.pid, 5000);
                raise log 'tap25: % ended the session of %, which kept the day % from being dropped', quote_ident(session_user), quote_ident(s.usename), which;
                insert into tap25_internal.ended_sessions (login, application, open_since, day) values (s.usename, s.application_name, s.xact_start, which);
            exception when insufficient_privilege then
                reason := format('the owner may not end it: grant pg_signal_backend to %I', owner::regrole::name);
            end;
        end if;
        if not ended then
            using_it := using_it || format('%s with "%s" (%s)', quote_ident(s.usename), s.application_name, reason);
        end if;
        return next;
    end loop;
    insert into tap25_internal.late_days as l (day, users) select which, array_to_string(using_it, ', ') where tap25_internal.has_partition(which)
    on conflict (day) do update set tried = excluded.tried, users = excluded.users;
end $$;

create or replace function tap25_internal.expire_day(which date, version text) returns table (rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    partition regclass;
begin
    perform tap25_internal.check_retention((which + 1)::timestamp at time zone 'UTC');
    lock table tap25.holds in share mode; -- a hold that is added now waits, and then concerns what is left
    if not tap25_internal.has_partition(which) then
        return;
    end if;
    begin
        execute format('lock table tap25_internal.%I in share row exclusive mode nowait', tap25_internal.partition_name(which));
    exception when undefined_table then
        return;
    end;
    partition := ('tap25_internal.' || tap25_internal.partition_name(which))::regclass;
    kept := tap25_internal.keep_held(partition, which::timestamp at time zone 'UTC', (which + 1)::timestamp at time zone 'UTC', 'true');
    bytes := pg_total_relation_size(partition);
    rows := coalesce((select sum(d.rows) from tap25_internal.days d where d.day = which), 0);
    execute format('drop table %s', partition);
    delete from tap25_internal.days d where d.day = which;
    if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
        execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
    end if;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.frozen f where f.day = which;
    delete from tap25_internal.late_days l where l.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

-- Rights.

revoke execute on function tap25_internal.bucket20, tap25_internal.bucket24, tap25_internal.bits_for, tap25_internal.index_day, tap25_internal.set_volume,
    tap25_internal.day_bucket, tap25_internal.prints_name, tap25_internal.make_prints from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_widths;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_widths();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.bucket20, tap25_internal.bucket24 to tap25_sensor; -- the indexes call them
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25_internal.expected_volume, tap25_internal.frozen to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on function tap25_internal.bucket20 is 'Returns 20 bits of the hash of an address or domain in lower case, for the indexes of days of more than a million rows.';
comment on function tap25_internal.bucket24 is 'Returns 24 bits of the hash of an address or domain in lower case, for the indexes of days of more than 16 million rows.';
comment on table tap25_internal.expected_volume is 'For how many rows a day the indexes of addresses of new days are made: one row, which set_volume changes.';
comment on column tap25_internal.expected_volume.one is 'True: there is one row.';
comment on column tap25_internal.expected_volume.rows_a_day is 'The rows a day that are expected.';
comment on column tap25_internal.expected_volume.bits is 'The bits of a hash that the indexes of new days have. Days that have rows keep the width with which they were made.';
comment on column tap25_internal.expected_volume.set_at is 'When that was set, by the database''s clock.';
comment on column tap25_internal.expected_volume.set_by is 'By whom.';
comment on function tap25_internal.bits_for is 'Returns how many bits of a hash the indexes of a day of so many rows have.';
comment on function tap25_internal.index_day is 'Makes a day''s four indexes of addresses in the width in force, in place of those that it has.';
comment on function tap25_internal.set_volume is 'Sets for how many rows a day the indexes of addresses of new days are made; returns the bits of a hash that they have from now on. For the owner: select tap25_internal.set_volume(100000000)';
comment on function tap25_internal.day_bucket is 'Returns the name of the function that a day''s indexes of addresses call. A wrong answer would cost time only.';
comment on function tap25_internal.prints_name is 'Returns the name of the partition of prints of a day.';
comment on function tap25_internal.make_prints is 'Makes the partition of prints of a day.';
comment on table tap25_internal.prints is 'What summaries hold: 16 bits of the hash of each address, domain and IP address of a day. A partition for each day, prints_YYYYMMDD, which is dropped with the day.';
comment on column tap25_internal.prints.day is 'The UTC day.';
comment on column tap25_internal.prints.page is 'The page: other bits of the hash.';
comment on column tap25_internal.prints.prints is 'The prints in the page, ascending, each less 32768.';
comment on table tap25_internal.frozen is 'Days whose rows were frozen after the day was over, so that no later VACUUM reads them again.';
comment on column tap25_internal.frozen.day is 'The UTC day.';
comment on column tap25_internal.frozen.rows is 'How many rows the day had then.';
comment on column tap25_internal.frozen.made_at is 'When they were frozen, by the database''s clock.';
comment on function tap25_internal.days_over is 'Returns the days that are over and to which nothing was loaded for an interval, with what is due for them. For sensors, which see no count, and administrators.';
comment on function tap25_internal.mail_about is 'Returns the mail that a condition on $1, the value, holds for, asked day by day. {bucket} in the condition stands for the function that the indexes of addresses call. The functions mail_from to mail_server call it.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_widths is 'The part of grant_roles that is older than the widths of indexes.';
