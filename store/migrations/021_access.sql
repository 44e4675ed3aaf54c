-- Who may see what. A warrant opens nothing until another than its applicant and its auditors has approved it; an auditor sees no row before
-- the record of the question is committed; administrators read no mail.

-- Warrants. The table has what was applied for and never changes; what became of it are events. The view has a line for each auditor and
-- target, with what is in force now.

alter table tap25_internal.warrants rename granted_by to applicant;
alter table tap25_internal.warrants rename granted_at to applied_at;

create or replace function tap25_internal.stamp() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    case tg_table_name
        when 'accesses' then
            new.auditor := session_user;
            new.at := clock_timestamp();
            new.xid := pg_current_xact_id();
        when 'warrants' then
            new.applicant := session_user;
            new.applied_at := clock_timestamp();
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
        when 'keys' then
            new.added_by := session_user;
            new.added_at := clock_timestamp();
        when 'links' then
            new.added_at := clock_timestamp();
        when 'holds' then
            new.added_by := session_user;
            new.added_at := clock_timestamp();
            new.dropped_by := null;
            new.dropped_at := null;
            new.released_at := null;
    end case;
    return new;
end $$;

create table tap25_internal.warrant_targets (
    id         bigint  generated always as identity primary key,
    warrant_id bigint  not null references tap25_internal.warrants,
    mailbox    text,
    domain     text,
    network    inet,
    seen_in    text,
    by_origin  boolean not null,
    check (num_nonnulls(mailbox, domain, network) = 1),
    check (seen_in is null or network is not null and tap25_internal.is_network(seen_in))
);
create index on tap25_internal.warrant_targets (warrant_id);

create table tap25_internal.warrant_auditors (
    warrant_id bigint not null references tap25_internal.warrants,
    auditor    name   not null,
    primary key (warrant_id, auditor)
);

insert into tap25_internal.warrant_targets (warrant_id, mailbox, domain, network, seen_in, by_origin)
select id, mailbox, domain, network, seen_in, by_origin from tap25_internal.warrants order by id;
insert into tap25_internal.warrant_auditors select id, auditor from tap25_internal.warrants;

-- A warrant that is older than this migration needs no approval: it still opens what it opened.
alter table tap25.warrant_events drop constraint warrant_events_action_check,
    add constraint warrant_events_action_check check (action in ('migrated', 'granted', 'applied', 'approved', 'refused', 'ended'));
insert into tap25.warrant_events (warrant_id, action) select w.id, 'migrated' from tap25_internal.warrants w
where not exists (select from tap25.warrant_events e where e.warrant_id = w.id and e.action = 'migrated') order by w.id;
create unique index warrant_events_decision on tap25.warrant_events (warrant_id) where action in ('approved', 'refused');

drop trigger change on tap25.warrants;
drop function tap25_internal.change_warrant();
drop trigger append_only on tap25.warrants;
create function tap25_internal.refuse_change() returns trigger language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    raise 'the view warrants is read-only: call apply_for_warrant(), approve_warrant(), refuse_warrant() or end_warrant()' using errcode = 'insufficient_privilege';
end $$;
create trigger refuse_change instead of insert or update or delete on tap25.warrants for each row execute function tap25_internal.refuse_change();

create or replace view tap25.warrants as
select w.case_id, a.auditor, t.mailbox, t.domain, t.network, w.since, w.before, least(w.valid_until, e.ended) as valid_until, w.reason, w.id,
       case when e.migrated then w.applicant else e.approved_by end as granted_by,
       case when e.migrated then w.applied_at else e.approved_at end as granted_at, t.seen_in, t.by_origin, w.applicant, w.applied_at,
       case when e.refused then 'refused' when least(w.valid_until, e.ended) <= clock_timestamp() then 'ended'
            when e.migrated or e.approved_at is not null then 'valid' else 'applied' end as state
from tap25_internal.warrants w
join tap25_internal.warrant_auditors a on a.warrant_id = w.id
join tap25_internal.warrant_targets t on t.warrant_id = w.id
cross join lateral (
    select min(v.valid_until) as ended, coalesce(bool_or(v.action = 'migrated'), false) as migrated, coalesce(bool_or(v.action = 'refused'), false) as refused,
           min(v.by::text) filter (where v.action = 'approved')::name as approved_by, min(v.at) filter (where v.action = 'approved') as approved_at
    from tap25.warrant_events v where v.warrant_id = w.id
) e;

alter table tap25_internal.warrants drop column auditor, drop column mailbox, drop column domain, drop column network,
    drop column seen_in, drop column by_origin;

drop trigger note_grant on tap25_internal.warrants;
drop function tap25_internal.note_grant();
create function tap25_internal.note_application() returns trigger language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    insert into tap25.warrant_events (warrant_id, action) values (new.id, 'applied');
    return null;
end $$;
create trigger note_application after insert on tap25_internal.warrants for each row execute function tap25_internal.note_application();
alter table tap25_internal.warrants enable always trigger note_application;

do $$
declare t text;
begin
    foreach t in array array['warrant_targets', 'warrant_auditors'] loop
        execute format('create trigger append_only before update or delete or truncate on tap25_internal.%I execute function tap25_internal.refuse()', t);
        execute format('alter table tap25_internal.%I enable always trigger append_only', t);
    end loop;
end $$;

-- What a warrant or a hold names is checked as it is entered. No text has the address, since the server's log would have it too.

-- Returns true if who may act as other: it is the same role, or a member of it, directly or not. A superuser is a member only of what was
-- granted to it.
create function tap25_internal.is_member(who name, other name) returns boolean language sql stable set search_path = pg_catalog, pg_temp as $$
    with recursive roles (id) as (
        select r.oid from pg_roles r where r.rolname = who
        union
        select m.roleid from roles join pg_auth_members m on m.member = roles.id
    )
    select who = other or exists (select from roles join pg_roles r on r.oid = roles.id where r.rolname = other)
$$;

create function tap25_internal.target_text(mailbox text, domain text, network inet, seen_in text) returns text language sql immutable parallel safe
return coalesce(mailbox, domain, abbrev(network) || coalesce(' in ' || seen_in, ''));

-- Fails unless this is one mailbox, domain or network, of a form that mail can have.
create function tap25_internal.check_target(mailbox text, domain text, network inet, seen_in text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    its_domain constant text := coalesce(domain, split_part(mailbox, '@', -1));
begin
    if num_nonnulls(mailbox, domain, network) <> 1 then
        raise 'name one of a mailbox, a domain, an IP address or a subnet' using errcode = 'invalid_parameter_value';
    elsif mailbox !~ '^("[^[:cntrl:]]+"|[^[:space:][:cntrl:]@]+)@[^[:space:][:cntrl:]@]+$' or octet_length(mailbox) > 1000 then
        raise 'a mailbox is written user@domain, without spaces' using errcode = 'invalid_parameter_value';
    elsif mailbox ~ '^<|^mailto:|>$' then
        raise 'a mailbox is written user@domain, without < and > and mailto:' using errcode = 'invalid_parameter_value';
    elsif domain !~ '^[^[:space:][:cntrl:]@/:.]+([.][^[:space:][:cntrl:]@/:.]+)+$' or octet_length(domain) > 1000 then
        raise 'a domain has a dot within, none before or after, and no spaces: write orchard.example, or user@orchard.example for a mailbox'
            using errcode = 'invalid_parameter_value';
    elsif network <<= inet '::ffff:0.0.0.0/96' then
        raise 'this is an IPv4 address as IPv6 writes it, which no row has: write the IPv4 address' using errcode = 'invalid_parameter_value';
    elsif host(network) <> host(network(network)) then
        raise 'the subnet has bits set after its prefix: write %', network(network) using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.check_seen_in(network, seen_in);
    if mailbox !~ '@([[].*]|[^.]+([.][^.]+)+)$' then
        raise warning 'the mailbox''s domain has no dot, or one too many: it opens and keeps only mail whose address is written so';
    end if;
    if its_domain ~ '[,;]' then
        raise warning 'the domain has a comma or a semicolon: it opens and keeps only mail whose address is written so';
    end if;
    if its_domain ~ '[*%]' or mailbox ~ '^[*%]' then
        raise warning 'there are no wildcards: the target is the address with * or %% in it';
    end if;
    if length(its_domain) <> octet_length(its_domain) or its_domain ~* '(^|[.])xn--' then
        raise warning 'the domain is internationalised: name it in both forms, as people read it and as A-label (xn--...), since mail may have either';
    end if;
end $$;

-- Reads a target as target_text() writes it.
create function tap25_internal.parse_target(subject text, out mailbox text, out domain text, out network inet, out seen_in text) language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    address constant text := regexp_replace(subject, ' in .*$', '');
begin
    if subject ~ '@' then
        mailbox := subject;
    elsif address ~ '[:/]' or address ~ '^[0-9.]+$' then
        begin
            network := address::inet;
        exception when invalid_text_representation then
            raise 'this is no IP address or subnet' using errcode = 'invalid_parameter_value';
        end;
        if masklen(network) = 0 then
            raise 'a subnet of all addresses is no target: a warrant names whose mail it opens' using errcode = 'invalid_parameter_value';
        end if;
        seen_in := substring(subject from ' in (.*)$');
    else
        domain := lower(subject);
    end if;
    perform tap25_internal.check_target(mailbox, domain, network, seen_in);
end $$;

create or replace function tap25.add_hold(mailbox text, domain text, network inet, since timestamptz, before timestamptz, until timestamptz, reason text, seen_in text default null)
returns bigint language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare h tap25.holds;
begin
    perform tap25_internal.check_snapshot();
    perform tap25_internal.check_target(add_hold.mailbox, add_hold.domain, add_hold.network, add_hold.seen_in);
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

-- A role that is made later, under a name that was a typo, must not find a warrant waiting: it is refused. One that cannot ask yet is a warning.
create function tap25_internal.check_auditors(auditors name[]) returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    auditor name;
begin
    if cardinality(auditors) between 1 and 100 is not true or array_position(auditors, null) is not null then
        raise 'a warrant names 1 to 100 auditors' using errcode = 'invalid_parameter_value';
    end if;
    foreach auditor in array auditors loop
        if not exists (select from pg_roles r where r.rolname = auditor) then
            raise 'there is no role %: CREATE ROLE first', to_json(auditor::text) using errcode = 'undefined_object';
        elsif auditor ~ '^(tap25|pg)_' then
            raise 'name logins, or roles of your own: % is everybody who audits', to_json(auditor::text) using errcode = 'invalid_parameter_value';
        elsif not tap25_internal.is_member(auditor, 'tap25_auditor') then
            raise warning 'the role % is no member of tap25_auditor: it opens no case until it, or its members, are', to_json(auditor::text);
        end if;
    end loop;
end $$;

create function tap25_internal.check_period(since timestamptz, before timestamptz, valid_until timestamptz) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    cutoff constant timestamptz := (select clock_timestamp() - r.kept from tap25.retentions r order by r.id desc limit 1);
begin
    if (isfinite(since) and isfinite(before) and since < before) is not true then
        raise 'the period of mail has a beginning and a later end' using errcode = 'invalid_parameter_value';
    elsif isfinite(valid_until) is not true then
        raise 'a warrant has an end: valid_until is a time' using errcode = 'invalid_parameter_value';
    elsif valid_until <= clock_timestamp() then
        raise 'valid_until is past: the warrant would open nothing' using errcode = 'invalid_parameter_value';
    elsif since >= valid_until then
        raise 'the period of mail begins when the warrant has ended' using errcode = 'invalid_parameter_value';
    elsif before < cutoff
        and not exists (select from tap25_internal.days d where d.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date)
        and not exists (select from tap25_internal.mail_aside m where m.seen_at >= since and m.seen_at < before) then
        raise 'the period of mail is older than the retention: nothing of it is kept' using errcode = 'invalid_parameter_value';
    end if;
end $$;

create function tap25.apply_for_warrant(case_id text, basis text, auditors name[], targets text[], since timestamptz, before timestamptz, valid_until timestamptz,
    by_origin boolean default true) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    number bigint;
begin
    if coalesce(btrim(apply_for_warrant.case_id), '') = '' or length(apply_for_warrant.case_id) > 200 or apply_for_warrant.case_id ~ '[[:cntrl:]]' then
        raise 'a case has a name of up to 200 characters' using errcode = 'invalid_parameter_value';
    elsif coalesce(btrim(basis), '') = '' or length(basis) > 1000 then
        raise 'say what the warrant rests on, in up to 1,000 characters' using errcode = 'invalid_parameter_value';
    elsif cardinality(targets) between 1 and 100 is not true then
        raise 'a warrant names 1 to 100 targets: mailboxes, domains, IP addresses, subnets' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.check_auditors(auditors);
    perform tap25_internal.check_period(apply_for_warrant.since, apply_for_warrant.before, apply_for_warrant.valid_until);
    insert into tap25_internal.warrants (case_id, since, before, valid_until, reason)
    values (apply_for_warrant.case_id, apply_for_warrant.since, apply_for_warrant.before, apply_for_warrant.valid_until, basis) returning id into number;
    insert into tap25_internal.warrant_auditors select number, a from unnest(auditors) a group by a;
    for i in 1 .. cardinality(targets) loop
        begin
            insert into tap25_internal.warrant_targets (warrant_id, mailbox, domain, network, seen_in, by_origin)
            select number, p.mailbox, p.domain, p.network, p.seen_in, coalesce(apply_for_warrant.by_origin, true) from tap25_internal.parse_target(targets[i]) p;
        exception when invalid_parameter_value then
            raise 'target %: %', i, sqlerrm using errcode = sqlstate;
        end;
    end loop;
    return number;
end $$;

-- What counts is the login, not the role that it has set. It must not be able to act as the applicant or an auditor, nor they as it.
create function tap25_internal.decide_warrant(which bigint, decision text, reason text) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    w tap25_internal.warrants;
    is_now text;
begin
    if not tap25_internal.is_member(session_user, 'tap25_approver') then
        raise 'only a login that is a member of tap25_approver decides on a warrant' using errcode = 'insufficient_privilege';
    end if;
    select * into w from tap25_internal.warrants x where x.id = which for no key update; -- one decision at a time, beside which it can be ended
    is_now := (select v.state from tap25.warrants v where v.id = which limit 1);
    if is_now is null then
        raise 'there is no warrant %', which using errcode = 'no_data_found';
    elsif is_now <> 'applied' then
        raise 'warrant % is not applied for any more: it is %', which, is_now using errcode = 'object_not_in_prerequisite_state';
    elsif tap25_internal.is_member(session_user, w.applicant) or tap25_internal.is_member(w.applicant, session_user) then
        raise 'warrant % is yours, or of a login that can act as you or you as it: another approver decides', which using errcode = 'insufficient_privilege';
    elsif exists (select from tap25_internal.warrant_auditors a where a.warrant_id = which
                  and (tap25_internal.is_member(session_user, a.auditor) or tap25_internal.is_member(a.auditor, session_user))) then
        raise 'warrant % lets you read, or a login that can act as you: another approver decides', which using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.warrant_events (warrant_id, action, reason) values (which, decision, decide_warrant.reason);
end $$;

create function tap25.approve_warrant(which bigint, note text default null) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    perform tap25_internal.decide_warrant(which, 'approved', note);
end $$;

create function tap25.refuse_warrant(which bigint, reason text) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
begin
    if coalesce(reason, '') = '' then
        raise 'say what the warrant is refused for' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.decide_warrant(which, 'refused', reason);
end $$;

-- Ends a warrant, or an application: now, or at a time to come. False if there is none, or it ends earlier.
drop function tap25.end_warrant(bigint, text);
create function tap25.end_warrant(which bigint, reason text, at timestamptz default null) returns boolean language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    moment constant timestamptz := greatest(end_warrant.at, clock_timestamp());
begin
    if coalesce(reason, '') = '' then
        raise 'say what the warrant is ended for' using errcode = 'invalid_parameter_value';
    elsif tap25_internal.is_tied() and not pg_has_role(session_user, 'tap25_admin', 'member') and not pg_has_role(session_user, 'tap25_approver', 'member')
        and not exists (select from tap25_internal.warrants w where w.id = which and w.applicant = session_user) then
        raise 'administrators and approvers end a warrant, and who has applied for it' using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.warrant_events (warrant_id, action, valid_until, reason)
    select distinct w.id, 'ended', moment, end_warrant.reason from tap25.warrants w where w.id = which and w.valid_until > moment;
    return found;
end $$;

-- The warrants that open a case to this login at this moment. Who has approved one does not read by it, whatever roles came later.
create or replace function tap25_internal.valid_warrants(which text) returns bigint[] language sql volatile
set search_path = pg_catalog, pg_temp as $$
    select coalesce(array_agg(distinct w.id order by w.id), '{}') from tap25.warrants w
    where w.case_id = which and w.state = 'valid' and tap25_internal.may_read(w.auditor, w.valid_until)
      and not exists (select from tap25.warrant_events e where e.warrant_id = w.id and e.action = 'approved' and e.by = session_user)
$$;

create function tap25_internal.my_cases() returns table (case_id text, target text, since timestamptz, before timestamptz, valid_until timestamptz,
    state text, open_until timestamptz, warrant_id bigint) language sql volatile security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select distinct w.case_id, tap25_internal.target_text(w.mailbox, w.domain, w.network, w.seen_in), w.since, w.before, w.valid_until, w.state,
        case when w.state = 'valid' then (select max(a.at) + interval '12 hours' from tap25.accesses a where a.case_id = w.case_id
            and a.auditor = session_user and a.action = 'open' and a.at > clock_timestamp() - interval '12 hours') end, w.id
    from tap25.warrants w where tap25_internal.may_read(w.auditor, 'infinity')
$$;
create view tap25.my_cases as select * from tap25_internal.my_cases();

-- Reading. First the question is recorded, with the number and the digest of its rows, and committed; then they are shown, if they are the
-- same still.

alter table tap25.accesses
    add asked        bigint,      -- of shown: the number of the question
    add asked_target text,        -- as the auditor gave them; null: all that the warrants allow
    add asked_since  timestamptz,
    add asked_before timestamptz,
    add sha256       text,
    drop constraint accesses_action_check,
    add constraint accesses_action_check check (action in ('open', 'read', 'shown', 'refused'));
create index on tap25.accesses (auditor, at) where action = 'read';

drop function tap25_internal.record_access(bigint, text, text, bigint[], text, bigint, bigint, text);
create function tap25_internal.record_access(number bigint, which text, action text, warrants bigint[], purpose text default null,
    rows bigint default null, opening bigint default null, refusal text default null, asked bigint default null,
    target text default null, since timestamptz default null, before timestamptz default null, sha256 text default null) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
#variable_conflict use_variable
begin
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, case_id, action, purpose, rows, opening, refusal, asked, asked_target, asked_since, asked_before, sha256,
        warrant_ids, targets, since, before) overriding system value
    select number, which, action, purpose, rows, opening, refusal, asked, target, since, before, sha256, warrants,
           (select array_agg(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in) order by t.id)
            from tap25_internal.warrant_targets t where t.warrant_id = any (warrants)), min(w.since), max(w.before)
    from tap25_internal.warrants w where w.id = any (warrants);
end $$;

-- What an access finds: the opening that it is made under, and the warrants that are valid, none if all have ended, which is recorded.
create function tap25_internal.enter_case(number bigint, which text, target text, out opening bigint, out warrants bigint[]) language plpgsql
set search_path = pg_catalog, pg_temp as $$
declare
    ended constant text := 'every warrant of the case has ended';
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
        perform tap25_internal.log_refusal(number, ended);
        perform tap25_internal.record_access(number, which, 'refused', '{}', opening => opening, refusal => ended);
        raise warning 'every warrant that opened this case has ended; the attempt is recorded' using errcode = 'insufficient_privilege';
    elsif target is not null and not exists (select from tap25_internal.warrant_targets t where t.warrant_id = any (warrants)
            and lower(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in)) = lower(target)) then
        perform tap25_internal.log_refusal(number, 'no such target');
        raise 'no warrant that is valid now names this target: select * from my_cases' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- Nothing has left the caller yet, so a warrant that has ended while it read opens nothing.
create function tap25_internal.check_warrants(number bigint, which text, warrants bigint[]) returns void language plpgsql
set search_path = pg_catalog, pg_temp as $$
begin
    if not warrants <@ tap25_internal.valid_warrants(which) then
        perform tap25_internal.log_refusal(number, 'a warrant of the case has ended meanwhile');
        raise 'a warrant of this case has ended while it was read: ask again' using errcode = 'insufficient_privilege';
    end if;
end $$;

-- No row may be shown whose record a crash can still undo. Whoever sets synchronous_commit off before the commit of ask_case gets a record
-- that the WAL writer flushes, after 3 wal_writer_delay at most (PostgreSQL's manual, Asynchronous Commit); of what is flushed no later, such
-- as a last page without a commit, there is no record to wait for.
create function tap25_internal.await_flush() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    written constant pg_lsn := pg_current_wal_insert_lsn();
    enough  constant timestamptz := clock_timestamp() + 3 * current_setting('wal_writer_delay')::interval;
begin
    while pg_current_wal_flush_lsn() < written and clock_timestamp() < enough loop
        perform pg_sleep(0.01);
    end loop;
end $$;

-- The rows of mail that warrants open, of one target or all, each once however many targets it has.
create function tap25_internal.case_copies(warrants bigint[], since timestamptz, before timestamptz, target text) returns setof tap25.mail
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
    t    record;
    done bigint[] := '{}'; -- targets whose rows were returned
begin
    for t in select x.*, greatest(w.since, since) as first, least(w.before, before) as last
        from tap25_internal.warrant_targets x join tap25_internal.warrants w on w.id = x.warrant_id
        where w.id = any (warrants) and (target is null or lower(tap25_internal.target_text(x.mailbox, x.domain, x.network, x.seen_in)) = lower(target))
        order by x.id
    loop
        continue when t.first >= t.last;
        return query select m.* from tap25_internal.mail_concerning(t.mailbox, t.domain, t.network, t.first, t.last) m
        where tap25_internal.concerns(t.mailbox, t.domain, t.network, t.seen_in, t.by_origin, t.first, t.last,
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network)
          and not exists (select from tap25_internal.warrant_targets x join tap25_internal.warrants w on w.id = x.warrant_id where x.id = any (done)
              and tap25_internal.concerns(x.mailbox, x.domain, x.network, x.seen_in, x.by_origin, greatest(w.since, since), least(w.before, before),
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network));
        done := done || t.id;
    end loop;
end $$;

-- The answer to a question, in the order of the digest.
create function tap25_internal.case_rows(warrants bigint[], since timestamptz, before timestamptz, target text) returns setof tap25.mail_once
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
begin
    return query execute format('select o.* from (%s) o order by o.seen_at, row_to_json(o)::text collate "C"',
        tap25_internal.once_query('select * from tap25_internal.case_copies($1, $2, $3, $4)')) using warrants, since, before, target;
end $$;

-- The digest after a row, from the one before it; the first is that of nothing. Its text is the row as a JSON line, with times in UTC.
create function tap25_internal.digest_with(digest bytea, line tap25.mail_once) returns bytea language sql stable
return sha256(digest || convert_to(row_to_json(line)::text || E'\n', 'UTF8'));

create function tap25.case_completeness(which text)
returns table (begins timestamptz, ends timestamptz, sensors text[], listened numeric, gaps tstzmultirange, frames numeric,
    frames_lost numeric, octets_lost numeric, sessions numeric, sessions_encrypted numeric, sessions_cut numeric, rows numeric,
    rows_lost numeric, clock_synchronised boolean, clock_offset interval, clock_error interval, scopes text[], sentence text)
language sql volatile security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select c.* from (select min(w.since) as since, max(w.before) as before from tap25_internal.warrants w
                     where w.id = any (tap25_internal.valid_warrants(which))) period
    cross join lateral tap25.completeness(period.since, period.before) c where period.since is not null
$$;

-- The function gives no number and no digest: they would be an answer before it is on record. case_answer has them then.
create function tap25.ask_case(which text, since timestamptz default null, before timestamptz default null, target text default null)
returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set bytea_output = 'hex' set client_min_messages = warning as $$
#variable_conflict use_variable
declare
    number constant bigint := tap25_internal.begin_access('read', which);
    entry  constant record := tap25_internal.enter_case(number, which, target);
    line   tap25.mail_once;
    digest bytea := sha256('');
    n      bigint := 0;
begin
    if entry.warrants = '{}' then
        return null;
    elsif not exists (select from tap25_internal.warrant_targets t join tap25_internal.warrants w on w.id = t.warrant_id
            where w.id = any (entry.warrants) and greatest(w.since, since) < least(w.before, before)
              and (target is null or lower(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in)) = lower(target))) then
        perform tap25_internal.log_refusal(number, 'no such period');
        raise 'no warrant that is valid now opens mail of this period: select * from my_cases' using errcode = 'insufficient_privilege';
    end if;
    for line in select * from tap25_internal.case_rows(entry.warrants, since, before, target) loop
        digest := tap25_internal.digest_with(digest, line);
        n := n + 1;
    end loop;
    perform tap25_internal.check_warrants(number, which, entry.warrants);
    perform tap25_internal.record_access(number, which, 'read', entry.warrants, rows => n, opening => entry.opening,
        target => target, since => since, before => before, sha256 => encode(digest, 'hex'));
    return number;
end $$;

create function tap25.case_answer(access bigint) returns table (case_id text, target text, since timestamptz, before timestamptz, at timestamptz, rows bigint, sha256 text)
language sql stable security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select a.case_id, a.asked_target, coalesce(a.asked_since, a.since), coalesce(a.asked_before, a.before), a.at, a.rows, a.sha256 from tap25.accesses a
    where a.id = access and a.action = 'read' and a.auditor = session_user and a.xid is distinct from pg_current_xact_id_if_assigned()
$$;

drop function tap25.case_mail(text);
create function tap25.case_mail(which text, since timestamptz default null, before timestamptz default null, target text default null)
returns setof tap25.mail_once language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set bytea_output = 'hex' set client_min_messages = warning as $$
#variable_conflict use_variable
declare
    number constant bigint := tap25_internal.begin_access('show', which);
    entry  constant record := tap25_internal.enter_case(number, which, target);
    asked  tap25.accesses;
    line   tap25.mail_once;
    digest bytea := sha256('');
    n      bigint := 0;
begin
    if entry.warrants = '{}' then
        return;
    end if;
    select * into asked from tap25.accesses a where a.action = 'read' and a.auditor = session_user and a.case_id = which
        and a.at > clock_timestamp() - interval '15 minutes' and a.xid <> pg_current_xact_id() and a.sha256 is not null
        and (a.asked_target, a.asked_since, a.asked_before) is not distinct from (target, since, before) order by a.id desc limit 1;
    if asked.id is null then
        perform tap25_internal.log_refusal(number, 'the question is not on record');
        raise 'this question is not on record: select ask_case(...) with the same case, times and target, and commit; its rows are shown for 15 minutes'
            using errcode = 'insufficient_privilege';
    end if;
    perform tap25_internal.await_flush();
    for line in select * from tap25_internal.case_rows(entry.warrants, since, before, target) loop
        digest := tap25_internal.digest_with(digest, line);
        n := n + 1;
        return next line;
    end loop;
    if (n, encode(digest, 'hex')) is distinct from (asked.rows, asked.sha256) then
        perform tap25_internal.log_refusal(number, 'the answer has changed');
        raise 'the answer has changed since it was recorded: select ask_case(...) again' using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform tap25_internal.check_warrants(number, which, entry.warrants);
    perform tap25_internal.record_access(number, which, 'shown', entry.warrants, rows => n, opening => entry.opening, asked => asked.id,
        target => target, since => since, before => before, sha256 => asked.sha256);
end $$;

create function tap25.case_list(which text, since timestamptz default null, before timestamptz default null, target text default null)
returns table (seen_at timestamptz(0), client_ip inet, mail_from text, rcpt_to text, outcome tap25.outcome, bytes bigint, copies bigint, flags text[])
language sql volatile
begin atomic
    select m.seen_at::timestamptz(0), m.client_ip, m.mail_from, m.rcpt_to, m.outcome, m.message_bytes, m.copies, m.flags
    from tap25.case_mail(which, since, before, target) m;
end;

-- What db status and hold ls show to those who read no mail. How much a hold keeps is shown to the owner alone: whoever may add holds would learn
-- from it who has written to whom.

create function tap25_internal.ends(out oldest timestamptz, out newest timestamptz, out held bigint, out misdated bigint) language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    with days as (select min(day)::timestamp at time zone 'UTC' as first, max(day)::timestamp at time zone 'UTC' as last from tap25_internal.days where rows > 0)
    select (select min(e.seen_at) from tap25_internal.envelopes e where e.seen_at >= d.first and e.seen_at < d.first + interval '1 day'),
           (select max(e.seen_at) from tap25_internal.envelopes e where e.seen_at >= d.last and e.seen_at < d.last + interval '1 day'),
           (select count(*) from tap25_internal.held), (select count(*) from tap25_internal.misdated)
    from days d
$$;

create function tap25_internal.rows_held(hold bigint) returns bigint language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as
$$ select count(*) from tap25_internal.held h where h.hold_ids @> array[hold] having not tap25_internal.is_tied() $$;

-- Rights. An administrator keeps the schema, the retention, holds and records, and reads no mail.

do $$ begin
    create role tap25_approver nologin;
exception
    when duplicate_object or unique_violation then null; -- of another database of this server
    when insufficient_privilege then raise warning 'the role tap25_approver is missing and % may not create it', current_user;
end $$;

revoke execute on function tap25_internal.stamp, tap25_internal.refuse_change, tap25_internal.note_application, tap25_internal.is_member, tap25_internal.target_text, tap25_internal.check_target,
    tap25_internal.parse_target, tap25_internal.check_auditors, tap25_internal.check_period, tap25.apply_for_warrant, tap25_internal.decide_warrant,
    tap25.approve_warrant, tap25.refuse_warrant, tap25.end_warrant, tap25_internal.my_cases, tap25_internal.record_access, tap25_internal.enter_case,
    tap25_internal.check_warrants, tap25_internal.await_flush, tap25_internal.case_copies, tap25_internal.case_rows, tap25_internal.digest_with, tap25.case_completeness, tap25.ask_case,
    tap25.case_answer, tap25.case_mail, tap25.case_list, tap25_internal.ends, tap25_internal.rows_held from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_approval;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
    -- What runs with its caller's rights is what asks for mail, but for what expiry asks.
    asks constant text := (select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p
                           where p.pronamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) and not p.prosecdef
                           and p.proname not in ('case_list', 'partition_name', 'partitions'));
begin
    perform tap25_internal.grant_roles_before_approval();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant usage on schema tap25_internal to tap25_auditor; -- for the version, which the program asks for
        grant select on tap25_internal.tap25_schema_version, tap25.my_cases to tap25_auditor;
        grant execute on function tap25.ask_case, tap25.case_mail, tap25.case_list, tap25.case_answer, tap25.case_completeness, tap25_internal.my_cases,
            tap25.apply_for_warrant, tap25.end_warrant to tap25_auditor;
        grant execute on function tap25.mail_from, tap25.mail_to, tap25.mail_from_domain, tap25.mail_to_domain, tap25.mail_client, tap25.mail_server,
            tap25.mail_between, tap25.mail_of, tap25.mail_ip, tap25.mail_local_part, tap25.mail_hops, tap25_internal.mail_about, tap25_internal.is_host,
            tap25_internal.check_may_ask to tap25_auditor; -- to be told what to call instead
    end if;
    if exists (select from pg_roles where rolname = 'tap25_approver') then
        grant usage on schema tap25, tap25_internal to tap25_approver;
        grant select on tap25_internal.tap25_schema_version, tap25.warrants, tap25.warrant_events to tap25_approver;
        grant execute on function tap25.apply_for_warrant, tap25.approve_warrant, tap25.refuse_warrant, tap25.end_warrant to tap25_approver;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        revoke all on tap25.mail, tap25.mail_once, tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.held, tap25_internal.mail_days,
            tap25_internal.mail_aside, tap25_internal.prints, tap25_internal.warrants, tap25.warrants from tap25_admin;
        execute format('revoke execute on function %s from tap25_admin', asks);
        grant select on tap25.warrants to tap25_admin;
        grant execute on function tap25.apply_for_warrant, tap25.end_warrant, tap25_internal.ends, tap25_internal.rows_held to tap25_admin;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;

create or replace function tap25_internal.let_roles_connect() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
declare r name;
begin
    if (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
        for r in select rolname from pg_roles where rolname in ('tap25_sensor', 'tap25_auditor', 'tap25_approver', 'tap25_admin') loop
            execute format('grant connect on database %I to %I', current_database(), r);
        end loop;
    end if;
end $$;
do $$ begin perform tap25_internal.grant_roles(), tap25_internal.let_roles_connect(); end $$;

-- Comments.

comment on view tap25.mail is 'The record: one row per RCPT command; one for a MAIL without any RCPT; one for each session that STARTTLS encrypted. What was not seen is null. The owner reads it; auditors call open_case, ask_case and case_mail instead.';
comment on view tap25.mail_once is 'Each recipient of each mail once: of the rows that several taps have of it, the most complete. mail_once(since, before) is quicker for a time range. The owner reads it; auditors call case_mail instead.';
do $$
declare f record;
begin
    for f in select p.oid::regprocedure as name, obj_description(p.oid, 'pg_proc') as meaning from pg_proc p
             where p.pronamespace = 'tap25'::regnamespace and not p.prosecdef and obj_description(p.oid, 'pg_proc') ~ 'For administrators'
    loop
        execute format('comment on function %s is %L', f.name, replace(f.meaning, 'For administrators', 'For the owner'));
    end loop;
end $$;
comment on view tap25.warrants is 'What auditors may read: a warrant opens the mail of its targets, in a time range, to its auditors, once it is approved. A line for each target and auditor. Administrators and approvers read it; apply_for_warrant, approve_warrant, refuse_warrant and end_warrant write it.';
comment on column tap25.warrants.reason is 'What the warrant rests on: its legal basis.';
comment on column tap25.warrants.granted_by is 'The login that approved it, or, before schema version 21, granted it. Null: nobody has.';
comment on column tap25.warrants.granted_at is 'When it was approved, or, before schema version 21, granted, by the database''s clock. Null: it is not.';
comment on column tap25.warrants.applicant is 'The login that applied for it.';
comment on column tap25.warrants.applied_at is 'When it was applied for, by the database''s clock.';
comment on column tap25.warrants.state is 'applied: nobody has decided on it; valid: it opens its targets; refused; ended.';
comment on table tap25_internal.warrants is 'The warrants as they were applied for, append-only. The view warrants shows them with their targets, their auditors and their present end.';
comment on column tap25_internal.warrants.reason is 'What the warrant rests on: its legal basis.';
comment on column tap25_internal.warrants.valid_until is 'From this time on the warrant opens nothing, as it was applied for. An event may have ended it earlier.';
comment on column tap25_internal.warrants.applicant is 'The login that applied for it.';
comment on column tap25_internal.warrants.applied_at is 'When it was applied for, by the database''s clock.';
comment on table tap25_internal.warrant_targets is 'What warrants open: mailboxes, domains, networks. Append-only.';
comment on column tap25_internal.warrant_targets.id is 'Number of the target.';
comment on column tap25_internal.warrant_targets.warrant_id is 'The warrant: warrants.id.';
comment on sequence tap25_internal.warrant_targets_id_seq is 'Gives warrant_targets.id.';
comment on table tap25_internal.warrant_auditors is 'To whom warrants open something. Append-only.';
comment on column tap25_internal.warrant_auditors.warrant_id is 'The warrant: warrants.id.';
do $$
declare
    c text;
begin
    foreach c in array array['mailbox', 'domain', 'network', 'seen_in', 'by_origin', 'auditor'] loop
        execute format('comment on column tap25_internal.%I.%I is %L', case c when 'auditor' then 'warrant_auditors' else 'warrant_targets' end, c,
            col_description('tap25.warrants'::regclass, (select a.attnum from pg_attribute a where a.attrelid = 'tap25.warrants'::regclass and a.attname = c)));
    end loop;
end $$;
comment on table tap25.warrant_events is 'What happened to a warrant: that it was applied for, approved or refused, and ended. Append-only; administrators and approvers read it.';
comment on column tap25.warrant_events.action is 'applied; approved; refused; ended; granted, before schema version 21, when that took nobody else; migrated, of a warrant that needs no approval, since it is from before there was one.';
comment on column tap25.warrant_events.reason is 'What it was approved, refused or ended for; may be null.';
comment on view tap25.my_cases is 'The cases of the auditor who asks: each target of each warrant that names the login, or a role that it is a member of. select * from my_cases';
comment on column tap25.my_cases.case_id is 'The case: open_case, ask_case, case_mail and case_list take it.';
comment on column tap25.my_cases.target is 'The mailbox, domain, IP address or subnet whose mail may be read, as ask_case and case_mail take it.';
comment on column tap25.my_cases.since is 'Beginning of the time range: only mail with since <= seen_at may be read.';
comment on column tap25.my_cases.before is 'End of the time range: only mail with seen_at < before may be read.';
comment on column tap25.my_cases.valid_until is 'From this time on the warrant opens nothing.';
comment on column tap25.my_cases.state is 'applied: nobody has decided on the warrant; valid: it can be read; refused; ended.';
comment on column tap25.my_cases.open_until is 'Until when the case is open to this login. Null: open_case opens it.';
comment on column tap25.my_cases.warrant_id is 'Number of the warrant.';
comment on column tap25.accesses.action is 'open, of a case; read, of a question and its answer; shown, of the rows of an answer; refused.';
comment on column tap25.accesses.purpose is 'What the case was opened for, in the auditor''s words. Null for what is not an opening, or a refused one.';
comment on column tap25.accesses.rows is 'How many rows the answer has; null if there is none. What is read on before schema version 21 was shown at once.';
comment on column tap25.accesses.opening is 'Of a question and of its rows: the id of the opening that they were asked under; else null.';
comment on column tap25.accesses.asked is 'If action is shown, the id of the question whose rows these were; else null.';
comment on column tap25.accesses.asked_target is 'The target that was asked for, as the auditor wrote it. Null: all of these warrants.';
comment on column tap25.accesses.asked_since is 'Beginning of the time range that was asked for. Null: that of the warrants.';
comment on column tap25.accesses.asked_before is 'End of the time range that was asked for. Null: that of the warrants.';
comment on column tap25.accesses.sha256 is 'Digest of the rows of the answer, in hexadecimal digits: docs/auditing.md says how to compute it from them. Null: there is no answer.';
comment on function tap25_internal.refuse_change is 'Trigger: refuses to write the view warrants.';
comment on function tap25_internal.note_application is 'Trigger: records the event that a warrant was applied for.';
comment on function tap25_internal.is_member is 'Returns whether a role is another, or a member of it, directly or not; a superuser is no member of what was not granted.';
comment on function tap25_internal.target_text is 'Returns a target as people write it: a mailbox, a domain, an IP address or subnet, with the network it is seen in.';
comment on function tap25_internal.check_target is 'Fails unless this is one mailbox, domain, IP address or subnet of a form that mail can have: for warrants and holds.';
comment on function tap25_internal.parse_target is 'Reads what target_text writes, and checks it.';
comment on function tap25_internal.check_auditors is 'Fails unless the auditors of a warrant exist; warns of those that may not ask yet.';
comment on function tap25_internal.check_period is 'Fails if the times of a warrant are none, or if it would open nothing.';
comment on function tap25.apply_for_warrant is 'Applies for a warrant and returns its number. It opens nothing until approve_warrant. For administrators, auditors and approvers: select apply_for_warrant(''2026-17'', ''order of 12 May'', ''{paula}'', ''{a@a.example,b.example,"10.0.0.5 in vlan 12"}'', ''2026-01-01'', ''2026-02-01'', ''2026-12-31'')';
comment on function tap25_internal.decide_warrant is 'Records that a warrant is approved or refused, by an approver who is neither its applicant nor one of its auditors.';
comment on function tap25.approve_warrant is 'Approves a warrant, which opens its targets from now on. For approvers, of what others have applied for and read: select approve_warrant(7, ''order read'')';
comment on function tap25.refuse_warrant is 'Refuses a warrant that was applied for. For approvers: select refuse_warrant(7, ''no order'')';
comment on function tap25.end_warrant is 'Ends a warrant, at once or at a time to come; returns false if there is no such warrant or it ends earlier. For administrators, approvers, and its applicant: select end_warrant(7, ''case closed'')';
comment on function tap25_internal.my_cases is 'Returns what the view my_cases shows.';
comment on function tap25_internal.record_access is 'Adds the line of an access to accesses.';
comment on function tap25_internal.enter_case is 'Returns the opening and the warrants that a question is asked under; fails if the case is not open, or no warrant names the target.';
comment on function tap25_internal.check_warrants is 'Fails if a warrant has ended since it was found valid.';
comment on function tap25_internal.await_flush is 'Waits until what is committed survives a crash of the server, also if its commit did not wait.';
comment on function tap25_internal.case_copies is 'Returns the rows of mail that warrants open, of a time range and a target, or all (null): each once.';
comment on function tap25_internal.case_rows is 'Returns the answer to a question on a case: case_copies, each recipient of each mail once, in the order of the digest.';
comment on function tap25_internal.digest_with is 'Returns the digest of an answer''s rows up to and with a row, from that of the rows before it.';
comment on function tap25.open_case is 'Opens a case for twelve hours and records the purpose; returns false if no warrant opens it. For auditors; commit before ask_case: select open_case(''2026-17'', ''complaint of a@a.example'')';
comment on function tap25.ask_case is 'Records a question on an open case, with the number and digest of the rows of its answer, and returns the number of the record. Null: all times, or all targets, of the warrants. For auditors; commit before case_mail: select ask_case(''2026-17'')';
comment on function tap25.case_answer is 'Returns the question that ask_case has recorded under a number, and the number and digest of the rows of its answer. For the auditor who has asked: select * from case_answer(17)';
comment on function tap25.case_mail is 'Returns the rows of a question that ask_case has recorded within 15 minutes, with the same arguments: each recipient of each mail once. For auditors: select * from case_mail(''2026-17'')';
comment on function tap25.case_list is 'Returns what case_mail does, in eight columns, and seen_at to the second. For auditors: select * from case_list(''2026-17'')';
comment on function tap25.case_completeness is 'Returns what completeness() returns for the time range of the case''s warrants: when taps listened, what they lost, and a sentence; no row if no warrant is valid. For auditors: select sentence from case_completeness(''2026-17'')';
comment on function tap25_internal.ends is 'Returns the times of the first and the last row, and how many are held and misdated: for db status.';
comment on function tap25_internal.rows_held is 'Returns how many rows a hold keeps; null for those who are not the owner, who could ask for mail by adding holds.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_approval is 'The part of grant_roles that is older than approvals.';
