-- Says of every schema, type, table, view, column, sequence and function what it is: \d+ mail and \df+ in psql show it. A migration that
-- adds one comments on it, or TestComments fails. Partitions need none.

comment on schema tap25 is 'For people: the view mail, the functions that ask it, and the records of warrants, accesses, holds, retention and what was dropped.';
comment on schema tap25_internal is 'For tap25 itself: the rows, the loads and the functions that keep them. An administrator reads its tables; nobody writes to them by hand.';

comment on type tap25.outcome is 'What became of a mail. accepted: RCPT and the message were answered 2xx. deferred: MAIL, RCPT or the message was answered 4xx. refused: MAIL, RCPT or the message was answered 5xx. aborted: the transaction ended before the message was settled. unknown: a reply that decides was not captured, or the capture ended. encrypted: STARTTLS was accepted; the mail after it is not seen.';

-- The record. The words are those of docs/record.md.

comment on view tap25.mail is 'The record: one row per RCPT command; one for a MAIL without any RCPT; one for each session that STARTTLS encrypted. What was not seen is null. Administrators read it; auditors call open_case and case_mail instead.';
comment on column tap25.mail.seen_at is 'When the segment with the first octet of MAIL was captured (of RCPT if no MAIL was seen; of STARTTLS for an encrypted session).';
comment on column tap25.mail.sensor is 'Which tap saw it.';
comment on column tap25.mail.session_id is 'One TCP connection: a hash of both addresses and ports and of the client''s initial sequence number, so that two taps give the same connection the same number. Without a SYN, the time of the first packet stands for that number.';
comment on column tap25.mail.mail_no is 'The n-th mail transaction of the session, from 1; 0 for an encrypted session.';
comment on column tap25.mail.client_ip is 'Address of the client, which sent the SYN. If no SYN was seen, it is the side that is not on the SMTP port; if both are, the side that sends no replies.';
comment on column tap25.mail.client_port is 'TCP port of the client.';
comment on column tap25.mail.server_ip is 'Address of the server: the other side of the connection than client_ip.';
comment on column tap25.mail.server_port is 'TCP port of the server.';
comment on column tap25.mail.helo is 'Argument of the last EHLO or HELO that was accepted, or not answered. Null: not seen.';
comment on column tap25.mail.mail_from is 'Mailbox of the reverse-path as it was sent, without <> and source route; an empty string is the null reverse-path <> of a bounce. Null: not seen.';
comment on column tap25.mail.rcpt_to is 'Mailbox of the forward-path, in the same form as mail_from. Null: not seen.';
comment on column tap25.mail.mail_from_raw is 'The octets of the reverse-path as sent, only if mail_from does not show them exactly: invalid UTF-8, NUL, a source route; else null.';
comment on column tap25.mail.rcpt_to_raw is 'The octets of the forward-path as sent, only if rcpt_to does not show them exactly: invalid UTF-8, NUL, a source route; else null.';
comment on column tap25.mail.mail_code is 'The server''s reply to MAIL, such as 250. Null: not seen.';
comment on column tap25.mail.rcpt_code is 'The server''s reply to this RCPT, such as 250. Null: not seen.';
comment on column tap25.mail.data_code is 'The reply that settled the message: to the end of data, to the last BDAT, or to the refused DATA. Null: not seen.';
comment on column tap25.mail.outcome is 'accepted (2xx), deferred (4xx), refused (5xx), aborted (before the message was settled), unknown (a reply that decides was not captured), encrypted (the mail after STARTTLS is not seen). The comment on the type has more.';
comment on column tap25.mail.message_bytes is 'Octets of the message as the server received it: dots unstuffed, the line with the single dot not counted; for BDAT the sum of the chunks. Null if some were missed.';
comment on column tap25.mail.declared_size is 'SIZE= of MAIL, in octets, RFC 1870. Null: none was declared.';
comment on column tap25.mail.envid is 'ENVID= of MAIL, RFC 3461. Null: none was sent.';
comment on column tap25.mail.orcpt is 'The address in ORCPT= of RCPT, RFC 3461, decoded, if it differs from rcpt_to; else null.';
comment on column tap25.mail.queue_id is 'The server''s name for the message, from the reply that accepted it. Null: the reply was not seen, or has none.';
comment on column tap25.mail.auth is 'AUTH had succeeded when the transaction began. Who, and with what, is not recorded.';
comment on column tap25.mail.tls_server_name is 'The server name in the ClientHello that follows STARTTLS. Null: not seen.';
comment on column tap25.mail.lost_bytes is 'Octets of the session that the capture missed, up to this row''s last reply. 0: none.';
comment on column tap25.mail.flags is 'Null if the record is complete, else: midstream (no SYN seen), one-sided (one direction never seen), gap (octets missed), conflict (octets came twice, with other contents), smuggling (servers disagree where it ends), injected (plaintext followed STARTTLS), truncated (more than is kept).';

comment on view tap25_internal.mail_days is 'The part of mail that is in the partitions of days.';
comment on view tap25_internal.mail_aside is 'The part of mail that is in no partition: held and misdated rows.';
comment on table tap25_internal.envelopes is 'The rows of mail, one partition per UTC day, envelopes_YYYYMMDD. Sensors add rows; nobody changes or deletes one; expiry drops a day whole.';
comment on table tap25_internal.misdated is 'Rows whose day gets no partition, because a clock was wrong. They are in mail, and are dropped by the time at which they were loaded.';
comment on table tap25_internal.held is 'Rows that outlived their day under a legal hold, each once. They are in mail until their last hold ends.';
-- The same columns mean the same in all of these.
do $$
declare c record;
begin
    for c in
        select a.attrelid::regclass as relation, m.attname as name, col_description(m.attrelid, m.attnum) as meaning
        from pg_attribute m join pg_attribute a on a.attname = m.attname and a.attnum > 0 and a.attrelid in ('tap25_internal.mail_days'::regclass,
            'tap25_internal.mail_aside'::regclass, 'tap25_internal.envelopes'::regclass, 'tap25_internal.misdated'::regclass, 'tap25_internal.held'::regclass)
        where m.attrelid = 'tap25.mail'::regclass and m.attnum > 0
    loop
        execute format('comment on column %s.%I is %L', c.relation, c.name, c.meaning);
    end loop;
    -- But a few are stored in a smaller form.
    for c in
        select t.relation, n.name, n.meaning
        from unnest(array['tap25_internal.envelopes', 'tap25_internal.misdated', 'tap25_internal.held']) t (relation) cross join (values
            ('client_port', 'TCP port of the client, less 32768.'),
            ('server_port', 'TCP port of the server, less 32768.'),
            ('outcome', 'What became of it: 0 unknown, 1 accepted, 2 deferred, 3 refused, 4 aborted, 5 encrypted.'),
            ('flags', 'What is incomplete, a bit each: 1 midstream, 2 one-sided, 4 gap, 8 conflict, 16 smuggling, 32 injected, 64 truncated. 0: the record is complete.'),
            ('lost_bytes', 'Octets of the session that the capture missed, up to this row''s last reply. Null: none.')) n (name, meaning)
    loop
        execute format('comment on column %s.%I is %L', c.relation, c.name, c.meaning);
    end loop;
end $$;
comment on column tap25_internal.misdated.reason is 'Why its day gets no partition: before 1990, ahead of the clock, or too many days.';
comment on column tap25_internal.misdated.loaded_at is 'When the row was loaded, by the database''s clock: it expires by this time.';
comment on column tap25_internal.held.hold_ids is 'The holds that keep the row: holds.id.';

-- Questions.

comment on function tap25.mail_from is 'Returns the mail from an address, in upper or lower case, with since <= seen_at < before. For administrators: select * from mail_from(''a@a.example'', ''2026-01-01'', ''2026-02-01'')';
comment on function tap25.mail_to is 'Returns the mail to an address, in upper or lower case, with since <= seen_at < before. For administrators: select * from mail_to(''b@b.example'', ''2026-01-01'')';
comment on function tap25.mail_from_domain is 'Returns the mail from a domain, not from its subdomains, with since <= seen_at < before. For administrators: select * from mail_from_domain(''a.example'')';
comment on function tap25.mail_to_domain is 'Returns the mail to a domain, not to its subdomains, with since <= seen_at < before. For administrators: select * from mail_to_domain(''b.example'')';
comment on function tap25.mail_client is 'Returns the mail that an IP address or subnet sent, with since <= seen_at < before. For administrators: select * from mail_client(''192.0.2.0/24'')';
comment on function tap25.mail_server is 'Returns the mail that an IP address or subnet received, with since <= seen_at < before. For administrators: select * from mail_server(''2001:db8::25'')';

-- Warrants and accesses.

comment on view tap25.warrants is 'What auditors may read: a warrant opens the mail of one mailbox, domain or network, in a time range, to one auditor. Administrators read it, insert a warrant, and update valid_until to end one earlier; nothing else changes and nothing is deleted.';
comment on column tap25.warrants.case_id is 'The case that the warrant belongs to. open_case and case_mail take it.';
comment on column tap25.warrants.auditor is 'Who may read: a user, or a role that the user is a member of.';
comment on column tap25.warrants.mailbox is 'The mailbox whose mail may be read, from it or to it, in upper or lower case. Null: the warrant names a domain or a network.';
comment on column tap25.warrants.domain is 'The domain whose mail may be read, from it or to it, without its subdomains. Null: the warrant names a mailbox or a network.';
comment on column tap25.warrants.network is 'The IP address or subnet whose mail may be read, as client or server. Null: the warrant names a mailbox or a domain.';
comment on column tap25.warrants.since is 'Beginning of the time range: only mail with since <= seen_at may be read.';
comment on column tap25.warrants.before is 'End of the time range: only mail with seen_at < before may be read.';
comment on column tap25.warrants.valid_until is 'From this time on the warrant opens nothing: what was granted, or the earlier end that an event records.';
comment on column tap25.warrants.reason is 'What the warrant was granted for.';
comment on column tap25.warrants.id is 'Number of the warrant.';
comment on column tap25.warrants.granted_by is 'The login that granted it.';
comment on column tap25.warrants.granted_at is 'When it was granted, by the database''s clock.';

comment on table tap25_internal.warrants is 'The warrants as they were granted, append-only. The view warrants shows them with their present end.';
do $$
declare c record;
begin
    for c in
        select m.attname as name, col_description(m.attrelid, m.attnum) as meaning from pg_attribute m where m.attrelid = 'tap25.warrants'::regclass and m.attnum > 0
    loop
        execute format('comment on column tap25_internal.warrants.%I is %L', c.name, c.meaning);
    end loop;
end $$;
comment on column tap25_internal.warrants.valid_until is 'From this time on the warrant opens nothing, as it was granted. An event may have ended it earlier.';
comment on sequence tap25_internal.warrants_id_seq is 'Gives warrants.id.';

comment on table tap25.warrant_events is 'What happened to a warrant: that it was granted, and that it was ended. Append-only; administrators read it.';
comment on column tap25.warrant_events.id is 'Number of the event.';
comment on column tap25.warrant_events.warrant_id is 'The warrant: warrants.id.';
comment on column tap25.warrant_events.action is 'granted, ended, or migrated: it was granted before there were events.';
comment on column tap25.warrant_events.valid_until is 'If action is ended, the time from which on the warrant opens nothing; else null.';
comment on column tap25.warrant_events.reason is 'What the warrant was ended for. Null: no reason was given.';
comment on column tap25.warrant_events.by is 'The login that did it; for migrated, the one that ran the migration.';
comment on column tap25.warrant_events.at is 'When, by the database''s clock.';
comment on sequence tap25.warrant_events_id_seq is 'Gives warrant_events.id.';

comment on table tap25.accesses is 'What auditors have read, opened, or were refused. Append-only, for its owner too; administrators read it.';
comment on column tap25.accesses.id is 'Number of the access. It is given before anything is read and no rollback gives it back: missing_accesses shows gaps.';
comment on column tap25.accesses.at is 'When the access was recorded, by the database''s clock.';
comment on column tap25.accesses.auditor is 'The login that asked.';
comment on column tap25.accesses.case_id is 'The case that was asked for, as the auditor wrote it.';
comment on column tap25.accesses.action is 'open, read, or refused.';
comment on column tap25.accesses.purpose is 'What the case was opened for, in the auditor''s words. Null for a read, and for one that was refused.';
comment on column tap25.accesses.rows is 'How many rows a read returned; else null.';
comment on column tap25.accesses.xid is 'The transaction that recorded it: a case is read in a later one than it was opened in.';
comment on column tap25.accesses.opening is 'Of a read: the id of the opening that it was made under; else null.';
comment on column tap25.accesses.warrant_ids is 'The warrants that were valid for the auditor then: warrants.id. Null for an access from before schema version 14.';
comment on column tap25.accesses.targets is 'The mailboxes, domains and networks of these warrants, in the same order. Null: there was none.';
comment on column tap25.accesses.since is 'The earliest beginning of the time ranges of these warrants. Null: there was none.';
comment on column tap25.accesses.before is 'The latest end of the time ranges of these warrants. Null: there was none.';
comment on column tap25.accesses.refusal is 'Why the access was refused; else null.';
comment on column tap25.accesses.client_addr is 'IP address that the auditor''s session came from. Null: a Unix socket.';
comment on column tap25.accesses.client_port is 'TCP port that the auditor''s session came from. Null: a Unix socket.';
comment on column tap25.accesses.application_name is 'What the auditor''s program calls itself. It proves nothing.';
comment on column tap25.accesses.backend_pid is 'Process number of the session in the server, as in its log.';
comment on sequence tap25.accesses_id_seq is 'Gives accesses.id.';

comment on view tap25.missing_accesses is 'Numbers of accesses that have no line: refused by an error, undone by a rollback (the server''s log has both), under way, or, up to 32 in a row, lost in a crash or when a standby took over. Administrators read it.';
comment on column tap25.missing_accesses.first is 'First missing number: accesses.id.';
comment on column tap25.missing_accesses.last is 'Last missing number of the gap.';
comment on column tap25.missing_accesses.after is 'When the access before the gap was recorded. Null: there is none.';
comment on column tap25.missing_accesses.before is 'When the access after the gap was recorded. Null: there is none yet.';

comment on function tap25.open_case is 'Opens a case for twelve hours and records the purpose; returns false if no warrant opens it. For auditors; commit before case_mail: select open_case(''2026-17'', ''complaint of a@a.example'')';
comment on function tap25.case_mail is 'Returns the mail that the warrants of an open case allow, each row once, and records the read. For auditors, after open_case: select * from case_mail(''2026-17'')';
comment on function tap25.end_warrant is 'Ends a warrant at once; returns false if there is no such warrant or it has ended. For administrators: select end_warrant(7, ''case closed'')';

comment on function tap25_internal.stamp is 'Trigger: enters who adds a row and when, whatever was given.';
comment on function tap25_internal.refuse is 'Trigger: refuses to change or delete rows of a table that is append-only.';
comment on function tap25_internal.note_grant is 'Trigger: records the event that a warrant was granted.';
comment on function tap25_internal.change_warrant is 'Trigger: what insert and update of the view warrants do. It grants a warrant, or brings its end forward.';
comment on function tap25_internal.may_read is 'Returns whether a warrant of this auditor and end is valid for the session''s login now.';
comment on function tap25_internal.valid_warrants is 'Returns the warrants that open a case to the session''s login now: warrants.id.';
comment on function tap25_internal.begin_access is 'Gives an access its number, writes it to the server''s log and returns it.';
comment on function tap25_internal.log_refusal is 'Writes to the server''s log why an access is refused.';
comment on function tap25_internal.record_access is 'Adds the line of an access to accesses.';
comment on function tap25_internal.check_isolation is 'Fails unless the transaction is READ COMMITTED: an older snapshot would show an ended warrant as valid.';
comment on function tap25_internal.concerns is 'Returns whether a row is of a mailbox, domain or network (the others are null) and in a time range.';
comment on function tap25_internal.mail_concerning is 'Returns the mail of a mailbox, domain or network (the others are null) in a time range.';

-- Holds, retention, expiry.

comment on table tap25.holds is 'Legal holds: mail that they concern is kept when its day is dropped. Add one with add_hold, end one with drop_hold; administrators read it.';
comment on column tap25.holds.id is 'Number of the hold.';
comment on column tap25.holds.mailbox is 'The mailbox whose mail is kept, from it or to it, in upper or lower case. Null: the hold names a domain or a network.';
comment on column tap25.holds.domain is 'The domain whose mail is kept, from it or to it, without its subdomains. Null: the hold names a mailbox or a network.';
comment on column tap25.holds.network is 'The IP address or subnet whose mail is kept, as client or server. Null: the hold names a mailbox or a domain.';
comment on column tap25.holds.since is 'Beginning of the time range: only mail with since <= seen_at is kept.';
comment on column tap25.holds.before is 'End of the time range: only mail with seen_at < before is kept.';
comment on column tap25.holds.until is 'When the hold ends by itself; infinity if it does not.';
comment on column tap25.holds.reason is 'What the hold was added for.';
comment on column tap25.holds.added_by is 'The login that added it.';
comment on column tap25.holds.added_at is 'When it was added, by the database''s clock.';
comment on column tap25.holds.dropped_by is 'The login that ended it with drop_hold. Null: nobody has.';
comment on column tap25.holds.dropped_at is 'When it was ended with drop_hold. Null: it was not.';
comment on column tap25.holds.released_at is 'When the rows that it alone kept were removed. Null: not yet.';
comment on sequence tap25.holds_id_seq is 'Gives holds.id.';
comment on function tap25.add_hold is 'Adds a hold on a mailbox, a domain or a network (the others are null) and returns its number; a null time is no bound. For administrators: select add_hold(''a@a.example'', null, null, ''2026-01-01'', null, null, ''court order'')';
comment on function tap25.drop_hold is 'Ends a hold now; returns false if there is no such hold or it has ended. For administrators: select drop_hold(3)';
comment on function tap25_internal.change_hold is 'Trigger: lets nothing of a hold change but its end, once.';
comment on function tap25_internal.keep_held is 'Copies the rows of a table that active holds concern to held, each once, and returns how many.';

comment on table tap25.retentions is 'How long days are kept: the line with the highest id is in force. Append-only; administrators read it and call set_retention.';
comment on column tap25.retentions.id is 'Number of the line.';
comment on column tap25.retentions.kept is 'How long a day is kept. Null: for ever.';
comment on column tap25.retentions.set_by is 'The login that set it.';
comment on column tap25.retentions.set_at is 'When it was set, by the database''s clock.';
comment on sequence tap25.retentions_id_seq is 'Gives retentions.id.';
comment on function tap25.set_retention is 'Sets how long days are kept, null for ever; only the owner of the schema makes it shorter. For administrators: select set_retention(''2 years'')';

comment on table tap25.expired is 'What was dropped, a line for each day and kind. Append-only; administrators read it.';
comment on column tap25.expired.day is 'The UTC day that was dropped: of seen_at; if kind is misdated, the day on which the rows were loaded.';
comment on column tap25.expired.kind is 'partition (a day), misdated (rows without a day of their own), or held (rows whose last hold has ended).';
comment on column tap25.expired.rows is 'How many rows there were, including those that a hold kept.';
comment on column tap25.expired.bytes is 'How many octets they took, for a partition with its indexes.';
comment on column tap25.expired.kept is 'How many of these rows a hold kept: they are in held.';
comment on column tap25.expired.hold_ids is 'If kind is held, the holds that had kept the rows: holds.id; else null.';
comment on column tap25.expired.dropped_at is 'When it was dropped, by the database''s clock.';
comment on column tap25.expired.version is 'Version of the tap25 that dropped it.';
comment on column tap25.expired.dropped_by is 'The login that dropped it. Null: not recorded then.';

comment on function tap25_internal.expire_day is 'Drops a day, after copying the rows that a hold concerns; returns its rows, its octets and how many rows are kept. Fails if the retention keeps the day or a load has it.';
comment on function tap25_internal.expire_misdated is 'Removes misdated rows that were loaded before a time, after copying those that a hold concerns; returns what was removed for each day. Fails if the retention keeps them.';
comment on function tap25_internal.release_holds is 'Removes the rows that only holds which have ended kept; returns what was removed for each day.';
comment on function tap25_internal.check_retention is 'Fails if the retention keeps something of what is older than a time.';
comment on function tap25_internal.check_snapshot is 'Fails unless the transaction is READ COMMITTED: an older snapshot would not show a new hold.';

comment on table tap25_internal.late_days is 'Days that expiry could not drop yet, because somebody used them.';
comment on column tap25_internal.late_days.day is 'The UTC day.';
comment on column tap25_internal.late_days.since is 'When expiry first could not drop it.';
comment on column tap25_internal.late_days.tried is 'When expiry last tried.';
comment on column tap25_internal.late_days.users is 'Who used it at the last try, with the name of the program and why the session was not ended.';
comment on table tap25_internal.ended_sessions is 'Sessions that expiry has ended, because they kept a day from being dropped or partitions from being made. Append-only.';
comment on column tap25_internal.ended_sessions.at is 'When the session was ended, by the database''s clock.';
comment on column tap25_internal.ended_sessions.login is 'The login whose session it was.';
comment on column tap25_internal.ended_sessions.application is 'What its program called itself.';
comment on column tap25_internal.ended_sessions.open_since is 'When its transaction began.';
comment on column tap25_internal.ended_sessions.day is 'The UTC day that it kept from being dropped. Null: it kept partitions from being made.';
comment on column tap25_internal.ended_sessions.ended_by is 'The login whose expiry ended it.';
comment on function tap25_internal.end_blockers is 'Returns the sessions that keep a day from being dropped, or without a day partitions from being made, and ends those it may whose transaction is older than an interval. Fails if the retention keeps the day.';
comment on function tap25_internal.end_all_blockers is 'As end_blockers, which calls it, for any day.';

-- Sensors and loads.

comment on view tap25.sensors is 'Which login each sensor loads with at present. Administrators read it and call bind_sensor.';
comment on column tap25.sensors.sensor is 'Name of the sensor: mail.sensor.';
comment on column tap25.sensors.login is 'The login that alone loads under this name.';
comment on column tap25.sensors.since is 'When the name became this login''s, by the database''s clock.';
comment on column tap25.sensors.bound_by is 'The login that bound it: the sensor''s own with its first load, or an administrator''s.';
comment on table tap25_internal.sensors is 'Which login each sensor loads with, and loaded with before. The view sensors shows the present.';
comment on column tap25_internal.sensors.sensor is 'Name of the sensor: mail.sensor.';
comment on column tap25_internal.sensors.login is 'The login that alone loads under this name.';
comment on column tap25_internal.sensors.since is 'When the name became this login''s, by the database''s clock.';
comment on column tap25_internal.sensors.bound_by is 'The login that bound it: the sensor''s own with its first load, or an administrator''s.';
comment on column tap25_internal.sensors.until is 'When the name was taken from this login. Null: it still has it.';
comment on function tap25.bind_sensor is 'Gives a sensor''s name to a login, in place of the login that had it and of the name that the login had; null leaves the login without a name until its next load. For administrators: select bind_sensor(''tap_dc2'', ''dc2'')';
comment on function tap25_internal.is_tied is 'Returns whether the session''s login loads under one name only: not so for members of the owner.';
comment on function tap25_internal.bad_name is 'Returns why a text cannot be the name of a sensor, or null if it can.';
comment on function tap25_internal.claim_sensor is 'Takes a sensor''s name for the session''s login with its first load; fails if the name or the login is bound otherwise.';
comment on function tap25_internal.my_sensor is 'Returns the sensor''s name that the session''s login has; fails if it has none.';

comment on table tap25_internal.loads is 'Segments and capture files that were loaded: what has a line here is never loaded again.';
comment on column tap25_internal.loads.sensor is 'The sensor that loaded it.';
comment on column tap25_internal.loads.segment is 'Name of the segment of a spool, or key of a capture file.';
comment on column tap25_internal.loads.rows is 'How many rows it has, by its sensor''s word.';
comment on column tap25_internal.loads.loaded_at is 'When it was loaded, by the database''s clock.';
comment on function tap25_internal.enter_loads is 'Enters segments in loads; returns for each whether it was not there yet. For sensors, as the first step of a load.';
comment on function tap25_internal.begin_load is 'Prepares a load: makes and locks the partitions of its days; returns the days that get none, with the reason. For sensors, once in a transaction, before the first row.';
comment on function tap25_internal.prune_loads is 'Forgets loads of a spool''s segments that are a month old and older than a segment; returns how many. For sensors, of their own name.';
comment on function tap25_internal.bound_waits is 'Ends a wait for a lock after 30 seconds, if the session sets no lock_timeout.';
comment on function tap25_internal.count_rows is 'Trigger: counts the rows that a statement adds in days, and refuses rows of another sensor than the login''s.';
comment on function tap25_internal.check_misdated is 'Trigger: refuses misdated rows whose day gets a partition, and rows of another sensor than the login''s.';

-- Days.

comment on table tap25_internal.days is 'How many rows were loaded per UTC day and sensor, counted by the server.';
comment on column tap25_internal.days.day is 'The UTC day of seen_at.';
comment on column tap25_internal.days.sensor is 'The sensor.';
comment on column tap25_internal.days.rows is 'How many rows it has loaded into the day.';
comment on column tap25_internal.days.loaded_at is 'When it last loaded into the day, by the database''s clock.';
comment on function tap25_internal.partitions is 'Returns the days that have a partition, with the octets that each takes, indexes included: select * from tap25_internal.partitions()';
comment on function tap25_internal.partition_name is 'Returns the name of a day''s partition: envelopes_YYYYMMDD.';
comment on function tap25_internal.has_partition is 'Returns whether a day has a partition now, even if another transaction has only just committed it.';
comment on function tap25_internal.lacks_partition is 'Returns whether one of these days may get a partition and has none.';
comment on function tap25_internal.max_partitions is 'Returns how many partitions there may be before an older day gets none: three years. Replace it by a larger number only after raising max_locks_per_transaction.';
comment on function tap25_internal.wrong_clock is 'Returns why a day gets no partition by the clock alone, or null: it is before 1990, or more than two days ahead.';
comment on function tap25_internal.make_partition is 'Makes the partition of a day.';
comment on function tap25_internal.ensure_partition is 'Makes the partition of a day if it is missing; returns why the day gets none, or null. The caller has locked making_partitions.';
comment on function tap25_internal.make_partitions is 'Makes the partitions of these days, if they are missing and may be made. For sensors.';
comment on function tap25_internal.make_partitions_ahead is 'Makes the partitions of today and of the next days, 31 at most; returns how many were made. For sensors and administrators.';
comment on function tap25_internal.lock_day is 'Locks a day against expiry until the transaction ends; returns false if the day has no partition.';
comment on table tap25_internal.making_partitions is 'No rows: locked by whoever makes partitions.';
comment on table tap25_internal.making_summaries is 'No rows: locked by whoever makes a summary.';
comment on table tap25_internal.rebuilding_indexes is 'No rows: locked by whoever rebuilds the indexes of a day.';

comment on table tap25_internal.summaries is 'Days that have a summary: a question about one address, domain or IP address leaves out the days that do not have it. A summary holds while the day has as many rows.';
comment on column tap25_internal.summaries.day is 'The UTC day.';
comment on column tap25_internal.summaries.rows is 'How many rows the day had then.';
comment on column tap25_internal.summaries.bits is 'The day has 2^bits pages of prints.';
comment on column tap25_internal.summaries.made_at is 'When the summary was made, by the database''s clock.';
comment on table tap25_internal.prints is 'What summaries hold: 16 bits of the hash of each address, domain and IP address of a day.';
comment on column tap25_internal.prints.day is 'The UTC day.';
comment on column tap25_internal.prints.page is 'The page: other bits of the hash.';
comment on column tap25_internal.prints.prints is 'The prints in the page, ascending, each less 32768.';
comment on table tap25_internal.reindexed is 'Days whose indexes were rebuilt after the day was over, which packs them.';
comment on column tap25_internal.reindexed.day is 'The UTC day.';
comment on column tap25_internal.reindexed.rows is 'How many rows the day had then.';
comment on column tap25_internal.reindexed.bytes_before is 'Octets of its indexes before.';
comment on column tap25_internal.reindexed.bytes is 'Octets of its indexes after.';
comment on column tap25_internal.reindexed.made_at is 'When they were rebuilt, by the database''s clock.';
comment on function tap25_internal.days_over is 'Returns the days that are over and to which nothing was loaded for an interval, with what is due for them. For sensors, which see no count, and administrators.';
comment on function tap25_internal.days_with is 'Returns the days that may have a value, in a time range: those that no summary rules out. Kind is mail_from, rcpt_to, from_domain, to_domain, client or server; value null is any.';
comment on function tap25_internal.mail_about is 'Returns the mail that a condition on $1, the value, holds for, asked day by day. The functions mail_from to mail_server call it.';
comment on function tap25_internal.summarize_day is 'Makes the summary of a day; returns false if another session is making one or, to a sensor, if none is due. For sensors and administrators.';
comment on function tap25_internal.print_hash is 'Returns the hash of a value of a kind, such as mail_from, in lower case.';
comment on function tap25_internal.print_page is 'Returns the page that a hash belongs to.';
comment on function tap25_internal.print_of is 'Returns the 16 bits of a hash that are kept.';

comment on function tap25_internal.domain_of is 'Returns the domain of an address in lower case, or null if it has none.';
comment on function tap25_internal.bucket is 'Returns 16 bits of the hash of an address or domain in lower case: the indexes have these, not the text.';
comment on function tap25_internal.is_host is 'Returns whether this is one IP address, not a subnet.';

-- Versions and rights.

comment on table tap25_internal.tap25_schema_version is 'One row: the last migration that was applied.';
comment on column tap25_internal.tap25_schema_version.version is 'Number of the last migration that was applied.';
comment on function tap25_internal.grant_roles is 'Gives the roles tap25_sensor, tap25_auditor and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
comment on function tap25_internal.grant_roles_012 is 'The part of grant_roles that is of schema version 12.';
comment on function tap25_internal.grant_roles_013 is 'The part of grant_roles that is of schema version 13.';
comment on function tap25_internal.let_roles_connect is 'Lets the roles that exist connect to this database, if its owner calls it.';
