-- Batches: many submissions that were stored in one transaction, and are told of once all of their tasks ended.

CREATE TABLE callboard.batches (
  id          uuid PRIMARY KEY,
  seq         bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant      text NOT NULL REFERENCES callboard.tenants,
  total       integer NOT NULL CHECK (total >= 1),  -- submissions; fallbacks make more tasks of them
  created_at  timestamptz NOT NULL,
  finished_at timestamptz,
  event_id    uuid UNIQUE,                          -- its batch.completed: at most one a batch
  CONSTRAINT finished_batches_were_announced CHECK ((finished_at IS NULL) = (event_id IS NULL))
);
CREATE INDEX batches_running ON callboard.batches (seq) WHERE finished_at IS NULL;
CREATE INDEX batches_newest ON callboard.batches (tenant, seq DESC);

-- No foreign key: a batch is written with its first tasks and is never deleted.
ALTER TABLE callboard.tasks ADD COLUMN batch_id uuid;

-- The first lists and counts; the second answers in one probe whether a batch has an open task. It is ordered by
-- created_at because no other index is: a probe that asks for that order with LIMIT 1 cannot become a scan of
-- the table that hopes to meet a row early.
CREATE INDEX tasks_of_batch ON callboard.tasks (batch_id, seq DESC) WHERE batch_id IS NOT NULL;
CREATE INDEX tasks_open_of_batch ON callboard.tasks (batch_id, created_at)
  WHERE batch_id IS NOT NULL AND finished_at IS NULL;
