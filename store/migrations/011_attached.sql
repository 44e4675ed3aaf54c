-- Makes the partitions of these days, as far as they get one. A partition that another transaction has just made shows in the
-- catalog a moment before this server process is told to look at the list of partitions anew, and a row inserted in that moment
-- finds no partition. Locks are given back behind that, so whoever made it is waited for.
create or replace function make_partitions(which date[]) returns void
language plpgsql security definer set search_path = public, pg_temp as $$
begin
    if lacks_partition(which) then
        perform pg_advisory_xact_lock(25, -2147483648);
        perform ensure_partition(d) from unnest(which) d;
    else
        perform pg_advisory_lock_shared(25, -2147483648);
        perform pg_advisory_unlock_shared(25, -2147483648);
    end if;
end $$;
