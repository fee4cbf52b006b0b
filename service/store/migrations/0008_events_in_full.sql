-- Subscriptions in full: narrower filters, limits of their own, a second scheme of signatures, sealed credentials.
ALTER TABLE callboard.subscriptions
  ADD COLUMN description          text NOT NULL DEFAULT '',
  ADD COLUMN model                text,            -- only of this model's tasks
  ADD COLUMN condition            text,            -- an SQL/JSON path predicate on the event's data
  ADD COLUMN headers              bytea,           -- sealed JSON object: extra headers, which often hold a token
  ADD COLUMN header_names         text[] NOT NULL DEFAULT '{}',
  ADD COLUMN credentials          bytea,           -- sealed JSON object: what a broker asks for
  ADD COLUMN signing_key          bytea,           -- sealed Ed25519 seed; none: no v1a signature
  ADD COLUMN public_key           bytea,
  ADD COLUMN previous_signing_key bytea,
  ADD COLUMN previous_public_key  bytea,
  ADD COLUMN concurrency          integer CHECK (concurrency BETWEEN 1 AND 1000),
  ADD COLUMN rate_per_minute      integer CHECK (rate_per_minute BETWEEN 1 AND 1000000),
  ADD COLUMN timeout_s            double precision CHECK (timeout_s BETWEEN 1 AND 60),
  ADD COLUMN batch_size           integer CHECK (batch_size BETWEEN 1 AND 1000),
  ADD COLUMN handshake            boolean NOT NULL DEFAULT false,  -- asks by OPTIONS before it sends
  ADD COLUMN allowed_at           timestamptz,     -- when the target last gave its consent
  ADD COLUMN allowed_rate         integer,         -- a minute, as the target allowed it; none: any
  ADD COLUMN disabled_at          timestamptz,
  ADD COLUMN disabled_reason      text CHECK (disabled_reason IN ('user', 'gone', 'failing')),
  ADD COLUMN event_sequence       integer NOT NULL DEFAULT 0,      -- of the events about itself
  ADD COLUMN updated_at           timestamptz NOT NULL DEFAULT clock_timestamp();
UPDATE callboard.subscriptions SET disabled_at = clock_timestamp(), disabled_reason = 'gone' WHERE NOT enabled;
ALTER TABLE callboard.subscriptions
  ADD CONSTRAINT the_disabled_say_why CHECK (enabled = (disabled_reason IS NULL));

-- A lane is what deliveries share with their neighbours: a subscription, or the host of notifyURLs.
ALTER TABLE callboard.deliveries
  ADD COLUMN lane        uuid,
  ADD COLUMN ordered     boolean NOT NULL DEFAULT true,  -- false: replayed or retried, outside the order
  ADD COLUMN tries_since integer NOT NULL DEFAULT 0,     -- attempts before the present round of the schedule
  ADD COLUMN replay_id   uuid;
UPDATE callboard.deliveries SET lane = target;
ALTER TABLE callboard.deliveries ALTER COLUMN lane SET NOT NULL;
ALTER TABLE callboard.attempts ADD COLUMN address text;  -- the address that was connected to
