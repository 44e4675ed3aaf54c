-- The record, DESIGN.md. One partition per UTC day; columns stand widest first, so that no padding is stored.
create type outcome as enum ('unknown', 'accepted', 'deferred', 'refused', 'aborted', 'encrypted');

create table envelopes (
    seen_at         timestamptz not null,
    session_id      bigint      not null,
    message_bytes   bigint,
    declared_size   bigint,
    lost_bytes      bigint      not null,
    mail_no         int         not null,
    client_port     int         not null,
    server_port     int         not null,
    outcome         outcome     not null,
    mail_code       smallint,
    rcpt_code       smallint,
    data_code       smallint,
    flags           smallint    not null, -- a bit each, in the order of the record's list
    auth            boolean     not null,
    client_ip       inet        not null,
    server_ip       inet        not null,
    sensor          text        not null,
    mail_from       text,
    rcpt_to         text,
    helo            text,
    queue_id        text,
    mail_from_raw   bytea,
    rcpt_to_raw     bytea,
    envid           text,
    orcpt           text,
    tls_server_name text
) partition by range (seen_at);

-- An address is found by the hash of its lower case: four bytes a row, whatever its length.
create index on envelopes (hashtext(lower(mail_from)));
create index on envelopes (hashtext(lower(rcpt_to)));
create index on envelopes (client_ip);
create index on envelopes using brin (seen_at);

create function domain_of(address text) returns text language sql immutable parallel safe as
$$ select lower(substring(address from '@([^@]*)$')) $$;

create index on envelopes (hashtext(domain_of(mail_from)));
create index on envelopes (hashtext(domain_of(rcpt_to)));

create function flag_names(flags smallint) returns text[] language sql immutable parallel safe as
$$ select case when flags = 0 then null else array(
    select name from unnest(array['midstream', 'one-sided', 'gap', 'conflict', 'smuggling', 'injected', 'truncated']) with ordinality as f(name, bit)
    where flags::int & (1 << (bit::int - 1)) <> 0 order by bit) end $$;

create view mail as
select seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to,
       mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt,
       queue_id, auth, tls_server_name, lost_bytes, flag_names(flags) as flags
from envelopes;

-- All mail from, or to, an address, in upper or lower case; from, or to, a domain. They use the indexes above.
create function mail_from(address text) returns setof mail language sql stable parallel safe as
$$ select * from mail where hashtext(lower(mail_from)) = hashtext(lower(address)) and lower(mail_from) = lower(address) $$;
create function mail_to(address text) returns setof mail language sql stable parallel safe as
$$ select * from mail where hashtext(lower(rcpt_to)) = hashtext(lower(address)) and lower(rcpt_to) = lower(address) $$;
create function mail_from_domain(domain text) returns setof mail language sql stable parallel safe as
$$ select * from mail where hashtext(domain_of(mail_from)) = hashtext(lower(domain)) and domain_of(mail_from) = lower(domain) $$;
create function mail_to_domain(domain text) returns setof mail language sql stable parallel safe as
$$ select * from mail where hashtext(domain_of(rcpt_to)) = hashtext(lower(domain)) and domain_of(rcpt_to) = lower(domain) $$;

-- What was loaded: a segment that stands here is never loaded again.
create table loads (
    sensor    text        not null,
    segment   text        not null,
    rows      bigint      not null,
    loaded_at timestamptz not null default now(),
    primary key (sensor, segment)
);
