-- Events and what goes out for them. Used by store/outbox.py.

-- name: insert_events
-- Announce, in the transaction of what is announced; sequence numbers of the feed follow the given order.
-- $1 timestamptz when it happened
-- $2 text source
-- $3 uuid[] event ids
-- $4 text[] tenants
-- $5 text[] types
-- $6 uuid[] subjects: the tasks, or batches
-- $7 integer[] sequences
-- $8 bytea[] data
INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT $1::timestamptz, n.id, f.incarnation, n.tenant, $2::text, n.type, n.task_uuid, n.sequence, n.data
FROM unnest($3::uuid[], $4::text[], $5::text[], $6::uuid[], $7::integer[], $8::bytea[]) WITH ORDINALITY
     AS n (id, tenant, type, task_uuid, sequence, data, position),
     callboard.feed AS f
ORDER BY n.position

-- name: insert_deliveries
-- Fan out, in the same transaction; ids follow the given order, which is the order of delivery. Lanes that are new get
-- their rows, in their order: two who write to the same new ones wait for each other.
-- $1 timestamptz the events' time
-- $2 text[] tenants
-- $3 uuid[] events
-- $4 uuid[] tasks
-- $5 uuid[] subscriptions, or null for a notifyURL
-- $6 uuid[] targets
-- $7 text[] states (pending or held)
-- $8 uuid[] lanes
WITH made AS (
  INSERT INTO callboard.lanes (lane)
  SELECT DISTINCT n.lane FROM unnest($8::uuid[]) AS n (lane) ORDER BY n.lane
  ON CONFLICT (lane) DO NOTHING)
INSERT INTO callboard.deliveries (created_at, tenant, event_id, task_uuid, subscription_id, target, state, lane, next_at)
SELECT $1::timestamptz, n.tenant, n.event_id, n.task_uuid, n.subscription_id, n.target, n.state, n.lane,
       CASE WHEN n.state = 'pending' THEN $1::timestamptz END
FROM unnest($2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::uuid[])
     WITH ORDINALITY AS n (tenant, event_id, task_uuid, subscription_id, target, state, lane, position)
ORDER BY n.position
