-- A question to several databases at once, each of a region that keeps its own rows, warrants and records. It goes by
-- dblink, an extension of PostgreSQL's own. 'tap25 db regions add' makes it in a schema of its own that nobody else may
-- use, since whoever may call dblink can have the server connect to any host. Without a region nothing of this needs
-- the extension.

create table tap25_internal.regions (
    region   text        primary key check (region ~ '^[[:alnum:]][[:alnum:]._-]{0,62}$'),
    conninfo text        not null check (conninfo !~* '(^|[[:space:]])(ssl)?password[[:space:]]*='),
    added_by name        not null default session_user,
    added_at timestamptz not null default clock_timestamp()
);

-- What a region answers: its rows, then one line.
do $$ begin
    execute (select format('create type tap25.mail_national as (region text, answer text, note text, %s)',
                 string_agg(format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)), ', ' order by a.attnum))
             from pg_attribute a where a.attrelid = 'tap25.mail_once'::regclass and a.attnum > 0
                 and not a.attisdropped);
end $$;

-- A value of a connection string. chr(92) is a backslash.
create function tap25_internal.conninfo_value(value text) returns text language sql immutable parallel safe
return '''' || replace(replace(value, chr(92), chr(92) || chr(92)), '''', chr(92) || '''') || '''';

-- Why a region has not answered, in words that hold no address, host, login or value: what it sent is not repeated.
create function tap25_internal.region_failure(state text, message text, detail text) returns text language sql immutable
set search_path = pg_catalog, pg_temp as $$
    select case
        when state = '08001' and detail ~ 'timeout expired' then 'no connection in time'
        when state = '08001' and detail ~ 'authentication failed|no pg_hba.conf entry|no password supplied'
            '|permission denied|is not permitted to log in'
            then 'no connection: it refuses this login'
        when state = '08001' and detail ~ 'certificate|SSL' then 'no connection: no TLS as it was asked for'
        when state = '08001' then 'no connection'
        when state ~ '^08|^57P' then 'the connection broke'
        when state = '57014' then 'not in time'
        when state = '42501' then case
            when message ~ '^the case is not open' then 'the case is not open there: open_case_national opens it'
            when message ~ '^no warrant that is valid now names this target'
                then 'no warrant that is valid there names this target'
            when message ~ '^no warrant that is valid now opens mail of this period'
                then 'no warrant that is valid there opens mail of this period'
            when message ~ '^a warrant of this case has ended' then 'a warrant has ended meanwhile'
            else 'this login may not ask there' end
        when state = '55000' and message ~ '^the answer has changed' then 'the answer changed meanwhile: ask again'
        when state = '25006' then 'it is read-only, and cannot record the question'
        when state in ('3F000', '42P01', '42883') then 'it has no such question: its schema is older, or none of tap25'
        when state = '22023' and message ~ '^a party is a mailbox or a domain'
            then 'it refuses the question: a party is a mailbox, or a domain with a dot'
        when state ~ '^22' then 'it refuses the question, or what it sent is no row of mail'
        else 'error ' || state end
$$;

-- Whoever may create in the schema of dblink could put a function in the place of one of its, which would run as the
-- owner.
create function tap25_internal.has_dblink() returns boolean language sql stable set search_path = pg_catalog,
    pg_temp as $$
    select exists (select from pg_extension e join pg_namespace n on n.oid = e.extnamespace
        join pg_roles r on r.oid = n.nspowner
        where e.extname = 'dblink' and n.nspname = 'tap25_dblink'
        and (r.rolsuper or r.oid = (select t.nspowner from pg_namespace t where t.nspname = 'tap25_internal'))
        and not exists (select from aclexplode(n.nspacl) a where a.privilege_type = 'CREATE'
            and a.grantee <> n.nspowner))
$$;

create function tap25_internal.leave_regions() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    connection text;
begin
    if not tap25_internal.has_dblink() then
        return;
    end if;
    foreach connection in array coalesce(tap25_dblink.dblink_get_connections(), '{}') loop
        if starts_with(connection, 'tap25_region_') then
            perform tap25_dblink.dblink_disconnect(connection);
        end if;
    end loop;
end $$;

-- Has each region run a query, and after its commit another, of one column each, and returns the first row of the first
-- and all of the second. Nothing here waits for a single region but its connect, for which libpq has a limit, of 2 to 3
-- s at least: so each has its share of the time that is left, and a patience of 3 s a region is not exceeded. A result
-- is read once all of it is here. A region that is late is left alone, since PostgreSQL 15 would wait for an answer to
-- a cancel: its own statement_timeout ends the query there.
create function tap25_internal.ask_regions(first text, second text, writes boolean, login name, patience interval)
returns table (region text, failure text, head text, answers text[])
language plpgsql set search_path = pg_catalog, pg_temp set client_min_messages = error as $$
#variable_conflict use_variable
declare
    -- the results: of begin, settings, commit, begin, first, commit, second
    of_first constant int := 5;
    of_all   constant int := case when second is null then 6 else 7 end;
    deadline constant timestamptz := clock_timestamp() + patience;
    its      record;
    seconds  numeric;
    names    text[] := '{}';
    done     int[] := '{}';
    heads    text[] := '{}';
    waiting  int[] := '{}';
    i        int;
    state    text;
    message  text;
    detail   text;
    context  text;
begin
    if not tap25_internal.has_dblink() or not exists (select from tap25_internal.regions) then
        raise 'there is no region to ask' using errcode = 'object_not_in_prerequisite_state',
            hint = 'Add one: tap25 db regions add NAME --url URL';
    elsif coalesce(patience not between interval '1 second' and interval '1 hour', true) then
        raise 'the patience is between a second and an hour' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.leave_regions(); -- of a question that was cancelled
    for its in select r.region, r.conninfo, row_number() over (order by r.region)::int as n, count(*) over () as regions
        from tap25_internal.regions r order by r.region
    loop
        names := names || its.region;
        done := done || 0;
        heads := heads || null::text;
        begin
            seconds := extract(epoch from deadline - clock_timestamp());
            if seconds <= 0 then
                raise 'no time is left' using errcode = 'sqlclient_unable_to_establish_sqlconnection',
                    detail = 'timeout expired';
            end if;
            perform tap25_dblink.dblink_connect_u('tap25_region_' || its.n, concat_ws(' ',
                'user=' || tap25_internal.conninfo_value(session_user), its.conninfo, 'user='
                    || tap25_internal.conninfo_value(login),
                'application_name=tap25 client_encoding=' || getdatabaseencoding(),
                'connect_timeout=' || greatest(2, floor(seconds / (its.regions - its.n + 1)) - 1)));
            seconds := greatest(0.001, extract(epoch from deadline - clock_timestamp()));
            perform tap25_dblink.dblink_send_query('tap25_region_' || its.n, concat_ws('; ', 'begin',
                format('select pg_catalog.concat(%s)', (select string_agg(format('pg_catalog.set_config(%L, %L, false)',
                    u.name, u.value), ', ')
                    from (values ('search_path', 'pg_catalog'), ('timezone', 'UTC'), ('client_min_messages', 'error'),
                        ('statement_timeout', ceil(seconds * 1000)::text),
                            ('default_transaction_isolation', 'read committed'),
                        ('default_transaction_read_only', case when writes then 'off' else 'on' end)) u (name, value))),
                'commit', 'begin', first, 'commit', second));
            waiting := waiting || its.n;
        exception when others then
            get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;
            return query select its.region, tap25_internal.region_failure(state, message, detail), null::text,
                null::text[];
        end;
    end loop;
    while waiting <> '{}' loop
        foreach i in array waiting loop
            begin
                while i = any (waiting) and tap25_dblink.dblink_is_busy('tap25_region_' || i) = 0 loop
                    answers := array(select t.x from tap25_dblink.dblink_get_result('tap25_region_'
                        || i) as t (x text));
                    done[i] := done[i] + 1;
                    if done[i] = of_first then
                        heads[i] := answers[1];
                    end if;
                    if done[i] = of_all then
                        waiting := array_remove(waiting, i);
                        return query select names[i], null::text, heads[i], answers;
                    end if;
                end loop;
                if i = any (waiting) and tap25_dblink.dblink_error_message('tap25_region_' || i) <> 'OK' then
                    raise 'the connection broke' using errcode = 'connection_failure';
                end if;
            exception when query_canceled or others then
                get stacked diagnostics state = returned_sqlstate, message = message_text,
                    context = pg_exception_context;
                if state = '57014' and context !~ 'on dblink connection' then
                    raise; -- it is this question that was cancelled, not the region's
                end if;
                waiting := array_remove(waiting, i);
                return query select names[i], tap25_internal.region_failure(state, message, null), null::text,
                    null::text[];
            end;
        end loop;
        exit when clock_timestamp() > deadline;
        perform pg_sleep(0.001);
    end loop;
    return query select names[w], tap25_internal.region_failure('57014', null, null), null::text, null::text[]
        from unnest(waiting) w;
    perform tap25_internal.leave_regions();
exception when query_canceled or others then
    perform tap25_internal.leave_regions();
    raise;
end $$;

-- What the regions have answered, as rows and lines. Nothing that a region sends is believed: rows beyond the limit are
-- left out, and one that is no row of mail makes all of the region's answer none. Columns are found by their names, so
-- that the schemas may differ by some.
create function tap25_internal.mail_of_regions(first text, rows text, writes boolean, login name, patience interval,
    most int) returns setof tap25.mail_national
language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
#variable_conflict use_variable
declare
    own   constant text := (select v.version from tap25_internal.tap25_schema_version v);
    its   record;
    shown tap25.mail_national[];
    line  tap25.mail_national;
begin
    if coalesce(most not between 1 and 1000000, true) then
        raise 'a region shows 1 to 1,000,000 rows' using errcode = 'invalid_parameter_value';
    end if;
    for its in select * from tap25_internal.ask_regions(first,
        format('select pg_catalog.row_to_json(m)::text from (select * from %s m order by m.seen_at limit %s) m', rows,
            most + 1), writes, login, patience)
    loop
        line := null;
        line.region := its.region;
        line.answer := 'no answer';
        line.note := its.failure;
        if writes and line.note is null and position(' ' in its.head) = 0 then
            line.note := 'every warrant of the case has ended there';
        end if;
        if line.note is null then
            begin
                shown := array(select jsonb_populate_record(null::tap25.mail_national, coalesce(u.t, '')::jsonb
                    || jsonb_build_object('region', its.region, 'answer', 'row', 'note', null))
                        from unnest(its.answers[:most]) u (t));
                line.answer := case when cardinality(its.answers) > most then 'cut' else 'whole' end;
                line.note := cardinality(shown) || case cardinality(shown) when 1 then ' row' else ' rows' end;
                if split_part(its.head, ' ', 1) <> own then
                    line.note := format('%s; schema version %s, here %s', line.note,
                        substring(its.head from '^[0-9]{1,9}'), own);
                end if;
                return query select * from unnest(shown);
            exception when others then
                line.note := 'what it sent is no row of mail';
            end;
        end if;
        return next line;
    end loop;
end $$;

-- Questions of those who read mail without a warrant.

create function tap25_internal.national(question text, arguments text[], since timestamptz, before timestamptz,
    patience interval, most int)
returns setof tap25.mail_national language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.check_may_ask();
    return query select * from tap25_internal.mail_of_regions('select version from tap25_internal.tap25_schema_version',
        format('tap25.%I(%s, %L, %L)', question, (select string_agg(quote_nullable(u.a), ', ' order by u.n)
            from unnest(arguments) with ordinality u (a, n)),
            since, before), false, null, patience, most);
end $$;

do $$
declare
    its record;
begin
    for its in select * from (values ('to', 'address text', 'array[address]'),
        ('from', 'address text', 'array[address]'), ('to_domain', 'domain text', 'array[domain]'),
        ('from_domain', 'domain text', 'array[domain]'), ('client', 'ip inet', 'array[ip::text]'),
        ('server', 'ip inet', 'array[ip::text]'), ('ip', 'ip inet', 'array[ip::text]'),
        ('of', 'party text', 'array[party]'),
        ('between', 'a text, b text', 'array[a, b]')) f (name, parameters, arguments)
    loop
        execute format('create function tap25.mail_national_%1$s(%2$s, since timestamptz default ''-infinity'',
            before timestamptz default ''infinity'', patience interval default ''30 seconds'', most int default 10000)
            returns setof tap25.mail_national language sql volatile
begin atomic
    select * from tap25_internal.national(%3$L, %4$s, since, before, patience, most);
end', its.name, its.parameters, 'mail_' || its.name, its.arguments);
    end loop;
end $$;

-- Questions of auditors: each region knows the login, its warrants and its openings, and records what is asked and
-- shown. The login there is that of the session here, whatever role or function it is in.

create function tap25.open_case_national(which text, purpose text, patience interval default '30 seconds')
returns table (region text, answer text, note text) language sql volatile security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select a.region, case when a.failure is not null then 'no answer' when a.head = 'true' then 'open'
        else 'refused' end,
        coalesce(a.failure, case when a.head is distinct from 'true'
            then 'no warrant that is valid there opens the case' end)
    from tap25_internal.ask_regions(format('select tap25.open_case(%L, %L)::text', which, purpose), null, true,
        session_user, patience) a
$$;

create function tap25.case_national(which text, since timestamptz default null, before timestamptz default null,
    target text default null, patience interval default '30 seconds', most int default 10000)
returns setof tap25.mail_national language sql volatile security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select * from tap25_internal.mail_of_regions(
        format('select pg_catalog.concat_ws('' '', v.version, tap25.ask_case(%L, %L, %L, %L))
            from tap25_internal.tap25_schema_version v', which, since, before, target),
        format('tap25.case_mail(%L, %L, %L, %L)', which, since, before, target), true, session_user, patience, most)
$$;

-- A logical copy (docs/operating.md) takes coverage as the first database packs it, so that it packs none itself.
create or replace function tap25_internal.coverage_over(quiet interval)
returns table (day date, sensor text, chain text)
language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select g.day, g.sensor, p.chain
    from (select c.since::date as day, c.sensor from tap25.coverage c
        where not c.packed and c.since < date_trunc('day', now())
          group by 1, 2 having max(c.loaded_at) <= clock_timestamp() - quiet) g
    cross join lateral (select tap25_internal.packing_chain(g.sensor) as chain) p
    where p.chain is not null and not exists (select from pg_subscription_rel r
        where r.srrelid = 'tap25.coverage'::regclass) order by 1, 2 $$;

-- Rights.

revoke execute on function tap25_internal.conninfo_value, tap25_internal.has_dblink, tap25_internal.region_failure,
    tap25_internal.leave_regions, tap25_internal.ask_regions, tap25_internal.mail_of_regions, tap25_internal.national,
    tap25.mail_national_to, tap25.mail_national_from, tap25.mail_national_to_domain, tap25.mail_national_from_domain,
    tap25.mail_national_client, tap25.mail_national_server, tap25.mail_national_ip, tap25.mail_national_of,
    tap25.mail_national_between, tap25.open_case_national, tap25.case_national from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_regions;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_regions();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant execute on function tap25.open_case_national, tap25.case_national to tap25_auditor;
        grant execute on function tap25_internal.national, tap25.mail_national_to, tap25.mail_national_from,
            tap25.mail_national_to_domain, tap25.mail_national_from_domain, tap25.mail_national_client,
            tap25.mail_national_server, tap25.mail_national_ip, tap25.mail_national_of,
            tap25.mail_national_between to tap25_auditor; -- to be told what to call instead
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on table tap25_internal.regions is
    'The databases that the questions with national in their names ask: tap25 db regions lists, adds and removes them.';
comment on column tap25_internal.regions.region is 'Name of the region.';
comment on column tap25_internal.regions.conninfo is
    'How its database is reached, in libpq''s keywords, without a password. user is the login of questions without a '
    'warrant; null: that of who asks. Auditors always have their own.';
comment on column tap25_internal.regions.added_by is 'The login that added it.';
comment on column tap25_internal.regions.added_at is 'When it was added, by the database''s clock.';
comment on type tap25.mail_national is
    'An answer of regions: rows with the columns of mail_once, for which answer is row, and for each region one line '
    'whose answer is whole, cut (there are more rows than most), or no answer. note says how many rows, or why none. '
    'sensors and copies are null in rows of questions that do not have each mail once.';
do $$
declare
    its record;
begin
    for its in select p.proname as name, p.oid::regprocedure as function, obj_description(q.oid, 'pg_proc') as says
        from pg_proc p join pg_proc q on q.pronamespace = p.pronamespace
            and q.proname = replace(p.proname, 'mail_national_', 'mail_')
        where p.pronamespace = 'tap25'::regnamespace and starts_with(p.proname, 'mail_national_')
    loop
        execute format('comment on function %s is %L', its.function, format(
            'Asks the %s() of each region at once. Returns rows with their region, and one line a region: whole, cut '
            '(beyond most rows), or no answer within the patience. For the owner: select * from %s(%s)',
            replace(its.name, 'mail_national_', 'mail_'), its.name,
            case when its.name ~ 'domain' then '''a.example''' when its.name ~ '(client|server|ip)$'
                then '''192.0.2.1''' when its.name ~ 'between' then '''a@a.example'', ''b.example'''
                else '''a@a.example''' end));
    end loop;
end $$;
comment on function tap25_internal.conninfo_value is
    'Returns a value as it stands in a connection string of libpq''s keywords.';
comment on function tap25_internal.region_failure is
    'Returns why a region has not answered, in words that hold no address, host, login or value.';
comment on function tap25_internal.has_dblink is
    'Returns whether dblink is in the schema tap25_dblink, and nobody but its owner, who is trusted, may create there.';
comment on function tap25_internal.leave_regions is 'Closes this session''s connections to regions.';
comment on function tap25_internal.ask_regions is
    'Has each region run one or two queries, as a login, in a transaction each, at once, and returns what they gave, '
    'or why not. It ends within the patience, if that is 3 s for each region.';
comment on function tap25_internal.mail_of_regions is 'Returns the rows that regions give, and a line for each region.';
comment on function tap25_internal.national is 'Asks the regions for mail, for those who may read mail.';
comment on function tap25.open_case_national is
    'Opens a case in each region for twelve hours, where the login of the same name has a warrant, and records the '
    'purpose there. For auditors: select * from open_case_national(''2026-17'', ''complaint of a@a.example'')';
comment on function tap25.case_national is
    'Asks a case in each region at once, which records the question, and then returns its rows with their region, and '
    'one line a region: whole, cut (beyond most rows), or no answer within the patience. For auditors: select * from '
    'case_national(''2026-17'')';
comment on function tap25_internal.grant_roles is
    'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 '
    'db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_regions is 'The part of grant_roles that is older than regions.';
