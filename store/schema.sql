-- The database's schema in one piece, for whoever reviews the rules of access or writes a migration. It is sorted for reading and
-- makes no database: 'tap25 db migrate' does that, from store/migrations.
--
-- 'go test ./store -run TestSchema -update' writes it from the catalog of a freshly migrated PostgreSQL 15, and TestSchema compares it.
-- One owner has all objects, the user who has migrated; nobody else may use an object without a GRANT below. Partitions of days,
-- envelopes_YYYYMMDD, are made like envelopes; sensors may insert into them, and open_partition() gives each its trigger.


-- Schemas and types.

CREATE SCHEMA tap25;
CREATE SCHEMA tap25_internal;

CREATE TYPE tap25.outcome AS ENUM ('unknown', 'accepted', 'deferred', 'refused', 'aborted', 'encrypted');

CREATE TYPE tap25.mail_national AS (
    region text,
    answer text,
    note text,
    seen_at timestamp with time zone,
    sensor text,
    session_id bigint,
    mail_no integer,
    client_ip inet,
    client_port integer,
    server_ip inet,
    server_port integer,
    helo text,
    mail_from text,
    rcpt_to text,
    mail_from_raw bytea,
    rcpt_to_raw bytea,
    mail_code smallint,
    rcpt_code smallint,
    data_code smallint,
    outcome tap25.outcome,
    message_bytes bigint,
    declared_size bigint,
    envid text,
    orcpt text,
    queue_id text,
    auth boolean,
    tls_server_name text,
    lost_bytes bigint,
    flags text[],
    origin_ip inet,
    origin_port integer,
    origin_by text,
    network text,
    sensors text[],
    copies bigint
);


-- Tables, their constraints and indexes.

CREATE TABLE tap25.accesses (
    at               timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    auditor          name DEFAULT SESSION_USER NOT NULL,
    case_id          text,
    action           text NOT NULL,
    purpose          text,
    rows             bigint,
    xid              xid8 DEFAULT pg_current_xact_id() NOT NULL,
    id               bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    opening          bigint,
    warrant_ids      bigint[],
    targets          text[],
    since            timestamp with time zone,
    before           timestamp with time zone,
    refusal          text,
    client_addr      inet DEFAULT inet_client_addr(),
    client_port      integer DEFAULT inet_client_port(),
    application_name text DEFAULT current_setting('application_name'::text),
    backend_pid      integer DEFAULT pg_backend_pid(),
    asked            bigint,
    asked_target     text,
    asked_since      timestamp with time zone,
    asked_before     timestamp with time zone,
    sha256           text,
    os_user          text,
    os_login         text,
    terminal         text,
    CONSTRAINT accesses_action_check CHECK ((action = ANY (ARRAY['open'::text, 'read'::text, 'shown'::text, 'refused'::text, 'opened as owner'::text]))),
    CONSTRAINT accesses_case_id_check CHECK (((case_id IS NULL) = (action = 'opened as owner'::text))),
    CONSTRAINT accesses_pkey PRIMARY KEY (id)
);
CREATE INDEX accesses_auditor_at_idx ON tap25.accesses USING btree (auditor, at) WHERE (action = 'open'::text);
CREATE INDEX accesses_auditor_at_idx1 ON tap25.accesses USING btree (auditor, at) WHERE (action = 'read'::text);

CREATE TABLE tap25.coverage (
    since              timestamp with time zone NOT NULL,
    before             timestamp with time zone NOT NULL,
    sensor             text NOT NULL,
    program            text NOT NULL,
    interfaces         text[],
    scope              text,
    version            text NOT NULL,
    started            boolean NOT NULL,
    stopped            boolean NOT NULL,
    clock_synchronised boolean,
    clock_offset       interval,
    clock_error        interval,
    frames_seen        bigint NOT NULL,
    frames_read        bigint NOT NULL,
    ring_full          bigint NOT NULL,
    undecoded          bigint NOT NULL,
    fragments_lost     bigint NOT NULL,
    holes_given_up     bigint NOT NULL,
    octets_lost        bigint NOT NULL,
    sessions           bigint NOT NULL,
    sessions_encrypted bigint NOT NULL,
    sessions_cut       bigint NOT NULL,
    rows               bigint NOT NULL,
    rows_lost          bigint NOT NULL,
    nic_dropped        bigint,
    records            bigint DEFAULT 1 NOT NULL,
    packed             boolean DEFAULT false NOT NULL,
    loaded_at          timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT clocks CHECK ((((clock_offset >= '-1 years'::interval) AND (clock_offset <= '1 year'::interval)) AND ((clock_error >= '00:00:00'::interval) AND (clock_error <= '1 year'::interval)))),
    CONSTRAINT counts CHECK ((LEAST(frames_seen, frames_read, ring_full, undecoded, fragments_lost, holes_given_up, octets_lost, sessions, sessions_encrypted, sessions_cut, rows, rows_lost, nic_dropped) >= 0)),
    CONSTRAINT intervals CHECK (((since >= '0001-01-01 00:00:00+00'::timestamp with time zone) AND (since <= before) AND (before < '10000-01-01 00:00:00+00'::timestamp with time zone))),
    CONSTRAINT programs CHECK ((program = ANY (ARRAY['sniff'::text, 'replay'::text, 'follow'::text]))),
    CONSTRAINT scopes CHECK ((scope ~ '^[0-9a-f]{64}$'::text))
);
CREATE INDEX coverage_before_idx ON tap25.coverage USING btree (before);
CREATE INDEX coverage_since_idx ON tap25.coverage USING btree (since);
CREATE INDEX coverage_since_idx1 ON tap25.coverage USING btree (since) WHERE (NOT packed);

CREATE TABLE tap25.expired (
    day        date NOT NULL,
    kind       text NOT NULL,
    rows       bigint NOT NULL,
    bytes      bigint NOT NULL,
    kept       bigint DEFAULT 0 NOT NULL,
    hold_ids   bigint[],
    dropped_at timestamp with time zone DEFAULT now() NOT NULL,
    version    text NOT NULL,
    dropped_by name DEFAULT SESSION_USER,
    CONSTRAINT expired_kind_check CHECK ((kind = ANY (ARRAY['partition'::text, 'misdated'::text, 'held'::text])))
);

CREATE TABLE tap25.holds (
    id          bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    mailbox     text,
    domain      text,
    network     inet,
    since       timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    before      timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    until       timestamp with time zone DEFAULT 'infinity'::timestamp with time zone NOT NULL,
    reason      text NOT NULL,
    added_by    name DEFAULT SESSION_USER NOT NULL,
    added_at    timestamp with time zone DEFAULT now() NOT NULL,
    dropped_by  name,
    dropped_at  timestamp with time zone,
    released_at timestamp with time zone,
    seen_in     text,
    CONSTRAINT holds_check CHECK ((num_nonnulls(mailbox, domain, network) = 1)),
    CONSTRAINT holds_check1 CHECK ((since < before)),
    CONSTRAINT holds_reason_check CHECK ((reason <> ''::text)),
    CONSTRAINT seen_in CHECK (((seen_in IS NULL) OR ((network IS NOT NULL) AND tap25_internal.is_network(seen_in)))),
    CONSTRAINT holds_pkey PRIMARY KEY (id)
);

CREATE TABLE tap25.keys (
    id          integer GENERATED ALWAYS AS IDENTITY NOT NULL,
    fingerprint bytea NOT NULL,
    public_key  bytea NOT NULL,
    added_by    name DEFAULT SESSION_USER NOT NULL,
    added_at    timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT keys_check CHECK ((fingerprint = sha256(('\x302a300506032b6570032100'::bytea || public_key)))),
    CONSTRAINT keys_public_key_check CHECK ((octet_length(public_key) = 32)),
    CONSTRAINT keys_pkey PRIMARY KEY (id),
    CONSTRAINT keys_fingerprint_key UNIQUE (fingerprint)
);

CREATE TABLE tap25.links (
    id        bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    sensor    text NOT NULL,
    key       integer NOT NULL,
    number    bigint NOT NULL,
    segment   text,
    first_day date,
    last_day  date,
    xid       xid,
    body      bytea NOT NULL,
    signature bytea NOT NULL,
    added_at  timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT links_body_check CHECK (((octet_length(body) >= 1) AND (octet_length(body) <= 1048576))),
    CONSTRAINT links_check CHECK ((last_day >= first_day)),
    CONSTRAINT links_number_check CHECK ((number > 0)),
    CONSTRAINT links_signature_check CHECK ((octet_length(signature) = 64)),
    CONSTRAINT links_pkey PRIMARY KEY (id),
    CONSTRAINT links_sensor_key_number_key UNIQUE (sensor, key, number)
);
CREATE INDEX links_days_idx ON tap25.links USING gist (daterange(first_day, last_day, '[]'::text));

CREATE TABLE tap25.retentions (
    id     bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    kept   interval,
    set_by name DEFAULT SESSION_USER NOT NULL,
    set_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT retentions_kept_check CHECK (((kept >= '1 day'::interval) AND (kept <= '1000 years'::interval))),
    CONSTRAINT retentions_pkey PRIMARY KEY (id)
);

CREATE TABLE tap25.scopes (
    id      bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    sensor  text NOT NULL,
    program text NOT NULL,
    since   timestamp with time zone NOT NULL,
    rules   text,
    sha256  text,
    version text NOT NULL,
    set_by  name DEFAULT SESSION_USER NOT NULL,
    set_at  timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT scopes_program_check CHECK ((program = ANY (ARRAY['sniff'::text, 'replay'::text, 'follow'::text]))),
    CONSTRAINT scopes_rules_check CHECK ((octet_length(rules) <= 4194304)),
    CONSTRAINT scopes_since_check CHECK (isfinite(since)),
    CONSTRAINT scopes_pkey PRIMARY KEY (id),
    CONSTRAINT scopes_sensor_program_since_key UNIQUE (sensor, program, since)
);

CREATE TABLE tap25.warrant_events (
    id          bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    warrant_id  bigint NOT NULL,
    action      text NOT NULL,
    valid_until timestamp with time zone,
    reason      text,
    by          name DEFAULT SESSION_USER NOT NULL,
    at          timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT warrant_events_action_check CHECK ((action = ANY (ARRAY['migrated'::text, 'granted'::text, 'applied'::text, 'approved'::text, 'refused'::text, 'ended'::text]))),
    CONSTRAINT warrant_events_check CHECK (((action = 'ended'::text) = (valid_until IS NOT NULL))),
    CONSTRAINT warrant_events_warrant_id_fkey FOREIGN KEY (warrant_id) REFERENCES tap25_internal.warrants(id),
    CONSTRAINT warrant_events_pkey PRIMARY KEY (id)
);
CREATE UNIQUE INDEX warrant_events_decision ON tap25.warrant_events USING btree (warrant_id) WHERE (action = ANY (ARRAY['approved'::text, 'refused'::text]));
CREATE INDEX warrant_events_warrant_id_idx ON tap25.warrant_events USING btree (warrant_id);

CREATE TABLE tap25_internal.before_evidence (
    sensor text NOT NULL,
    kind   smallint NOT NULL,
    day    date NOT NULL,
    rows   bigint NOT NULL,
    CONSTRAINT before_evidence_kind_check CHECK ((kind = ANY (ARRAY[6, 9, 10]))),
    CONSTRAINT before_evidence_pkey PRIMARY KEY (sensor, kind, day)
);

CREATE TABLE tap25_internal.block_prints (
    day    date NOT NULL,
    first  integer NOT NULL,
    page   integer NOT NULL,
    prints smallint[] NOT NULL,
    blocks bit varying NOT NULL,
    CONSTRAINT block_prints_pkey PRIMARY KEY (page, day, first)
) PARTITION BY RANGE (day);

CREATE TABLE tap25_internal.blocks (
    day             date NOT NULL,
    number          integer NOT NULL,
    rows            integer NOT NULL,
    first_at        timestamp with time zone NOT NULL,
    last_at         timestamp with time zone NOT NULL,
    heads           bit varying,
    rcpt            smallint[] NOT NULL,
    kind            smallint[],
    rcpt_to_raw     bytea[],
    orcpt           text[],
    at              integer[],
    at_long         bigint[],
    fresh           bit varying,
    back            smallint[],
    sender          smallint[] NOT NULL,
    size            integer[],
    size_long       bigint[],
    declared        integer[],
    declared_long   bigint[],
    link            smallint[],
    mail_from_raw   bytea[],
    envid           text[],
    session_id      bigint[] NOT NULL,
    client_port     smallint[] NOT NULL,
    origin_port     smallint[],
    peer            smallint[] NOT NULL,
    server          smallint[] NOT NULL,
    client_ip       inet[] NOT NULL,
    helo            text[] NOT NULL,
    tls_server_name text[],
    origin_ip       inet[],
    server_ip       inet[] NOT NULL,
    server_port     smallint[] NOT NULL,
    sensor          text[] NOT NULL,
    network         text[],
    auth            boolean[] NOT NULL,
    origin_by       smallint[],
    mail_no         integer[] NOT NULL,
    outcome         smallint[] NOT NULL,
    mail_code       smallint[] NOT NULL,
    rcpt_code       smallint[] NOT NULL,
    data_code       smallint[] NOT NULL,
    flags           smallint[] NOT NULL,
    lost_bytes      bigint[],
    links           bigint[] NOT NULL,
    queue_mails     bit varying[],
    queue_kind      smallint[],
    queue_length    smallint[],
    queue_prefix    text[],
    queue_octets    bytea[],
    queue_text      text[],
    addresses       text[],
    mixed           integer NOT NULL,
    odd_addresses   text[]
) PARTITION BY RANGE (day);

CREATE TABLE tap25_internal.chains (
    sensor text NOT NULL,
    key    integer NOT NULL,
    number bigint NOT NULL,
    hash   bytea NOT NULL,
    CONSTRAINT chains_pkey PRIMARY KEY (sensor, key)
);

CREATE TABLE tap25_internal.days (
    day       date NOT NULL,
    sensor    text NOT NULL,
    rows      bigint NOT NULL,
    loaded_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT days_pkey PRIMARY KEY (day, sensor)
);

CREATE TABLE tap25_internal.distribution (
    distributed_at timestamp with time zone DEFAULT now() NOT NULL,
    distributed_by name DEFAULT SESSION_USER NOT NULL,
    citus          text NOT NULL
);

CREATE TABLE tap25_internal.ended_sessions (
    at          timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    login       name NOT NULL,
    application text,
    open_since  timestamp with time zone NOT NULL,
    day         date,
    ended_by    name DEFAULT SESSION_USER NOT NULL
);

CREATE TABLE tap25_internal.envelopes (
    seen_at         timestamp with time zone NOT NULL,
    session_id      bigint NOT NULL,
    message_bytes   bigint,
    declared_size   bigint,
    lost_bytes      bigint,
    mail_no         integer NOT NULL,
    client_port     smallint NOT NULL,
    server_port     smallint NOT NULL,
    outcome         smallint NOT NULL,
    mail_code       smallint,
    rcpt_code       smallint,
    data_code       smallint,
    flags           smallint NOT NULL,
    auth            boolean NOT NULL,
    client_ip       inet NOT NULL,
    server_ip       inet NOT NULL,
    sensor          text NOT NULL,
    mail_from       text,
    rcpt_to         text,
    helo            text,
    queue_id        text,
    mail_from_raw   bytea,
    rcpt_to_raw     bytea,
    envid           text,
    orcpt           text,
    tls_server_name text,
    origin_ip       inet,
    network         text,
    origin_port     smallint,
    origin_by       smallint,
    CONSTRAINT origins CHECK ((((origin_by >= 1) AND (origin_by <= 3)) AND (origin_port > '-32768'::integer) AND ((origin_by IS NOT NULL) OR (num_nonnulls(origin_ip, origin_port) = 0)) AND (octet_length(network) <= 255) AND (network ~ '^(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?)(?:/(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?))*$'::text))),
    CONSTRAINT row_values CHECK ((((outcome >= 0) AND (outcome <= 5)) AND ((flags >= 0) AND (flags <= 127)) AND (mail_no >= 0) AND (message_bytes >= 0) AND (declared_size >= 0) AND (lost_bytes >= 0)))
) PARTITION BY RANGE (seen_at);
CREATE INDEX envelopes_client_ip_idx ON ONLY tap25_internal.envelopes USING btree (client_ip);
CREATE INDEX envelopes_origin_ip_idx ON ONLY tap25_internal.envelopes USING btree (origin_ip) WHERE (origin_ip IS NOT NULL);
CREATE INDEX envelopes_seen_at_mail_from_rcpt_to_idx ON ONLY tap25_internal.envelopes USING brin (seen_at, mail_from text_bloom_ops (n_distinct_per_range='1900', false_positive_rate='0.03'), rcpt_to text_bloom_ops (n_distinct_per_range='1900', false_positive_rate='0.03')) WITH (pages_per_range='44');
CREATE INDEX envelopes_server_ip_idx ON ONLY tap25_internal.envelopes USING btree (server_ip);

CREATE TABLE tap25_internal.evidence (
    one      boolean DEFAULT true NOT NULL,
    database uuid DEFAULT gen_random_uuid() NOT NULL,
    since    timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    born     xid DEFAULT (pg_current_xact_id())::xid NOT NULL,
    CONSTRAINT evidence_one_check CHECK (one),
    CONSTRAINT evidence_pkey PRIMARY KEY (one)
);

CREATE TABLE tap25_internal.expected_volume (
    one        boolean DEFAULT true NOT NULL,
    rows_a_day bigint NOT NULL,
    bits       smallint NOT NULL,
    set_at     timestamp with time zone DEFAULT now() NOT NULL,
    set_by     name DEFAULT SESSION_USER NOT NULL,
    CONSTRAINT expected_volume_bits_check CHECK ((bits = ANY (ARRAY[16, 20, 24]))),
    CONSTRAINT expected_volume_one_check CHECK (one),
    CONSTRAINT expected_volume_rows_a_day_check CHECK ((rows_a_day > 0)),
    CONSTRAINT expected_volume_pkey PRIMARY KEY (one)
);

CREATE TABLE tap25_internal.frozen (
    day     date NOT NULL,
    rows    bigint NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT frozen_pkey PRIMARY KEY (day)
);

CREATE TABLE tap25_internal.held (
    seen_at         timestamp with time zone NOT NULL,
    session_id      bigint NOT NULL,
    message_bytes   bigint,
    declared_size   bigint,
    lost_bytes      bigint,
    mail_no         integer NOT NULL,
    client_port     smallint NOT NULL,
    server_port     smallint NOT NULL,
    outcome         smallint NOT NULL,
    mail_code       smallint,
    rcpt_code       smallint,
    data_code       smallint,
    flags           smallint NOT NULL,
    auth            boolean NOT NULL,
    client_ip       inet NOT NULL,
    server_ip       inet NOT NULL,
    sensor          text NOT NULL,
    mail_from       text,
    rcpt_to         text,
    helo            text,
    queue_id        text,
    mail_from_raw   bytea,
    rcpt_to_raw     bytea,
    envid           text,
    orcpt           text,
    tls_server_name text,
    hold_ids        bigint[] NOT NULL,
    origin_ip       inet,
    network         text,
    origin_port     smallint,
    origin_by       smallint
);
CREATE INDEX held_bucket_idx ON tap25_internal.held USING btree (tap25_internal.bucket(mail_from));
CREATE INDEX held_bucket_idx1 ON tap25_internal.held USING btree (tap25_internal.bucket(rcpt_to));
CREATE INDEX held_bucket_idx2 ON tap25_internal.held USING btree (tap25_internal.bucket(tap25_internal.domain_of(mail_from)));
CREATE INDEX held_bucket_idx3 ON tap25_internal.held USING btree (tap25_internal.bucket(tap25_internal.domain_of(rcpt_to)));
CREATE INDEX held_client_ip_idx ON tap25_internal.held USING btree (client_ip);
CREATE INDEX held_origin_ip_idx ON tap25_internal.held USING btree (origin_ip) WHERE (origin_ip IS NOT NULL);
CREATE INDEX held_server_ip_idx ON tap25_internal.held USING btree (server_ip);

CREATE TABLE tap25_internal.importing ();

CREATE TABLE tap25_internal.late_days (
    day   date NOT NULL,
    since timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    tried timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    users text NOT NULL,
    CONSTRAINT late_days_pkey PRIMARY KEY (day)
);

CREATE TABLE tap25_internal.loads (
    sensor     text NOT NULL,
    segment    text NOT NULL,
    rows       bigint NOT NULL,
    loaded_at  timestamp with time zone DEFAULT now() NOT NULL,
    first_day  date,
    last_day   date,
    dropped_at timestamp with time zone,
    CONSTRAINT days_check CHECK ((first_day <= last_day)),
    CONSTRAINT loads_pkey PRIMARY KEY (sensor, segment)
);
CREATE INDEX loads_last_day_idx ON tap25_internal.loads USING btree (last_day) WHERE ((dropped_at IS NULL) AND (last_day IS NOT NULL));

CREATE TABLE tap25_internal.making_blocks ();

CREATE TABLE tap25_internal.making_partitions ();

CREATE TABLE tap25_internal.making_summaries ();

CREATE TABLE tap25_internal.misdated (
    seen_at         timestamp with time zone NOT NULL,
    session_id      bigint NOT NULL,
    message_bytes   bigint,
    declared_size   bigint,
    lost_bytes      bigint,
    mail_no         integer NOT NULL,
    client_port     smallint NOT NULL,
    server_port     smallint NOT NULL,
    outcome         smallint NOT NULL,
    mail_code       smallint,
    rcpt_code       smallint,
    data_code       smallint,
    flags           smallint NOT NULL,
    auth            boolean NOT NULL,
    client_ip       inet NOT NULL,
    server_ip       inet NOT NULL,
    sensor          text NOT NULL,
    mail_from       text,
    rcpt_to         text,
    helo            text,
    queue_id        text,
    mail_from_raw   bytea,
    rcpt_to_raw     bytea,
    envid           text,
    orcpt           text,
    tls_server_name text,
    reason          text NOT NULL,
    loaded_at       timestamp with time zone DEFAULT now() NOT NULL,
    origin_ip       inet,
    network         text,
    origin_port     smallint,
    origin_by       smallint,
    CONSTRAINT origins CHECK ((((origin_by >= 1) AND (origin_by <= 3)) AND (origin_port > '-32768'::integer) AND ((origin_by IS NOT NULL) OR (num_nonnulls(origin_ip, origin_port) = 0)) AND (octet_length(network) <= 255) AND (network ~ '^(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?)(?:/(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?))*$'::text))),
    CONSTRAINT reasons CHECK (((reason = ANY (ARRAY['before 1990'::text, 'ahead of the clock'::text, 'too many days'::text])) AND isfinite(seen_at))),
    CONSTRAINT row_values CHECK ((((outcome >= 0) AND (outcome <= 5)) AND ((flags >= 0) AND (flags <= 127)) AND (mail_no >= 0) AND (message_bytes >= 0) AND (declared_size >= 0) AND (lost_bytes >= 0)))
);
CREATE INDEX misdated_bucket_idx ON tap25_internal.misdated USING btree (tap25_internal.bucket(mail_from));
CREATE INDEX misdated_bucket_idx1 ON tap25_internal.misdated USING btree (tap25_internal.bucket(rcpt_to));
CREATE INDEX misdated_bucket_idx2 ON tap25_internal.misdated USING btree (tap25_internal.bucket(tap25_internal.domain_of(mail_from)));
CREATE INDEX misdated_bucket_idx3 ON tap25_internal.misdated USING btree (tap25_internal.bucket(tap25_internal.domain_of(rcpt_to)));
CREATE INDEX misdated_client_ip_idx ON tap25_internal.misdated USING btree (client_ip);
CREATE INDEX misdated_origin_ip_idx ON tap25_internal.misdated USING btree (origin_ip) WHERE (origin_ip IS NOT NULL);
CREATE INDEX misdated_server_ip_idx ON tap25_internal.misdated USING btree (server_ip);

CREATE TABLE tap25_internal.packs (
    day       date NOT NULL,
    first     integer NOT NULL,
    blocks    integer NOT NULL,
    rows      bigint NOT NULL,
    bits      smallint NOT NULL,
    packed_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT packs_pkey PRIMARY KEY (day, first)
);

CREATE TABLE tap25_internal.prints (
    day    date NOT NULL,
    page   integer NOT NULL,
    prints smallint[] NOT NULL,
    CONSTRAINT prints_pkey PRIMARY KEY (day, page)
) PARTITION BY LIST (day);

CREATE TABLE tap25_internal.rebuilding_indexes ();

CREATE TABLE tap25_internal.regions (
    region   text NOT NULL,
    conninfo text NOT NULL,
    added_by name DEFAULT SESSION_USER NOT NULL,
    added_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT regions_conninfo_check CHECK ((conninfo !~* '(^|[[:space:]])(ssl)?password[[:space:]]*='::text)),
    CONSTRAINT regions_region_check CHECK ((region ~ '^[[:alnum:]][[:alnum:]._-]{0,62}$'::text)),
    CONSTRAINT regions_pkey PRIMARY KEY (region)
);

CREATE TABLE tap25_internal.reindexed (
    day          date NOT NULL,
    rows         bigint NOT NULL,
    bytes_before bigint NOT NULL,
    bytes        bigint NOT NULL,
    made_at      timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT reindexed_pkey PRIMARY KEY (day)
);

CREATE TABLE tap25_internal.sensors (
    sensor   text NOT NULL,
    login    name NOT NULL,
    since    timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    bound_by name DEFAULT SESSION_USER NOT NULL,
    until    timestamp with time zone
);
CREATE UNIQUE INDEX sensors_login_idx ON tap25_internal.sensors USING btree (login) WHERE (until IS NULL);
CREATE UNIQUE INDEX sensors_sensor_idx ON tap25_internal.sensors USING btree (sensor) WHERE (until IS NULL);

CREATE TABLE tap25_internal.summaries (
    day     date NOT NULL,
    rows    bigint NOT NULL,
    bits    smallint NOT NULL,
    made_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT summaries_pkey PRIMARY KEY (day)
);

CREATE TABLE tap25_internal.tap25_schema_version (
    version integer NOT NULL
);

CREATE TABLE tap25_internal.warrant_auditors (
    warrant_id bigint NOT NULL,
    auditor    name NOT NULL,
    CONSTRAINT warrant_auditors_warrant_id_fkey FOREIGN KEY (warrant_id) REFERENCES tap25_internal.warrants(id),
    CONSTRAINT warrant_auditors_pkey PRIMARY KEY (warrant_id, auditor)
);

CREATE TABLE tap25_internal.warrant_targets (
    id         bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    warrant_id bigint NOT NULL,
    mailbox    text,
    domain     text,
    network    inet,
    seen_in    text,
    by_origin  boolean NOT NULL,
    CONSTRAINT warrant_targets_check CHECK ((num_nonnulls(mailbox, domain, network) = 1)),
    CONSTRAINT warrant_targets_check1 CHECK (((seen_in IS NULL) OR ((network IS NOT NULL) AND tap25_internal.is_network(seen_in)))),
    CONSTRAINT warrant_targets_warrant_id_fkey FOREIGN KEY (warrant_id) REFERENCES tap25_internal.warrants(id),
    CONSTRAINT warrant_targets_pkey PRIMARY KEY (id)
);
CREATE INDEX warrant_targets_warrant_id_idx ON tap25_internal.warrant_targets USING btree (warrant_id);

CREATE TABLE tap25_internal.warrants (
    case_id     text NOT NULL,
    since       timestamp with time zone NOT NULL,
    before      timestamp with time zone NOT NULL,
    valid_until timestamp with time zone NOT NULL,
    reason      text NOT NULL,
    id          bigint GENERATED ALWAYS AS IDENTITY NOT NULL,
    applicant   name DEFAULT SESSION_USER NOT NULL,
    applied_at  timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT ends CHECK (isfinite(valid_until)),
    CONSTRAINT warrants_case_id_check CHECK ((case_id <> ''::text)),
    CONSTRAINT warrants_check1 CHECK ((since < before)),
    CONSTRAINT warrants_reason_check CHECK ((reason <> ''::text)),
    CONSTRAINT warrants_pkey PRIMARY KEY (id)
);


-- Views.

CREATE VIEW tap25.mail AS
 SELECT rows.seen_at,
    rows.sensor,
    rows.session_id,
    rows.mail_no,
    rows.client_ip,
    rows.client_port,
    rows.server_ip,
    rows.server_port,
    rows.helo,
    rows.mail_from,
    rows.rcpt_to,
    rows.mail_from_raw,
    rows.rcpt_to_raw,
    rows.mail_code,
    rows.rcpt_code,
    rows.data_code,
    rows.outcome,
    rows.message_bytes,
    rows.declared_size,
    rows.envid,
    rows.orcpt,
    rows.queue_id,
    rows.auth,
    rows.tls_server_name,
    rows.lost_bytes,
    rows.flags,
    rows.origin_ip,
    rows.origin_port,
    rows.origin_by,
    rows.network
   FROM ( SELECT mail_days.seen_at,
            mail_days.sensor,
            mail_days.session_id,
            mail_days.mail_no,
            mail_days.client_ip,
            mail_days.client_port,
            mail_days.server_ip,
            mail_days.server_port,
            mail_days.helo,
            mail_days.mail_from,
            mail_days.rcpt_to,
            mail_days.mail_from_raw,
            mail_days.rcpt_to_raw,
            mail_days.mail_code,
            mail_days.rcpt_code,
            mail_days.data_code,
            mail_days.outcome,
            mail_days.message_bytes,
            mail_days.declared_size,
            mail_days.envid,
            mail_days.orcpt,
            mail_days.queue_id,
            mail_days.auth,
            mail_days.tls_server_name,
            mail_days.lost_bytes,
            mail_days.flags,
            mail_days.origin_ip,
            mail_days.origin_port,
            mail_days.origin_by,
            mail_days.network
           FROM tap25_internal.mail_days
        UNION ALL
         SELECT mail_packed.seen_at,
            mail_packed.sensor,
            mail_packed.session_id,
            mail_packed.mail_no,
            mail_packed.client_ip,
            mail_packed.client_port,
            mail_packed.server_ip,
            mail_packed.server_port,
            mail_packed.helo,
            mail_packed.mail_from,
            mail_packed.rcpt_to,
            mail_packed.mail_from_raw,
            mail_packed.rcpt_to_raw,
            mail_packed.mail_code,
            mail_packed.rcpt_code,
            mail_packed.data_code,
            mail_packed.outcome,
            mail_packed.message_bytes,
            mail_packed.declared_size,
            mail_packed.envid,
            mail_packed.orcpt,
            mail_packed.queue_id,
            mail_packed.auth,
            mail_packed.tls_server_name,
            mail_packed.lost_bytes,
            mail_packed.flags,
            mail_packed.origin_ip,
            mail_packed.origin_port,
            mail_packed.origin_by,
            mail_packed.network
           FROM tap25_internal.mail_packed
        UNION ALL
         SELECT mail_aside.seen_at,
            mail_aside.sensor,
            mail_aside.session_id,
            mail_aside.mail_no,
            mail_aside.client_ip,
            mail_aside.client_port,
            mail_aside.server_ip,
            mail_aside.server_port,
            mail_aside.helo,
            mail_aside.mail_from,
            mail_aside.rcpt_to,
            mail_aside.mail_from_raw,
            mail_aside.rcpt_to_raw,
            mail_aside.mail_code,
            mail_aside.rcpt_code,
            mail_aside.data_code,
            mail_aside.outcome,
            mail_aside.message_bytes,
            mail_aside.declared_size,
            mail_aside.envid,
            mail_aside.orcpt,
            mail_aside.queue_id,
            mail_aside.auth,
            mail_aside.tls_server_name,
            mail_aside.lost_bytes,
            mail_aside.flags,
            mail_aside.origin_ip,
            mail_aside.origin_port,
            mail_aside.origin_by,
            mail_aside.network
           FROM tap25_internal.mail_aside) rows
  WHERE rows.seen_at >= '-infinity'::timestamp with time zone;

CREATE VIEW tap25.mail_once AS
 SELECT source.seen_at,
    source.sensor,
    source.session_id,
    source.mail_no,
    source.client_ip,
    source.client_port,
    source.server_ip,
    source.server_port,
    source.helo,
    source.mail_from,
    source.rcpt_to,
    source.mail_from_raw,
    source.rcpt_to_raw,
    source.mail_code,
    source.rcpt_code,
    source.data_code,
    source.outcome,
    source.message_bytes,
    source.declared_size,
    source.envid,
    source.orcpt,
    source.queue_id,
    source.auth,
    source.tls_server_name,
    source.lost_bytes,
    source.flags,
    source.origin_ip,
    source.origin_port,
    source.origin_by,
    source.network,
        CASE source.copies
            WHEN 1 THEN ARRAY[source.sensor]
            ELSE ARRAY( SELECT unnest(source.sensors) AS unnest
              ORDER BY (unnest(source.sensors)))
        END AS sensors,
    source.copies
   FROM ( SELECT source_1.seen_at,
            source_1.sensor,
            source_1.session_id,
            source_1.mail_no,
            source_1.client_ip,
            source_1.client_port,
            source_1.server_ip,
            source_1.server_port,
            source_1.helo,
            source_1.mail_from,
            source_1.rcpt_to,
            source_1.mail_from_raw,
            source_1.rcpt_to_raw,
            source_1.mail_code,
            source_1.rcpt_code,
            source_1.data_code,
            source_1.outcome,
            source_1.message_bytes,
            source_1.declared_size,
            source_1.envid,
            source_1.orcpt,
            source_1.queue_id,
            source_1.auth,
            source_1.tls_server_name,
            source_1.lost_bytes,
            source_1.flags,
            source_1.origin_ip,
            source_1.origin_port,
            source_1.origin_by,
            source_1.network,
            source_1.exact,
            source_1.own,
            source_1.begins,
            source_1.burst,
            source_1.at_sensor,
            source_1.name,
            source_1.agreed,
            source_1.queue,
            source_1.number,
            source_1.key,
            source_1.nth,
            array_agg(source_1.sensor) OVER copy AS sensors,
            count(*) OVER copy AS copies,
            row_number() OVER (copy ORDER BY (cardinality(source_1.flags)) NULLS FIRST, source_1.lost_bytes, (source_1.outcome = 'unknown'::tap25.outcome), (num_nulls(source_1.seen_at, source_1.sensor, source_1.session_id, source_1.mail_no, source_1.client_ip, source_1.client_port, source_1.server_ip, source_1.server_port, source_1.helo, source_1.mail_from, source_1.rcpt_to, source_1.mail_from_raw, source_1.rcpt_to_raw, source_1.mail_code, source_1.rcpt_code, source_1.data_code, source_1.outcome, source_1.message_bytes, source_1.declared_size, source_1.envid, source_1.orcpt, source_1.queue_id, source_1.auth, source_1.tls_server_name, source_1.lost_bytes, source_1.flags, source_1.origin_ip, source_1.origin_port, source_1.origin_by, source_1.network)), source_1.seen_at, source_1.sensor) AS turn
           FROM ( SELECT source_2.seen_at,
                    source_2.sensor,
                    source_2.session_id,
                    source_2.mail_no,
                    source_2.client_ip,
                    source_2.client_port,
                    source_2.server_ip,
                    source_2.server_port,
                    source_2.helo,
                    source_2.mail_from,
                    source_2.rcpt_to,
                    source_2.mail_from_raw,
                    source_2.rcpt_to_raw,
                    source_2.mail_code,
                    source_2.rcpt_code,
                    source_2.data_code,
                    source_2.outcome,
                    source_2.message_bytes,
                    source_2.declared_size,
                    source_2.envid,
                    source_2.orcpt,
                    source_2.queue_id,
                    source_2.auth,
                    source_2.tls_server_name,
                    source_2.lost_bytes,
                    source_2.flags,
                    source_2.origin_ip,
                    source_2.origin_port,
                    source_2.origin_by,
                    source_2.network,
                    source_2.exact,
                    source_2.own,
                    source_2.begins,
                    source_2.burst,
                    source_2.at_sensor,
                    source_2.name,
                    source_2.agreed,
                    source_2.queue,
                    source_2.number,
                    source_2.key,
                    row_number() OVER (PARTITION BY source_2.client_ip, source_2.client_port, source_2.server_ip, source_2.server_port, source_2.rcpt_to, source_2.key, source_2.sensor ORDER BY source_2.seen_at, source_2.rcpt_code, source_2.outcome, source_2.data_code) AS nth
                   FROM ( SELECT source_3.seen_at,
                            source_3.sensor,
                            source_3.session_id,
                            source_3.mail_no,
                            source_3.client_ip,
                            source_3.client_port,
                            source_3.server_ip,
                            source_3.server_port,
                            source_3.helo,
                            source_3.mail_from,
                            source_3.rcpt_to,
                            source_3.mail_from_raw,
                            source_3.rcpt_to_raw,
                            source_3.mail_code,
                            source_3.rcpt_code,
                            source_3.data_code,
                            source_3.outcome,
                            source_3.message_bytes,
                            source_3.declared_size,
                            source_3.envid,
                            source_3.orcpt,
                            source_3.queue_id,
                            source_3.auth,
                            source_3.tls_server_name,
                            source_3.lost_bytes,
                            source_3.flags,
                            source_3.origin_ip,
                            source_3.origin_port,
                            source_3.origin_by,
                            source_3.network,
                            source_3.exact,
                            source_3.own,
                            source_3.begins,
                            source_3.burst,
                            source_3.at_sensor,
                            source_3.name,
                            source_3.agreed,
                            source_3.queue,
                            source_3.number,
                                CASE
                                    WHEN source_3.queue IS NOT NULL AND NOT min(source_3.mail_no) FILTER (WHERE source_3.exact) OVER queue IS DISTINCT FROM max(source_3.mail_no) FILTER (WHERE source_3.exact) OVER queue AND NOT min(source_3.mail_from) OVER queue IS DISTINCT FROM max(source_3.mail_from) OVER queue AND NOT min(source_3.message_bytes) OVER queue IS DISTINCT FROM max(source_3.message_bytes) OVER queue AND (max(source_3.seen_at) OVER queue - min(source_3.seen_at) OVER queue) <= '01:00:00'::interval THEN 'queue '::text || source_3.queue
                                    WHEN source_3.number IS NOT NULL THEN 'number '::text || source_3.number
                                    WHEN source_3.agreed THEN concat('burst ', source_3.burst, ' ', source_3.network)
                                    ELSE concat_ws(' '::text, 'row', source_3.session_id, source_3.mail_no, source_3.sensor)
                                END AS key
                           FROM ( SELECT source_4.seen_at,
                                    source_4.sensor,
                                    source_4.session_id,
                                    source_4.mail_no,
                                    source_4.client_ip,
                                    source_4.client_port,
                                    source_4.server_ip,
                                    source_4.server_port,
                                    source_4.helo,
                                    source_4.mail_from,
                                    source_4.rcpt_to,
                                    source_4.mail_from_raw,
                                    source_4.rcpt_to_raw,
                                    source_4.mail_code,
                                    source_4.rcpt_code,
                                    source_4.data_code,
                                    source_4.outcome,
                                    source_4.message_bytes,
                                    source_4.declared_size,
                                    source_4.envid,
                                    source_4.orcpt,
                                    source_4.queue_id,
                                    source_4.auth,
                                    source_4.tls_server_name,
                                    source_4.lost_bytes,
                                    source_4.flags,
                                    source_4.origin_ip,
                                    source_4.origin_port,
                                    source_4.origin_by,
                                    source_4.network,
                                    source_4.exact,
                                    source_4.own,
                                    source_4.begins,
                                    source_4.burst,
                                    source_4.at_sensor,
                                    source_4.name,
                                    source_4.agreed,
CASE
 WHEN source_4.agreed THEN COALESCE(source_4.name, min(source_4.name) OVER burst)
 ELSE source_4.name
END AS queue,
CASE
 WHEN source_4.exact THEN source_4.own
 WHEN source_4.agreed THEN min(source_4.own) FILTER (WHERE source_4.exact) OVER burst
 ELSE NULL::text
END AS number
                                   FROM ( SELECT source_5.seen_at,
    source_5.sensor,
    source_5.session_id,
    source_5.mail_no,
    source_5.client_ip,
    source_5.client_port,
    source_5.server_ip,
    source_5.server_port,
    source_5.helo,
    source_5.mail_from,
    source_5.rcpt_to,
    source_5.mail_from_raw,
    source_5.rcpt_to_raw,
    source_5.mail_code,
    source_5.rcpt_code,
    source_5.data_code,
    source_5.outcome,
    source_5.message_bytes,
    source_5.declared_size,
    source_5.envid,
    source_5.orcpt,
    source_5.queue_id,
    source_5.auth,
    source_5.tls_server_name,
    source_5.lost_bytes,
    source_5.flags,
    source_5.origin_ip,
    source_5.origin_port,
    source_5.origin_by,
    source_5.network,
    source_5.exact,
    source_5.own,
    source_5.begins,
    source_5.burst,
    source_5.at_sensor,
    source_5.name,
    count(*) OVER burst > 1 AND max(source_5.at_sensor) OVER burst = 1 AND NOT min(source_5.mail_from) OVER burst IS DISTINCT FROM max(source_5.mail_from) OVER burst AND NOT min(source_5.mail_code) OVER burst IS DISTINCT FROM max(source_5.mail_code) OVER burst AND NOT min(source_5.rcpt_code) OVER burst IS DISTINCT FROM max(source_5.rcpt_code) OVER burst AND NOT min(source_5.data_code) OVER burst IS DISTINCT FROM max(source_5.data_code) OVER burst AND NOT min(source_5.message_bytes) OVER burst IS DISTINCT FROM max(source_5.message_bytes) OVER burst AND NOT min(source_5.declared_size) OVER burst IS DISTINCT FROM max(source_5.declared_size) OVER burst AND NOT min(source_5.envid) OVER burst IS DISTINCT FROM max(source_5.envid) OVER burst AND NOT min(source_5.orcpt) OVER burst IS DISTINCT FROM max(source_5.orcpt) OVER burst AND bool_and(num_nulls(source_5.mail_from, source_5.rcpt_to) = 0 OR source_5.outcome = 'encrypted'::tap25.outcome) OVER burst AND NOT min(source_5.name) OVER burst IS DISTINCT FROM max(source_5.name) OVER burst AND NOT min(source_5.own) FILTER (WHERE source_5.exact) OVER burst IS DISTINCT FROM max(source_5.own) FILTER (WHERE source_5.exact) OVER burst AND NOT min(source_5.outcome) FILTER (WHERE source_5.outcome <> 'unknown'::tap25.outcome) OVER burst IS DISTINCT FROM max(source_5.outcome) FILTER (WHERE source_5.outcome <> 'unknown'::tap25.outcome) OVER burst AS agreed
   FROM ( SELECT source_6.seen_at,
      source_6.sensor,
      source_6.session_id,
      source_6.mail_no,
      source_6.client_ip,
      source_6.client_port,
      source_6.server_ip,
      source_6.server_port,
      source_6.helo,
      source_6.mail_from,
      source_6.rcpt_to,
      source_6.mail_from_raw,
      source_6.rcpt_to_raw,
      source_6.mail_code,
      source_6.rcpt_code,
      source_6.data_code,
      source_6.outcome,
      source_6.message_bytes,
      source_6.declared_size,
      source_6.envid,
      source_6.orcpt,
      source_6.queue_id,
      source_6.auth,
      source_6.tls_server_name,
      source_6.lost_bytes,
      source_6.flags,
      source_6.origin_ip,
      source_6.origin_port,
      source_6.origin_by,
      source_6.network,
      source_6.exact,
      source_6.own,
      source_6.begins,
      source_6.burst,
      row_number() OVER (PARTITION BY source_6.client_ip, source_6.client_port, source_6.server_ip, source_6.server_port, source_6.rcpt_to, source_6.network, source_6.burst, source_6.sensor) AS at_sensor,
      COALESCE(source_6.queue_id,
    CASE
     WHEN source_6.exact THEN min(source_6.queue_id) OVER (PARTITION BY source_6.client_ip, source_6.client_port, source_6.server_ip, source_6.server_port, source_6.rcpt_to, source_6.own, source_6.exact)
     ELSE NULL::text
    END) AS name
     FROM ( SELECT source_7.seen_at,
        source_7.sensor,
        source_7.session_id,
        source_7.mail_no,
        source_7.client_ip,
        source_7.client_port,
        source_7.server_ip,
        source_7.server_port,
        source_7.helo,
        source_7.mail_from,
        source_7.rcpt_to,
        source_7.mail_from_raw,
        source_7.rcpt_to_raw,
        source_7.mail_code,
        source_7.rcpt_code,
        source_7.data_code,
        source_7.outcome,
        source_7.message_bytes,
        source_7.declared_size,
        source_7.envid,
        source_7.orcpt,
        source_7.queue_id,
        source_7.auth,
        source_7.tls_server_name,
        source_7.lost_bytes,
        source_7.flags,
        source_7.origin_ip,
        source_7.origin_port,
        source_7.origin_by,
        source_7.network,
        source_7.exact,
        source_7.own,
        source_7.begins,
        count(*) FILTER (WHERE source_7.begins) OVER (PARTITION BY source_7.client_ip, source_7.client_port, source_7.server_ip, source_7.server_port, source_7.rcpt_to, source_7.network ORDER BY source_7.seen_at) AS burst
       FROM ( SELECT source_8.seen_at,
          source_8.sensor,
          source_8.session_id,
          source_8.mail_no,
          source_8.client_ip,
          source_8.client_port,
          source_8.server_ip,
          source_8.server_port,
          source_8.helo,
          source_8.mail_from,
          source_8.rcpt_to,
          source_8.mail_from_raw,
          source_8.rcpt_to_raw,
          source_8.mail_code,
          source_8.rcpt_code,
          source_8.data_code,
          source_8.outcome,
          source_8.message_bytes,
          source_8.declared_size,
          source_8.envid,
          source_8.orcpt,
          source_8.queue_id,
          source_8.auth,
          source_8.tls_server_name,
          source_8.lost_bytes,
          source_8.flags,
          source_8.origin_ip,
          source_8.origin_port,
          source_8.origin_by,
          source_8.network,
          source_8.lost_bytes = 0 AND (source_8.flags IS NULL OR NOT source_8.flags && '{midstream,one-sided,gap,conflict,truncated}'::text[]) AS exact,
          concat_ws(' '::text, source_8.session_id, source_8.mail_no) AS own,
          (source_8.seen_at - lag(source_8.seen_at) OVER (PARTITION BY source_8.client_ip, source_8.client_port, source_8.server_ip, source_8.server_port, source_8.rcpt_to, source_8.network ORDER BY source_8.seen_at)) > '00:00:01'::interval AS begins
         FROM ( SELECT mail.seen_at,
            mail.sensor,
            mail.session_id,
            mail.mail_no,
            mail.client_ip,
            mail.client_port,
            mail.server_ip,
            mail.server_port,
            mail.helo,
            mail.mail_from,
            mail.rcpt_to,
            mail.mail_from_raw,
            mail.rcpt_to_raw,
            mail.mail_code,
            mail.rcpt_code,
            mail.data_code,
            mail.outcome,
            mail.message_bytes,
            mail.declared_size,
            mail.envid,
            mail.orcpt,
            mail.queue_id,
            mail.auth,
            mail.tls_server_name,
            mail.lost_bytes,
            mail.flags,
            mail.origin_ip,
            mail.origin_port,
            mail.origin_by,
            mail.network
           FROM tap25.mail) source_8) source_7) source_6) source_5
  WINDOW burst AS (PARTITION BY source_5.client_ip, source_5.client_port, source_5.server_ip, source_5.server_port, source_5.rcpt_to, source_5.network, source_5.burst)) source_4
                                  WINDOW burst AS (PARTITION BY source_4.client_ip, source_4.client_port, source_4.server_ip, source_4.server_port, source_4.rcpt_to, source_4.network, source_4.burst)) source_3
                          WINDOW queue AS (PARTITION BY source_3.client_ip, source_3.client_port, source_3.server_ip, source_3.server_port, source_3.rcpt_to, source_3.queue)) source_2) source_1
          WINDOW copy AS (PARTITION BY source_1.client_ip, source_1.client_port, source_1.server_ip, source_1.server_port, source_1.rcpt_to, source_1.key, source_1.nth)) source
  WHERE source.turn = 1;

CREATE VIEW tap25.missing_accesses AS
 SELECT gaps.first,
    gaps.last,
    gaps.after,
    gaps.before
   FROM ( SELECT lag(numbers.id, 1, 0::bigint) OVER (ORDER BY numbers.id) + 1 AS first,
            numbers.id - 1 AS last,
            lag(numbers.at) OVER (ORDER BY numbers.id) AS after,
            numbers.at AS before
           FROM ( SELECT accesses.id,
                    accesses.at
                   FROM tap25.accesses
                UNION ALL
                 SELECT accesses_id_seq.last_value + 1,
                    NULL::timestamp with time zone
                   FROM tap25.accesses_id_seq
                  WHERE accesses_id_seq.is_called AND NOT pg_is_in_recovery()) numbers) gaps
  WHERE gaps.first <= gaps.last;

CREATE VIEW tap25.my_cases AS
 SELECT my_cases.case_id,
    my_cases.target,
    my_cases.since,
    my_cases.before,
    my_cases.valid_until,
    my_cases.state,
    my_cases.open_until,
    my_cases.warrant_id
   FROM tap25_internal.my_cases() my_cases(case_id, target, since, before, valid_until, state, open_until, warrant_id);

CREATE VIEW tap25.sensors AS
 SELECT sensors.sensor,
    sensors.login,
    sensors.since,
    sensors.bound_by
   FROM tap25_internal.sensors
  WHERE sensors.until IS NULL;

CREATE VIEW tap25.volumes AS
 SELECT days.day,
    days.sensor,
    days.rows,
    days.loaded_at
   FROM tap25_internal.days;

CREATE VIEW tap25.warrants AS
 SELECT w.case_id,
    a.auditor,
    t.mailbox,
    t.domain,
    t.network,
    w.since,
    w.before,
    LEAST(w.valid_until, e.ended) AS valid_until,
    w.reason,
    w.id,
        CASE
            WHEN e.migrated THEN w.applicant
            ELSE e.approved_by
        END AS granted_by,
        CASE
            WHEN e.migrated THEN w.applied_at
            ELSE e.approved_at
        END AS granted_at,
    t.seen_in,
    t.by_origin,
    w.applicant,
    w.applied_at,
        CASE
            WHEN e.refused THEN 'refused'::text
            WHEN LEAST(w.valid_until, e.ended) <= clock_timestamp() THEN 'ended'::text
            WHEN e.migrated OR e.approved_at IS NOT NULL THEN 'valid'::text
            ELSE 'applied'::text
        END AS state
   FROM tap25_internal.warrants w
     JOIN tap25_internal.warrant_auditors a ON a.warrant_id = w.id
     JOIN tap25_internal.warrant_targets t ON t.warrant_id = w.id
     CROSS JOIN LATERAL ( SELECT min(v.valid_until) AS ended,
            COALESCE(bool_or(v.action = 'migrated'::text), false) AS migrated,
            COALESCE(bool_or(v.action = 'refused'::text), false) AS refused,
            min(v.by::text) FILTER (WHERE v.action = 'approved'::text)::name AS approved_by,
            min(v.at) FILTER (WHERE v.action = 'approved'::text) AS approved_at
           FROM tap25.warrant_events v
          WHERE v.warrant_id = w.id) e;

CREATE VIEW tap25_internal.mail_aside AS
 SELECT aside.seen_at,
    aside.sensor,
    aside.session_id,
    aside.mail_no,
    aside.client_ip,
    aside.client_port + 32768 AS client_port,
    aside.server_ip,
    aside.server_port + 32768 AS server_port,
    aside.helo,
    aside.mail_from,
    aside.rcpt_to,
    aside.mail_from_raw,
    aside.rcpt_to_raw,
    aside.mail_code,
    aside.rcpt_code,
    aside.data_code,
    ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[aside.outcome + 1] AS outcome,
    aside.message_bytes,
    aside.declared_size,
    aside.envid,
    aside.orcpt,
    aside.queue_id,
    aside.auth,
    aside.tls_server_name,
    COALESCE(aside.lost_bytes, 0::bigint) AS lost_bytes,
        CASE
            WHEN aside.flags = 0 THEN NULL::text[]
            ELSE array_remove(ARRAY[
            CASE
                WHEN (aside.flags::integer & 1) <> 0 THEN 'midstream'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 2) <> 0 THEN 'one-sided'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 4) <> 0 THEN 'gap'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 8) <> 0 THEN 'conflict'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 16) <> 0 THEN 'smuggling'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 32) <> 0 THEN 'injected'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (aside.flags::integer & 64) <> 0 THEN 'truncated'::text
                ELSE NULL::text
            END], NULL::text)
        END AS flags,
    aside.origin_ip,
    aside.origin_port + 32768 AS origin_port,
    ('{proxy,xclient,xforward}'::text[])[aside.origin_by] AS origin_by,
    aside.network
   FROM ( SELECT held.seen_at,
            held.session_id,
            held.message_bytes,
            held.declared_size,
            held.lost_bytes,
            held.mail_no,
            held.client_port,
            held.server_port,
            held.outcome,
            held.mail_code,
            held.rcpt_code,
            held.data_code,
            held.flags,
            held.auth,
            held.client_ip,
            held.server_ip,
            held.sensor,
            held.mail_from,
            held.rcpt_to,
            held.helo,
            held.queue_id,
            held.mail_from_raw,
            held.rcpt_to_raw,
            held.envid,
            held.orcpt,
            held.tls_server_name,
            held.origin_ip,
            held.network,
            held.origin_port,
            held.origin_by
           FROM tap25_internal.held
        UNION ALL
         SELECT misdated.seen_at,
            misdated.session_id,
            misdated.message_bytes,
            misdated.declared_size,
            misdated.lost_bytes,
            misdated.mail_no,
            misdated.client_port,
            misdated.server_port,
            misdated.outcome,
            misdated.mail_code,
            misdated.rcpt_code,
            misdated.data_code,
            misdated.flags,
            misdated.auth,
            misdated.client_ip,
            misdated.server_ip,
            misdated.sensor,
            misdated.mail_from,
            misdated.rcpt_to,
            misdated.helo,
            misdated.queue_id,
            misdated.mail_from_raw,
            misdated.rcpt_to_raw,
            misdated.envid,
            misdated.orcpt,
            misdated.tls_server_name,
            misdated.origin_ip,
            misdated.network,
            misdated.origin_port,
            misdated.origin_by
           FROM tap25_internal.misdated) aside;

CREATE VIEW tap25_internal.mail_days AS
 SELECT envelopes.seen_at,
    envelopes.sensor,
    envelopes.session_id,
    envelopes.mail_no,
    envelopes.client_ip,
    envelopes.client_port + 32768 AS client_port,
    envelopes.server_ip,
    envelopes.server_port + 32768 AS server_port,
    envelopes.helo,
    envelopes.mail_from,
    envelopes.rcpt_to,
    envelopes.mail_from_raw,
    envelopes.rcpt_to_raw,
    envelopes.mail_code,
    envelopes.rcpt_code,
    envelopes.data_code,
    ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[envelopes.outcome + 1] AS outcome,
    envelopes.message_bytes,
    envelopes.declared_size,
    envelopes.envid,
    envelopes.orcpt,
    envelopes.queue_id,
    envelopes.auth,
    envelopes.tls_server_name,
    COALESCE(envelopes.lost_bytes, 0::bigint) AS lost_bytes,
        CASE
            WHEN envelopes.flags = 0 THEN NULL::text[]
            ELSE array_remove(ARRAY[
            CASE
                WHEN (envelopes.flags::integer & 1) <> 0 THEN 'midstream'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 2) <> 0 THEN 'one-sided'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 4) <> 0 THEN 'gap'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 8) <> 0 THEN 'conflict'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 16) <> 0 THEN 'smuggling'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 32) <> 0 THEN 'injected'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 64) <> 0 THEN 'truncated'::text
                ELSE NULL::text
            END], NULL::text)
        END AS flags,
    envelopes.origin_ip,
    envelopes.origin_port + 32768 AS origin_port,
    ('{proxy,xclient,xforward}'::text[])[envelopes.origin_by] AS origin_by,
    envelopes.network
   FROM tap25_internal.envelopes;

CREATE VIEW tap25_internal.mail_packed AS
 SELECT envelopes.seen_at,
    envelopes.sensor,
    envelopes.session_id,
    envelopes.mail_no,
    envelopes.client_ip,
    envelopes.client_port + 32768 AS client_port,
    envelopes.server_ip,
    envelopes.server_port + 32768 AS server_port,
    envelopes.helo,
    envelopes.mail_from,
    envelopes.rcpt_to,
    envelopes.mail_from_raw,
    envelopes.rcpt_to_raw,
    envelopes.mail_code,
    envelopes.rcpt_code,
    envelopes.data_code,
    ('{unknown,accepted,deferred,refused,aborted,encrypted}'::tap25.outcome[])[envelopes.outcome + 1] AS outcome,
    envelopes.message_bytes,
    envelopes.declared_size,
    envelopes.envid,
    envelopes.orcpt,
    envelopes.queue_id,
    envelopes.auth,
    envelopes.tls_server_name,
    COALESCE(envelopes.lost_bytes, 0::bigint) AS lost_bytes,
        CASE
            WHEN envelopes.flags = 0 THEN NULL::text[]
            ELSE array_remove(ARRAY[
            CASE
                WHEN (envelopes.flags::integer & 1) <> 0 THEN 'midstream'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 2) <> 0 THEN 'one-sided'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 4) <> 0 THEN 'gap'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 8) <> 0 THEN 'conflict'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 16) <> 0 THEN 'smuggling'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 32) <> 0 THEN 'injected'::text
                ELSE NULL::text
            END,
            CASE
                WHEN (envelopes.flags::integer & 64) <> 0 THEN 'truncated'::text
                ELSE NULL::text
            END], NULL::text)
        END AS flags,
    envelopes.origin_ip,
    envelopes.origin_port + 32768 AS origin_port,
    ('{proxy,xclient,xforward}'::text[])[envelopes.origin_by] AS origin_by,
    envelopes.network
   FROM ( SELECT p.seen_at,
            (p.e).session_id AS session_id,
            (p.e).message_bytes AS message_bytes,
            (p.e).declared_size AS declared_size,
            (p.e).lost_bytes AS lost_bytes,
            (p.e).mail_no AS mail_no,
            (p.e).client_port AS client_port,
            (p.e).server_port AS server_port,
            (p.e).outcome AS outcome,
            (p.e).mail_code AS mail_code,
            (p.e).rcpt_code AS rcpt_code,
            (p.e).data_code AS data_code,
            (p.e).flags AS flags,
            (p.e).auth AS auth,
            (p.e).client_ip AS client_ip,
            (p.e).server_ip AS server_ip,
            (p.e).sensor AS sensor,
            (p.e).mail_from AS mail_from,
            (p.e).rcpt_to AS rcpt_to,
            (p.e).helo AS helo,
            (p.e).queue_id AS queue_id,
            (p.e).mail_from_raw AS mail_from_raw,
            (p.e).rcpt_to_raw AS rcpt_to_raw,
            (p.e).envid AS envid,
            (p.e).orcpt AS orcpt,
            (p.e).tls_server_name AS tls_server_name,
            (p.e).origin_ip AS origin_ip,
            (p.e).network AS network,
            (p.e).origin_port AS origin_port,
            (p.e).origin_by AS origin_by
           FROM ( SELECT NULL::timestamp with time zone AS seen_at,
                    NULL::tap25_internal.envelopes AS e
                  WHERE false) p) envelopes;


-- Functions.

CREATE OR REPLACE FUNCTION tap25.add_hold(mailbox text, domain text, network inet, since timestamp with time zone, before timestamp with time zone, until timestamp with time zone, reason text, seen_in text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare h tap25.holds;
begin
    perform tap25_internal.check_snapshot();
    perform tap25_internal.check_target(add_hold.mailbox, add_hold.domain, add_hold.network, add_hold.seen_in);
    begin
        insert into tap25.holds (mailbox, domain, network, seen_in, since, before, until, reason)
        values (add_hold.mailbox, lower(add_hold.domain), add_hold.network, add_hold.seen_in, coalesce(add_hold.since, '-infinity'),
                coalesce(add_hold.before, 'infinity'), coalesce(add_hold.until, 'infinity'), add_hold.reason) returning * into h;
    exception when integrity_constraint_violation then
        raise '%', sqlerrm using errcode = sqlstate; -- without the detail, which has the whole line, for the server's log
    end;
    update tap25_internal.held e set hold_ids = e.hold_ids || h.id
    where tap25_internal.concerns(h.mailbox, h.domain, h.network, h.seen_in, true, h.since, h.before,
        e.seen_at, e.mail_from, e.rcpt_to, e.client_ip, e.server_ip, e.origin_ip, e.network);
    return h.id;
end $function$;

CREATE OR REPLACE FUNCTION tap25.answer_completeness(access bigint)
 RETURNS json
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select row_to_json(c) from tap25_internal.answered(access) asked
    cross join lateral tap25.completeness(greatest(asked.since, asked.asked_since), least(asked.before, asked.asked_before)) c
$function$;

CREATE OR REPLACE FUNCTION tap25.apply_for_warrant(case_id text, basis text, auditors name[], targets text[], since timestamp with time zone, before timestamp with time zone, valid_until timestamp with time zone, by_origin boolean DEFAULT true)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    number bigint;
begin
    if coalesce(btrim(apply_for_warrant.case_id), '') = '' or length(apply_for_warrant.case_id) > 200 or apply_for_warrant.case_id ~ '[[:cntrl:]]' then
        raise 'a case has a name of up to 200 characters' using errcode = 'invalid_parameter_value';
    elsif coalesce(btrim(basis), '') = '' or length(basis) > 1000 then
        raise 'say what the warrant rests on, in up to 1,000 characters' using errcode = 'invalid_parameter_value';
    elsif cardinality(targets) between 1 and 100 is not true then
        raise 'a warrant names 1 to 100 targets: mailboxes, domains, IP addresses, subnets' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.check_auditors(auditors);
    perform tap25_internal.check_period(apply_for_warrant.since, apply_for_warrant.before, apply_for_warrant.valid_until);
    insert into tap25_internal.warrants (case_id, since, before, valid_until, reason)
    values (apply_for_warrant.case_id, apply_for_warrant.since, apply_for_warrant.before, apply_for_warrant.valid_until, basis) returning id into number;
    insert into tap25_internal.warrant_auditors select number, a from unnest(auditors) a group by a;
    for i in 1 .. cardinality(targets) loop
        begin
            insert into tap25_internal.warrant_targets (warrant_id, mailbox, domain, network, seen_in, by_origin)
            select number, p.mailbox, p.domain, p.network, p.seen_in, coalesce(apply_for_warrant.by_origin, true) from tap25_internal.parse_target(targets[i]) p;
        exception when invalid_parameter_value then
            raise 'target %: %', i, sqlerrm using errcode = sqlstate;
        end;
    end loop;
    return number;
end $function$;

CREATE OR REPLACE FUNCTION tap25.approve_warrant(which bigint, note text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    perform tap25_internal.decide_warrant(which, 'approved', note);
end $function$;

CREATE OR REPLACE FUNCTION tap25.ask_case(which text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, before timestamp with time zone DEFAULT NULL::timestamp with time zone, target text DEFAULT NULL::text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET bytea_output TO 'hex'
 SET client_min_messages TO 'warning'
AS $function$
#variable_conflict use_variable
declare
    number constant bigint := tap25_internal.begin_access('read', which);
    entry  constant record := tap25_internal.enter_case(number, which, target);
    line   tap25.mail_once;
    digest bytea := sha256('');
    n      bigint := 0;
begin
    if entry.warrants = '{}' then
        return null;
    elsif not exists (select from tap25_internal.warrant_targets t join tap25_internal.warrants w on w.id = t.warrant_id
            where w.id = any (entry.warrants) and greatest(w.since, since) < least(w.before, before)
              and (target is null or lower(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in)) = lower(target))) then
        perform tap25_internal.log_refusal(number, 'no such period');
        raise 'no warrant that is valid now opens mail of this period: select * from my_cases' using errcode = 'insufficient_privilege';
    end if;
    for line in select * from tap25_internal.case_rows(entry.warrants, since, before, target) loop
        digest := tap25_internal.digest_with(digest, line);
        n := n + 1;
    end loop;
    perform tap25_internal.check_warrants(number, which, entry.warrants);
    perform tap25_internal.record_access(number, which, 'read', entry.warrants, rows => n, opening => entry.opening,
        target => target, since => since, before => before, sha256 => encode(digest, 'hex'));
    return number;
end $function$;

CREATE OR REPLACE FUNCTION tap25.bind_sensor(login name, sensor text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if not exists (select from pg_roles r where r.rolname = bind_sensor.login) then
        raise 'there is no login %', quote_ident(bind_sensor.login) using errcode = 'undefined_object';
    elsif sensor is not null and tap25_internal.bad_name(sensor) is not null then
        raise 'this cannot be the name of a sensor: %', tap25_internal.bad_name(sensor) using errcode = 'invalid_parameter_value';
    end if;
    update tap25_internal.sensors s set until = clock_timestamp()
    where s.until is null and (s.login = bind_sensor.login or s.sensor = bind_sensor.sensor);
    if sensor is not null then
        insert into tap25_internal.sensors (sensor, login) values (bind_sensor.sensor, bind_sensor.login);
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25.case_answer(access bigint)
 RETURNS TABLE(case_id text, target text, since timestamp with time zone, before timestamp with time zone, at timestamp with time zone, rows bigint, sha256 text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select a.case_id, a.asked_target, coalesce(a.asked_since, a.since), coalesce(a.asked_before, a.before), a.at, a.rows, a.sha256 from tap25.accesses a
    where a.id = access and a.action = 'read' and a.auditor = session_user and a.xid is distinct from pg_current_xact_id_if_assigned()
$function$;

CREATE OR REPLACE FUNCTION tap25.case_completeness(which text)
 RETURNS TABLE(begins timestamp with time zone, ends timestamp with time zone, sensors text[], listened numeric, gaps tstzmultirange, frames numeric, frames_lost numeric, octets_lost numeric, sessions numeric, sessions_encrypted numeric, sessions_cut numeric, rows numeric, rows_lost numeric, clock_synchronised boolean, clock_offset interval, clock_error interval, scopes text[], sentence text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select c.* from (select min(w.since) as since, max(w.before) as before from tap25_internal.warrants w
                     where w.id = any (tap25_internal.valid_warrants(which))) period
    cross join lateral tap25.completeness(period.since, period.before) c where period.since is not null
$function$;

CREATE OR REPLACE FUNCTION tap25.case_leaves(access bigint)
 RETURNS TABLE(body bytea, signature bytea, public_key bytea, day date, leaves bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
#variable_conflict use_column
declare
    asked  constant tap25.accesses := tap25_internal.answered(access);
    its    record;
    found_ bigint[];
begin
    for its in select (r.seen_at at time zone 'UTC')::date as day, array_agg(r.seen_at) as times,
        array_agg(r.session_id) as sessions
        from tap25_internal.case_rows(asked.warrant_ids, asked.asked_since, asked.asked_before, asked.asked_target) r
            group by 1
    loop
        if tap25_internal.has_partition(its.day) then
            return query select d.body, d.signature, d.public_key, its.day, d.leaves
                from tap25_internal.day_leaves(its.day, its.times, its.sessions) d;
        end if;
        continue when not tap25_internal.is_packed(its.day);
        -- OFFSET 0: each block is unpacked once, whatever it is joined with.
        found_ := array(select distinct p.link from (
                select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
                where b.day = its.day and exists (select from unnest(its.times) t
                    where t between b.first_at and b.last_at) offset 0) p
            join unnest(its.times, its.sessions) w (seen_at, session_id) on w.seen_at = (p.e).seen_at
                and w.session_id = (p.e).session_id
            where p.link is not null);
        return query
        select l.body, l.signature, k.public_key, its.day, string_agg(tap25_internal.leaf(p.e), '')
        from (select p.link, p.e from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
              where b.day = its.day and b.links && found_ offset 0) p
        join tap25.links l on l.id = p.link join tap25.keys k on k.id = l.key
            where l.id = any (found_) group by l.id, k.id;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25.case_list(which text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, before timestamp with time zone DEFAULT NULL::timestamp with time zone, target text DEFAULT NULL::text)
 RETURNS TABLE(seen_at timestamp with time zone, client_ip inet, mail_from text, rcpt_to text, outcome tap25.outcome, bytes bigint, copies bigint, flags text[])
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (m.seen_at)::timestamp(0) with time zone AS seen_at,
     m.client_ip,
     m.mail_from,
     m.rcpt_to,
     m.outcome,
     m.message_bytes,
     m.copies,
     m.flags
    FROM tap25.case_mail(case_list.which, case_list.since, case_list.before, case_list.target) m(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.case_mail(which text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, before timestamp with time zone DEFAULT NULL::timestamp with time zone, target text DEFAULT NULL::text)
 RETURNS SETOF tap25.mail_once
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET bytea_output TO 'hex'
 SET client_min_messages TO 'warning'
AS $function$
#variable_conflict use_variable
declare
    number constant bigint := tap25_internal.begin_access('show', which);
    entry  constant record := tap25_internal.enter_case(number, which, target);
    asked  tap25.accesses;
    line   tap25.mail_once;
    digest bytea := sha256('');
    n      bigint := 0;
begin
    if entry.warrants = '{}' then
        return;
    end if;
    select * into asked from tap25.accesses a where a.action = 'read' and a.auditor = session_user and a.case_id = which
        and a.at > clock_timestamp() - interval '15 minutes' and a.xid <> pg_current_xact_id() and a.sha256 is not null
        and (a.asked_target, a.asked_since, a.asked_before) is not distinct from (target, since, before) order by a.id desc limit 1;
    if asked.id is null then
        perform tap25_internal.log_refusal(number, 'the question is not on record');
        raise 'this question is not on record: select ask_case(...) with the same case, times and target, and commit; its rows are shown for 15 minutes'
            using errcode = 'insufficient_privilege';
    end if;
    perform tap25_internal.await_flush();
    for line in select * from tap25_internal.case_rows(entry.warrants, since, before, target) loop
        digest := tap25_internal.digest_with(digest, line);
        n := n + 1;
        return next line;
    end loop;
    if (n, encode(digest, 'hex')) is distinct from (asked.rows, asked.sha256) then
        perform tap25_internal.log_refusal(number, 'the answer has changed');
        raise 'the answer has changed since it was recorded: select ask_case(...) again' using errcode = 'object_not_in_prerequisite_state';
    end if;
    perform tap25_internal.check_warrants(number, which, entry.warrants);
    perform tap25_internal.record_access(number, which, 'shown', entry.warrants, rows => n, opening => entry.opening, asked => asked.id,
        target => target, since => since, before => before, sha256 => asked.sha256);
end $function$;

CREATE OR REPLACE FUNCTION tap25.case_national(which text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, before timestamp with time zone DEFAULT NULL::timestamp with time zone, target text DEFAULT NULL::text, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select * from tap25_internal.mail_of_regions(
        format('select pg_catalog.concat_ws('' '', v.version, tap25.ask_case(%L, %L, %L, %L))
            from tap25_internal.tap25_schema_version v', which, since, before, target),
        format('tap25.case_mail(%L, %L, %L, %L)', which, since, before, target), true, session_user, patience, most)
$function$;

CREATE OR REPLACE FUNCTION tap25.case_warrants(access bigint)
 RETURNS TABLE(id bigint, basis text, applicant name, applied_at timestamp with time zone, approver name, approved_at timestamp with time zone, targets text[], since timestamp with time zone, before timestamp with time zone, valid_until timestamp with time zone)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    asked constant tap25.accesses := tap25_internal.answered(access);
begin
    return query
    select w.id, w.reason, w.applicant, w.applied_at, e.by, e.at,
        (select array_agg(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in) order by t.id)
         from tap25_internal.warrant_targets t where t.warrant_id = w.id),
        w.since, w.before, (select min(v.valid_until) from tap25.warrants v where v.id = w.id)
    from tap25_internal.warrants w left join tap25.warrant_events e on e.warrant_id = w.id and e.action = 'approved'
    where w.id = any (asked.warrant_ids) order by w.id;
end $function$;

CREATE OR REPLACE FUNCTION tap25.completeness(since timestamp with time zone, before timestamp with time zone, sensor text DEFAULT NULL::text)
 RETURNS TABLE(begins timestamp with time zone, ends timestamp with time zone, sensors text[], listened numeric, gaps tstzmultirange, frames numeric, frames_lost numeric, octets_lost numeric, sessions numeric, sessions_encrypted numeric, sessions_cut numeric, rows numeric, rows_lost numeric, clock_synchronised boolean, clock_offset interval, clock_error interval, scopes text[], sentence text)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
#variable_conflict use_variable
declare
    first  constant timestamptz := '1990-01-01';
    found_ tstzmultirange;
    unknown text;
    without constant text := tap25_internal.without_coverage(since, least(before, now()), sensor);
begin
    if (since < before) is not true then
        raise 'the period is empty: its end must be after its beginning' using errcode = 'invalid_parameter_value';
    end if;
    begins := case when isfinite(since) then since else
        (select min(c.since) from tap25.coverage c where c.since >= first and (sensor is null or c.sensor = sensor)) end;
    ends := least(before, now());
    if not exists (select from tap25.coverage c where c.since >= first and (sensor is null or c.sensor = sensor)) then
        unknown := 'No coverage is recorded' || coalesce(' of a sensor that is named ' || to_json(left(sensor, 100)), '') || '.';
    end if;
    if begins is null then
        sentence := unknown;
    elsif begins >= ends and not isfinite(since) and begins < now() then
        sentence := format('No coverage is recorded before %s, UTC: the first is of %s.', to_char(before, 'YYYY-MM-DD HH24:MI:SS'),
            to_char(begins, 'YYYY-MM-DD HH24:MI:SS'));
    elsif begins >= ends then
        sentence := format('The period from %s, UTC, has not begun.', to_char(begins, 'YYYY-MM-DD HH24:MI:SS'));
    end if;
    if sentence is not null then
        sentence := sentence || without;
        return next;
        return;
    end if;
    with shared as (
        select c.*, case when c.since = c.before then 1 else extract(epoch from least(c.before, ends) - greatest(c.since, begins))
            / extract(epoch from c.before - c.since) end as share
        from tap25.coverage c
        where c.since >= first and c.since < ends and (c.before > begins or c.since = c.before and c.since = begins)
          and (sensor is null or c.sensor = sensor)
    ), summed as (
        select sum(s.frames_read * s.share) as read, sum(s.ring_full * s.share) as full,
            sum((s.undecoded::numeric + s.fragments_lost) * s.share) as bad, sum(s.frames_seen * s.share) as seen,
            coalesce(sum(s.nic_dropped * s.share), 0) as nic
        from shared s
    )
    select array_agg(distinct s.sensor order by s.sensor),
        range_agg(tstzrange(greatest(s.since, begins), least(s.before, ends)))
            filter (where s.since < s.before and s.interfaces is distinct from '{}'),
        sum(s.octets_lost * s.share), sum(s.sessions * s.share), sum(s.sessions_encrypted * s.share), sum(s.sessions_cut * s.share),
        sum(s.rows * s.share), ceil(sum(s.rows_lost * s.share)),
        bool_and(s.clock_synchronised), max(greatest(s.clock_offset, -s.clock_offset)), max(s.clock_error),
        array_agg(distinct coalesce(s.scope, 'all') order by coalesce(s.scope, 'all')),
        (select t.seen from summed t),
        (select 1 - (1 - least(1, coalesce((t.full + t.bad) / nullif(t.read + t.full, 0), 0))) * (1 - coalesce(t.nic / nullif(t.seen + t.nic, 0), 0))
         from summed t)
    into sensors, found_, octets_lost, sessions, sessions_encrypted, sessions_cut, rows, rows_lost, clock_synchronised, clock_offset,
        clock_error, scopes, frames, frames_lost
    from shared s;
    gaps := tstzmultirange(tstzrange(begins, ends)) - coalesce(found_, '{}');
    listened := 1 - coalesce((select sum(extract(epoch from upper(g) - lower(g))) from unnest(gaps) g), 0)
        / extract(epoch from ends - begins);
    sentence := coalesce(unknown, case when listened = 0 and without <> ''
        then format('From %s to %s, UTC, nothing shows that a tap listened.', to_char(begins, 'YYYY-MM-DD HH24:MI:SS'),
            to_char(ends, 'YYYY-MM-DD HH24:MI:SS'))
        else tap25_internal.completeness_sentence(begins, ends, coalesce(sensors, array[sensor]), listened, gaps,
            frames, frames_lost, sessions, sessions_encrypted, rows_lost, clock_synchronised, scopes) end) || without;
    frames := round(frames);
    octets_lost := round(octets_lost);
    sessions := round(sessions);
    sessions_encrypted := round(sessions_encrypted);
    sessions_cut := round(sessions_cut);
    rows := round(rows);
    return next;
end $function$;

CREATE OR REPLACE FUNCTION tap25.correspondents(party text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS TABLE(correspondent text, sent bigint, received bigint, accepted bigint, first_seen timestamp with time zone, last_seen timestamp with time zone)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT lower(w.other) AS lower,
     count(DISTINCT ROW(m.session_id, m.mail_no)) FILTER (WHERE w.sent) AS count,
     count(DISTINCT ROW(m.session_id, m.mail_no)) FILTER (WHERE (NOT w.sent)) AS count,
     count(DISTINCT ROW(m.session_id, m.mail_no)) FILTER (WHERE (m.outcome = 'accepted'::tap25.outcome)) AS count,
     min(m.seen_at) AS min,
     max(m.seen_at) AS max
    FROM (tap25.mail_of(correspondents.party, correspondents.since, correspondents.before) m(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies)
      CROSS JOIN LATERAL ( VALUES (m.rcpt_to,true,m.mail_from), (m.mail_from,false,m.rcpt_to)) w(other, sent, own))
   WHERE ((w.other IS NOT NULL) AND tap25_internal.is_of(w.own, correspondents.party))
   GROUP BY (lower(w.other))
   ORDER BY (count(DISTINCT ROW(m.session_id, m.mail_no))) DESC, (lower(w.other));
END;

CREATE OR REPLACE FUNCTION tap25.drop_hold(which bigint)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    update tap25.holds set dropped_at = now(), dropped_by = session_user where id = which and dropped_at is null and until > now();
    return found;
end $function$;

CREATE OR REPLACE FUNCTION tap25.end_warrant(which bigint, reason text, at timestamp with time zone DEFAULT NULL::timestamp with time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    moment constant timestamptz := greatest(end_warrant.at, clock_timestamp());
begin
    if coalesce(reason, '') = '' then
        raise 'say what the warrant is ended for' using errcode = 'invalid_parameter_value';
    elsif tap25_internal.is_tied() and not pg_has_role(session_user, 'tap25_admin', 'member') and not pg_has_role(session_user, 'tap25_approver', 'member')
        and not exists (select from tap25_internal.warrants w where w.id = which and w.applicant = session_user) then
        raise 'administrators and approvers end a warrant, and who has applied for it' using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.warrant_events (warrant_id, action, valid_until, reason)
    select distinct w.id, 'ended', moment, end_warrant.reason from tap25.warrants w where w.id = which and w.valid_until > moment;
    return found;
end $function$;

CREATE OR REPLACE FUNCTION tap25.mail_between(a text, b text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail_once
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
declare
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
begin
    perform tap25_internal.check_may_ask();
    if a is null or not tap25_internal.is_mailbox(a) and (tap25_internal.is_mailbox(b) or left(a, 1) = '.' and b is not null) then
        select b, a into a, b;
    end if;
    if left(a, 1) = '.' and not tap25_internal.is_mailbox(a) then
        perform tap25_internal.check_days_read(since, before);
    end if;
    return query execute 'select * from (' || tap25_internal.once_query('
            select * from tap25_internal.mail_of_party($1, true, $3 - interval ''1 hour'', $4 + interval ''1 hour'') m where tap25_internal.is_of(m.rcpt_to, $2)
            union all
            select * from tap25_internal.mail_of_party($1, false, $3 - interval ''1 hour'', $4 + interval ''1 hour'') m where tap25_internal.is_of(m.mail_from, $2)
                and not (tap25_internal.is_of(m.mail_from, $1) and tap25_internal.is_of(m.rcpt_to, $2))')
        || ') as once where once.seen_at >= $3 and once.seen_at < $4' using a, b, first, behind;
end $function$;

CREATE OR REPLACE FUNCTION tap25.mail_client(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('client'::text,
         CASE
             WHEN tap25_internal.is_host(mail_client.ip) THEN host(mail_client.ip)
             ELSE NULL::text
         END,
         CASE
             WHEN tap25_internal.is_host(mail_client.ip) THEN '(client_ip = $1::inet or origin_ip = $1::inet)'::text
             ELSE format('(client_ip <<= %1$L::inet or origin_ip <<= %1$L::inet)'::text, mail_client.ip)
         END, mail_client.since, mail_client.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.mail_from(address text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('mail_from'::text, mail_from.address, '{bucket}(mail_from) = {bucket}($1) and lower(mail_from) = lower($1)'::text, mail_from.since, mail_from.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.mail_from_domain(domain text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('from_domain'::text, mail_from_domain.domain, '{bucket}(tap25_internal.domain_of(mail_from)) = {bucket}($1) and tap25_internal.domain_of(mail_from) = lower($1)'::text, mail_from_domain.since, mail_from_domain.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.mail_hops(session bigint, number integer, recipient text)
 RETURNS TABLE(hop integer, linked_by text[], others bigint, seen_at timestamp with time zone, sensors text[], session_id bigint, mail_no integer, client_ip inet, server_ip inet, mail_from text, rcpt_to text, outcome tap25.outcome, message_bytes bigint, queue_id text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
    given tap25.mail;
    step  constant text := $step$
        select h.hop %1$s 1, n.m, n.links, n.others from %2$s h cross join lateral (
            select c.m, c.links, count(*) over (partition by cardinality(c.links), (c.m).outcome = 'accepted') - 1 as others
            from (select f.m, tap25_internal.hop_links(%3$s) as links from found f) c where c.links is not null
            order by cardinality(c.links) desc, (c.m).outcome = 'accepted' desc, (c.m).seen_at %4$s limit 1
        ) n where abs(h.hop) < 30$step$;
begin
    select m.* into given from tap25.mail_to(recipient) m where m.session_id = session and m.mail_no = number order by m.seen_at limit 1;
    return query execute 'with recursive found as materialized (
            select row(o.*)::tap25.mail_once as m from (' || tap25_internal.once_query($source$
                select * from tap25.mail_to($1, $2, $3) m where lower(m.mail_from) = lower($4) or m.envid = $5
                union all
                select * from tap25.mail_from(nullif($4, ''), $2, $3) m where lower(m.rcpt_to) <> lower($1)
                    and lower($6) in (lower(m.rcpt_to), lower(m.orcpt))$source$) || ') as o
            order by abs(extract(epoch from o.seen_at - $7)), o.session_id, o.mail_no limit 1000
        ), given as (
            select 0 as hop, f.m, null::text[] as links, null::bigint as others from found f
            where ((f.m).client_ip, (f.m).client_port, (f.m).server_ip, (f.m).server_port) = ($8, $9, $10, $11) and lower((f.m).rcpt_to) = lower($1)
            order by (f.m).session_id <> $12 or (f.m).mail_no <> $13, abs(extract(epoch from (f.m).seen_at - $7)) limit 1
        ), later as (select * from given union all ' || format(step, '+', 'later', 'h.m, f.m', '') || '
        ), earlier as (select * from given union all ' || format(step, '-', 'earlier', 'f.m, h.m', 'desc') || ')
        select w.hop, w.links, w.others, (w.m).seen_at, (w.m).sensors, (w.m).session_id, (w.m).mail_no, (w.m).client_ip, (w.m).server_ip,
               (w.m).mail_from, (w.m).rcpt_to, (w.m).outcome, (w.m).message_bytes, (w.m).queue_id
        from (select * from later union all select * from earlier where hop < 0) w order by w.hop'
    using given.rcpt_to, given.seen_at - interval '5 days', given.seen_at + interval '5 days', given.mail_from, given.envid,
        coalesce(given.orcpt, given.rcpt_to), given.seen_at, given.client_ip, given.client_port, given.server_ip, given.server_port, session, number;
end $function$;

CREATE OR REPLACE FUNCTION tap25.mail_ip(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail_once
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
declare
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
begin
    perform tap25_internal.check_may_ask();
    return query execute 'select * from (' || tap25_internal.once_query(
            'select * from tap25_internal.mail_concerning(null, null, $1, $2 - interval ''1 hour'', $3 + interval ''1 hour'')')
        || ') as once where once.seen_at >= $2 and once.seen_at < $3' using ip, first, behind;
end $function$;

CREATE OR REPLACE FUNCTION tap25.mail_local_part(local text, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail_once
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
begin
    perform tap25_internal.check_may_ask();
    perform tap25_internal.check_days_read(since, before);
    return query execute 'select * from (' || tap25_internal.once_query('
            select * from tap25_internal.mail_read(''from_local'', $1, $2, $3)
            union all select * from tap25_internal.mail_read(''to_local'', $1, $2, $3) m
                where tap25_internal.local_part(m.mail_from) is distinct from lower($1)')
        || ') as once where once.seen_at >= $4 and once.seen_at < $5'
        using local, since - interval '1 hour', before + interval '1 hour', since, before;
end $function$;

CREATE OR REPLACE FUNCTION tap25.mail_national_between(a text, b text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_between'::text, ARRAY[mail_national_between.a, mail_national_between.b], mail_national_between.since, mail_national_between.before, mail_national_between.patience, mail_national_between.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_client(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_client'::text, ARRAY[(mail_national_client.ip)::text], mail_national_client.since, mail_national_client.before, mail_national_client.patience, mail_national_client.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_from(address text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_from'::text, ARRAY[mail_national_from.address], mail_national_from.since, mail_national_from.before, mail_national_from.patience, mail_national_from.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_from_domain(domain text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_from_domain'::text, ARRAY[mail_national_from_domain.domain], mail_national_from_domain.since, mail_national_from_domain.before, mail_national_from_domain.patience, mail_national_from_domain.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_ip(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_ip'::text, ARRAY[(mail_national_ip.ip)::text], mail_national_ip.since, mail_national_ip.before, mail_national_ip.patience, mail_national_ip.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_of(party text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_of'::text, ARRAY[mail_national_of.party], mail_national_of.since, mail_national_of.before, mail_national_of.patience, mail_national_of.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_server(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_server'::text, ARRAY[(mail_national_server.ip)::text], mail_national_server.since, mail_national_server.before, mail_national_server.patience, mail_national_server.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_to(address text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_to'::text, ARRAY[mail_national_to.address], mail_national_to.since, mail_national_to.before, mail_national_to.patience, mail_national_to.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_national_to_domain(domain text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone, patience interval DEFAULT '00:00:30'::interval, most integer DEFAULT 10000)
 RETURNS SETOF tap25.mail_national
 LANGUAGE sql
BEGIN ATOMIC
 SELECT "national".region,
     "national".answer,
     "national".note,
     "national".seen_at,
     "national".sensor,
     "national".session_id,
     "national".mail_no,
     "national".client_ip,
     "national".client_port,
     "national".server_ip,
     "national".server_port,
     "national".helo,
     "national".mail_from,
     "national".rcpt_to,
     "national".mail_from_raw,
     "national".rcpt_to_raw,
     "national".mail_code,
     "national".rcpt_code,
     "national".data_code,
     "national".outcome,
     "national".message_bytes,
     "national".declared_size,
     "national".envid,
     "national".orcpt,
     "national".queue_id,
     "national".auth,
     "national".tls_server_name,
     "national".lost_bytes,
     "national".flags,
     "national".origin_ip,
     "national".origin_port,
     "national".origin_by,
     "national".network,
     "national".sensors,
     "national".copies
    FROM tap25_internal."national"('mail_to_domain'::text, ARRAY[mail_national_to_domain.domain], mail_national_to_domain.since, mail_national_to_domain.before, mail_national_to_domain.patience, mail_national_to_domain.most) "national"(region, answer, note, seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_of(party text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail_once
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_between.seen_at,
     mail_between.sensor,
     mail_between.session_id,
     mail_between.mail_no,
     mail_between.client_ip,
     mail_between.client_port,
     mail_between.server_ip,
     mail_between.server_port,
     mail_between.helo,
     mail_between.mail_from,
     mail_between.rcpt_to,
     mail_between.mail_from_raw,
     mail_between.rcpt_to_raw,
     mail_between.mail_code,
     mail_between.rcpt_code,
     mail_between.data_code,
     mail_between.outcome,
     mail_between.message_bytes,
     mail_between.declared_size,
     mail_between.envid,
     mail_between.orcpt,
     mail_between.queue_id,
     mail_between.auth,
     mail_between.tls_server_name,
     mail_between.lost_bytes,
     mail_between.flags,
     mail_between.origin_ip,
     mail_between.origin_port,
     mail_between.origin_by,
     mail_between.network,
     mail_between.sensors,
     mail_between.copies
    FROM tap25.mail_between(mail_of.party, NULL::text, mail_of.since, mail_of.before) mail_between(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network, sensors, copies);
END;

CREATE OR REPLACE FUNCTION tap25.mail_once(since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail_once
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT once.seen_at,
     once.sensor,
     once.session_id,
     once.mail_no,
     once.client_ip,
     once.client_port,
     once.server_ip,
     once.server_port,
     once.helo,
     once.mail_from,
     once.rcpt_to,
     once.mail_from_raw,
     once.rcpt_to_raw,
     once.mail_code,
     once.rcpt_code,
     once.data_code,
     once.outcome,
     once.message_bytes,
     once.declared_size,
     once.envid,
     once.orcpt,
     once.queue_id,
     once.auth,
     once.tls_server_name,
     once.lost_bytes,
     once.flags,
     once.origin_ip,
     once.origin_port,
     once.origin_by,
     once.network,
     once.sensors,
     once.copies
    FROM ( SELECT source.seen_at,
             source.sensor,
             source.session_id,
             source.mail_no,
             source.client_ip,
             source.client_port,
             source.server_ip,
             source.server_port,
             source.helo,
             source.mail_from,
             source.rcpt_to,
             source.mail_from_raw,
             source.rcpt_to_raw,
             source.mail_code,
             source.rcpt_code,
             source.data_code,
             source.outcome,
             source.message_bytes,
             source.declared_size,
             source.envid,
             source.orcpt,
             source.queue_id,
             source.auth,
             source.tls_server_name,
             source.lost_bytes,
             source.flags,
             source.origin_ip,
             source.origin_port,
             source.origin_by,
             source.network,
                 CASE source.copies
                     WHEN 1 THEN ARRAY[source.sensor]
                     ELSE ARRAY( SELECT unnest(source.sensors) AS unnest
                       ORDER BY (unnest(source.sensors)))
                 END AS sensors,
             source.copies
            FROM ( SELECT source_1.seen_at,
                     source_1.sensor,
                     source_1.session_id,
                     source_1.mail_no,
                     source_1.client_ip,
                     source_1.client_port,
                     source_1.server_ip,
                     source_1.server_port,
                     source_1.helo,
                     source_1.mail_from,
                     source_1.rcpt_to,
                     source_1.mail_from_raw,
                     source_1.rcpt_to_raw,
                     source_1.mail_code,
                     source_1.rcpt_code,
                     source_1.data_code,
                     source_1.outcome,
                     source_1.message_bytes,
                     source_1.declared_size,
                     source_1.envid,
                     source_1.orcpt,
                     source_1.queue_id,
                     source_1.auth,
                     source_1.tls_server_name,
                     source_1.lost_bytes,
                     source_1.flags,
                     source_1.origin_ip,
                     source_1.origin_port,
                     source_1.origin_by,
                     source_1.network,
                     source_1.exact,
                     source_1.own,
                     source_1.begins,
                     source_1.burst,
                     source_1.at_sensor,
                     source_1.name,
                     source_1.agreed,
                     source_1.queue,
                     source_1.number,
                     source_1.key,
                     source_1.nth,
                     array_agg(source_1.sensor) OVER copy AS sensors,
                     count(*) OVER copy AS copies,
                     row_number() OVER (copy ORDER BY (cardinality(source_1.flags)) NULLS FIRST, source_1.lost_bytes, (source_1.outcome = 'unknown'::tap25.outcome), (num_nulls(source_1.seen_at, source_1.sensor, source_1.session_id, source_1.mail_no, source_1.client_ip, source_1.client_port, source_1.server_ip, source_1.server_port, source_1.helo, source_1.mail_from, source_1.rcpt_to, source_1.mail_from_raw, source_1.rcpt_to_raw, source_1.mail_code, source_1.rcpt_code, source_1.data_code, source_1.outcome, source_1.message_bytes, source_1.declared_size, source_1.envid, source_1.orcpt, source_1.queue_id, source_1.auth, source_1.tls_server_name, source_1.lost_bytes, source_1.flags, source_1.origin_ip, source_1.origin_port, source_1.origin_by, source_1.network)), source_1.seen_at, source_1.sensor) AS turn
                    FROM ( SELECT source_2.seen_at,
                             source_2.sensor,
                             source_2.session_id,
                             source_2.mail_no,
                             source_2.client_ip,
                             source_2.client_port,
                             source_2.server_ip,
                             source_2.server_port,
                             source_2.helo,
                             source_2.mail_from,
                             source_2.rcpt_to,
                             source_2.mail_from_raw,
                             source_2.rcpt_to_raw,
                             source_2.mail_code,
                             source_2.rcpt_code,
                             source_2.data_code,
                             source_2.outcome,
                             source_2.message_bytes,
                             source_2.declared_size,
                             source_2.envid,
                             source_2.orcpt,
                             source_2.queue_id,
                             source_2.auth,
                             source_2.tls_server_name,
                             source_2.lost_bytes,
                             source_2.flags,
                             source_2.origin_ip,
                             source_2.origin_port,
                             source_2.origin_by,
                             source_2.network,
                             source_2.exact,
                             source_2.own,
                             source_2.begins,
                             source_2.burst,
                             source_2.at_sensor,
                             source_2.name,
                             source_2.agreed,
                             source_2.queue,
                             source_2.number,
                             source_2.key,
                             row_number() OVER (PARTITION BY source_2.client_ip, source_2.client_port, source_2.server_ip, source_2.server_port, source_2.rcpt_to, source_2.key, source_2.sensor ORDER BY source_2.seen_at, source_2.rcpt_code, source_2.outcome, source_2.data_code) AS nth
                            FROM ( SELECT source_3.seen_at,
                                     source_3.sensor,
                                     source_3.session_id,
                                     source_3.mail_no,
                                     source_3.client_ip,
                                     source_3.client_port,
                                     source_3.server_ip,
                                     source_3.server_port,
                                     source_3.helo,
                                     source_3.mail_from,
                                     source_3.rcpt_to,
                                     source_3.mail_from_raw,
                                     source_3.rcpt_to_raw,
                                     source_3.mail_code,
                                     source_3.rcpt_code,
                                     source_3.data_code,
                                     source_3.outcome,
                                     source_3.message_bytes,
                                     source_3.declared_size,
                                     source_3.envid,
                                     source_3.orcpt,
                                     source_3.queue_id,
                                     source_3.auth,
                                     source_3.tls_server_name,
                                     source_3.lost_bytes,
                                     source_3.flags,
                                     source_3.origin_ip,
                                     source_3.origin_port,
                                     source_3.origin_by,
                                     source_3.network,
                                     source_3.exact,
                                     source_3.own,
                                     source_3.begins,
                                     source_3.burst,
                                     source_3.at_sensor,
                                     source_3.name,
                                     source_3.agreed,
                                     source_3.queue,
                                     source_3.number,
CASE
 WHEN ((source_3.queue IS NOT NULL) AND (NOT (min(source_3.mail_no) FILTER (WHERE source_3.exact) OVER queue IS DISTINCT FROM max(source_3.mail_no) FILTER (WHERE source_3.exact) OVER queue)) AND (NOT (min(source_3.mail_from) OVER queue IS DISTINCT FROM max(source_3.mail_from) OVER queue)) AND (NOT (min(source_3.message_bytes) OVER queue IS DISTINCT FROM max(source_3.message_bytes) OVER queue)) AND ((max(source_3.seen_at) OVER queue - min(source_3.seen_at) OVER queue) <= '01:00:00'::interval)) THEN ('queue '::text || source_3.queue)
 WHEN (source_3.number IS NOT NULL) THEN ('number '::text || source_3.number)
 WHEN source_3.agreed THEN concat('burst ', source_3.burst, ' ', source_3.network)
 ELSE concat_ws(' '::text, 'row', source_3.session_id, source_3.mail_no, source_3.sensor)
END AS key
                                    FROM ( SELECT source_4.seen_at,
    source_4.sensor,
    source_4.session_id,
    source_4.mail_no,
    source_4.client_ip,
    source_4.client_port,
    source_4.server_ip,
    source_4.server_port,
    source_4.helo,
    source_4.mail_from,
    source_4.rcpt_to,
    source_4.mail_from_raw,
    source_4.rcpt_to_raw,
    source_4.mail_code,
    source_4.rcpt_code,
    source_4.data_code,
    source_4.outcome,
    source_4.message_bytes,
    source_4.declared_size,
    source_4.envid,
    source_4.orcpt,
    source_4.queue_id,
    source_4.auth,
    source_4.tls_server_name,
    source_4.lost_bytes,
    source_4.flags,
    source_4.origin_ip,
    source_4.origin_port,
    source_4.origin_by,
    source_4.network,
    source_4.exact,
    source_4.own,
    source_4.begins,
    source_4.burst,
    source_4.at_sensor,
    source_4.name,
    source_4.agreed,
  CASE
   WHEN source_4.agreed THEN COALESCE(source_4.name, min(source_4.name) OVER burst)
   ELSE source_4.name
  END AS queue,
  CASE
   WHEN source_4.exact THEN source_4.own
   WHEN source_4.agreed THEN min(source_4.own) FILTER (WHERE source_4.exact) OVER burst
   ELSE NULL::text
  END AS number
   FROM ( SELECT source_5.seen_at,
      source_5.sensor,
      source_5.session_id,
      source_5.mail_no,
      source_5.client_ip,
      source_5.client_port,
      source_5.server_ip,
      source_5.server_port,
      source_5.helo,
      source_5.mail_from,
      source_5.rcpt_to,
      source_5.mail_from_raw,
      source_5.rcpt_to_raw,
      source_5.mail_code,
      source_5.rcpt_code,
      source_5.data_code,
      source_5.outcome,
      source_5.message_bytes,
      source_5.declared_size,
      source_5.envid,
      source_5.orcpt,
      source_5.queue_id,
      source_5.auth,
      source_5.tls_server_name,
      source_5.lost_bytes,
      source_5.flags,
      source_5.origin_ip,
      source_5.origin_port,
      source_5.origin_by,
      source_5.network,
      source_5.exact,
      source_5.own,
      source_5.begins,
      source_5.burst,
      source_5.at_sensor,
      source_5.name,
      ((count(*) OVER burst > 1) AND (max(source_5.at_sensor) OVER burst = 1) AND (NOT (min(source_5.mail_from) OVER burst IS DISTINCT FROM max(source_5.mail_from) OVER burst)) AND (NOT (min(source_5.mail_code) OVER burst IS DISTINCT FROM max(source_5.mail_code) OVER burst)) AND (NOT (min(source_5.rcpt_code) OVER burst IS DISTINCT FROM max(source_5.rcpt_code) OVER burst)) AND (NOT (min(source_5.data_code) OVER burst IS DISTINCT FROM max(source_5.data_code) OVER burst)) AND (NOT (min(source_5.message_bytes) OVER burst IS DISTINCT FROM max(source_5.message_bytes) OVER burst)) AND (NOT (min(source_5.declared_size) OVER burst IS DISTINCT FROM max(source_5.declared_size) OVER burst)) AND (NOT (min(source_5.envid) OVER burst IS DISTINCT FROM max(source_5.envid) OVER burst)) AND (NOT (min(source_5.orcpt) OVER burst IS DISTINCT FROM max(source_5.orcpt) OVER burst)) AND bool_and(((num_nulls(source_5.mail_from, source_5.rcpt_to) = 0) OR (source_5.outcome = 'encrypted'::tap25.outcome))) OVER burst AND (NOT (min(source_5.name) OVER burst IS DISTINCT FROM max(source_5.name) OVER burst)) AND (NOT (min(source_5.own) FILTER (WHERE source_5.exact) OVER burst IS DISTINCT FROM max(source_5.own) FILTER (WHERE source_5.exact) OVER burst)) AND (NOT (min(source_5.outcome) FILTER (WHERE (source_5.outcome <> 'unknown'::tap25.outcome)) OVER burst IS DISTINCT FROM max(source_5.outcome) FILTER (WHERE (source_5.outcome <> 'unknown'::tap25.outcome)) OVER burst))) AS agreed
     FROM ( SELECT source_6.seen_at,
        source_6.sensor,
        source_6.session_id,
        source_6.mail_no,
        source_6.client_ip,
        source_6.client_port,
        source_6.server_ip,
        source_6.server_port,
        source_6.helo,
        source_6.mail_from,
        source_6.rcpt_to,
        source_6.mail_from_raw,
        source_6.rcpt_to_raw,
        source_6.mail_code,
        source_6.rcpt_code,
        source_6.data_code,
        source_6.outcome,
        source_6.message_bytes,
        source_6.declared_size,
        source_6.envid,
        source_6.orcpt,
        source_6.queue_id,
        source_6.auth,
        source_6.tls_server_name,
        source_6.lost_bytes,
        source_6.flags,
        source_6.origin_ip,
        source_6.origin_port,
        source_6.origin_by,
        source_6.network,
        source_6.exact,
        source_6.own,
        source_6.begins,
        source_6.burst,
        row_number() OVER (PARTITION BY source_6.client_ip, source_6.client_port, source_6.server_ip, source_6.server_port, source_6.rcpt_to, source_6.network, source_6.burst, source_6.sensor) AS at_sensor,
        COALESCE(source_6.queue_id,
      CASE
       WHEN source_6.exact THEN min(source_6.queue_id) OVER (PARTITION BY source_6.client_ip, source_6.client_port, source_6.server_ip, source_6.server_port, source_6.rcpt_to, source_6.own, source_6.exact)
       ELSE NULL::text
      END) AS name
       FROM ( SELECT source_7.seen_at,
          source_7.sensor,
          source_7.session_id,
          source_7.mail_no,
          source_7.client_ip,
          source_7.client_port,
          source_7.server_ip,
          source_7.server_port,
          source_7.helo,
          source_7.mail_from,
          source_7.rcpt_to,
          source_7.mail_from_raw,
          source_7.rcpt_to_raw,
          source_7.mail_code,
          source_7.rcpt_code,
          source_7.data_code,
          source_7.outcome,
          source_7.message_bytes,
          source_7.declared_size,
          source_7.envid,
          source_7.orcpt,
          source_7.queue_id,
          source_7.auth,
          source_7.tls_server_name,
          source_7.lost_bytes,
          source_7.flags,
          source_7.origin_ip,
          source_7.origin_port,
          source_7.origin_by,
          source_7.network,
          source_7.exact,
          source_7.own,
          source_7.begins,
          count(*) FILTER (WHERE source_7.begins) OVER (PARTITION BY source_7.client_ip, source_7.client_port, source_7.server_ip, source_7.server_port, source_7.rcpt_to, source_7.network ORDER BY source_7.seen_at) AS burst
         FROM ( SELECT source_8.seen_at,
            source_8.sensor,
            source_8.session_id,
            source_8.mail_no,
            source_8.client_ip,
            source_8.client_port,
            source_8.server_ip,
            source_8.server_port,
            source_8.helo,
            source_8.mail_from,
            source_8.rcpt_to,
            source_8.mail_from_raw,
            source_8.rcpt_to_raw,
            source_8.mail_code,
            source_8.rcpt_code,
            source_8.data_code,
            source_8.outcome,
            source_8.message_bytes,
            source_8.declared_size,
            source_8.envid,
            source_8.orcpt,
            source_8.queue_id,
            source_8.auth,
            source_8.tls_server_name,
            source_8.lost_bytes,
            source_8.flags,
            source_8.origin_ip,
            source_8.origin_port,
            source_8.origin_by,
            source_8.network,
            ((source_8.lost_bytes = 0) AND ((source_8.flags IS NULL) OR (NOT (source_8.flags && '{midstream,one-sided,gap,conflict,truncated}'::text[])))) AS exact,
            concat_ws(' '::text, source_8.session_id, source_8.mail_no) AS own,
            ((source_8.seen_at - lag(source_8.seen_at) OVER (PARTITION BY source_8.client_ip, source_8.client_port, source_8.server_ip, source_8.server_port, source_8.rcpt_to, source_8.network ORDER BY source_8.seen_at)) > '00:00:01'::interval) AS begins
           FROM ( SELECT mail.seen_at,
              mail.sensor,
              mail.session_id,
              mail.mail_no,
              mail.client_ip,
              mail.client_port,
              mail.server_ip,
              mail.server_port,
              mail.helo,
              mail.mail_from,
              mail.rcpt_to,
              mail.mail_from_raw,
              mail.rcpt_to_raw,
              mail.mail_code,
              mail.rcpt_code,
              mail.data_code,
              mail.outcome,
              mail.message_bytes,
              mail.declared_size,
              mail.envid,
              mail.orcpt,
              mail.queue_id,
              mail.auth,
              mail.tls_server_name,
              mail.lost_bytes,
              mail.flags,
              mail.origin_ip,
              mail.origin_port,
              mail.origin_by,
              mail.network
             FROM tap25.mail
            WHERE ((mail.seen_at >= (((COALESCE(mail_once.since, '-infinity'::timestamp with time zone) AT TIME ZONE 'UTC'::text) - '01:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (mail.seen_at < (((COALESCE(mail_once.before, 'infinity'::timestamp with time zone) AT TIME ZONE 'UTC'::text) + '01:00:00'::interval) AT TIME ZONE 'UTC'::text)))) source_8) source_7) source_6) source_5
    WINDOW burst AS (PARTITION BY source_5.client_ip, source_5.client_port, source_5.server_ip, source_5.server_port, source_5.rcpt_to, source_5.network, source_5.burst)) source_4
  WINDOW burst AS (PARTITION BY source_4.client_ip, source_4.client_port, source_4.server_ip, source_4.server_port, source_4.rcpt_to, source_4.network, source_4.burst)) source_3
                                   WINDOW queue AS (PARTITION BY source_3.client_ip, source_3.client_port, source_3.server_ip, source_3.server_port, source_3.rcpt_to, source_3.queue)) source_2) source_1
                   WINDOW copy AS (PARTITION BY source_1.client_ip, source_1.client_port, source_1.server_ip, source_1.server_port, source_1.rcpt_to, source_1.key, source_1.nth)) source
           WHERE (source.turn = 1)) once
   WHERE ((once.seen_at >= COALESCE(mail_once.since, '-infinity'::timestamp with time zone)) AND (once.seen_at < COALESCE(mail_once.before, 'infinity'::timestamp with time zone)));
END;

CREATE OR REPLACE FUNCTION tap25.mail_server(ip inet, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('server'::text,
         CASE
             WHEN tap25_internal.is_host(mail_server.ip) THEN host(mail_server.ip)
             ELSE NULL::text
         END,
         CASE
             WHEN tap25_internal.is_host(mail_server.ip) THEN 'server_ip = $1::inet'::text
             ELSE format('server_ip <<= %L::inet'::text, mail_server.ip)
         END, mail_server.since, mail_server.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.mail_to(address text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('rcpt_to'::text, mail_to.address, '{bucket}(rcpt_to) = {bucket}($1) and lower(rcpt_to) = lower($1)'::text, mail_to.since, mail_to.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.mail_to_domain(domain text, since timestamp with time zone DEFAULT '-infinity'::timestamp with time zone, before timestamp with time zone DEFAULT 'infinity'::timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT mail_about.seen_at,
     mail_about.sensor,
     mail_about.session_id,
     mail_about.mail_no,
     mail_about.client_ip,
     mail_about.client_port,
     mail_about.server_ip,
     mail_about.server_port,
     mail_about.helo,
     mail_about.mail_from,
     mail_about.rcpt_to,
     mail_about.mail_from_raw,
     mail_about.rcpt_to_raw,
     mail_about.mail_code,
     mail_about.rcpt_code,
     mail_about.data_code,
     mail_about.outcome,
     mail_about.message_bytes,
     mail_about.declared_size,
     mail_about.envid,
     mail_about.orcpt,
     mail_about.queue_id,
     mail_about.auth,
     mail_about.tls_server_name,
     mail_about.lost_bytes,
     mail_about.flags,
     mail_about.origin_ip,
     mail_about.origin_port,
     mail_about.origin_by,
     mail_about.network
    FROM tap25_internal.mail_about('to_domain'::text, mail_to_domain.domain, '{bucket}(tap25_internal.domain_of(rcpt_to)) = {bucket}($1) and tap25_internal.domain_of(rcpt_to) = lower($1)'::text, mail_to_domain.since, mail_to_domain.before) mail_about(seen_at, sensor, session_id, mail_no, client_ip, client_port, server_ip, server_port, helo, mail_from, rcpt_to, mail_from_raw, rcpt_to_raw, mail_code, rcpt_code, data_code, outcome, message_bytes, declared_size, envid, orcpt, queue_id, auth, tls_server_name, lost_bytes, flags, origin_ip, origin_port, origin_by, network);
END;

CREATE OR REPLACE FUNCTION tap25.open_case(which text, purpose text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET client_min_messages TO 'warning'
AS $function$
declare
    number   constant bigint := tap25_internal.begin_access('open', which);
    refusal  constant text := 'no warrant that is valid now opens the case';
    warrants bigint[];
begin
    perform tap25_internal.check_isolation(number);
    if coalesce(purpose, '') = '' or length(purpose) > 1000 then
        perform tap25_internal.log_refusal(number, 'no purpose');
        raise 'say what the case is opened for, in up to 1,000 characters';
    end if;
    warrants := tap25_internal.valid_warrants(which);
    if warrants = '{}' then
        perform tap25_internal.log_refusal(number, refusal);
        perform tap25_internal.record_access(number, left(coalesce(which, ''), 200), 'refused', '{}', purpose => open_case.purpose, refusal => refusal);
        raise warning 'no warrant that is valid now opens this case; the attempt is recorded' using errcode = 'insufficient_privilege';
        return false;
    end if;
    perform tap25_internal.record_access(number, which, 'open', warrants, purpose => open_case.purpose);
    return true;
end $function$;

CREATE OR REPLACE FUNCTION tap25.open_case_national(which text, purpose text, patience interval DEFAULT '00:00:30'::interval)
 RETURNS TABLE(region text, answer text, note text)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select a.region, case when a.failure is not null then 'no answer' when a.head = 'true' then 'open'
        else 'refused' end,
        coalesce(a.failure, case when a.head is distinct from 'true'
            then 'no warrant that is valid there opens the case' end)
    from tap25_internal.ask_regions(format('select tap25.open_case(%L, %L)::text', which, purpose), null, true,
        session_user, patience) a
$function$;

CREATE OR REPLACE FUNCTION tap25.refuse_warrant(which bigint, reason text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if coalesce(reason, '') = '' then
        raise 'say what the warrant is refused for' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.decide_warrant(which, 'refused', reason);
end $function$;

CREATE OR REPLACE FUNCTION tap25.set_retention(kept interval)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    stored interval;
begin
    perform tap25_internal.check_snapshot();
    if kept not between '1 day' and '1000 years' then
        raise 'a retention is a day to 1000 years, or null for ever';
    end if;
    lock table tap25.retentions in share row exclusive mode;
    select r.kept into stored from tap25.retentions r order by r.id desc limit 1;
    stored := case when found then stored else '2 years' end;
    if tap25_internal.is_tied() and kept is not null and (stored is null or now() - kept > now() - stored) then
        raise 'only the owner of the database''s schema makes the retention shorter than %', coalesce(stored::text, 'for ever') using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.retentions (kept) values (set_retention.kept);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.add_links(of_sensor text, its_fingerprint bytea, numbers bigint[], segments text[], first_days date[], last_days date[], bodies bytea[], signatures bytea[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    which integer := (select k.id from tap25.keys k where k.fingerprint = its_fingerprint);
    head  bigint;
begin
    perform tap25_internal.claim_chain(of_sensor);
    select c.number into head from tap25_internal.chains c where c.sensor = of_sensor and c.key = which for update;
    for i in 1..cardinality(numbers) loop
        if numbers[i] > head is not true then
            raise 'link % comes after link %', numbers[i], head;
        end if;
        insert into tap25.links (sensor, key, number, segment, first_day, last_day, xid, body, signature)
        values (of_sensor, which, numbers[i], segments[i], first_days[i], last_days[i],
            (select l.xmin from tap25_internal.loads l where l.sensor = of_sensor and l.segment = segments[i]), bodies[i], signatures[i]);
        head := numbers[i];
    end loop;
    update tap25_internal.chains c set number = head, hash = sha256(bodies[cardinality(bodies)]) where c.sensor = of_sensor and c.key = which;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.address_is(address text, kind text, wanted text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (kind = ANY (ARRAY['from_domain'::text, 'to_domain'::text])) THEN (tap25_internal.domain_of(address) = wanted) WHEN (kind = ANY (ARRAY['from_local'::text, 'to_local'::text])) THEN (tap25_internal.local_part(address) = wanted) WHEN (kind = ANY (ARRAY['from_below'::text, 'to_below'::text])) THEN tap25_internal.is_of(address, wanted) ELSE (lower(address) = wanted) END;

CREATE OR REPLACE FUNCTION tap25_internal.answered(access bigint)
 RETURNS tap25.accesses
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    asked tap25.accesses;
begin
    select * into asked from tap25.accesses a where a.id = access and a.action = 'read' and a.auditor = session_user and a.sha256 is not null
        and a.at > clock_timestamp() - interval '15 minutes' and a.xid <> pg_current_xact_id();
    if asked.id is null or not asked.warrant_ids <@ tap25_internal.valid_warrants(asked.case_id) then
        raise 'access % is no question of yours of the last 15 minutes whose warrants are valid: select ask_case(...), and commit', access
            using errcode = 'insufficient_privilege';
    end if;
    return asked;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.as_mail(source text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET quote_all_identifiers TO 'off'
AS $function$
    select regexp_replace(pg_get_viewdef('tap25_internal.mail_days'::regclass), 'FROM tap25_internal.envelopes;$',
        'FROM (') || source || ') envelopes'
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.ask_regions(first text, second text, writes boolean, login name, patience interval)
 RETURNS TABLE(region text, failure text, head text, answers text[])
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET client_min_messages TO 'error'
AS $function$
#variable_conflict use_variable
declare
    -- the results: of begin, settings, commit, begin, first, commit, second
    of_first constant int := 5;
    of_all   constant int := case when second is null then 6 else 7 end;
    deadline constant timestamptz := clock_timestamp() + patience;
    its      record;
    seconds  numeric;
    names    text[] := '{}';
    done     int[] := '{}';
    heads    text[] := '{}';
    waiting  int[] := '{}';
    i        int;
    state    text;
    message  text;
    detail   text;
    context  text;
begin
    if not tap25_internal.has_dblink() or not exists (select from tap25_internal.regions) then
        raise 'there is no region to ask' using errcode = 'object_not_in_prerequisite_state',
            hint = 'Add one: tap25 db regions add NAME --url URL';
    elsif coalesce(patience not between interval '1 second' and interval '1 hour', true) then
        raise 'the patience is between a second and an hour' using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.leave_regions(); -- of a question that was cancelled
    for its in select r.region, r.conninfo, row_number() over (order by r.region)::int as n, count(*) over () as regions
        from tap25_internal.regions r order by r.region
    loop
        names := names || its.region;
        done := done || 0;
        heads := heads || null::text;
        begin
            seconds := extract(epoch from deadline - clock_timestamp());
            if seconds <= 0 then
                raise 'no time is left' using errcode = 'sqlclient_unable_to_establish_sqlconnection',
                    detail = 'timeout expired';
            end if;
            perform tap25_dblink.dblink_connect_u('tap25_region_' || its.n, concat_ws(' ',
                'user=' || tap25_internal.conninfo_value(session_user), its.conninfo, 'user='
                    || tap25_internal.conninfo_value(login),
                'application_name=tap25 client_encoding=' || getdatabaseencoding(),
                'connect_timeout=' || greatest(2, floor(seconds / (its.regions - its.n + 1)) - 1)));
            seconds := greatest(0.001, extract(epoch from deadline - clock_timestamp()));
            perform tap25_dblink.dblink_send_query('tap25_region_' || its.n, concat_ws('; ', 'begin',
                format('select pg_catalog.concat(%s)', (select string_agg(format('pg_catalog.set_config(%L, %L, false)',
                    u.name, u.value), ', ')
                    from (values ('search_path', 'pg_catalog'), ('timezone', 'UTC'), ('client_min_messages', 'error'),
                        ('statement_timeout', ceil(seconds * 1000)::text),
                            ('default_transaction_isolation', 'read committed'),
                        ('default_transaction_read_only', case when writes then 'off' else 'on' end)) u (name, value))),
                'commit', 'begin', first, 'commit', second));
            waiting := waiting || its.n;
        exception when others then
            get stacked diagnostics state = returned_sqlstate, message = message_text, detail = pg_exception_detail;
            return query select its.region, tap25_internal.region_failure(state, message, detail), null::text,
                null::text[];
        end;
    end loop;
    while waiting <> '{}' loop
        foreach i in array waiting loop
            begin
                while i = any (waiting) and tap25_dblink.dblink_is_busy('tap25_region_' || i) = 0 loop
                    answers := array(select t.x from tap25_dblink.dblink_get_result('tap25_region_'
                        || i) as t (x text));
                    done[i] := done[i] + 1;
                    if done[i] = of_first then
                        heads[i] := answers[1];
                    end if;
                    if done[i] = of_all then
                        waiting := array_remove(waiting, i);
                        return query select names[i], null::text, heads[i], answers;
                    end if;
                end loop;
                if i = any (waiting) and tap25_dblink.dblink_error_message('tap25_region_' || i) <> 'OK' then
                    raise 'the connection broke' using errcode = 'connection_failure';
                end if;
            exception when query_canceled or others then
                get stacked diagnostics state = returned_sqlstate, message = message_text,
                    context = pg_exception_context;
                if state = '57014' and context !~ 'on dblink connection' then
                    raise; -- it is this question that was cancelled, not the region's
                end if;
                waiting := array_remove(waiting, i);
                return query select names[i], tap25_internal.region_failure(state, message, null), null::text,
                    null::text[];
            end;
        end loop;
        exit when clock_timestamp() > deadline;
        perform pg_sleep(0.001);
    end loop;
    return query select names[w], tap25_internal.region_failure('57014', null, null), null::text, null::text[]
        from unnest(waiting) w;
    perform tap25_internal.leave_regions();
exception when query_canceled or others then
    perform tap25_internal.leave_regions();
    raise;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.await_flush()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    written constant pg_lsn := pg_current_wal_insert_lsn();
    enough  constant timestamptz := clock_timestamp() + 3 * current_setting('wal_writer_delay')::interval;
begin
    while pg_current_wal_flush_lsn() < written and clock_timestamp() < enough loop
        perform pg_sleep(0.01);
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.bad_name(name text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((name IS NULL) OR (name = ''::text)) THEN 'it is empty'::text WHEN (octet_length(name) > 255) THEN 'it is longer than 255 octets'::text WHEN (name ~ '[\u0001-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]'::text) THEN 'it has control characters'::text ELSE NULL::text END;

CREATE OR REPLACE FUNCTION tap25_internal.begin_access(what text, which text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET client_min_messages TO 'warning'
AS $function$
declare
    number bigint;
begin
    if current_setting('transaction_read_only')::boolean then -- of a standby too: no number can be given there
        raise log 'tap25: % by user % is refused: the transaction is read-only', what, to_json(session_user::text);
        raise 'cases are opened and read in a transaction that is not read-only, so that it is recorded' using errcode = 'read_only_sql_transaction';
    end if;
    number := nextval('tap25.accesses_id_seq');
    raise log 'tap25: access %: % by user %, warrants of the case %', number, what, to_json(session_user::text),
        (select coalesce((array_agg(w.id order by w.id))[:100], '{}') from tap25_internal.warrants w where w.case_id = which);
    return number;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.begin_load(by_sensor text, which date[])
 RETURNS TABLE(misdated_day date, misdated_reason text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    lacking date[] := '{}';
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    -- What count_rows looks at stays in memory: the loader's 50,000 rows at once are about 15 MB.
    perform set_config('work_mem', '64MB', true) where pg_size_bytes(current_setting('work_mem')) < 64 << 20;
    for misdated_day in select distinct w from unnest(which) w where w is not null order by w loop
        misdated_reason := tap25_internal.wrong_clock(misdated_day);
        if misdated_reason is not null then
            return next;
        elsif not tap25_internal.lock_day(misdated_day) then
            lacking := lacking || misdated_day;
        end if;
    end loop;
    if lacking <> '{}' then
        lock table tap25_internal.making_partitions in exclusive mode;
        foreach misdated_day in array lacking loop
            for attempt in 1..10 loop -- expiry may drop the day between the two
                misdated_reason := tap25_internal.ensure_partition(misdated_day);
                exit when misdated_reason is not null or tap25_internal.lock_day(misdated_day);
                if attempt = 10 then
                    raise 'the day % is being dropped', misdated_day using errcode = 'lock_not_available';
                end if;
            end loop;
            if misdated_reason is not null then
                return next;
            end if;
        end loop;
    end if;
    perform from tap25_internal.days d where d.sensor = by_sensor and d.day = any (which) order by d.day for no key update;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.bit_positions(bits bit varying, numbers integer[] DEFAULT NULL::integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    places   integer[];
    low      integer;
    high     integer;
    n        integer;
begin
    if numbers is null or cardinality(numbers) > 30 then
        places := array(select i from (select generate_series(1, length(bits)) as i offset 0) s
            where get_bit(bits, i - 1) = 1);
        return case when numbers is null then places else array(select places[u.n]
            from unnest(numbers) with ordinality u (n, o) order by o) end;
    end if;
    foreach n in array numbers loop
        low := n;
        high := length(bits);
        while low < high loop
            if bit_count(substring(bits for (low + high) / 2)) >= n then
                high := (low + high) / 2;
            else
                low := (low + high) / 2 + 1;
            end if;
        end loop;
        places := places || low;
    end loop;
    return coalesce(places, '{}');
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.bits_for(rows_a_day bigint)
 RETURNS smallint
 LANGUAGE sql
 IMMUTABLE
RETURN (CASE WHEN (rows_a_day <= ((16)::bigint << 16)) THEN 16 WHEN (rows_a_day <= ((16)::bigint << 20)) THEN 20 ELSE 24 END)::smallint;

CREATE OR REPLACE FUNCTION tap25_internal.block_addresses(chunks text[], odd text[], numbers integer[])
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    regular   constant integer := case when odd is not null then tap25_internal.count_addresses(chunks) end;
    addresses text[] := '{}';
    n         integer;
    k         integer;
    chunk     integer;
    parts     text[];
    name      text;
    of_       text; -- the domain
begin
    if numbers is null then
        return (select coalesce(array_agg(case when domain = '' then local else local || '@' || domain end), '{}')
            from (
            select split_part(line, chr(9), 1) as domain, unnest((string_to_array(line, chr(9)))[2:]) as local from (
                select unnest(string_to_array(c, chr(10))) as line
                    from unnest(chunks) c offset 0) c offset 0) a) || odd;
    end if;
    foreach n in array numbers loop
        if n = 0 then
            name := null;
        elsif n > regular then
            name := odd[n - regular];
        else
            if chunk is distinct from (n - 1) / 64 then
                chunk := (n - 1) / 64;
                parts := string_to_array(chunks[chunk + 1], chr(9));
            end if;
            k := (n - 1) % 64 + 1;
            name := split_part(parts[k + 1], chr(10), 1);
            of_ := split_part(split_part(array_to_string(parts[:k], chr(9)), chr(10), -1), chr(9), 1);
            if of_ <> '' then
                name := name || '@' || of_;
            end if;
        end if;
        addresses := addresses || name;
    end loop;
    return addresses;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_numbers(kind text, value text, chunks text[], mixed integer, odd text[])
 RETURNS integer[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    whole   constant boolean := kind in ('from_domain', 'to_domain');
    wanted  constant text := lower(value);
    domain  constant text := case when whole then wanted
        when wanted like '%@_%' and right(wanted, 1) <> '@' then split_part(wanted, '@', -1) else '' end;
    local   constant text := case when domain = '' then wanted else left(wanted, -1 - length(domain)) end;
    any_    constant boolean := kind in ('from_local', 'to_local', 'from_below', 'to_below');
    part    constant text := case when any_ then ltrim(wanted, '.') else domain || chr(9) end; -- of a text with one
    many    constant integer := coalesce(cardinality(chunks), 0);
    low     integer := 1;
    high    integer := case when any_ then 0 else least(mixed - 1, many) end + 1;
    last    constant integer := high - 1;
    text_   text;
    before  integer;
    names   text[];
    numbers integer[] := '{}';
begin
    while low < high loop -- the first text that begins with the domain, or a later one
        if split_part(chunks[(low + high) / 2], chr(9), 1) collate "C" >= domain collate "C" then
            high := (low + high) / 2;
        else
            low := (low + high) / 2 + 1;
        end if;
    end loop;
    for n in greatest(low - 1, 1)..last loop
        text_ := chunks[n];
        exit when split_part(text_, chr(9), 1) collate "C" > domain collate "C";
        before := strpos(chr(10) || text_, chr(10) || domain || chr(9));
        continue when before = 0;
        names := string_to_array(split_part(substr(text_, before), chr(10), 1), chr(9));
        -- Each tab is before an address.
        before := (n - 1) * 64 + before - 1 - length(replace(left(text_, before - 1), chr(9), ''));
        if whole then
            numbers := numbers || array(select before + i from generate_series(1, cardinality(names) - 1) i);
        elsif local = any (names[2:]) then
            numbers := numbers || before + array_position(names, local, 2) - 1;
        end if;
    end loop;
    if many > last then
        numbers := numbers || array(
            select a.i from unnest(chunks[last + 1:]) with ordinality c (text, n)
            cross join lateral (select ((last + c.n - 1) * 64 + row_number() over ())::integer as i,
                    case when g.names[1] = '' then l else l || '@' || g.names[1] end as address
                from unnest(string_to_array(c.text, chr(10))) x
                cross join lateral (select string_to_array(x, chr(9)) as names offset 0) g
                cross join lateral unnest(g.names[2:]) l) a
            where strpos(lower(c.text), part) > 0 and tap25_internal.address_is(a.address, kind, wanted));
    end if;
    if odd is not null then
        numbers := numbers || array(select (tap25_internal.count_addresses(chunks) + o.n)::integer
            from unnest(odd) with ordinality o (address, n)
            where tap25_internal.address_is(o.address, kind, wanted));
    end if;
    return numbers;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_peers(client_ip inet[], origin_ip inet[], network inet)
 RETURNS integer[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    -- Without a network there are none.
    low   constant integer := case when masklen(network) > 0
        then width_bucket(set_masklen(network, masklen(network) - 1), client_ip) else 0 end + 1;
    high  constant integer := coalesce(width_bucket(set_masklen(broadcast(network), case family(network) when 4 then 32
        else 128 end), client_ip), 0);
    peers integer[] := '{}';
begin
    for i in low..high loop
        if client_ip[i] <<= network then
            peers := peers || i;
        end if;
    end loop;
    if origin_ip is null then
        return peers;
    end if;
    return array(select unnest(peers)
        union select i from unnest(origin_ip) with ordinality p (ip, i) where ip <<= network order by 1);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_queues(its bit varying[], kinds smallint[], lengths smallint[], prefixes text[], octets bytea[], texts text[], mails integer[])
 RETURNS text[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if its is null then
        return '{}';
    end if;
    return (select array_agg(case q.form
            when 1 then q.prefix || left(upper(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'hex')),
                q.rest)
            when 2 then q.prefix || left(encode(substr(q.rests, (m.nth - 1) * w.width + 1, w.width), 'base64'), q.rest)
            when 3 then encode(substr(q.rests, (m.nth - 1) * 16 + 1, 16), 'hex')::uuid::text
            when 4 then texts[m.nth] end order by m.mail)
        from (select u.form, u.prefix, u.rests, u.length - length(u.prefix) as rest, u.bits
            from unnest(its, kinds, lengths, prefixes, octets)
                u (bits, form, length, prefix, rests)
              union all select null, null, null, null, ~bit_or(v) from unnest(its) v offset 0) q
        cross join lateral (select case q.form when 1 then (q.rest + 1) / 2 when 2 then (q.rest + 3) / 4 * 3
            else 16 end as width offset 0) w
        cross join lateral (
            select p.mail, p.nth::integer from unnest(case when mails is null then tap25_internal.bit_positions(q.bits)
                end) with ordinality p (mail, nth)
            union all select i, bit_count(substring(q.bits for i))::integer from unnest(mails) i
                where get_bit(q.bits, i - 1) = 1) m);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_rows(heads bit varying, rcpt smallint[], sender smallint[], fresh bit varying, back smallint[], sides smallint[], client_ip inet[], origin_ip inet[], server_ip inet[], addresses text[], mixed integer, odd text[], kind text, value text, network inet)
 RETURNS integer[]
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    wanted integer[];
    mails  integer[];
    first  integer;
    others integer;
    places integer[] := '{}';
begin
    if kind = 'server' then
        wanted := array(select i from unnest(server_ip) with ordinality v (ip, i) where ip <<= network);
    elsif kind = 'client' then
        wanted := tap25_internal.block_peers(client_ip, origin_ip, network);
    else
        wanted := tap25_internal.block_numbers(kind, value, addresses, mixed, odd);
    end if;
    if wanted = '{}' then
        return wanted;
    elsif kind in ('rcpt_to', 'to_domain', 'to_local', 'to_below') then
        return tap25_internal.positions_of(rcpt, wanted);
    elsif kind in ('mail_from', 'from_domain', 'from_local', 'from_below') then
        mails := tap25_internal.positions_of(sender, wanted);
    else
        wanted := tap25_internal.positions_of(sides, wanted); -- sessions
        mails := wanted;
        if fresh is not null then
            -- The mails that begin these sessions. All others of these sessions come after the first of them. Of the
            -- mails that begin no session, some are before it. Up to the n-th one, mail - n sessions have begun.
            mails := tap25_internal.bit_positions(fresh, wanted);
            first := mails[1];
            others := first - wanted[1];
            mails := array(select unnest(mails)
                union all select b.mail + first
                from rows from (unnest(tap25_internal.bit_positions(~substring(fresh from first + 1))),
                    unnest(back[others + 1:])) with ordinality b (mail, back, nth)
                where b.mail + first - b.nth - others - b.back = any (wanted) order by 1);
        end if;
    end if;
    if heads is null then
        return mails;
    end if;
    -- The rows of a mail are its first, and those after it that are the first of none.
    heads := heads || B'1';
    foreach first in array tap25_internal.bit_positions(heads, mails) loop
        loop
            places := places || first;
            exit when get_bit(heads, first) = 1;
            first := first + 1;
        end loop;
    end loop;
    return places;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_starts(partition regclass, most integer, octets integer, OUT times timestamp with time zone[], OUT rows tid[])
 RETURNS record
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    execute format('
        select array_agg(seen_at order by seen_at, row), array_agg(row order by seen_at, row)
        from (select seen_at, row, block is distinct from lag(block) over w as begins
              from (select seen_at, row, ((row_number() over w - 1) / $1 << 32) + (sum(more) over w / $2) as block
              from (
                  select e.seen_at, e.ctid as row, greatest(0, coalesce(octet_length(mail_from), 0)
                      + coalesce(octet_length(rcpt_to), 0) + coalesce(octet_length(helo), 0)
                      + coalesce(octet_length(queue_id), 0) + coalesce(octet_length(mail_from_raw), 0)
                      + coalesce(octet_length(rcpt_to_raw), 0) + coalesce(octet_length(envid), 0)
                      + coalesce(octet_length(orcpt), 0) + coalesce(octet_length(tls_server_name), 0) - 300) as more
                  from %s e offset 0) e window w as (order by seen_at, row)) e
              window w as (order by seen_at, row)) e
        where begins', partition) into times, rows using most, octets;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.block_times(at integer[], at_long bigint[])
 RETURNS TABLE(micros bigint, mail integer)
 LANGUAGE plpgsql
 IMMUTABLE ROWS 100000
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    return query select coalesce(m.a, m.b), m.i::integer
        from rows from (unnest(at), unnest(at_long)) with ordinality m (a, b, i);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.blocks_name(day date)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN ('blocks_'::text || to_char((day)::timestamp without time zone, 'YYYYMMDD'::text));

CREATE OR REPLACE FUNCTION tap25_internal.blocks_with(hash bigint, since date, before date)
 RETURNS TABLE(day date, blocks integer[])
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET enable_seqscan TO 'off'
 SET enable_indexscan TO 'off'
 SET effective_io_concurrency TO '100'
AS $function$
declare
    m record;
begin
    if hash is null then
        return query select distinct k.day, null::integer[] from tap25_internal.packs k
            where k.day between since and before order by k.day;
        return;
    end if;
    for m in select to_char(k.day, 'YYYYMM') as month,
                 array_agg(distinct tap25_internal.print_page(hash, k.bits)) as pages
             from tap25_internal.packs k where k.day between since and before group by 1 order by 1
    loop
        return query execute format('select q.day, array_agg(distinct q.first + place - i)
            from tap25_internal.%I q join tap25_internal.packs k using (day, first)
            cross join lateral unnest(array_positions(q.prints, $2)) i
            cross join lateral unnest(tap25_internal.bit_positions(q.blocks, array[i])) place
            where q.page = any ($3) and q.page = tap25_internal.print_page($1, k.bits) and q.day between $4 and $5
            group by q.day order by q.day', 'block_prints_' || m.month)
            using hash, tap25_internal.print_of(hash), m.pages, since, before;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.bound_waits()
 RETURNS void
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ select set_config('lock_timeout', '30s', true) where current_setting('lock_timeout') in ('0', '0ms') $function$;

CREATE OR REPLACE FUNCTION tap25_internal.bucket(name text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (hashtext(lower(name)) & 65535);

CREATE OR REPLACE FUNCTION tap25_internal.bucket20(name text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (hashtext(lower(name)) & 1048575);

CREATE OR REPLACE FUNCTION tap25_internal.bucket24(name text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (hashtext(lower(name)) & 16777215);

CREATE OR REPLACE FUNCTION tap25_internal.case_copies(warrants bigint[], since timestamp with time zone, before timestamp with time zone, target text)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
declare
    t    record;
    done bigint[] := '{}'; -- targets whose rows were returned
begin
    for t in select x.*, greatest(w.since, since) as first, least(w.before, before) as last
        from tap25_internal.warrant_targets x join tap25_internal.warrants w on w.id = x.warrant_id
        where w.id = any (warrants) and (target is null or lower(tap25_internal.target_text(x.mailbox, x.domain, x.network, x.seen_in)) = lower(target))
        order by x.id
    loop
        continue when t.first >= t.last;
        return query select m.* from tap25_internal.mail_concerning(t.mailbox, t.domain, t.network, t.first, t.last) m
        where tap25_internal.concerns(t.mailbox, t.domain, t.network, t.seen_in, t.by_origin, t.first, t.last,
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network)
          and not exists (select from tap25_internal.warrant_targets x join tap25_internal.warrants w on w.id = x.warrant_id where x.id = any (done)
              and tap25_internal.concerns(x.mailbox, x.domain, x.network, x.seen_in, x.by_origin, greatest(w.since, since), least(w.before, before),
                m.seen_at, m.mail_from, m.rcpt_to, m.client_ip, m.server_ip, m.origin_ip, m.network));
        done := done || t.id;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.case_rows(warrants bigint[], since timestamp with time zone, before timestamp with time zone, target text)
 RETURNS SETOF tap25.mail_once
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    return query execute format('select o.* from (%s) o order by o.seen_at, row_to_json(o)::text collate "C"',
        tap25_internal.once_query('select * from tap25_internal.case_copies($1, $2, $3, $4)')) using warrants, since, before, target;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.change_hold()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    was tap25.holds := old;
begin
    if was.dropped_at is null and new.dropped_at is not null then
        new.dropped_by := session_user;
        new.dropped_at := clock_timestamp();
        was.dropped_by := new.dropped_by;
        was.dropped_at := new.dropped_at;
    end if;
    if was.released_at is null and new.released_at is not null then
        new.released_at := clock_timestamp();
        was.released_at := new.released_at;
    end if;
    if new is distinct from was then
        raise 'a hold is not changed, it is append-only: drop it, and add another' using errcode = 'insufficient_privilege';
    end if;
    return new;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.change_to_blocks(which date, again boolean, packed bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    partition constant text := tap25_internal.partition_name(which);
begin
    perform set_config('lock_timeout', '200ms', true);
    for attempt in 1..20 loop
        begin
            execute format('lock table tap25_internal.%I in share row exclusive mode', partition);
            if (select sum(d.rows) from tap25_internal.days d where d.day = which)
                <> (select sum(p.rows) from tap25_internal.packs p where p.day = which) then
                raise 'rows of the day % came while it was packed, or it has others than were counted', which
                    using errcode = 'serialization_failure';
            end if;
            execute format('drop table tap25_internal.%I', partition);
            if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
                execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
            end if;
            if not again then
                execute format('alter table tap25_internal.blocks attach partition tap25_internal.%I
                    for values from (%L) to (%L)', tap25_internal.blocks_name(which), which, which + 1);
            end if;
            perform tap25_internal.show_packed();
            exit;
        exception when lock_not_available then
            if attempt = 20 then
                raise;
            end if;
        end;
        perform pg_sleep(0.3);
    end loop;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.frozen f where f.day = which;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_auditors(auditors name[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    auditor name;
begin
    if cardinality(auditors) between 1 and 100 is not true or array_position(auditors, null) is not null then
        raise 'a warrant names 1 to 100 auditors' using errcode = 'invalid_parameter_value';
    end if;
    foreach auditor in array auditors loop
        if not exists (select from pg_roles r where r.rolname = auditor) then
            raise 'there is no role %: CREATE ROLE first', to_json(auditor::text) using errcode = 'undefined_object';
        elsif auditor ~ '^(tap25|pg)_' then
            raise 'name logins, or roles of your own: % is everybody who audits', to_json(auditor::text) using errcode = 'invalid_parameter_value';
        elsif not tap25_internal.is_member(auditor, 'tap25_auditor') then
            raise warning 'the role % is no member of tap25_auditor: it opens no case until it, or its members, are', to_json(auditor::text);
        end if;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_coverage()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    mine constant text := (select s.sensor from tap25_internal.sensors s where s.login = session_user and s.until is null);
begin
    if tap25_internal.is_tied() and exists (select from added a where not a.packed and a.sensor is distinct from mine) then
        raise 'coverage of another sensor than %, which this login is', coalesce(quote_literal(mine), 'none') using errcode = 'insufficient_privilege';
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_days_read(since timestamp with time zone, before timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if isfinite(since) is not true or isfinite(before) is not true or before > since + interval '31 days' then
        raise 'no index finds subdomains and local parts: whole days are read, 31 at most'
            using errcode = 'invalid_parameter_value', hint = 'Name a time range, since and before, and ask month by month.';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_isolation(number bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        perform tap25_internal.log_refusal(number, 'not READ COMMITTED');
        raise 'cases are opened and read in the isolation level READ COMMITTED only' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_may_ask()
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if not has_table_privilege('tap25.mail', 'select') then
        raise 'mail is read through a case: select * from my_cases, then open_case, ask_case and case_mail' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_misdated()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    mine constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
begin
    if exists (select from added a where a.sensor <> mine) then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    elsif mine is not null and exists (
        select from (select distinct (seen_at at time zone 'UTC')::date as day, reason from added) a
        where a.reason is distinct from coalesce(tap25_internal.wrong_clock(a.day),
            case when a.day < (now() at time zone 'UTC')::date - 7 and not tap25_internal.has_partition(a.day) then 'too many days' end)) then
        raise 'rows are misdated whose day gets a partition' using errcode = 'object_not_in_prerequisite_state';
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_period(since timestamp with time zone, before timestamp with time zone, valid_until timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    cutoff constant timestamptz := (select clock_timestamp() - r.kept
        from tap25.retentions r order by r.id desc limit 1);
begin
    if (isfinite(since) and isfinite(before) and since < before) is not true then
        raise 'the period of mail has a beginning and a later end' using errcode = 'invalid_parameter_value';
    elsif isfinite(valid_until) is not true then
        raise 'a warrant has an end: valid_until is a time' using errcode = 'invalid_parameter_value';
    elsif valid_until <= clock_timestamp() then
        raise 'valid_until is past: the warrant would open nothing' using errcode = 'invalid_parameter_value';
    elsif since >= valid_until then
        raise 'the period of mail begins when the warrant has ended' using errcode = 'invalid_parameter_value';
    elsif before < cutoff
        and not exists (select from tap25_internal.days d where d.day between (since at time zone 'UTC')::date
            and (before at time zone 'UTC')::date) then
        perform from tap25_internal.mail_aside m where m.seen_at >= since and m.seen_at < before limit 1;
        if not found then
            raise 'the period of mail is older than the retention: nothing of it is kept'
                using errcode = 'invalid_parameter_value';
        end if;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_retention(older timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    r      tap25.retentions;
    cutoff date;
begin
    perform tap25_internal.check_snapshot();
    select * into r from tap25.retentions order by id desc limit 1;
    if not found then
        raise 'no retention is stored, so nothing is dropped: select set_retention(interval)' using errcode = 'insufficient_privilege';
    end if;
    cutoff := ((clock_timestamp() at time zone 'UTC')::date - r.kept)::date;
    if cutoff is null or older is null or older > cutoff::timestamp at time zone 'UTC' then
        raise 'the retention of % keeps this: days from % on; % set it on %', coalesce(r.kept::text, 'for ever'), coalesce(cutoff::text, 'the first'),
            to_json(r.set_by::text), to_char(r.set_at, 'YYYY-MM-DD') using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_seen_in(network inet, seen_in text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if seen_in is not null and not tap25_internal.is_network(seen_in) then
        raise 'a network is named as in mail.network, such as vlan 12 or vxlan 5001/vlan 3' using errcode = 'invalid_parameter_value';
    elsif seen_in is not null and network is null then
        raise 'only with an IP address or subnet can the network be named that it was seen in' using errcode = 'invalid_parameter_value';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_snapshot()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
        raise 'holds, the retention and expiry take the isolation level READ COMMITTED' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_target(mailbox text, domain text, network inet, seen_in text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    its_domain constant text := coalesce(domain, split_part(mailbox, '@', -1));
begin
    if num_nonnulls(mailbox, domain, network) <> 1 then
        raise 'name one of a mailbox, a domain, an IP address or a subnet' using errcode = 'invalid_parameter_value';
    elsif mailbox !~ '^("[^[:cntrl:]]+"|[^[:space:][:cntrl:]@]+)@[^[:space:][:cntrl:]@]+$' or octet_length(mailbox) > 1000 then
        raise 'a mailbox is written user@domain, without spaces' using errcode = 'invalid_parameter_value';
    elsif mailbox ~ '^<|^mailto:|>$' then
        raise 'a mailbox is written user@domain, without < and > and mailto:' using errcode = 'invalid_parameter_value';
    elsif domain !~ '^[^[:space:][:cntrl:]@/:.]+([.][^[:space:][:cntrl:]@/:.]+)+$' or octet_length(domain) > 1000 then
        raise 'a domain has a dot within, none before or after, and no spaces: write orchard.example, or user@orchard.example for a mailbox'
            using errcode = 'invalid_parameter_value';
    elsif network <<= inet '::ffff:0.0.0.0/96' then
        raise 'this is an IPv4 address as IPv6 writes it, which no row has: write the IPv4 address' using errcode = 'invalid_parameter_value';
    elsif host(network) <> host(network(network)) then
        raise 'the subnet has bits set after its prefix: write %', network(network) using errcode = 'invalid_parameter_value';
    end if;
    perform tap25_internal.check_seen_in(network, seen_in);
    if mailbox !~ '@([[].*]|[^.]+([.][^.]+)+)$' then
        raise warning 'the mailbox''s domain has no dot, or one too many: it opens and keeps only mail whose address is written so';
    end if;
    if its_domain ~ '[,;]' then
        raise warning 'the domain has a comma or a semicolon: it opens and keeps only mail whose address is written so';
    end if;
    if its_domain ~ '[*%]' or mailbox ~ '^[*%]' then
        raise warning 'there are no wildcards: the target is the address with * or %% in it';
    end if;
    if length(its_domain) <> octet_length(its_domain) or its_domain ~* '(^|[.])xn--' then
        raise warning 'the domain is internationalised: name it in both forms, as people read it and as A-label (xn--...), since mail may have either';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.check_warrants(number bigint, which text, warrants bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if not warrants <@ tap25_internal.valid_warrants(which) then
        perform tap25_internal.log_refusal(number, 'a warrant of the case has ended meanwhile');
        raise 'a warrant of this case has ended while it was read: ask again' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.claim_chain(name text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if name <> '' then
        perform tap25_internal.claim_sensor(name);
    elsif not has_function_privilege(session_user, 'tap25_internal.expire_day(date, text)', 'execute') then
        raise 'only who may drop days signs destructions' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.claim_sensor(name text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    me    constant text := session_user;
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    mine  text;
    bad   constant text := tap25_internal.bad_name(name);
begin
    if not tap25_internal.is_tied() then
        return;
    end if;
    for attempt in 1..2 loop -- the second where another transaction has bound the one or the other just now
        select s.sensor into mine from tap25_internal.sensors s where s.login = me and s.until is null;
        if mine = name then
            return;
        elsif bad is not null then
            raise 'this cannot be the name of a sensor: %', bad using errcode = 'insufficient_privilege';
        elsif mine is not null then
            raise 'the login % loads as the sensor %, not as %: each sensor takes a login of its own; if the name has changed, an administrator calls tap25.bind_sensor(%, %)',
                quote_ident(me), quote_literal(mine), quote_literal(name), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        elsif exists (select from tap25_internal.sensors s where s.sensor = name and s.until is null) then
            raise 'the sensor % has another login than %; if that has changed, an administrator calls tap25.bind_sensor(%, %)',
                quote_literal(name), quote_ident(me), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        elsif name <> me
            and (exists (select from tap25_internal.days d where d.sensor = name) or exists (select from tap25_internal.loads l where l.sensor = name))
            and exists (select from pg_roles r join pg_roles s on s.rolname = 'tap25_sensor' where r.rolcanlogin and not r.rolsuper and r.rolname <> me
                        and pg_has_role(r.oid, s.oid, 'member') and not pg_has_role(r.oid, owner, 'member')) then
            raise 'the sensor % has rows of before sensors had logins, and there are several logins; if it is %, an administrator calls tap25.bind_sensor(%, %)',
                quote_literal(name), quote_ident(me), quote_literal(me), quote_literal(name) using errcode = 'insufficient_privilege';
        end if;
        insert into tap25_internal.sensors (sensor, login) values (name, me) on conflict do nothing;
        if found then
            return;
        end if;
    end loop;
    raise 'the sensor % is being bound by another transaction', quote_literal(name) using errcode = 'lock_not_available';
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.completeness_sentence(begins timestamp with time zone, ends timestamp with time zone, sensors text[], listened numeric, gaps tstzmultirange, frames numeric, frames_lost numeric, sessions numeric, sessions_encrypted numeric, rows_lost numeric, clock_synchronised boolean, scopes text[])
 RETURNS text
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    many  constant int := cardinality(sensors);
    names constant text := case when many > 4 then many || ' sensors' when many > 1
        then array_to_string(sensors[:many - 1], ', ') || ' and ' || sensors[many] else coalesce(sensors[1], 'no sensor') end;
    n     constant bigint := (select count(*) from unnest(gaps));
    gap   constant interval := (select sum(upper(g) - lower(g)) from unnest(gaps) g);
    told  text := format('From %s to %s, UTC, ', to_char(begins, 'YYYY-MM-DD HH24:MI:SS'), to_char(ends, 'YYYY-MM-DD HH24:MI:SS'));
begin
    if listened = 0 then
        return told || names || case when sensors[1] is null then ' listened' else ' did not listen' end || ': mail of that time is not recorded.';
    end if;
    told := told || names || case when many > 1 then ' together' else '' end || ' listened for ' || tap25_internal.percent(listened, false)
        || ' of the time' || case when n = 0 then ' (no gap)' else format(' (%s gap%s, %s)', n, case when n = 1 then '' else 's' end, tap25_internal.span(gap)) end;
    told := told || case when frames = 0 then '; no frame passed' when frames_lost = 0 then '; no frame was lost'
        else '; ' || tap25_internal.percent(frames_lost, true) || ' of frames were lost' end;
    told := told || case when sessions = 0 then '; there was no session'
        when sessions_encrypted = 0 then '; no session was encrypted' else '; ' || tap25_internal.percent(sessions_encrypted / sessions, false) || ' of sessions were encrypted' end;
    if rows_lost > 0 then
        told := told || '; ' || rows_lost || case when rows_lost = 1 then ' row was' else ' rows were' end || ' lost to a full spool';
    end if;
    if scopes <> '{all}' then
        told := told || '; a scope limited what was recorded';
    end if;
    if not clock_synchronised then
        told := told || '; the clock was not synchronised';
    end if;
    return told || '.';
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.concerns(mailbox text, domain text, network inet, seen_in text, by_origin boolean, since timestamp with time zone, before timestamp with time zone, seen_at timestamp with time zone, mail_from text, rcpt_to text, client_ip inet, server_ip inet, origin_ip inet, row_network text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((seen_at >= since) AND (seen_at < before) AND CASE WHEN (mailbox IS NOT NULL) THEN (COALESCE((lower(mail_from) = lower(mailbox)), false) OR COALESCE((lower(rcpt_to) = lower(mailbox)), false)) WHEN (domain IS NOT NULL) THEN (COALESCE((tap25_internal.domain_of(mail_from) = lower(domain)), false) OR COALESCE((tap25_internal.domain_of(rcpt_to) = lower(domain)), false)) ELSE (((client_ip <<= network) OR (server_ip <<= network) OR (by_origin AND COALESCE((origin_ip <<= network), false))) AND ((seen_in IS NULL) OR COALESCE((row_network = seen_in), false))) END);

CREATE OR REPLACE FUNCTION tap25_internal.conninfo_value(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((''''::text || replace(replace(value, chr(92), (chr(92) || chr(92))), ''''::text, (chr(92) || ''''::text))) || ''''::text);

CREATE OR REPLACE FUNCTION tap25_internal.count_addresses(chunks text[])
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
RETURN COALESCE(((((cardinality(chunks) - 1) * 64) + cardinality(string_to_array(translate((chunks)[cardinality(chunks)], chr(10), chr(9)), chr(9)))) - cardinality(string_to_array((chunks)[cardinality(chunks)], chr(10)))), 0);

CREATE OR REPLACE FUNCTION tap25_internal.count_day()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    mine  constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
    alien boolean;
begin
    with counted as (
        select a.sensor, count(*) as rows from added a group by a.sensor
    ), entered as (
        insert into tap25_internal.days as t (day, sensor, rows, loaded_at)
        select to_date(right(tg_table_name, 8), 'YYYYMMDD'), c.sensor, c.rows, clock_timestamp() from counted c order by c.sensor
        on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = excluded.loaded_at returning t.sensor
    )
    select bool_or(e.sensor <> mine) into alien from entered e;
    if alien then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.count_rows()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    mine  constant text := case when tap25_internal.is_tied() then tap25_internal.my_sensor() end;
    alien boolean;
begin
    with counted as (
        select (seen_at at time zone 'UTC')::date as day, sensor, count(*) as rows from added group by 1, 2 order by 1, 2
    ), entered as (
        insert into tap25_internal.days as t (day, sensor, rows, loaded_at) select c.day, c.sensor, c.rows, clock_timestamp() from counted c
        on conflict (day, sensor) do update set rows = t.rows + excluded.rows, loaded_at = excluded.loaded_at returning t.sensor
    )
    select bool_or(e.sensor <> mine) into alien from entered e;
    if alien then
        raise 'rows of another sensor than %, which this login is', quote_literal(mine) using errcode = 'insufficient_privilege';
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.coverage_over(quiet interval)
 RETURNS TABLE(day date, sensor text, chain text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select g.day, g.sensor, p.chain
    from (select c.since::date as day, c.sensor from tap25.coverage c
        where not c.packed and c.since < date_trunc('day', now())
          group by 1, 2 having max(c.loaded_at) <= clock_timestamp() - quiet) g
    cross join lateral (select tap25_internal.packing_chain(g.sensor) as chain) p
    where p.chain is not null and not exists (select from pg_subscription_rel r
        where r.srrelid = 'tap25.coverage'::regclass) order by 1, 2 $function$;

CREATE OR REPLACE FUNCTION tap25_internal.date_loads(by_sensor text, segments text[], first_days date[], last_days date[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    perform tap25_internal.claim_sensor(by_sensor);
    update tap25_internal.loads l set first_day = u.first_day, last_day = u.last_day
    from unnest(segments, first_days, last_days) u (segment, first_day, last_day)
    where l.sensor = by_sensor and l.segment = u.segment and l.loaded_at = now();
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.day_bucket(day date)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select coalesce((select w from unnest(array['bucket24', 'bucket20']) w
        where to_regclass(format('tap25_internal.%I', tap25_internal.partition_name(day) || '_' || w || '_idx')) is not null), 'bucket')
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.day_leaves(which date, times timestamp with time zone[], sessions bigint[])
 RETURNS TABLE(body bytea, signature bytea, public_key bytea, leaves bytea)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
#variable_conflict use_column
declare
    by_load constant text := tap25_internal.load_column();
    leaf    constant text := tap25_internal.leaf_of('e.');
    first   constant timestamptz := which::timestamp at time zone 'UTC';
    last    constant timestamptz := (which + 1)::timestamp at time zone 'UTC';
    found_  bigint[];
    sensors text[];
    xids    xid[];
begin
    execute format('select array_agg(x.sensor), array_agg(x.load) from (
            select distinct e.sensor, e.%I as load from unnest($1, $2) w (seen_at, session_id)
            join tap25_internal.envelopes e on e.seen_at = w.seen_at and e.session_id = w.session_id and e.seen_at >= $3
                and e.seen_at < $4) x', by_load)
        into sensors, xids using times, sessions, first, last;
    found_ := array(select distinct l.id from unnest(sensors, xids) x (sensor, load)
        join tap25.links l on l.sensor = x.sensor and l.xid = x.load
            and l.xmin is distinct from tap25_internal.restored_links()
            and daterange(l.first_day, l.last_day, '[]') @> which);
    select array_agg(l.sensor), array_agg(l.xid) into sensors, xids from tap25.links l where l.id = any (found_);
    return query execute format('select l.body, l.signature, k.public_key, g.leaves
        from (select e.sensor, e.%1$I as load, string_agg(%2$s, '''') as leaves from unnest($1, $2) x (sensor, load)
              join tap25_internal.envelopes e on e.sensor = x.sensor and e.%1$I = x.load and e.seen_at >= $3
                  and e.seen_at < $4 group by 1, 2) g
        join tap25.links l on l.sensor = g.sensor and l.xid = g.load and l.id = any ($5)
            join tap25.keys k on k.id = l.key', by_load, leaf)
        using sensors, xids, first, last, found_;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.day_rows(start timestamp without time zone, divided boolean, minutes boolean)
 RETURNS TABLE(seen_at timestamp with time zone, e tap25_internal.envelopes)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hours(day_rows.start, day_rows.minutes) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= (day_rows.start AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((day_rows.start + '1 day'::interval) AT TIME ZONE 'UTC'::text)) AND day_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows(day_rows.start, (day_rows.start + '1 day'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= (day_rows.start AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((day_rows.start + '1 day'::interval) AT TIME ZONE 'UTC'::text)) AND (NOT day_rows.divided));
END;

CREATE OR REPLACE FUNCTION tap25_internal.days_over(quiet interval)
 RETURNS TABLE(day date, rows bigint, summary_due boolean, reindex_due boolean, freeze_due boolean)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select d.day, case when t.tied then 0 else d.rows::bigint end, s.day is null, not t.tied and d.rows >= 10000 and (r.day is null or d.rows >= r.rows * 1.1),
           not t.tied and (f.day is null or d.rows >= f.rows * 1.1)
    from (select day, sum(rows) as rows, max(loaded_at) as loaded_at from tap25_internal.days group by day) d
    cross join (select tap25_internal.is_tied() as tied) t
    left join tap25_internal.summaries s on s.day = d.day and s.rows = d.rows left join tap25_internal.reindexed r on r.day = d.day
    left join tap25_internal.frozen f on f.day = d.day
    where d.day < (now() at time zone 'UTC')::date and d.loaded_at <= now() - quiet and d.rows > 0 and tap25_internal.has_partition(d.day) $function$;

CREATE OR REPLACE FUNCTION tap25_internal.days_to_pack(older interval, quiet interval)
 RETURNS TABLE(day date, rows bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select d.day, case when tap25_internal.is_tied() then 0 else sum(d.rows)::bigint end from tap25_internal.days d
    where d.day < (now() at time zone 'UTC')::date and d.day < ((now() at time zone 'UTC')::date - older)::date
        and not tap25_internal.is_distributed()
    group by d.day
    having sum(d.rows) > coalesce((select sum(p.rows) from tap25_internal.packs p where p.day = d.day), 0)
        and max(d.loaded_at) <= now() - quiet and tap25_internal.has_partition(d.day) order by d.day
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.days_with(kind text, value text, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF date
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    hash constant bigint := tap25_internal.print_hash(kind, value);
    d    record;
    has  boolean;
begin
    for d in
        -- Each partition's name is looked up by its number, day by day: a join would read all of pg_class, which also has the indexes.
        with inherits as materialized (
            select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass
        ), parts as materialized (
            select to_date(right(c.relname, 8), 'YYYYMMDD') as day
            from inherits i cross join lateral (select c.relname from pg_class c where c.oid = i.inhrelid offset 0) c
            where translate(c.relname, '0123456789', '') = 'envelopes_' and length(c.relname) = 18
        )
        select q.day, s.bits from parts q
        left join (
            select days.day, sum(days.rows) as rows from tap25_internal.days
            where days.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date group by days.day
        ) c on c.day = q.day
        left join tap25_internal.summaries s on s.day = q.day and s.rows = c.rows
        where q.day between (since at time zone 'UTC')::date and (before at time zone 'UTC')::date order by q.day
    loop
        has := true;
        if hash is not null and d.bits is not null then
            begin
                execute format('select exists (select from tap25_internal.%I p where p.page = $1 and $2 = any (p.prints))', tap25_internal.prints_name(d.day))
                    into has using tap25_internal.print_page(hash, d.bits), tap25_internal.print_of(hash);
            exception when undefined_table then -- expiry has dropped the day meanwhile
                has := true;
            end;
        end if;
        if has then
            return next d.day;
        end if;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.decide_warrant(which bigint, decision text, reason text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    w tap25_internal.warrants;
    is_now text;
begin
    if not tap25_internal.is_member(session_user, 'tap25_approver') then
        raise 'only a login that is a member of tap25_approver decides on a warrant' using errcode = 'insufficient_privilege';
    end if;
    select * into w from tap25_internal.warrants x where x.id = which for no key update; -- one decision at a time, beside which it can be ended
    is_now := (select v.state from tap25.warrants v where v.id = which limit 1);
    if is_now is null then
        raise 'there is no warrant %', which using errcode = 'no_data_found';
    elsif is_now <> 'applied' then
        raise 'warrant % is not applied for any more: it is %', which, is_now using errcode = 'object_not_in_prerequisite_state';
    elsif tap25_internal.is_member(session_user, w.applicant) or tap25_internal.is_member(w.applicant, session_user) then
        raise 'warrant % is yours, or of a login that can act as you or you as it: another approver decides', which using errcode = 'insufficient_privilege';
    elsif exists (select from tap25_internal.warrant_auditors a where a.warrant_id = which
                  and (tap25_internal.is_member(session_user, a.auditor) or tap25_internal.is_member(a.auditor, session_user))) then
        raise 'warrant % lets you read, or a login that can act as you: another approver decides', which using errcode = 'insufficient_privilege';
    end if;
    insert into tap25.warrant_events (warrant_id, action, reason) values (which, decision, decide_warrant.reason);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.digest_with(digest bytea, line tap25.mail_once)
 RETURNS bytea
 LANGUAGE sql
 STABLE
RETURN sha256((digest || convert_to(((row_to_json(line))::text || '
'::text), 'UTF8'::name)));

CREATE OR REPLACE FUNCTION tap25_internal.divides(start timestamp without time zone, hour boolean)
 RETURNS boolean
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
AS $function$
declare
    -- Where the last day or hour ends, and how many hours and days have followed one another.
    state   constant text[]    := string_to_array(current_setting('tap25.planned', true), '|');
    last    constant timestamp := state[1];
    follows constant boolean   := coalesce(case when hour then last = start
        else last <= start and last = last::date end, false); -- there may be other days between days
    hours   constant integer   := case when follows then state[2]::integer else 0 end + hour::integer;
    days    constant integer   := case when follows or hour then coalesce(state[3]::integer, 0) else 0 end
        + (not hour)::integer;
    divided constant boolean   := case when hour then hours <= 3 else days <= 2 end;
begin
    perform set_config('tap25.planned', concat_ws('|', case when hour then start + interval '1 hour'
        when divided then start else start + interval '1 day' end, hours, days), true);
    return divided;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.domain_of(address text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (POSITION(('@'::text) IN (address)) > 0) THEN lower(split_part(address, '@'::text, '-1'::integer)) ELSE NULL::text END;

CREATE OR REPLACE FUNCTION tap25_internal.dropped_days(days date[])
 RETURNS SETOF date
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select distinct e.day from tap25.expired e
    where e.kind = 'partition' and e.day = any (days) and not tap25_internal.has_partition(e.day)
        and not tap25_internal.is_packed(e.day)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.end_all_blockers(which date, older interval)
 RETURNS TABLE(login name, application text, open_since timestamp with time zone, ended boolean, reason text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    held  constant regclass[] := case when which is null then array['tap25_internal.making_partitions'::regclass]
        else array['tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass, 'tap25.holds'::regclass,
            to_regclass('tap25_internal.' || tap25_internal.partition_name(which)),
            to_regclass('tap25_internal.' || tap25_internal.blocks_name(which)),
            'tap25_internal.prints'::regclass, to_regclass('tap25_internal.' || tap25_internal.prints_name(which))] end;
    late  constant boolean := exists (select from tap25_internal.late_days l
        where l.day = which and l.since < clock_timestamp() - older);
    using_it text[] := '{}';
    s     record;
begin
    for s in
        select a.pid, a.usename, a.application_name, a.xact_start,
               r.rolsuper or pg_has_role(a.usesysid, owner, 'member') as owns,
               clock_timestamp() - a.xact_start as age,
               case when a.state ~ '^idle in transaction' then clock_timestamp() - a.state_change end as idle,
               exists (select from pg_roles t where t.rolname in ('tap25_auditor', 'tap25_admin')
                   and pg_has_role(a.usesysid, t.oid, 'member')) as reads,
               exists (select from pg_roles t where t.rolname = 'tap25_sensor'
                   and pg_has_role(a.usesysid, t.oid, 'member')) as loads
        from pg_stat_activity a join pg_roles r on r.oid = a.usesysid
        where a.pid <> pg_backend_pid() and a.leader_pid is null and exists (
            select from pg_locks l
            where l.pid = a.pid and l.granted and l.locktype = 'relation' and l.relation = any (held)
            and l.database = (select d.oid from pg_database d where d.datname = current_database()))
        order by a.xact_start
    loop
        login := s.usename;
        application := s.application_name;
        open_since := s.xact_start;
        ended := false;
        reason := case when s.owns or not (s.reads or s.loads) then 'not a session that expiry ends'
                       when s.xact_start is null then format('its age is hidden: '
                           'grant pg_read_all_stats, pg_signal_backend to %I', owner::regrole::name)
                       when older is null then 'expiry ends no session'
                       when s.reads and (late or s.age > older) then null
                       when s.loads and (s.age > greatest(older, '15 minutes') or s.idle > older
                           or late and s.idle > '1 minute') then null
                       else 'not open for so long yet' end;
        if reason is null then
            begin
                ended := pg_terminate_backend(s.pid, 5000);
                raise log 'tap25: % ended the session of %, which kept the day % from being dropped',
                    quote_ident(session_user), quote_ident(s.usename), which;
                insert into tap25_internal.ended_sessions (login, application, open_since, day)
                values (s.usename, s.application_name, s.xact_start, which);
            exception when insufficient_privilege then
                reason := format('the owner may not end it: grant pg_signal_backend to %I', owner::regrole::name);
            end;
        end if;
        if not ended then
            using_it := using_it || format('%s with "%s" (%s)', quote_ident(s.usename), s.application_name, reason);
        end if;
        return next;
    end loop;
    insert into tap25_internal.late_days as l (day, users) select which, array_to_string(using_it, ', ')
        where tap25_internal.has_partition(which) or tap25_internal.is_packed(which)
    on conflict (day) do update set tried = excluded.tried, users = excluded.users;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.end_blockers(which date, older interval)
 RETURNS TABLE(login name, application text, open_since timestamp with time zone, ended boolean, reason text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if which is not null then
        perform tap25_internal.check_retention((which + 1)::timestamp at time zone 'UTC');
    end if;
    return query select * from tap25_internal.end_all_blockers(which, older);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.ends(OUT oldest timestamp with time zone, OUT newest timestamp with time zone, OUT held bigint, OUT misdated bigint)
 RETURNS record
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    first_day constant date := (select min(d.day) from tap25_internal.days d where d.rows > 0);
    last_day  constant date := (select max(d.day) from tap25_internal.days d where d.rows > 0);
    first     constant timestamptz := first_day::timestamp at time zone 'UTC';
    last      constant timestamptz := last_day::timestamp at time zone 'UTC';
begin
    select min(e.seen_at) into oldest from tap25_internal.envelopes e
        where e.seen_at >= first and e.seen_at < first + interval '1 day';
    select max(e.seen_at) into newest from tap25_internal.envelopes e
        where e.seen_at >= last and e.seen_at < last + interval '1 day';
    oldest := least(oldest, (select min(b.first_at) from tap25_internal.blocks b where b.day = first_day));
    newest := greatest(newest, (select max(b.last_at) from tap25_internal.blocks b where b.day = last_day));
    select count(*) into held from tap25_internal.held;
    select count(*) into misdated from tap25_internal.misdated;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.ensure_partition(day date)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if tap25_internal.wrong_clock(day) is not null then
        return tap25_internal.wrong_clock(day);
    elsif not tap25_internal.has_partition(day) then
        if day < (now() at time zone 'UTC')::date - 7 and not tap25_internal.is_packed(day)
            and (select count(*) from pg_inherits
                 where inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass))
                >= tap25_internal.max_partitions() then
            return 'too many days';
        end if;
        perform tap25_internal.make_partition(day);
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.enter_case(number bigint, which text, target text, OUT opening bigint, OUT warrants bigint[])
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    ended constant text := 'every warrant of the case has ended';
begin
    perform tap25_internal.check_isolation(number);
    opening := (select a.id from tap25.accesses a where a.case_id = which and a.auditor = session_user and a.action = 'open'
                and a.at > clock_timestamp() - interval '12 hours' and a.xid <> pg_current_xact_id() order by a.at desc limit 1);
    if opening is null then
        perform tap25_internal.log_refusal(number, 'the case is not open');
        raise 'the case is not open: select open_case(case, purpose), and commit' using errcode = 'insufficient_privilege';
    end if;
    warrants := tap25_internal.valid_warrants(which);
    if warrants = '{}' then
        perform tap25_internal.log_refusal(number, ended);
        perform tap25_internal.record_access(number, which, 'refused', '{}', opening => opening, refusal => ended);
        raise warning 'every warrant that opened this case has ended; the attempt is recorded' using errcode = 'insufficient_privilege';
    elsif target is not null and not exists (select from tap25_internal.warrant_targets t where t.warrant_id = any (warrants)
            and lower(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in)) = lower(target)) then
        perform tap25_internal.log_refusal(number, 'no such target');
        raise 'no warrant that is valid now names this target: select * from my_cases' using errcode = 'insufficient_privilege';
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.enter_loads(by_sensor text, segments text[], counts bigint[])
 RETURNS boolean[]
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    entered boolean[] := '{}';
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    if cardinality(segments) is distinct from cardinality(counts)
        or exists (select from unnest(segments, counts) u (s, n) where (octet_length(s) between 1 and 255 and n between 0 and 10000000) is not true) then
        raise 'segments have a name and at most ten million rows';
    end if;
    for i in 1..cardinality(segments) loop
        insert into tap25_internal.loads (sensor, segment, rows) values (by_sensor, segments[i], counts[i]) on conflict do nothing;
        entered := entered || found;
    end loop;
    return entered;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.expire_day(which date, version text)
 RETURNS TABLE(rows bigint, bytes bigint, kept bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    since  constant timestamptz := which::timestamp at time zone 'UTC';
    before constant timestamptz := (which + 1)::timestamp at time zone 'UTC';
    part   text;
begin
    perform tap25_internal.check_retention(before);
    lock table tap25.holds in share mode; -- a hold that is added now waits, and then concerns what is left
    kept := 0;
    bytes := 0;
    foreach part in array array[tap25_internal.partition_name(which), tap25_internal.blocks_name(which)] loop
        continue when to_regclass('tap25_internal.' || part) is null;
        begin
            execute format('lock table tap25_internal.%I in share row exclusive mode nowait', part);
        exception when undefined_table then
            continue;
        end;
        -- Before keep_held: Citus does not report a size after the transaction has changed rows.
        bytes := bytes + tap25_internal.size_of(('tap25_internal.' || quote_ident(part))::regclass);
        kept := kept + tap25_internal.keep_held(case when part = tap25_internal.partition_name(which)
            then 'tap25_internal.' || quote_ident(part)
            else tap25_internal.packed_rows(which) end, since, before, 'true');
        execute format('drop table tap25_internal.%I', part);
        rows := coalesce((select sum(d.rows) from tap25_internal.days d where d.day = which), 0);
    end loop;
    if rows is null then
        return;
    end if;
    delete from tap25_internal.days d where d.day = which;
    if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
        execute format('drop table tap25_internal.%I', tap25_internal.prints_name(which));
    end if;
    delete from tap25_internal.summaries s where s.day = which;
    delete from tap25_internal.reindexed r where r.day = which;
    delete from tap25_internal.frozen f where f.day = which;
    delete from tap25_internal.late_days l where l.day = which;
    delete from tap25_internal.block_prints p using tap25_internal.packs k, generate_series(0, (1 << k.bits) - 1) page
    where k.day = which and p.day = which and p.first = k.first and p.page = page.page;
    delete from tap25_internal.packs p where p.day = which;
    insert into tap25.expired (day, kind, rows, bytes, kept, version)
    values (which, 'partition', rows, bytes, kept, expire_day.version);
    return next;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.expire_misdated(loaded_before timestamp with time zone, version text)
 RETURNS TABLE(day date, rows bigint, bytes bigint, kept bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    gone record;
begin
    perform tap25_internal.check_retention(loaded_before);
    lock table tap25.holds in share row exclusive mode; -- nobody adds a hold meanwhile, or counts the same rows
    kept := tap25_internal.keep_held('tap25_internal.misdated', '-infinity', 'infinity',
        format('e.loaded_at < %L', loaded_before));
    -- No more than the counted rows is deleted below: a load that commits meanwhile has a later loaded_at.
    for gone in select (m.loaded_at at time zone 'UTC')::date as d, count(*) as n, sum(pg_column_size(m.*)) as size
        from tap25_internal.misdated m where m.loaded_at < loaded_before group by 1 order by 1
    loop
        day := gone.d;
        rows := gone.n;
        bytes := gone.size;
        insert into tap25.expired (day, kind, rows, bytes, kept, version)
        values (expire_misdated.day, 'misdated', expire_misdated.rows, expire_misdated.bytes, expire_misdated.kept,
            expire_misdated.version);
        return next;
        kept := 0;
    end loop;
    delete from tap25_internal.misdated m where m.loaded_at < loaded_before;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.forget_dropped_loads(by_sensor text, segments text[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    delete from tap25_internal.loads l where l.sensor = by_sensor and l.segment = any (segments)
        and (l.dropped_at is not null or l.segment ~ '^import-');
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    propagates constant text := coalesce(current_setting('citus.enable_ddl_propagation', true), 'on');
    t regclass;
begin
    -- Citus must not repeat the grants on the workers: they know only the owner, as whom the coordinator asks them.
    perform set_config('citus.enable_ddl_propagation', 'off', true);
    perform tap25_internal.grant_roles_before_distribution();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.make_arrivals,
            tap25_internal.place_arrivals to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function tap25_internal.is_distributed, tap25_internal.size_of, tap25_internal.size_of_indexes,
            tap25_internal.load_column to tap25_admin;
        grant select on tap25_internal.distribution to tap25_admin;
    end if;
    if tap25_internal.is_distributed() and exists (select from pg_roles where rolname = 'tap25_sensor') then
        for t in select i.inhrelid from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass
            union all values ('tap25_internal.envelopes'::regclass), ('tap25_internal.misdated'::regclass)
        loop
            execute format('revoke insert on %s from tap25_sensor', t);
        end loop;
        revoke execute on function tap25_internal.pack_day from tap25_sensor;
    end if;
    perform set_config('citus.enable_ddl_propagation', propagates, true);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_012()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant usage on schema tap25, tap25_internal to tap25_sensor;
        grant select on tap25_internal.tap25_schema_version to tap25_sensor;
        grant insert on tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.loads to tap25_sensor;
        grant execute on function tap25_internal.bucket, tap25_internal.domain_of to tap25_sensor; -- the indexes call them
        grant execute on function tap25_internal.begin_load, tap25_internal.make_partitions, tap25_internal.make_partitions_ahead, tap25_internal.prune_loads,
            tap25_internal.days_over, tap25_internal.summarize_day, tap25_internal.partition_name to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant usage on schema tap25 to tap25_auditor;
        grant usage on type tap25.outcome to tap25_auditor;
        grant execute on function tap25.open_case, tap25.case_mail to tap25_auditor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant usage on schema tap25, tap25_internal to tap25_admin;
        grant usage on type tap25.outcome to tap25_admin;
        grant select on tap25.mail, tap25.expired, tap25.holds, tap25.warrants, tap25.accesses to tap25_admin;
        grant select on tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.held, tap25_internal.mail_days, tap25_internal.mail_aside,
            tap25_internal.days, tap25_internal.loads, tap25_internal.summaries, tap25_internal.prints, tap25_internal.reindexed,
            tap25_internal.tap25_schema_version to tap25_admin;
        grant insert, update (valid_until) on tap25.warrants to tap25_admin;
        grant execute on function tap25.mail_from, tap25.mail_to, tap25.mail_from_domain, tap25.mail_to_domain, tap25.mail_client, tap25.mail_server,
            tap25.add_hold, tap25.drop_hold to tap25_admin;
        -- What those functions call.
        grant execute on function tap25_internal.mail_about, tap25_internal.days_with,
            tap25_internal.print_hash, tap25_internal.print_page, tap25_internal.print_of, tap25_internal.is_host, tap25_internal.bucket,
            tap25_internal.domain_of to tap25_admin;
        grant execute on function tap25_internal.expire_day, tap25_internal.expire_misdated, tap25_internal.release_holds,
            tap25_internal.make_partitions_ahead, tap25_internal.days_over, tap25_internal.summarize_day, tap25_internal.partitions,
            tap25_internal.partition_name to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_013()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ') from pg_attribute
        where attrelid = 'tap25_internal.misdated'::regclass and attnum > 0 and not attisdropped and attname <> 'loaded_at');
begin
    perform tap25_internal.grant_roles_012();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        revoke insert on tap25_internal.loads, tap25_internal.misdated from tap25_sensor;
        execute format('grant insert (%s) on tap25_internal.misdated to tap25_sensor', columns);
        grant execute on function tap25_internal.enter_loads, tap25_internal.begin_load to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.sensors, tap25_internal.sensors, tap25_internal.late_days, tap25_internal.ended_sessions to tap25_admin;
        grant execute on function tap25.bind_sensor, tap25_internal.end_blockers to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_014()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_013();
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        revoke insert, update on tap25_internal.warrants from tap25_admin; -- which moved with the table
        revoke execute on function tap25_internal.end_all_blockers from tap25_admin;
        revoke insert on tap25.warrants from tap25_admin; -- of whole rows
        grant select, insert (case_id, auditor, mailbox, domain, network, since, before, valid_until, reason), update (valid_until) on tap25.warrants to tap25_admin;
        grant select on tap25.warrant_events, tap25.missing_accesses, tap25.retentions to tap25_admin;
        grant execute on function tap25.end_warrant, tap25.set_retention to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_approval()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ') from pg_attribute
        where attrelid = 'tap25.coverage'::regclass and attnum > 0 and not attisdropped and attname not in ('records', 'packed', 'loaded_at'));
begin
    perform tap25_internal.grant_roles_before_coverage();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert (%s) on tap25.coverage to tap25_sensor', columns);
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.coverage to tap25_admin;
        grant execute on function tap25.completeness to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_coverage()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_scopes();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.record_scope to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.scopes to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_disclosure()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_evidence();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.stamp_load, tap25_internal.lock_chain, tap25_internal.has_links, tap25_internal.add_links,
            tap25_internal.coverage_over, tap25_internal.pack_coverage to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.keys, tap25.links, tap25_internal.chains, tap25_internal.evidence, tap25_internal.before_evidence to tap25_admin;
        grant execute on function tap25_internal.lock_chain, tap25_internal.has_links, tap25_internal.add_links, tap25_internal.held_leaves,
            tap25_internal.released_leaves, tap25_internal.misdated_leaves, tap25_internal.coverage_over, tap25_internal.pack_coverage to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_distribution()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_regions();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant execute on function tap25.open_case_national, tap25.case_national to tap25_auditor;
        grant execute on function tap25_internal.national, tap25.mail_national_to, tap25.mail_national_from,
            tap25.mail_national_to_domain, tap25.mail_national_from_domain, tap25.mail_national_client,
            tap25.mail_national_server, tap25.mail_national_ip, tap25.mail_national_of,
            tap25.mail_national_between to tap25_auditor; -- to be told what to call instead
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_evidence()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    -- What runs with its caller's rights is what asks for mail, but for what expiry asks.
    asks constant text := (select string_agg(p.oid::regprocedure::text, ', ') from pg_proc p
                           where p.pronamespace in ('tap25'::regnamespace, 'tap25_internal'::regnamespace) and not p.prosecdef
                           and p.proname not in ('case_list', 'partition_name', 'partitions'));
begin
    perform tap25_internal.grant_roles_before_approval();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant usage on schema tap25_internal to tap25_auditor; -- for the version, which the program asks for
        grant select on tap25_internal.tap25_schema_version, tap25.my_cases to tap25_auditor;
        grant execute on function tap25.ask_case, tap25.case_mail, tap25.case_list, tap25.case_answer, tap25.case_completeness, tap25_internal.my_cases,
            tap25.apply_for_warrant, tap25.end_warrant to tap25_auditor;
        grant execute on function tap25.mail_from, tap25.mail_to, tap25.mail_from_domain, tap25.mail_to_domain, tap25.mail_client, tap25.mail_server,
            tap25.mail_between, tap25.mail_of, tap25.mail_ip, tap25.mail_local_part, tap25.mail_hops, tap25_internal.mail_about, tap25_internal.is_host,
            tap25_internal.check_may_ask to tap25_auditor; -- to be told what to call instead
    end if;
    if exists (select from pg_roles where rolname = 'tap25_approver') then
        grant usage on schema tap25, tap25_internal to tap25_approver;
        grant select on tap25_internal.tap25_schema_version, tap25.warrants, tap25.warrant_events to tap25_approver;
        grant execute on function tap25.apply_for_warrant, tap25.approve_warrant, tap25.refuse_warrant, tap25.end_warrant to tap25_approver;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        revoke all on tap25.mail, tap25.mail_once, tap25_internal.envelopes, tap25_internal.misdated, tap25_internal.held, tap25_internal.mail_days,
            tap25_internal.mail_aside, tap25_internal.prints, tap25_internal.warrants, tap25.warrants from tap25_admin;
        execute format('revoke execute on function %s from tap25_admin', asks);
        grant select on tap25.warrants to tap25_admin;
        grant execute on function tap25.apply_for_warrant, tap25.end_warrant, tap25_internal.ends, tap25_internal.rows_held to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_load_days()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_disclosure();
    if exists (select from pg_roles where rolname = 'tap25_auditor') then
        grant execute on function tap25.case_warrants, tap25.answer_completeness, tap25.case_leaves to tap25_auditor;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_packing()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_widths();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.bucket20, tap25_internal.bucket24 to tap25_sensor; -- the indexes call them
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25_internal.expected_volume, tap25_internal.frozen to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_regions()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    name text;
begin
    perform tap25_internal.grant_roles_before_packing();
    foreach name in array '{tap25_sensor,tap25_admin}'::text[] loop
        if exists (select from pg_roles where rolname = name) then
            execute format('grant execute on function tap25_internal.days_to_pack, tap25_internal.pack_day to %I',
                name);
        end if;
    end loop;
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.rows_there to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25_internal.packs to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_scopes()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    partitions constant text := (select string_agg(i.inhrelid::regclass::text, ', ') from pg_inherits i where i.inhparent = 'tap25_internal.envelopes'::regclass);
begin
    perform tap25_internal.grant_roles_014();
    if partitions is not null and exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partitions);
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant insert (seen_in, by_origin) on tap25.warrants to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_volumes()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_load_days();
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        grant execute on function tap25_internal.date_loads, tap25_internal.forget_dropped_loads, tap25_internal.kept_from,
            tap25_internal.dropped_days to tap25_sensor;
    end if;
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant execute on function tap25_internal.mark_dropped_loads to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.grant_roles_before_widths()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    perform tap25_internal.grant_roles_before_volumes();
    if exists (select from pg_roles where rolname = 'tap25_admin') then
        grant select on tap25.volumes to tap25_admin;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.has_dblink()
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select exists (select from pg_extension e join pg_namespace n on n.oid = e.extnamespace
        join pg_roles r on r.oid = n.nspowner
        where e.extname = 'dblink' and n.nspname = 'tap25_dblink'
        and (r.rolsuper or r.oid = (select t.nspowner from pg_namespace t where t.nspname = 'tap25_internal'))
        and not exists (select from aclexplode(n.nspacl) a where a.privilege_type = 'CREATE'
            and a.grantee <> n.nspowner))
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.has_links(of_sensor text, its_fingerprint bytea, numbers bigint[], hashes bytea[])
 RETURNS boolean[]
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    perform tap25_internal.claim_chain(of_sensor);
    return (select array_agg(exists (select from tap25.links l join tap25.keys k on k.id = l.key
                where l.sensor = of_sensor and k.fingerprint = its_fingerprint and l.number = u.n and sha256(l.body) = u.h) order by u.i)
            from unnest(numbers, hashes) with ordinality u (n, h, i));
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.has_partition(day date)
 RETURNS boolean
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$ select exists (select from pg_inherits i join pg_class c on c.oid = i.inhrelid
                  where i.inhparent = 'tap25_internal.envelopes'::regclass and c.relname = tap25_internal.partition_name(day)) $function$;

CREATE OR REPLACE FUNCTION tap25_internal.held_leaves(which date[])
 RETURNS TABLE(day date, leaf bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    return query execute tap25_internal.leaves_query('held', '(t.seen_at at time zone ''UTC'')::date = any ($1)')
        using which;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.hop_links(a tap25.mail_once, b tap25.mail_once)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (SELECT CASE WHEN ((l.links && '{recipient,orcpt}'::text[]) AND (l.links && '{sender,envid}'::text[]) AND (l.links && '{orcpt,envid,size,address}'::text[])) THEN l.links ELSE NULL::text[] END AS "case" FROM (SELECT array_remove(ARRAY[CASE WHEN (lower((hop_links.a).rcpt_to) = lower((hop_links.b).rcpt_to)) THEN 'recipient'::text ELSE NULL::text END, CASE WHEN ((lower((hop_links.a).rcpt_to) <> lower((hop_links.b).rcpt_to)) AND (lower(COALESCE((hop_links.a).orcpt, (hop_links.a).rcpt_to)) = lower(COALESCE((hop_links.b).orcpt, (hop_links.b).rcpt_to)))) THEN 'orcpt'::text ELSE NULL::text END, CASE WHEN (lower((hop_links.a).mail_from) = lower((hop_links.b).mail_from)) THEN 'sender'::text ELSE NULL::text END, CASE WHEN ((hop_links.a).envid = (hop_links.b).envid) THEN 'envid'::text ELSE NULL::text END, CASE WHEN ((((hop_links.b).message_bytes - (hop_links.a).message_bytes) >= 1) AND (((hop_links.b).message_bytes - (hop_links.a).message_bytes) <= 4096)) THEN 'size'::text ELSE NULL::text END, CASE WHEN ((hop_links.a).server_ip = ANY (ARRAY[(hop_links.b).client_ip, (hop_links.b).origin_ip])) THEN 'address'::text ELSE NULL::text END, CASE WHEN ((hop_links.b).seen_at >= (hop_links.a).seen_at) THEN 'time'::text ELSE NULL::text END], NULL::text) AS links) l WHERE (((hop_links.a).outcome = 'accepted'::tap25.outcome) AND ((hop_links.a).client_ip <> (hop_links.b).client_ip) AND ((hop_links.b).seen_at < ((hop_links.a).seen_at + '5 days'::interval)) AND (((hop_links.b).seen_at >= (hop_links.a).seen_at) OR ((NOT ((hop_links.a).sensors && (hop_links.b).sensors)) AND ((hop_links.b).seen_at >= ((hop_links.a).seen_at - '00:00:01'::interval)))) AND (((hop_links.a).envid = (hop_links.b).envid) OR ((hop_links.a).envid IS NULL) OR ((hop_links.b).envid IS NULL)) AND (((hop_links.a).envid = (hop_links.b).envid) OR ((hop_links.a).message_bytes <= (hop_links.b).message_bytes) OR (num_nulls((hop_links.a).message_bytes, (hop_links.b).message_bytes) > 0))));

CREATE OR REPLACE FUNCTION tap25_internal.hour_rows(start timestamp without time zone, divided boolean)
 RETURNS TABLE(seen_at timestamp with time zone, e tap25_internal.envelopes)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:00:00'::interval), (hour_rows.start + '00:05:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:05:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:05:00'::interval), (hour_rows.start + '00:10:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:05:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:10:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:10:00'::interval), (hour_rows.start + '00:15:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:10:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:15:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:15:00'::interval), (hour_rows.start + '00:20:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:15:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:20:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:20:00'::interval), (hour_rows.start + '00:25:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:20:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:25:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:25:00'::interval), (hour_rows.start + '00:30:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:25:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:30:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:30:00'::interval), (hour_rows.start + '00:35:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:30:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:35:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:35:00'::interval), (hour_rows.start + '00:40:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:35:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:40:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:40:00'::interval), (hour_rows.start + '00:45:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:40:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:45:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:45:00'::interval), (hour_rows.start + '00:50:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:45:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:50:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:50:00'::interval), (hour_rows.start + '00:55:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:50:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '00:55:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows((hour_rows.start + '00:55:00'::interval), (hour_rows.start + '01:00:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hour_rows.start + '00:55:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '01:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND hour_rows.divided)
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.part_rows(hour_rows.start, (hour_rows.start + '01:00:00'::interval)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= (hour_rows.start AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hour_rows.start + '01:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (NOT hour_rows.divided));
END;

CREATE OR REPLACE FUNCTION tap25_internal.hours(start timestamp without time zone, minutes boolean)
 RETURNS TABLE(seen_at timestamp with time zone, e tap25_internal.envelopes)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '00:00:00'::interval), (tap25_internal.divides((hours.start + '00:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '00:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '01:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '01:00:00'::interval), (tap25_internal.divides((hours.start + '01:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '01:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '02:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '02:00:00'::interval), (tap25_internal.divides((hours.start + '02:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '02:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '03:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '03:00:00'::interval), (tap25_internal.divides((hours.start + '03:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '03:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '04:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '04:00:00'::interval), (tap25_internal.divides((hours.start + '04:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '04:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '05:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '05:00:00'::interval), (tap25_internal.divides((hours.start + '05:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '05:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '06:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '06:00:00'::interval), (tap25_internal.divides((hours.start + '06:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '06:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '07:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '07:00:00'::interval), (tap25_internal.divides((hours.start + '07:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '07:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '08:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '08:00:00'::interval), (tap25_internal.divides((hours.start + '08:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '08:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '09:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '09:00:00'::interval), (tap25_internal.divides((hours.start + '09:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '09:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '10:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '10:00:00'::interval), (tap25_internal.divides((hours.start + '10:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '10:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '11:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '11:00:00'::interval), (tap25_internal.divides((hours.start + '11:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '11:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '12:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '12:00:00'::interval), (tap25_internal.divides((hours.start + '12:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '12:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '13:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '13:00:00'::interval), (tap25_internal.divides((hours.start + '13:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '13:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '14:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '14:00:00'::interval), (tap25_internal.divides((hours.start + '14:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '14:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '15:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '15:00:00'::interval), (tap25_internal.divides((hours.start + '15:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '15:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '16:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '16:00:00'::interval), (tap25_internal.divides((hours.start + '16:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '16:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '17:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '17:00:00'::interval), (tap25_internal.divides((hours.start + '17:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '17:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '18:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '18:00:00'::interval), (tap25_internal.divides((hours.start + '18:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '18:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '19:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '19:00:00'::interval), (tap25_internal.divides((hours.start + '19:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '19:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '20:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '20:00:00'::interval), (tap25_internal.divides((hours.start + '20:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '20:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '21:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '21:00:00'::interval), (tap25_internal.divides((hours.start + '21:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '21:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '22:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '22:00:00'::interval), (tap25_internal.divides((hours.start + '22:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '22:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '23:00:00'::interval) AT TIME ZONE 'UTC'::text)))
 UNION ALL
  SELECT u.seen_at,
     u.e
    FROM ( SELECT f.seen_at,
             f.e
            FROM tap25_internal.hour_rows((hours.start + '23:00:00'::interval), (tap25_internal.divides((hours.start + '23:00:00'::interval), true) AND hours.minutes)) f(seen_at, e),
             ( VALUES (1)) o
         UNION ALL
          SELECT NULL::timestamp with time zone AS timestamptz,
             NULL::tap25_internal.envelopes AS envelopes
           WHERE false) u
   WHERE ((u.seen_at >= ((hours.start + '23:00:00'::interval) AT TIME ZONE 'UTC'::text)) AND (u.seen_at < ((hours.start + '24:00:00'::interval) AT TIME ZONE 'UTC'::text)));
END;

CREATE OR REPLACE FUNCTION tap25_internal.index_blocks(which date, target regclass, start integer, many integer, rows bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET work_mem TO '6MB'
 SET hash_mem_multiplier TO '1'
 SET enable_memoize TO 'off'
 SET max_parallel_workers_per_gather TO '0'
AS $function$
declare
    -- About 480 prints in a page.
    width constant smallint := greatest(0, ceil(log(2, greatest(1, rows * 1.9 / 480))))::smallint;
    month constant text := 'block_prints_' || to_char(which, 'YYYYMM');
begin
    if to_regclass('tap25_internal.' || month) is null then
        execute format('create table tap25_internal.%I
            (like tap25_internal.block_prints including constraints including indexes)
            with (toast_tuple_target = 2016)', month);
        execute format('alter table tap25_internal.block_prints attach partition tap25_internal.%I
            for values from (%L) to (%L)', month, date_trunc('month', which)::date,
            (date_trunc('month', which) + interval '1 month')::date);
    end if;
    insert into tap25_internal.packs (day, first, blocks, rows, bits) values (which, start, many, rows, width);
    execute format($query$
        insert into tap25_internal.%I (day, first, page, prints, blocks)
        select $1, $2, page, array_agg(((place & 65535) - 32768)::smallint),
            string_agg(repeat('0', ((place >> 16)
                - case when before_page = page then before >> 16 else $2 end)::integer) || '1', '')::bit varying
        from (select page, place, lag(page) over w as before_page, lag(place) over w as before from (
            -- The block's number and the print are one number, which is sorted faster than two.
            select distinct tap25_internal.print_page(hash, $3) as page,
                (number::bigint << 16) + tap25_internal.print_of(hash) + 32768 as place
            from %s b cross join lateral (
                with addresses as (
                    select a.value, n.sent, n.received
                    from unnest(tap25_internal.block_addresses(b.addresses, b.odd_addresses, null))
                        with ordinality a (value, i)
                    join (select u.i, bool_or(u.sent) as sent, bool_or(not u.sent) as received from (
                              select unnest(b.sender) as i, true as sent union all select unnest(b.rcpt), false) u
                          group by u.i) n on n.i = a.i
                ), domains as (
                    select tap25_internal.domain_of(value) as value, bool_or(sent) as sent,
                        bool_or(received) as received
                    from addresses group by 1
                )
                select tap25_internal.print_hash('mail_from', value) as hash from addresses where sent
                union all select tap25_internal.print_hash('rcpt_to', value) from addresses where received
                union all select tap25_internal.print_hash('from_domain', value) from domains
                    where sent and value is not null
                union all select tap25_internal.print_hash('to_domain', value) from domains
                    where received and value is not null
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.client_ip) ip
                union all select tap25_internal.print_hash('client', host(ip)) from unnest(b.origin_ip) ip
                    where ip is not null
                union all select tap25_internal.print_hash('server', host(ip)) from unnest(b.server_ip) ip) h
            where b.number >= $2 order by page, place
        ) p window w as (order by page, place)) p group by page$query$, month, target) using which, start, width;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.index_day(day date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    name   constant text := tap25_internal.partition_name(day);
    bucket constant text := (select 'bucket' || case when v.bits > 16 then v.bits::text else '' end from tap25_internal.expected_volume v);
    i      text;
begin
    for i in select c.relname from pg_index x join pg_class c on c.oid = x.indexrelid
             where x.indrelid = ('tap25_internal.' || name)::regclass and c.relname ~ '_bucket[0-9]*_idx[0-9]*$'
    loop
        execute format('drop index tap25_internal.%I', i);
    end loop;
    foreach i in array array['mail_from', 'rcpt_to', 'tap25_internal.domain_of(mail_from)', 'tap25_internal.domain_of(rcpt_to)'] loop
        execute format('create index on tap25_internal.%I (tap25_internal.%I(%s))', name, bucket, i);
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.is_distributed()
 RETURNS boolean
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select exists (select from tap25_internal.distribution)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.is_host(ip inet)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (masklen(ip) = CASE family(ip) WHEN 4 THEN 32 ELSE 128 END);

CREATE OR REPLACE FUNCTION tap25_internal.is_mailbox(party text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((party = ''::text) OR (POSITION(('@'::text) IN (party)) > 0) OR (lower(party) = 'postmaster'::text));

CREATE OR REPLACE FUNCTION tap25_internal.is_member(who name, other name)
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    with recursive roles (id) as (
        select r.oid from pg_roles r where r.rolname = who
        union
        select m.roleid from roles join pg_auth_members m on m.member = roles.id
    )
    select who = other or exists (select from roles join pg_roles r on r.oid = roles.id where r.rolname = other)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.is_network(name text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((octet_length(name) <= 255) AND (name ~ '^(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?)(?:/(?:[a-z][a-z0-9-]* [0-9]+|[a-z](?:[a-z0-9-]*[a-z-])?))*$'::text));

CREATE OR REPLACE FUNCTION tap25_internal.is_of(address text, party text)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (party IS NULL) THEN true WHEN tap25_internal.is_mailbox(party) THEN COALESCE((lower(address) = lower(party)), false) WHEN ("left"(party, 1) = '.'::text) THEN COALESCE(("right"(('.'::text || tap25_internal.domain_of(address)), length(party)) = lower(party)), false) ELSE COALESCE((tap25_internal.domain_of(address) = lower(party)), false) END;

CREATE OR REPLACE FUNCTION tap25_internal.is_packed(which date)
 RETURNS boolean
 LANGUAGE sql
 STABLE
RETURN (EXISTS (SELECT FROM tap25_internal.packs p WHERE (p.day = is_packed.which)));

CREATE OR REPLACE FUNCTION tap25_internal.is_tied()
 RETURNS boolean
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$ select not pg_has_role(session_user, c.relowner, 'member') from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass $function$;

CREATE OR REPLACE FUNCTION tap25_internal.keep_coverage()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if tg_op <> 'DELETE' or current_setting('tap25.packing', true) is distinct from 'on' then
        raise '% is append-only', tg_table_name using errcode = 'insufficient_privilege';
    end if;
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.keep_held(source text, since timestamp with time zone, before timestamp with time zone, filter text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    columns constant text := (select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped);
    n       bigint := 0;
    -- For each hold an expression that returns its id for a row that it concerns. Citus could not join rows with holds.
    tests   constant text := (
        select string_agg(format('case when tap25_internal.concerns(%L, %L, %L, %L, true, %L, %L, e.seen_at,
                e.mail_from, e.rcpt_to, e.client_ip, e.server_ip, e.origin_ip, e.network) then %s::bigint end',
            h.mailbox, h.domain, h.network, h.seen_in, h.since, h.before, h.id), ', ' order by h.id)
        from tap25.holds h where h.dropped_at is null and h.until > now() and h.since < keep_held.before
            and h.before > keep_held.since);
begin
    if tests is not null then
        execute format('insert into tap25_internal.held (%1$s, hold_ids) select %1$s, ids from (
                select e.*, array_remove(array[%2$s], null) as ids from %3$s e where %4$s) e
            where ids <> ''{}''', columns, tests, source, filter);
        get diagnostics n = row_count;
    end if;
    return n;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.kept_from()
 RETURNS date
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select (((clock_timestamp() at time zone 'UTC')::date - r.kept)::date) from tap25.retentions r order by r.id desc limit 1
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.lacks_partition(which date[])
 RETURNS boolean
 LANGUAGE sql
BEGIN ATOMIC
 SELECT (EXISTS ( SELECT
            FROM unnest(lacks_partition.which) d(d)
           WHERE (((d.d >= '1990-01-01'::date) AND (d.d <= (((now() AT TIME ZONE 'UTC'::text))::date + 2))) AND (NOT tap25_internal.has_partition(d.d))))) AS "exists";
END;

CREATE OR REPLACE FUNCTION tap25_internal.leaf(c tap25.coverage)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select sha256(decode('000019', 'hex') || string_agg(coalesce(int4send(octet_length(f)) || f, decode('ffffffff', 'hex')), '' order by n))
    from unnest(array[timestamptz_send(c.since), timestamptz_send(c.before), convert_to(c.sensor, 'UTF8'), convert_to(c.program, 'UTF8'),
        array_send(c.interfaces), convert_to(c.scope, 'UTF8'), convert_to(c.version, 'UTF8'), boolsend(c.started), boolsend(c.stopped),
        boolsend(c.clock_synchronised), interval_send(c.clock_offset), interval_send(c.clock_error), int8send(c.frames_seen),
        int8send(c.frames_read), int8send(c.ring_full), int8send(c.undecoded), int8send(c.fragments_lost), int8send(c.holes_given_up),
        int8send(c.octets_lost), int8send(c.sessions), int8send(c.sessions_encrypted), int8send(c.sessions_cut), int8send(c.rows),
        int8send(c.rows_lost), int8send(c.nic_dropped)]) with ordinality u (f, n) $function$;

CREATE OR REPLACE FUNCTION tap25_internal.leaf(e tap25_internal.envelopes)
 RETURNS bytea
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select sha256(decode('00001e', 'hex') || string_agg(coalesce(int4send(octet_length(f)) || f, decode('ffffffff', 'hex')), '' order by n))
    from unnest(array[timestamptz_send(e.seen_at), int8send(e.session_id), int8send(e.message_bytes), int8send(e.declared_size),
        int8send(e.lost_bytes), int4send(e.mail_no), int2send(e.client_port), int2send(e.server_port), int2send(e.outcome),
        int2send(e.mail_code), int2send(e.rcpt_code), int2send(e.data_code), int2send(e.flags), boolsend(e.auth),
        inet_send(e.client_ip), inet_send(e.server_ip), convert_to(e.sensor, 'UTF8'), convert_to(e.mail_from, 'UTF8'),
        convert_to(e.rcpt_to, 'UTF8'), convert_to(e.helo, 'UTF8'), convert_to(e.queue_id, 'UTF8'), e.mail_from_raw, e.rcpt_to_raw,
        convert_to(e.envid, 'UTF8'), convert_to(e.orcpt, 'UTF8'), convert_to(e.tls_server_name, 'UTF8'), inet_send(e.origin_ip),
        convert_to(e.network, 'UTF8'), int2send(e.origin_port), int2send(e.origin_by)]) with ordinality u (f, n) $function$;

CREATE OR REPLACE FUNCTION tap25_internal.leaf_of(prefix text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select format('tap25_internal.leaf(row(%s)::tap25_internal.envelopes)',
        tap25_internal.row_columns(prefix)
            || case when tap25_internal.is_distributed() then ', ' || prefix || 'entered' else '' end)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.leave_regions()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    connection text;
begin
    if not tap25_internal.has_dblink() then
        return;
    end if;
    foreach connection in array coalesce(tap25_dblink.dblink_get_connections(), '{}') loop
        if starts_with(connection, 'tap25_region_') then
            perform tap25_dblink.dblink_disconnect(connection);
        end if;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.leaves_query(source text, condition text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select format('select (t.seen_at at time zone ''UTC'')::date, %s from tap25_internal.%I t where %s',
        tap25_internal.leaf_of('t.'), source, condition)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.let_roles_connect()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare r name;
begin
    if (select pg_has_role(datdba, 'usage') from pg_database where datname = current_database()) then
        for r in select rolname from pg_roles where rolname in ('tap25_sensor', 'tap25_auditor', 'tap25_approver', 'tap25_admin') loop
            execute format('grant connect on database %I to %I', current_database(), r);
        end loop;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.limit_statistics(target regclass, most integer, others name[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    execute (select format('alter table %s ', target)
            || string_agg(format('alter column %I set statistics %s', attname, most), ', ')
        from pg_attribute where attrelid = target and attnum > 0 and not attisdropped and attname <> all (others));
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.load_column()
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select case when tap25_internal.is_distributed() then 'entered' else 'xmin' end
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.local_part(address text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN lower(CASE WHEN (POSITION(('@'::text) IN (address)) > 0) THEN "left"(address, ('-1'::integer - length(split_part(address, '@'::text, '-1'::integer)))) ELSE address END);

CREATE OR REPLACE FUNCTION tap25_internal.lock_chain(of_sensor text, its_key bytea)
 RETURNS TABLE(database uuid, number bigint, hash bytea, before_key bytea, before_number bigint, before_hash bytea, kinds smallint[], days date[], rows bigint[])
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    its_fingerprint constant bytea := sha256(decode('302a300506032b6570032100', 'hex') || its_key);
    which integer;
begin
    perform tap25_internal.claim_chain(of_sensor);
    if not exists (select from tap25.keys k where k.fingerprint = its_fingerprint) then
        insert into tap25.keys (fingerprint, public_key) values (its_fingerprint, its_key) on conflict do nothing;
    end if;
    select k.id into strict which from tap25.keys k where k.fingerprint = its_fingerprint;
    insert into tap25_internal.chains as c (sensor, key, number, hash) values (of_sensor, which, 0, '') on conflict do nothing;
    select e.database, c.number, c.hash into database, number, hash from tap25_internal.chains c, tap25_internal.evidence e
    where c.sensor = of_sensor and c.key = which for update of c;
    if number = 0 then
        select k.fingerprint, c.number, c.hash into before_key, before_number, before_hash
        from tap25_internal.chains c join tap25.keys k on k.id = c.key
        where c.sensor = of_sensor and c.key <> which and c.number > 0
        order by (select max(l.id) from tap25.links l where l.sensor = c.sensor and l.key = c.key) desc limit 1;
        if before_key is null then
            select array_agg(b.kind order by b.kind, b.day), array_agg(b.day order by b.kind, b.day), array_agg(b.rows order by b.kind, b.day)
            into kinds, days, rows from tap25_internal.before_evidence b where b.sensor = of_sensor;
        end if;
    end if;
    return next;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.lock_day(day date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if not tap25_internal.has_partition(day) then
        return false;
    end if;
    execute format('lock table tap25_internal.%I in row exclusive mode', tap25_internal.partition_name(day));
    return true;
exception when undefined_table then -- dropped meanwhile
    return false;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.log_refusal(number bigint, why text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET client_min_messages TO 'warning'
AS $function$ begin raise log 'tap25: access % is refused: %', number, why; end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mail_about(kind text, value text, condition text, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    question constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ';
    first  constant timestamptz := coalesce(since, '-infinity');
    behind constant timestamptz := coalesce(before, 'infinity');
    d      date;
begin
    perform tap25_internal.check_may_ask();
    foreach d in array array(select tap25_internal.days_with(kind, value, first, behind)) loop
        return query execute format(question, 'mail_days')
            || replace(condition, '{bucket}', 'tap25_internal.' || tap25_internal.day_bucket(d))
            using value, greatest(first, d::timestamp at time zone 'UTC'),
                least(behind, (d + 1)::timestamp at time zone 'UTC');
    end loop;
    return query select * from tap25_internal.packed_about(kind, value,
        replace(condition, '{bucket}', 'tap25_internal.bucket'), first, behind);
    return query execute format(question, 'mail_aside') || replace(condition, '{bucket}', 'tap25_internal.bucket')
        using value, first, behind;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mail_concerning(mailbox text, domain text, network inet, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
begin
    if mailbox is not null then
        return query select * from tap25.mail_from(mailbox, since, before)
            union all select * from tap25.mail_to(mailbox, since, before) m where lower(m.mail_from) is distinct from lower(mailbox);
    elsif domain is not null then
        return query select * from tap25.mail_from_domain(domain, since, before)
            union all select * from tap25.mail_to_domain(domain, since, before) m where tap25_internal.domain_of(m.mail_from) is distinct from lower(domain);
    else
        return query select * from tap25.mail_client(network, since, before)
            union all select * from tap25.mail_server(network, since, before) m where not (m.client_ip <<= network or coalesce(m.origin_ip <<= network, false));
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mail_of_party(party text, sent boolean, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_variable
begin
    if tap25_internal.is_mailbox(party) then
        if sent then
            return query select * from tap25.mail_from(party, since, before);
        else
            return query select * from tap25.mail_to(party, since, before);
        end if;
    elsif left(party, 1) = '.' then
        return query select * from tap25_internal.mail_read(case when sent then 'from_below' else 'to_below' end, party,
            since, before);
    elsif coalesce(position('.' in party), 0) = 0 then
        raise 'a party is a mailbox or a domain; a domain with a dot before it is meant with its subdomains'
            using errcode = 'invalid_parameter_value',
            hint = 'A domain of one label is written with the dot, such as .localhost; a local part is for '
                || 'mail_local_part().';
    elsif sent then
        return query select * from tap25.mail_from_domain(party, since, before);
    else
        return query select * from tap25.mail_to_domain(party, since, before);
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mail_of_regions(first text, rows text, writes boolean, login name, patience interval, most integer)
 RETURNS SETOF tap25.mail_national
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
#variable_conflict use_variable
declare
    own   constant text := (select v.version from tap25_internal.tap25_schema_version v);
    its   record;
    shown tap25.mail_national[];
    line  tap25.mail_national;
begin
    if coalesce(most not between 1 and 1000000, true) then
        raise 'a region shows 1 to 1,000,000 rows' using errcode = 'invalid_parameter_value';
    end if;
    for its in select * from tap25_internal.ask_regions(first,
        format('select pg_catalog.row_to_json(m)::text from (select * from %s m order by m.seen_at limit %s) m', rows,
            most + 1), writes, login, patience)
    loop
        line := null;
        line.region := its.region;
        line.answer := 'no answer';
        line.note := its.failure;
        if writes and line.note is null and position(' ' in its.head) = 0 then
            line.note := 'every warrant of the case has ended there';
        end if;
        if line.note is null then
            begin
                shown := array(select jsonb_populate_record(null::tap25.mail_national, coalesce(u.t, '')::jsonb
                    || jsonb_build_object('region', its.region, 'answer', 'row', 'note', null))
                        from unnest(its.answers[:most]) u (t));
                line.answer := case when cardinality(its.answers) > most then 'cut' else 'whole' end;
                line.note := cardinality(shown) || case cardinality(shown) when 1 then ' row' else ' rows' end;
                if split_part(its.head, ' ', 1) <> own then
                    line.note := format('%s; schema version %s, here %s', line.note,
                        substring(its.head from '^[0-9]{1,9}'), own);
                end if;
                return query select * from unnest(shown);
            exception when others then
                line.note := 'what it sent is no row of mail';
            end;
        end if;
        return next line;
    end loop;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mail_read(kind text, value text, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    wanted    constant text := lower(value);
    condition constant text := format('tap25_internal.address_is(%s, %L, $1)',
        case when kind ~ '^from_' then 'mail_from' else 'rcpt_to' end, kind);
    question  constant text := 'select * from tap25_internal.%s where seen_at >= $2 and seen_at < $3 and ' || condition;
begin
    return query execute format(question, 'mail_days') using wanted, since, before;
    return query select * from tap25_internal.packed_about(kind, wanted, condition, since, before);
    return query execute format(question, 'mail_aside') using wanted, since, before;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.make_arrivals()
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET client_min_messages TO 'warning'
AS $function$
declare
    owner constant oid := (select c.relowner from pg_class c where c.oid = 'tap25_internal.envelopes'::regclass);
    t     record;
    c     record;
begin
    -- Waits for 'tap25 db distribute', which then waits for the load.
    lock table tap25_internal.distribution in row share mode;
    if not tap25_internal.is_distributed() then
        return false;
    end if;
    for t in select * from (values ('arrivals', 'envelopes', 'count_rows'),
        ('arrivals_aside', 'misdated', 'check_misdated')) t (name, target, check_) loop
        select r.relowner, r.relkind into c from pg_class r where r.relname = t.name
            and r.relnamespace = pg_my_temp_schema();
        if c.relowner is null then
            execute format('create temporary table %I (like tap25_internal.%I including defaults including constraints)
                on commit delete rows', t.name, t.target);
            execute format('alter table pg_temp.%I drop column entered', t.name);
            execute format('create trigger %2$I after insert on pg_temp.%1$I
                referencing new table as added for each statement
                execute function tap25_internal.%2$I()', t.name, t.check_);
            execute format('alter table pg_temp.%I enable always trigger %I', t.name, t.check_);
            execute format('grant insert on pg_temp.%I to %I', t.name, session_user);
        elsif c.relowner <> owner or c.relkind <> 'r' then
            raise 'the temporary relation % is not a table as tap25 makes it', t.name
                using errcode = 'insufficient_privilege';
        end if;
    end loop;
    return true;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.make_partition(day date)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET default_tablespace TO ''
 SET default_table_access_method TO 'heap'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.make_partitions(which date[])
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if tap25_internal.lacks_partition(which) then
        perform tap25_internal.bound_waits();
        lock table tap25_internal.making_partitions in exclusive mode;
        perform tap25_internal.ensure_partition(d) from unnest(which) d;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.make_partitions_ahead(n integer)
 RETURNS integer
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    today date := (now() at time zone 'UTC')::date;
    made  int := 0;
    d     date;
begin
    if n is null or n not between 0 and 31 then
        raise 'partitions ahead: % days, want 0 to 31', n;
    end if;
    if not exists (select from generate_series(0, n) i where not tap25_internal.has_partition(today + i)) then
        return 0;
    end if;
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    for d in select today + i from generate_series(0, n) i loop
        if not tap25_internal.has_partition(d) then
            perform tap25_internal.make_partition(d);
            made := made + 1;
        end if;
    end loop;
    return made;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.make_prints(day date)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET default_tablespace TO ''
 SET default_table_access_method TO 'heap'
AS $function$
declare
    name constant text := tap25_internal.prints_name(day);
begin
    execute format('create table tap25_internal.%I (like tap25_internal.prints)', name);
    execute format('alter table tap25_internal.prints attach partition tap25_internal.%I for values in (%L)', name, day);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.mark_dropped_loads()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    oldest  constant date := coalesce((select min(p.day) from tap25_internal.partitions() p), 'infinity');
    sensors text[];
    days    date[];
    n       bigint;
begin
    delete from tap25_internal.loads l where l.dropped_at < now() - interval '30 days';
    if not exists (select from tap25_internal.loads l where l.dropped_at is null and l.last_day is not null
        and l.last_day < oldest) then
        return 0;
    end if;
    select array_agg(a.sensor), array_agg(a.day) into sensors, days from (
        select h.sensor, (h.seen_at at time zone 'UTC')::date as day from tap25_internal.held h
        union select m.sensor, (m.seen_at at time zone 'UTC')::date from tap25_internal.misdated m) a;
    with files as (
        select l.sensor, left(l.segment, 71) as file, min(l.first_day) as since, max(l.last_day) as until
        from tap25_internal.loads l where l.segment ~ '^(replay|follow|import)-' group by l.sensor, left(l.segment, 71)
        having bool_and(coalesce(l.last_day < oldest, false))
    ), gone as (
        select f.sensor, f.file from files f
        where not exists (select from unnest(sensors, days) a (sensor, day)
            where a.sensor = f.sensor and a.day between f.since and f.until)
    )
    update tap25_internal.loads l set dropped_at = now() from gone g
    where l.sensor = g.sensor and left(l.segment, 71) = g.file and l.dropped_at is null;
    get diagnostics n = row_count;
    return n;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.max_partitions()
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE
RETURN 1100;

CREATE OR REPLACE FUNCTION tap25_internal.may_read(auditor name, valid_until timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$ select valid_until > clock_timestamp() and (auditor = session_user or
   exists (select from pg_roles r where r.rolname = auditor and pg_has_role(session_user, r.oid, 'member'))) $function$;

CREATE OR REPLACE FUNCTION tap25_internal.misdated_leaves(loaded_before timestamp with time zone)
 RETURNS TABLE(day date, leaf bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    lock table tap25.holds in share row exclusive mode; -- as expire_misdated, which comes next
    return query execute tap25_internal.leaves_query('misdated', 't.loaded_at < $1') using loaded_before;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.my_cases()
 RETURNS TABLE(case_id text, target text, since timestamp with time zone, before timestamp with time zone, valid_until timestamp with time zone, state text, open_until timestamp with time zone, warrant_id bigint)
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select distinct w.case_id, tap25_internal.target_text(w.mailbox, w.domain, w.network, w.seen_in), w.since, w.before, w.valid_until, w.state,
        case when w.state = 'valid' then (select max(a.at) + interval '12 hours' from tap25.accesses a where a.case_id = w.case_id
            and a.auditor = session_user and a.action = 'open' and a.at > clock_timestamp() - interval '12 hours') end, w.id
    from tap25.warrants w where tap25_internal.may_read(w.auditor, 'infinity')
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.my_sensor()
 RETURNS text
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare mine text;
begin
    select s.sensor into mine from tap25_internal.sensors s where s.login = session_user and s.until is null;
    if mine is null then
        raise 'the login % is no sensor yet: rows are loaded behind begin_load', quote_ident(session_user) using errcode = 'insufficient_privilege';
    end if;
    return mine;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal."national"(question text, arguments text[], since timestamp with time zone, before timestamp with time zone, patience interval, most integer)
 RETURNS SETOF tap25.mail_national
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    perform tap25_internal.check_may_ask();
    return query select * from tap25_internal.mail_of_regions('select version from tap25_internal.tap25_schema_version',
        format('tap25.%I(%s, %L, %L)', question, (select string_agg(quote_nullable(u.a), ', ' order by u.n)
            from unnest(arguments) with ordinality u (a, n)),
            since, before), false, null, patience, most);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.note_application()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    insert into tap25.warrant_events (warrant_id, action) values (new.id, 'applied');
    return null;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.once_query(source text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    with mail as (
        select string_agg(quote_ident(a.attname), ', ' order by a.attnum) as columns,
               string_agg(format('min(%1$I) over burst is not distinct from max(%1$I) over burst', a.attname), ' and ' order by a.attnum)
                   filter (where a.attname in ('mail_from', 'mail_code', 'rcpt_code', 'data_code', 'message_bytes', 'declared_size', 'envid', 'orcpt')) as agree
        from pg_attribute a where a.attrelid = 'tap25.mail'::regclass and a.attnum > 0 and not a.attisdropped
    )
    select format($query$
select %1$s, case copies when 1 then array[sensor] else array(select unnest(sensors) order by 1) end as sensors, copies
from (
    select *, array_agg(sensor) over copy as sensors, count(*) over copy as copies,
           row_number() over (copy order by cardinality(flags) nulls first, lost_bytes, outcome = 'unknown', num_nulls(%1$s), seen_at, sensor) as turn
    from (
        select *, row_number() over (partition by %3$s, key, sensor order by seen_at, rcpt_code, outcome, data_code) as nth
        from (
            select *, case when queue is not null
                                and min(mail_no) filter (where exact) over queue is not distinct from max(mail_no) filter (where exact) over queue
                                and min(mail_from) over queue is not distinct from max(mail_from) over queue
                                and min(message_bytes) over queue is not distinct from max(message_bytes) over queue
                                and max(seen_at) over queue - min(seen_at) over queue <= interval '1 hour' then 'queue ' || queue
                           when number is not null then 'number ' || number
                           when agreed then concat('burst ', burst, ' ', network)
                           else concat_ws(' ', 'row', session_id, mail_no, sensor) end as key
            from (
                select *, case when agreed then coalesce(name, min(name) over burst) else name end as queue,
                       case when exact then own when agreed then min(own) filter (where exact) over burst end as number
                from (
                    select *, count(*) over burst > 1 and max(at_sensor) over burst = 1 and %4$s
                              and bool_and(num_nulls(mail_from, rcpt_to) = 0 or outcome = 'encrypted') over burst
                              and min(name) over burst is not distinct from max(name) over burst
                              and min(own) filter (where exact) over burst is not distinct from max(own) filter (where exact) over burst
                              and min(outcome) filter (where outcome <> 'unknown') over burst is not distinct from
                                  max(outcome) filter (where outcome <> 'unknown') over burst as agreed
                    from (
                        select *, row_number() over (partition by %3$s, network, burst, sensor) as at_sensor,
                               coalesce(queue_id, case when exact then min(queue_id) over (partition by %3$s, own, exact) end) as name
                        from (
                            select *, count(*) filter (where begins) over (partition by %3$s, network order by seen_at) as burst
                            from (
                                select *, lost_bytes = 0 and (flags is null or not flags && '{midstream,one-sided,gap,conflict,truncated}') as exact,
                                       concat_ws(' ', session_id, mail_no) as own,
                                       seen_at - lag(seen_at) over (partition by %3$s, network order by seen_at) > interval '1 second' as begins
                                from (%2$s) as source
                            ) as source
                        ) as source
                    ) as source
                    window burst as (partition by %3$s, network, burst)
                ) as source
                window burst as (partition by %3$s, network, burst)
            ) as source
            window queue as (partition by %3$s, queue)
        ) as source
    ) as source
    window copy as (partition by %3$s, key, nth)
) as source
where turn = 1$query$, m.columns, source, 'client_ip, client_port, server_ip, server_port, rcpt_to', m.agree) from mail m
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.open_partition(partition regclass)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if tap25_internal.is_distributed() then
        return;
    end if;
    execute format('create trigger count_day after insert on %s referencing new table as added for each statement
        execute function tap25_internal.count_day()', partition);
    execute format('alter table %s enable always trigger count_day', partition);
    if exists (select from pg_roles where rolname = 'tap25_sensor') then
        execute format('grant insert on %s to tap25_sensor', partition);
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.outcomes()
 RETURNS tap25.outcome[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN enum_range(NULL::tap25.outcome);

CREATE OR REPLACE FUNCTION tap25_internal.pack_block(partition regclass, target regclass, which date, number integer, since timestamp with time zone, first tid, before timestamp with time zone, next tid, link_ids bigint[], link_sensors text[], link_xids xid[])
 RETURNS integer
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET work_mem TO '16MB'
 SET enable_seqscan TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_nestloop TO 'off'
 SET max_parallel_workers_per_gather TO '0'
AS $function$
declare
    packed integer;
begin
    execute format('with ' || concat_ws(', ', tap25_internal.packing_rows(), tap25_internal.packing_addresses(),
            tap25_internal.packing_kinds(), tap25_internal.packing_sessions(), tap25_internal.packing_peers(),
            tap25_internal.packing_queues(), tap25_internal.packing_mails())
        || ' insert into %2$s' || tap25_internal.packing_block() || ' returning rows', partition, target)
        into packed using which, number, since, first, before, next, link_ids, link_sensors, link_xids;
    return packed;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.pack_coverage(which date, of_sensor text)
 RETURNS TABLE(what text, id bigint, xid bigint, octets bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
#variable_conflict use_column
begin
    if tap25_internal.packing_chain(of_sensor) is null or which >= now()::date then
        raise 'only coverage of one''s own, of days that are over, is packed' using errcode = 'insufficient_privilege';
    end if;
    begin
        lock table tap25_internal.making_summaries in exclusive mode nowait;
    exception when lock_not_available then
        return;
    end;
    perform set_config('tap25.packing', 'on', true);
    return query
    with taken as (
        delete from tap25.coverage c where c.sensor = of_sensor and c.since >= which and c.since < which + 1
        returning c.*, c.xmin::text::bigint as was_xid, tap25_internal.leaf(c) as was_leaf
    ), lossy as (
        select t.*, greatest(t.ring_full, t.undecoded, t.fragments_lost, t.holes_given_up, t.octets_lost, t.sessions_cut, t.rows_lost,
            t.nic_dropped) > 0 as lossy, date_trunc('hour', t.since) as hour
        from taken t
    ), alike as (
        select l.*, jsonb_build_array(l.interfaces, l.scope, l.version, l.clock_synchronised, l.nic_dropped is null, l.lossy,
            case when l.lossy then l.hour end)::text as kind
        from lossy l
    ), headed as (
        select a.*, a.started or a.before > which + 1 or (a.lossy and a.before > a.hour + interval '1 hour')
            or lag(a.before) over w is distinct from a.since or lag(a.kind) over w <> a.kind as head
        from alike a window w as (partition by a.sensor, a.program order by a.since, a.before, a.loaded_at)
    ), numbered as (
        select h.*, count(*) filter (where h.head) over (partition by h.sensor, h.program order by h.since, h.before, h.loaded_at
            rows unbounded preceding) as part
        from headed h
    ), entered as (
        insert into tap25.coverage as e
        select min(p.since), max(p.before), p.sensor, p.program, min(p.interfaces), min(p.scope), min(p.version), bool_or(p.started),
            bool_or(p.stopped), bool_and(p.clock_synchronised),
            (array_agg(p.clock_offset order by greatest(p.clock_offset, -p.clock_offset) desc nulls last))[1], max(p.clock_error),
            sum(p.frames_seen), sum(p.frames_read), sum(p.ring_full), sum(p.undecoded), sum(p.fragments_lost), sum(p.holes_given_up),
            sum(p.octets_lost), sum(p.sessions), sum(p.sessions_encrypted), sum(p.sessions_cut), sum(p.rows), sum(p.rows_lost),
            sum(p.nic_dropped), sum(p.records), true, max(p.loaded_at)
        from numbered p group by p.sensor, p.program, p.part
        returning tap25_internal.leaf(e) as its_leaf
    )
    select case when t.packed then 'longer before' else 'minute' end, null::bigint, t.was_xid, t.was_leaf from taken t
    union all select 'longer', null, null, e.its_leaf from entered e
    union all select 'link', l.id, l.xid::text::bigint, l.body from tap25.links l
    where daterange(l.first_day, l.last_day, '[]') @> which
      and (l.sensor = of_sensor or l.sensor = '' and l.segment = of_sensor)
      and (position(decode('04', 'hex') || int4send(which - date '1970-01-01') in l.body) > 0
           or position(decode('05', 'hex') || int4send(which - date '1970-01-01') in l.body) > 0)
    order by 2;
    perform set_config('tap25.packing', 'off', true);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.pack_day(which date)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise 'a day is packed in a transaction that is read committed' using errcode = 'invalid_transaction_state';
    end if;
    begin
        lock table tap25_internal.making_blocks in exclusive mode nowait;
    exception when lock_not_available then
        return null;
    end;
    if not exists (select from tap25_internal.days_to_pack('0', '0') d where d.day = which) then
        return null;
    end if;
    -- Until the transaction ends, nobody can read the view mail.
    perform set_config('idle_in_transaction_session_timeout', '10s', true);
    begin
        perform set_config('default_toast_compression', 'lz4', true);
    exception when invalid_parameter_value then -- this server has pglz alone
    end;
    return tap25_internal.pack_rows(which, 8000, 4 << 20);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.pack_rows(which date, most integer, octets integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET work_mem TO '6MB'
 SET max_parallel_workers_per_gather TO '0'
 SET jit TO 'off'
AS $function$
declare
    partition constant regclass := 'tap25_internal.' || tap25_internal.partition_name(which);
    name      constant text := tap25_internal.blocks_name(which);
    again     constant boolean := tap25_internal.is_packed(which);
    links     record;
    lost      boolean;
    times     timestamptz[]; -- where each block begins
    rows      tid[];
    start     integer := 1;
    packed    bigint := 0;
begin
    select array_agg(l.id order by l.id) as ids, array_agg(l.sensor order by l.id) as sensors,
        array_agg(l.xid order by l.id) as xids into links
    from tap25.links l where daterange(l.first_day, l.last_day, '[]') @> which and l.xid is not null
        and l.xmin is distinct from tap25_internal.restored_links();
    -- After a restore from a dump only the order of the rows shows which link is theirs, and blocks do not have it.
    if exists (select from tap25.links l where daterange(l.first_day, l.last_day, '[]') @> which and l.xid is not null
            and l.xmin = tap25_internal.restored_links()) then
        execute format('select exists (select from %s e where not exists (select from unnest($1, $2) l (sensor, xid)
            where l.sensor = e.sensor and l.xid = e.xmin))', partition) into lost using links.sensors, links.xids;
        if lost then
            return null;
        end if;
    end if;
    if again then
        execute format('select coalesce(max(number), 0) + 1 from tap25_internal.%I', name) into start;
    else
        execute format('create table tap25_internal.%I
            (like tap25_internal.blocks including defaults including constraints)
            with (toast_tuple_target = 8160)', name);
        perform tap25_internal.skip_arrays(('tap25_internal.' || quote_ident(name))::regclass);
    end if;
    select s.times, s.rows into times, rows from tap25_internal.block_starts(partition, most, octets) s;
    for n in 1..coalesce(cardinality(times), 0) loop
        packed := packed + tap25_internal.pack_block(partition, ('tap25_internal.' || quote_ident(name))::regclass,
            which, start + n - 1, times[n], rows[n], coalesce(times[n + 1], 'infinity'),
            coalesce(rows[n + 1], '(4294967295,65535)'), links.ids, links.sensors, links.xids);
    end loop;
    if packed = 0 then
        raise 'the day % has no rows, but % were counted', which,
            (select sum(d.rows) from tap25_internal.days d where d.day = which);
    end if;
    if not again then
        execute format('alter table tap25_internal.%I add primary key (day, number)', name);
    end if;
    if start + cardinality(times) > 1000 then -- fewer lines are read as quickly without an index
        execute format('create index if not exists %I on tap25_internal.%I (day, last_at, first_at)',
            name || '_times', name);
    end if;
    perform tap25_internal.index_blocks(which, ('tap25_internal.' || quote_ident(name))::regclass, start,
        cardinality(times), packed);
    perform tap25_internal.change_to_blocks(which, again, packed);
    return packed;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packed_about(kind text, value text, condition text, since timestamp with time zone, before timestamp with time zone)
 RETURNS SETOF tap25.mail
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    question text;
    hash     constant bigint := case when kind !~ '_(local|below)$' then tap25_internal.print_hash(kind, value) end;
    network  inet;
    found_   tap25_internal.envelopes[] := '{}';
    p        record;
    b        tap25_internal.blocks;
begin
    if kind in ('client', 'server') then
        network := coalesce(value, substring(condition from '''([^'']*)''::inet'))::inet;
    end if;
    for p in select d.day, d.blocks from tap25_internal.blocks_with(hash, (since at time zone 'UTC')::date,
        (before at time zone 'UTC')::date) d
    loop
        -- Only after a day was found: as_mail locks envelopes, and that lock keeps every day from being dropped.
        question := 'select * from (' || tap25_internal.as_mail('select * from unnest($4)')
            || ') m where seen_at >= $2 and seen_at < $3 and ' || condition;
        -- A variable leaves the arrays of a block in TOAST until they are used. A query that calls unpack copies them
        -- all.
        for b in execute format('select * from tap25_internal.%I where last_at >= $1 and first_at < $2
                and ($3 is null or number = any ($3)) order by number', tap25_internal.blocks_name(p.day))
            using since, before, p.blocks
        loop
            found_ := found_ || array(select u.e from tap25_internal.unpack(b, kind, value, network) u);
            if cardinality(found_) > 1000 then
                return query execute question using value, since, before, found_;
                found_ := '{}';
            end if;
        end loop;
    end loop;
    if cardinality(found_) > 0 then
        return query execute question using value, since, before, found_;
    end if;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packed_rows(which date)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN format('(select (p.e).* from tap25_internal.blocks k cross join lateral tap25_internal.unpack(k) p
    where k.day = %L)'::text, which);

CREATE OR REPLACE FUNCTION tap25_internal.packing_addresses()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
named as (
    select v, split_part(v, '@', -1) as domain, v <> lower(v) as mixed,
        strpos(v, chr(9)) > 0 or strpos(v, chr(10)) > 0 as odd
    from (select distinct mail_from as v from r where head and mail_from is not null
          union select distinct rcpt_to from r where rcpt_to is not null) u
), parted as (
    select n.*, domain <> '' and length(domain) < length(v) as whole from named n
), numbered as materialized (
    select v, mixed, odd, case when whole then domain else '' end as domain,
        case when whole then left(v, -1 - length(domain)) else v end as local,
        row_number() over (order by (case when odd then '2' when mixed then '1' else '0' end
            || case when whole then domain else '' end) collate "C", v collate "C")::integer as i
    from parted
), chunks as (
    select (i - 1) / 64 as chunk, domain, domain || chr(9) || string_agg(local, chr(9) order by i) as names, min(i) as i
    from numbered where not odd group by 1, mixed, domain
), joined as (
    select chunk, string_agg(names, chr(10) order by i) as names from chunks group by chunk
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_block()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
select $1, $2, r.rows, $3, r.last_at,
    case when r.more > 0 then r.heads end, r.rcpt, case when k.kinds > 1 then r.kind end,
    case when r.raws > 0 then r.rcpt_to_raw end, case when r.orcpts > 0 then r.orcpt end,
    case when m.span <= 2147483647 then m.at::integer[] end, case when m.span > 2147483647 then m.at end,
    case when m.back is not null then m.fresh end, m.back, m.sender,
    case when m.largest <= 2147483647 then m.size::integer[] end, case when m.largest > 2147483647 then m.size end,
    case when d.narrow then m.declared::integer[] end, case when not d.narrow then m.declared_long end,
    case when cardinality(l.links) > 1 then m.link end,
    case when m.raws > 0 then m.mail_from_raw end, case when m.envids > 0 then m.envid end,
    s.session_id, s.client_port, case when s.origins > 0 then s.origin_port end, s.peer, s.server,
    p.client_ip, p.helo, case when p.tls > 0 then p.tls_server_name end, case when p.origins > 0 then p.origin_ip end,
    v.server_ip, v.server_port, v.sensor, case when v.networks > 0 then v.network end, v.auth,
    case when v.origins > 0 then v.origin_by end,
    k.mail_no, k.outcome, k.mail_code, k.rcpt_code, k.data_code, k.flags, case when k.lossy > 0 then k.lost_bytes end,
    l.links, (select array_agg(translate(m.queue, chr(48 + i) || f.all_forms,
            rpad('1', length(f.all_forms) + 1, '0'))::varbit order by i)
        from generate_series(1, cardinality(q.queue_kind)) i,
        (select string_agg(chr(48 + i), '') as all_forms from generate_series(0, cardinality(q.queue_kind)) i) f),
    q.queue_kind, q.queue_length, q.queue_prefix, q.queue_octets, q.queue_text,
    (select array_agg(names order by chunk) from joined),
    (select coalesce(min((i - 1) / 64 + 1) filter (where mixed), 1000000) from numbered where not odd),
    (select array_agg(v order by i) from numbered where odd)
from row_lists r, mail_lists m, session_lists s, peer_lists p, server_lists v, kind_lists k, queue_lists q,
    (select array_agg(link order by i) as links from linkings) l,
    lateral (select coalesce(m.least > -2147483648 and m.most <= 2147483647, true) as narrow) d$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_chain(of_sensor text)
 RETURNS text
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select case when has_function_privilege(session_user, 'tap25_internal.expire_day(date, text)', 'execute') then ''
        when exists (select from tap25_internal.sensors s where s.login = session_user and s.until is null and s.sensor = of_sensor)
        then of_sensor end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_kinds()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
kinds as materialized (
    select row_number() over (order by mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes)::smallint
        as kind, k.*
    from (select distinct mail_no, outcome, mail_code, rcpt_code, data_code, flags, lost_bytes from r) k
), kind_lists as (
    select array_agg(mail_no order by kind) as mail_no, array_agg(outcome order by kind) as outcome,
        array_agg(mail_code order by kind) as mail_code, array_agg(rcpt_code order by kind) as rcpt_code,
        array_agg(data_code order by kind) as data_code, array_agg(flags order by kind) as flags,
        array_agg(lost_bytes order by kind) as lost_bytes, count(lost_bytes) as lossy, count(*) as kinds
    from kinds
), row_lists as (
    select count(*)::integer as rows, string_agg(head, '')::varbit as heads, count(*) filter (where head = '0') as more,
        array_agg(rcpt) as rcpt, array_agg(kind) as kind, array_agg(rcpt_to_raw) as rcpt_to_raw,
        count(rcpt_to_raw) as raws, array_agg(orcpt) as orcpt, count(orcpt) as orcpts, max(seen_at) as last_at
    from (select case when r.head then '1' else '0' end as head, coalesce(a.i, 0)::smallint as rcpt, k.kind,
              r.rcpt_to_raw, r.orcpt, r.seen_at
          from r join kinds k on k.mail_no = r.mail_no and k.outcome = r.outcome and k.flags = r.flags
              and coalesce(k.mail_code, -32769) = coalesce(r.mail_code, -32769)
              and coalesce(k.rcpt_code, -32769) = coalesce(r.rcpt_code, -32769)
              and coalesce(k.data_code, -32769) = coalesce(r.data_code, -32769)
              and coalesce(k.lost_bytes, -1) = coalesce(r.lost_bytes, -1)
          left join numbered a on a.v = r.rcpt_to order by r.n) o
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_mails()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
linkings as materialized (
    select row_number() over (order by link)::smallint as i, link from (select distinct link from mails) l
), mail_lists as (
    select array_agg(at) as at, max(at) as span, string_agg(case when fresh then '1' else '0' end, '')::varbit as fresh,
        array_agg(back) filter (where not fresh) as back, array_agg(sender) as sender, array_agg(size) as size,
        max(size) as largest, array_agg(coalesce(declared, -2147483648)) as declared,
        array_agg(coalesce(declared, '-9223372036854775808')) as declared_long, min(declared) as least,
        max(declared) as most, string_agg(chr(48 + queue), '') as queue, array_agg(link) as link,
        array_agg(mail_from_raw) as mail_from_raw, count(mail_from_raw) as raws, array_agg(envid) as envid,
        count(envid) as envids
    from (select m.at, p.fresh, p.back, coalesce(a.i, 0)::smallint as sender, m.size, m.declared,
              coalesce(q.queue, 0) as queue, l.i as link, m.mail_from_raw, m.envid
          from mails m join placed p using (n) left join numbered a on a.v = m.mail_from
          left join named_queues q using (n) join linkings l on l.link is not distinct from m.link order by m.n) o
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_peers()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
peer_lists as (
    select array_agg(client_ip order by peer) as client_ip, array_agg(helo order by peer) as helo,
        array_agg(tls_server_name order by peer) as tls_server_name, count(tls_server_name) as tls,
        array_agg(origin_ip order by peer) as origin_ip, count(origin_ip) as origins
    from peers
), server_lists as (
    select array_agg(server_ip order by server) as server_ip, array_agg(server_port order by server) as server_port,
        array_agg(sensor order by server) as sensor, array_agg(network order by server) as network,
        count(network) as networks, array_agg(auth order by server) as auth,
        array_agg(origin_by order by server) as origin_by, count(origin_by) as origins
    from servers
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_queues()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
queued as (
    select n, queue_id, length(queue_id)::smallint as length, case when length(queue_id) > 36 then 4
        when queue_id ~ '^[0-9A-F]+$' then 1 when queue_id ~ '^[0-9A-Za-z]+$' then 2
        when queue_id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then 3
        else 4 end::smallint as form
    from mails where queue_id is not null
), forms as materialized (
    select form, length, (row_number() over (order by form, length))::smallint as queue,
        case when form < 3 then left(least, (select count(*)::integer from generate_series(1, f.length) i
            where left(least, i) = left(greatest, i))) else '' end as prefix
    from (select form, case when form = 4 then 0::smallint else length end as length,
              min(queue_id collate "C") as least, max(queue_id collate "C") as greatest from queued group by 1, 2) f
), named_queues as materialized (
    select q.n, f.queue, q.form, f.length, f.prefix, q.queue_id, substr(q.queue_id, length(f.prefix) + 1) as rest
    from queued q join forms f on f.form = q.form and f.length = case when q.form = 4 then 0 else q.length end
), octets as (
    select queue, min(form) as form, min(length) as length, min(prefix) as prefix, string_agg(case form
            when 1 then decode(rest || case when length(rest) %% 2 = 1 then '0' else '' end, 'hex')
            when 2 then decode(rpad(rest, (length(rest) + 3) / 4 * 4, '/'), 'base64')
            when 3 then uuid_send(queue_id::uuid) else '' end, '' order by n) as octets
    from named_queues group by queue
), queue_lists as (
    select array_agg(form order by queue) as queue_kind, array_agg(length order by queue) as queue_length,
        array_agg(prefix order by queue) as queue_prefix, array_agg(octets order by queue) as queue_octets,
        (select array_agg(queue_id order by n) from named_queues where form = 4) as queue_text from octets
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_rows()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
entered as materialized (
    select u.sensor, u.xid, min(u.id) as link from unnest($7, $8, $9) u (id, sensor, xid) group by u.sensor, u.xid
), r as materialized (
    select e.*, l.link, (row_number() over w)::integer as n,
        (row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo,
            client_ip, client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip,
            origin_port, origin_by, link)
        *<> lag(row(seen_at, session_id, mail_from, message_bytes, declared_size, queue_id, mail_from_raw, envid, helo,
            client_ip, client_port, server_ip, server_port, e.sensor, auth, tls_server_name, network, origin_ip,
            origin_port, origin_by, link)) over w) is not false as head
    from %1$s e left join entered l on l.sensor = e.sensor and l.xid = e.xmin
    where e.seen_at >= $3 and e.seen_at <= $5 and (e.seen_at, e.ctid) >= ($3, $4) and (e.seen_at, e.ctid) < ($5, $6)
    window w as (order by e.seen_at, e.ctid)
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.packing_sessions()
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
AS $function$ select $part$
peers as materialized (
    select row_number() over (order by client_ip, helo collate "C", tls_server_name collate "C", origin_ip)::smallint
        as peer, p.*
    from (select distinct client_ip, helo, tls_server_name, origin_ip from r where head) p
), servers as materialized (
    select row_number() over (order by server_ip, server_port, sensor collate "C", network collate "C", auth,
        origin_by)::smallint as server, v.*
    from (select distinct server_ip, server_port, sensor, network, auth, origin_by from r where head) v
), mails as materialized (
    select r.n, r.session_id, r.client_port, r.origin_port, p.peer, v.server, r.mail_from, r.queue_id, r.mail_from_raw,
        r.envid, r.link, (extract(epoch from seen_at - $3) * 1000000)::bigint as at,
        coalesce(message_bytes, -1) as size, declared_size - coalesce(message_bytes, 0) as declared
    from r join peers p on p.client_ip = r.client_ip and coalesce(p.helo, '') = coalesce(r.helo, '')
        and coalesce(p.tls_server_name, '') = coalesce(r.tls_server_name, '') and (p.helo is null) = (r.helo is null)
        and (p.tls_server_name is null) = (r.tls_server_name is null)
        and coalesce(p.origin_ip, '::') = coalesce(r.origin_ip, '::')
        and (p.origin_ip is null) = (r.origin_ip is null)
    join servers v on v.server_ip = r.server_ip and v.server_port = r.server_port and v.sensor = r.sensor
        and v.auth = r.auth and coalesce(v.network, '') = coalesce(r.network, '')
        and (v.network is null) = (r.network is null) and coalesce(v.origin_by, -1) = coalesce(r.origin_by, -1)
    where head
), marked as (
    select n, session_id, client_port, origin_port, peer, server,
        session_id is distinct from lag(session_id) over w or client_port is distinct from lag(client_port) over w
        or origin_port is distinct from lag(origin_port) over w or peer is distinct from lag(peer) over w
        or server is distinct from lag(server) over w as fresh
    from mails window w as (order by session_id, n)
), runs as materialized (
    select m.*, sum(fresh::integer) over (order by session_id, n) as run from marked m
), fresh as materialized (
    select run, row_number() over (order by n)::integer as i, session_id, client_port, origin_port, peer, server
    from runs where fresh
), session_lists as (
    select array_agg(session_id) as session_id, array_agg(client_port) as client_port,
        array_agg(origin_port) as origin_port, count(origin_port) as origins, array_agg(peer) as peer,
        array_agg(server) as server
    from (select * from fresh order by i) f
), placed as (
    select r.n, r.fresh, (max(f.i) over (order by r.n) - f.i)::smallint as back from runs r join fresh f using (run)
)$part$ $function$;

CREATE OR REPLACE FUNCTION tap25_internal.parse_target(subject text, OUT mailbox text, OUT domain text, OUT network inet, OUT seen_in text)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
    address constant text := regexp_replace(subject, ' in .*$', '');
begin
    if subject ~ '@' then
        mailbox := subject;
    elsif address ~ '[:/]' or address ~ '^[0-9.]+$' then
        begin
            network := address::inet;
        exception when invalid_text_representation then
            raise 'this is no IP address or subnet' using errcode = 'invalid_parameter_value';
        end;
        if masklen(network) = 0 then
            raise 'a subnet of all addresses is no target: a warrant names whose mail it opens' using errcode = 'invalid_parameter_value';
        end if;
        seen_in := substring(subject from ' in (.*)$');
    else
        domain := lower(subject);
    end if;
    perform tap25_internal.check_target(mailbox, domain, network, seen_in);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.part(source text, since text, before text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN format('select u.seen_at, u.e from (
        select f.seen_at, f.e from tap25_internal.%s f, (values (1)) o
        union all select null::timestamptz, null::tap25_internal.envelopes where false) u
    where u.seen_at >= %s and u.seen_at < %s'::text, source, since, before);

CREATE OR REPLACE FUNCTION tap25_internal.part_rows(since timestamp without time zone, before timestamp without time zone)
 RETURNS TABLE(seen_at timestamp with time zone, e tap25_internal.envelopes)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT x.seen_at,
     x.e
    FROM (tap25_internal.blocks k
      CROSS JOIN LATERAL ( SELECT (k.first_at + (((m.t).micros)::double precision * '00:00:00.000001'::interval)) AS seen_at,
             (p.u).e AS e,
             random() AS apart
            FROM (( SELECT tap25_internal.block_times(k.at, k.at_long) AS t) m
              LEFT JOIN LATERAL ( SELECT tap25_internal.unpack(k.*) AS u) p ON (((p.u).mail = (m.t).mail)))) x)
   WHERE ((k.day = (part_rows.since)::date) AND (k.first_at < (part_rows.before AT TIME ZONE 'UTC'::text)) AND (k.last_at >= (part_rows.since AT TIME ZONE 'UTC'::text)) AND tap25_internal.unpacks(part_rows.since, part_rows.before));
END;

CREATE OR REPLACE FUNCTION tap25_internal.partition_name(day date)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN ('envelopes_'::text || to_char((day)::timestamp without time zone, 'YYYYMMDD'::text));

CREATE OR REPLACE FUNCTION tap25_internal.partitions()
 RETURNS TABLE(day date, bytes bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select to_date(right(c.relname, 8), 'YYYYMMDD'), sum(tap25_internal.size_of(c.oid))::bigint
    from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent in ('tap25_internal.envelopes'::regclass, 'tap25_internal.blocks'::regclass)
        and c.relname ~ '^(envelopes|blocks)_[0-9]{8}$'
    group by 1
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.percent(share numeric, up boolean)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN CASE WHEN ((NOT up) AND (share > (0)::numeric) AND (share < 0.0001)) THEN 'less than 0.01 %'::text ELSE (trim_scale((CASE WHEN up THEN ceil((share * (10000)::numeric)) ELSE floor((share * (10000)::numeric)) END / (100)::numeric)) || ' %'::text) END;

CREATE OR REPLACE FUNCTION tap25_internal.place_arrivals()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET client_min_messages TO 'warning'
AS $function$
declare
    columns constant text := tap25_internal.row_columns('');
begin
    if not tap25_internal.make_arrivals() then -- checks that the session has not put tables of its own in their place
        return;
    end if;
    execute format('insert into tap25_internal.envelopes (%1$s, entered) select %1$s, xmin from pg_temp.arrivals',
        columns);
    execute format('insert into tap25_internal.misdated (%1$s, reason, entered) select %1$s, reason, xmin
        from pg_temp.arrivals_aside', columns);
    truncate pg_temp.arrivals, pg_temp.arrivals_aside;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.positions_of(list smallint[], wanted integer[])
 RETURNS integer[]
 LANGUAGE plpgsql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
    if cardinality(wanted) = 1 then
        return array_positions(list, wanted[1]::smallint);
    elsif cardinality(wanted) < 9 then
        return array(select p from unnest(wanted) w cross join lateral unnest(array_positions(list, w::smallint)) p
            order by p);
    end if;
    -- OFFSET 0: in a list of columns, and not in FROM, the server gives what unnest returns without storing it.
    return array(select l.i from (select unnest(list) as v, generate_subscripts(list, 1) as i offset 0) l
        join unnest(wanted) w on w = l.v order by l.i);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.print_hash(kind text, value text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN hashtextextended(((kind || ' '::text) || lower(value)), (25)::bigint);

CREATE OR REPLACE FUNCTION tap25_internal.print_of(hash bigint)
 RETURNS smallint
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((((hash >> 32) & (65535)::bigint))::integer - 32768))::smallint;

CREATE OR REPLACE FUNCTION tap25_internal.print_page(hash bigint, bits smallint)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN ((hash & (((1 << (bits)::integer) - 1))::bigint))::integer;

CREATE OR REPLACE FUNCTION tap25_internal.prints_name(day date)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN ('prints_'::text || to_char((day)::timestamp without time zone, 'YYYYMMDD'::text));

CREATE OR REPLACE FUNCTION tap25_internal.prune_loads(by_sensor text, older text)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare n bigint;
begin
    if tap25_internal.is_tied() and not exists (select from tap25_internal.sensors s where s.login = session_user and s.sensor = by_sensor and s.until is null) then
        return 0;
    end if;
    delete from tap25_internal.loads where sensor = by_sensor and segment ~ '^[0-9a-f]{16}-[0-9a-f]{16}$' and segment collate "C" < older collate "C"
        and loaded_at < now() - interval '30 days';
    get diagnostics n = row_count;
    return n;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.record_access(number bigint, which text, action text, warrants bigint[], purpose text DEFAULT NULL::text, rows bigint DEFAULT NULL::bigint, opening bigint DEFAULT NULL::bigint, refusal text DEFAULT NULL::text, asked bigint DEFAULT NULL::bigint, target text DEFAULT NULL::text, since timestamp with time zone DEFAULT NULL::timestamp with time zone, before timestamp with time zone DEFAULT NULL::timestamp with time zone, sha256 text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
#variable_conflict use_variable
begin
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, case_id, action, purpose, rows, opening, refusal, asked, asked_target, asked_since, asked_before, sha256,
        warrant_ids, targets, since, before) overriding system value
    select number, which, action, purpose, rows, opening, refusal, asked, target, since, before, sha256, warrants,
           (select array_agg(tap25_internal.target_text(t.mailbox, t.domain, t.network, t.seen_in) order by t.id)
            from tap25_internal.warrant_targets t where t.warrant_id = any (warrants)), min(w.since), max(w.before)
    from tap25_internal.warrants w where w.id = any (warrants);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.record_opening(os_user text, os_login text, terminal text)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET client_min_messages TO 'warning'
AS $function$
declare
    number constant bigint := nextval('tap25.accesses_id_seq');
begin
    raise log 'tap25: access %: opened as owner by user %, operating system''s user %, login %', number, to_json(session_user::text),
        to_json(left(os_user, 200)), coalesce(to_json(left(os_login, 200)), 'null');
    if current_setting('synchronous_commit') = 'off' then -- a record must not be lost by a crash after it was reported
        perform set_config('synchronous_commit', 'on', true);
    end if;
    insert into tap25.accesses (id, action, os_user, os_login, terminal) overriding system value
    values (number, 'opened as owner', left(record_opening.os_user, 200), left(record_opening.os_login, 200), left(record_opening.terminal, 200));
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.record_scope(sensor text, program text, since timestamp with time zone, rules text, version text)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    last text;
begin
    perform tap25_internal.claim_sensor(record_scope.sensor);
    last := (select s.rules from tap25.scopes s
             where s.sensor = record_scope.sensor and s.program = record_scope.program and s.since <= record_scope.since
             order by s.since desc limit 1);
    if last is not distinct from record_scope.rules then
        return false;
    end if;
    insert into tap25.scopes (sensor, program, since, rules, version)
    values (record_scope.sensor, record_scope.program, record_scope.since, record_scope.rules, record_scope.version)
    on conflict do nothing;
    return found;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.refuse()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$ begin raise '% is append-only', tg_table_name using errcode = 'insufficient_privilege'; end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.refuse_change()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    raise 'the view warrants is read-only: call apply_for_warrant(), approve_warrant(), refuse_warrant() or end_warrant()' using errcode = 'insufficient_privilege';
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.region_failure(state text, message text, detail text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select case
        when state = '08001' and detail ~ 'timeout expired' then 'no connection in time'
        when state = '08001' and detail ~ 'authentication failed|no pg_hba.conf entry|no password supplied'
            '|permission denied|is not permitted to log in'
            then 'no connection: it refuses this login'
        when state = '08001' and detail ~ 'certificate|SSL' then 'no connection: no TLS as it was asked for'
        when state = '08001' then 'no connection'
        when state ~ '^08|^57P' then 'the connection broke'
        when state = '57014' then 'not in time'
        when state = '42501' then case
            when message ~ '^the case is not open' then 'the case is not open there: open_case_national opens it'
            when message ~ '^no warrant that is valid now names this target'
                then 'no warrant that is valid there names this target'
            when message ~ '^no warrant that is valid now opens mail of this period'
                then 'no warrant that is valid there opens mail of this period'
            when message ~ '^a warrant of this case has ended' then 'a warrant has ended meanwhile'
            else 'this login may not ask there' end
        when state = '55000' and message ~ '^the answer has changed' then 'the answer changed meanwhile: ask again'
        when state = '25006' then 'it is read-only, and cannot record the question'
        when state in ('3F000', '42P01', '42883') then 'it has no such question: its schema is older, or none of tap25'
        when state = '22023' and message ~ '^a party is a mailbox or a domain'
            then 'it refuses the question: a party is a mailbox, or a domain with a dot'
        when state ~ '^22' then 'it refuses the question, or what it sent is no row of mail'
        else 'error ' || state end
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.release_holds(version text)
 RETURNS TABLE(day date, rows bigint, bytes bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    ended bigint[];
    gone  record;
begin
    perform tap25_internal.check_snapshot();
    lock table tap25.holds in exclusive mode; -- nobody adds to held meanwhile
    ended := (select array_agg(id order by id) from tap25.holds where released_at is null
        and (dropped_at is not null or until <= now()));
    if ended is null then
        return;
    end if;
    for gone in select (h.seen_at at time zone 'UTC')::date as d, h.hold_ids as ids, count(*) as n,
        sum(pg_column_size(h.*)) as size
        from tap25_internal.held h where h.hold_ids <@ ended group by 1, 2 order by 1, 2
    loop
        day := gone.d;
        rows := gone.n;
        bytes := gone.size;
        insert into tap25.expired (day, kind, rows, bytes, hold_ids, version)
        values (release_holds.day, 'held', release_holds.rows, release_holds.bytes, gone.ids, release_holds.version);
        return next;
    end loop;
    delete from tap25_internal.held h where h.hold_ids <@ ended;
    update tap25_internal.held h set hold_ids = array(select x from unnest(h.hold_ids) x
        where x <> all (ended) order by 1) where h.hold_ids && ended;
    update tap25.holds set released_at = now() where id = any (ended);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.released_leaves()
 RETURNS TABLE(day date, leaf bytea)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    lock table tap25.holds in exclusive mode;
    return query execute tap25_internal.leaves_query('held', 't.hold_ids <@ $1')
        using (select array_agg(h.id) from tap25.holds h where h.released_at is null
            and (h.dropped_at is not null or h.until <= now()));
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.restored_links()
 RETURNS xid
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select l.xmin from tap25.links l cross join tap25_internal.evidence v where v.xmin <> v.born order by l.id limit 1
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.row_columns(prefix text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select string_agg(prefix || quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped and attname <> 'entered'
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.rows_held(hold bigint)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if tap25_internal.is_tied() then
        return null;
    end if;
    return (select count(*) from tap25_internal.held h where h.hold_ids @> array[hold]);
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.rows_there(by_sensor text, leaves bytea[], first timestamp with time zone, last timestamp with time zone)
 RETURNS TABLE(leaf bytea, times bigint)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET jit TO 'off'
AS $function$
declare
    its constant text := (select string_agg(format('select %s as leaf from tap25_internal.%I e
        where e.sensor = $1 and e.seen_at between $3 and $4', tap25_internal.leaf_of('e.'), t), ' union all ')
        from unnest('{envelopes,held,misdated}'::text[]) t);
begin
    perform tap25_internal.claim_sensor(by_sensor);
    perform tap25_internal.bound_waits();
    lock table tap25_internal.importing in exclusive mode;
    return query execute format('select t.leaf, count(*) from (%s) t where t.leaf = any ($2) group by t.leaf', its
        || case when not tap25_internal.is_distributed() then ' union all
            select tap25_internal.leaf(p.e) from tap25_internal.blocks b cross join lateral tap25_internal.unpack(b) p
            where b.day between ($3 at time zone ''UTC'')::date and ($4 at time zone ''UTC'')::date
                and b.last_at >= $3 and b.first_at <= $4 and (p.e).sensor = $1 and (p.e).seen_at between $3 and $4'
            else '' end)
        using by_sensor, leaves, first, last;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.set_volume(rows_a_day bigint)
 RETURNS smallint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
 SET default_tablespace TO ''
AS $function$
declare
    width constant smallint := tap25_internal.bits_for(rows_a_day);
    d     date;
begin
    perform tap25_internal.bound_waits();
    lock table tap25_internal.making_partitions in exclusive mode;
    update tap25_internal.expected_volume v set rows_a_day = set_volume.rows_a_day, bits = width, set_at = now(),
        set_by = session_user;
    foreach d in array array(select p.day from tap25_internal.partitions() p
        where p.day > (now() at time zone 'UTC')::date and not exists (select from tap25_internal.days d
            where d.day = p.day and d.rows > 0) order by p.day)
    loop
        perform tap25_internal.index_day(d);
    end loop;
    return width;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.show_packed()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    arms text := coalesce((select string_agg(tap25_internal.part(format(case
                when d.blocks < 24 * 4 then 'part_rows(%1$L, %2$L)'
                else 'day_rows(%1$L, tap25_internal.divides(%1$L, false), %3$L)' end,
                d.day::timestamp, (d.day + 1)::timestamp, d.blocks >= 24 * 12 * 8),
                quote_literal(d.day || ' 00:00:00+00'), quote_literal(d.day + 1 || ' 00:00:00+00')),
                ' union all ' order by d.day)
            from (select day, sum(blocks) as blocks from tap25_internal.packs group by day) d),
        'select null::timestamptz as seen_at, null::tap25_internal.envelopes as e where false');
    columns text := (select string_agg(format('(p.e).%I', attname), ', ' order by attnum) from pg_attribute
        where attrelid = 'tap25_internal.envelopes'::regclass and attnum > 0 and not attisdropped
            and attname <> 'seen_at');
begin
    execute 'create or replace view tap25_internal.mail_packed as '
        || tap25_internal.as_mail('select p.seen_at, ' || columns || ' from (' || arms || ') p');
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.size_of(which regclass)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
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
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.size_of_indexes(which regclass)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
declare
    bytes bigint;
begin
    if tap25_internal.is_distributed() then
        execute 'select citus_total_relation_size(logicalrelid) - citus_table_size(logicalrelid) from pg_dist_partition
            where logicalrelid = $1' into bytes using which;
    end if;
    return coalesce(bytes, pg_indexes_size(which));
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.skip_arrays(target regclass)
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 SELECT tap25_internal.limit_statistics(target, 0, '{day,number,rows,first_at,last_at}'::name[]) AS limit_statistics;
END;

CREATE OR REPLACE FUNCTION tap25_internal.span(length interval)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE
RETURN (SELECT (((v.n || ' '::text) || v.unit) || CASE WHEN (v.n = (1)::numeric) THEN ''::text ELSE 's'::text END) FROM ((SELECT EXTRACT(epoch FROM span.length) AS s) e CROSS JOIN LATERAL (SELECT CASE WHEN (e.s < (1)::numeric) THEN ceil((e.s * (1000)::numeric)) WHEN (e.s < (120)::numeric) THEN round(e.s) WHEN (e.s < (7200)::numeric) THEN round((e.s / (60)::numeric)) WHEN (e.s < (172800)::numeric) THEN round((e.s / (3600)::numeric)) ELSE round((e.s / (86400)::numeric)) END AS n, CASE WHEN (e.s < (1)::numeric) THEN 'millisecond'::text WHEN (e.s < (120)::numeric) THEN 'second'::text WHEN (e.s < (7200)::numeric) THEN 'minute'::text WHEN (e.s < (172800)::numeric) THEN 'hour'::text ELSE 'day'::text END AS unit) v));

CREATE OR REPLACE FUNCTION tap25_internal.stamp()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    case tg_table_name
        when 'accesses' then
            new.auditor := session_user;
            new.at := clock_timestamp();
            new.xid := pg_current_xact_id();
        when 'warrants' then
            new.applicant := session_user;
            new.applied_at := clock_timestamp();
        when 'warrant_events' then
            new.by := session_user;
            new.at := clock_timestamp();
        when 'retentions' then
            new.set_by := session_user;
            new.set_at := clock_timestamp();
        when 'expired' then
            new.dropped_by := session_user;
            new.dropped_at := clock_timestamp();
        when 'ended_sessions' then
            new.ended_by := session_user;
            new.at := clock_timestamp();
        when 'keys' then
            new.added_by := session_user;
            new.added_at := clock_timestamp();
        when 'links' then
            new.added_at := clock_timestamp();
        when 'holds' then
            new.added_by := session_user;
            new.added_at := clock_timestamp();
            new.dropped_by := null;
            new.dropped_at := null;
            new.released_at := null;
    end case;
    return new;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.stamp_load(by_sensor text, which text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    select tap25_internal.claim_sensor(by_sensor);
    update tap25_internal.loads l set rows = l.rows where l.sensor = by_sensor and l.segment = which and l.loaded_at = now() $function$;

CREATE OR REPLACE FUNCTION tap25_internal.stamp_scope()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    new.set_by := session_user;
    new.set_at := clock_timestamp();
    new.sha256 := encode(sha256(convert_to(new.rules, 'UTF8')), 'hex');
    return new;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.summarize_day(which date)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
begin
    if current_setting('transaction_isolation') <> 'read committed' then
        raise 'a summary is made in a transaction that is read committed' using errcode = 'invalid_transaction_state';
    end if;
    if tap25_internal.is_tied() and not exists (select from tap25_internal.days_over('0') d where d.day = which and d.summary_due) then
        return false;
    end if;
    begin
        lock table tap25_internal.making_summaries in exclusive mode nowait;
    exception when lock_not_available then
        return false;
    end;
    lock table only tap25_internal.envelopes in access share mode; -- first, as expiry does
    if to_regclass('tap25_internal.' || tap25_internal.prints_name(which)) is not null then
        execute format('delete from tap25_internal.%I', tap25_internal.prints_name(which));
    elsif exists (select from tap25_internal.days d where d.day = which and d.rows > 0) then
        perform tap25_internal.make_prints(which);
    end if;
    delete from tap25_internal.summaries s where s.day = which;
    with counted as (
        select sum(d.rows) as rows, greatest(0, ceil(log(2, greatest(1, sum(d.rows) * 2.5 / 512))))::smallint as bits
        from tap25_internal.days d where d.day = which having sum(d.rows) > 0 -- about 512 prints in a page
    ), noted as (
        insert into tap25_internal.summaries (day, rows, bits) select which, c.rows, c.bits from counted c
    )
    insert into tap25_internal.prints (day, page, prints)
    select which, page, array_agg(print order by print) from (
        select distinct tap25_internal.print_page(hash, c.bits) as page, tap25_internal.print_of(hash) as print
        from tap25_internal.envelopes e cross join counted c cross join lateral (values
            (tap25_internal.print_hash('mail_from', e.mail_from)), (tap25_internal.print_hash('rcpt_to', e.rcpt_to)),
            (tap25_internal.print_hash('from_domain', tap25_internal.domain_of(e.mail_from))), (tap25_internal.print_hash('to_domain', tap25_internal.domain_of(e.rcpt_to))),
            (tap25_internal.print_hash('client', host(e.client_ip))), (tap25_internal.print_hash('client', host(e.origin_ip))),
            (tap25_internal.print_hash('server', host(e.server_ip)))) v (hash)
        where hash is not null and e.seen_at >= which::timestamp at time zone 'UTC' and e.seen_at < (which + 1)::timestamp at time zone 'UTC'
    ) p group by page order by page;
    return true;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.target_text(mailbox text, domain text, network inet, seen_in text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN COALESCE(mailbox, domain, (abbrev(network) || COALESCE((' in '::text || seen_in), ''::text)));

CREATE OR REPLACE FUNCTION tap25_internal.unpack(b tap25_internal.blocks, kind text DEFAULT NULL::text, value text DEFAULT NULL::text, network inet DEFAULT NULL::inet)
 RETURNS TABLE(mail integer, link bigint, e tap25_internal.envelopes)
 LANGUAGE plpgsql
 STABLE COST 1e+07 ROWS 8000
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_memoize TO 'off'
 SET plan_cache_mode TO 'force_generic_plan'
AS $function$
declare
    -- Arrays whose elements have no fixed width: a variable keeps them taken apart, so that no element is searched for.
    rcpt_to_raw     constant bytea[] := b.rcpt_to_raw;
    orcpt           constant text[]  := b.orcpt;
    mail_from_raw   constant bytea[] := b.mail_from_raw;
    envid           constant text[]  := b.envid;
    client_ip       constant inet[]  := b.client_ip;
    helo            constant text[]  := b.helo;
    tls_server_name constant text[]  := b.tls_server_name;
    origin_ip       constant inet[]  := b.origin_ip;
    server_ip       constant inet[]  := b.server_ip;
    sensor          constant text[]  := b.sensor;
    network_        constant text[]  := b.network;
    addresses_      constant text[]  := b.addresses;
    -- Arrays and bits that are used more than once. What a record has is not taken apart.
    flat            record;
    fresh           constant bit varying := b.fresh || '';
    heads           constant bit varying := b.heads || '';
    positions       integer[]; -- if only some rows are asked for
    mails           integer[]; -- their mails
    numbers         integer[]; -- and addresses
    addresses       text[];
    queues          text[];
    i               integer;
    m               integer;
begin
    select b.rcpt || '{}' as rcpt, b.sender || '{}' as sender into flat;
    if kind is not null then
        positions := tap25_internal.block_rows(heads, flat.rcpt, flat.sender, fresh,
            case when kind in ('client', 'server') then b.back end,
            case kind when 'client' then b.peer when 'server' then b.server end, client_ip, origin_ip, server_ip,
            addresses_, b.mixed, b.odd_addresses, kind, value, network);
        if cardinality(positions) = 0 then
            return;
        elsif cardinality(positions) < 1000 then -- of more rows, all addresses and queue IDs are found sooner than some
            foreach i in array positions loop
                m := coalesce(bit_count(substring(heads for i))::integer, i);
                if m is distinct from mails[cardinality(mails)] then
                    mails := mails || m;
                    numbers := numbers || flat.sender[m]::integer;
                end if;
                numbers := numbers || flat.rcpt[i]::integer;
            end loop;
            numbers := array(select distinct n from unnest(numbers) n order by n);
        end if;
    end if;
    addresses := tap25_internal.block_addresses(addresses_, b.odd_addresses, numbers);
    queues := tap25_internal.block_queues(b.queue_mails, b.queue_kind, b.queue_length, b.queue_prefix, b.queue_octets,
        b.queue_text, mails);
    return query
    select m.i, a.links[coalesce(a.link[m.i], 1)], row(
        b.first_at + coalesce(a.at[m.i], a.at_long[m.i]) * interval '1 microsecond', a.session_id[s.i], z.size,
            z.declared,
        a.lost_bytes[k.i], a.mail_no[k.i], a.client_port[s.i], a.server_port[v.i], a.outcome[k.i], a.mail_code[k.i],
            a.rcpt_code[k.i],
        a.data_code[k.i], a.flags[k.i], a.auth[v.i], client_ip[p.i], server_ip[v.i], sensor[v.i],
        -- Numbers and mails are in order, so width_bucket finds where one is among them.
        addresses[coalesce(width_bucket(a.sender[m.i], numbers), a.sender[m.i])],
        addresses[coalesce(width_bucket(a.rcpt[r.i], numbers), a.rcpt[r.i])],
        helo[p.i], queues[coalesce(width_bucket(m.i, mails), m.i)], mail_from_raw[m.i],
            rcpt_to_raw[r.i],
        envid[m.i], orcpt[r.i], tls_server_name[p.i], origin_ip[p.i], network_[v.i], a.origin_port[s.i],
            a.origin_by[v.i])::tap25_internal.envelopes
    -- Concatenation with an empty array decompresses an array once. Otherwise each element that is taken would do so.
    from (select flat.rcpt, flat.sender, b.kind || '{}' as kind, b.at || '{}' as at, b.at_long
        || '{}' as at_long,
            b.back || '{}' as back, b.size || '{}' as size, b.size_long || '{}' as size_long,
            b.declared || '{}' as declared, b.declared_long || '{}' as declared_long, b.link || '{}' as link,
                b.session_id || '{}' as session_id,
            b.client_port || '{}' as client_port, b.origin_port || '{}' as origin_port, b.peer || '{}' as peer, b.server
                || '{}' as server,
            b.server_port || '{}' as server_port, b.auth || '{}' as auth, b.origin_by || '{}' as origin_by, b.mail_no
                || '{}' as mail_no,
            b.outcome || '{}' as outcome, b.mail_code || '{}' as mail_code, b.rcpt_code || '{}' as rcpt_code,
                b.data_code || '{}' as data_code,
            b.flags || '{}' as flags, b.lost_bytes || '{}' as lost_bytes, b.links || '{}' as links offset 0) a
    cross join lateral unnest(coalesce(positions, array(select generate_series(1, b.rows)))) r (i)
    cross join lateral (select coalesce(bit_count(substring(heads for r.i))::integer, r.i) as i offset 0) m
    cross join lateral (select bit_count(substring(fresh for m.i))::integer as top offset 0) f
    cross join lateral (select case when f.top is null then m.i when get_bit(fresh, m.i - 1) = 1 then f.top
        else f.top - a.back[m.i - f.top] end as i offset 0) s
    cross join lateral (select a.peer[s.i] as i offset 0) p
    cross join lateral (select a.server[s.i] as i offset 0) v
    cross join lateral (select coalesce(a.kind[r.i], 1) as i offset 0) k
    cross join lateral (select nullif(coalesce(a.size[m.i], a.size_long[m.i]), -1) as size,
        coalesce(nullif(a.declared[m.i], -2147483648), nullif(a.declared_long[m.i], -9223372036854775808))
            + greatest(coalesce(a.size[m.i], a.size_long[m.i]), 0) as declared offset 0) z;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.unpacks(since timestamp without time zone, before timestamp without time zone)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE PARALLEL RESTRICTED
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
AS $function$
declare
    most  constant bigint       := 5000000;
    now_  constant text         := statement_timestamp()::text;
    state constant text[]       := string_to_array(current_setting('tap25.unpacked', true), '|');
    same  constant boolean      := state[1] is not distinct from now_; -- not the first part of the statement
    past  constant tsmultirange := case when same then state[2] else '{}' end;
    -- A statement may read a part several times, as mail_between does.
    more  constant tsmultirange := tsmultirange(tsrange(since, before)) - past;
    rows  numeric := case when same then state[3]::numeric else 0 end;
begin
    if isempty(more) then
        return true;
    end if;
    rows := rows + (select coalesce(sum(p.rows), 0) from tap25_internal.packs p where p.day = since::date)
        * (select sum(extract(epoch from upper(r) - lower(r))) from unnest(more) r) / 86400;
    if rows > most and (select sum(upper(r) - lower(r)) from unnest(past + more) r) > interval '1 day'
        and current_setting('tap25.unpack', true) is distinct from 'all' then
        raise 'this statement would unpack more than % rows of packed days', most
            using errcode = 'program_limit_exceeded',
            hint = 'mail_from() and mail_to() unpack only blocks that have the address. Or name a shorter time, as a '
                || 'constant: which blocks are of the time is decided before now() is known. '
                || 'SET tap25.unpack = ''all'' allows it.';
    end if;
    perform set_config('tap25.unpacked', concat_ws('|', now_, past + more, round(rows)), true);
    return true;
end $function$;

CREATE OR REPLACE FUNCTION tap25_internal.valid_warrants(which text)
 RETURNS bigint[]
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
    select coalesce(array_agg(distinct w.id order by w.id), '{}') from tap25.warrants w
    where w.case_id = which and w.state = 'valid' and tap25_internal.may_read(w.auditor, w.valid_until)
      and not exists (select from tap25.warrant_events e where e.warrant_id = w.id and e.action = 'approved' and e.by = session_user)
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.without_coverage(since timestamp with time zone, before timestamp with time zone, of_sensor text)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$
    with covered as (
        select c.sensor, range_agg(tstzrange(c.since, c.before, '[]')) as times from tap25.coverage c
        where c.since >= '1990-01-01' and c.before >= date_trunc('day', $1)
          and c.since < date_trunc('day', $2) + interval '1 day' and ($3 is null or c.sensor = $3)
        group by c.sensor
    ), uncovered as (
        select count(distinct d.day) as days from tap25_internal.days d left join covered v on v.sensor = d.sensor
        where d.rows > 0 and d.day >= date_trunc('day', $1) and d.day < $2 and ($3 is null or d.sensor = $3)
          and not coalesce(v.times && tstzrange(d.day, d.day + 1), false)
    )
    select case days when 0 then '' else format(' Rows of %s day%s are there without coverage: they were imported, or '
        'loaded before coverage was recorded. What was missed then is not known.', days,
        case days when 1 then '' else 's' end) end
    from uncovered
$function$;

CREATE OR REPLACE FUNCTION tap25_internal.wrong_clock(day date)
 RETURNS text
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET "DateStyle" TO 'ISO, YMD'
 SET "TimeZone" TO 'UTC'
AS $function$ select case when day < date '1990-01-01' then 'before 1990' when day > (now() at time zone 'UTC')::date + 2 then 'ahead of the clock' end $function$;


-- Triggers; ENABLE ALWAYS: session_replication_role does not turn them off.

CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.accesses FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.accesses ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.accesses FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.accesses ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.coverage FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.keep_coverage();
ALTER TABLE tap25.coverage ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER check_coverage AFTER INSERT ON tap25.coverage REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.check_coverage();
ALTER TABLE tap25.coverage ENABLE ALWAYS TRIGGER check_coverage;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.expired FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.expired ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.expired FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.expired ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR TRUNCATE ON tap25.holds FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.holds ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER once BEFORE UPDATE ON tap25.holds FOR EACH ROW EXECUTE FUNCTION tap25_internal.change_hold();
ALTER TABLE tap25.holds ENABLE ALWAYS TRIGGER once;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.holds FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.holds ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.keys FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.keys ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.keys FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.keys ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.links FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.links ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.links FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.links ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.retentions FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.retentions ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.retentions FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.retentions ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.scopes FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.scopes ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.scopes FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp_scope();
ALTER TABLE tap25.scopes ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25.warrant_events FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25.warrant_events ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25.warrant_events FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25.warrant_events ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER refuse_change INSTEAD OF INSERT OR DELETE OR UPDATE ON tap25.warrants FOR EACH ROW EXECUTE FUNCTION tap25_internal.refuse_change();
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.before_evidence FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.before_evidence ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.ended_sessions FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.ended_sessions ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER stamp BEFORE INSERT ON tap25_internal.ended_sessions FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25_internal.ended_sessions ENABLE ALWAYS TRIGGER stamp;
CREATE TRIGGER count_rows AFTER INSERT ON tap25_internal.envelopes REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.count_rows();
ALTER TABLE tap25_internal.envelopes ENABLE ALWAYS TRIGGER count_rows;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.evidence FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.evidence ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER check_misdated AFTER INSERT ON tap25_internal.misdated REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.check_misdated();
ALTER TABLE tap25_internal.misdated ENABLE ALWAYS TRIGGER check_misdated;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.warrant_auditors FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.warrant_auditors ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.warrant_targets FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.warrant_targets ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON tap25_internal.warrants FOR EACH STATEMENT EXECUTE FUNCTION tap25_internal.refuse();
ALTER TABLE tap25_internal.warrants ENABLE ALWAYS TRIGGER append_only;
CREATE TRIGGER note_application AFTER INSERT ON tap25_internal.warrants FOR EACH ROW EXECUTE FUNCTION tap25_internal.note_application();
ALTER TABLE tap25_internal.warrants ENABLE ALWAYS TRIGGER note_application;
CREATE TRIGGER stamp BEFORE INSERT ON tap25_internal.warrants FOR EACH ROW EXECUTE FUNCTION tap25_internal.stamp();
ALTER TABLE tap25_internal.warrants ENABLE ALWAYS TRIGGER stamp;


-- Grants.

ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC;
GRANT USAGE ON SCHEMA tap25 TO tap25_admin;
GRANT USAGE ON SCHEMA tap25 TO tap25_approver;
GRANT USAGE ON SCHEMA tap25 TO tap25_auditor;
GRANT USAGE ON SCHEMA tap25 TO tap25_sensor;
GRANT USAGE ON SCHEMA tap25_internal TO tap25_admin;
GRANT USAGE ON SCHEMA tap25_internal TO tap25_approver;
GRANT USAGE ON SCHEMA tap25_internal TO tap25_auditor;
GRANT USAGE ON SCHEMA tap25_internal TO tap25_sensor;
GRANT USAGE ON TYPE tap25.outcome TO tap25_admin;
GRANT USAGE ON TYPE tap25.outcome TO tap25_auditor;
GRANT SELECT ON tap25.accesses TO tap25_admin;
GRANT SELECT ON tap25.coverage TO tap25_admin;
GRANT INSERT (before, clock_error, clock_offset, clock_synchronised, fragments_lost, frames_read, frames_seen, holes_given_up, interfaces, nic_dropped, octets_lost, program, ring_full, rows, rows_lost, scope, sensor, sessions, sessions_cut, sessions_encrypted, since, started, stopped, undecoded, version) ON tap25.coverage TO tap25_sensor;
GRANT SELECT ON tap25.expired TO tap25_admin;
GRANT SELECT ON tap25.holds TO tap25_admin;
GRANT SELECT ON tap25.keys TO tap25_admin;
GRANT SELECT ON tap25.links TO tap25_admin;
GRANT SELECT ON tap25.missing_accesses TO tap25_admin;
GRANT SELECT ON tap25.my_cases TO tap25_auditor;
GRANT SELECT ON tap25.retentions TO tap25_admin;
GRANT SELECT ON tap25.scopes TO tap25_admin;
GRANT SELECT ON tap25.sensors TO tap25_admin;
GRANT SELECT ON tap25.volumes TO tap25_admin;
GRANT SELECT ON tap25.warrant_events TO tap25_admin;
GRANT SELECT ON tap25.warrant_events TO tap25_approver;
GRANT SELECT ON tap25.warrants TO tap25_admin;
GRANT SELECT ON tap25.warrants TO tap25_approver;
GRANT SELECT ON tap25_internal.before_evidence TO tap25_admin;
GRANT SELECT ON tap25_internal.chains TO tap25_admin;
GRANT SELECT ON tap25_internal.days TO tap25_admin;
GRANT SELECT ON tap25_internal.distribution TO tap25_admin;
GRANT SELECT ON tap25_internal.ended_sessions TO tap25_admin;
GRANT INSERT ON tap25_internal.envelopes TO tap25_sensor;
GRANT SELECT ON tap25_internal.evidence TO tap25_admin;
GRANT SELECT ON tap25_internal.expected_volume TO tap25_admin;
GRANT SELECT ON tap25_internal.frozen TO tap25_admin;
GRANT SELECT ON tap25_internal.late_days TO tap25_admin;
GRANT SELECT ON tap25_internal.loads TO tap25_admin;
GRANT INSERT (auth, client_ip, client_port, data_code, declared_size, envid, flags, helo, lost_bytes, mail_code, mail_from, mail_from_raw, mail_no, message_bytes, network, orcpt, origin_by, origin_ip, origin_port, outcome, queue_id, rcpt_code, rcpt_to, rcpt_to_raw, reason, seen_at, sensor, server_ip, server_port, session_id, tls_server_name) ON tap25_internal.misdated TO tap25_sensor;
GRANT SELECT ON tap25_internal.packs TO tap25_admin;
GRANT SELECT ON tap25_internal.reindexed TO tap25_admin;
GRANT SELECT ON tap25_internal.sensors TO tap25_admin;
GRANT SELECT ON tap25_internal.summaries TO tap25_admin;
GRANT SELECT ON tap25_internal.tap25_schema_version TO tap25_admin;
GRANT SELECT ON tap25_internal.tap25_schema_version TO tap25_approver;
GRANT SELECT ON tap25_internal.tap25_schema_version TO tap25_auditor;
GRANT SELECT ON tap25_internal.tap25_schema_version TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25.add_hold(text,text,inet,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.answer_completeness(bigint) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.apply_for_warrant(text,text,name[],text[],timestamp with time zone,timestamp with time zone,timestamp with time zone,boolean) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.apply_for_warrant(text,text,name[],text[],timestamp with time zone,timestamp with time zone,timestamp with time zone,boolean) TO tap25_approver;
GRANT EXECUTE ON FUNCTION tap25.apply_for_warrant(text,text,name[],text[],timestamp with time zone,timestamp with time zone,timestamp with time zone,boolean) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.approve_warrant(bigint,text) TO tap25_approver;
GRANT EXECUTE ON FUNCTION tap25.ask_case(text,timestamp with time zone,timestamp with time zone,text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.bind_sensor(name,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.case_answer(bigint) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_completeness(text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_leaves(bigint) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_list(text,timestamp with time zone,timestamp with time zone,text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_mail(text,timestamp with time zone,timestamp with time zone,text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_national(text,timestamp with time zone,timestamp with time zone,text,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.case_warrants(bigint) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.completeness(timestamp with time zone,timestamp with time zone,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.drop_hold(bigint) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.end_warrant(bigint,text,timestamp with time zone) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25.end_warrant(bigint,text,timestamp with time zone) TO tap25_approver;
GRANT EXECUTE ON FUNCTION tap25.end_warrant(bigint,text,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_between(text,text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_client(inet,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_from(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_from_domain(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_hops(bigint,integer,text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_ip(inet,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_local_part(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_between(text,text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_client(inet,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_from(text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_from_domain(text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_ip(inet,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_of(text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_server(inet,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_to(text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_national_to_domain(text,timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_of(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_server(inet,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_to(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.mail_to_domain(text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.open_case(text,text) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.open_case_national(text,text,interval) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25.refuse_warrant(bigint,text) TO tap25_approver;
GRANT EXECUTE ON FUNCTION tap25.set_retention(interval) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal."national"(text,text[],timestamp with time zone,timestamp with time zone,interval,integer) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25_internal.add_links(text,bytea,bigint[],text[],date[],date[],bytea[],bytea[]) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.add_links(text,bytea,bigint[],text[],date[],date[],bytea[],bytea[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.begin_load(text,date[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.bucket(text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.bucket20(text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.bucket24(text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.check_may_ask() TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25_internal.coverage_over(interval) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.coverage_over(interval) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.date_loads(text,text[],date[],date[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.days_over(interval) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.days_over(interval) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.days_to_pack(interval,interval) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.days_to_pack(interval,interval) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.domain_of(text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.dropped_days(date[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.end_blockers(date,interval) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.ends() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.enter_loads(text,text[],bigint[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.expire_day(date,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.expire_misdated(timestamp with time zone,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.forget_dropped_loads(text,text[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.has_links(text,bytea,bigint[],bytea[]) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.has_links(text,bytea,bigint[],bytea[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.held_leaves(date[]) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.is_distributed() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.is_distributed() TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.is_host(inet) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25_internal.kept_from() TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.load_column() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.lock_chain(text,bytea) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.lock_chain(text,bytea) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.mail_about(text,text,text,timestamp with time zone,timestamp with time zone) TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25_internal.make_arrivals() TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.make_partitions(date[]) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.make_partitions_ahead(integer) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.make_partitions_ahead(integer) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.mark_dropped_loads() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.misdated_leaves(timestamp with time zone) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.my_cases() TO tap25_auditor;
GRANT EXECUTE ON FUNCTION tap25_internal.pack_coverage(date,text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.pack_coverage(date,text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.pack_day(date) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.pack_day(date) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.partition_name(date) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.partition_name(date) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.partitions() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.place_arrivals() TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.prune_loads(text,text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.record_scope(text,text,timestamp with time zone,text,text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.release_holds(text) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.released_leaves() TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.rows_held(bigint) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.rows_there(text,bytea[],timestamp with time zone,timestamp with time zone) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.size_of(regclass) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.size_of_indexes(regclass) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.stamp_load(text,text) TO tap25_sensor;
GRANT EXECUTE ON FUNCTION tap25_internal.summarize_day(date) TO tap25_admin;
GRANT EXECUTE ON FUNCTION tap25_internal.summarize_day(date) TO tap25_sensor;


-- Comments. A column that several relations share is explained at tap25.mail, or tap25.warrants.

COMMENT ON SCHEMA tap25 IS 'For people: the view mail, the functions that ask it, and the records of warrants, accesses, holds, retention and what was dropped.';
COMMENT ON TYPE tap25.mail_national IS 'An answer of regions: rows with the columns of mail_once, for which answer is row, and for each region one line whose answer is whole, cut (there are more rows than most), or no answer. note says how many rows, or why none. sensors and copies are null in rows of questions that do not have each mail once.';
COMMENT ON TYPE tap25.outcome IS 'What became of a mail. accepted: RCPT and the message were answered 2xx. deferred: MAIL, RCPT or the message was answered 4xx. refused: MAIL, RCPT or the message was answered 5xx. aborted: the transaction ended before the message was settled. unknown: a reply that decides was not captured, or the capture ended. encrypted: STARTTLS was accepted; the mail after it is not seen.';
COMMENT ON TABLE tap25.accesses IS 'What auditors have read, opened, or were refused, and who has opened the private cluster as its owner. Append-only, for its owner too; administrators read it.';
COMMENT ON COLUMN tap25.accesses.at IS 'When the access was recorded, by the database''s clock.';
COMMENT ON COLUMN tap25.accesses.auditor IS 'The login that asked.';
COMMENT ON COLUMN tap25.accesses.case_id IS 'The case that was asked for, as the auditor wrote it. Null if action is opened as owner.';
COMMENT ON COLUMN tap25.accesses.action IS 'open, of a case; read, of a question and its answer; shown, of the rows of an answer; refused; opened as owner, of the private cluster by tap25 db psql, which can read all rows.';
COMMENT ON COLUMN tap25.accesses.purpose IS 'What the case was opened for, in the auditor''s words. Null for what is not an opening, or a refused one.';
COMMENT ON COLUMN tap25.accesses.rows IS 'How many rows the answer has; null if there is none. What is read on before schema version 21 was shown at once.';
COMMENT ON COLUMN tap25.accesses.xid IS 'The transaction that recorded it: a case is read in a later one than it was opened in.';
COMMENT ON COLUMN tap25.accesses.id IS 'Number of the access. It is given before anything is read and no rollback gives it back: missing_accesses shows gaps.';
COMMENT ON COLUMN tap25.accesses.opening IS 'Of a question and of its rows: the id of the opening that they were asked under; else null.';
COMMENT ON COLUMN tap25.accesses.warrant_ids IS 'The warrants that were valid for the auditor then: warrants.id. Null for an access from before schema version 14.';
COMMENT ON COLUMN tap25.accesses.targets IS 'The mailboxes, domains and networks of these warrants, in the same order. Null: there was none.';
COMMENT ON COLUMN tap25.accesses.since IS 'The earliest beginning of the time ranges of these warrants. Null: there was none.';
COMMENT ON COLUMN tap25.accesses.before IS 'The latest end of the time ranges of these warrants. Null: there was none.';
COMMENT ON COLUMN tap25.accesses.refusal IS 'Why the access was refused; else null.';
COMMENT ON COLUMN tap25.accesses.client_addr IS 'IP address that the auditor''s session came from. Null: a Unix socket.';
COMMENT ON COLUMN tap25.accesses.client_port IS 'TCP port that the auditor''s session came from. Null: a Unix socket.';
COMMENT ON COLUMN tap25.accesses.application_name IS 'What the auditor''s program calls itself. It proves nothing.';
COMMENT ON COLUMN tap25.accesses.backend_pid IS 'Process number of the session in the server, as in its log.';
COMMENT ON COLUMN tap25.accesses.asked IS 'If action is shown, the id of the question whose rows these were; else null.';
COMMENT ON COLUMN tap25.accesses.asked_target IS 'The target that was asked for, as the auditor wrote it. Null: all of these warrants.';
COMMENT ON COLUMN tap25.accesses.asked_since IS 'Beginning of the time range that was asked for. Null: that of the warrants.';
COMMENT ON COLUMN tap25.accesses.asked_before IS 'End of the time range that was asked for. Null: that of the warrants.';
COMMENT ON COLUMN tap25.accesses.sha256 IS 'Digest of the rows of the answer, in hexadecimal digits: docs/auditing.md says how to compute it from them. Null: there is no answer.';
COMMENT ON COLUMN tap25.accesses.os_user IS 'If action is opened as owner, the operating system''s user who ran tap25, as tap25 reported.';
COMMENT ON COLUMN tap25.accesses.os_login IS 'If action is opened as owner, who had logged in, whatever su or sudo made of it; null if the kernel does not know.';
COMMENT ON COLUMN tap25.accesses.terminal IS 'If action is opened as owner, the terminal; null if there was none.';
COMMENT ON SEQUENCE tap25.accesses_id_seq IS 'Gives accesses.id.';
COMMENT ON TABLE tap25.coverage IS 'What each sensor saw and lost, and when it listened: a row a minute, longer ones of days that are over. Of a time without a row nothing is known: the tap was off. Append-only; administrators read it, auditors ask case_completeness().';
COMMENT ON COLUMN tap25.coverage.since IS 'Beginning of the interval, by the sensor''s clock; of a replay, by the packets'' times.';
COMMENT ON COLUMN tap25.coverage.before IS 'End of the interval, which is not in it.';
COMMENT ON COLUMN tap25.coverage.sensor IS 'Name of the sensor, mail.sensor.';
COMMENT ON COLUMN tap25.coverage.program IS 'What listened: sniff, the live tap; replay, of capture files; follow, replay --follow.';
COMMENT ON COLUMN tap25.coverage.interfaces IS 'Interfaces that were up and captured the whole time; none if all were down or gone. Null: capture files.';
COMMENT ON COLUMN tap25.coverage.scope IS 'SHA-256 of the scope in force, scopes.sha256; null: none, so that every row was recorded.';
COMMENT ON COLUMN tap25.coverage.version IS 'Version of tap25.';
COMMENT ON COLUMN tap25.coverage.started IS 'The sensor started at the beginning. A start without a stop before it is that after a crash.';
COMMENT ON COLUMN tap25.coverage.stopped IS 'The sensor stopped at the end.';
COMMENT ON COLUMN tap25.coverage.clock_synchronised IS 'True if the kernel considered the sensor''s clock synchronised; null: unknown, or capture files.';
COMMENT ON COLUMN tap25.coverage.clock_offset IS 'By how much the clock was still off, as the kernel knew; of a longer row the largest.';
COMMENT ON COLUMN tap25.coverage.clock_error IS 'By how much the clock may have been off at most, as the kernel estimated; of a longer row the largest.';
COMMENT ON COLUMN tap25.coverage.frames_seen IS 'Frames that passed the tap, of any kind; of a replay, frames of the file.';
COMMENT ON COLUMN tap25.coverage.frames_read IS 'Of these, frames that may hold mail, and that were read.';
COMMENT ON COLUMN tap25.coverage.ring_full IS 'Frames that may hold mail, and were lost because a ring was full.';
COMMENT ON COLUMN tap25.coverage.undecoded IS 'Frames read that were cut or malformed.';
COMMENT ON COLUMN tap25.coverage.fragments_lost IS 'Fragments of datagrams that stayed incomplete, or were bad.';
COMMENT ON COLUMN tap25.coverage.holes_given_up IS 'Times that missing segments of a connection were no longer waited for, for want of memory.';
COMMENT ON COLUMN tap25.coverage.octets_lost IS 'Octets of sessions that were not captured.';
COMMENT ON COLUMN tap25.coverage.sessions IS 'Sessions that began.';
COMMENT ON COLUMN tap25.coverage.sessions_encrypted IS 'Sessions that went on encrypted (STARTTLS): their mail after that has no addresses.';
COMMENT ON COLUMN tap25.coverage.sessions_cut IS 'Sessions that lost octets for the first time.';
COMMENT ON COLUMN tap25.coverage.rows IS 'Rows in scope, rows_lost among them.';
COMMENT ON COLUMN tap25.coverage.rows_lost IS 'Of these, rows that were lost because the spool was full.';
COMMENT ON COLUMN tap25.coverage.nic_dropped IS 'Frames of any kind that the network card had no room for, as its driver counts them; null: unknown, or capture files.';
COMMENT ON COLUMN tap25.coverage.records IS 'How many records of a sensor the row stands for.';
COMMENT ON COLUMN tap25.coverage.packed IS 'True if pack_coverage made the row, after its day was over.';
COMMENT ON COLUMN tap25.coverage.loaded_at IS 'When it was loaded, by the database''s clock; the latest.';
COMMENT ON TABLE tap25.expired IS 'What was dropped, a line for each day and kind. Append-only; administrators read it.';
COMMENT ON COLUMN tap25.expired.day IS 'The UTC day that was dropped: of seen_at; if kind is misdated, the day on which the rows were loaded.';
COMMENT ON COLUMN tap25.expired.kind IS 'partition (a day), misdated (rows without a day of their own), or held (rows whose last hold has ended).';
COMMENT ON COLUMN tap25.expired.rows IS 'How many rows there were, including those that a hold kept.';
COMMENT ON COLUMN tap25.expired.bytes IS 'How many octets they took, for a partition with its indexes.';
COMMENT ON COLUMN tap25.expired.kept IS 'How many of these rows a hold kept: they are in held.';
COMMENT ON COLUMN tap25.expired.hold_ids IS 'If kind is held, the holds that had kept the rows: holds.id; else null.';
COMMENT ON COLUMN tap25.expired.dropped_at IS 'When it was dropped, by the database''s clock.';
COMMENT ON COLUMN tap25.expired.version IS 'Version of the tap25 that dropped it.';
COMMENT ON COLUMN tap25.expired.dropped_by IS 'The login that dropped it. Null: not recorded then.';
COMMENT ON TABLE tap25.holds IS 'Legal holds: mail that they concern is kept when its day is dropped. Add one with add_hold, end one with drop_hold; administrators read it.';
COMMENT ON COLUMN tap25.holds.id IS 'Number of the hold.';
COMMENT ON COLUMN tap25.holds.mailbox IS 'The mailbox whose mail is kept, from it or to it, in upper or lower case. Null: the hold names a domain or a network.';
COMMENT ON COLUMN tap25.holds.domain IS 'The domain whose mail is kept, from it or to it, without its subdomains. Null: the hold names a mailbox or a network.';
COMMENT ON COLUMN tap25.holds.network IS 'The IP address or subnet whose mail is kept, as client, server or origin. Null: the hold names a mailbox or a domain.';
COMMENT ON COLUMN tap25.holds.since IS 'Beginning of the time range: only mail with since <= seen_at is kept.';
COMMENT ON COLUMN tap25.holds.before IS 'End of the time range: only mail with seen_at < before is kept.';
COMMENT ON COLUMN tap25.holds.until IS 'When the hold ends by itself; infinity if it does not.';
COMMENT ON COLUMN tap25.holds.reason IS 'What the hold was added for.';
COMMENT ON COLUMN tap25.holds.added_by IS 'The login that added it.';
COMMENT ON COLUMN tap25.holds.added_at IS 'When it was added, by the database''s clock.';
COMMENT ON COLUMN tap25.holds.dropped_by IS 'The login that ended it with drop_hold. Null: nobody has.';
COMMENT ON COLUMN tap25.holds.dropped_at IS 'When it was ended with drop_hold. Null: it was not.';
COMMENT ON COLUMN tap25.holds.released_at IS 'When the rows that it alone kept were removed. Null: not yet.';
COMMENT ON SEQUENCE tap25.holds_id_seq IS 'Gives holds.id.';
COMMENT ON TABLE tap25.keys IS 'Public keys that links are signed with. Append-only. A key is a sensor''s only if its fingerprint is that of the sensor''s log.';
COMMENT ON COLUMN tap25.keys.id IS 'Number of the key, links.key.';
COMMENT ON COLUMN tap25.keys.fingerprint IS 'SHA-256 of the DER form of the public key.';
COMMENT ON COLUMN tap25.keys.public_key IS 'The 32 octets of the Ed25519 public key.';
COMMENT ON COLUMN tap25.keys.added_by IS 'The login that used the key first.';
COMMENT ON COLUMN tap25.keys.added_at IS 'When it was used first, by the database''s clock.';
COMMENT ON SEQUENCE tap25.keys_id_seq IS 'Gives keys.id.';
COMMENT ON TABLE tap25.links IS 'The chains of evidence: a link for each loaded segment, each destruction of rows, and each packing of coverage. Append-only; ''tap25 verify'' checks them.';
COMMENT ON COLUMN tap25.links.id IS 'Number of the line, in the order of adding.';
COMMENT ON COLUMN tap25.links.sensor IS 'Whose chain it is; empty: that of destructions.';
COMMENT ON COLUMN tap25.links.key IS 'The key that has signed it, keys.id. Each key has a chain of its own.';
COMMENT ON COLUMN tap25.links.number IS 'Number of the link in its chain.';
COMMENT ON COLUMN tap25.links.segment IS 'The segment whose rows it proves, loads.segment; of packed coverage, its sensor; null: none.';
COMMENT ON COLUMN tap25.links.first_day IS 'The first UTC day of the rows; null: no rows.';
COMMENT ON COLUMN tap25.links.last_day IS 'The last UTC day of the rows.';
COMMENT ON COLUMN tap25.links.xid IS 'The xmin of the rows. It is not signed: it says where to look.';
COMMENT ON COLUMN tap25.links.body IS 'What is signed; docs/evidence.md describes it.';
COMMENT ON COLUMN tap25.links.signature IS 'Ed25519 signature of body.';
COMMENT ON COLUMN tap25.links.added_at IS 'When it was added, by the database''s clock.';
COMMENT ON SEQUENCE tap25.links_id_seq IS 'Gives links.id.';
COMMENT ON VIEW tap25.mail IS 'The record: one row per RCPT command; one for a MAIL without any RCPT; one for each session that STARTTLS encrypted. What was not seen is null. The owner reads it; auditors call open_case, ask_case and case_mail instead.';
COMMENT ON COLUMN tap25.mail.seen_at IS 'When the segment with the first octet of MAIL was captured (of RCPT if no MAIL was seen; of STARTTLS for an encrypted session).';
COMMENT ON COLUMN tap25.mail.sensor IS 'Which tap saw it.';
COMMENT ON COLUMN tap25.mail.session_id IS 'One TCP connection: a hash of both addresses and ports and of the client''s initial sequence number, so that two taps give the same connection the same number. Without a SYN, the time of the first packet stands for that number.';
COMMENT ON COLUMN tap25.mail.mail_no IS 'The n-th mail transaction of the session, from 1; 0 for an encrypted session.';
COMMENT ON COLUMN tap25.mail.client_ip IS 'Address of the client, which sent the SYN. If no SYN was seen, it is the side that is not on the SMTP port; if both are, the side that sends no replies.';
COMMENT ON COLUMN tap25.mail.client_port IS 'TCP port of the client.';
COMMENT ON COLUMN tap25.mail.server_ip IS 'Address of the server: the other side of the connection than client_ip.';
COMMENT ON COLUMN tap25.mail.server_port IS 'TCP port of the server.';
COMMENT ON COLUMN tap25.mail.helo IS 'Argument of the last EHLO or HELO that was accepted, or not answered. Null: not seen.';
COMMENT ON COLUMN tap25.mail.mail_from IS 'Mailbox of the reverse-path as it was sent, without <> and source route; an empty string is the null reverse-path <> of a bounce. Null: not seen.';
COMMENT ON COLUMN tap25.mail.rcpt_to IS 'Mailbox of the forward-path, in the same form as mail_from. Null: not seen.';
COMMENT ON COLUMN tap25.mail.mail_from_raw IS 'The octets of the reverse-path as sent, only if mail_from does not show them exactly: invalid UTF-8, NUL, a source route; else null.';
COMMENT ON COLUMN tap25.mail.rcpt_to_raw IS 'The octets of the forward-path as sent, only if rcpt_to does not show them exactly: invalid UTF-8, NUL, a source route; else null.';
COMMENT ON COLUMN tap25.mail.mail_code IS 'The server''s reply to MAIL, such as 250. Null: not seen.';
COMMENT ON COLUMN tap25.mail.rcpt_code IS 'The server''s reply to this RCPT, such as 250. Null: not seen.';
COMMENT ON COLUMN tap25.mail.data_code IS 'The reply that settled the message: to the end of data, to the last BDAT, or to the refused DATA. Null: not seen.';
COMMENT ON COLUMN tap25.mail.outcome IS 'accepted (2xx), deferred (4xx), refused (5xx), aborted (before the message was settled), unknown (a reply that decides was not captured), encrypted (the mail after STARTTLS is not seen). The comment on the type has more.';
COMMENT ON COLUMN tap25.mail.message_bytes IS 'Octets of the message as the server received it: dots unstuffed, the line with the single dot not counted; for BDAT the sum of the chunks. Null if some were missed.';
COMMENT ON COLUMN tap25.mail.declared_size IS 'SIZE= of MAIL, in octets, RFC 1870. Null: none was declared.';
COMMENT ON COLUMN tap25.mail.envid IS 'ENVID= of MAIL, RFC 3461. Null: none was sent.';
COMMENT ON COLUMN tap25.mail.orcpt IS 'The address in ORCPT= of RCPT, RFC 3461, decoded, if it differs from rcpt_to; else null.';
COMMENT ON COLUMN tap25.mail.queue_id IS 'The server''s name for the message, from the reply that accepted it. Null: the reply was not seen, or has none.';
COMMENT ON COLUMN tap25.mail.auth IS 'AUTH had succeeded when the transaction began. Who, and with what, is not recorded.';
COMMENT ON COLUMN tap25.mail.tls_server_name IS 'The server name in the ClientHello that follows STARTTLS. Null: not seen.';
COMMENT ON COLUMN tap25.mail.lost_bytes IS 'Octets of the session that the capture missed, up to this row''s last reply. 0: none.';
COMMENT ON COLUMN tap25.mail.flags IS 'Null if the record is complete, else: midstream (no SYN seen), one-sided (one direction never seen), gap (octets missed), conflict (octets came twice, with other contents), smuggling (servers disagree where it ends), injected (plaintext followed STARTTLS), truncated (more than is kept).';
COMMENT ON COLUMN tap25.mail.origin_ip IS 'Address of the client that a proxy in front of the server names: a claim of the peer, client_ip, that the tap cannot check. Null: none is named.';
COMMENT ON COLUMN tap25.mail.origin_port IS 'TCP port of that client, by the same claim. Null: none is named.';
COMMENT ON COLUMN tap25.mail.origin_by IS 'What named that client: proxy (a header of the PROXY protocol), xclient, xforward. Null: nothing did.';
COMMENT ON COLUMN tap25.mail.network IS 'The network that the connection was seen in, by its tags and tunnels, the outermost first: vlan 12, vxlan 5001/vlan 3, gtp. Null: none.';
COMMENT ON VIEW tap25.mail_once IS 'Each recipient of each mail once: of the rows that several taps have of it, the most complete. mail_once(since, before) is quicker for a time range. The owner reads it; auditors call case_mail instead.';
COMMENT ON COLUMN tap25.mail_once.sensors IS 'All sensors that have this recipient of this mail, sorted; sensor is the one whose row this is.';
COMMENT ON COLUMN tap25.mail_once.copies IS 'Rows of mail that this one stands for, itself included: one for each of sensors.';
COMMENT ON VIEW tap25.missing_accesses IS 'Numbers of accesses that have no line: refused by an error, undone by a rollback (the server''s log has both), under way, or, up to 32 in a row, lost in a crash or when a standby took over. Administrators read it.';
COMMENT ON COLUMN tap25.missing_accesses.first IS 'First missing number: accesses.id.';
COMMENT ON COLUMN tap25.missing_accesses.last IS 'Last missing number of the gap.';
COMMENT ON COLUMN tap25.missing_accesses.after IS 'When the access before the gap was recorded. Null: there is none.';
COMMENT ON COLUMN tap25.missing_accesses.before IS 'When the access after the gap was recorded. Null: there is none yet.';
COMMENT ON VIEW tap25.my_cases IS 'The cases of the auditor who asks: each target of each warrant that names the login, or a role that it is a member of. select * from my_cases';
COMMENT ON COLUMN tap25.my_cases.case_id IS 'The case: open_case, ask_case, case_mail and case_list take it.';
COMMENT ON COLUMN tap25.my_cases.target IS 'The mailbox, domain, IP address or subnet whose mail may be read, as ask_case and case_mail take it.';
COMMENT ON COLUMN tap25.my_cases.valid_until IS 'From this time on the warrant opens nothing.';
COMMENT ON COLUMN tap25.my_cases.state IS 'applied: nobody has decided on the warrant; valid: it can be read; refused; ended.';
COMMENT ON COLUMN tap25.my_cases.open_until IS 'Until when the case is open to this login. Null: open_case opens it.';
COMMENT ON COLUMN tap25.my_cases.warrant_id IS 'Number of the warrant.';
COMMENT ON TABLE tap25.retentions IS 'How long days are kept: the line with the highest id is in force. Append-only; administrators read it and call set_retention.';
COMMENT ON COLUMN tap25.retentions.id IS 'Number of the line.';
COMMENT ON COLUMN tap25.retentions.kept IS 'How long a day is kept. Null: for ever.';
COMMENT ON COLUMN tap25.retentions.set_by IS 'The login that set it.';
COMMENT ON COLUMN tap25.retentions.set_at IS 'When it was set, by the database''s clock.';
COMMENT ON SEQUENCE tap25.retentions_id_seq IS 'Gives retentions.id.';
COMMENT ON TABLE tap25.scopes IS 'Which rows a sensor may record: of each sensor and program the line with the latest since is in force. None: every row. Append-only; administrators read it.';
COMMENT ON COLUMN tap25.scopes.id IS 'Number of the line.';
COMMENT ON COLUMN tap25.scopes.sensor IS 'Name of the sensor, mail.sensor.';
COMMENT ON COLUMN tap25.scopes.program IS 'What has the scope: sniff, the live tap; replay, of capture files; follow, replay --follow.';
COMMENT ON COLUMN tap25.scopes.since IS 'From when on, by the sensor''s clock: rows that were finished then or later, whose seen_at may be earlier; of a replay, the rows that it read after that.';
COMMENT ON COLUMN tap25.scopes.rules IS 'The scope file, as it was read. Null: no scope any more, so that every row is recorded.';
COMMENT ON COLUMN tap25.scopes.sha256 IS 'SHA-256 of the scope file, in hexadecimal digits, as the log and tap25 status show it.';
COMMENT ON COLUMN tap25.scopes.version IS 'Version of tap25.';
COMMENT ON COLUMN tap25.scopes.set_by IS 'The login that recorded it.';
COMMENT ON COLUMN tap25.scopes.set_at IS 'When it was recorded, by the database''s clock: later than since if the database was away.';
COMMENT ON SEQUENCE tap25.scopes_id_seq IS 'Gives scopes.id.';
COMMENT ON VIEW tap25.sensors IS 'Which login each sensor loads with at present. Administrators read it and call bind_sensor.';
COMMENT ON COLUMN tap25.sensors.sensor IS 'Name of the sensor: mail.sensor.';
COMMENT ON COLUMN tap25.sensors.login IS 'The login that alone loads under this name.';
COMMENT ON COLUMN tap25.sensors.since IS 'When the name became this login''s, by the database''s clock.';
COMMENT ON COLUMN tap25.sensors.bound_by IS 'The login that bound it: the sensor''s own with its first load, or an administrator''s.';
COMMENT ON VIEW tap25.volumes IS 'Rows loaded for each day and sensor: for dashboards, since it shows no address. A login that reads it needs USAGE on the schema tap25 and SELECT on this view, and nothing else.';
COMMENT ON COLUMN tap25.volumes.day IS 'The UTC day of mail.seen_at.';
COMMENT ON COLUMN tap25.volumes.sensor IS 'Name of the sensor, mail.sensor.';
COMMENT ON COLUMN tap25.volumes.rows IS 'Rows loaded, as the server counted them. Days that were dropped are not here any more.';
COMMENT ON COLUMN tap25.volumes.loaded_at IS 'When the last row was loaded.';
COMMENT ON TABLE tap25.warrant_events IS 'What happened to a warrant: that it was applied for, approved or refused, and ended. Append-only; administrators and approvers read it.';
COMMENT ON COLUMN tap25.warrant_events.id IS 'Number of the event.';
COMMENT ON COLUMN tap25.warrant_events.warrant_id IS 'The warrant: warrants.id.';
COMMENT ON COLUMN tap25.warrant_events.action IS 'applied; approved; refused; ended; granted, before schema version 21, when that took nobody else; migrated, of a warrant that needs no approval, since it is from before there was one.';
COMMENT ON COLUMN tap25.warrant_events.valid_until IS 'If action is ended, the time from which on the warrant opens nothing; else null.';
COMMENT ON COLUMN tap25.warrant_events.reason IS 'What it was approved, refused or ended for; may be null.';
COMMENT ON COLUMN tap25.warrant_events.by IS 'The login that did it; for migrated, the one that ran the migration.';
COMMENT ON COLUMN tap25.warrant_events.at IS 'When, by the database''s clock.';
COMMENT ON SEQUENCE tap25.warrant_events_id_seq IS 'Gives warrant_events.id.';
COMMENT ON VIEW tap25.warrants IS 'What auditors may read: a warrant opens the mail of its targets, in a time range, to its auditors, once it is approved. A line for each target and auditor. Administrators and approvers read it; apply_for_warrant, approve_warrant, refuse_warrant and end_warrant write it.';
COMMENT ON COLUMN tap25.warrants.case_id IS 'The case that the warrant belongs to. open_case and case_mail take it.';
COMMENT ON COLUMN tap25.warrants.auditor IS 'Who may read: a user, or a role that the user is a member of.';
COMMENT ON COLUMN tap25.warrants.mailbox IS 'The mailbox whose mail may be read, from it or to it, in upper or lower case. Null: the warrant names a domain or a network.';
COMMENT ON COLUMN tap25.warrants.domain IS 'The domain whose mail may be read, from it or to it, without its subdomains. Null: the warrant names a mailbox or a network.';
COMMENT ON COLUMN tap25.warrants.network IS 'The IP address or subnet whose mail may be read, as client, server or origin. Null: the warrant names a mailbox or a domain.';
COMMENT ON COLUMN tap25.warrants.since IS 'Beginning of the time range: only mail with since <= seen_at may be read.';
COMMENT ON COLUMN tap25.warrants.before IS 'End of the time range: only mail with seen_at < before may be read.';
COMMENT ON COLUMN tap25.warrants.valid_until IS 'From this time on the warrant opens nothing: what was granted, or the earlier end that an event records.';
COMMENT ON COLUMN tap25.warrants.reason IS 'What the warrant rests on: its legal basis.';
COMMENT ON COLUMN tap25.warrants.id IS 'Number of the warrant.';
COMMENT ON COLUMN tap25.warrants.granted_by IS 'The login that approved it, or, before schema version 21, granted it. Null: nobody has.';
COMMENT ON COLUMN tap25.warrants.granted_at IS 'When it was approved, or, before schema version 21, granted, by the database''s clock. Null: it is not.';
COMMENT ON COLUMN tap25.warrants.seen_in IS 'With network: only mail that was seen in the network of this name, mail.network. Null: in whatever network.';
COMMENT ON COLUMN tap25.warrants.by_origin IS 'Whether network is held against mail.origin_ip too, which is a claim of the peer. False for what was granted before there was origin_ip.';
COMMENT ON COLUMN tap25.warrants.applicant IS 'The login that applied for it.';
COMMENT ON COLUMN tap25.warrants.applied_at IS 'When it was applied for, by the database''s clock.';
COMMENT ON COLUMN tap25.warrants.state IS 'applied: nobody has decided on it; valid: it opens its targets; refused; ended.';
COMMENT ON FUNCTION tap25.add_hold(text,text,inet,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,text) IS 'Adds a hold on a mailbox, a domain or a network (the others are null) and returns its number; a null time is no bound. With a network, seen_in may name the one that the mail was seen in, mail.network. For administrators: select add_hold(''a@a.example'', null, null, ''2026-01-01'', null, null, ''court order'')';
COMMENT ON FUNCTION tap25.answer_completeness(bigint) IS 'Returns what completeness() says of the time range of an answer. For the auditor who has asked: select answer_completeness(17)';
COMMENT ON FUNCTION tap25.apply_for_warrant(text,text,name[],text[],timestamp with time zone,timestamp with time zone,timestamp with time zone,boolean) IS 'Applies for a warrant and returns its number. It opens nothing until approve_warrant. For administrators, auditors and approvers: select apply_for_warrant(''2026-17'', ''order of 12 May'', ''{paula}'', ''{a@a.example,b.example,"10.0.0.5 in vlan 12"}'', ''2026-01-01'', ''2026-02-01'', ''2026-12-31'')';
COMMENT ON FUNCTION tap25.approve_warrant(bigint,text) IS 'Approves a warrant, which opens its targets from now on. For approvers, of what others have applied for and read: select approve_warrant(7, ''order read'')';
COMMENT ON FUNCTION tap25.ask_case(text,timestamp with time zone,timestamp with time zone,text) IS 'Records a question on an open case, with the number and digest of the rows of its answer, and returns the number of the record. Null: all times, or all targets, of the warrants. For auditors; commit before case_mail: select ask_case(''2026-17'')';
COMMENT ON FUNCTION tap25.bind_sensor(name,text) IS 'Gives a sensor''s name to a login, in place of the login that had it and of the name that the login had; null leaves the login without a name until its next load. For administrators: select bind_sensor(''tap_dc2'', ''dc2'')';
COMMENT ON FUNCTION tap25.case_answer(bigint) IS 'Returns the question that ask_case has recorded under a number, and the number and digest of the rows of its answer. For the auditor who has asked: select * from case_answer(17)';
COMMENT ON FUNCTION tap25.case_completeness(text) IS 'Returns what completeness() returns for the time range of the case''s warrants: when taps listened, what they lost, and a sentence; no row if no warrant is valid. For auditors: select sentence from case_completeness(''2026-17'')';
COMMENT ON FUNCTION tap25.case_leaves(bigint) IS 'Returns the links of the segments that rows of an answer are in, with the leaves of all their rows of a day: docs/evidence.md. tap25 disclose makes proofs of them. For the auditor who has asked.';
COMMENT ON FUNCTION tap25.case_list(text,timestamp with time zone,timestamp with time zone,text) IS 'Returns what case_mail does, in eight columns, and seen_at to the second. For auditors: select * from case_list(''2026-17'')';
COMMENT ON FUNCTION tap25.case_mail(text,timestamp with time zone,timestamp with time zone,text) IS 'Returns the rows of a question that ask_case has recorded within 15 minutes, with the same arguments: each recipient of each mail once. For auditors: select * from case_mail(''2026-17'')';
COMMENT ON FUNCTION tap25.case_national(text,timestamp with time zone,timestamp with time zone,text,interval,integer) IS 'Asks a case in each region at once, which records the question, and then returns its rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For auditors: select * from case_national(''2026-17'')';
COMMENT ON FUNCTION tap25.case_warrants(bigint) IS 'Returns the warrants that an answer rests on, as ask_case has recorded it: basis, applicant, approver, targets, times. For the auditor who has asked: select * from case_warrants(17)';
COMMENT ON FUNCTION tap25.completeness(timestamp with time zone,timestamp with time zone,text) IS 'What an answer about a period is based on, of one sensor or of all together: when a tap listened (listened, a share; gaps), which share of frames was lost, octets and sessions lost, how many sessions were encrypted, and a sentence. An infinite bound is the first coverage, or now. For administrators; auditors call case_completeness: select sentence from completeness(''2026-01-01'', ''2026-02-01'')';
COMMENT ON FUNCTION tap25.correspondents(text,timestamp with time zone,timestamp with time zone) IS 'Returns with whom a party had mail: how many mails it sent to each, received from each, how many of both were accepted, the first and the last. Each mail counts once. A party is as for mail_between. For the owner: select * from correspondents(''a@a.example'')';
COMMENT ON FUNCTION tap25.drop_hold(bigint) IS 'Ends a hold now; returns false if there is no such hold or it has ended. For administrators: select drop_hold(3)';
COMMENT ON FUNCTION tap25.end_warrant(bigint,text,timestamp with time zone) IS 'Ends a warrant, at once or at a time to come; returns false if there is no such warrant or it ends earlier. For administrators, approvers, and its applicant: select end_warrant(7, ''case closed'')';
COMMENT ON FUNCTION tap25.mail_between(text,text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail between two parties in both directions, each once, with since <= seen_at < before. A party is a mailbox, a domain, or with a dot before it a domain and its subdomains, for 31 days at most if the other is no mailbox and no single domain. For the owner: select * from mail_between(''a@a.example'', ''b.example'', ''2026-01-01'')';
COMMENT ON FUNCTION tap25.mail_client(inet,timestamp with time zone,timestamp with time zone) IS 'Returns the mail that an IP address or subnet sent, itself or through a proxy that names it (origin_ip), with since <= seen_at < before. For the owner: select * from mail_client(''192.0.2.0/24'')';
COMMENT ON FUNCTION tap25.mail_from(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail from an address, in upper or lower case, with since <= seen_at < before. For the owner: select * from mail_from(''a@a.example'', ''2026-01-01'', ''2026-02-01'')';
COMMENT ON FUNCTION tap25.mail_from_domain(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail from a domain, not from its subdomains, with since <= seen_at < before. For the owner: select * from mail_from_domain(''a.example'')';
COMMENT ON FUNCTION tap25.mail_hops(bigint,integer,text) IS 'Returns the hops of a mail to a recipient: 0 is the one given, by its session_id, mail_no and rcpt_to; those before have numbers below. linked_by says what the link to the neighbour towards 0 rests on: recipient and sender, equal; orcpt and envid, those of RFC 3461; size, at most 4,096 octets more, as fields of the header make it; address, the server of one is the client of the next; time, the next began after it. others counts mails with as many links: if there are any, the hop is one of several. For the owner: select h.* from mail_to(''b@b.example'') m, mail_hops(m.session_id, m.mail_no, m.rcpt_to) h';
COMMENT ON FUNCTION tap25.mail_ip(inet,timestamp with time zone,timestamp with time zone) IS 'Returns the mail of an IP address or subnet as client, server or origin, each once, with since <= seen_at < before. For the owner: select * from mail_ip(''192.0.2.1'', ''2026-01-01'', ''2026-02-01'')';
COMMENT ON FUNCTION tap25.mail_local_part(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail from and to all addresses with a local part, whatever their domain, each once, with since <= seen_at < before: 31 days at most, which are read whole. For the owner: select * from mail_local_part(''info'', ''2026-01-01'', ''2026-02-01'')';
COMMENT ON FUNCTION tap25.mail_national_between(text,text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_between() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_between(''a@a.example'', ''b.example'')';
COMMENT ON FUNCTION tap25.mail_national_client(inet,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_client() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_client(''192.0.2.1'')';
COMMENT ON FUNCTION tap25.mail_national_from(text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_from() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_from(''a@a.example'')';
COMMENT ON FUNCTION tap25.mail_national_from_domain(text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_from_domain() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_from_domain(''a.example'')';
COMMENT ON FUNCTION tap25.mail_national_ip(inet,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_ip() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_ip(''192.0.2.1'')';
COMMENT ON FUNCTION tap25.mail_national_of(text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_of() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_of(''a@a.example'')';
COMMENT ON FUNCTION tap25.mail_national_server(inet,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_server() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_server(''192.0.2.1'')';
COMMENT ON FUNCTION tap25.mail_national_to(text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_to() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_to(''a@a.example'')';
COMMENT ON FUNCTION tap25.mail_national_to_domain(text,timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the mail_to_domain() of each region at once. Returns rows with their region, and one line a region: whole, cut (beyond most rows), or no answer within the patience. For the owner: select * from mail_national_to_domain(''a.example'')';
COMMENT ON FUNCTION tap25.mail_of(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail from and to a party, each once, with since <= seen_at < before. A party is as for mail_between. For the owner: select * from mail_of(''a@a.example'')';
COMMENT ON FUNCTION tap25.mail_once(timestamp with time zone,timestamp with time zone) IS 'Returns what the view mail_once has with since <= seen_at < before; reads these days alone, and an hour around them, in which copies from taps with other clocks may be. For the owner: select * from mail_once(''2026-01-01'', ''2026-02-01'')';
COMMENT ON FUNCTION tap25.mail_server(inet,timestamp with time zone,timestamp with time zone) IS 'Returns the mail that an IP address or subnet received, with since <= seen_at < before. For the owner: select * from mail_server(''2001:db8::25'')';
COMMENT ON FUNCTION tap25.mail_to(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail to an address, in upper or lower case, with since <= seen_at < before. For the owner: select * from mail_to(''b@b.example'', ''2026-01-01'')';
COMMENT ON FUNCTION tap25.mail_to_domain(text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail to a domain, not to its subdomains, with since <= seen_at < before. For the owner: select * from mail_to_domain(''b.example'')';
COMMENT ON FUNCTION tap25.open_case(text,text) IS 'Opens a case for twelve hours and records the purpose; returns false if no warrant opens it. For auditors; commit before ask_case: select open_case(''2026-17'', ''complaint of a@a.example'')';
COMMENT ON FUNCTION tap25.open_case_national(text,text,interval) IS 'Opens a case in each region for twelve hours, where the login of the same name has a warrant, and records the purpose there. For auditors: select * from open_case_national(''2026-17'', ''complaint of a@a.example'')';
COMMENT ON FUNCTION tap25.refuse_warrant(bigint,text) IS 'Refuses a warrant that was applied for. For approvers: select refuse_warrant(7, ''no order'')';
COMMENT ON FUNCTION tap25.set_retention(interval) IS 'Sets how long days are kept, null for ever; only the owner of the schema makes it shorter. For administrators: select set_retention(''2 years'')';
COMMENT ON SCHEMA tap25_internal IS 'For tap25 itself: the rows, the loads and the functions that keep them. An administrator reads its tables; nobody writes to them by hand.';
COMMENT ON TABLE tap25_internal.before_evidence IS 'How many rows were loaded before there was evidence: no link proves them. Append-only; a sensor''s first link signs its lines.';
COMMENT ON COLUMN tap25_internal.before_evidence.sensor IS 'Name of the sensor, mail.sensor.';
COMMENT ON COLUMN tap25_internal.before_evidence.kind IS '6: rows of a day''s partition, 9: all of misdated, 10: all of held.';
COMMENT ON COLUMN tap25_internal.before_evidence.day IS 'UTC day; 1970-01-01 for the kinds 9 and 10.';
COMMENT ON COLUMN tap25_internal.before_evidence.rows IS 'Number of rows.';
COMMENT ON TABLE tap25_internal.block_prints IS 'Which blocks have a value, by 16 bits of its hash. A partition for each month, block_prints_YYYYMM.';
COMMENT ON COLUMN tap25_internal.block_prints.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.block_prints.first IS 'packs.first.';
COMMENT ON COLUMN tap25_internal.block_prints.page IS 'Other bits of the hashes.';
COMMENT ON COLUMN tap25_internal.block_prints.prints IS '16 bits of each hash.';
COMMENT ON COLUMN tap25_internal.block_prints.blocks IS 'A set bit for each of prints, which are in the order of their blocks. Each bit that is not set means that the prints after it are of the next block. The first block is first.';
COMMENT ON TABLE tap25_internal.blocks IS 'Packed rows: a line is up to 8,000 rows of a day that follow one another in time. A partition for each packed day, blocks_YYYYMMDD. Numbers count from 1. docs/storage.md describes it.';
COMMENT ON COLUMN tap25_internal.blocks.day IS 'The UTC day of the rows.';
COMMENT ON COLUMN tap25_internal.blocks.number IS 'Number of the block within its day.';
COMMENT ON COLUMN tap25_internal.blocks.rows IS 'Number of rows.';
COMMENT ON COLUMN tap25_internal.blocks.first_at IS 'The least seen_at.';
COMMENT ON COLUMN tap25_internal.blocks.last_at IS 'The greatest seen_at.';
COMMENT ON COLUMN tap25_internal.blocks.heads IS 'A bit for each row: set if it is the first of a mail. Null: each row is.';
COMMENT ON COLUMN tap25_internal.blocks.rcpt IS 'Of each row: the number of rcpt_to among the addresses; 0: null.';
COMMENT ON COLUMN tap25_internal.blocks.kind IS 'Of each row: which of the values of mail_no to lost_bytes are its; null: the first.';
COMMENT ON COLUMN tap25_internal.blocks.rcpt_to_raw IS 'Of each row; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.orcpt IS 'Of each row; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.at IS 'Of each mail: microseconds from first_at to seen_at; null: at_long has them.';
COMMENT ON COLUMN tap25_internal.blocks.at_long IS 'Like at, if one is beyond integer.';
COMMENT ON COLUMN tap25_internal.blocks.fresh IS 'A bit for each mail: set if it begins the next session. Null: each mail does.';
COMMENT ON COLUMN tap25_internal.blocks.back IS 'Of each mail that begins no session: how many sessions have begun after its own.';
COMMENT ON COLUMN tap25_internal.blocks.sender IS 'Of each mail: the number of mail_from among the addresses; 0: null.';
COMMENT ON COLUMN tap25_internal.blocks.size IS 'Of each mail: message_bytes; -1: null. Null: size_long has them.';
COMMENT ON COLUMN tap25_internal.blocks.size_long IS 'Like size, if one is beyond integer.';
COMMENT ON COLUMN tap25_internal.blocks.declared IS 'Of each mail: declared_size less message_bytes, or less 0 if that is null; the least integer: null. Null: declared_long has them.';
COMMENT ON COLUMN tap25_internal.blocks.declared_long IS 'Like declared, if one is beyond integer; the least bigint: null.';
COMMENT ON COLUMN tap25_internal.blocks.link IS 'Of each mail: which of links signs it; null: the first.';
COMMENT ON COLUMN tap25_internal.blocks.mail_from_raw IS 'Of each mail; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.envid IS 'Of each mail; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.session_id IS 'Of each session.';
COMMENT ON COLUMN tap25_internal.blocks.client_port IS 'Of each session.';
COMMENT ON COLUMN tap25_internal.blocks.origin_port IS 'Of each session; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.peer IS 'Of each session: which of the values of client_ip to origin_ip are its.';
COMMENT ON COLUMN tap25_internal.blocks.server IS 'Of each session: which of the values of server_ip to origin_by are its.';
COMMENT ON COLUMN tap25_internal.blocks.client_ip IS 'The client''s address of each peer.';
COMMENT ON COLUMN tap25_internal.blocks.helo IS 'helo of each peer.';
COMMENT ON COLUMN tap25_internal.blocks.tls_server_name IS 'tls_server_name of each peer; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.origin_ip IS 'origin_ip of each peer; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.server_ip IS 'The address of each server.';
COMMENT ON COLUMN tap25_internal.blocks.server_port IS 'server_port of each server, less 32768.';
COMMENT ON COLUMN tap25_internal.blocks.sensor IS 'sensor of each server.';
COMMENT ON COLUMN tap25_internal.blocks.network IS 'network of each server; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.auth IS 'auth of each server.';
COMMENT ON COLUMN tap25_internal.blocks.origin_by IS 'origin_by of each server; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.mail_no IS 'mail_no of each kind of row.';
COMMENT ON COLUMN tap25_internal.blocks.outcome IS 'outcome of each kind of row, by number.';
COMMENT ON COLUMN tap25_internal.blocks.mail_code IS 'mail_code of each kind of row.';
COMMENT ON COLUMN tap25_internal.blocks.rcpt_code IS 'rcpt_code of each kind of row.';
COMMENT ON COLUMN tap25_internal.blocks.data_code IS 'data_code of each kind of row.';
COMMENT ON COLUMN tap25_internal.blocks.flags IS 'flags of each kind of row.';
COMMENT ON COLUMN tap25_internal.blocks.lost_bytes IS 'lost_bytes of each kind of row; null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.links IS 'The links that sign the rows, tap25.links.id; null among them: rows that no link is of.';
COMMENT ON COLUMN tap25_internal.blocks.queue_mails IS 'Of each form of queue IDs: a bit for each mail, set if its queue_id has that form. The n-th set bit belongs to the n-th queue ID of the form. Null: all are null.';
COMMENT ON COLUMN tap25_internal.blocks.queue_kind IS 'Of each form of queue IDs: 1 hexadecimal, 2 letters and digits, 3 UUID, 4 any text.';
COMMENT ON COLUMN tap25_internal.blocks.queue_length IS 'Of each form: the number of characters; 0 for text.';
COMMENT ON COLUMN tap25_internal.blocks.queue_prefix IS 'Of each form: what all begin with, of the kinds 1 and 2.';
COMMENT ON COLUMN tap25_internal.blocks.queue_octets IS 'Of each form: the rest of all, two characters an octet (1), four in three octets as in base64 (2), or 16 octets (3).';
COMMENT ON COLUMN tap25_internal.blocks.queue_text IS 'The queue IDs of the form that is text.';
COMMENT ON COLUMN tap25_internal.blocks.addresses IS 'The addresses, 64 in a text, by domain: in each line a domain and the local parts, with tabs between. In a line without domain they are whole.';
COMMENT ON COLUMN tap25_internal.blocks.mixed IS 'The first of the texts of addresses that are not all in lower case.';
COMMENT ON COLUMN tap25_internal.blocks.odd_addresses IS 'Addresses with a tab or the end of a line in them; they come after the others.';
COMMENT ON TABLE tap25_internal.chains IS 'The last link of each chain. Adding links locks its line.';
COMMENT ON COLUMN tap25_internal.chains.sensor IS 'Whose chain it is; empty: that of destructions.';
COMMENT ON COLUMN tap25_internal.chains.key IS 'The key of the chain, keys.id.';
COMMENT ON COLUMN tap25_internal.chains.number IS 'Number of the last link; 0: none yet.';
COMMENT ON COLUMN tap25_internal.chains.hash IS 'SHA-256 of the last link''s body; empty: none yet.';
COMMENT ON TABLE tap25_internal.days IS 'How many rows were loaded per UTC day and sensor, counted by the server.';
COMMENT ON COLUMN tap25_internal.days.day IS 'The UTC day of seen_at.';
COMMENT ON COLUMN tap25_internal.days.sensor IS 'The sensor.';
COMMENT ON COLUMN tap25_internal.days.rows IS 'How many rows it has loaded into the day.';
COMMENT ON COLUMN tap25_internal.days.loaded_at IS 'When it last loaded into the day, by the database''s clock.';
COMMENT ON TABLE tap25_internal.distribution IS 'One line if the rows are divided among several machines, by tap25 db distribute; else none.';
COMMENT ON COLUMN tap25_internal.distribution.distributed_at IS 'When that was done, by the database''s clock.';
COMMENT ON COLUMN tap25_internal.distribution.distributed_by IS 'The login that did it.';
COMMENT ON COLUMN tap25_internal.distribution.citus IS 'Version of the extension then.';
COMMENT ON TABLE tap25_internal.ended_sessions IS 'Sessions that expiry has ended, because they kept a day from being dropped or partitions from being made. Append-only.';
COMMENT ON COLUMN tap25_internal.ended_sessions.at IS 'When the session was ended, by the database''s clock.';
COMMENT ON COLUMN tap25_internal.ended_sessions.login IS 'The login whose session it was.';
COMMENT ON COLUMN tap25_internal.ended_sessions.application IS 'What its program called itself.';
COMMENT ON COLUMN tap25_internal.ended_sessions.open_since IS 'When its transaction began.';
COMMENT ON COLUMN tap25_internal.ended_sessions.day IS 'The UTC day that it kept from being dropped. Null: it kept partitions from being made.';
COMMENT ON COLUMN tap25_internal.ended_sessions.ended_by IS 'The login whose expiry ended it.';
COMMENT ON TABLE tap25_internal.envelopes IS 'The rows of mail, one partition per UTC day, envelopes_YYYYMMDD. Sensors add rows; nobody changes or deletes one; expiry drops a day whole.';
COMMENT ON COLUMN tap25_internal.envelopes.lost_bytes IS 'Octets of the session that the capture missed, up to this row''s last reply. Null: none.';
COMMENT ON COLUMN tap25_internal.envelopes.client_port IS 'TCP port of the client, less 32768.';
COMMENT ON COLUMN tap25_internal.envelopes.server_port IS 'TCP port of the server, less 32768.';
COMMENT ON COLUMN tap25_internal.envelopes.outcome IS 'What became of it: 0 unknown, 1 accepted, 2 deferred, 3 refused, 4 aborted, 5 encrypted.';
COMMENT ON COLUMN tap25_internal.envelopes.flags IS 'What is incomplete, a bit each: 1 midstream, 2 one-sided, 4 gap, 8 conflict, 16 smuggling, 32 injected, 64 truncated. 0: the record is complete.';
COMMENT ON COLUMN tap25_internal.envelopes.origin_port IS 'TCP port of the client that a proxy names, less 32768. Null: none is named.';
COMMENT ON COLUMN tap25_internal.envelopes.origin_by IS 'What named the client in origin_ip: 1 a header of the PROXY protocol, 2 XCLIENT, 3 XFORWARD. Null: nothing did.';
COMMENT ON TABLE tap25_internal.evidence IS 'One line: which database this is, and since when it has evidence.';
COMMENT ON COLUMN tap25_internal.evidence.one IS 'Always true, so that there is one line.';
COMMENT ON COLUMN tap25_internal.evidence.database IS 'Random; a sensor remembers by it what it has signed for this database.';
COMMENT ON COLUMN tap25_internal.evidence.since IS 'When the schema got evidence.';
COMMENT ON COLUMN tap25_internal.evidence.born IS 'The xmin of this line, unless a dump was restored: then the xmin of no row is that of its load any more.';
COMMENT ON TABLE tap25_internal.expected_volume IS 'For how many rows a day the indexes of addresses of new days are made: one row, which set_volume changes.';
COMMENT ON COLUMN tap25_internal.expected_volume.one IS 'True: there is one row.';
COMMENT ON COLUMN tap25_internal.expected_volume.rows_a_day IS 'The rows a day that are expected.';
COMMENT ON COLUMN tap25_internal.expected_volume.bits IS 'The bits of a hash that the indexes of new days have. Days that have rows keep the width with which they were made.';
COMMENT ON COLUMN tap25_internal.expected_volume.set_at IS 'When that was set, by the database''s clock.';
COMMENT ON COLUMN tap25_internal.expected_volume.set_by IS 'By whom.';
COMMENT ON TABLE tap25_internal.frozen IS 'Days whose rows were frozen after the day was over, so that no later VACUUM reads them again.';
COMMENT ON COLUMN tap25_internal.frozen.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.frozen.rows IS 'How many rows the day had then.';
COMMENT ON COLUMN tap25_internal.frozen.made_at IS 'When they were frozen, by the database''s clock.';
COMMENT ON TABLE tap25_internal.held IS 'Rows that outlived their day under a legal hold, each once. They are in mail until their last hold ends.';
COMMENT ON COLUMN tap25_internal.held.lost_bytes IS 'Octets of the session that the capture missed, up to this row''s last reply. Null: none.';
COMMENT ON COLUMN tap25_internal.held.client_port IS 'TCP port of the client, less 32768.';
COMMENT ON COLUMN tap25_internal.held.server_port IS 'TCP port of the server, less 32768.';
COMMENT ON COLUMN tap25_internal.held.outcome IS 'What became of it: 0 unknown, 1 accepted, 2 deferred, 3 refused, 4 aborted, 5 encrypted.';
COMMENT ON COLUMN tap25_internal.held.flags IS 'What is incomplete, a bit each: 1 midstream, 2 one-sided, 4 gap, 8 conflict, 16 smuggling, 32 injected, 64 truncated. 0: the record is complete.';
COMMENT ON COLUMN tap25_internal.held.hold_ids IS 'The holds that keep the row: holds.id.';
COMMENT ON COLUMN tap25_internal.held.origin_port IS 'TCP port of the client that a proxy names, less 32768. Null: none is named.';
COMMENT ON COLUMN tap25_internal.held.origin_by IS 'What named the client in origin_ip: 1 a header of the PROXY protocol, 2 XCLIENT, 3 XFORWARD. Null: nothing did.';
COMMENT ON TABLE tap25_internal.importing IS 'Has no rows. Whoever imports locks it.';
COMMENT ON TABLE tap25_internal.late_days IS 'Days that expiry could not drop yet, because somebody used them.';
COMMENT ON COLUMN tap25_internal.late_days.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.late_days.since IS 'When expiry first could not drop it.';
COMMENT ON COLUMN tap25_internal.late_days.tried IS 'When expiry last tried.';
COMMENT ON COLUMN tap25_internal.late_days.users IS 'Who used it at the last try, with the name of the program and why the session was not ended.';
COMMENT ON TABLE tap25_internal.loads IS 'Segments and capture files that were loaded: what has a line here is never loaded again.';
COMMENT ON COLUMN tap25_internal.loads.sensor IS 'The sensor that loaded it.';
COMMENT ON COLUMN tap25_internal.loads.segment IS 'Name of the segment of a spool, or key of a capture file.';
COMMENT ON COLUMN tap25_internal.loads.rows IS 'How many rows and records of coverage it has, as its sensor reported.';
COMMENT ON COLUMN tap25_internal.loads.loaded_at IS 'When it was loaded, by the database''s clock.';
COMMENT ON COLUMN tap25_internal.loads.first_day IS 'The first UTC day of its rows; of the key of a file that replay has noted, of the file''s rows. Null: a segment of live traffic, one without rows, or one that was loaded before this was noted.';
COMMENT ON COLUMN tap25_internal.loads.last_day IS 'The last UTC day of its rows, like first_day.';
COMMENT ON COLUMN tap25_internal.loads.dropped_at IS 'When retention had dropped all rows of the file: then a replay may load it again. Null: it may not.';
COMMENT ON VIEW tap25_internal.mail_aside IS 'The part of mail that is in no partition: held and misdated rows.';
COMMENT ON VIEW tap25_internal.mail_days IS 'The part of mail that is in the partitions of days.';
COMMENT ON VIEW tap25_internal.mail_packed IS 'The mail of packed days; a part for each day, so that a question about a time opens no other day. Made anew when a day is packed.';
COMMENT ON TABLE tap25_internal.making_blocks IS 'Has no rows. Whoever packs locks it.';
COMMENT ON TABLE tap25_internal.making_partitions IS 'No rows: locked by whoever makes partitions.';
COMMENT ON TABLE tap25_internal.making_summaries IS 'No rows: locked by whoever makes a summary.';
COMMENT ON TABLE tap25_internal.misdated IS 'Rows whose day gets no partition, because a clock was wrong. They are in mail, and are dropped by the time at which they were loaded.';
COMMENT ON COLUMN tap25_internal.misdated.lost_bytes IS 'Octets of the session that the capture missed, up to this row''s last reply. Null: none.';
COMMENT ON COLUMN tap25_internal.misdated.client_port IS 'TCP port of the client, less 32768.';
COMMENT ON COLUMN tap25_internal.misdated.server_port IS 'TCP port of the server, less 32768.';
COMMENT ON COLUMN tap25_internal.misdated.outcome IS 'What became of it: 0 unknown, 1 accepted, 2 deferred, 3 refused, 4 aborted, 5 encrypted.';
COMMENT ON COLUMN tap25_internal.misdated.flags IS 'What is incomplete, a bit each: 1 midstream, 2 one-sided, 4 gap, 8 conflict, 16 smuggling, 32 injected, 64 truncated. 0: the record is complete.';
COMMENT ON COLUMN tap25_internal.misdated.reason IS 'Why its day gets no partition: before 1990, ahead of the clock, or too many days.';
COMMENT ON COLUMN tap25_internal.misdated.loaded_at IS 'When the row was loaded, by the database''s clock: it expires by this time.';
COMMENT ON COLUMN tap25_internal.misdated.origin_port IS 'TCP port of the client that a proxy names, less 32768. Null: none is named.';
COMMENT ON COLUMN tap25_internal.misdated.origin_by IS 'What named the client in origin_ip: 1 a header of the PROXY protocol, 2 XCLIENT, 3 XFORWARD. Null: nothing did.';
COMMENT ON TABLE tap25_internal.packs IS 'What was packed, when: a day once, and again after rows came late.';
COMMENT ON COLUMN tap25_internal.packs.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.packs.first IS 'Number of its first block.';
COMMENT ON COLUMN tap25_internal.packs.blocks IS 'Number of blocks.';
COMMENT ON COLUMN tap25_internal.packs.rows IS 'Number of rows.';
COMMENT ON COLUMN tap25_internal.packs.bits IS 'Bits of a hash that choose its page of block_prints.';
COMMENT ON COLUMN tap25_internal.packs.packed_at IS 'When it was packed.';
COMMENT ON TABLE tap25_internal.prints IS 'What summaries hold: 16 bits of the hash of each address, domain and IP address of a day. A partition for each day, prints_YYYYMMDD, which is dropped with the day.';
COMMENT ON COLUMN tap25_internal.prints.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.prints.page IS 'The page: other bits of the hash.';
COMMENT ON COLUMN tap25_internal.prints.prints IS 'The prints in the page, ascending, each less 32768.';
COMMENT ON TABLE tap25_internal.rebuilding_indexes IS 'No rows: locked by whoever rebuilds the indexes of a day.';
COMMENT ON TABLE tap25_internal.regions IS 'The databases that the questions with national in their names ask: tap25 db regions lists, adds and removes them.';
COMMENT ON COLUMN tap25_internal.regions.region IS 'Name of the region.';
COMMENT ON COLUMN tap25_internal.regions.conninfo IS 'How its database is reached, in libpq''s keywords, without a password. user is the login of questions without a warrant; null: that of who asks. Auditors always have their own.';
COMMENT ON COLUMN tap25_internal.regions.added_by IS 'The login that added it.';
COMMENT ON COLUMN tap25_internal.regions.added_at IS 'When it was added, by the database''s clock.';
COMMENT ON TABLE tap25_internal.reindexed IS 'Days whose indexes were rebuilt after the day was over, which packs them.';
COMMENT ON COLUMN tap25_internal.reindexed.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.reindexed.rows IS 'How many rows the day had then.';
COMMENT ON COLUMN tap25_internal.reindexed.bytes_before IS 'Octets of its indexes before.';
COMMENT ON COLUMN tap25_internal.reindexed.bytes IS 'Octets of its indexes after.';
COMMENT ON COLUMN tap25_internal.reindexed.made_at IS 'When they were rebuilt, by the database''s clock.';
COMMENT ON TABLE tap25_internal.sensors IS 'Which login each sensor loads with, and loaded with before. The view sensors shows the present.';
COMMENT ON COLUMN tap25_internal.sensors.sensor IS 'Name of the sensor: mail.sensor.';
COMMENT ON COLUMN tap25_internal.sensors.login IS 'The login that alone loads under this name.';
COMMENT ON COLUMN tap25_internal.sensors.since IS 'When the name became this login''s, by the database''s clock.';
COMMENT ON COLUMN tap25_internal.sensors.bound_by IS 'The login that bound it: the sensor''s own with its first load, or an administrator''s.';
COMMENT ON COLUMN tap25_internal.sensors.until IS 'When the name was taken from this login. Null: it still has it.';
COMMENT ON TABLE tap25_internal.summaries IS 'Days that have a summary: a question about one address, domain or IP address leaves out the days that do not have it. A summary holds while the day has as many rows.';
COMMENT ON COLUMN tap25_internal.summaries.day IS 'The UTC day.';
COMMENT ON COLUMN tap25_internal.summaries.rows IS 'How many rows the day had then.';
COMMENT ON COLUMN tap25_internal.summaries.bits IS 'The day has 2^bits pages of prints.';
COMMENT ON COLUMN tap25_internal.summaries.made_at IS 'When the summary was made, by the database''s clock.';
COMMENT ON TABLE tap25_internal.tap25_schema_version IS 'One row: the last migration that was applied.';
COMMENT ON COLUMN tap25_internal.tap25_schema_version.version IS 'Number of the last migration that was applied.';
COMMENT ON TABLE tap25_internal.warrant_auditors IS 'To whom warrants open something. Append-only.';
COMMENT ON COLUMN tap25_internal.warrant_auditors.warrant_id IS 'The warrant: warrants.id.';
COMMENT ON TABLE tap25_internal.warrant_targets IS 'What warrants open: mailboxes, domains, networks. Append-only.';
COMMENT ON COLUMN tap25_internal.warrant_targets.id IS 'Number of the target.';
COMMENT ON COLUMN tap25_internal.warrant_targets.warrant_id IS 'The warrant: warrants.id.';
COMMENT ON SEQUENCE tap25_internal.warrant_targets_id_seq IS 'Gives warrant_targets.id.';
COMMENT ON TABLE tap25_internal.warrants IS 'The warrants as they were applied for, append-only. The view warrants shows them with their targets, their auditors and their present end.';
COMMENT ON COLUMN tap25_internal.warrants.valid_until IS 'From this time on the warrant opens nothing, as it was applied for. An event may have ended it earlier.';
COMMENT ON SEQUENCE tap25_internal.warrants_id_seq IS 'Gives warrants.id.';
COMMENT ON FUNCTION tap25_internal.add_links(text,bytea,bigint[],text[],date[],date[],bytea[],bytea[]) IS 'Adds links to a chain. For sensors, under their own name, and for who may drop days.';
COMMENT ON FUNCTION tap25_internal.address_is(text,text,text) IS 'Returns whether an address is what a question of a kind is about.';
COMMENT ON FUNCTION tap25_internal.answered(bigint) IS 'Returns the question that ask_case has recorded under a number, for who has asked it, within 15 minutes; fails if there is none, or one of its warrants has ended.';
COMMENT ON FUNCTION tap25_internal.as_mail(text) IS 'Returns the query that shows rows of envelopes, which another query gives, as mail does.';
COMMENT ON FUNCTION tap25_internal.ask_regions(text,text,boolean,name,interval) IS 'Has each region run one or two queries, as a login, in a transaction each, at once, and returns what they gave, or why not. It ends within the patience, if that is 3 s for each region.';
COMMENT ON FUNCTION tap25_internal.await_flush() IS 'Waits until what is committed survives a crash of the server, also if its commit did not wait.';
COMMENT ON FUNCTION tap25_internal.bad_name(text) IS 'Returns why a text cannot be the name of a sensor, or null if it can.';
COMMENT ON FUNCTION tap25_internal.begin_access(text,text) IS 'Gives an access its number, writes it to the server''s log and returns it.';
COMMENT ON FUNCTION tap25_internal.begin_load(text,date[]) IS 'Prepares a load: makes and locks the partitions of its days; returns the days that get none, with the reason. For sensors, once in a transaction, before the first row.';
COMMENT ON FUNCTION tap25_internal.bit_positions(bit varying,integer[]) IS 'Returns the positions of the set bits of a string, of all or of some.';
COMMENT ON FUNCTION tap25_internal.bits_for(bigint) IS 'Returns how many bits of a hash the indexes of a day of so many rows have.';
COMMENT ON FUNCTION tap25_internal.block_addresses(text[],text[],integer[]) IS 'Returns addresses of a block, those of some numbers or all.';
COMMENT ON FUNCTION tap25_internal.block_numbers(text,text,text[],integer,text[]) IS 'Returns the numbers of the addresses of a block that a question is about.';
COMMENT ON FUNCTION tap25_internal.block_peers(inet[],inet[],inet) IS 'Returns the peers of a block that are in a network, or that a proxy says are.';
COMMENT ON FUNCTION tap25_internal.block_queues(bit varying[],smallint[],smallint[],text[],bytea[],text[],integer[]) IS 'Returns the queue IDs of some mails of a block, or of all.';
COMMENT ON FUNCTION tap25_internal.block_rows(bit varying,smallint[],smallint[],bit varying,smallint[],smallint[],inet[],inet[],inet[],text[],integer,text[],text,text,inet) IS 'Returns the positions of the rows of a block that a question may be about.';
COMMENT ON FUNCTION tap25_internal.block_starts(regclass,integer,integer) IS 'Returns where the blocks of a day begin: times, and places of rows.';
COMMENT ON FUNCTION tap25_internal.block_times(integer[],bigint[]) IS 'Returns the times of the mails of a block.';
COMMENT ON FUNCTION tap25_internal.blocks_name(date) IS 'Returns the name of the partition of a packed day.';
COMMENT ON FUNCTION tap25_internal.blocks_with(bigint,date,date) IS 'Returns the packed days that may have a value, by its hash, and which blocks do; without a hash all days.';
COMMENT ON FUNCTION tap25_internal.bound_waits() IS 'Ends a wait for a lock after 30 seconds, if the session sets no lock_timeout.';
COMMENT ON FUNCTION tap25_internal.bucket(text) IS 'Returns 16 bits of the hash of an address or domain in lower case: the indexes have these, not the text.';
COMMENT ON FUNCTION tap25_internal.bucket20(text) IS 'Returns 20 bits of the hash of an address or domain in lower case, for the indexes of days of more than a million rows.';
COMMENT ON FUNCTION tap25_internal.bucket24(text) IS 'Returns 24 bits of the hash of an address or domain in lower case, for the indexes of days of more than 16 million rows.';
COMMENT ON FUNCTION tap25_internal.case_copies(bigint[],timestamp with time zone,timestamp with time zone,text) IS 'Returns the rows of mail that warrants open, of a time range and a target, or all (null): each once.';
COMMENT ON FUNCTION tap25_internal.case_rows(bigint[],timestamp with time zone,timestamp with time zone,text) IS 'Returns the answer to a question on a case: case_copies, each recipient of each mail once, in the order of the digest.';
COMMENT ON FUNCTION tap25_internal.change_hold() IS 'Trigger: lets nothing of a hold change but its end, once.';
COMMENT ON FUNCTION tap25_internal.change_to_blocks(date,boolean,bigint) IS 'Puts the blocks of a day in the place of its partition.';
COMMENT ON FUNCTION tap25_internal.check_auditors(name[]) IS 'Fails unless the auditors of a warrant exist; warns of those that may not ask yet.';
COMMENT ON FUNCTION tap25_internal.check_coverage() IS 'Trigger: refuses coverage of another sensor than the login''s.';
COMMENT ON FUNCTION tap25_internal.check_days_read(timestamp with time zone,timestamp with time zone) IS 'Fails unless a time range is 31 days or less: for questions that read whole days.';
COMMENT ON FUNCTION tap25_internal.check_isolation(bigint) IS 'Fails unless the transaction is READ COMMITTED: an older snapshot would show an ended warrant as valid.';
COMMENT ON FUNCTION tap25_internal.check_may_ask() IS 'Fails, and says what to call instead, unless the caller may read mail.';
COMMENT ON FUNCTION tap25_internal.check_misdated() IS 'Trigger: refuses misdated rows whose day gets a partition, and rows of another sensor than the login''s.';
COMMENT ON FUNCTION tap25_internal.check_period(timestamp with time zone,timestamp with time zone,timestamp with time zone) IS 'Fails if the times of a warrant are none, or if it would open nothing.';
COMMENT ON FUNCTION tap25_internal.check_retention(timestamp with time zone) IS 'Fails if the retention keeps something of what is older than a time.';
COMMENT ON FUNCTION tap25_internal.check_seen_in(inet,text) IS 'Fails if a warrant or hold names a network in a form that mail.network never has, or without an IP address.';
COMMENT ON FUNCTION tap25_internal.check_snapshot() IS 'Fails unless the transaction is READ COMMITTED: an older snapshot would not show a hold or a retention that was set since.';
COMMENT ON FUNCTION tap25_internal.check_target(text,text,inet,text) IS 'Fails unless this is one mailbox, domain, IP address or subnet of a form that mail can have: for warrants and holds.';
COMMENT ON FUNCTION tap25_internal.check_warrants(bigint,text,bigint[]) IS 'Fails if a warrant has ended since it was found valid.';
COMMENT ON FUNCTION tap25_internal.claim_chain(text) IS 'Refuses who may not add links to a chain.';
COMMENT ON FUNCTION tap25_internal.claim_sensor(text) IS 'Takes a sensor''s name for the session''s login with its first load; fails if the name or the login is bound otherwise.';
COMMENT ON FUNCTION tap25_internal.completeness_sentence(timestamp with time zone,timestamp with time zone,text[],numeric,tstzmultirange,numeric,numeric,numeric,numeric,numeric,boolean,text[]) IS 'The figures of completeness() in words.';
COMMENT ON FUNCTION tap25_internal.concerns(text,text,inet,text,boolean,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,text,inet,inet,inet,text) IS 'Returns whether a row is of a mailbox, domain or network (the others are null) and in a time range; of a network, seen in the network of a name, by origin_ip too if by_origin.';
COMMENT ON FUNCTION tap25_internal.conninfo_value(text) IS 'Returns a value as it stands in a connection string of libpq''s keywords.';
COMMENT ON FUNCTION tap25_internal.count_addresses(text[]) IS 'Returns how many addresses the texts of a block have.';
COMMENT ON FUNCTION tap25_internal.count_day() IS 'Trigger: as count_rows, for what a statement adds to the partition of a day.';
COMMENT ON FUNCTION tap25_internal.count_rows() IS 'Trigger: counts the rows that a statement adds in days, and refuses rows of another sensor than the login''s.';
COMMENT ON FUNCTION tap25_internal.coverage_over(interval) IS 'Days that are over, and the sensors whose coverage of them this login may pack, with the chain that signs it. For sensors and administrators.';
COMMENT ON FUNCTION tap25_internal.date_loads(text,text[],date[],date[]) IS 'Notes the first and the last day of the rows of segments that the same transaction has entered in loads. For sensors, under their own name.';
COMMENT ON FUNCTION tap25_internal.day_bucket(date) IS 'Returns the name of the function that a day''s indexes of addresses call. A wrong answer would cost time only.';
COMMENT ON FUNCTION tap25_internal.day_leaves(date,timestamp with time zone[],bigint[]) IS 'The part of case_leaves about a day that is not packed.';
COMMENT ON FUNCTION tap25_internal.day_rows(timestamp without time zone,boolean,boolean) IS 'Returns the rows of a packed day, by its hours or at once.';
COMMENT ON FUNCTION tap25_internal.days_over(interval) IS 'Returns the days that are over and to which nothing was loaded for an interval, with what is due for them. For sensors, which see no count, and administrators.';
COMMENT ON FUNCTION tap25_internal.days_to_pack(interval,interval) IS 'Returns the days before today that are older than a number of days, into which nothing was loaded for some time, and that have rows that are not packed. For sensors and administrators.';
COMMENT ON FUNCTION tap25_internal.days_with(text,text,timestamp with time zone,timestamp with time zone) IS 'Returns the days that may have a value, in a time range: those that no summary rules out. Kind is mail_from, rcpt_to, from_domain, to_domain, client or server; value null is any.';
COMMENT ON FUNCTION tap25_internal.decide_warrant(bigint,text,text) IS 'Records that a warrant is approved or refused, by an approver who is neither its applicant nor one of its auditors.';
COMMENT ON FUNCTION tap25_internal.digest_with(bytea,tap25.mail_once) IS 'Returns the digest of an answer''s rows up to and with a row, from that of the rows before it.';
COMMENT ON FUNCTION tap25_internal.divides(timestamp without time zone,boolean) IS 'Returns whether the plan of a statement divides a day or an hour into its parts.';
COMMENT ON FUNCTION tap25_internal.domain_of(text) IS 'Returns the domain of an address in lower case, or null if it has none.';
COMMENT ON FUNCTION tap25_internal.dropped_days(date[]) IS 'Returns those of the days that expiry has dropped and that have no rows now. For sensors.';
COMMENT ON FUNCTION tap25_internal.end_all_blockers(date,interval) IS 'As end_blockers, which calls it, for any day.';
COMMENT ON FUNCTION tap25_internal.end_blockers(date,interval) IS 'Returns the sessions that keep a day from being dropped, or without a day partitions from being made, and ends those it may whose transaction is older than an interval. Fails if the retention keeps the day.';
COMMENT ON FUNCTION tap25_internal.ends() IS 'Returns the times of the first and the last row, and how many are held and misdated: for db status.';
COMMENT ON FUNCTION tap25_internal.ensure_partition(date) IS 'Makes the partition of a day if it is missing; returns why the day gets none, or null. The caller has locked making_partitions.';
COMMENT ON FUNCTION tap25_internal.enter_case(bigint,text,text) IS 'Returns the opening and the warrants that a question is asked under; fails if the case is not open, or no warrant names the target.';
COMMENT ON FUNCTION tap25_internal.enter_loads(text,text[],bigint[]) IS 'Enters segments in loads; returns for each whether it was not there yet. For sensors, as the first step of a load.';
COMMENT ON FUNCTION tap25_internal.expire_day(date,text) IS 'Drops a day, after copying the rows that a hold concerns; returns its rows, its octets and how many rows are kept. Fails if the retention keeps the day or a load has it.';
COMMENT ON FUNCTION tap25_internal.expire_misdated(timestamp with time zone,text) IS 'Removes misdated rows that were loaded before a time, after copying those that a hold concerns; returns what was removed for each day. Fails if the retention keeps them.';
COMMENT ON FUNCTION tap25_internal.forget_dropped_loads(text,text[]) IS 'Forgets those of the segments whose rows were all dropped, or that were imported, so that they are loaded again. For sensors, under their own name, before enter_loads.';
COMMENT ON FUNCTION tap25_internal.grant_roles() IS 'Gives the roles tap25_sensor, tap25_auditor, tap25_approver and tap25_admin their rights, if they exist. ''tap25 db migrate'' calls it.';
COMMENT ON FUNCTION tap25_internal.grant_roles_012() IS 'The part of grant_roles that is of schema version 12.';
COMMENT ON FUNCTION tap25_internal.grant_roles_013() IS 'The part of grant_roles that is of schema version 13.';
COMMENT ON FUNCTION tap25_internal.grant_roles_014() IS 'The part of grant_roles that is of schema version 14.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_approval() IS 'The part of grant_roles that is older than approvals.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_coverage() IS 'The part of grant_roles that is older than coverage.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_disclosure() IS 'The part of grant_roles that is older than disclosure.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_distribution() IS 'The part of grant_roles that is older than distribution.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_evidence() IS 'The part of grant_roles that is older than evidence.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_load_days() IS 'The part of grant_roles that is older than load_days.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_packing() IS 'The part of grant_roles that is older than packing.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_regions() IS 'The part of grant_roles that is older than regions.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_scopes() IS 'The part of grant_roles that is older than scopes.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_volumes() IS 'The part of grant_roles that is older than volumes.';
COMMENT ON FUNCTION tap25_internal.grant_roles_before_widths() IS 'The part of grant_roles that is older than the widths of indexes.';
COMMENT ON FUNCTION tap25_internal.has_dblink() IS 'Returns whether dblink is in the schema tap25_dblink, and nobody but its owner, who is trusted, may create there.';
COMMENT ON FUNCTION tap25_internal.has_links(text,bytea,bigint[],bytea[]) IS 'Which of some links, by number and SHA-256, a chain has. For sensors, under their own name, and for who may drop days.';
COMMENT ON FUNCTION tap25_internal.has_partition(date) IS 'Returns whether a day has a partition now, even if another transaction has only just committed it.';
COMMENT ON FUNCTION tap25_internal.held_leaves(date[]) IS 'The leaves of the rows of held that are of some days. For administrators, who sign what is kept.';
COMMENT ON FUNCTION tap25_internal.hop_links(tap25.mail_once,tap25.mail_once) IS 'Returns what links one mail to another as its next hop; null if that is too little. mail_hops explains the words.';
COMMENT ON FUNCTION tap25_internal.hour_rows(timestamp without time zone,boolean) IS 'Returns the rows of an hour of a packed day, in parts of five minutes or at once.';
COMMENT ON FUNCTION tap25_internal.hours(timestamp without time zone,boolean) IS 'Returns the rows of the hours of a packed day.';
COMMENT ON FUNCTION tap25_internal.index_blocks(date,regclass,integer,integer,bigint) IS 'Notes which blocks have a value.';
COMMENT ON FUNCTION tap25_internal.index_day(date) IS 'Makes a day''s four indexes of addresses in the width in force, in place of those that it has.';
COMMENT ON FUNCTION tap25_internal.is_distributed() IS 'Returns whether the rows are divided among several machines.';
COMMENT ON FUNCTION tap25_internal.is_host(inet) IS 'Returns whether this is one IP address, not a subnet.';
COMMENT ON FUNCTION tap25_internal.is_mailbox(text) IS 'Returns whether a party is a mailbox, with @, rather than a domain. The empty one is the null reverse-path, and Postmaster has no domain.';
COMMENT ON FUNCTION tap25_internal.is_member(name,name) IS 'Returns whether a role is another, or a member of it, directly or not; a superuser is no member of what was not granted.';
COMMENT ON FUNCTION tap25_internal.is_network(text) IS 'Returns whether a text has the form of mail.network: parts joined by /, each a word, or a word and a number.';
COMMENT ON FUNCTION tap25_internal.is_of(text,text) IS 'Returns whether an address is of a party: a mailbox, a domain, or with a dot before it a domain and its subdomains. Null is everybody.';
COMMENT ON FUNCTION tap25_internal.is_packed(date) IS 'Returns whether rows of a day are packed.';
COMMENT ON FUNCTION tap25_internal.is_tied() IS 'Returns whether the session''s login loads under one name only: not so for members of the owner.';
COMMENT ON FUNCTION tap25_internal.keep_coverage() IS 'Trigger: refuses to change or delete coverage, except for pack_coverage.';
COMMENT ON FUNCTION tap25_internal.keep_held(text,timestamp with time zone,timestamp with time zone,text) IS 'Copies the rows of a source that holds concern to held, each once; returns how many. Called by expire_day and expire_misdated alone.';
COMMENT ON FUNCTION tap25_internal.kept_from() IS 'Returns the first day that the stored retention keeps; null if none is stored, or days are kept for ever. For sensors.';
COMMENT ON FUNCTION tap25_internal.lacks_partition(date[]) IS 'Returns whether one of these days may get a partition and has none.';
COMMENT ON FUNCTION tap25_internal.leaf(tap25.coverage) IS 'The leaf of a record of coverage in a tree of evidence.';
COMMENT ON FUNCTION tap25_internal.leaf(tap25_internal.envelopes) IS 'The leaf of a row in a tree of evidence: SHA-256 of 0x00 and its tuple of COPY''s binary format.';
COMMENT ON FUNCTION tap25_internal.leaf_of(text) IS 'Returns the expression of the leaf of a row, whose columns have a prefix.';
COMMENT ON FUNCTION tap25_internal.leave_regions() IS 'Closes this session''s connections to regions.';
COMMENT ON FUNCTION tap25_internal.leaves_query(text,text) IS 'Returns the query of the days and leaves of rows that are aside.';
COMMENT ON FUNCTION tap25_internal.let_roles_connect() IS 'Lets the roles that exist connect to this database, if its owner calls it.';
COMMENT ON FUNCTION tap25_internal.limit_statistics(regclass,integer,name[]) IS 'Limits what ANALYZE notes of the columns of a table, but of some.';
COMMENT ON FUNCTION tap25_internal.load_column() IS 'Returns the column of envelopes that has what links.xid names: xmin, or entered in a distributed database.';
COMMENT ON FUNCTION tap25_internal.local_part(text) IS 'Returns the part of an address before the last @, in lower case; all of it without @.';
COMMENT ON FUNCTION tap25_internal.lock_chain(text,bytea) IS 'Locks a chain, and returns its last link, and what its first link must name. For sensors, under their own name, and for who may drop days.';
COMMENT ON FUNCTION tap25_internal.lock_day(date) IS 'Locks a day against expiry until the transaction ends; returns false if the day has no partition.';
COMMENT ON FUNCTION tap25_internal.log_refusal(bigint,text) IS 'Writes to the server''s log why an access is refused.';
COMMENT ON FUNCTION tap25_internal.mail_about(text,text,text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail that a condition on $1, the value, holds for, asked day by day. {bucket} in the condition stands for the function that the indexes of addresses call. The functions mail_from to mail_server call it.';
COMMENT ON FUNCTION tap25_internal.mail_concerning(text,text,inet,timestamp with time zone,timestamp with time zone) IS 'Returns the mail of a mailbox, domain or network (the others are null) in a time range.';
COMMENT ON FUNCTION tap25_internal.mail_of_party(text,boolean,timestamp with time zone,timestamp with time zone) IS 'Returns the rows of mail from a party, or else to it: a mailbox, a domain, or with a dot before it a domain and its subdomains.';
COMMENT ON FUNCTION tap25_internal.mail_of_regions(text,text,boolean,name,interval,integer) IS 'Returns the rows that regions give, and a line for each region.';
COMMENT ON FUNCTION tap25_internal.mail_read(text,text,timestamp with time zone,timestamp with time zone) IS 'Returns the mail of a local part or of the domains below one, which no index finds: reads all of a time.';
COMMENT ON FUNCTION tap25_internal.make_arrivals() IS 'In a distributed database, makes the temporary tables that a load copies its rows to, and returns true. For sensors.';
COMMENT ON FUNCTION tap25_internal.make_partition(date) IS 'Makes the partition of a day.';
COMMENT ON FUNCTION tap25_internal.make_partitions(date[]) IS 'Makes the partitions of these days, if they are missing and may be made. For sensors.';
COMMENT ON FUNCTION tap25_internal.make_partitions_ahead(integer) IS 'Makes the partitions of today and of the next days, 31 at most; returns how many were made. For sensors and administrators.';
COMMENT ON FUNCTION tap25_internal.make_prints(date) IS 'Makes the partition of prints of a day.';
COMMENT ON FUNCTION tap25_internal.mark_dropped_loads() IS 'Marks the loads of capture files whose rows were all dropped, and forgets those marked a month ago; returns how many it has marked. For administrators, after expiry.';
COMMENT ON FUNCTION tap25_internal.max_partitions() IS 'Returns how many partitions there may be before an older day gets none: three years. Replace it by a larger number only after raising max_locks_per_transaction.';
COMMENT ON FUNCTION tap25_internal.may_read(name,timestamp with time zone) IS 'Returns whether a warrant of this auditor and end is valid for the session''s login now.';
COMMENT ON FUNCTION tap25_internal.misdated_leaves(timestamp with time zone) IS 'The leaves of the rows that expire_misdated will drop. For administrators, who sign what they drop.';
COMMENT ON FUNCTION tap25_internal.my_cases() IS 'Returns what the view my_cases shows.';
COMMENT ON FUNCTION tap25_internal.my_sensor() IS 'Returns the sensor''s name that the session''s login has; fails if it has none.';
COMMENT ON FUNCTION tap25_internal."national"(text,text[],timestamp with time zone,timestamp with time zone,interval,integer) IS 'Asks the regions for mail, for those who may read mail.';
COMMENT ON FUNCTION tap25_internal.note_application() IS 'Trigger: records the event that a warrant was applied for.';
COMMENT ON FUNCTION tap25_internal.once_query(text) IS 'Returns the text of the query behind mail_once, over the rows of a source: a query with the columns of mail.';
COMMENT ON FUNCTION tap25_internal.open_partition(regclass) IS 'Gives a partition its trigger that counts rows, and sensors the right to add them.';
COMMENT ON FUNCTION tap25_internal.outcomes() IS 'Returns the outcomes. Since Citus makes functions on each machine, and the types that they name, the type is there, too.';
COMMENT ON FUNCTION tap25_internal.pack_block(regclass,regclass,date,integer,timestamp with time zone,tid,timestamp with time zone,tid,bigint[],text[],xid[]) IS 'Packs the rows of a day from one place of it to another into a block; returns their number.';
COMMENT ON FUNCTION tap25_internal.pack_coverage(date,text) IS 'Puts longer rows in the place of a sensor''s coverage of a day that is over; returns what whoever packs signs. For sensors, of their own, and administrators.';
COMMENT ON FUNCTION tap25_internal.pack_day(date) IS 'Packs a day that is over; returns how many rows, or null if there is nothing to pack or another session packs. Fails if somebody uses the day. For sensors and administrators.';
COMMENT ON FUNCTION tap25_internal.pack_rows(date,integer,integer) IS 'Packs a day in blocks of up to a number of rows, and of octets beyond 300 a row; returns how many rows.';
COMMENT ON FUNCTION tap25_internal.packed_about(text,text,text,timestamp with time zone,timestamp with time zone) IS 'The part of mail_about that asks packed days.';
COMMENT ON FUNCTION tap25_internal.packed_rows(date) IS 'Returns the query of the rows of a packed day.';
COMMENT ON FUNCTION tap25_internal.packing_addresses() IS 'Part of the statement of pack_block: the addresses.';
COMMENT ON FUNCTION tap25_internal.packing_block() IS 'Part of the statement of pack_block: the columns of the block.';
COMMENT ON FUNCTION tap25_internal.packing_chain(text) IS 'The chain that signs what this login packs of a sensor''s coverage; null: it may not.';
COMMENT ON FUNCTION tap25_internal.packing_kinds() IS 'Part of the statement of pack_block: what each row has.';
COMMENT ON FUNCTION tap25_internal.packing_mails() IS 'Part of the statement of pack_block: what each mail has.';
COMMENT ON FUNCTION tap25_internal.packing_peers() IS 'Part of the statement of pack_block: peers and servers.';
COMMENT ON FUNCTION tap25_internal.packing_queues() IS 'Part of the statement of pack_block: the queue IDs.';
COMMENT ON FUNCTION tap25_internal.packing_rows() IS 'Part of the statement of pack_block: the rows.';
COMMENT ON FUNCTION tap25_internal.packing_sessions() IS 'Part of the statement of pack_block: mails and sessions.';
COMMENT ON FUNCTION tap25_internal.parse_target(text) IS 'Reads what target_text writes, and checks it.';
COMMENT ON FUNCTION tap25_internal.part(text,text,text) IS 'Returns the query of the rows of a function within a time; a question about another time leaves it out.';
COMMENT ON FUNCTION tap25_internal.part_rows(timestamp without time zone,timestamp without time zone) IS 'Returns the rows of the blocks of a packed day that have rows of a part of it, with their times apart.';
COMMENT ON FUNCTION tap25_internal.partition_name(date) IS 'Returns the name of a day''s partition: envelopes_YYYYMMDD.';
COMMENT ON FUNCTION tap25_internal.partitions() IS 'Returns the days that have a partition, with the octets that each takes, indexes included: select * from tap25_internal.partitions()';
COMMENT ON FUNCTION tap25_internal.percent(numeric,boolean) IS 'A share as per cent, rounded up or down to two decimals.';
COMMENT ON FUNCTION tap25_internal.place_arrivals() IS 'Puts the rows that the session has copied to its temporary tables on their machines. For sensors.';
COMMENT ON FUNCTION tap25_internal.positions_of(smallint[],integer[]) IS 'Returns where a list has one of some values.';
COMMENT ON FUNCTION tap25_internal.print_hash(text,text) IS 'Returns the hash of a value of a kind, such as mail_from, in lower case.';
COMMENT ON FUNCTION tap25_internal.print_of(bigint) IS 'Returns the 16 bits of a hash that are kept.';
COMMENT ON FUNCTION tap25_internal.print_page(bigint,smallint) IS 'Returns the page that a hash belongs to.';
COMMENT ON FUNCTION tap25_internal.prints_name(date) IS 'Returns the name of the partition of prints of a day.';
COMMENT ON FUNCTION tap25_internal.prune_loads(text,text) IS 'Forgets loads of a spool''s segments that are a month old and older than a segment; returns how many. For sensors, of their own name.';
COMMENT ON FUNCTION tap25_internal.record_access(bigint,text,text,bigint[],text,bigint,bigint,text,bigint,text,timestamp with time zone,timestamp with time zone,text) IS 'Adds the line of an access to accesses.';
COMMENT ON FUNCTION tap25_internal.record_opening(text,text,text) IS 'Records that the private cluster is opened as its owner, in the server''s log and in accesses. tap25 db psql calls it.';
COMMENT ON FUNCTION tap25_internal.record_scope(text,text,timestamp with time zone,text,text) IS 'Records that a scope is in force for a sensor from a time on, and returns whether that is a change. For sensors, under their own name.';
COMMENT ON FUNCTION tap25_internal.refuse() IS 'Trigger: refuses to change or delete rows of a table that is append-only.';
COMMENT ON FUNCTION tap25_internal.refuse_change() IS 'Trigger: refuses to write the view warrants.';
COMMENT ON FUNCTION tap25_internal.region_failure(text,text,text) IS 'Returns why a region has not answered, in words that hold no address, host, login or value.';
COMMENT ON FUNCTION tap25_internal.release_holds(text) IS 'Removes the rows that only holds which have ended kept; returns what was removed for each day.';
COMMENT ON FUNCTION tap25_internal.released_leaves() IS 'The leaves of the rows that release_holds will drop in this transaction. For administrators, who sign what they drop.';
COMMENT ON FUNCTION tap25_internal.restored_links() IS 'Returns the xmin of the links that a restored dump has brought; null if none was restored.';
COMMENT ON FUNCTION tap25_internal.row_columns(text) IS 'Returns the columns of a row in the order of its canonical form, each with a prefix.';
COMMENT ON FUNCTION tap25_internal.rows_held(bigint) IS 'Returns how many rows a hold keeps; null for those who are not the owner, who could ask for mail by adding holds.';
COMMENT ON FUNCTION tap25_internal.rows_there(text,bytea[],timestamp with time zone,timestamp with time zone) IS 'Returns which of some rows of a sensor are there, by their leaves, and how often. The rows are of a time. For sensors, under their own name.';
COMMENT ON FUNCTION tap25_internal.set_volume(bigint) IS 'Sets for how many rows a day the indexes of addresses of new days are made; returns the bits of a hash that they have from now on. For the owner: select tap25_internal.set_volume(100000000)';
COMMENT ON FUNCTION tap25_internal.show_packed() IS 'Makes the view mail_packed.';
COMMENT ON FUNCTION tap25_internal.size_of(regclass) IS 'Returns the octets of a table with its indexes, on all machines.';
COMMENT ON FUNCTION tap25_internal.size_of_indexes(regclass) IS 'Returns the octets of a table''s indexes, on all machines.';
COMMENT ON FUNCTION tap25_internal.skip_arrays(regclass) IS 'Has ANALYZE leave out the arrays of blocks.';
COMMENT ON FUNCTION tap25_internal.span(interval) IS 'A time span for people, in one unit.';
COMMENT ON FUNCTION tap25_internal.stamp() IS 'Trigger: enters who adds a row and when, whatever was given.';
COMMENT ON FUNCTION tap25_internal.stamp_load(text,text) IS 'Gives a segment''s line in loads, which this transaction has entered, the xmin of the rows that it copies next. For sensors, under their own name.';
COMMENT ON FUNCTION tap25_internal.stamp_scope() IS 'Trigger: stamps a line of scopes with who adds it and when, and the digest of its rules, whatever was given.';
COMMENT ON FUNCTION tap25_internal.summarize_day(date) IS 'Makes the summary of a day; returns false if another session is making one or, to a sensor, if none is due. For sensors and administrators.';
COMMENT ON FUNCTION tap25_internal.target_text(text,text,inet,text) IS 'Returns a target as people write it: a mailbox, a domain, an IP address or subnet, with the network it is seen in.';
COMMENT ON FUNCTION tap25_internal.unpack(tap25_internal.blocks,text,text,inet) IS 'Returns rows of a block, those that a question may be about or all, in their order, with the number of the mail and the link that signs it.';
COMMENT ON FUNCTION tap25_internal.unpacks(timestamp without time zone,timestamp without time zone) IS 'Returns true, or refuses a statement that unpacks millions of rows of more than a day in all.';
COMMENT ON FUNCTION tap25_internal.valid_warrants(text) IS 'Returns the warrants that open a case to the session''s login now: warrants.id.';
COMMENT ON FUNCTION tap25_internal.without_coverage(timestamp with time zone,timestamp with time zone,text) IS 'A sentence about days of a time that have rows of sensors without coverage, such as imported ones; empty if there are none.';
COMMENT ON FUNCTION tap25_internal.wrong_clock(date) IS 'Returns why a day gets no partition by the clock alone, or null: it is before 1990, or more than two days ahead.';
