-- What is done instead when a task ends without a video, and the removal of all that is kept of a task.

ALTER TABLE callboard.tasks ADD COLUMN fallback_of uuid;
CREATE INDEX tasks_fallbacks ON callboard.tasks (fallback_of) WHERE fallback_of IS NOT NULL;
ALTER TABLE callboard.task_payloads
  ADD COLUMN fallback      text,   -- what is left to be tried: checked requests, as JSON
  ADD COLUMN fallback_task uuid;   -- the task that was started instead

-- The names of erased tasks: they stay taken, and callbacks for them are counted, not kept.
CREATE TABLE callboard.erased_tasks (
  task_uuid uuid PRIMARY KEY,
  tenant    text NOT NULL REFERENCES callboard.tenants,
  erased_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Which tasks an answer that may be replayed shows.
ALTER TABLE callboard.idempotency_keys ADD COLUMN tasks uuid[] NOT NULL DEFAULT '{}';
CREATE INDEX idempotency_keys_tasks ON callboard.idempotency_keys USING gin (tasks) WHERE tasks <> '{}';
CREATE INDEX deliveries_events ON callboard.deliveries (event_id);
