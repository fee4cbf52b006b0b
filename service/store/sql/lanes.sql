-- Lanes: found, locked, counted, blocked.

-- name: survey_lanes
-- Where claims begin to read each lane: nothing of it is due before. A scan that skips from lane to lane; lanes that
-- have no row, because a delivery was written while the row was being dropped, get one.
-- $1 double precision how many seconds are read in any case
-- $2 timestamptz now, or null
WITH RECURSIVE open (lane, next_at) AS (
  (SELECT d.lane, d.next_at FROM callboard.deliveries AS d
   WHERE d.state = 'pending' ORDER BY d.lane, d.next_at, d.id LIMIT 1)
  UNION ALL
  SELECT n.lane, n.next_at
  FROM open AS o CROSS JOIN LATERAL (
    SELECT d.lane, d.next_at FROM callboard.deliveries AS d
    WHERE d.state = 'pending' AND d.lane > o.lane ORDER BY d.lane, d.next_at, d.id LIMIT 1) AS n),
made AS (
  INSERT INTO callboard.lanes (lane)
  SELECT o.lane FROM open AS o
  WHERE NOT EXISTS (SELECT FROM callboard.lanes AS l WHERE l.lane = o.lane)
  ORDER BY o.lane
  ON CONFLICT (lane) DO NOTHING)
SELECT o.lane, least(o.next_at, coalesce($2::timestamptz, clock_timestamp())
                                - make_interval(secs => $1::double precision)) AS floor
FROM open AS o

-- name: oldest_open
-- Since which day deliveries are open, so that claims need not look into the days before: day by day, each by its own
-- index. With it comes where lanes begin that the survey does not name.
-- $1 double precision how many seconds are read in any case
-- $2 timestamptz now, or null
SELECT coalesce($2::timestamptz, clock_timestamp()) - make_interval(secs => $1::double precision) AS floor,
  (SELECT a.day FROM (
     SELECT to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS day
     FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
     WHERE i.inhparent = 'callboard.deliveries'::regclass
     ORDER BY 1 OFFSET 0) AS a
   WHERE (SELECT d.id FROM callboard.deliveries AS d
          WHERE d.created_at >= a.day AND d.created_at < a.day + interval '24 hours' AND d.state = 'pending'
          ORDER BY d.lane, d.next_at, d.id LIMIT 1) IS NOT NULL
      OR (SELECT d.id FROM callboard.deliveries AS d
          WHERE d.created_at >= a.day AND d.created_at < a.day + interval '24 hours' AND d.state = 'sending'
          ORDER BY d.lane, d.lease_until LIMIT 1) IS NOT NULL
   LIMIT 1) AS created_from

-- name: lock_due_lanes
-- Lock the lanes that have something due and are not blocked, the one after the lane served last first. They stay
-- locked until what is claimed of them is committed; a process that stands still meanwhile loses its session.
-- $1 uuid[] lanes with a floor of their own (`survey_lanes`)
-- $2 timestamptz[] their floors
-- $3 timestamptz the floor of all others, or null
-- $4 timestamptz only deliveries created from then on (`oldest_open`), or null
-- $5 uuid the lane served last
-- $6 integer how many lanes
-- $7 timestamptz now, or null
WITH open AS MATERIALIZED (
  SELECT l.lane, coalesce(f.floor, $3::timestamptz, to_timestamp(0)) AS floor
  FROM callboard.lanes AS l
  LEFT JOIN unnest($1::uuid[], $2::timestamptz[]) AS f (lane, floor) ON f.lane = l.lane
  LEFT JOIN callboard.subscriptions AS s ON s.id = l.lane
  WHERE l.blocked_until IS NULL OR l.blocked_until <= coalesce($7::timestamptz, clock_timestamp()) OR NOT s.enabled
  ORDER BY l.lane <= $5::uuid, l.lane),
due AS MATERIALIZED (
  SELECT o.lane, o.floor FROM open AS o
  WHERE (SELECT d.id FROM callboard.deliveries AS d
         WHERE d.lane = o.lane AND d.state = 'pending'
           AND d.next_at <= (SELECT coalesce($7::timestamptz, clock_timestamp()))
           AND (d.next_at, d.id) >= (o.floor, 0)
           AND d.created_at >= coalesce($4::timestamptz, '-infinity')
         ORDER BY d.next_at, d.id LIMIT 1) IS NOT NULL
  LIMIT (SELECT $6::integer))
SELECT l.*, s.id IS NOT NULL AS subscribed, coalesce(s.enabled, true) AND s.deleted_at IS NULL AS wanted,
       s.format, s.batch_size, s.concurrency, s.timeout_s, least(s.rate_per_minute, s.allowed_rate) AS per_minute,
       due.floor,
       coalesce($7::timestamptz, clock_timestamp()) AS now,
       set_config('idle_in_transaction_session_timeout', '5s', true)
FROM due JOIN callboard.lanes AS l ON l.lane = due.lane LEFT JOIN callboard.subscriptions AS s ON s.id = l.lane
ORDER BY l.lane
FOR UPDATE OF l

-- name: lanes_served
-- Move the limits a minute on by what was claimed. The lanes are locked.
-- $1 uuid[] lanes
-- $2 timestamptz[] when the next turn of each comes
UPDATE callboard.lanes AS l SET send_at = n.send_at
FROM unnest($1::uuid[], $2::timestamptz[]) AS n (lane, send_at)
WHERE l.lane = n.lane

-- name: lock_lanes
-- Lock lanes to change how they are.
-- $1 uuid[] lanes
-- $2 timestamptz now, or null
SELECT l.*, coalesce($2::timestamptz, clock_timestamp()) AS now
FROM callboard.lanes AS l WHERE l.lane = ANY ($1::uuid[]) ORDER BY l.lane FOR UPDATE

-- name: write_lanes
-- Write how lanes are. They are locked.
-- $1 uuid[] lanes
-- $2 text[] their names, as far as they are known
-- $3 integer[] failures in a row
-- $4 timestamptz[] failing since
-- $5 integer[] openings in a row
-- $6 integer[] throttles in a row
-- $7 timestamptz[] blocked since
-- $8 timestamptz[] blocked until
UPDATE callboard.lanes AS l
SET name = coalesce(nullif(l.name, ''), n.name), failures = n.failures, failing_since = n.failing_since,
    openings = n.openings, throttles = n.throttles, blocked_since = n.blocked_since, blocked_until = n.blocked_until
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::timestamptz[], $5::integer[], $6::integer[], $7::timestamptz[],
            $8::timestamptz[])
     AS n (lane, name, failures, failing_since, openings, throttles, blocked_since, blocked_until)
WHERE l.lane = n.lane

-- name: show_failing
-- Let subscriptions say since when they fail. By itself, never with lanes locked: who changes a subscription locks it
-- first, then its lane.
-- $1 uuid[] lanes
UPDATE callboard.subscriptions AS s SET failing_since = l.failing_since
FROM callboard.lanes AS l
WHERE s.id = ANY ($1::uuid[]) AND l.lane = s.id AND s.failing_since IS DISTINCT FROM l.failing_since

-- name: reset_lane
-- Make a lane well.
-- $1 uuid lane
UPDATE callboard.lanes AS l
SET failures = 0, failing_since = NULL, openings = 0, throttles = 0, blocked_since = NULL, blocked_until = NULL
WHERE l.lane = $1::uuid

-- name: reset_failing
-- Forget since when a subscription fails.
-- $1 uuid subscription
UPDATE callboard.subscriptions AS s SET failing_since = NULL WHERE s.id = $1::uuid

-- name: fail_hopeless
-- Give up what waits for hosts of notifyURLs at which every attempt has failed for days: nobody can disable those, and
-- while they are blocked few deliveries come to their last attempt. What was just asked for again may wait an hour.
-- $1 double precision seconds that a host may fail
-- $2 double precision seconds that the attempts of a delivery take in all
-- $3 integer how many
-- $4 timestamptz now, or null
WITH hopeless AS MATERIALIZED (
  SELECT h.created_at, h.id
  FROM callboard.lanes AS l CROSS JOIN LATERAL (
    SELECT w.created_at, w.id FROM callboard.deliveries AS w
    WHERE w.lane = l.lane AND w.state = 'pending' AND w.subscription_id IS NULL
      AND w.next_at <= coalesce($4::timestamptz, clock_timestamp()) - interval '1 hour'
      AND w.created_at <= coalesce($4::timestamptz, clock_timestamp())
                          - make_interval(secs => $2::double precision)
    ORDER BY w.next_at, w.id
    LIMIT (SELECT $3::integer)
    FOR UPDATE SKIP LOCKED) AS h
  WHERE l.failing_since <= coalesce($4::timestamptz, clock_timestamp())
                           - make_interval(secs => $1::double precision))
UPDATE callboard.deliveries AS d
SET state = 'failed', error = 'gave_up', next_at = NULL, finished_at = coalesce($4::timestamptz, clock_timestamp())
FROM unnest(ARRAY(SELECT h.created_at FROM hopeless AS h ORDER BY h.id),
            ARRAY(SELECT h.id FROM hopeless AS h ORDER BY h.id)) AS h (created_at, id)
WHERE d.created_at = h.created_at AND d.id = h.id
RETURNING d.id

-- name: forget_lanes
-- Drop lanes that nothing is open on: of deleted subscriptions, and of hosts that were not blocked for a day.
DELETE FROM callboard.lanes AS l
WHERE NOT EXISTS (SELECT FROM callboard.subscriptions AS s WHERE s.id = l.lane AND s.deleted_at IS NULL)
  AND (l.blocked_until IS NULL OR l.blocked_until < clock_timestamp() - interval '1 day')
  AND (l.send_at IS NULL OR l.send_at < clock_timestamp())
  AND (SELECT d.id FROM callboard.deliveries AS d WHERE d.lane = l.lane AND d.state = 'pending'
       ORDER BY d.next_at LIMIT 1) IS NULL
  AND (SELECT d.id FROM callboard.deliveries AS d WHERE d.lane = l.lane AND d.state = 'sending'
       ORDER BY d.lease_until LIMIT 1) IS NULL
