-- Makes rows like those of a provider. Addresses, clients and domains follow Zipf's law. A fifth of the senders differ in each mail
-- (VERP), an eighth of the mails have two to five recipients, queue IDs have five forms, and a ninth of the clients use IPv6. A mail is
-- made from its number alone, so each run makes the same rows.

create schema bench;

-- Returns a number in [0, 1). Each column of a mail uses another k.
create function bench.r(n bigint, k bigint) returns float8 language sql immutable parallel safe
return (hashint8extended(n, k) & 4294967295) / 4294967296.0::float8;

-- Returns a rank from 1 to most - 1. Its probability is in inverse proportion to the rank.
create function bench.zipf(n bigint, k bigint, most float8) returns bigint language sql immutable parallel safe
return floor(exp(bench.r(n, k) * ln(most)))::bigint;

create function bench.domain(h bigint, rank bigint) returns text language sql immutable parallel safe
return substr('alberconda-elfograhinin-jokallinmo-norospraqui-ransoltechun-verwalxenymzet', 1 + (h & 63)::integer, 4 + (h >> 6 & 3)::integer)
    || (rank % 97)::text || (array['.com', '.de', '.org', '.net', '.co.uk', '.fr', '.it', '.io', '.eu', '.at'])[1 + (h >> 8 & 1023)::integer % 10];

create function bench.local(h bigint, rank bigint) returns text language sql immutable parallel safe
return substr('anna.peter.schmidt.info.office.sales.jdoe.kontakt.maria.thomas.rechnung.noreply.newsletter', 1 + (h & 63)::integer, 3 + (h >> 6 & 7)::integer)
    || case when h & 4096 = 0 then (rank % 9973)::text else '.' || substr(md5(rank::text), 1, 1 + (h >> 13 & 7)::integer) end;

-- Inserts the mails with the numbers first to last into a table, in the order of time. mails is the number of mails of the whole day, over
-- which they are spread evenly. Another seed makes other mails.
create procedure bench.fill(target regclass, day date, first bigint, last bigint, mails bigint, seed bigint default 0) language plpgsql as $$
begin
    execute format($q$
insert into %s (seen_at, session_id, message_bytes, declared_size, mail_no, client_port, server_port, outcome, mail_code, rcpt_code, data_code,
    flags, auth, client_ip, server_ip, sensor, mail_from, rcpt_to, helo, queue_id, orcpt)
select $1::timestamp at time zone 'UTC' + (n - $5 + bench.r(n, 1)) / ($4 + 1) * interval '1 day', hashint8extended(session, 2),
    case when outcome = 1 then size end, case when client %% 4 = 0 then size + (size & 511) end, 1 + (n - session)::integer,
    (1024 + 64000 * bench.r(session, 3))::integer - 32768, 25 - 32768, outcome, 250,
    (array[250, 450, 550])[outcome], case when outcome = 1 then 250 end, case when bench.r(n, 4) < 0.005 then 4 else 0 end, false,
    case when client %% 9 = 8 then inet '2a01:4f8::' + hc %% 1099511627776 else inet '11.0.0.0' + hc %% 2000000000 end,
    inet '198.51.100.0' + (bench.r(session, 5) * 20)::integer, 'tap-1',
    case when bench.r(n, 6) < 0.03 then '' when bench.r(n, 7) < 0.2
        then 'bounces+' || (hs & 16777215) || '-' || substr(md5(n::text), 1, 4) || '-' || bench.local(hr, rcpt) || '=' || bench.domain(hrd, rcpt_domain)
            || '@em' || client %% 300 || '.' || bench.domain(hc, client %% 200)
        else bench.local(hs, sender) || '@' || bench.domain(hsd, sender_domain) end,
    bench.local(hr, rcpt) || '@' || bench.domain(hrd, rcpt_domain), 'mail' || client %% 17 || '.' || bench.domain(hc, client),
    case when outcome = 1 then case client %% 5
        when 0 then upper(lpad(to_hex(hashint8extended(n, 8) & 1099511627775), 10, '0'))
        when 1 then '4Z' || translate(substr(md5(n::text), 1, 12), '0123', 'GTYz') || 'z' when 2 then md5(n::text)::uuid::text
        when 3 then '1t' || substr(md5(n::text), 1, 4) || '-' || substr(md5(n::text), 5, 11) || '-' || substr(md5(n::text), 16, 4)
        else 'x' || translate(substr(md5(n::text), 1, 5), 'abc', 'GHJ') || lpad((n %% 1000000)::text, 8, '0') end end,
    case when bench.r(n, 9) < 0.01 then 'rfc822;' || bench.local(hr, rcpt) || '@alias.example' end
from (select n, session, client, size, outcome, sender, hashint8extended(sender, 21) & 1048575 as hs,
          bench.zipf(sender, 22, 400000) as sender_domain, hashint8extended(client, 23) & 1099511627775 as hc, rcpt, rcpt_domain,
          hashint8extended(rcpt, 24) & 1048575 as hr, hashint8extended(rcpt_domain, 25) & 1048575 as hrd,
          hashint8extended(bench.zipf(sender, 22, 400000), 25) & 1048575 as hsd
      from (select n, n - (bench.r(n, 10) < 0.17)::integer as session, bench.zipf(n, 12, 30000000) as sender,
                exp(8 + 4 * bench.r(n, 13))::bigint as size, (array[1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 3, 3])[1 + floor(bench.r(n, 14) * 20)::integer] as outcome,
                bench.zipf(n - (bench.r(n, 10) < 0.17)::integer, 15, 200000) as client, 
                bench.zipf(n * 8 + nth, 16, 40000000) as rcpt, bench.zipf(bench.zipf(n * 8 + nth, 16, 40000000), 17, 400000) as rcpt_domain
            from generate_series($5 + $2, $5 + $3) n
            cross join lateral generate_series(1, case when bench.r(n, 18) < 0.125 then 2 + (bench.r(n, 19) * 3)::integer else 1 end) nth offset 0) m offset 0) m
$q$, target) using day, first, last, mails, seed;
end $$;
