-- What was granted, read, held and dropped is only ever added to. A warrant's time is the clock's, not the transaction's.

-- Stamps a new row with who adds it and when, whatever was given.
create function tap25_internal.stamp() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    case tg_table_name
        when 'accesses' then
            new.auditor := session_user;
            new.at := clock_timestamp();
            new.xid := pg_current_xact_id();
        when 'warrants' then
            new.granted_by := session_user;
            new.granted_at := clock_timestamp();
        when 'warrant_events' then
            new.by := session_user;
            new.at := clock_timestamp();
        when 'retentions' then
            new.set_by := session_user;
            new.set_at := clock_timestamp();
        when 'expired' then
            new.dropped_by := session_user;
            new.dropped_at := clock_timestamp();
        when 'ended_sessions' then
            new.ended_by := session_user;
            new.at := clock_timestamp();
        when 'holds' then
            new.added_by := session_user;
            new.added_at := clock_timestamp();
            new.dropped_by := null;
            new.dropped_at := null;
            new.released_at := null;
    end case;
    return new;
end $$;

-- Warrants. The table has what was granted and never changes; what happens to a warrant later is an event. The view shows both
-- together: valid_until is the earlier of what was granted and what an event says.

alter table tap25.warrants set schema tap25_internal;
alter table tap25_internal.warrants alter granted_at set default clock_timestamp();
drop function tap25_internal.may_read(tap25_internal.warrants);

create table tap25.warrant_events (
    id          bigint      generated always as identity primary key,
    warrant_id  bigint      not null references tap25_internal.warrants,
    action      text        not null check (action in ('migrated', 'granted', 'ended')),
    valid_until timestamptz,                                   -- of a warrant that was ended: from when on it opens nothing
    reason      text,
    by          name        not null default session_user,
    at          timestamptz not null default clock_timestamp(),
    check ((action = 'ended') = (valid_until is not null))
);
create index on tap25.warrant_events (warrant_id);
-- A warrant from before there were events keeps the granted_by and granted_at that were recorded then.
insert into tap25.warrant_events (warrant_id, action) select id, 'migrated' from tap25_internal.warrants order by id;

create view tap25.warrants as
select w.case_id, w.auditor, w.mailbox, w.domain, w.network, w.since, w.before,
       least(w.valid_until, (select min(e.valid_until) from tap25.warrant_events e where e.warrant_id = w.id)) as valid_until,
       w.reason, w.id, w.granted_by, w.granted_at
from tap25_internal.warrants w;

-- Whoever was let read the table reads the view. A view that a user has made of the table goes on showing what was granted.
do $$
declare reader record;
begin
    for reader in select a.grantee::regrole as role from pg_class c cross join aclexplode(c.relacl) a
        where c.oid = 'tap25_internal.warrants'::regclass and a.privilege_type = 'SELECT' and a.grantee not in (0, c.relowner) loop
        execute format('grant select on tap25.warrants to %s', reader.role);
    end loop;
end $$;

create function tap25_internal.note_grant() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    insert into tap25.warrant_events (warrant_id, action) values (new.id, 'granted');
    return null;
end $$;

-- Ends a warrant, at once; false where there is no such warrant, or it has ended.
create function tap25.end_warrant(which bigint, reason text) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if coalesce(reason, '') = '' then
        raise 'say what the warrant is ended for';
    end if;
    insert into tap25.warrant_events (warrant_id, action, valid_until, reason)
    select w.id, 'ended', clock_timestamp(), end_warrant.reason from tap25.warrants w where w.id = which and w.valid_until > clock_timestamp();
    return found;
end $$;

-- What INSERT and UPDATE of the view do. A warrant can be granted, and its end be brought forward; a time that is past is now.
create function tap25_internal.change_warrant() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    wanted constant timestamptz := new.valid_until;
    moment constant timestamptz := clock_timestamp();
begin
    if tg_op = 'INSERT' then
        insert into tap25_internal.warrants as w (case_id, auditor, mailbox, domain, network, since, before, valid_until, reason)
        values (new.case_id, new.auditor, new.mailbox, new.domain, new.network, new.since, new.before, new.valid_until, new.reason)
        returning w.id, w.granted_by, w.granted_at into new.id, new.granted_by, new.granted_at;
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
create trigger change instead of insert or update on tap25.warrants for each row execute function tap25_internal.change_warrant();
create trigger append_only instead of delete on tap25.warrants for each row execute function tap25_internal.refuse();

-- Accesses: each has a number, which is given before anything is looked at and which no rollback gives back.

drop trigger append_only on tap25.accesses;
alter table tap25.accesses
    add id               bigint generated always as identity primary key,
    add opening          bigint,      -- of a read: the number of the opening that it was made under
    add warrant_ids      bigint[],    -- that opened something then
    add targets          text[],      -- of these warrants: addresses, domains and networks
    add since            timestamptz, -- of these warrants: the earliest, and the latest
    add before           timestamptz,
    add refusal          text,        -- why, where action is refused
    add client_addr      inet,
    add client_port      int,
    add application_name text,
    add backend_pid      int,
    alter client_addr set default inet_client_addr(),
    alter client_port set default inet_client_port(),
    alter application_name set default current_setting('application_name'),
    alter backend_pid set default pg_backend_pid(),
    drop constraint accesses_action_check,
    add constraint accesses_action_check check (action in ('open', 'read', 'refused'));
create index on tap25.accesses (auditor, at) where action = 'open';

-- The numbers that have no line: of a read or an opening that was undone or refused by an error, which the server's log tells;
-- of one that is under way; or, up to 32 in a row, of a server that crashed.
-- A standby's sequence is ahead by the up to 32 numbers that the primary has in reserve.
create view tap25.missing_accesses as
select first, last, after, before from (
    select lag(id, 1, 0::bigint) over (order by id) + 1 as first, id - 1 as last, lag(at) over (order by id) as after, at as before
    from (select id, at from tap25.accesses union all select last_value + 1, null from tap25.accesses_id_seq
          where is_called and not pg_is_in_recovery()) numbers
) gaps where first <= last;

create function tap25_internal.may_read(auditor name, valid_until timestamptz) returns boolean language sql volatile
set search_path = pg_catalog, pg_temp as
$$ select valid_until > clock_timestamp() and (auditor = session_user or
   exists (select from pg_roles r where r.rolname = auditor and pg_has_role(session_user, r.oid, 'member'))) $$;

-- The warrants that open a case to this user at this moment.
create function tap25_internal.valid_warrants(which text) returns bigint[] language sql volatile
set search_path = pg_catalog, pg_temp as
$$ select coalesce(array_agg(w.id order by w.id), '{}') from tap25.warrants w where w.case_id = which and tap25_internal.may_read(w.auditor, w.valid_until) $$;

-- Gives an access its number, and writes it to the server's log, where it stays whatever becomes of the transaction. The line has
-- nothing that a user has made up: the case is named by its warrants.
create function tap25_internal.begin_access(what text, which text) returns bigint language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning as $$
declare
    number bigint;
begin
    if current_setting('transaction_read_only')::boolean then -- of a standby too: no number can be given there
        raise log 'tap25: % by user % is refused: the transaction is read-only', what, to_json(session_user::text);
        raise 'cases are opened and read in a transaction that is not read-only, so that it is recorded' using errcode = 'read_only_sql_transaction';
    end if;
    number := nextval('tap25.accesses_id_seq');
    raise log 'tap25: access %: % by user %, warrants of the case %', number, what, to_json(session_user::text),
        (select coalesce((array_agg(w.id order by w.id))[:100], '{}') from tap25_internal.warrants w where w.case_id = which);
    return number;
end $$;

create function tap25_internal.log_refusal(number bigint, why text) returns void language plpgsql
set search_path = pg_catalog, pg_temp set client_min_messages = warning as
$$ begin raise log 'tap25: access % is refused: %', number, why; end $$;

create function tap25_internal.record_access(number bigint, which text, action text, warrants bigint[], purpose text default null,
    rows bigint default null, opening bigint default null, refusal text default null)
returns void language plpgsql set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, case_id, action, purpose, rows, opening, refusal, warrant_ids, targets, since, before) overriding system value
    select number, which, record_access.action, record_access.purpose, record_access.rows, record_access.opening, record_access.refusal, warrants,
           array_agg(coalesce(w.mailbox, w.domain, w.network::text) order by w.id), min(w.since), max(w.before)
    from tap25_internal.warrants w where w.id = any (warrants);
end $$;

drop function tap25.open_case(text, text);

-- Opens a case for twelve hours; this must be committed before the case can be read. False where no warrant opens it: that is
-- recorded like an opening, which an error would undo.
create function tap25.open_case(which text, purpose text) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning as $$
declare
    number   constant bigint := tap25_internal.begin_access('open', which);
    refusal  constant text := 'no warrant that is valid now opens the case';
    warrants bigint[];
begin
    perform tap25_internal.check_isolation(number);
    if coalesce(purpose, '') = '' or length(purpose) > 1000 then
        perform tap25_internal.log_refusal(number, 'no purpose');
        raise 'say what the case is opened for, in up to 1,000 characters';
    end if;
    warrants := tap25_internal.valid_warrants(which);
    if warrants = '{}' then
        perform tap25_internal.log_refusal(number, refusal);
        perform tap25_internal.record_access(number, left(coalesce(which, ''), 200), 'refused', '{}', purpose => open_case.purpose, refusal => refusal);
        raise warning 'no warrant that is valid now opens this case; the attempt is recorded' using errcode = 'insufficient_privilege';
        return false;
    end if;
    perform tap25_internal.record_access(number, which, 'open', warrants, purpose => open_case.purpose);
    return true;
end $$;

-- A snapshot that is older than the end of a warrant shows it as valid still.
create function tap25_internal.check_isolation(number bigint) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform tap25_internal.log_refusal(number, 'not READ COMMITTED');
        raise 'cases are opened and read in the isolation level READ COMMITTED only' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- The mail that a case's warrants open, each row once. All of it is read at the call, however slowly it is fetched.
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
        where tap25_internal.concerns(w.mailbox, w.domain, w.network, w.since, w.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip)
          and not exists (select from tap25_internal.warrants x where x.id = any (done) and
              tap25_internal.concerns(x.mailbox, x.domain, x.network, x.since, x.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip));
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

-- Retention. The last line is in force; days that it keeps are not dropped, whoever asks for that.

create table tap25.retentions (
    id     bigint      generated always as identity primary key,
    kept   interval    check (kept between '1 day' and '1000 years'), -- null: for ever
    set_by name        not null default session_user,
    set_at timestamptz not null default clock_timestamp()
);

-- Sets how long days are kept, null for ever. Only the owner makes it shorter, than two years where none is stored.
create function tap25.set_retention(kept interval) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    stored interval;
begin
    if kept not between '1 day' and '1000 years' then
        raise 'a retention is a day to 1000 years, or null for ever';
    end if;
    lock table tap25.retentions in share row exclusive mode;
    select r.kept into stored from tap25.retentions r order by r.id desc limit 1;
    stored := case when found then stored else '2 years' end;
    if tap25_internal.is_tied() and kept is not null and (stored is null or now() - kept > now() - stored) then
        raise 'only the owner of the database''s schema makes the retention shorter than %', coalesce(stored::text, 'for ever') using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.retentions (kept) values (set_retention.kept);
end $$;

-- A hold that was added meanwhile does not show in an older snapshot.
create function tap25_internal.check_snapshot() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise 'days are dropped and holds released in the isolation level READ COMMITTED only' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- Fails where the retention keeps something of what is older than a time.
create function tap25_internal.check_retention(older timestamptz) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    r      tap25.retentions;
    cutoff date;
begin
    perform tap25_internal.check_snapshot();
    select * into r from tap25.retentions order by id desc limit 1;
    if not found then
        raise 'no retention is stored, so nothing is dropped: select set_retention(interval)' using errcode = 'insufficient_privilege';
    end if;
    cutoff := ((clock_timestamp() at time zone 'UTC')::date - r.kept)::date;
    if cutoff is null or older is null or older > cutoff::timestamp at time zone 'UTC' then
        raise 'the retention of % keeps this: days from % on; % set it on %', coalesce(r.kept::text, 'for ever'), coalesce(cutoff::text, 'the first'),
            to_json(r.set_by::text), to_char(r.set_at, 'YYYY-MM-DD') using errcode = 'insufficient_privilege';
    end if;
end $$;

-- As before, and no day that the retention keeps.
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
    delete from tap25_internal.prints p where p.day = which;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.late_days l where l.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version) values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $$;

create or replace function tap25_internal.expire_misdated(loaded_before timestamptz, version text) returns table (day date, rows bigint, bytes bigint, kept bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.check_retention(loaded_before);
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
    perform tap25_internal.check_snapshot();
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

-- As before, for no day that is kept.
alter function tap25_internal.end_blockers(date, interval) rename to end_all_blockers;
create function tap25_internal.end_blockers(which date, older interval)
returns table (login name, application text, open_since timestamptz, ended boolean, reason text)
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if which is not null then
        perform tap25_internal.check_retention((which + 1)::timestamp at time zone 'UTC');
    end if;
    return query select * from tap25_internal.end_all_blockers(which, older);
end $$;

-- Of a hold only its end is written, once.
create function tap25_internal.change_hold() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    was tap25.holds := old;
begin
    if was.dropped_at is null and new.dropped_at is not null then
        new.dropped_by := session_user;
        new.dropped_at := clock_timestamp();
        was.dropped_by := new.dropped_by;
        was.dropped_at := new.dropped_at;
    end if;
    if was.released_at is null and new.released_at is not null then
        new.released_at := clock_timestamp();
        was.released_at := new.released_at;
    end if;
    if new is distinct from was then
        raise 'a hold is not changed, it is append-only: drop it, and add another' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $$;

alter table tap25.expired add dropped_by name; -- null: not recorded then
alter table tap25.expired alter dropped_by set default session_user;

-- ALWAYS: session_replication_role does not turn them off.
do $$
declare t text;
begin
    foreach t in array array['tap25_internal.warrants', 'tap25.warrant_events', 'tap25.accesses', 'tap25.expired', 'tap25.retentions', 'tap25_internal.ended_sessions', 'tap25.holds'] loop
        execute format('create trigger stamp before insert on %s for each row execute function tap25_internal.stamp()', t);
        execute format('alter table %s enable always trigger stamp', t);
        execute format('create trigger append_only before %s on %s execute function tap25_internal.refuse()',
            case t when 'tap25.holds' then 'delete or truncate' else 'update or delete or truncate' end, t);
        execute format('alter table %s enable always trigger append_only', t);
    end loop;
end $$;
create trigger once before update on tap25.holds for each row execute function tap25_internal.change_hold();
alter table tap25.holds enable always trigger once;
create trigger note_grant after insert on tap25_internal.warrants for each row execute function tap25_internal.note_grant();
alter table tap25_internal.warrants enable always trigger note_grant;

-- Rights.

revoke execute on all functions in schema tap25, tap25_internal from public;

alter function tap25_internal.grant_roles() rename to grant_roles_013;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_013();
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        revoke insert, update on tap25_internal.warrants from tap25_admin; -- which moved with the table
        revoke execute on function tap25_internal.end_all_blockers from tap25_admin;
        revoke insert on tap25.warrants from tap25_admin; -- of whole rows
        grant select, insert (case_id, auditor, mailbox, domain, network, since, before, valid_until, reason), update (valid_until) on tap25.warrants to tap25_admin;
        grant select on tap25.warrant_events, tap25.missing_accesses, tap25.retentions to tap25_admin;
        grant execute on function tap25.end_warrant, tap25.set_retention to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;
