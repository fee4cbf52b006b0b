-- Accounts at work: pauses, rates, weights, and tasks that may go by any account or only by the one they name.

ALTER TABLE callboard.accounts
  ADD COLUMN weight           integer NOT NULL DEFAULT 1 CHECK (weight BETWEEN 1 AND 1000),
  ADD COLUMN reads_per_minute integer NOT NULL DEFAULT 0 CHECK (reads_per_minute >= 0),
  ADD COLUMN send_at          timestamptz,   -- when the next send is in turn (core.rate)
  ADD COLUMN read_at          timestamptz,
  ADD COLUMN pauses           integer NOT NULL DEFAULT 0 CHECK (pauses >= 0),  -- in a row; 0 is healthy
  ADD COLUMN paused_since     timestamptz,
  ADD COLUMN held_for         text,          -- an operator's pause, until it is resumed
  ADD COLUMN created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  ADD CONSTRAINT pauses_have_a_time CHECK ((pauses = 0) = (paused_since IS NULL) AND (pauses = 0) = (paused_until IS NULL)),
  ALTER COLUMN paused_for TYPE jsonb USING NULL;
COMMENT ON COLUMN callboard.accounts.credentials IS 'the API key, sealed by the vault; none for the account of the environment';

CREATE INDEX slots_free ON callboard.slots (tenant, provider, account, slot_no) WHERE task_uuid IS NULL;

-- A task that names no account may be sent by any: it waits in the queue ''.
ALTER TABLE callboard.tasks
  ADD COLUMN pinned boolean NOT NULL DEFAULT false,
  ADD COLUMN queue  text NOT NULL GENERATED ALWAYS AS (CASE WHEN pinned THEN account ELSE '' END) STORED;
DROP INDEX callboard.tasks_queue;
CREATE INDEX tasks_queue ON callboard.tasks (provider, queue, priority DESC, seq) WHERE state = 'queued';
DROP INDEX callboard.tasks_slots;
