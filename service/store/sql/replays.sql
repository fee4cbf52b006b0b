-- Replays: ranges of deliveries that are sent again. What a chunk does is one transaction; its statements run in the
-- order of this file.

-- name: oldest_kept
-- From when on events are kept: retention, or what was dropped when it was shorter.
-- $1 integer days to keep
-- $2 timestamptz now, or null
SELECT greatest(
  (date_trunc('day', coalesce($2::timestamptz, clock_timestamp()) AT TIME ZONE 'UTC')
   - make_interval(days => $1::integer)) AT TIME ZONE 'UTC',
  (SELECT min(to_date(right(c.relname, 8), 'YYYYMMDD'))::timestamp AT TIME ZONE 'UTC'
   FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
   WHERE i.inhparent = 'callboard.events'::regclass
     AND (SELECT f.dropped_seq > 0 FROM callboard.feed AS f)))

-- name: insert_replay
-- Begin a replay, unless one of the same subscription is running.
-- $1 uuid id
-- $2 text tenant
-- $3 uuid subscription
-- $4 timestamptz since
-- $5 timestamptz until
-- $6 text which deliveries
-- $7 text[] types, or null
-- $8 integer deliveries a second
-- $9 timestamptz now
INSERT INTO callboard.replays (id, tenant, subscription_id, since, until, wanted, types, rate, at, due_at, look_at,
                               created_at)
VALUES ($1::uuid, $2::text, $3::uuid, $4::timestamptz, $5::timestamptz, $6::text, $7::text[], $8::integer,
        $4::timestamptz, $9::timestamptz, $9::timestamptz, $9::timestamptz)
ON CONFLICT (subscription_id) WHERE state = 'running' DO NOTHING
RETURNING *

-- name: running_replay
-- The replay of a subscription that is running.
-- $1 uuid subscription
SELECT r.id FROM callboard.replays AS r WHERE r.subscription_id = $1::uuid AND r.state = 'running'

-- name: get_replay
-- One replay.
-- $1 text tenant
-- $2 uuid id
SELECT r.* FROM callboard.replays AS r WHERE r.tenant = $1::text AND r.id = $2::uuid

-- name: list_replays
-- A page of the replays of a subscription, newest first.
-- $1 text tenant
-- $2 uuid subscription
-- $3 bigint before this seq, or null
-- $4 integer how many
SELECT r.* FROM callboard.replays AS r
WHERE r.subscription_id = $2::uuid AND r.tenant = $1::text
  AND r.seq < coalesce($3::bigint, 9223372036854775807)
ORDER BY r.seq DESC
LIMIT $4::integer

-- name: replay_counts
-- How the deliveries of replays stand, by state, and how many were not tried yet.
-- $1 uuid[] replays
SELECT d.replay_id, d.state, count(*) AS deliveries,
       count(*) FILTER (WHERE d.state = 'pending' AND d.attempts = d.tries_since) AS untried
FROM callboard.deliveries AS d
WHERE d.replay_id IS NOT NULL AND d.replay_id = ANY ($1::uuid[])
GROUP BY d.replay_id, d.state

-- name: cancel_replay
-- Stop a replay; one that a process is working at is waited for.
-- $1 text tenant
-- $2 uuid id
UPDATE callboard.replays AS r SET state = 'canceled', canceled_by = 'user', finished_at = clock_timestamp()
WHERE r.tenant = $1::text AND r.id = $2::uuid AND r.state = 'running'
RETURNING r.id

-- name: claim_replay
-- Lock a replay that is to go on; the lock is held until its chunk is committed.
-- $1 timestamptz now, or null
SELECT r.*, coalesce($1::timestamptz, clock_timestamp()) AS now
FROM callboard.replays AS r
WHERE r.state = 'running' AND r.look_at <= (SELECT coalesce($1::timestamptz, clock_timestamp()))
ORDER BY r.look_at
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED

-- name: count_untried
-- How many deliveries of a replay were queued and not tried yet.
-- $1 uuid replay
-- $2 integer count no further
SELECT count(*) FROM (
  SELECT FROM callboard.deliveries AS d
  WHERE d.replay_id = $1::uuid AND d.replay_id IS NOT NULL AND d.state = 'pending' AND d.attempts = d.tries_since
  LIMIT $2::integer) AS counted

-- name: lock_odd_chunk
-- The next deliveries of one state, failed or held, locked so that they are what they were found to be.
-- $1 uuid target
-- $2 text state
-- $3 timestamptz from this time
-- $4 bigint after this id
-- $5 timestamptz before this time
-- $6 integer how many
SELECT d.created_at, d.id, d.task_uuid, d.state, d.replay_id,
       (SELECT e.type FROM callboard.events AS e WHERE e.created_at = d.created_at AND e.id = d.event_id LIMIT 1) AS type
FROM callboard.deliveries AS d
WHERE d.target = $1::uuid AND d.state = $2::text AND d.state IN ('failed', 'held', 'canceled')
  AND d.created_at >= $3::timestamptz AND d.created_at < $5::timestamptz
  AND (d.created_at, d.id) > ($3::timestamptz, $4::bigint)
ORDER BY d.created_at, d.id
LIMIT $6::integer
FOR NO KEY UPDATE OF d

-- name: lock_any_chunk
-- The next deliveries of any state.
-- $1 uuid target
-- $2 timestamptz from this time
-- $3 bigint after this id
-- $4 timestamptz before this time
-- $5 integer how many
SELECT d.created_at, d.id, d.task_uuid, d.state, d.replay_id,
       (SELECT e.type FROM callboard.events AS e WHERE e.created_at = d.created_at AND e.id = d.event_id LIMIT 1) AS type
FROM callboard.deliveries AS d
WHERE d.target = $1::uuid AND d.created_at >= $2::timestamptz AND d.created_at < $4::timestamptz
  AND (d.created_at, d.id) > ($2::timestamptz, $3::bigint)
ORDER BY d.created_at, d.id
LIMIT $5::integer
FOR NO KEY UPDATE OF d

-- name: requeue_deliveries
-- Queue deliveries that are locked here, each at its time; those of erased tasks are left. They were locked by the
-- statement before, so that an erasure is either seen here, or finds them pending and cancels them.
-- $1 uuid replay
-- $2 timestamptz[] created_at
-- $3 bigint[] ids
-- $4 timestamptz[] when each is to be sent
UPDATE callboard.deliveries AS d
SET state = 'pending', ordered = false, replay_id = $1::uuid, tries_since = d.attempts, next_at = n.next_at,
    lease_until = NULL, finished_at = NULL
FROM unnest((SELECT $2::timestamptz[]), (SELECT $3::bigint[]), (SELECT $4::timestamptz[])) AS n (created_at, id, next_at)
WHERE d.created_at = n.created_at AND d.id = n.id
  AND (SELECT x.task_uuid FROM callboard.erased_tasks AS x WHERE x.task_uuid = d.task_uuid) IS NULL
RETURNING d.created_at, d.id

-- name: credit_replays
-- Keep what earlier replays did with deliveries that a later one takes over.
-- $1 uuid[] replays
-- $2 bigint[] how many were delivered
-- $3 bigint[] failed
-- $4 bigint[] held
-- $5 bigint[] canceled
UPDATE callboard.replays AS r
SET delivered = r.delivered + n.delivered, failed = r.failed + n.failed, held = r.held + n.held,
    canceled = r.canceled + n.canceled
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])
     AS n (id, delivered, failed, held, canceled)
WHERE r.id = n.id AND r.settled_at IS NULL

-- name: events_chunk
-- The next events, each with whether there is a delivery of it to this target.
-- $1 text tenant
-- $2 uuid target
-- $3 timestamptz from this time
-- $4 uuid after this event
-- $5 timestamptz before this time
-- $6 integer how many
SELECT e.created_at, e.id, e.type, e.task_uuid, e.sequence, e.data,
       (SELECT d.id FROM callboard.deliveries AS d
        WHERE d.target = $2::uuid AND d.created_at = e.created_at AND d.event_id = e.id
        ORDER BY d.id LIMIT 1) IS NULL AS missing
FROM callboard.events AS e
WHERE e.tenant = $1::text AND e.created_at >= $3::timestamptz AND e.created_at < $5::timestamptz
  AND (e.created_at, e.id) > ($3::timestamptz, $4::uuid)
ORDER BY e.created_at, e.id
LIMIT $6::integer

-- name: keep_tasks
-- Keep tasks from being erased until this transaction ends; an erasure under way is waited for.
-- $1 uuid[] tasks
SELECT t.task_uuid FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[]) ORDER BY t.task_uuid FOR KEY SHARE

-- name: insert_missing_deliveries
-- Make deliveries of past events, outside the order, each at its time.
-- $1 uuid replay
-- $2 text tenant
-- $3 uuid subscription
-- $4 timestamptz[] the events' times
-- $5 uuid[] events
-- $6 uuid[] their tasks
-- $7 timestamptz[] when each is to be sent
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, subscription_id, target, lane, state,
                                  ordered, replay_id, next_at)
SELECT n.created_at, $2::text, n.event_id, n.task_uuid, $3::uuid, $3::uuid, $3::uuid, 'pending', false, $1::uuid,
       n.next_at
FROM unnest($4::timestamptz[], $5::uuid[], $6::uuid[], $7::timestamptz[]) WITH ORDINALITY
     AS n (created_at, event_id, task_uuid, next_at, position)
ORDER BY n.position

-- name: advance_replay
-- Note how far a replay is, and that it ended, if it did.
-- $1 uuid id
-- $2 timestamptz its position
-- $3 bigint and delivery
-- $4 uuid or event
-- $5 timestamptz when the next one is to be sent
-- $6 timestamptz when it goes on
-- $7 bigint how many more matched
-- $8 bigint were queued
-- $9 bigint were skipped
-- $10 text its state
-- $11 text why it was canceled, or null
-- $12 timestamptz when it ended, or null
UPDATE callboard.replays AS r
SET at = $2::timestamptz, after_id = $3::bigint, after_event = $4::uuid, due_at = $5::timestamptz,
    look_at = $6::timestamptz, matched = r.matched + $7::bigint, queued = r.queued + $8::bigint,
    skipped = r.skipped + $9::bigint, state = $10::text, canceled_by = $11::text, finished_at = $12::timestamptz
WHERE r.id = $1::uuid

-- name: put_off_replay
-- Let a replay wait.
-- $1 uuid id
-- $2 double precision seconds
-- $3 timestamptz now, or null
UPDATE callboard.replays AS r
SET look_at = coalesce($3::timestamptz, clock_timestamp()) + make_interval(secs => $2::double precision)
WHERE r.id = $1::uuid AND r.state = 'running'

-- name: lock_ended_replay
-- Lock a replay that queues no more and whose deliveries have all ended, so that their counts can be kept.
SELECT r.id FROM callboard.replays AS r
WHERE r.settled_at IS NULL AND r.state <> 'running'
  AND (SELECT d.id FROM callboard.deliveries AS d
       WHERE d.replay_id = r.id AND d.replay_id IS NOT NULL AND d.state IN ('pending', 'sending') LIMIT 1) IS NULL
ORDER BY r.seq
LIMIT 1
FOR NO KEY UPDATE SKIP LOCKED

-- name: settle_replay
-- Keep the counts of a replay that is locked here.
-- $1 uuid id
-- $2 bigint delivered
-- $3 bigint failed
-- $4 bigint held
-- $5 bigint canceled
UPDATE callboard.replays AS r
SET delivered = r.delivered + $2::bigint, failed = r.failed + $3::bigint, held = r.held + $4::bigint,
    canceled = r.canceled + $5::bigint, settled_at = clock_timestamp()
WHERE r.id = $1::uuid

-- name: forget_replays
-- Forget replays that ended longer ago than anything is kept.
-- $1 integer days
DELETE FROM callboard.replays AS r
WHERE r.finished_at < clock_timestamp() - make_interval(days => $1::integer) AND r.settled_at IS NOT NULL
