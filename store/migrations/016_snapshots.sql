-- An old snapshot does not show what others have committed since. A hold that is added in one misses the rows that another hold has
-- kept meanwhile, which then go with that other; and a retention is compared with one that is not in force any more. Both are
-- refused there, as expiry is.

create or replace function tap25_internal.check_snapshot() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise 'holds, the retention and expiry take the isolation level READ COMMITTED' using errcode = 'insufficient_privilege';
    end if;
end $$;

create or replace function tap25.add_hold(mailbox text, domain text, network inet, since timestamptz, before timestamptz, until timestamptz, reason text) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare h tap25.holds;
begin
    perform tap25_internal.check_snapshot();
    insert into tap25.holds (mailbox, domain, network, since, before, until, reason)
    values (add_hold.mailbox, lower(add_hold.domain), add_hold.network, coalesce(add_hold.since, '-infinity'),
            coalesce(add_hold.before, 'infinity'), coalesce(add_hold.until, 'infinity'), add_hold.reason) returning * into h;
    update tap25_internal.held e set hold_ids = e.hold_ids || h.id
    where tap25_internal.concerns(h.mailbox, h.domain, h.network, h.since, h.before, e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip);
    return h.id;
end $$;

create or replace function tap25.set_retention(kept interval) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    stored interval;
begin
    perform tap25_internal.check_snapshot();
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

comment on function tap25_internal.check_snapshot is
    'Fails unless the transaction is READ COMMITTED: an older snapshot would not show a hold or a retention that was set since.';

-- The triggers that count rows and hold them to their sensor bind everybody, as those do that keep records.
alter table tap25_internal.envelopes enable always trigger count_rows;
alter table tap25_internal.misdated enable always trigger check_misdated;

-- A database whose misdated rows all have a known reason says so.
do $$ begin
    alter table tap25_internal.misdated validate constraint reasons;
exception when check_violation then
    raise warning 'misdated has rows that no tap25 makes';
end $$;
