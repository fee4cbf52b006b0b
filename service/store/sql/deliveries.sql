-- Deliveries: claimed, sent, recorded.

-- name: claim_deliveries
-- Claim deliveries that are due. One of a task waits for the earlier ones of the same task and target; no
-- target gets more than its share, counting what is under way here. Arrays, for the reason of `claim_queued`;
-- the clock in a subquery, for that of `claim_due`. The earlier ones are asked for by a subquery with a limit: as
-- NOT EXISTS it becomes a join with all that is open. The limit is a subquery too: who knows it, and takes what is
-- due for less, sorts all of it.
-- $1 integer how many
-- $2 double precision lease seconds
-- $3 uuid[] targets that have something under way here
-- $4 integer[] how much that is
-- $5 integer the share of a target
-- $6 timestamptz now, or null
-- $7 uuid the worker, or null
-- $8 timestamptz only what was due from then on (`deliveries_floor`), or null
WITH due AS MATERIALIZED (
  SELECT d.created_at, d.id, d.target, d.next_at
  FROM callboard.deliveries AS d
  WHERE d.state = 'pending' AND d.next_at <= (SELECT coalesce($6::timestamptz, clock_timestamp()))
    AND d.next_at >= coalesce($8::timestamptz, '-infinity')
    AND d.target <> ALL (ARRAY(SELECT u.target FROM unnest($3::uuid[], $4::integer[]) AS u (target, n)
                               WHERE u.n >= $5::integer))
    AND (NOT d.ordered OR (SELECT e.id FROM callboard.deliveries AS e
         WHERE e.target = d.target AND e.task_uuid = d.task_uuid AND e.id < d.id
           AND e.state IN ('pending', 'sending') AND e.ordered
         ORDER BY e.id LIMIT 1) IS NULL)
  ORDER BY d.next_at, d.id
  LIMIT (SELECT $1::integer)
  FOR UPDATE SKIP LOCKED),
shared AS (
  SELECT due.created_at, due.id,
         coalesce(u.n, 0) + row_number() OVER (PARTITION BY due.target ORDER BY due.next_at, due.id) AS place
  FROM due LEFT JOIN unnest($3::uuid[], $4::integer[]) AS u (target, n) USING (target)),
taken AS (
  UPDATE callboard.deliveries AS d
  SET state = 'sending', attempts = d.attempts + 1, lease_no = d.lease_no + 1, lease_owner = $7::uuid,
      lease_until = coalesce($6::timestamptz, clock_timestamp()) + make_interval(secs => $2::double precision)
  FROM unnest(ARRAY(SELECT s.created_at FROM shared AS s WHERE s.place <= $5::integer ORDER BY s.id),
              ARRAY(SELECT s.id FROM shared AS s WHERE s.place <= $5::integer ORDER BY s.id)) AS s (created_at, id)
  WHERE d.created_at = s.created_at AND d.id = s.id
  RETURNING d.*)
SELECT t.created_at, t.id, t.tenant, t.task_uuid, t.subscription_id, t.target, t.attempts, t.tries_since, t.lease_no,
       e.id AS event_id, e.source, e.type, e.sequence, e.data,
       s.kind, s.url, s.settings, s.secret, s.previous_secret, s.previous_until, s.include_request,
       s.enabled, s.deleted_at IS NOT NULL AS deleted,
       n.signing_secret, n.previous_secret AS previous_signing_secret, n.previous_until AS previous_signing_until,
       p.notify_url, CASE WHEN s.include_request THEN p.request END AS request,
       coalesce($6::timestamptz, clock_timestamp()) AS now
FROM taken AS t
JOIN callboard.events AS e ON e.created_at = t.created_at AND e.id = t.event_id
LEFT JOIN callboard.subscriptions AS s ON s.id = t.subscription_id
LEFT JOIN callboard.tenants AS n ON n.tenant = t.tenant
LEFT JOIN callboard.task_payloads AS p ON p.task_uuid = t.task_uuid
ORDER BY t.id

-- name: deliveries_floor
-- Where claims of deliveries begin to read: nothing is due before. See `due_floor`.
-- $1 double precision how many seconds are read in any case
-- $2 timestamptz now, or null
SELECT least((SELECT d.next_at FROM callboard.deliveries AS d
              WHERE d.state = 'pending' ORDER BY d.next_at, d.id LIMIT 1),
             coalesce($2::timestamptz, clock_timestamp()) - make_interval(secs => $1::double precision))

-- name: record_attempt
-- Record an attempt and what follows: delivered, another try at a time, or an end. A stale worker changes nothing.
-- $1 timestamptz the delivery's created_at
-- $2 bigint its id
-- $3 bigint the lease number of the attempt
-- $4 text the new state
-- $5 double precision seconds until the next attempt, or null
-- $6 integer HTTP status, or null
-- $7 text error, or null
-- $8 integer duration in milliseconds
-- $9 bytea the beginning of the response
-- $10 timestamptz now, or null
WITH moved AS (
  UPDATE callboard.deliveries AS d
  SET state = $4::text, status = $6::integer, error = $7::text, lease_until = NULL,
      next_at = coalesce($10::timestamptz, clock_timestamp()) + make_interval(secs => $5::double precision),
      finished_at = CASE WHEN $4::text NOT IN ('pending', 'held') THEN coalesce($10::timestamptz, clock_timestamp()) END
  WHERE d.created_at = $1::timestamptz AND d.id = $2::bigint AND d.state = 'sending' AND d.lease_no = $3::bigint
  RETURNING d.task_uuid, d.target, d.attempts, d.next_at, d.ordered),
noted AS (
  INSERT INTO callboard.attempts (at, delivery_id, task_uuid, no, duration_ms, status, error, response)
  SELECT coalesce($10::timestamptz, clock_timestamp()), $2::bigint, m.task_uuid, m.attempts, $8::integer, $6::integer,
         $7::text, $9::bytea
  FROM moved AS m),
followers AS (
  -- Those that wait behind a retry need not be looked at before it. No join, which would read all that is open.
  UPDATE callboard.deliveries AS d
  SET next_at = greatest(d.next_at, (SELECT m.next_at FROM moved AS m))
  WHERE $4::text = 'pending' AND d.ordered AND (SELECT m.ordered FROM moved AS m)
    AND d.target = (SELECT m.target FROM moved AS m)
    AND d.task_uuid = (SELECT m.task_uuid FROM moved AS m) AND d.id > $2::bigint AND d.state = 'pending')
SELECT count(*) FROM moved

-- name: wake_followers
-- Let the deliveries behind one that ended go at once.
-- $1 uuid target
-- $2 uuid task
-- $3 timestamptz now, or null
UPDATE callboard.deliveries AS d
SET next_at = coalesce($3::timestamptz, clock_timestamp())
WHERE d.target = $1::uuid AND d.task_uuid = $2::uuid AND d.state = 'pending' AND d.ordered
  AND d.next_at > coalesce($3::timestamptz, clock_timestamp())

-- name: rescue_deliveries
-- Give deliveries back whose sender ended without recording.
-- $1 timestamptz now, or null
UPDATE callboard.deliveries AS d
SET state = 'pending', lease_until = NULL, next_at = coalesce($1::timestamptz, clock_timestamp())
WHERE d.state = 'sending' AND d.lease_until <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
RETURNING d.id

-- name: count_undelivered
-- How many deliveries wait or are under way.
-- $1 integer count no further
SELECT count(*) FROM (SELECT FROM callboard.deliveries AS d WHERE d.state IN ('pending', 'sending')
                      LIMIT $1::integer) AS counted
