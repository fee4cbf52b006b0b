-- What changes the state of tasks. Used by store/transitions.py, which only flows.apply imports.

-- name: lock_tasks
-- Lock tasks in uuid order and read the clock once they are locked. The shared advisory lock makes whoever
-- creates or deletes a subscription wait for this transaction, so that it misses no event after its answer.
-- $1 uuid[] tasks
-- $2 timestamptz now, or null
SELECT t.*, coalesce($2::timestamptz, clock_timestamp()) AS now
FROM (SELECT pg_advisory_xact_lock_shared(7301955821)) AS fence,
     LATERAL (SELECT * FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[])
              ORDER BY t.task_uuid FOR NO KEY UPDATE) AS t

-- name: lock_tasks_skip
-- The same for whoever must not wait: tasks locked elsewhere are left out.
-- $1 uuid[] tasks
-- $2 timestamptz now, or null
SELECT t.*, coalesce($2::timestamptz, clock_timestamp()) AS now
FROM (SELECT pg_advisory_xact_lock_shared(7301955821)) AS fence,
     LATERAL (SELECT * FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[])
              ORDER BY t.task_uuid FOR NO KEY UPDATE SKIP LOCKED) AS t

-- name: update_tasks
-- Write what was decided. The rows are locked; lease numbers are the claims' business.
-- $1 uuid[] tasks
-- $2 text[] states
-- $3 timestamptz[] deadline_at
-- $4 timestamptz[] first_sent_at
-- $5 timestamptz[] sent_at
-- $6 timestamptz[] submitted_at
-- $7 timestamptz[] finished_at
-- $8 integer[] attempts
-- $9 boolean[] unknown
-- $10 timestamptz[] resend_at
-- $11 timestamptz[] read_empty_at
-- $12 text[] upstream ids
-- $13 integer[] polls
-- $14 timestamptz[] settled_since
-- $15 smallint[] vague_polls
-- $16 timestamptz[] vague_since
-- $17 timestamptz[] look_again_at
-- $18 timestamptz[] lease_until
-- $19 timestamptz[] slot_since
-- $20 integer[] event sequences
-- $21 uuid[] terminal events
-- $22 jsonb[] errors
-- $23 timestamptz[] hold_over_at
UPDATE callboard.tasks AS t
SET state = n.state, deadline_at = n.deadline_at, first_sent_at = n.first_sent_at, sent_at = n.sent_at,
    submitted_at = n.submitted_at, finished_at = n.finished_at, attempts = n.attempts, unknown = n.unknown,
    resend_at = n.resend_at, read_empty_at = n.read_empty_at, upstream_id = n.upstream_id, polls = n.polls,
    settled_since = n.settled_since, vague_polls = n.vague_polls, vague_since = n.vague_since,
    look_again_at = n.look_again_at, lease_until = n.lease_until, slot_since = n.slot_since,
    event_sequence = n.event_sequence, terminal_event = coalesce(t.terminal_event, n.terminal_event),
    error = n.error, hold_over_at = n.hold_over_at
FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[],
            $6::timestamptz[], $7::timestamptz[], $8::integer[], $9::boolean[], $10::timestamptz[],
            $11::timestamptz[], $12::text[], $13::integer[], $14::timestamptz[], $15::smallint[],
            $16::timestamptz[], $17::timestamptz[], $18::timestamptz[], $19::timestamptz[], $20::integer[],
            $21::uuid[], $22::jsonb[], $23::timestamptz[])
     AS n (task_uuid, state, deadline_at, first_sent_at, sent_at, submitted_at, finished_at, attempts, unknown,
           resend_at, read_empty_at, upstream_id, polls, settled_since, vague_polls, vague_since, look_again_at,
           lease_until, slot_since, event_sequence, terminal_event, error, hold_over_at)
WHERE t.task_uuid = n.task_uuid

-- name: leave_slots
-- Free the places of tasks whose generation is known to have ended, or never began.
-- $1 uuid[] tasks
UPDATE callboard.slots AS s SET task_uuid = NULL, taken_at = NULL WHERE s.task_uuid = ANY ($1::uuid[])

-- name: write_results
-- Settle results, add late ones, and note what became of their files.
-- $1 uuid[] tasks
-- $2 smallint[] indexes
-- $3 text[] states
-- $4 text[] video uuids
-- $5 text[] video URLs
-- $6 bigint[] seeds
-- $7 numeric[] costs
-- $8 boolean[] NSFW flags
-- $9 jsonb[] errors
-- $10 timestamptz[] settled_at
-- $11 uuid[] their video.* events
-- $12 timestamptz[] hold_until
-- $13 jsonb[] what became of their files
INSERT INTO callboard.results AS r (task_uuid, index, state, video_uuid, video_url, seed, cost, nsfw, error,
                                    settled_at, event_id, hold_until, archive)
SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::text[], $4::text[], $5::text[], $6::bigint[],
                     $7::numeric[], $8::boolean[], $9::jsonb[], $10::timestamptz[], $11::uuid[], $12::timestamptz[],
                     $13::jsonb[])
ON CONFLICT (task_uuid, index) DO UPDATE
SET state = excluded.state, video_uuid = excluded.video_uuid, video_url = excluded.video_url,
    seed = excluded.seed, cost = excluded.cost, nsfw = excluded.nsfw, error = excluded.error,
    settled_at = excluded.settled_at, event_id = coalesce(r.event_id, excluded.event_id),
    hold_until = excluded.hold_until, archive = excluded.archive
WHERE r.state IN ('pending', 'archiving') OR r.state = excluded.state
