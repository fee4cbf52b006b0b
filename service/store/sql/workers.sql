-- The processes that share the database: their beats, the leases that beats keep, and what dead ones left.

-- name: beat_worker
-- Say that a process lives; its row is made anew when somebody dropped it.
-- $1 uuid worker
-- $2 text host identity, or null
-- $3 text the machine's name
-- $4 integer pid
-- $5 bigint the process's start in clock ticks, or null
-- $6 text[] roles
-- $7 text version
-- $8 timestamptz now, or null
INSERT INTO callboard.workers AS w (worker, host, machine, pid, process_start, roles, version, started_at, heartbeat_at)
SELECT $1::uuid, $2::text, $3::text, $4::integer, $5::bigint, $6::text[], $7::text, c.at, c.at
FROM (SELECT coalesce($8::timestamptz, clock_timestamp()) AS at) AS c
ON CONFLICT (worker) DO UPDATE SET heartbeat_at = excluded.heartbeat_at

-- name: extend_leases
-- Keep the leases of long reads; answers with those that are lost. A send that is under way is never kept longer:
-- its look_again_at is the lease's end. Whoever locks a row just now is not waited for: the next beat comes.
-- $1 uuid[] tasks
-- $2 bigint[] their lease numbers
-- $3 double precision lease seconds
-- $4 timestamptz now, or null
WITH held AS MATERIALIZED (
  SELECT t.task_uuid
  FROM callboard.tasks AS t JOIN unnest($1::uuid[], $2::bigint[]) AS n (task_uuid, lease_no) USING (task_uuid)
  WHERE t.lease_no = n.lease_no AND t.lease_until IS NOT NULL
    AND (t.state <> 'submitting' OR t.resend_at IS NOT NULL)
  ORDER BY t.task_uuid
  FOR NO KEY UPDATE OF t SKIP LOCKED),
extended AS (
  UPDATE callboard.tasks AS t
  SET lease_until = coalesce($4::timestamptz, clock_timestamp()) + make_interval(secs => $3::double precision)
  WHERE t.task_uuid = ANY (ARRAY(SELECT held.task_uuid FROM held)))
SELECT n.task_uuid, n.lease_no
FROM unnest($1::uuid[], $2::bigint[]) AS n (task_uuid, lease_no)
LEFT JOIN callboard.tasks AS t USING (task_uuid)
WHERE t.lease_until IS NULL OR t.lease_no <> n.lease_no

-- name: remove_workers
-- Forget processes that ended; answers with those that were still there.
-- $1 uuid[] workers
DELETE FROM callboard.workers AS w WHERE w.worker = ANY ($1::uuid[]) RETURNING w.worker

-- name: forget_workers
-- Forget processes that have not said anything for long. Nothing hangs on their rows: leases end by themselves.
-- $1 double precision seconds
WITH gone AS (
  DELETE FROM callboard.workers AS w
  WHERE w.heartbeat_at < clock_timestamp() - make_interval(secs => $1::double precision)
  RETURNING w.worker)
SELECT count(*) FROM gone

-- name: list_workers
-- All processes, with the age of their last beat in seconds.
-- $1 text host identity, or null for all
SELECT w.*, extract(epoch FROM clock_timestamp() - w.heartbeat_at)::double precision AS silent_s
FROM callboard.workers AS w
WHERE $1::text IS NULL OR w.host = $1::text
ORDER BY w.started_at, w.worker

-- name: end_leases
-- Let go at once what dead processes held: what was not sent may be sent, a read may be made again, and what was
-- being sent is due, so that `core` takes its outcome for unknown. Nothing else of a task is touched. Two scans, one
-- for each index of open tasks; lease_owner is in none.
-- $1 uuid[] workers
-- $2 timestamptz now, or null
WITH left_behind AS MATERIALIZED (
  SELECT t.task_uuid FROM callboard.tasks AS t
  WHERE t.state = 'queued' AND t.lease_owner = ANY ($1::uuid[])
    AND t.lease_until > coalesce($2::timestamptz, clock_timestamp())
  UNION ALL
  SELECT t.task_uuid FROM callboard.tasks AS t
  WHERE t.look_again_at IS NOT NULL AND t.state <> 'queued' AND t.lease_owner = ANY ($1::uuid[])
    AND t.lease_until > coalesce($2::timestamptz, clock_timestamp())),
locked AS MATERIALIZED (
  SELECT t.task_uuid FROM callboard.tasks AS t
  WHERE t.task_uuid = ANY (ARRAY(SELECT l.task_uuid FROM left_behind AS l)) AND t.lease_owner = ANY ($1::uuid[])
    AND t.lease_until > coalesce($2::timestamptz, clock_timestamp())
  ORDER BY t.task_uuid
  FOR NO KEY UPDATE)
UPDATE callboard.tasks AS t
SET lease_until = NULL,
    look_again_at = CASE WHEN t.state = 'submitting' AND t.resend_at IS NULL
                         THEN coalesce($2::timestamptz, clock_timestamp()) ELSE t.look_again_at END
WHERE t.task_uuid = ANY (ARRAY(SELECT locked.task_uuid FROM locked))
RETURNING t.task_uuid, t.state

-- name: end_deliveries
-- Give back the deliveries that dead processes were sending; whether they arrived is not known.
-- $1 uuid[] workers
-- $2 timestamptz now, or null
WITH locked AS MATERIALIZED (
  SELECT d.created_at, d.id FROM callboard.deliveries AS d
  WHERE d.state = 'sending' AND d.lease_owner = ANY ($1::uuid[])
  ORDER BY d.id
  FOR UPDATE)
UPDATE callboard.deliveries AS d
SET state = 'pending', lease_until = NULL, next_at = coalesce($2::timestamptz, clock_timestamp())
FROM locked
WHERE d.created_at = locked.created_at AND d.id = locked.id
RETURNING d.id

-- name: release_looks
-- Give back claims on tasks that were to be looked at, and were not (a drain).
-- $1 uuid[] tasks
-- $2 bigint[] their lease numbers
UPDATE callboard.tasks AS t
SET lease_until = NULL
FROM unnest($1::uuid[], $2::bigint[]) AS n (task_uuid, lease_no)
WHERE t.task_uuid = n.task_uuid AND t.lease_no = n.lease_no

-- name: release_deliveries
-- Give back deliveries that were claimed and not sent (a drain): that was no attempt.
-- $1 timestamptz[] their created_at
-- $2 bigint[] their ids
-- $3 bigint[] their lease numbers
UPDATE callboard.deliveries AS d
SET state = 'pending', attempts = d.attempts - 1, lease_until = NULL
FROM unnest($1::timestamptz[], $2::bigint[], $3::bigint[]) AS n (created_at, id, lease_no)
WHERE d.created_at = n.created_at AND d.id = n.id AND d.state = 'sending' AND d.lease_no = n.lease_no
