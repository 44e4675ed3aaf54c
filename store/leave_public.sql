-- Moves what a tap25 up to version 11 has made out of public: objects of its names that belong to the owner of its table of versions.
do $$
declare
    owner   constant oid := (select c.relowner from pg_class c where c.oid = 'public.tap25_schema_version'::regclass);
    tables  constant text[] := array['tap25_schema_version', 'envelopes', 'misdated', 'held', 'loads', 'days', 'summaries', 'prints', 'reindexed',
        'warrants', 'accesses', 'holds', 'expired', 'mail', 'mail_days', 'mail_aside'];
    routines constant text[] := array['domain_of', 'bucket', 'outcome_name', 'flag_names', 'partition_name', 'has_partition', 'lacks_partition',
        'partitions', 'max_partitions', 'make_partition', 'ensure_partition', 'make_partitions', 'make_partitions_ahead', 'begin_load',
        'concerns', 'keep_held', 'expire_day', 'expire_misdated', 'release_holds', 'add_hold', 'drop_hold', 'refuse', 'may_read',
        'open_case', 'case_mail', 'prune_loads', 'print_hash', 'print_page', 'print_of', 'summarize_day', 'days_with', 'days_over',
        'mail_about', 'mail_concerning', 'mail_from', 'mail_to', 'mail_from_domain', 'mail_to_domain', 'mail_client', 'mail_server',
        'is_host', 'grant_roles', 'grant_roles_006', 'grant_roles_007'];
    o record;
begin
    for o in
        select format('alter function %s set schema tap25_internal', p.oid::regprocedure) as step, 1 as turn -- while its arguments' types are in public
        from pg_proc p where p.pronamespace = 'public'::regnamespace and p.proowner = owner and p.proname = any (routines)
        union all
        select format('alter %s public.%I set schema tap25_internal', case c.relkind when 'v' then 'view' else 'table' end, c.relname), 2
        from pg_class c where c.relnamespace = 'public'::regnamespace and c.relowner = owner and c.relkind in ('r', 'p', 'v')
            and (c.relname = any (tables) or exists (select from pg_inherits i where i.inhrelid = c.oid and i.inhparent = to_regclass('public.envelopes')))
        union all
        select 'alter type public.outcome set schema tap25_internal', 3
        from pg_type t where t.typnamespace = 'public'::regnamespace and t.typname = 'outcome' and t.typtype = 'e' and t.typowner = owner
        order by turn
    loop
        execute o.step;
    end loop;
end $$;
