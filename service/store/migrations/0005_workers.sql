-- Many processes on one database: who they are, what a dead one left behind, and which keys they need.

-- One row a process, gone when it drained. `host` names boot and pid namespace: only where both are the same can a pid
-- be looked up; none where that cannot be told. No index but the key, so that beats stay HOT.
CREATE TABLE callboard.workers (
  worker        uuid PRIMARY KEY,
  host          text,
  machine       text NOT NULL,           -- its name, for people
  pid           integer NOT NULL,
  process_start bigint,                  -- clock ticks since boot: a pid that was given anew has another one
  roles         text[] NOT NULL,
  version       text NOT NULL,
  started_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  heartbeat_at  timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

ALTER TABLE callboard.deliveries ADD COLUMN lease_owner uuid;

-- Which key minted the token in the URL of the first send, by its fingerprint; none for what was sent before this column.
ALTER TABLE callboard.task_payloads ADD COLUMN first_callback_key text;

-- The first key of every start, by fingerprint, so that a missing one can be named.
CREATE TABLE callboard.key_fingerprints (
  purpose       text NOT NULL CHECK (purpose IN ('callback', 'encryption')),
  fingerprint   text NOT NULL,
  first_used_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_used_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (purpose, fingerprint)
);
