-- Has Citus divide the rows; run once, in a transaction, as the owner. docs/operating.md says what becomes of each table.

set local search_path = pg_catalog, pg_temp;
set local citus.enable_ddl_propagation = off;
set local citus.multi_shard_modify_mode = sequential; -- otherwise Citus would refuse to make functions here
lock table tap25_internal.distribution in exclusive mode; -- a load waits, and then learns where its rows go
lock table tap25_internal.making_partitions, tap25_internal.making_summaries, tap25_internal.making_blocks in exclusive mode;
lock table tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.held in access exclusive mode;

-- Distributed tables cannot have triggers. The temporary tables of make_arrivals() have them instead.
do $$
declare
    t record;
begin
    for t in select g.tgname, g.tgrelid::regclass as relation from pg_trigger g where not g.tgisinternal and g.tgparentid = 0
        and (g.tgrelid in ('tap25_internal.envelopes'::regclass, 'tap25_internal.misdated'::regclass)
            or g.tgrelid in (select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass))
    loop
        execute format('drop trigger %I on %s', t.tgname, t.relation);
    end loop;
end $$;

alter table tap25_internal.envelopes add column entered xid;
alter table tap25_internal.misdated add column entered xid;
alter table tap25_internal.held add column entered xid;
comment on column tap25_internal.envelopes.entered is 'The transaction that loaded the row, as the coordinator numbers it: links.xid.';
comment on column tap25_internal.misdated.entered is 'The transaction that loaded the row, as the coordinator numbers it: links.xid.';
comment on column tap25_internal.held.entered is 'The transaction that loaded the row, as the coordinator numbers it: links.xid.';
update tap25_internal.envelopes set entered = xmin;
update tap25_internal.misdated set entered = xmin;

-- Before the tables are distributed, so that sensors have lost INSERT when Citus copies rights to the shards.
insert into tap25_internal.distribution (citus) select extversion from pg_extension where extname = 'citus';
do $$ begin perform tap25_internal.grant_roles(); end $$;

-- Views depend on functions, and some functions on the views' row types. Citus follows these dependencies when it
-- distributes a table, and refuses the cycle. So the views get a query without tables until the tables are distributed.
-- They stay on the coordinator, which expands them before it divides a question.
create temporary table views on commit drop as
select c.oid::regclass as view, pg_get_viewdef(c.oid) as query,
    (select string_agg(format('null::%s as %I', format_type(a.atttypid, a.atttypmod), a.attname), ', ' order by a.attnum)
     from pg_attribute a where a.attrelid = c.oid and a.attnum > 0) as nothing
from pg_class c where c.oid in ('tap25.mail'::regclass, 'tap25_internal.mail_packed'::regclass, 'tap25_internal.mail_days'::regclass,
    'tap25_internal.mail_aside'::regclass);
do $$
declare
    v record;
begin
    for v in select * from pg_temp.views loop
        execute format('create or replace view %s as select %s where false', v.view, v.nothing);
    end loop;
end $$;

set local citus.enable_ddl_propagation = on;
select create_distributed_table('tap25_internal.envelopes', 'session_id');
select create_distributed_table('tap25_internal.misdated', 'session_id', colocate_with => 'tap25_internal.envelopes');
select create_distributed_table('tap25_internal.held', 'session_id', colocate_with => 'tap25_internal.envelopes');
select create_distributed_function(f::regprocedure) from unnest(array[
    'tap25_internal.outcomes()', 'tap25_internal.leaf(tap25_internal.envelopes)', 'tap25_internal.bucket20(text)', 'tap25_internal.bucket24(text)',
    'tap25_internal.print_hash(text, text)', 'tap25_internal.print_page(bigint, smallint)', 'tap25_internal.print_of(bigint)',
    'tap25_internal.local_part(text)', 'tap25_internal.is_of(text, text)', 'tap25_internal.address_is(text, text, text)',
    'tap25_internal.concerns(text, text, inet, text, boolean, timestamptz, timestamptz, timestamptz, text, text, inet, inet, inet, text)']) f;
set local citus.enable_ddl_propagation = off;
-- Citus has copied the rows, and leaves the originals in the coordinator's files, which no expiry would delete.
select truncate_local_data_after_distributing_table(t) from unnest(array['tap25_internal.envelopes', 'tap25_internal.misdated',
    'tap25_internal.held']::regclass[]) t;
set local citus.enable_ddl_propagation = off; -- the function has turned it on

do $$
declare
    v       record;
    columns constant text := tap25_internal.row_columns('');
begin
    for v in select * from pg_temp.views w where w.view in ('tap25_internal.mail_days'::regclass, 'tap25_internal.mail_aside'::regclass) loop
        execute format('create or replace view %s as %s', v.view, v.query);
    end loop;
    -- One flat union, without mail_packed, since no day is packed: of a union of unions Citus would fetch all rows.
    execute 'create or replace view tap25.mail as ' || tap25_internal.as_mail((select string_agg(format('select %s from tap25_internal.%I', columns, t), ' union all ')
        from unnest(array['envelopes', 'held', 'misdated']) t));
end $$;

-- As before, in PL/pgSQL: Citus does not plan a statement of a function in SQL that has parameters.
create or replace function tap25.mail_once(since timestamptz, before timestamptz) returns setof tap25.mail_once language plpgsql stable
set search_path = pg_catalog, pg_temp as $$
begin
    return query execute 'select * from (' || tap25_internal.once_query('select * from tap25.mail where seen_at >= coalesce($1, ''-infinity'') - interval ''1 hour''
            and seen_at < coalesce($2, ''infinity'') + interval ''1 hour''')
        || ') as once where once.seen_at >= coalesce($1, ''-infinity'') and once.seen_at < coalesce($2, ''infinity'')' using since, before;
end $$;

set local citus.enable_ddl_propagation = on;
