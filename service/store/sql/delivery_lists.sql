-- Deliveries as people look at them. Lists give keys, newest first; `show_deliveries` gives what is shown of those that
-- are the tenant's. A state that most deliveries end in is found on the way; a rare one, or one that is open, by an
-- index of its own.

-- name: deliveries_to
-- Deliveries to one target: of any state, or of one that is common.
-- $1 uuid target
-- $2 text state, or null
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
SELECT d.created_at, d.id FROM callboard.deliveries AS d
WHERE d.target = $1::uuid AND ($2::text IS NULL OR d.state = $2::text)
  AND d.created_at <= coalesce($3::timestamptz, 'infinity')
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: odd_deliveries_to
-- Those that failed, are held or were canceled.
-- $1 uuid target
-- $2 text state
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
SELECT d.created_at, d.id FROM callboard.deliveries AS d
WHERE d.target = $1::uuid AND d.state = $2::text
  AND d.state IN ('failed', 'held', 'canceled')
  AND d.created_at <= coalesce($3::timestamptz, 'infinity')
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: open_deliveries_to
-- Those that wait or are under way: all of them are read, as there is an end to what may be open.
-- $1 uuid target
-- $2 text state
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
WITH open AS MATERIALIZED (
  SELECT d.created_at, d.id, d.state FROM callboard.deliveries AS d
  WHERE d.target = $1::uuid AND d.state IN ('pending', 'sending'))
SELECT d.created_at, d.id FROM open AS d
WHERE d.state = $2::text
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: deliveries_of_tenant
-- The same of all targets, notifyURLs included.
-- $1 text tenant
-- $2 text state, or null
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
SELECT d.created_at, d.id FROM callboard.deliveries AS d
WHERE d.tenant = $1::text AND ($2::text IS NULL OR d.state = $2::text)
  AND d.created_at <= coalesce($3::timestamptz, 'infinity')
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: odd_deliveries_of_tenant
-- Those that failed, are held or were canceled.
-- $1 text tenant
-- $2 text state
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
SELECT d.created_at, d.id FROM callboard.deliveries AS d
WHERE d.tenant = $1::text AND d.state = $2::text AND d.state IN ('failed', 'held', 'canceled')
  AND d.created_at <= coalesce($3::timestamptz, 'infinity')
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: open_deliveries_of_tenant
-- Those that wait or are under way.
-- $1 text tenant
-- $2 text state
-- $3 timestamptz before this time, or null
-- $4 bigint and this id
-- $5 integer how many
WITH open AS MATERIALIZED (
  SELECT d.created_at, d.id, d.tenant, d.state FROM callboard.deliveries AS d WHERE d.state IN ('pending', 'sending'))
SELECT d.created_at, d.id FROM open AS d
WHERE d.tenant = $1::text AND d.state = $2::text
  AND (d.created_at, d.id) < (coalesce($3::timestamptz, 'infinity'), coalesce($4::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $5::integer

-- name: deliveries_of_task
-- Those of one task or batch, which are few: every other filter is applied to them.
-- $1 text tenant
-- $2 uuid task
-- $3 uuid target, or null
-- $4 uuid event, or null
-- $5 text[] states, or null
-- $6 timestamptz before this time, or null
-- $7 bigint and this id
-- $8 integer how many
WITH of_task AS MATERIALIZED (
  SELECT d.* FROM callboard.deliveries AS d WHERE d.task_uuid = $2::uuid)
SELECT d.created_at, d.id FROM of_task AS d
WHERE d.tenant = $1::text AND ($3::uuid IS NULL OR d.target = $3::uuid)
  AND ($4::uuid IS NULL OR d.event_id = $4::uuid) AND ($5::text[] IS NULL OR d.state = ANY ($5::text[]))
  AND (d.created_at, d.id) < (coalesce($6::timestamptz, 'infinity'), coalesce($7::bigint, 0))
ORDER BY d.created_at DESC, d.id DESC
LIMIT $8::integer

-- name: find_event
-- The task or batch of an event.
-- $1 text tenant
-- $2 uuid event
SELECT e.task_uuid FROM callboard.events AS e WHERE e.id = $2::uuid AND e.tenant = $1::text

-- name: show_deliveries
-- Deliveries as they are shown, in the given order. Subqueries with limits, because a join reads all days.
-- $1 text tenant
-- $2 timestamptz[] created_at
-- $3 bigint[] ids
SELECT d.created_at, d.id, d.event_id, d.task_uuid, d.subscription_id, d.state, d.attempts, d.next_at, d.status,
       d.error, d.finished_at, d.replay_id, e.type, p.notify_url
FROM unnest($2::timestamptz[], $3::bigint[]) WITH ORDINALITY AS k (created_at, id, position)
CROSS JOIN LATERAL (SELECT * FROM callboard.deliveries AS d
                    WHERE d.created_at = k.created_at AND d.id = k.id LIMIT 1) AS d
CROSS JOIN LATERAL (SELECT e.type FROM callboard.events AS e
                    WHERE e.created_at = d.created_at AND e.id = d.event_id LIMIT 1) AS e
LEFT JOIN LATERAL (SELECT p.notify_url FROM callboard.task_payloads AS p
                   WHERE p.task_uuid = d.task_uuid AND d.subscription_id IS NULL LIMIT 1) AS p ON true
WHERE d.tenant = $1::text
ORDER BY k.position

-- name: attempts_of_delivery
-- The attempts of one delivery, the newest first.
-- $1 uuid task
-- $2 bigint delivery
-- $3 integer how many
SELECT a.no, a.at, a.duration_ms, a.status, a.error, a.address, a.response
FROM (SELECT a.* FROM callboard.attempts AS a WHERE a.task_uuid = $1::uuid OFFSET 0) AS a
WHERE a.delivery_id = $2::bigint
ORDER BY a.no DESC
LIMIT $3::integer

-- name: lock_delivery
-- Lock a delivery that is to be sent again, with what it goes to.
-- $1 text tenant
-- $2 timestamptz created_at
-- $3 bigint id
SELECT d.created_at, d.id, d.task_uuid, d.subscription_id, d.state
FROM callboard.deliveries AS d
WHERE d.created_at = $2::timestamptz AND d.id = $3::bigint AND d.tenant = $1::text
FOR NO KEY UPDATE

-- name: retry_delivery
-- Send a delivery now, with a fresh schedule. One that waits keeps its place in the order of its task; one that had
-- ended is outside of it.
-- $1 timestamptz created_at
-- $2 bigint id
UPDATE callboard.deliveries AS d
SET state = 'pending', ordered = d.ordered AND d.state = 'pending', tries_since = d.attempts,
    next_at = clock_timestamp(), lease_until = NULL, finished_at = NULL
WHERE d.created_at = $1::timestamptz AND d.id = $2::bigint
