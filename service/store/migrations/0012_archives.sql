-- Videos that are kept. What is shown of a kept file stands with its result; the work of keeping it has a row of its
-- own, which outlives its task until the file is deleted.

ALTER TABLE callboard.tasks
  ADD COLUMN archives boolean NOT NULL DEFAULT false,
  ADD COLUMN hold_s   integer CHECK (hold_s > 0),   -- how long video.completed waits for its file; none: it does not
  ADD COLUMN hold_over_at timestamptz;              -- when the first of its results has waited for that long

ALTER TABLE callboard.task_payloads ADD COLUMN archive text;   -- core.media.Wanted as JSON

ALTER TABLE callboard.results
  ADD COLUMN hold_until timestamptz,
  ADD COLUMN archive    jsonb,                      -- core.media.Archive
  DROP CONSTRAINT results_state_check,
  DROP CONSTRAINT results_check,
  ADD CONSTRAINT results_state_check
    CHECK (state IN ('pending', 'archiving', 'completed', 'failed', 'canceled', 'late')),
  ADD CONSTRAINT videos_have_names
    CHECK ((state IN ('archiving', 'completed', 'late')) = (video_uuid IS NOT NULL)),
  ADD CONSTRAINT only_what_is_archiving_waits CHECK ((state = 'archiving') = (hold_until IS NOT NULL));

CREATE TABLE callboard.archives (
  task_uuid   uuid NOT NULL,                        -- no reference: it stays until the file of an erased task is gone
  index       smallint NOT NULL,
  id          bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant      text NOT NULL,
  place       text NOT NULL,                        -- `disk`, an object store's URL, or `put`
  state       text NOT NULL CHECK (state IN ('pending', 'kept', 'failed', 'deleting')),
  created_at  timestamptz NOT NULL,
  next_at     timestamptz,
  attempts    integer NOT NULL DEFAULT 0,
  lease_no    bigint NOT NULL DEFAULT 0,
  lease_until timestamptz,                          -- in no index: heartbeats stay HOT
  lease_owner uuid,
  error       text,
  location    text,                                 -- where it is, in the words of its place
  bytes       bigint,
  kept_at     timestamptz,
  expires_at  timestamptz,                          -- when its retention ends; none: with its task
  PRIMARY KEY (task_uuid, index),
  CHECK ((state IN ('pending', 'deleting')) = (next_at IS NOT NULL)),
  CHECK (state <> 'kept' OR location IS NOT NULL)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX archives_due ON callboard.archives (next_at) WHERE state IN ('pending', 'deleting');
CREATE INDEX archives_expiring ON callboard.archives (expires_at) WHERE state = 'kept' AND expires_at IS NOT NULL;
