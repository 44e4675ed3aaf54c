-- A smaller row: ports and the outcome as smallint, no octets for "nothing lost"; and smaller indexes. docs/storage.md
-- has what was measured. It rewrites every row and index: expect a minute for ten million rows.
drop function mail_from(text), mail_to(text), mail_from_domain(text), mail_to_domain(text);
drop view mail;

alter table envelopes
    alter lost_bytes drop not null,
    alter lost_bytes type bigint using nullif(lost_bytes, 0),
    alter client_port type smallint using client_port - 32768, -- 16 bits, unsigned
    alter server_port type smallint using server_port - 32768,
    alter outcome type smallint using array_position(enum_range(null::outcome), outcome) - 1;

-- SQL-standard bodies: they name their functions for good, whatever the search path of a restore or a reindex.
create or replace function domain_of(address text) returns text language sql immutable parallel safe
return case when position('@' in address) > 0 then lower(split_part(address, '@', -1)) end;

-- 16 bits of the hash of an address or domain in lower case. Rows that share them share an index entry, so that a row
-- costs 10 octets instead of 31; the few rows of a day that share them by chance are told apart by the text itself.
create function bucket(name text) returns int language sql immutable parallel safe
return hashtext(lower(name)) & 65535;

do $$
declare i record;
begin
    for i in select c.oid::regclass as name from pg_index x join pg_class c on c.oid = x.indexrelid
             where x.indrelid = 'envelopes'::regclass and pg_get_indexdef(c.oid) like '%hashtext(%'
    loop
        execute format('drop index %s', i.name);
    end loop;
end $$;
create index on envelopes (bucket(mail_from));
create index on envelopes (bucket(rcpt_to));
create index on envelopes (bucket(domain_of(mail_from)));
create index on envelopes (bucket(domain_of(rcpt_to)));

create function outcome_name(code smallint) returns outcome language sql immutable parallel safe
return ('{unknown,accepted,deferred,refused,aborted,encrypted}'::outcome[])[code + 1];
