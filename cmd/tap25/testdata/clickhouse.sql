-- The questions of docs/auditing.md, in ClickHouse's SQL, of files that 'tap25 export --out mail' has written.

CREATE VIEW mail AS SELECT * FROM file('mail/*.parquet');
SELECT count() AS recipients, uniqExact(session_id, mail_no) AS mails FROM mail;

-- 1. Who wrote to somebody, and to whom did they write, how often?
SELECT correspondent, uniqExactIf((session_id, mail_no), to_them) AS sent,
  uniqExactIf((session_id, mail_no), NOT to_them) AS received,
  uniqExactIf((session_id, mail_no), outcome = 'accepted') AS accepted
FROM (SELECT *, lower(mail_from) = 'marta@orchard.example' AS to_them,
        if(to_them, lower(rcpt_to), lower(mail_from)) AS correspondent
      FROM mail WHERE 'marta@orchard.example' IN (lower(mail_from), lower(rcpt_to)))
GROUP BY correspondent ORDER BY sent + received DESC, correspondent LIMIT 5;

-- 2. What did two parties write to each other?
SELECT mail_from, rcpt_to, outcome, uniqExact(session_id, mail_no) AS mails FROM mail
WHERE (lower(mail_from), lower(rcpt_to)) IN (('marta@orchard.example', 'ivan@river.example'),
                                             ('ivan@river.example', 'marta@orchard.example'))
GROUP BY ALL ORDER BY mail_from;

-- 3. Which mail did an IP address send or receive in a time?
SELECT formatDateTime(seen_at, '%H:%i:%S') AS utc, client_ip, mail_from, rcpt_to, outcome FROM mail
WHERE '198.51.100.107' IN (client_ip, server_ip, origin_ip)
  AND seen_at >= '2026-11-22 09:00:00' AND seen_at < '2026-11-22 10:00:00'
ORDER BY seen_at, rcpt_to LIMIT 3;

-- 4. Which addresses used an IP address?
SELECT DISTINCT lower(mail_from) AS sender FROM mail WHERE client_ip = '198.51.100.107' ORDER BY sender;

-- 5. How many mails did a domain receive each day?
SELECT toDate(seen_at) AS day, uniqExact(session_id, mail_no) AS mails, count() AS recipients
FROM mail WHERE lower(rcpt_to) LIKE '%@orchard.example' GROUP BY day ORDER BY day;

-- 6. What was not delivered, and which reply said so?
SELECT rcpt_to, outcome, coalesce(data_code, rcpt_code, mail_code) AS code, count() AS count
FROM mail WHERE mail_from = 'marta@orchard.example' AND outcome <> 'accepted'
GROUP BY ALL ORDER BY count DESC, rcpt_to;

-- 7. Which sessions were encrypted, so that their mail is not here?
SELECT client_ip, server_ip, tls_server_name, count() AS count FROM mail WHERE outcome = 'encrypted' GROUP BY ALL;

-- 8. Which way did a mail take? By sender, recipient and the address of the next client alone.
WITH first AS (SELECT * FROM mail WHERE mail_from = 'marta@orchard.example' AND rcpt_to = 'rosa@meadow.example'
                                    AND outcome = 'refused'),
     next AS (SELECT n.* FROM mail n JOIN first f ON n.mail_from = f.mail_from AND n.rcpt_to = f.rcpt_to
                AND n.client_ip = f.server_ip WHERE n.seen_at BETWEEN f.seen_at AND f.seen_at + INTERVAL 5 DAY)
SELECT 0 AS hop, NULL AS linked_by, NULL AS others, client_ip, server_ip, outcome FROM first
UNION ALL SELECT 1, 'address', (SELECT count() - 1 FROM next), client_ip, server_ip, outcome FROM next;

-- 9. What went to any domain below one?
SELECT lower(splitByChar('@', rcpt_to)[-1]) AS domain, uniqExact(session_id, mail_no) AS mails FROM mail
WHERE lower(rcpt_to) LIKE '%.example' AND seen_at >= '2026-11-21 00:00:00' AND seen_at < '2026-11-22 00:00:00'
GROUP BY domain ORDER BY mails DESC LIMIT 3;

-- 10. Who uses a local part, whatever the domain?
SELECT lower(mail_from) AS sender, count() AS count FROM mail
WHERE lower(rcpt_to) LIKE 'info@%' AND seen_at >= '2026-11-21 00:00:00' AND seen_at < '2026-11-22 00:00:00'
GROUP BY sender ORDER BY count DESC, sender LIMIT 3;
