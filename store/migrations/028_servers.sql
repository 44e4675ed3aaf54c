-- What functions of later migrations ask about a database whose rows Citus divides among several servers.

create table tap25_internal.distribution (
    distributed_at timestamptz not null default now(),
    distributed_by name        not null default session_user,
    citus          text        not null
);

create function tap25_internal.is_distributed() returns boolean language sql stable security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
    select exists (select from tap25_internal.distribution)
$$;

-- The columns of a row, in the order of its canonical form. A distributed table has one more, entered.
create function tap25_internal.row_columns(prefix text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select string_agg(prefix || quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped and attname <> 'entered'
$$;

-- The column that names a row's load. In a distributed database xmin is a transaction of the worker that has the row,
-- so the column entered keeps the xmin that the row had in the table arrivals, on the coordinator.
create function tap25_internal.load_column() returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select case when tap25_internal.is_distributed() then 'entered' else 'xmin' end
$$;

-- Sizes. The rows of a distributed table are in its shards, and the coordinator's own table is empty.

create function tap25_internal.size_of(which regclass) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    bytes bigint;
begin
    if tap25_internal.is_distributed() then
        begin
            execute 'select citus_total_relation_size(logicalrelid) from pg_dist_partition where logicalrelid = $1'
                into bytes using which;
        exception when internal_error then -- another session has dropped the table
        end;
    end if;
    return coalesce(bytes, pg_total_relation_size(which));
end $$;

create function tap25_internal.size_of_indexes(which regclass) returns bigint language plpgsql security definer
set search_path = pg_catalog, pg_temp set datestyle = 'ISO, YMD' set timezone = 'UTC' as $$
declare
    bytes bigint;
begin
    if tap25_internal.is_distributed() then
        execute 'select citus_total_relation_size(logicalrelid) - citus_table_size(logicalrelid) from pg_dist_partition
            where logicalrelid = $1' into bytes using which;
    end if;
    return coalesce(bytes, pg_indexes_size(which));
end $$;

-- The expression of a row's leaf. In a distributed database the type envelopes also has the column entered, which
-- leaf() leaves out.
create function tap25_internal.leaf_of(prefix text) returns text language sql stable
set search_path = pg_catalog, pg_temp as $$
    select format('tap25_internal.leaf(row(%s)::tap25_internal.envelopes)',
        tap25_internal.row_columns(prefix)
            || case when tap25_internal.is_distributed() then ', ' || prefix || 'entered' else '' end)
$$;

-- Rights.

revoke all on tap25_internal.distribution from public;
revoke execute on function tap25_internal.is_distributed, tap25_internal.row_columns, tap25_internal.load_column,
    tap25_internal.size_of, tap25_internal.size_of_indexes, tap25_internal.leaf_of from public;

-- Comments.

comment on table tap25_internal.distribution is
    'One line if the rows are divided among several machines, by tap25 db distribute; else none.';
comment on column tap25_internal.distribution.distributed_at is 'When that was done, by the database''s clock.';
comment on column tap25_internal.distribution.distributed_by is 'The login that did it.';
comment on column tap25_internal.distribution.citus is 'Version of the extension then.';
comment on function tap25_internal.is_distributed is 'Returns whether the rows are divided among several machines.';
comment on function tap25_internal.row_columns is
    'Returns the columns of a row in the order of its canonical form, each with a prefix.';
comment on function tap25_internal.load_column is
    'Returns the column of envelopes that has what links.xid names: xmin, or entered in a distributed database.';
comment on function tap25_internal.size_of is 'Returns the octets of a table with its indexes, on all machines.';
comment on function tap25_internal.size_of_indexes is 'Returns the octets of a table''s indexes, on all machines.';
comment on function tap25_internal.leaf_of is
    'Returns the expression of the leaf of a row, whose columns have a prefix.';
