-- Lanes: what deliveries share with their neighbours (core/lanes.py), with the health of what stands at their end.
-- A lane's row is made with its first delivery; limits are read from its subscription. Claims lock it, so that what
-- is under way can be counted over all processes.
CREATE TABLE callboard.lanes (
  lane          uuid PRIMARY KEY,
  name          text NOT NULL DEFAULT '',  -- the host of notifyURLs, for people; empty for a subscription
  failures      integer NOT NULL DEFAULT 0,  -- in a row, over the whole lane
  failing_since timestamptz,                 -- the first failure since the last success
  openings      integer NOT NULL DEFAULT 0,  -- of the breaker, in a row
  throttles     integer NOT NULL DEFAULT 0,  -- in a row
  blocked_since timestamptz,
  blocked_until timestamptz,                 -- nothing is sent before; then one probe, until it is answered
  send_at       timestamptz                  -- the limit a minute, as in core/rate.py
) WITH (fillfactor = 50);
INSERT INTO callboard.lanes (lane) SELECT s.id FROM callboard.subscriptions AS s WHERE s.deleted_at IS NULL;

-- Claims go lane by lane. What is under way is counted by lane, and only while its lease lasts.
DROP INDEX callboard.deliveries_due;
DROP INDEX callboard.deliveries_sending;
CREATE INDEX deliveries_lane ON callboard.deliveries (lane, next_at, id) WHERE state = 'pending';
CREATE INDEX deliveries_sending ON callboard.deliveries (lane, lease_until) WHERE state = 'sending';
