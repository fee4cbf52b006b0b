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
