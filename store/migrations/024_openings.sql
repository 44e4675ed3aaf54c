-- Who opens the private cluster as its owner, for whom no rule of access holds, is on record beside what auditors read.

alter table tap25.accesses
    alter case_id drop not null,
    add os_user  text,
    add os_login text,
    add terminal text,
    drop constraint accesses_action_check,
    add constraint accesses_action_check check (action in ('open', 'read', 'shown', 'refused', 'opened as owner')),
    add constraint accesses_case_id_check check ((case_id is null) = (action = 'opened as owner'));

-- The line of the log stays whatever becomes of the transaction.
create function tap25_internal.record_opening(os_user text, os_login text, terminal text) returns void language plpgsql
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set client_min_messages = warning as $$
declare
    number constant bigint := nextval('tap25.accesses_id_seq');
begin
    raise log 'tap25: access %: opened as owner by user %, operating system''s user %, login %', number, to_json(session_user::text),
        to_json(left(os_user, 200)), coalesce(to_json(left(os_login, 200)), 'null');
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, action, os_user, os_login, terminal) overriding system value
    values (number, 'opened as owner', left(record_opening.os_user, 200), left(record_opening.os_login, 200), left(record_opening.terminal, 200));
end $$;

-- Rights: the owner's alone.

revoke execute on function tap25_internal.record_opening from public;

-- Comments.

comment on table tap25.accesses is 'What auditors have read, opened, or were refused, and who has opened the private cluster as its owner. Append-only, for its owner too; administrators read it.';
comment on column tap25.accesses.case_id is 'The case that was asked for, as the auditor wrote it. Null if action is opened as owner.';
comment on column tap25.accesses.action is 'open, of a case; read, of a question and its answer; shown, of the rows of an answer; refused; opened as owner, of the private cluster by tap25 db psql, which can read all rows.';
comment on column tap25.accesses.os_user is 'If action is opened as owner, the operating system''s user who ran tap25, as tap25 reported.';
comment on column tap25.accesses.os_login is 'If action is opened as owner, who had logged in, whatever su or sudo made of it; null if the kernel does not know.';
comment on column tap25.accesses.terminal is 'If action is opened as owner, the terminal; null if there was none.';
comment on function tap25_internal.record_opening is 'Records that the private cluster is opened as its owner, in the server''s log and in accesses. tap25 db psql calls it.';
