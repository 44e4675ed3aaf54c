-- Days: who makes a partition, when, and where the rows go that get none.

-- Rows whose day gets no partition: the reason is the clock that dated them.
create table misdated (
    like envelopes,
    reason    text        not null,
    loaded_at timestamptz not null default now()
);
create index on misdated (bucket(mail_from));
create index on misdated (bucket(rcpt_to));
create index on misdated (bucket(domain_of(mail_from)));
create index on misdated (bucket(domain_of(rcpt_to)));
create index on misdated (client_ip);
create index on misdated (server_ip);

-- How many rows of a day were loaded, counted by the load itself, so that nobody has to count a day.
create table days (
    day       date        not null,
    sensor    text        not null,
    rows      bigint      not null,
    loaded_at timestamptz not null default now(),
    primary key (day, sensor)
);
insert into days (day, sensor, rows)
select (seen_at at time zone 'UTC')::date, sensor, count(*) from envelopes group by 1, 2;

create function partition_name(day date) returns text language sql immutable
return 'envelopes_' || to_char(day::timestamp, 'YYYYMMDD');

-- Asks with the snapshot of its own call: what another transaction has just committed must be seen.
create function has_partition(day date) returns boolean language sql volatile security definer set search_path = public, pg_temp as
$$ select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                  where i.inhparent = 'envelopes'::regclass and c.relname = partition_name(day)) $$;

-- The days that have a partition, and what it takes with its indexes.
create function partitions() returns table (day date, bytes bigint) language sql stable as
$$ select to_date(right(c.relname, 8), 'YYYYMMDD'), pg_total_relation_size(c.oid) from pg_inherits i join pg_class c on c.oid = i.inhrelid
   where i.inhparent = 'envelopes'::regclass and c.relname ~ '^envelopes_\d{8}$' $$;

-- Three years of days. A question that is not bounded in time locks each partition and its indexes: replace this
-- function by one with a larger number only after raising max_locks_per_transaction.
create function max_partitions() returns int language sql immutable return 1100;

-- Attached, not made in place: that leaves readers and writers of the other days alone.
create function make_partition(day date) returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    execute format('create table %I (like envelopes including defaults including constraints)', partition_name(day));
    execute format('alter table envelopes attach partition %I for values from (%L) to (%L)', partition_name(day),
                   day::timestamp at time zone 'UTC', (day + 1)::timestamp at time zone 'UTC');
end $$;
revoke execute on function make_partition from public;

-- Makes the partition of a day where it is missing; returns why the day gets none, or null. Under the lock of making.
--
-- Days before 1990 and more than two days ahead of the database's clock are misdated. So is any day that would need a
-- new partition more than a week back when there are max_partitions() already: a wrong clock can make no more than that.
create function ensure_partition(day date) returns text language plpgsql security definer set search_path = public, pg_temp as $$
declare
    today date := (now() at time zone 'UTC')::date;
begin
    if day < '1990-01-01' then
        return 'before 1990';
    elsif day > today + 2 then
        return 'ahead of the clock';
    elsif not has_partition(day) then
        if day < today - 7 and (select count(*) from pg_inherits where inhparent = 'envelopes'::regclass) >= max_partitions() then
            return 'too many days';
        end if;
        perform make_partition(day);
    end if;
    return null;
end $$;
revoke execute on function ensure_partition from public;

create function lacks_partition(which date[]) returns boolean language sql volatile as
$$ select exists (select from unnest(which) d where d between '1990-01-01' and (now() at time zone 'UTC')::date + 2 and not has_partition(d)) $$;

-- Makes the partitions of these days, as far as they get one.
create function make_partitions(which date[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if lacks_partition(which) then
        perform pg_advisory_xact_lock(25, -2147483648);
        perform ensure_partition(d) from unnest(which) d;
    end if;
end $$;

-- Prepares a load: makes the partitions of its days, counts its rows, and returns the days that get none, with the
-- reason; rows of those go to misdated. Call it once in a transaction, with all days, before the first row.
--
-- The locks, always taken in this order: the row of loads; the days, ascending, shared by who loads into them and
-- exclusive for who drops them; the making of partitions; envelopes; a partition; the rows of days, ascending.
create function begin_load(by_sensor text, which date[], counts bigint[]) returns table (misdated_day date, misdated_reason text)
language plpgsql security definer set search_path = public, pg_temp set datestyle = iso as $$
declare
    reasons jsonb := '{}';
    reason  text;
    d       date;
begin
    for d in select w from unnest(which) w order by w loop
        perform pg_advisory_xact_lock_shared(25, d - date '2000-01-01');
    end loop;
    if lacks_partition(which) then
        perform pg_advisory_xact_lock(25, -2147483648);
    end if;
    for d in select w from unnest(which) w order by w loop
        reason := ensure_partition(d);
        if reason is not null then
            reasons := reasons || jsonb_build_object(d, reason);
        end if;
    end loop;
    insert into days as t (day, sensor, rows)
    select w, by_sensor, n from unnest(which, counts) as u (w, n) where not reasons ? w::text order by w
    on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = now();
    return query select key::date, value from jsonb_each_text(reasons);
end $$;

-- Makes the partitions of today and of the days to come, by the database's clock.
create function make_partitions_ahead(n int) returns int
language plpgsql security definer set search_path = public, pg_temp as $$
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
        if not has_partition(d) then
            perform make_partition(d);
            made := made + 1;
        end if;
    end loop;
    return made;
end $$;
