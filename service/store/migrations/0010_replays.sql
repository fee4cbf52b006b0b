-- Deliveries looked at and sent again: one by hand, or a range of them in the background.

-- A replay walks over its range in chunks. Its position, its counters and what it queued commit together.
CREATE TABLE callboard.replays (
  id              uuid PRIMARY KEY,
  seq             bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  tenant          text NOT NULL REFERENCES callboard.tenants,
  subscription_id uuid NOT NULL,
  since           timestamptz NOT NULL,
  until           timestamptz NOT NULL,
  wanted          text NOT NULL CHECK (wanted IN ('failed', 'held', 'missing', 'any')),
  types           text[],                -- none: all that the subscription wants
  rate            integer NOT NULL CHECK (rate >= 1),     -- deliveries a second
  state           text NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'completed', 'canceled')),
  canceled_by     text CHECK (canceled_by IN ('user', 'subscription_disabled', 'subscription_deleted')),
  at              timestamptz NOT NULL,                   -- its position: what is before it was looked at
  after_id        bigint NOT NULL DEFAULT 0,              -- and of this moment, deliveries up to this id
  after_event     uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',  -- or events, for `missing`
  due_at          timestamptz NOT NULL,                   -- when the next one that it queues is to be sent
  look_at         timestamptz NOT NULL,                   -- when it goes on
  matched         bigint NOT NULL DEFAULT 0,
  queued          bigint NOT NULL DEFAULT 0,
  skipped         bigint NOT NULL DEFAULT 0,
  delivered       bigint NOT NULL DEFAULT 0,              -- these four: of deliveries that are no longer counted
  failed          bigint NOT NULL DEFAULT 0,              -- by `replay_id`: a later replay took them over, or all
  held            bigint NOT NULL DEFAULT 0,              -- have ended (`settled_at`)
  canceled        bigint NOT NULL DEFAULT 0,
  created_at      timestamptz NOT NULL,
  finished_at     timestamptz,
  settled_at      timestamptz,
  CONSTRAINT ended_replays_are_finished CHECK ((state = 'running') = (finished_at IS NULL)),
  CONSTRAINT canceled_replays_say_why CHECK ((state = 'canceled') = (canceled_by IS NOT NULL))
);
CREATE UNIQUE INDEX replays_running ON callboard.replays (subscription_id) WHERE state = 'running';
CREATE INDEX replays_due ON callboard.replays (look_at) WHERE state = 'running';
CREATE INDEX replays_unsettled ON callboard.replays (seq) WHERE settled_at IS NULL;
CREATE INDEX replays_of ON callboard.replays (subscription_id, seq DESC);

-- Deliveries of one subscription by time: its list, and the way of a replay. What was neither delivered nor is on its
-- way stands apart, because it may be one in a million; these two cost nothing where all goes well.
CREATE INDEX deliveries_to ON callboard.deliveries (target, created_at, id);
CREATE INDEX deliveries_odd_to ON callboard.deliveries (target, state, created_at, id)
  WHERE state IN ('failed', 'held', 'canceled');
CREATE INDEX deliveries_odd ON callboard.deliveries (tenant, state, created_at, id)
  WHERE state IN ('failed', 'held', 'canceled');

-- How far a replay's deliveries are, and how many of them were not tried yet.
CREATE INDEX deliveries_replayed ON callboard.deliveries (replay_id, state) WHERE replay_id IS NOT NULL;
CREATE INDEX deliveries_untried ON callboard.deliveries (replay_id)
  WHERE replay_id IS NOT NULL AND state = 'pending' AND attempts = tries_since;

-- One event by its id alone: the days it may lie in are not known. By the tenant first, so that no join takes it for
-- the primary key.
CREATE INDEX events_named ON callboard.events (tenant, id);
