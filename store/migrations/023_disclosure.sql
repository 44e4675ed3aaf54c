-- Disclosure: what the answer to a question rests on, and proofs that its rows are those that sensors signed.

-- The question of a number, for who has asked it and while its rows are shown; fails for any other.
create function tap25_internal.answered(access bigint) returns tap25.accesses language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    asked tap25.accesses;
begin
    select * into asked from tap25.accesses a where a.id = access and a.action = 'read' and a.auditor = session_user and a.sha256 is not null
        and a.at > clock_timestamp() - interval '15 minutes' and a.xid <> pg_current_xact_id();
    if asked.id is null or not asked.warrant_ids <@ tap25_internal.valid_warrants(asked.case_id) then
        raise 'access % is no question of yours of the last 15 minutes whose warrants are valid: select ask_case(...), and commit', access
            using errcode = 'insufficient_privilege';
    end if;
    return asked;
end $$;

create function tap25.case_warrants(access bigint) returns table (id bigint, basis text, applicant name, applied_at timestamptz, approver name,
    approved_at timestamptz, targets text[], since timestamptz, before timestamptz, valid_until timestamptz) language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    asked constant tap25.accesses := tap25_internal.answered(access);
begin
    return query
    select w.id, w.reason, w.applicant, w.applied_at, e.by, e.at,
        (select array_agg(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in) order by t.id)
         from tap25_internal.warrant_targets t where t.warrant_id = w.id),
        w.since, w.before, (select min(v.valid_until) from tap25.warrants v where v.id = w.id)
    from tap25_internal.warrants w left join tap25.warrant_events e on e.warrant_id = w.id and e.action = 'approved'
    where w.id = any (asked.warrant_ids) order by w.id;
end $$;

create function tap25.answer_completeness(access bigint) returns json language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select row_to_json(c) from tap25_internal.answered(access) asked
    cross join lateral tap25.completeness(greatest(asked.since, asked.asked_since), least(asked.before, asked.asked_before)) c
$$;

-- The leaves of all rows of the segments and days that rows of the answer are in, the links of these segments, and their keys. A leaf
-- shows nothing of a row: who guesses one would have to guess all its columns, session_id among them. Rows of a segment have the xmin
-- of its link; those of held and misdated are left out.
create function tap25.case_leaves(access bigint) returns table (body bytea, signature bytea, public_key bytea, day date, leaves bytea)
language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set plan_cache_mode = force_custom_plan as $$
#variable_conflict use_column
declare
    asked constant tap25.accesses := tap25_internal.answered(access);
    its   record;
    first timestamptz;
    last  timestamptz;
begin
    for its in select (r.seen_at at time zone 'UTC')::date as day, array_agg(r.seen_at) as times, array_agg(r.session_id) as sessions
        from tap25_internal.case_rows(asked.warrant_ids, asked.asked_since, asked.asked_before, asked.asked_target) r group by 1
    loop
        continue when not tap25_internal.has_partition(its.day);
        first := its.day::timestamp at time zone 'UTC';
        last := (its.day + 1)::timestamp at time zone 'UTC';
        return query
        with segments as materialized (
            select distinct l.id from unnest(its.times, its.sessions) w (seen_at, session_id)
            join tap25_internal.envelopes e on e.seen_at = w.seen_at and e.session_id = w.session_id and e.seen_at >= first and e.seen_at < last
            join tap25.links l on l.sensor = e.sensor and l.xid = e.xmin and daterange(l.first_day, l.last_day, '[]') @> its.day
        )
        select l.body, l.signature, k.public_key, its.day, string_agg(tap25_internal.leaf(e), '')
        from segments s join tap25.links l on l.id = s.id join tap25.keys k on k.id = l.key
        join tap25_internal.envelopes e on e.sensor = l.sensor and e.xmin = l.xid and e.seen_at >= first and e.seen_at < last
        group by l.id, k.id;
    end loop;
end $$;

-- Rights.

revoke execute on function tap25_internal.answered, tap25.case_warrants, tap25.answer_completeness, tap25.case_leaves from public;

alter function tap25_internal.grant_roles() rename to grant_roles_before_disclosure;
create function tap25_internal.grant_roles() returns void language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    perform tap25_internal.grant_roles_before_disclosure();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant execute on function tap25.case_warrants, tap25.answer_completeness, tap25.case_leaves to tap25_auditor;
    end if;
end $$;
revoke execute on function tap25_internal.grant_roles() from public;
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Comments.

comment on function tap25_internal.answered is 'Returns the question that ask_case has recorded under a number, for who has asked it, within 15 minutes; fails if there is none, or one of its warrants has ended.';
comment on function tap25.case_warrants is 'Returns the warrants that an answer rests on, as ask_case has recorded it: basis, applicant, approver, targets, times. For the auditor who has asked: select * from case_warrants(17)';
comment on function tap25.answer_completeness is 'Returns what completeness() says of the time range of an answer. For the auditor who has asked: select answer_completeness(17)';
comment on function tap25.case_leaves is 'Returns the links of the segments that rows of an answer are in, with the leaves of all their rows of a day: docs/evidence.md. tap25 disclose makes proofs of them. For the auditor who has asked.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_before_disclosure is 'The part of grant_roles that is older than disclosure.';
