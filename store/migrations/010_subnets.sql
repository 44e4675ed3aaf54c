-- mail_client() and mail_server() take a subnet too, which no summary knows; and a time that is null is no bound.

-- The days that have rows and that no summary says do not have this; without a value all that have rows.
create or replace function days_with(kind text, value text, since timestamptz, before timestamptz) returns setof date language sql stable parallel safe as $$
    with hashed as (select print_hash(kind, value) as hash)
    select d.day from (select day, sum(rows) as rows from days
        where day >= (since at time zone 'UTC')::date and day <= (before at time zone 'UTC')::date group by day) d
    cross join hashed h left join summaries s on s.day = d.day and s.rows = d.rows
    where d.rows > 0 and (h.hash is null or s.day is null or exists (select from prints p
        where p.day = d.day and p.page = print_page(h.hash, s.bits) and print_of(h.hash) = any (p.prints)))
    order by d.day $$;

create or replace function mail_about(kind text, value text, condition text, since timestamptz, before timestamptz) returns setof mail
language plpgsql stable as $$
declare
    question constant text := 'select * from %s where seen_at >= $2 and seen_at < $3 and ' || condition;
    first constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    which date[] := array(select days_with(kind, value, first, behind));
    d date;
begin
    if cardinality(which) > 32 then
        return query execute format(question, 'mail_days') using value, first, behind;
    else
        foreach d in array which loop
            return query execute format(question, 'mail_days')
                using value, greatest(first, d::timestamp at time zone 'UTC'), least(behind, (d + 1)::timestamp at time zone 'UTC');
        end loop;
    end if;
    return query execute format(question, 'mail_aside') using value, first, behind;
end $$;

create function is_host(ip inet) returns boolean language sql immutable parallel safe
return masklen(ip) = case family(ip) when 4 then 32 else 128 end;

create or replace function mail_client(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('client', case when is_host(ip) then host(ip) end,
   case when is_host(ip) then 'client_ip = $1::inet' else format('client_ip <<= %L::inet', ip) end, since, before) $$;
create or replace function mail_server(ip inet, since timestamptz default '-infinity', before timestamptz default 'infinity') returns setof mail language sql stable as
$$ select * from mail_about('server', case when is_host(ip) then host(ip) end,
   case when is_host(ip) then 'server_ip = $1::inet' else format('server_ip <<= %L::inet', ip) end, since, before) $$;

create or replace function mail_concerning(mailbox text, domain text, network inet, since timestamptz, before timestamptz) returns setof mail
language plpgsql stable as $$
begin
    if mailbox is not null then
        return query select * from mail_from(mailbox, since, before)
            union all select * from mail_to(mailbox, since, before) m where lower(m.mail_from) is distinct from lower(mailbox);
    elsif domain is not null then
        return query select * from mail_from_domain(domain, since, before)
            union all select * from mail_to_domain(domain, since, before) m where domain_of(m.mail_from) is distinct from lower(domain);
    else
        return query select * from mail_client(network, since, before)
            union all select * from mail_server(network, since, before) m where not m.client_ip <<= network;
    end if;
end $$;
