-- Batches: made, counted, concluded.

-- name: insert_batch
-- Make a batch, in the transaction of its tasks.
-- $1 uuid id
-- $2 text tenant
-- $3 integer how many submissions
-- $4 timestamptz now, or null
INSERT INTO callboard.batches (id, tenant, total, created_at)
VALUES ($1::uuid, $2::text, $3::integer, coalesce($4::timestamptz, clock_timestamp()))
RETURNING *

-- name: get_batch
-- One batch.
-- $1 text tenant
-- $2 uuid id
SELECT b.* FROM callboard.batches AS b WHERE b.tenant = $1::text AND b.id = $2::uuid

-- name: list_batches
-- A page of batches, newest first.
-- $1 text tenant
-- $2 bigint only older than this seq, or null
-- $3 integer how many
SELECT b.* FROM callboard.batches AS b
WHERE b.tenant = $1::text AND ($2::bigint IS NULL OR b.seq < $2::bigint)
ORDER BY b.seq DESC
LIMIT $3::integer

-- name: batch_progress
-- How many tasks of batches are in each state, and what those cost so far.
-- $1 uuid[] batches
SELECT t.batch_id, t.state, count(*) AS tasks, sum(c.cost) AS cost
FROM callboard.tasks AS t
LEFT JOIN LATERAL (SELECT sum(r.cost) AS cost FROM callboard.results AS r WHERE r.task_uuid = t.task_uuid) AS c
  ON true
WHERE t.batch_id = ANY ($1::uuid[])
GROUP BY t.batch_id, t.state

-- name: open_tasks_of_batch
-- Some tasks of a batch that are not final, oldest first.
-- $1 uuid batch
-- $2 integer how many
SELECT t.task_uuid FROM callboard.tasks AS t
WHERE t.batch_id = $1::uuid AND t.finished_at IS NULL
ORDER BY t.created_at
LIMIT $2::integer

-- name: ended_batches
-- Batches that were not announced and have no open task: one index probe a running batch, whatever its size. The
-- probe is a subquery with a limit, so that no plan can join all open tasks instead.
-- $1 integer how many
SELECT b.id FROM callboard.batches AS b
WHERE b.finished_at IS NULL
  AND (SELECT t.task_uuid FROM callboard.tasks AS t
       WHERE t.batch_id = b.id AND t.finished_at IS NULL
       ORDER BY t.created_at LIMIT 1) IS NULL
ORDER BY b.seq
LIMIT $1::integer

-- name: lock_running_batch
-- Lock a batch that was not announced; none when another process has it, or had it. The shared advisory lock is
-- that of `lock_tasks`: a subscription that was answered 201 misses no event.
-- $1 uuid batch
-- $2 timestamptz now, or null
SELECT b.*, coalesce($2::timestamptz, clock_timestamp()) AS now
FROM (SELECT pg_advisory_xact_lock_shared(7301955821)) AS fence,
     LATERAL (SELECT * FROM callboard.batches AS b WHERE b.id = $1::uuid AND b.finished_at IS NULL
              FOR NO KEY UPDATE SKIP LOCKED) AS b

-- name: finish_batch
-- Note that a batch was announced; nothing when it was before.
-- $1 uuid batch
-- $2 timestamptz when
-- $3 uuid its event
UPDATE callboard.batches AS b SET finished_at = $2::timestamptz, event_id = $3::uuid
WHERE b.id = $1::uuid AND b.finished_at IS NULL
RETURNING b.id
