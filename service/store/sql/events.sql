-- The feed of events.

-- name: feed_head
-- The present incarnation, how far the feed was dropped, and the oldest transaction that still runs.
SELECT f.incarnation, f.dropped_incarnation, f.dropped_xid::text::bigint AS dropped_xid, f.dropped_seq,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS xmin
FROM callboard.feed AS f

-- name: read_feed
-- A page of the feed, oldest first: everything of older incarnations, and of the present one what lies below
-- the oldest running transaction. Whoever follows its cursor misses nothing. Both ends are rows and no join, so
-- that they bound the scan of the index; and subqueries, because who sees that all events are of this incarnation
-- takes those after the cursor for none, and sorts them all.
-- $1 text tenant
-- $2 integer after this incarnation
-- $3 bigint its transaction
-- $4 bigint its seq
-- $5 text[] types, or null for all
-- $6 integer how many
SELECT e.id, e.created_at, e.seq, e.xid::text::bigint AS xid, e.incarnation, e.source, e.type, e.task_uuid,
       e.sequence, e.data
FROM callboard.events AS e
WHERE (e.incarnation, e.xid, e.seq) > ((SELECT $2::integer), (SELECT ($3::bigint)::text::xid8), (SELECT $4::bigint))
  AND (e.incarnation, e.xid) < ((SELECT f.incarnation FROM callboard.feed AS f),
                                pg_snapshot_xmin(pg_current_snapshot()))
  AND e.tenant = $1::text
  AND ($5::text[] IS NULL OR e.type = ANY ($5::text[]))
ORDER BY e.incarnation, e.xid, e.seq
LIMIT $6::integer

-- name: read_feed_of_task
-- The same of one task: a statement of its own, because a plan for "this task or any" reads the whole feed.
-- $1 text tenant
-- $2 integer after this incarnation
-- $3 bigint its transaction
-- $4 bigint its seq
-- $5 text[] types, or null for all
-- $6 integer how many
-- $7 uuid task
WITH of_task AS MATERIALIZED (
  SELECT e.* FROM callboard.events AS e WHERE e.task_uuid = $7::uuid)
SELECT e.id, e.created_at, e.seq, e.xid::text::bigint AS xid, e.incarnation, e.source, e.type, e.task_uuid,
       e.sequence, e.data
FROM of_task AS e
WHERE (e.incarnation, e.xid, e.seq) > ($2::integer, ($3::bigint)::text::xid8, $4::bigint)
  AND (e.incarnation, e.xid) < ((SELECT f.incarnation FROM callboard.feed AS f),
                                pg_snapshot_xmin(pg_current_snapshot()))
  AND e.tenant = $1::text
  AND ($5::text[] IS NULL OR e.type = ANY ($5::text[]))
ORDER BY e.incarnation, e.xid, e.seq
LIMIT $6::integer

-- name: get_event
-- One event.
-- $1 text tenant
-- $2 uuid id
SELECT e.id, e.created_at, e.seq, e.xid::text::bigint AS xid, e.incarnation, e.source, e.type, e.task_uuid,
       e.sequence, e.data
FROM callboard.events AS e WHERE e.id = $2::uuid AND e.tenant = $1::text

-- name: incarnation_ended
-- Whether this cluster is not the one that wrote the feed (a dump and restore), or its transaction counter is behind
-- what was stored. The counter is read before the events: what they hold was given out by then.
SELECT f.system_identifier <> c.system_identifier
       OR pg_snapshot_xmax(pg_current_snapshot()) <= coalesce(
            (SELECT max(e.xid) FROM callboard.events AS e WHERE e.incarnation = f.incarnation), '0'::xid8)
FROM callboard.feed AS f, pg_catalog.pg_control_system() AS c

-- name: raise_incarnation
-- Begin a new incarnation; answers with it. Whoever calls this holds the fence and looked again under it.
UPDATE callboard.feed AS f
SET incarnation = f.incarnation + 1, system_identifier = c.system_identifier
FROM pg_catalog.pg_control_system() AS c
RETURNING f.incarnation

-- name: fence_events
-- Wait until nobody writes events, and let nobody begin before this transaction ends: writers of events hold this
-- lock shared, from their first statement on.
SELECT pg_advisory_xact_lock(7301955821)

-- name: feed_lag
-- Seconds by which the oldest running transaction holds the feed back: the age of the first event that waits.
-- Zero when nothing waits.
SELECT coalesce(extract(epoch FROM clock_timestamp() - (
         SELECT e.created_at FROM callboard.events AS e
         WHERE e.incarnation = (SELECT f.incarnation FROM callboard.feed AS f)
           AND e.xid >= pg_snapshot_xmin(pg_current_snapshot())
         ORDER BY e.incarnation, e.xid, e.seq LIMIT 1)), 0)::double precision
