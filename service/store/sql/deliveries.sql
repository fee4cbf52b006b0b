-- Deliveries: claimed, sent, recorded.

-- name: claim_deliveries
-- Claim deliveries that are due, by lanes that are locked (`lock_due_lanes`): as many parcels of each as there is room
-- for, the first of all lanes before the second of any, beginning behind the lane served last. A parcel is one
-- delivery, or of a lane with a width up to so many that were never tried: of those one parcel a claim, which have one
-- `lease_until`, so that those under way can be counted. Only leases that last are counted: what ended is not cleaned
-- away while somebody holds an old snapshot. An ordered delivery waits for the earlier ordered ones of its task and
-- target; they are asked for by a subquery with a limit: as NOT EXISTS it becomes a join with all that is open. That, and
-- the floor, are written so that many rows are expected to pass: who expects few reads all that is due, and sorts it.
-- Arrays, for the reason of `claim_queued`; the clock in a subquery, for that of `claim_due`.
-- $1 integer how many parcels
-- $2 uuid[] lanes
-- $3 integer[] how many parcels of each may be under way
-- $4 integer[] how many of each may be taken
-- $5 integer[] their widths: how many deliveries make a parcel
-- $6 double precision[] lease seconds
-- $7 timestamptz[] floors: nothing that was due before
-- $8 uuid the lane served last
-- $9 timestamptz only deliveries created from then on, or null
-- $10 uuid the worker, or null
-- $11 timestamptz now, or null
WITH room AS MATERIALIZED (
  SELECT n.lane, n.width, n.lease, n.floor,
         least(n.most, n.at_once - (
           SELECT CASE WHEN n.width > 1 THEN count(DISTINCT d.lease_until) ELSE count(*) END
           FROM callboard.deliveries AS d
           WHERE d.lane = n.lane AND d.state = 'sending'
             AND d.lease_until > (SELECT coalesce($11::timestamptz, clock_timestamp()))
             AND d.created_at >= coalesce($9::timestamptz, '-infinity'))) AS parcels
  FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::integer[], $6::double precision[], $7::timestamptz[])
       AS n (lane, at_once, most, width, lease, floor)),
heads AS MATERIALIZED (
  SELECT r.lane, r.width, r.lease, h.created_at, h.id, h.fresh, h.place,
         first_value(h.fresh) OVER (PARTITION BY r.lane ORDER BY h.place) AS begins_fresh
  FROM room AS r CROSS JOIN LATERAL (
    SELECT q.created_at, q.id, q.fresh, row_number() OVER (ORDER BY q.next_at, q.id) AS place
    FROM (SELECT d.created_at, d.id, d.next_at, d.attempts = 0 AS fresh
          FROM callboard.deliveries AS d
          WHERE d.lane = r.lane AND d.state = 'pending'
            AND d.next_at <= (SELECT coalesce($11::timestamptz, clock_timestamp()))
            AND (d.next_at, d.id) >= (r.floor, 0)
            AND d.created_at >= coalesce($9::timestamptz, '-infinity')
            AND (NOT d.ordered OR coalesce((
              SELECT false FROM callboard.deliveries AS e
              WHERE e.target = d.target AND e.task_uuid = d.task_uuid AND e.id < d.id AND e.ordered
                AND e.state IN ('pending', 'sending')
                AND e.created_at >= coalesce($9::timestamptz, '-infinity')
              ORDER BY e.id LIMIT 1), true))
          ORDER BY d.next_at, d.id
          LIMIT CASE WHEN r.width > 1 THEN r.width ELSE r.parcels END) AS q) AS h
  WHERE r.parcels > 0),
turns AS (
  SELECT h.created_at, h.id, h.lease,
         sum((h.place = 1 OR h.width = 1)::integer)
           OVER (ORDER BY CASE WHEN h.width = 1 THEN h.place ELSE 1 END, h.lane <= $8::uuid, h.lane, h.place) AS turn
  FROM heads AS h
  WHERE h.width = 1 OR h.place = 1 OR (h.begins_fresh AND h.fresh)),
picked AS MATERIALIZED (
  SELECT t.created_at, t.id, t.lease FROM turns AS t WHERE t.turn <= $1::integer),
locked AS MATERIALIZED (
  SELECT d.created_at, d.id, p.lease
  FROM unnest(ARRAY(SELECT p.created_at FROM picked AS p ORDER BY p.id),
              ARRAY(SELECT p.id FROM picked AS p ORDER BY p.id),
              ARRAY(SELECT p.lease FROM picked AS p ORDER BY p.id)) AS p (created_at, id, lease)
  CROSS JOIN LATERAL (
    SELECT w.created_at, w.id FROM callboard.deliveries AS w
    WHERE w.created_at = p.created_at AND w.id = p.id AND w.state = 'pending'
    LIMIT 1 FOR UPDATE SKIP LOCKED) AS d),
taken AS (
  UPDATE callboard.deliveries AS d
  SET state = 'sending', attempts = d.attempts + 1, lease_no = d.lease_no + 1, lease_owner = $10::uuid,
      lease_until = (SELECT coalesce($11::timestamptz, clock_timestamp())) + make_interval(secs => l.lease)
  FROM unnest(ARRAY(SELECT l.created_at FROM locked AS l ORDER BY l.id),
              ARRAY(SELECT l.id FROM locked AS l ORDER BY l.id),
              ARRAY(SELECT l.lease FROM locked AS l ORDER BY l.id)) AS l (created_at, id, lease)
  WHERE d.created_at = l.created_at AND d.id = l.id
  RETURNING d.*)
SELECT t.created_at, t.id, t.tenant, t.task_uuid, t.subscription_id, t.target, t.lane, t.ordered, t.attempts,
       t.tries_since, t.lease_no,
       e.id AS event_id, e.source, e.type, e.sequence, e.data,
       s.kind, s.url, s.settings, s.format, s.timeout_s, s.rate_per_minute, s.handshake, s.allowed_at, s.allowed_rate, s.headers, s.credentials, s.secret, s.previous_secret,
       s.signing_key, s.previous_signing_key, s.previous_until, s.include_request,
       s.enabled, s.deleted_at IS NOT NULL AS deleted,
       n.signing_secret, n.previous_secret AS previous_signing_secret, n.previous_until AS previous_signing_until,
       p.notify_url, CASE WHEN s.include_request THEN p.request END AS request,
       coalesce($11::timestamptz, clock_timestamp()) AS now
FROM taken AS t
JOIN callboard.events AS e ON e.created_at = t.created_at AND e.id = t.event_id
LEFT JOIN callboard.subscriptions AS s ON s.id = t.subscription_id
LEFT JOIN callboard.tenants AS n ON n.tenant = t.tenant
LEFT JOIN callboard.task_payloads AS p ON p.task_uuid = t.task_uuid
ORDER BY t.id

-- name: record_attempts
-- Record attempts and what follows of each: delivered, another try at a time, or an end. A stale worker changes
-- nothing. Those that wait behind a retry need not be looked at before it; those behind what ended after a retry go at
-- once. They are looked for one by one, with a limit: as a join it would read all that is open. Answers with the
-- deliveries that were recorded, and whether their lanes are less than well. Who has a lease is `sending`; asked for by
-- that word, all that is under way would be read; and who knows how many there are reads whole days of them.
-- $1 timestamptz[] the deliveries' created_at
-- $2 bigint[] their ids
-- $3 bigint[] the lease numbers of the attempts
-- $4 text[] the new states
-- $5 double precision[] seconds until the next attempt, or null
-- $6 integer[] HTTP status, or null
-- $7 text[] error, or null
-- $8 integer[] duration in milliseconds
-- $9 bytea[] the beginning of the response
-- $10 text[] the address that was connected to, or null
-- $11 timestamptz now, or null
WITH moved AS (
  UPDATE callboard.deliveries AS d
  SET state = n.state, status = n.status, error = n.error, lease_until = NULL,
      next_at = (SELECT coalesce($11::timestamptz, clock_timestamp())) + make_interval(secs => n.wait),
      finished_at = CASE WHEN n.state NOT IN ('pending', 'held')
                         THEN (SELECT coalesce($11::timestamptz, clock_timestamp())) END
  FROM unnest((SELECT $1::timestamptz[]), (SELECT $2::bigint[]), (SELECT $3::bigint[]), (SELECT $4::text[]),
              (SELECT $5::double precision[]), (SELECT $6::integer[]), (SELECT $7::text[]), (SELECT $8::integer[]),
              (SELECT $9::bytea[]), (SELECT $10::text[]))
       AS n (created_at, id, lease_no, state, wait, status, error, took, response, address)
  WHERE d.created_at = n.created_at AND d.id = n.id AND d.lease_until IS NOT NULL AND d.lease_no = n.lease_no
  RETURNING d.id, d.task_uuid, d.target, d.lane, d.ordered, d.attempts, d.state, d.next_at, d.status, d.error,
            n.took, n.response, n.address),
noted AS (
  INSERT INTO callboard.attempts (at, delivery_id, task_uuid, no, duration_ms, status, error, response, address)
  SELECT (SELECT coalesce($11::timestamptz, clock_timestamp())), m.id, m.task_uuid, m.attempts, m.took, m.status,
         m.error, m.response, m.address
  FROM moved AS m),
behind AS MATERIALIZED (
  SELECT f.created_at, f.id, m.state, m.next_at
  FROM moved AS m CROSS JOIN LATERAL (
    SELECT d.created_at, d.id FROM callboard.deliveries AS d
    WHERE d.target = m.target AND d.task_uuid = m.task_uuid AND d.id > m.id AND d.state = 'pending' AND d.ordered
    ORDER BY d.id LIMIT 1000) AS f
  WHERE m.ordered AND (m.state = 'pending' OR m.attempts > 1)),
followers AS (
  UPDATE callboard.deliveries AS d
  SET next_at = CASE WHEN b.state = 'pending' THEN greatest(d.next_at, b.next_at)
                     ELSE least(d.next_at, (SELECT coalesce($11::timestamptz, clock_timestamp()))) END
  FROM unnest(ARRAY(SELECT b.created_at FROM behind AS b ORDER BY b.id), ARRAY(SELECT b.id FROM behind AS b ORDER BY b.id),
              ARRAY(SELECT b.state FROM behind AS b ORDER BY b.id), ARRAY(SELECT b.next_at FROM behind AS b ORDER BY b.id))
       AS b (created_at, id, state, next_at)
  WHERE d.created_at = b.created_at AND d.id = b.id AND d.next_at IS NOT NULL)
SELECT m.id, (SELECT l.failures > 0 OR l.blocked_until IS NOT NULL FROM callboard.lanes AS l
              WHERE l.lane = m.lane) AS unwell
FROM moved AS m

-- name: rescue_deliveries
-- Give deliveries back whose sender ended without recording.
-- $1 timestamptz now, or null
UPDATE callboard.deliveries AS d
SET state = 'pending', lease_until = NULL, next_at = coalesce($1::timestamptz, clock_timestamp())
WHERE d.state = 'sending' AND d.lease_until <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
RETURNING d.id

-- name: count_undelivered
-- How many deliveries wait or are under way. Along their index, by a limit that no planner can see: else it reads the
-- day's table as it lies, where what waits comes last, behind all that was delivered.
-- $1 integer count no further
SELECT count(*) FROM (SELECT FROM callboard.deliveries AS d WHERE d.state IN ('pending', 'sending')
                      ORDER BY d.target, d.task_uuid, d.id LIMIT (SELECT $1::integer)) AS counted
