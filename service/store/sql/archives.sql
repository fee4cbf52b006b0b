-- The work of keeping videos. A row outlives its task until its file is deleted.

-- name: begin_archives
-- Have the videos of results kept, in the transaction that says that they came.
-- $1 uuid[] tasks
-- $2 smallint[] indexes
-- $3 text[] tenants
-- $4 timestamptz now
INSERT INTO callboard.archives (task_uuid, index, tenant, place, state, created_at, next_at)
SELECT n.task_uuid, n.index, n.tenant,
       CASE jsonb_typeof(p.archive::jsonb -> 'to') WHEN 'string' THEN p.archive::jsonb ->> 'to' ELSE 'put' END,
       'pending', $4::timestamptz, $4::timestamptz
FROM unnest($1::uuid[], $2::smallint[], $3::text[]) AS n (task_uuid, index, tenant)
JOIN callboard.task_payloads AS p USING (task_uuid)
ON CONFLICT (task_uuid, index) DO NOTHING

-- name: get_archive
-- Load where the file of a result is.
-- $1 uuid task
-- $2 smallint index
SELECT tenant, place, state, location, kept_at
FROM callboard.archives
WHERE task_uuid = $1 AND index = $2

-- name: claim_archives
-- Claim what is to be fetched or deleted, the longest due first. The clock is read in a subquery, once, as in `claim_due`;
-- an array and not a join, for the reason of `claim_queued`.
-- $1 integer how many
-- $2 double precision lease seconds
-- $3 uuid the worker
-- $4 timestamptz now, or null
WITH due AS MATERIALIZED (
  SELECT a.id
  FROM callboard.archives AS a
  WHERE a.state IN ('pending', 'deleting') AND a.next_at <= (SELECT coalesce($4::timestamptz, clock_timestamp()))
    AND (a.lease_until IS NULL OR a.lease_until <= coalesce($4::timestamptz, clock_timestamp()))
  ORDER BY a.next_at
  LIMIT $1::integer
  FOR NO KEY UPDATE SKIP LOCKED)
UPDATE callboard.archives AS a
SET lease_no = a.lease_no + 1, lease_owner = $3::uuid,
    lease_until = coalesce($4::timestamptz, clock_timestamp()) + make_interval(secs => $2::double precision)
WHERE a.id = ANY (ARRAY(SELECT due.id FROM due))
RETURNING a.*, coalesce($4::timestamptz, clock_timestamp()) AS now

-- name: count_waiting_archives
-- How many files wait to be fetched or deleted, or are under way; along their index, as count_undelivered.
-- $1 integer count no further
SELECT count(*) FROM (SELECT FROM callboard.archives AS a WHERE a.state IN ('pending', 'deleting')
                      ORDER BY a.next_at LIMIT (SELECT $1::integer)) AS counted

-- name: extend_archive
-- Keep the lease of a long download; no row when it is lost.
-- $1 bigint id
-- $2 bigint lease number
-- $3 double precision lease seconds
-- $4 timestamptz now, or null
UPDATE callboard.archives AS a
SET lease_until = coalesce($4::timestamptz, clock_timestamp()) + make_interval(secs => $3::double precision)
WHERE a.id = $1::bigint AND a.lease_no = $2::bigint
RETURNING a.id

-- name: release_archives
-- Give back claims that nothing was done about (a drain).
-- $1 bigint[] ids
-- $2 bigint[] lease numbers
UPDATE callboard.archives AS a
SET lease_until = NULL
FROM unnest($1::bigint[], $2::bigint[]) AS n (id, lease_no)
WHERE a.id = n.id AND a.lease_no = n.lease_no

-- name: finish_archive
-- Note where a file is kept; no row when the claim is gone.
-- $1 bigint id
-- $2 bigint lease number
-- $3 text location
-- $4 bigint bytes
-- $5 integer days it is kept, or null for as long as its task
-- $6 timestamptz now, or null
UPDATE callboard.archives AS a
SET state = 'kept', next_at = NULL, lease_until = NULL, error = NULL, attempts = a.attempts + 1, location = $3::text,
    bytes = $4::bigint, kept_at = coalesce($6::timestamptz, clock_timestamp()),
    expires_at = coalesce($6::timestamptz, clock_timestamp()) + make_interval(days => $5::integer)
WHERE a.id = $1::bigint AND a.lease_no = $2::bigint AND a.state = 'pending'
RETURNING a.id

-- name: fail_archive
-- Give a file up; no row when the claim is gone.
-- $1 bigint id
-- $2 bigint lease number
-- $3 text why
UPDATE callboard.archives AS a
SET state = 'failed', next_at = NULL, lease_until = NULL, attempts = a.attempts + 1, error = $3::text
WHERE a.id = $1::bigint AND a.lease_no = $2::bigint AND a.state = 'pending'
RETURNING a.id

-- name: postpone_archive
-- Try again later; no row when the claim is gone.
-- $1 bigint id
-- $2 bigint lease number
-- $3 text why, or null
-- $4 double precision in how many seconds
-- $5 integer attempts made
-- $6 timestamptz now, or null
UPDATE callboard.archives AS a
SET next_at = coalesce($6::timestamptz, clock_timestamp()) + make_interval(secs => $4::double precision),
    lease_until = NULL, error = $3::text, attempts = a.attempts + $5::integer
WHERE a.id = $1::bigint AND a.lease_no = $2::bigint AND a.state IN ('pending', 'deleting')
RETURNING a.id

-- name: retry_archive
-- Try again to keep a file that was given up; its time counts anew.
-- $1 uuid task
-- $2 smallint index
-- $3 text tenant
UPDATE callboard.archives AS a
SET state = 'pending', next_at = clock_timestamp(), created_at = clock_timestamp(), attempts = 0, error = NULL
WHERE a.task_uuid = $1::uuid AND a.index = $2::smallint AND a.tenant = $3::text AND a.state = 'failed'
RETURNING a.id

-- name: expire_archives
-- Have files deleted whose time is over; gives how many.
-- $1 integer how many at most
-- $2 timestamptz now, or null
WITH over AS MATERIALIZED (
  SELECT a.id FROM callboard.archives AS a
  WHERE a.state = 'kept' AND a.expires_at <= (SELECT coalesce($2::timestamptz, clock_timestamp()))
  ORDER BY a.expires_at
  LIMIT $1::integer
  FOR NO KEY UPDATE SKIP LOCKED),
deleting AS (
  UPDATE callboard.archives AS a
  SET state = 'deleting', next_at = coalesce($2::timestamptz, clock_timestamp())
  WHERE a.id = ANY (ARRAY(SELECT over.id FROM over))
  RETURNING a.id)
SELECT count(*) FROM deleting

-- name: remove_archive
-- Forget a file that was deleted; no row when the claim is gone.
-- $1 bigint id
-- $2 bigint lease number
DELETE FROM callboard.archives AS a WHERE a.id = $1::bigint AND a.lease_no = $2::bigint RETURNING a.id

-- name: end_archives
-- Give back what processes were fetching or deleting that ended; gives how much.
-- $1 uuid[] workers
WITH locked AS MATERIALIZED (
  SELECT a.id FROM callboard.archives AS a
  WHERE a.state IN ('pending', 'deleting') AND a.lease_owner = ANY ($1::uuid[]) AND a.lease_until IS NOT NULL
  ORDER BY a.id
  FOR NO KEY UPDATE)
UPDATE callboard.archives AS a SET lease_until = NULL
FROM locked WHERE a.id = locked.id
RETURNING a.id
