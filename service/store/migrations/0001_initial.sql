-- The bones: tasks and what is kept of them, the inbox of callbacks, events and their deliveries.
-- Hot rows are narrow; payloads stand apart. Callbacks, events, deliveries and attempts are partitioned by
-- UTC day, so that old data leaves by dropping a partition; what must be unique for longer than a day
-- (one terminal event a task, one video.late a video) is kept on the unpartitioned task and result rows.

CREATE TABLE callboard.tenants (
  tenant          text PRIMARY KEY CHECK (length(tenant) BETWEEN 1 AND 64),
  signing_secret  bytea,                 -- sealed by the vault; signs what goes to a notifyURL
  previous_secret bytea,
  previous_until  timestamptz,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO callboard.tenants (tenant) VALUES ('default');

CREATE TABLE callboard.api_keys (
  id         uuid PRIMARY KEY,
  tenant     text NOT NULL REFERENCES callboard.tenants,
  name       text NOT NULL CHECK (length(name) <= 200),
  prefix     text NOT NULL,              -- shown, so that people can tell keys apart
  hash       bytea NOT NULL UNIQUE,      -- SHA-256: the keys are 256 random bits, nothing to stretch
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  revoked_at timestamptz
);

CREATE TABLE callboard.idempotency_keys (
  tenant     text NOT NULL,
  method     text NOT NULL,
  path       text NOT NULL,
  key        text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  body_hash  bytea NOT NULL,
  status     smallint,
  location   text,
  answer     bytea,
  created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, method, path, key)
);
CREATE INDEX idempotency_keys_age ON callboard.idempotency_keys (created_at);

-- Upstream credentials with their places. The environment's account is `default`.
CREATE TABLE callboard.accounts (
  tenant       text NOT NULL REFERENCES callboard.tenants,
  provider     text NOT NULL,
  account      text NOT NULL DEFAULT 'default',
  concurrency  integer NOT NULL CHECK (concurrency >= 0),
  per_minute   integer NOT NULL DEFAULT 0 CHECK (per_minute >= 0),
  credentials  bytea,
  paused_until timestamptz,
  paused_for   text,
  PRIMARY KEY (tenant, provider, account)
);

-- Ready-made places: taken with SKIP LOCKED, because counting rows in a claim is no limit under concurrency.
CREATE TABLE callboard.slots (
  tenant    text NOT NULL,
  provider  text NOT NULL,
  account   text NOT NULL,
  slot_no   integer NOT NULL,
  task_uuid uuid UNIQUE,
  taken_at  timestamptz,
  PRIMARY KEY (tenant, provider, account, slot_no),
  FOREIGN KEY (tenant, provider, account) REFERENCES callboard.accounts
);

CREATE TABLE callboard.tasks (
  task_uuid        uuid PRIMARY KEY,
  seq              bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant           text NOT NULL REFERENCES callboard.tenants,
  provider         text NOT NULL,
  account          text NOT NULL DEFAULT 'default',
  model            text NOT NULL,
  state            text NOT NULL CHECK (state IN ('queued', 'submitting', 'processing', 'completed',
                                                  'failed', 'rejected', 'canceled', 'timed_out')),
  priority         smallint NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
  results_expected smallint NOT NULL CHECK (results_expected >= 1),
  created_at       timestamptz NOT NULL,
  start_by         timestamptz NOT NULL,
  deadline_seconds integer NOT NULL CHECK (deadline_seconds >= 1),
  deadline_at      timestamptz,
  first_sent_at    timestamptz,
  sent_at          timestamptz,
  submitted_at     timestamptz,
  finished_at      timestamptz,
  attempts         integer NOT NULL DEFAULT 0,
  unknown          boolean NOT NULL DEFAULT false,
  resend_at        timestamptz,
  read_empty_at    timestamptz,
  upstream_id      text,
  polls            integer NOT NULL DEFAULT 0,
  settled_since    timestamptz,
  vague_polls      smallint NOT NULL DEFAULT 0,
  vague_since      timestamptz,
  look_again_at    timestamptz,
  lease_no         bigint NOT NULL DEFAULT 0,
  lease_until      timestamptz,          -- in no index: claims and heartbeats stay HOT
  lease_owner      uuid,
  slot_since       timestamptz,
  event_sequence   integer NOT NULL DEFAULT 0,
  terminal_event   uuid UNIQUE,
  error            jsonb,
  retry_of         uuid,
  CONSTRAINT final_tasks_are_finished CHECK (
    (state IN ('completed', 'failed', 'rejected', 'canceled', 'timed_out')) = (finished_at IS NOT NULL)),
  CONSTRAINT final_tasks_were_announced CHECK ((finished_at IS NULL) = (terminal_event IS NULL)),
  CONSTRAINT open_tasks_are_looked_at CHECK (finished_at IS NOT NULL OR look_again_at IS NOT NULL),
  CONSTRAINT slots_are_held_since_a_send CHECK (slot_since IS NULL OR state <> 'queued'),
  CONSTRAINT leases_are_of_open_or_watched_tasks CHECK (lease_until IS NULL OR look_again_at IS NOT NULL)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);

-- Two indexes serve every loop: the queue is claimed by (priority, age), everything else by its time.
CREATE INDEX tasks_queue ON callboard.tasks (provider, priority DESC, seq) WHERE state = 'queued';
CREATE INDEX tasks_due ON callboard.tasks (look_again_at)
  WHERE look_again_at IS NOT NULL AND state <> 'queued';
CREATE INDEX tasks_never_started ON callboard.tasks (start_by) WHERE state = 'queued';
CREATE INDEX tasks_slots ON callboard.tasks (provider) WHERE slot_since IS NOT NULL;
CREATE INDEX tasks_retries ON callboard.tasks (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX tasks_newest ON callboard.tasks (tenant, seq DESC);

-- Written once, read when shown or sent. JSON is kept as text so that it comes back untouched.
CREATE TABLE callboard.task_payloads (
  task_uuid      uuid PRIMARY KEY REFERENCES callboard.tasks ON DELETE CASCADE,
  request        text NOT NULL,
  metadata       text NOT NULL,
  labels         jsonb NOT NULL,
  warnings       text[] NOT NULL DEFAULT '{}',
  notify_url     text,
  first_url      text,                   -- the bytes of the first send: every later one repeats them
  first_body     bytea,
  first_account  text,
  first_key_hint text
);

CREATE TABLE callboard.task_labels (
  tenant    text NOT NULL,
  key       text NOT NULL,
  value     text NOT NULL,
  seq       bigint NOT NULL,
  task_uuid uuid NOT NULL REFERENCES callboard.tasks ON DELETE CASCADE,
  PRIMARY KEY (tenant, key, value, seq)
);
CREATE INDEX task_labels_of ON callboard.task_labels (task_uuid);

CREATE TABLE callboard.results (
  task_uuid  uuid NOT NULL REFERENCES callboard.tasks ON DELETE CASCADE,
  index      smallint NOT NULL,
  state      text NOT NULL CHECK (state IN ('pending', 'completed', 'failed', 'canceled', 'late')),
  video_uuid text,
  video_url  text,
  seed       bigint,
  cost       numeric,
  nsfw       boolean,
  error      jsonb,
  settled_at timestamptz,
  event_id   uuid UNIQUE,                -- its video.* event: at most one a result
  PRIMARY KEY (task_uuid, index),
  UNIQUE (task_uuid, video_uuid),
  CHECK ((state IN ('completed', 'late')) = (video_uuid IS NOT NULL)),
  CHECK ((state = 'pending') = (settled_at IS NULL))
);

-- The timeline's own part: transitions and upstream calls. Callbacks, events and attempts join it when read.
CREATE TABLE callboard.history (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  task_uuid  uuid NOT NULL REFERENCES callboard.tasks ON DELETE CASCADE,
  at         timestamptz NOT NULL,
  kind       text NOT NULL CHECK (kind IN ('transition', 'upstream')),
  name       text NOT NULL,
  from_state text,
  to_state   text,
  detail     jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX history_of ON callboard.history (task_uuid, at, id);

CREATE TABLE callboard.subscriptions (
  id              uuid PRIMARY KEY,
  tenant          text NOT NULL REFERENCES callboard.tenants,
  kind            text NOT NULL,
  url             text,
  settings        jsonb NOT NULL DEFAULT '{}',
  types           text[] NOT NULL,
  provider        text,
  labels          jsonb NOT NULL DEFAULT '{}',
  format          text NOT NULL DEFAULT 'structured',
  include_request boolean NOT NULL DEFAULT false,
  secret          bytea,                 -- sealed by the vault
  previous_secret bytea,
  previous_until  timestamptz,
  enabled         boolean NOT NULL DEFAULT true,
  failing_since   timestamptz,
  created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
  deleted_at      timestamptz
);
CREATE INDEX subscriptions_live ON callboard.subscriptions (tenant, created_at) WHERE deleted_at IS NULL;

-- The feed of events. Its cursor is (incarnation, xid, seq) below the oldest running transaction, because a
-- serial number alone is no cursor: rows become visible behind a reader's back (queues.md E7).
CREATE TABLE callboard.feed (
  one                 boolean PRIMARY KEY DEFAULT true CHECK (one),
  incarnation         integer NOT NULL DEFAULT 1,
  system_identifier   bigint NOT NULL,
  dropped_incarnation integer NOT NULL DEFAULT 0,
  dropped_xid         xid8 NOT NULL DEFAULT '0',
  dropped_seq         bigint NOT NULL DEFAULT 0
);
INSERT INTO callboard.feed (system_identifier)
SELECT system_identifier FROM pg_catalog.pg_control_system();

CREATE SEQUENCE callboard.callbacks_id AS bigint;
CREATE SEQUENCE callboard.events_seq AS bigint;
CREATE SEQUENCE callboard.deliveries_id AS bigint;
CREATE SEQUENCE callboard.attempts_id AS bigint;

CREATE TABLE callboard.callbacks (
  id          bigint NOT NULL DEFAULT nextval('callboard.callbacks_id'),
  received_at timestamptz NOT NULL,
  tenant      text NOT NULL DEFAULT 'default',
  provider    text NOT NULL,
  task_uuid   uuid NOT NULL,
  body        bytea NOT NULL,
  headers     jsonb NOT NULL DEFAULT '{}',
  outcome     text NOT NULL CHECK (outcome IN ('pending', 'applied', 'duplicate', 'late', 'conflicting',
                                               'unreadable', 'unverified', 'orphan')),
  detail      text NOT NULL DEFAULT '',
  tries       integer NOT NULL DEFAULT 0,
  settled_at  timestamptz,
  PRIMARY KEY (received_at, id)
) PARTITION BY RANGE (received_at);
CREATE INDEX callbacks_pending ON callboard.callbacks (id) WHERE outcome = 'pending';
CREATE INDEX callbacks_of ON callboard.callbacks (task_uuid, received_at);
CREATE INDEX callbacks_newest ON callboard.callbacks (tenant, id DESC);

CREATE TABLE callboard.events (
  created_at  timestamptz NOT NULL,
  id          uuid NOT NULL,
  seq         bigint NOT NULL DEFAULT nextval('callboard.events_seq'),
  xid         xid8 NOT NULL DEFAULT pg_current_xact_id(),
  incarnation integer NOT NULL,
  tenant      text NOT NULL,
  source      text NOT NULL,             -- kept, so that an envelope never changes with a setting
  type        text NOT NULL,
  task_uuid   uuid NOT NULL,
  sequence    integer NOT NULL,
  data        bytea NOT NULL,
  PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX events_feed ON callboard.events (incarnation, xid, seq);
CREATE INDEX events_of ON callboard.events (task_uuid, sequence);

CREATE TABLE callboard.deliveries (
  created_at      timestamptz NOT NULL,  -- the event's
  id              bigint NOT NULL DEFAULT nextval('callboard.deliveries_id'),
  tenant          text NOT NULL,
  event_id        uuid NOT NULL,
  task_uuid       uuid NOT NULL,
  subscription_id uuid,                  -- none: it goes to the task's notifyURL
  target          uuid NOT NULL,         -- the subscription, or the task itself for its notifyURL
  state           text NOT NULL CHECK (state IN ('pending', 'sending', 'delivered', 'failed', 'held',
                                                 'canceled')),
  attempts        integer NOT NULL DEFAULT 0,
  next_at         timestamptz,
  lease_no        bigint NOT NULL DEFAULT 0,
  lease_until     timestamptz,
  status          integer,
  error           text,
  finished_at     timestamptz,
  PRIMARY KEY (created_at, id)
) PARTITION BY RANGE (created_at);
CREATE INDEX deliveries_due ON callboard.deliveries (next_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_sending ON callboard.deliveries (lease_until) WHERE state = 'sending';
CREATE INDEX deliveries_order ON callboard.deliveries (target, task_uuid, id)
  WHERE state IN ('pending', 'sending');
CREATE INDEX deliveries_of ON callboard.deliveries (task_uuid, id);

CREATE TABLE callboard.attempts (
  at          timestamptz NOT NULL,
  id          bigint NOT NULL DEFAULT nextval('callboard.attempts_id'),
  delivery_id bigint NOT NULL,
  task_uuid   uuid NOT NULL,
  no          integer NOT NULL,
  duration_ms integer NOT NULL,
  status      integer,
  error       text,
  response    bytea NOT NULL DEFAULT '',
  PRIMARY KEY (at, id)
) PARTITION BY RANGE (at);
CREATE INDEX attempts_of ON callboard.attempts (task_uuid, id);

-- Makes the partitions of `days` UTC days from `first` on. CREATE, then ATTACH: attaching takes a weaker
-- lock than creating in place. One caller at a time, which waits for a lock no longer than it may hold others up; what is there already is left alone.
CREATE FUNCTION callboard.ensure_partitions(first date, days integer) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
  parent text;
  day date;
  name text;
  made integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(7301955820);
  FOREACH parent IN ARRAY ARRAY['callbacks', 'events', 'deliveries', 'attempts'] LOOP
    FOR day IN SELECT first + n FROM generate_series(0, days - 1) AS n LOOP
      name := parent || '_' || to_char(day, 'YYYYMMDD');
      CONTINUE WHEN to_regclass('callboard.' || name) IS NOT NULL;
      EXECUTE format('CREATE TABLE callboard.%I (LIKE callboard.%I INCLUDING ALL)', name, parent);
      EXECUTE format('ALTER TABLE callboard.%I SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02,'
                     ' autovacuum_analyze_scale_factor = 0.05)', name);
      EXECUTE format('ALTER TABLE callboard.%I ATTACH PARTITION callboard.%I FOR VALUES FROM (%L) TO (%L)',
                     parent, name, to_char(day, 'YYYY-MM-DD') || ' 00:00:00+00',
                     to_char(day + 1, 'YYYY-MM-DD') || ' 00:00:00+00');
      made := made + 1;
    END LOOP;
  END LOOP;
  RETURN made;
END $$;

-- Drops the partitions of days before `keep_from`, and remembers how far the feed is gone. A day on which a
-- callback or a delivery is still open is kept until it is not; a callback that was tried 20 times in vain
-- (flows.pending.MOST_TRIES) is for people to look at, and goes with its day.
CREATE FUNCTION callboard.drop_partitions(keep_from date) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '1s' AS $$
DECLARE
  part record;
  busy boolean;
  dropped integer := 0;
BEGIN
  PERFORM pg_advisory_xact_lock(7301955820);
  FOR part IN
    SELECT c.relname AS name, p.relname AS parent
    FROM pg_inherits i
    JOIN pg_class c ON c.oid = i.inhrelid
    JOIN pg_class p ON p.oid = i.inhparent
    JOIN pg_namespace n ON n.oid = p.relnamespace AND n.nspname = 'callboard'
    WHERE p.relkind = 'p' AND to_date(right(c.relname, 8), 'YYYYMMDD') < keep_from
    ORDER BY c.relname
  LOOP
    busy := false;
    IF part.parent = 'callbacks' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM callboard.%I WHERE outcome = ''pending'' AND tries < 20)',
                     part.name) INTO busy;
    ELSIF part.parent = 'deliveries' THEN
      EXECUTE format('SELECT EXISTS (SELECT FROM callboard.%I WHERE state IN (''pending'', ''sending''))',
                     part.name) INTO busy;
    ELSIF part.parent = 'events' THEN
      SELECT EXISTS (
        SELECT FROM callboard.deliveries d
        WHERE d.created_at < (to_date(right(part.name, 8), 'YYYYMMDD') + 1)::timestamp AT TIME ZONE 'UTC'
          AND d.state IN ('pending', 'sending')) INTO busy;
    END IF;
    CONTINUE WHEN busy;
    IF part.parent = 'events' THEN
      EXECUTE format(
        'UPDATE callboard.feed f SET dropped_incarnation = e.incarnation, dropped_xid = e.xid, dropped_seq = e.seq'
        ' FROM (SELECT incarnation, xid, seq FROM callboard.%I ORDER BY incarnation DESC, xid DESC, seq DESC'
        ' LIMIT 1) e WHERE (f.dropped_incarnation, f.dropped_xid, f.dropped_seq) < (e.incarnation, e.xid, e.seq)',
        part.name);
    END IF;
    EXECUTE format('DROP TABLE callboard.%I', part.name);
    dropped := dropped + 1;
  END LOOP;
  RETURN dropped;
END $$;

SELECT callboard.ensure_partitions((clock_timestamp() AT TIME ZONE 'UTC')::date - 1, 9);
