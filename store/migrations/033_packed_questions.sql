-- Questions about packed days.

-- Whether an address is what a question of a kind is about. Two are in no index: a local part, at any domain, and the
-- domains below one.
create function tap25_internal.address_is(address text, kind text, wanted text) returns boolean
language sql immutable parallel safe
return case when kind in ('from_domain', 'to_domain') then tap25_internal.domain_of(address) = wanted
    when kind in ('from_local', 'to_local') then tap25_internal.local_part(address) = wanted
    when kind in ('from_below', 'to_below') then tap25_internal.is_of(address, wanted)
    else lower(address) = wanted end;

-- The numbers of the addresses of a block that a question of a kind is about. Texts without capitals are sorted by the
-- domain that they begin with, so bisection finds those that may have the domain. All other texts are searched, and all
-- texts if the domain is not known.
create function tap25_internal.block_numbers(kind text, value text, chunks text[], mixed integer, odd text[])
returns integer[]
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
    whole   constant boolean := kind in ('from_domain', 'to_domain');
    wanted  constant text := lower(value);
    domain  constant text := case when whole then wanted
        when wanted like '%@_%' and right(wanted, 1) <> '@' then split_part(wanted, '@', -1) else '' end;
    local   constant text := case when domain = '' then wanted else left(wanted, -1 - length(domain)) end;
    any_    constant boolean := kind in ('from_local', 'to_local', 'from_below', 'to_below');
    part    constant text := case when any_ then ltrim(wanted, '.') else domain || chr(9) end; -- of a text with one
    many    constant integer := coalesce(cardinality(chunks), 0);
    low     integer := 1;
    high    integer := case when any_ then 0 else least(mixed - 1, many) end + 1;
    last    constant integer := high - 1;
    text_   text;
    before  integer;
    names   text[];
    numbers integer[] := '{}';
begin
    while low < high loop -- the first text that begins with the domain, or a later one
        if split_part(chunks[(low + high) / 2], chr(9), 1) collate "C" >= domain collate "C" then
            high := (low + high) / 2;
        else
            low := (low + high) / 2 + 1;
        end if;
    end loop;
    for n in greatest(low - 1, 1)..last loop
        text_ := chunks[n];
        exit when split_part(text_, chr(9), 1) collate "C" > domain collate "C";
        before := strpos(chr(10) || text_, chr(10) || domain || chr(9));
        continue when before = 0;
        names := string_to_array(split_part(substr(text_, before), chr(10), 1), chr(9));
        -- Each tab is before an address.
        before := (n - 1) * 64 + before - 1 - length(replace(left(text_, before - 1), chr(9), ''));
        if whole then
            numbers := numbers || array(select before + i from generate_series(1, cardinality(names) - 1) i);
        elsif local = any (names[2:]) then
            numbers := numbers || before + array_position(names, local, 2) - 1;
        end if;
    end loop;
    if many > last then
        numbers := numbers || array(
            select a.i from unnest(chunks[last + 1:]) with ordinality c (text, n)
            cross join lateral (select ((last + c.n - 1) * 64 + row_number() over ())::integer as i,
                    case when g.names[1] = '' then l else l || '@' || g.names[1] end as address
                from unnest(string_to_array(c.text, chr(10))) x
                cross join lateral (select string_to_array(x, chr(9)) as names offset 0) g
                cross join lateral unnest(g.names[2:]) l) a
            where strpos(lower(c.text), part) > 0 and tap25_internal.address_is(a.address, kind, wanted));
    end if;
    if odd is not null then
        numbers := numbers || array(select (tap25_internal.count_addresses(chunks) + o.n)::integer
            from unnest(odd) with ordinality o (address, n)
            where tap25_internal.address_is(o.address, kind, wanted));
    end if;
    return numbers;
end $$;

-- The query of rows of envelopes as one of mail.
create function tap25_internal.as_mail(source text) returns text language sql stable
set search_path = pg_catalog, pg_temp set quote_all_identifiers = off as $$
    select regexp_replace(pg_get_viewdef('tap25_internal.mail_days'::regclass), 'FROM tap25_internal.envelopes;$',
        'FROM (') || source || ') envelopes'
$$;

-- The packed days that may have a value, and the blocks that may have it; without a hash, all packed days. The lines of
-- a page in a month are next to each other in the index, and a bitmap scan asks the disk for all of them before it
-- waits for the first. The i-th value is at the i-th set bit, and each bit before it that is not set stands for a
-- block.
create function tap25_internal.blocks_with(hash bigint, since date, before date)
returns table (day date, blocks integer[]) language plpgsql stable
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set enable_seqscan = off
set enable_indexscan = off set effective_io_concurrency = 100 as $$
declare
    m record;
begin
    if hash is null then
        return query select distinct k.day, null::integer[] from tap25_internal.packs k
            where k.day between since and before order by k.day;
        return;
    end if;
    for m in select to_char(k.day, 'YYYYMM') as month,
                 array_agg(distinct tap25_internal.print_page(hash, k.bits)) as pages
             from tap25_internal.packs k where k.day between since and before group by 1 order by 1
    loop
        return query execute format('select q.day, array_agg(distinct q.first + place - i)
            from tap25_internal.%I q join tap25_internal.packs k using (day, first)
            cross join lateral unnest(array_positions(q.prints, $2)) i
            cross join lateral unnest(tap25_internal.bit_positions(q.blocks, array[i])) place
            where q.page = any ($3) and q.page = tap25_internal.print_page($1, k.bits) and q.day between $4 and $5
            group by q.day order by q.day', 'block_prints_' || m.month)
            using hash, tap25_internal.print_of(hash), m.pages, since, before;
    end loop;
end $$;

create function tap25_internal.packed_about(kind text, value text, condition text, since timestamptz,
    before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question text;
    hash     constant bigint := case when kind !~ '_(local|below)$' then tap25_internal.print_hash(kind, value) end;
    network  inet;
    found_   tap25_internal.envelopes[] := '{}';
    p        record;
    b        tap25_internal.blocks;
begin
    if kind in ('client', 'server') then
        network := coalesce(value, substring(condition from '''([^'']*)''::inet'))::inet;
    end if;
    for p in select d.day, d.blocks from tap25_internal.blocks_with(hash, (since at time zone 'UTC')::date,
        (before at time zone 'UTC')::date) d
    loop
        -- Only after a day was found: as_mail locks envelopes, and that lock keeps every day from being dropped.
        question := 'select * from (' || tap25_internal.as_mail('select * from unnest($4)')
            || ') m where seen_at >= $2 and seen_at < $3 and ' || condition;
        -- A variable leaves the arrays of a block in TOAST until they are used. A query that calls unpack copies them
        -- all.
        for b in execute format('select * from tap25_internal.%I where last_at >= $1 and first_at < $2
                and ($3 is null or number = any ($3)) order by number', tap25_internal.blocks_name(p.day))
            using since, before, p.blocks
        loop
            found_ := found_ || array(select u.e from tap25_internal.unpack(b, kind, value, network) u);
            if cardinality(found_) > 1000 then
                return query execute question using value, since, before, found_;
                found_ := '{}';
            end if;
        end loop;
    end loop;
    if cardinality(found_) > 0 then
        return query execute question using value, since, before, found_;
    end if;
end $$;

-- No day is packed yet.
do $$ begin
    execute 'create view tap25_internal.mail_packed as '
        || tap25_internal.as_mail('select * from tap25_internal.envelopes where false');
end $$;

create or replace view tap25.mail as
select * from (select * from tap25_internal.mail_days union all select * from tap25_internal.mail_packed
    union all select * from tap25_internal.mail_aside) as rows where seen_at >= '-infinity';

create or replace function tap25_internal.mail_about(kind text, value text, condition text, since timestamptz,
    before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ';
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    d      date;
begin
    perform tap25_internal.check_may_ask();
    foreach d in array array(select tap25_internal.days_with(kind, value, first, behind)) loop
        return query execute format(question, 'mail_days')
            || replace(condition, '{bucket}', 'tap25_internal.' || tap25_internal.day_bucket(d))
            using value, greatest(first, d::timestamp at time zone 'UTC'),
                least(behind, (d + 1)::timestamp at time zone 'UTC');
    end loop;
    return query select * from tap25_internal.packed_about(kind, value,
        replace(condition, '{bucket}', 'tap25_internal.bucket'), first, behind);
    return query execute format(question, 'mail_aside') || replace(condition, '{bucket}', 'tap25_internal.bucket')
        using value, first, behind;
end $$;

-- What no index finds. Of packed days this opens the blocks of the time, and unpacks the rows that it is about.
create function tap25_internal.mail_read(kind text, value text, since timestamptz, before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
    wanted    constant text := lower(value);
    condition constant text := format('tap25_internal.address_is(%s, %L, $1)',
        case when kind ~ '^from_' then 'mail_from' else 'rcpt_to' end, kind);
    question  constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ' || condition;
begin
    return query execute format(question, 'mail_days') using wanted, since, before;
    return query select * from tap25_internal.packed_about(kind, wanted, condition, since, before);
    return query execute format(question, 'mail_aside') using wanted, since, before;
end $$;

create or replace function tap25.mail_local_part(local text, since timestamptz, before timestamptz)
returns setof tap25.mail_once language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    perform tap25_internal.check_may_ask();
    perform tap25_internal.check_days_read(since, before);
    return query execute 'select * from (' || tap25_internal.once_query('
            select * from tap25_internal.mail_read(''from_local'', $1, $2, $3)
            union all select * from tap25_internal.mail_read(''to_local'', $1, $2, $3) m
                where tap25_internal.local_part(m.mail_from) is distinct from lower($1)')
        || ') as once where once.seen_at >= $4 and once.seen_at < $5'
        using local, since - interval '1 hour', before + interval '1 hour', since, before;
end $$;

create or replace function tap25_internal.mail_of_party(party text, sent boolean, since timestamptz, before timestamptz)
returns setof tap25.mail language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
begin
    if tap25_internal.is_mailbox(party) then
        if sent then
            return query select * from tap25.mail_from(party, since, before);
        else
            return query select * from tap25.mail_to(party, since, before);
        end if;
    elsif left(party, 1) = '.' then
        return query select * from tap25_internal.mail_read(case when sent then 'from_below' else 'to_below' end, party,
            since, before);
    elsif coalesce(position('.' in party), 0) = 0 then
        raise 'a party is a mailbox or a domain; a domain with a dot before it is meant with its subdomains'
            using errcode = 'invalid_parameter_value',
            hint = 'A domain of one label is written with the dot, such as .localhost; a local part is for '
                || 'mail_local_part().';
    elsif sent then
        return query select * from tap25.mail_from_domain(party, since, before);
    else
        return query select * from tap25.mail_to_domain(party, since, before);
    end if;
end $$;

-- Rights.

revoke all on tap25_internal.mail_packed from public;
revoke execute on function tap25_internal.block_numbers, tap25_internal.as_mail, tap25_internal.blocks_with,
    tap25_internal.packed_about, tap25_internal.address_is,
    tap25_internal.mail_read from public;

-- Comments.

comment on view tap25_internal.mail_packed is
    'The mail of packed days; a part for each day, so that a question about a time opens no other day. Made anew when '
    'a day is packed.';

do $$
declare
    c record;
begin
    for c in select attname, col_description(attrelid, attnum) as text from pg_attribute
             where attrelid = 'tap25_internal.mail_days'::regclass and attnum > 0 loop
        execute format('comment on column tap25_internal.mail_packed.%I is %L', c.attname, c.text);
    end loop;
end $$;

comment on function tap25_internal.address_is is 'Returns whether an address is what a question of a kind is about.';
comment on function tap25_internal.mail_read is
    'Returns the mail of a local part or of the domains below one, which no index finds: reads all of a time.';
comment on function tap25_internal.block_numbers is
    'Returns the numbers of the addresses of a block that a question is about.';
comment on function tap25_internal.as_mail is
    'Returns the query that shows rows of envelopes, which another query gives, as mail does.';
comment on function tap25_internal.blocks_with is
    'Returns the packed days that may have a value, by its hash, and which blocks do; without a hash all days.';
comment on function tap25_internal.packed_about is 'The part of mail_about that asks packed days.';
