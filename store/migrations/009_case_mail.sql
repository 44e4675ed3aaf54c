-- An auditor's questions leave days out by their summaries too.

-- The mail that concerns an address, or a domain, or an IP address or subnet, in a time range: concerns() says what that is.
create function mail_concerning(mailbox text, domain text, network inet, since timestamptz, before timestamptz) returns setof mail
language plpgsql stable as $$
begin
    if mailbox is not null then
        return query select * from mail_from(mailbox, since, before)
            union all select * from mail_to(mailbox, since, before) m where lower(m.mail_from) is distinct from lower(mailbox);
    elsif domain is not null then
        return query select * from mail_from_domain(domain, since, before)
            union all select * from mail_to_domain(domain, since, before) m where domain_of(m.mail_from) is distinct from lower(domain);
    elsif masklen(network) = (case family(network) when 4 then 32 else 128 end) then
        return query select * from mail_client(network, since, before)
            union all select * from mail_server(network, since, before) m where m.client_ip <> network;
    else
        return query select * from mail m where m.seen_at >= since and m.seen_at < before and (m.client_ip <<= network or m.server_ip <<= network);
    end if;
end $$;

create or replace function case_mail(which text) returns setof mail language plpgsql security definer
set search_path = public, pg_temp set plan_cache_mode = force_custom_plan as $$
declare
    w    warrants;
    done bigint[] := '{}'; -- warrants whose rows were returned
    n    bigint;
    sum  bigint := 0;
begin
    if not exists (select from accesses a where a.case_id = which and a.auditor = session_user and a.action = 'open'
                   and a.at > now() - interval '12 hours' and a.xid <> pg_current_xact_id()) then
        raise 'the case is not open to %: select open_case(case, purpose), and commit', session_user using errcode = 'insufficient_privilege';
    end if;
    for w in select * from warrants x where x.case_id = which and may_read(x) order by x.id loop
        return query select m.* from mail_concerning(w.mailbox, w.domain, w.network, w.since, w.before) m
        where concerns(w.mailbox, w.domain, w.network, w.since, w.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip)
          and not exists (select from warrants x where x.id = any (done) and
              concerns(x.mailbox, x.domain, x.network, x.since, x.before, m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip));
        get diagnostics n = row_count;
        sum := sum + n;
        done := done || w.id;
    end loop;
    insert into accesses (case_id, action, rows) values (which, 'read', sum);
end $$;
