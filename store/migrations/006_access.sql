-- Who may do what. A sensor adds rows and reads none. An auditor reads what a warrant opens, and that is recorded.
-- An admin reads everything, expires days, and keeps holds and warrants.

create table warrants (
    case_id     text        not null check (case_id <> ''),
    auditor     name        not null,            -- a user, or a role that the user is a member of
    mailbox     text,
    domain      text,
    network     inet,
    since       timestamptz not null,            -- of seen_at: since <= seen_at < before
    before      timestamptz not null,
    valid_until timestamptz not null,
    reason      text        not null check (reason <> ''),
    id          bigint generated always as identity primary key,
    granted_by  name        not null default session_user,
    granted_at  timestamptz not null default now(),
    check (num_nonnulls(mailbox, domain, network) = 1),
    check (since < before)
);

-- Append-only, for its owner too.
create table accesses (
    at      timestamptz not null default clock_timestamp(),
    auditor name        not null default session_user,
    case_id text        not null,
    action  text        not null check (action in ('open', 'read')),
    purpose text,   -- of an open
    rows    bigint, -- that a read returned
    xid     xid8        not null default pg_current_xact_id()
);
create function refuse() returns trigger language plpgsql as
$$ begin raise '% is append-only', tg_table_name using errcode = 'insufficient_privilege'; end $$;
create trigger append_only before update or delete or truncate on accesses execute function refuse();

create function may_read(w warrants) returns boolean language sql stable security definer set search_path = public, pg_temp as
$$ select w.valid_until > now() and (w.auditor = session_user or
   exists (select from pg_roles r where r.rolname = w.auditor and pg_has_role(session_user, r.oid, 'member'))) $$;

-- Opens a case for twelve hours. This must be committed before the case can be read, so that no rollback hides it.
create function open_case(which text, purpose text) returns void language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if coalesce(purpose, '') = '' then
        raise 'say what the case is opened for';
    end if;
    if not exists (select from warrants w where w.case_id = which and may_read(w)) then
        raise 'no warrant that is valid now opens this case to %', session_user using errcode = 'insufficient_privilege';
    end if;
    insert into accesses (case_id, action, purpose) values (which, 'open', open_case.purpose);
end $$;

-- The mail that a case's warrants open, each row once.
create function case_mail(which text) returns setof mail language plpgsql security definer
set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    w    warrants;
    done bigint[] := '{}'; -- warrants whose rows were returned
    n    bigint;
    sum  bigint := 0;
begin
    if not exists (select from accesses a where a.case_id = which and a.auditor = session_user and a.action = 'open'
                   and a.at > now() - interval '12 hours' and a.xid <> pg_current_xact_id()) then
        raise 'the case is not open to %: select open_case(case, purpose), and commit', session_user using errcode = 'insufficient_privilege';
    end if;
    for w in select * from warrants x where x.case_id = which and may_read(x) order by x.id loop
        return query select m.* from mail m
        where m.seen_at >= w.since and m.seen_at < w.before
          and (w.mailbox is null or bucket(m.mail_from) = bucket(w.mailbox) or bucket(m.rcpt_to) = bucket(w.mailbox))
          and (w.domain is null or bucket(domain_of(m.mail_from)) = bucket(w.domain) or bucket(domain_of(m.rcpt_to)) = bucket(w.domain))
          and (w.network is null or m.client_ip <<= w.network or m.server_ip <<= w.network)
          and concerns(w.mailbox, w.domain, w.network, w.since, w.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip)
          and not exists (select from warrants x where x.id = any (done) and
              concerns(x.mailbox, x.domain, x.network, x.since, x.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip));
        get diagnostics n = row_count;
        sum := sum + n;
        done := done || w.id;
    end loop;
    insert into accesses (case_id, action, rows) values (which, 'read', sum);
end $$;

revoke execute on function may_read, open_case, case_mail from public;

-- Gives the roles that exist their rights. Where this migration may not make roles, an administrator makes them and calls it.
create function grant_roles() returns void language plpgsql as $$
begin
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant insert on envelopes, misdated, loads to tap25_sensor;
        grant select on tap25_schema_version to tap25_sensor;
        grant execute on function begin_load, make_partitions, make_partitions_ahead to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant execute on function open_case, case_mail to tap25_auditor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on envelopes, misdated, held, mail, days, loads, expired, holds, warrants, accesses, tap25_schema_version to tap25_admin;
        grant insert, update (valid_until) on warrants to tap25_admin;
        grant execute on function expire_day, expire_misdated, release_holds, add_hold, drop_hold, make_partitions_ahead to tap25_admin;
    end if;
end $$;
revoke execute on function grant_roles from public;

do $$
declare r text;
begin
    foreach r in array array['tap25_sensor', 'tap25_auditor', 'tap25_admin'] loop
        begin
            execute format('create role %I nologin', r);
        exception
            when duplicate_object or unique_violation then null; -- of another database of this server
            when insufficient_privilege then raise warning 'the role % is missing and % may not create it', r, current_user;
        end;
    end loop;
    perform grant_roles();
end $$;
