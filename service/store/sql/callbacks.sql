-- The inbox of callbacks.

-- name: insert_callbacks
-- Keep callbacks byte for byte, with what became of each; ids come back in the given order.
-- $1 timestamptz now, or null
-- $2 text[] providers
-- $3 uuid[] tasks
-- $4 bytea[] bodies
-- $5 jsonb[] headers
-- $6 text[] outcomes
-- $7 text[] details
INSERT INTO callboard.callbacks (received_at, provider, task_uuid, body, headers, outcome, detail, settled_at)
SELECT c.at, n.provider, n.task_uuid, n.body, n.headers, n.outcome, n.detail,
       CASE WHEN n.outcome <> 'pending' THEN c.at END
FROM unnest($2::text[], $3::uuid[], $4::bytea[], $5::jsonb[], $6::text[], $7::text[]) WITH ORDINALITY
     AS n (provider, task_uuid, body, headers, outcome, detail, position),
     (SELECT coalesce($1::timestamptz, clock_timestamp()) AS at) AS c
ORDER BY n.position
RETURNING id, received_at

-- name: claim_pending
-- Take callbacks that were stored unapplied, oldest first; their rows stay locked until they are settled.
-- $1 integer how many
-- $2 integer leave those alone that were tried this often
-- $3 bigint only past this id
SELECT c.id, c.received_at, c.provider, c.task_uuid, c.body, c.headers, c.tries
FROM callboard.callbacks AS c
WHERE c.outcome = 'pending' AND c.tries < $2::integer AND c.id > $3::bigint
ORDER BY c.id
LIMIT $1::integer
FOR UPDATE SKIP LOCKED

-- name: match_orphans
-- Look through orphans past an id, oldest first; those whose task appeared wait to be applied again. Only these
-- are locked and written: thousands of hopeless ones cost a read.
-- $1 bigint only past this id
-- $2 integer how many
WITH looked AS MATERIALIZED (
  SELECT c.received_at, c.id, c.provider, c.task_uuid
  FROM callboard.callbacks AS c
  WHERE c.outcome = 'orphan' AND c.id > $1::bigint
  ORDER BY c.id
  LIMIT $2::integer),
found AS MATERIALIZED (
  SELECT l.received_at, l.id
  FROM looked AS l JOIN callboard.tasks AS t ON t.task_uuid = l.task_uuid AND t.provider = l.provider),
matched AS (
  UPDATE callboard.callbacks AS c
  SET outcome = 'pending', tries = 0, settled_at = NULL
  FROM (SELECT o.received_at, o.id
        FROM found AS f
        JOIN callboard.callbacks AS o ON o.received_at = f.received_at AND o.id = f.id AND o.outcome = 'orphan'
        FOR NO KEY UPDATE OF o SKIP LOCKED) AS n
  WHERE c.received_at = n.received_at AND c.id = n.id
  RETURNING 1)
SELECT (SELECT count(*) FROM looked)::integer AS looked, (SELECT max(id) FROM looked) AS last_id,
       (SELECT count(*) FROM matched)::integer AS matched

-- name: settle_callbacks
-- Note what became of callbacks that were pending.
-- $1 timestamptz[] received_at
-- $2 bigint[] ids
-- $3 text[] outcomes
-- $4 text[] details
UPDATE callboard.callbacks AS c
SET outcome = n.outcome, detail = n.detail, tries = c.tries + 1,
    settled_at = CASE WHEN n.outcome <> 'pending' THEN clock_timestamp() END
FROM unnest($1::timestamptz[], $2::bigint[], $3::text[], $4::text[]) AS n (received_at, id, outcome, detail)
WHERE c.received_at = n.received_at AND c.id = n.id

-- name: drop_callbacks
-- Remove callbacks that are locked here.
-- $1 timestamptz[] received_at
-- $2 bigint[] ids
DELETE FROM callboard.callbacks AS c
USING unnest($1::timestamptz[], $2::bigint[]) AS n (received_at, id)
WHERE c.received_at = n.received_at AND c.id = n.id

-- name: count_pending
-- How many callbacks wait to be applied; along their index, as count_undelivered.
-- $1 integer count no further
SELECT count(*) FROM (SELECT FROM callboard.callbacks AS c WHERE c.outcome = 'pending'
                      ORDER BY c.id LIMIT (SELECT $1::integer)) AS counted

-- name: list_callbacks
-- A page of the inbox, newest first: all of it, or what was applied, which most of it was.
-- $1 text tenant
-- $2 text outcome, or null
-- $3 bigint only older than this id, or null
-- $4 integer how many
SELECT c.id, c.received_at, c.provider, c.task_uuid, c.body, c.headers, c.outcome, c.detail
FROM callboard.callbacks AS c
WHERE c.tenant = $1::text AND ($2::text IS NULL OR c.outcome = $2::text)
  AND c.id < coalesce($3::bigint, 9223372036854775807)
ORDER BY c.id DESC
LIMIT $4::integer

-- name: list_odd_callbacks
-- The same of any other outcome, by an index of its own: some outcomes are one in a million.
-- $1 text tenant
-- $2 text outcome, not applied
-- $3 bigint only older than this id, or null
-- $4 integer how many
SELECT c.id, c.received_at, c.provider, c.task_uuid, c.body, c.headers, c.outcome, c.detail
FROM callboard.callbacks AS c
WHERE c.tenant = $1::text AND c.outcome = $2::text AND c.outcome <> 'applied'
  AND c.id < coalesce($3::bigint, 9223372036854775807)
ORDER BY c.id DESC
LIMIT $4::integer

-- name: list_callbacks_of_task
-- The same of one task: a statement of its own, because a plan for "this task or any" reads the whole inbox.
-- $1 text tenant
-- $2 text outcome, or null
-- $3 bigint only older than this id, or null
-- $4 integer how many
-- $5 uuid task
WITH of_task AS MATERIALIZED (
  SELECT c.* FROM callboard.callbacks AS c WHERE c.task_uuid = $5::uuid)
SELECT c.id, c.received_at, c.provider, c.task_uuid, c.body, c.headers, c.outcome, c.detail
FROM of_task AS c
WHERE c.tenant = $1::text AND ($2::text IS NULL OR c.outcome = $2::text)
  AND c.id < coalesce($3::bigint, 9223372036854775807)
ORDER BY c.id DESC
LIMIT $4::integer

-- name: get_callback
-- One callback of the inbox.
-- $1 text tenant
-- $2 bigint id
SELECT c.id, c.received_at, c.provider, c.task_uuid, c.body, c.headers, c.outcome, c.detail
FROM callboard.callbacks AS c WHERE c.tenant = $1::text AND c.id = $2::bigint
