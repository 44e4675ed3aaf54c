-- Days that are over are packed: blocks of rows that follow one another in time, column by column, with dictionaries.
-- docs/storage.md has the form of a block, and what else was tried.

create table tap25_internal.blocks (
    day             date        not null,
    number          integer     not null,
    rows            integer     not null,
    first_at        timestamptz not null,
    last_at         timestamptz not null,
    -- of each row
    heads           bit varying,
    rcpt            smallint[]  not null,
    kind            smallint[],
    rcpt_to_raw     bytea[],
    orcpt           text[],
    -- of each mail
    at              integer[],
    at_long         bigint[],
    fresh           bit varying,
    back            smallint[],
    sender          smallint[]  not null,
    size            integer[],
    size_long       bigint[],
    declared        integer[],
    declared_long   bigint[],
    link            smallint[],
    mail_from_raw   bytea[],
    envid           text[],
    -- of each session
    session_id      bigint[]    not null,
    client_port     smallint[]  not null,
    origin_port     smallint[],
    peer            smallint[]  not null,
    server          smallint[]  not null,
    -- dictionaries
    client_ip       inet[]      not null,
    helo            text[]      not null,
    tls_server_name text[],
    origin_ip       inet[],
    server_ip       inet[]      not null,
    server_port     smallint[]  not null,
    sensor          text[]      not null,
    network         text[],
    auth            boolean[]   not null,
    origin_by       smallint[],
    mail_no         integer[]   not null,
    outcome         smallint[]  not null,
    mail_code       smallint[]  not null,
    rcpt_code       smallint[]  not null,
    data_code       smallint[]  not null,
    flags           smallint[]  not null,
    lost_bytes      bigint[],
    links           bigint[]    not null,
    queue_mails     bit varying[],
    queue_kind      smallint[],
    queue_length    smallint[],
    queue_prefix    text[],
    queue_octets    bytea[],
    queue_text      text[],
    addresses       text[],
    mixed           integer     not null,
    odd_addresses   text[]
) partition by range (day);

create table tap25_internal.packs (
    day       date        not null,
    first     integer     not null,
    blocks    integer     not null,
    rows      bigint      not null,
    bits      smallint    not null,
    packed_at timestamptz not null default now(),
    primary key (day, first)
);

create table tap25_internal.block_prints (
    day    date       not null,
    first  integer    not null,
    page   integer    not null,
    prints smallint[] not null,
    blocks bit varying not null,
    primary key (page, day, first)
) partition by range (day);

create table tap25_internal.making_blocks ();

create function tap25_internal.is_packed(which date) returns boolean language sql stable
return exists (select from tap25_internal.packs p where p.day = which);

create function tap25_internal.blocks_name(day date) returns text language sql immutable
return 'blocks_' || to_char(day::timestamp, 'YYYYMMDD');

-- Limits what ANALYZE notes of the columns of a table but some. A process that plans a question keeps the statistics of
-- all columns of each table that it reads.
create function tap25_internal.limit_statistics(target regclass, most integer, others name[]) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
    execute (select format('alter table %s ', target)
            || string_agg(format('alter column %I set statistics %s', attname, most), ', ')
        from pg_attribute where attrelid = target and attnum > 0 and not attisdropped and attname <> all (others));
end $$;

-- Of the arrays of blocks ANALYZE notes nothing. No condition is on them, and ANALYZE would decompress them all. They
-- would be about 100,000 octets for each day.
create function tap25_internal.skip_arrays(target regclass) returns void language sql
begin atomic
    select tap25_internal.limit_statistics(target, 0, '{day,number,rows,first_at,last_at}');
end;

do $$ begin perform tap25_internal.skip_arrays('tap25_internal.blocks'); end $$;

-- Of each column of rows, 10 frequent values and as many limits of a histogram are noted instead of 100. Such a process
-- keeps 16,000 octets of a day then instead of 45,000. The time keeps all, and with it the size of the sample.
create or replace function tap25_internal.make_partition(day date) returns void language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' set default_tablespace = ''
set default_table_access_method = 'heap' as $$
declare
    name constant text := tap25_internal.partition_name(day);
begin
    execute format('create table tap25_internal.%I
        (like tap25_internal.envelopes including defaults including constraints)', name);
    perform tap25_internal.limit_statistics(('tap25_internal.' || name)::regclass, 10, '{seen_at}');
    perform tap25_internal.index_day(day);
    execute format('alter table tap25_internal.envelopes attach partition tap25_internal.%I
        for values from (%L) to (%L)', name, to_char(day::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00',
        to_char((day + 1)::timestamp, 'YYYY-MM-DD') || ' 00:00:00+00');
    perform tap25_internal.open_partition(('tap25_internal.' || name)::regclass);
end $$;

-- Rights.

revoke all on tap25_internal.blocks, tap25_internal.packs, tap25_internal.block_prints, tap25_internal.making_blocks
    from public;
revoke execute on function tap25_internal.is_packed, tap25_internal.blocks_name, tap25_internal.limit_statistics,
    tap25_internal.skip_arrays from public;

-- Comments.

comment on table tap25_internal.blocks is
    'Packed rows: a line is up to 8,000 rows of a day that follow one another in time. A partition for each packed '
    'day, blocks_YYYYMMDD. Numbers count from 1. docs/storage.md describes it.';
comment on column tap25_internal.blocks.day is 'The UTC day of the rows.';
comment on column tap25_internal.blocks.number is 'Number of the block within its day.';
comment on column tap25_internal.blocks.rows is 'Number of rows.';
comment on column tap25_internal.blocks.first_at is 'The least seen_at.';
comment on column tap25_internal.blocks.last_at is 'The greatest seen_at.';
comment on column tap25_internal.blocks.heads is
    'A bit for each row: set if it is the first of a mail. Null: each row is.';
comment on column tap25_internal.blocks.rcpt is 'Of each row: the number of rcpt_to among the addresses; 0: null.';
comment on column tap25_internal.blocks.kind is
    'Of each row: which of the values of mail_no to lost_bytes are its; null: the first.';
comment on column tap25_internal.blocks.rcpt_to_raw is 'Of each row; null: all are null.';
comment on column tap25_internal.blocks.orcpt is 'Of each row; null: all are null.';
comment on column tap25_internal.blocks.at is
    'Of each mail: microseconds from first_at to seen_at; null: at_long has them.';
comment on column tap25_internal.blocks.at_long is 'Like at, if one is beyond integer.';
comment on column tap25_internal.blocks.fresh is
    'A bit for each mail: set if it begins the next session. Null: each mail does.';
comment on column tap25_internal.blocks.back is
    'Of each mail that begins no session: how many sessions have begun after its own.';
comment on column tap25_internal.blocks.sender is 'Of each mail: the number of mail_from among the addresses; 0: null.';
comment on column tap25_internal.blocks.size is 'Of each mail: message_bytes; -1: null. Null: size_long has them.';
comment on column tap25_internal.blocks.size_long is 'Like size, if one is beyond integer.';
comment on column tap25_internal.blocks.declared is
    'Of each mail: declared_size less message_bytes, or less 0 if that is null; the least integer: null. Null: '
    'declared_long has them.';
comment on column tap25_internal.blocks.declared_long is
    'Like declared, if one is beyond integer; the least bigint: null.';
comment on column tap25_internal.blocks.link is 'Of each mail: which of links signs it; null: the first.';
comment on column tap25_internal.blocks.mail_from_raw is 'Of each mail; null: all are null.';
comment on column tap25_internal.blocks.envid is 'Of each mail; null: all are null.';
comment on column tap25_internal.blocks.session_id is 'Of each session.';
comment on column tap25_internal.blocks.client_port is 'Of each session.';
comment on column tap25_internal.blocks.origin_port is 'Of each session; null: all are null.';
comment on column tap25_internal.blocks.peer is
    'Of each session: which of the values of client_ip to origin_ip are its.';
comment on column tap25_internal.blocks.server is
    'Of each session: which of the values of server_ip to origin_by are its.';
comment on column tap25_internal.blocks.client_ip is 'The client''s address of each peer.';
comment on column tap25_internal.blocks.helo is 'helo of each peer.';
comment on column tap25_internal.blocks.tls_server_name is 'tls_server_name of each peer; null: all are null.';
comment on column tap25_internal.blocks.origin_ip is 'origin_ip of each peer; null: all are null.';
comment on column tap25_internal.blocks.server_ip is 'The address of each server.';
comment on column tap25_internal.blocks.server_port is 'server_port of each server, less 32768.';
comment on column tap25_internal.blocks.sensor is 'sensor of each server.';
comment on column tap25_internal.blocks.network is 'network of each server; null: all are null.';
comment on column tap25_internal.blocks.auth is 'auth of each server.';
comment on column tap25_internal.blocks.origin_by is 'origin_by of each server; null: all are null.';
comment on column tap25_internal.blocks.mail_no is 'mail_no of each kind of row.';
comment on column tap25_internal.blocks.outcome is 'outcome of each kind of row, by number.';
comment on column tap25_internal.blocks.mail_code is 'mail_code of each kind of row.';
comment on column tap25_internal.blocks.rcpt_code is 'rcpt_code of each kind of row.';
comment on column tap25_internal.blocks.data_code is 'data_code of each kind of row.';
comment on column tap25_internal.blocks.flags is 'flags of each kind of row.';
comment on column tap25_internal.blocks.lost_bytes is 'lost_bytes of each kind of row; null: all are null.';
comment on column tap25_internal.blocks.links is
    'The links that sign the rows, tap25.links.id; null among them: rows that no link is of.';
comment on column tap25_internal.blocks.queue_mails is
    'Of each form of queue IDs: a bit for each mail, set if its queue_id has that form. The n-th set bit belongs to '
    'the n-th queue ID of the form. Null: all are null.';
comment on column tap25_internal.blocks.queue_kind is
    'Of each form of queue IDs: 1 hexadecimal, 2 letters and digits, 3 UUID, 4 any text.';
comment on column tap25_internal.blocks.queue_length is 'Of each form: the number of characters; 0 for text.';
comment on column tap25_internal.blocks.queue_prefix is 'Of each form: what all begin with, of the kinds 1 and 2.';
comment on column tap25_internal.blocks.queue_octets is
    'Of each form: the rest of all, two characters an octet (1), four in three octets as in base64 (2), or 16 octets '
    '(3).';
comment on column tap25_internal.blocks.queue_text is 'The queue IDs of the form that is text.';
comment on column tap25_internal.blocks.addresses is
    'The addresses, 64 in a text, by domain: in each line a domain and the local parts, with tabs between. In a line '
    'without domain they are whole.';
comment on column tap25_internal.blocks.mixed is 'The first of the texts of addresses that are not all in lower case.';
comment on column tap25_internal.blocks.odd_addresses is
    'Addresses with a tab or the end of a line in them; they come after the others.';
comment on table tap25_internal.packs is 'What was packed, when: a day once, and again after rows came late.';
comment on column tap25_internal.packs.day is 'The UTC day.';
comment on column tap25_internal.packs.first is 'Number of its first block.';
comment on column tap25_internal.packs.blocks is 'Number of blocks.';
comment on column tap25_internal.packs.rows is 'Number of rows.';
comment on column tap25_internal.packs.bits is 'Bits of a hash that choose its page of block_prints.';
comment on column tap25_internal.packs.packed_at is 'When it was packed.';
comment on table tap25_internal.block_prints is
    'Which blocks have a value, by 16 bits of its hash. A partition for each month, block_prints_YYYYMM.';
comment on column tap25_internal.block_prints.day is 'The UTC day.';
comment on column tap25_internal.block_prints.first is 'packs.first.';
comment on column tap25_internal.block_prints.page is 'Other bits of the hashes.';
comment on column tap25_internal.block_prints.prints is '16 bits of each hash.';
comment on column tap25_internal.block_prints.blocks is
    'A set bit for each of prints, which are in the order of their blocks. Each bit that is not set means that the '
    'prints after it are of the next block. The first block is first.';
comment on table tap25_internal.making_blocks is 'Has no rows. Whoever packs locks it.';
comment on function tap25_internal.is_packed is 'Returns whether rows of a day are packed.';
comment on function tap25_internal.blocks_name is 'Returns the name of the partition of a packed day.';
comment on function tap25_internal.limit_statistics is
    'Limits what ANALYZE notes of the columns of a table, but of some.';
comment on function tap25_internal.skip_arrays is 'Has ANALYZE leave out the arrays of blocks.';
