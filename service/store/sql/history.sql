-- The timeline's own part.

-- name: insert_history
-- Note transitions and upstream calls; of tasks that were erased meanwhile, nothing. Locking them waits for an erasure
-- under way, which a foreign key would answer with an error.
-- $1 uuid[] tasks
-- $2 timestamptz[] when, or null for the database's clock
-- $3 text[] kinds
-- $4 text[] names
-- $5 text[] from states, or null
-- $6 text[] to states, or null
-- $7 jsonb[] details
WITH staying AS MATERIALIZED (
  SELECT t.task_uuid FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[]) FOR KEY SHARE)
INSERT INTO callboard.history (task_uuid, at, kind, name, from_state, to_state, detail)
SELECT n.task_uuid, coalesce(n.at, clock_timestamp()), n.kind, n.name, n.from_state, n.to_state, n.detail
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::text[], $5::text[], $6::text[], $7::jsonb[])
     WITH ORDINALITY AS n (task_uuid, at, kind, name, from_state, to_state, detail, position)
WHERE n.task_uuid IN (SELECT s.task_uuid FROM staying AS s)
ORDER BY n.position

-- name: timeline
-- Everything that happened to a task, oldest first. `rank` puts causes before effects of the same moment. Of deliveries,
-- every attempt; those that were not tried yet as they stand. Their URLs are cut down to hosts before they are shown.
-- $1 uuid task
-- $2 timestamptz after this moment, or null
-- $3 integer its rank
-- $4 bigint its id
-- $5 integer how many
SELECT * FROM (
  SELECT h.at, CASE h.kind WHEN 'upstream' THEN 1 ELSE 3 END AS rank, h.id, h.kind, h.name, h.from_state,
         h.to_state, h.detail
  FROM callboard.history AS h WHERE h.task_uuid = $1::uuid
  UNION ALL
  SELECT c.received_at, 2, c.id, 'callback', c.outcome, NULL, NULL,
         jsonb_build_object('id', c.id, 'provider', c.provider, 'bytes', length(c.body), 'detail', c.detail)
  FROM callboard.callbacks AS c WHERE c.task_uuid = $1::uuid
  UNION ALL
  SELECT e.created_at, 4, e.seq, 'event', e.type, NULL, NULL,
         jsonb_build_object('id', e.id, 'sequence', e.sequence)
  FROM callboard.events AS e WHERE e.task_uuid = $1::uuid
  UNION ALL
  SELECT d.created_at, 5, d.id, 'delivery', d.state, NULL, NULL,
         jsonb_build_object('id', (extract(epoch FROM d.created_at) * 1000000)::bigint || '-' || d.id,
                            'event', d.event_id, 'subscription', d.subscription_id, 'kind', t.kind, 'url', t.url)
  FROM callboard.deliveries AS d, LATERAL (
    SELECT (SELECT s.kind FROM callboard.subscriptions AS s WHERE s.id = d.subscription_id) AS kind,
           CASE WHEN d.subscription_id IS NULL
                THEN (SELECT p.notify_url FROM callboard.task_payloads AS p WHERE p.task_uuid = $1::uuid)
                ELSE (SELECT s.url FROM callboard.subscriptions AS s WHERE s.id = d.subscription_id) END AS url) AS t
  WHERE d.task_uuid = $1::uuid AND d.attempts = 0
  UNION ALL
  SELECT a.at, 6, a.id, 'delivery', CASE WHEN a.error IS NULL THEN 'delivered' ELSE 'failed' END, NULL, NULL,
         jsonb_build_object('id', (extract(epoch FROM d.created_at) * 1000000)::bigint || '-' || d.id,
                            'event', d.event_id, 'subscription', d.subscription_id, 'kind', t.kind, 'url', t.url,
                            'attempt', a.no, 'status', a.status, 'error', a.error, 'address', a.address,
                            'durationMs', a.duration_ms)
  FROM callboard.attempts AS a
  JOIN callboard.deliveries AS d ON d.id = a.delivery_id AND d.task_uuid = a.task_uuid, LATERAL (
    SELECT (SELECT s.kind FROM callboard.subscriptions AS s WHERE s.id = d.subscription_id) AS kind,
           CASE WHEN d.subscription_id IS NULL
                THEN (SELECT p.notify_url FROM callboard.task_payloads AS p WHERE p.task_uuid = $1::uuid)
                ELSE (SELECT s.url FROM callboard.subscriptions AS s WHERE s.id = d.subscription_id) END AS url) AS t
  WHERE a.task_uuid = $1::uuid
) AS entries
WHERE $2::timestamptz IS NULL OR (at, rank, id) > ($2::timestamptz, $3::integer, $4::bigint)
ORDER BY at, rank, id
LIMIT $5::integer
