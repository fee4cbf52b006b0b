-- Tasks: accepting, claiming, reading. What changes their state is in transitions.sql.

-- name: insert_tasks
-- Accept tasks: the one place where a first row is written without `apply`. A taken taskUUID is left out, also that of
-- an erased task; the probe is a subquery with a limit, so that no plan can join all that was ever erased.
-- $1 uuid[] tasks
-- $2 text tenant
-- $3 text[] providers
-- $4 text[] models
-- $5 smallint[] priorities
-- $6 smallint[] results expected
-- $7 integer[] startWithin seconds
-- $8 integer[] deadline seconds
-- $9 uuid[] the task each repeats, or null
-- $10 timestamptz now, or null for the database's clock
-- $11 text[] the account each names, or null for any
-- $12 uuid[] the batch each belongs to, or null
-- $13 uuid[] the task each is tried instead of, or null
-- $14 boolean[] whether their videos are to be kept
-- $15 integer[] how many seconds video.completed waits for that, or null
INSERT INTO callboard.tasks (task_uuid, tenant, provider, model, state, priority, results_expected,
                             created_at, start_by, deadline_seconds, look_again_at, retry_of, account, pinned,
                             batch_id, fallback_of, archives, hold_s)
SELECT n.task_uuid, $2::text, n.provider, n.model, 'queued', n.priority, n.results_expected,
       c.at, c.at + make_interval(secs => n.start_within), n.deadline_seconds, c.at, n.retry_of,
       coalesce(n.account, 'default'), n.account IS NOT NULL, n.batch_id, n.fallback_of, n.archives, n.hold_s
FROM unnest($1::uuid[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::integer[],
            $8::integer[], $9::uuid[], $11::text[], $12::uuid[], $13::uuid[], $14::boolean[],
            $15::integer[]) WITH ORDINALITY
     AS n (task_uuid, provider, model, priority, results_expected, start_within, deadline_seconds,
           retry_of, account, batch_id, fallback_of, archives, hold_s, position),
     (SELECT coalesce($10::timestamptz, clock_timestamp()) AS at) AS c
WHERE (SELECT e.task_uuid FROM callboard.erased_tasks AS e WHERE e.task_uuid = n.task_uuid LIMIT 1) IS NULL
ORDER BY n.position
ON CONFLICT (task_uuid) DO NOTHING
RETURNING task_uuid, seq, created_at

-- name: insert_payloads
-- Keep what is shown and sent, apart from the hot row. Looks at the erased ones again: who waited for an erasure to
-- end before its row was free does not see in `insert_tasks` what that wrote.
-- $1 uuid[] tasks
-- $2 text[] requests
-- $3 text[] metadata
-- $4 jsonb[] labels
-- $5 text[] warnings, a JSON array each
-- $6 text[] notify URLs, or null
-- $7 text[] what is tried instead, or null
-- $8 text[] what is to be done with their videos, or null
INSERT INTO callboard.task_payloads (task_uuid, request, metadata, labels, warnings, notify_url, fallback, archive)
SELECT n.task_uuid, n.request, n.metadata, n.labels,
       ARRAY(SELECT jsonb_array_elements_text(n.warnings::jsonb)), n.notify_url, n.fallback, n.archive
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::jsonb[], $5::text[], $6::text[], $7::text[], $8::text[])
     AS n (task_uuid, request, metadata, labels, warnings, notify_url, fallback, archive)
WHERE (SELECT e.task_uuid FROM callboard.erased_tasks AS e WHERE e.task_uuid = n.task_uuid LIMIT 1) IS NULL
RETURNING task_uuid

-- name: name_fallbacks
-- Note which task was started instead; the tasks are locked by whoever ends them.
-- $1 uuid[] tasks
-- $2 uuid[] what was started instead
UPDATE callboard.task_payloads AS p SET fallback_task = n.fallback_task
FROM unnest($1::uuid[], $2::uuid[]) AS n (task_uuid, fallback_task)
WHERE p.task_uuid = n.task_uuid

-- name: insert_labels
-- Make labels findable.
-- $1 text tenant
-- $2 uuid[] tasks
-- $3 bigint[] their seq
-- $4 text[] keys
-- $5 text[] values
INSERT INTO callboard.task_labels (tenant, key, value, seq, task_uuid)
SELECT $1::text, n.key, n.value, n.seq, n.task_uuid
FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) AS n (task_uuid, seq, key, value)

-- name: insert_results
-- Every result that was asked for has its row from the start.
-- $1 uuid[] tasks
-- $2 smallint[] how many results each
INSERT INTO callboard.results (task_uuid, index, state)
SELECT n.task_uuid, i.index, 'pending'
FROM unnest($1::uuid[], $2::smallint[]) AS n (task_uuid, expected),
     generate_series(0, n.expected - 1) AS i (index)

-- name: claim_queued
-- Claim tasks of one provider to be sent by one account: those that name it and those that name none, larger
-- priority and older first. Each queue is read by its index; what is locked beyond the limit is left again. The limit is
-- a subquery, for the reason of `claim_deliveries`.
-- An array, not a join: a generic plan takes the limit for a tenth of all rows, and would read the whole table
-- to join that many. The floors are compared inside the index: what lies below them costs no look at the table.
-- $1 text provider
-- $2 text account
-- $3 integer how many
-- $4 double precision lease seconds
-- $5 uuid the worker
-- $6 timestamptz now, or null
-- $7 bigint[] only from these seqs on, one a queue (`queue_floors`), or null
WITH due AS MATERIALIZED (
  SELECT t.task_uuid
  FROM unnest(ARRAY['', $2::text], $7::bigint[]) AS q (queue, floor),
       LATERAL (SELECT t.task_uuid, t.priority, t.seq
                FROM callboard.tasks AS t
                WHERE t.state = 'queued' AND t.provider = $1::text AND t.queue = q.queue
                  AND t.seq >= coalesce(q.floor, 0)
                  AND t.look_again_at <= coalesce($6::timestamptz, clock_timestamp())
                  AND (t.lease_until IS NULL OR t.lease_until <= coalesce($6::timestamptz, clock_timestamp()))
                ORDER BY t.priority DESC, t.seq
                LIMIT (SELECT $3::integer)
                FOR NO KEY UPDATE SKIP LOCKED) AS t
  ORDER BY t.priority DESC, t.seq
  LIMIT $3::integer)
UPDATE callboard.tasks AS t
SET lease_no = t.lease_no + 1, lease_owner = $5::uuid, account = $2::text,
    lease_until = coalesce($6::timestamptz, clock_timestamp()) + make_interval(secs => $4::double precision)
WHERE t.task_uuid = ANY (ARRAY(SELECT due.task_uuid FROM due))
RETURNING t.*

-- name: queue_floors
-- Where claims of one account begin to read its two queues: nothing waits below. Priorities are hopped over one by
-- one, because together they would be read whole. A transaction that has not committed yet may have drawn a
-- smaller seq: what was drawn last is read in any case.
-- $1 text provider
-- $2 text account
-- $3 bigint how many of the last drawn are read
WITH RECURSIVE heads AS (
  SELECT q.queue, h.priority, h.seq
  FROM unnest(ARRAY['', $2::text]) AS q (queue),
       LATERAL (SELECT t.priority, t.seq FROM callboard.tasks AS t
                WHERE t.state = 'queued' AND t.provider = $1::text AND t.queue = q.queue
                ORDER BY t.priority DESC, t.seq LIMIT 1) AS h
  UNION ALL
  SELECT p.queue, h.priority, h.seq
  FROM heads AS p,
       LATERAL (SELECT t.priority, t.seq FROM callboard.tasks AS t
                WHERE t.state = 'queued' AND t.provider = $1::text AND t.queue = p.queue AND t.priority < p.priority
                ORDER BY t.priority DESC, t.seq LIMIT 1) AS h)
SELECT least((SELECT min(h.seq) FROM heads AS h WHERE h.queue = q.queue),
             (SELECT max(t.seq) FROM callboard.tasks AS t) - $3::bigint) AS floor
FROM unnest(ARRAY['', $2::text]) WITH ORDINALITY AS q (queue, position)
ORDER BY q.position

-- name: claim_due
-- Claim tasks that have to be looked at: unknown submits, overdue callbacks, deadlines, watched slots. The clock is
-- read in a subquery, once: a volatile function bounds no index scan, and all that is not due yet would be read.
-- $1 integer how many
-- $2 double precision lease seconds
-- $3 uuid the worker
-- $4 timestamptz now, or null
-- $5 timestamptz only what was due from then on (`due_floor`), or null
WITH due AS MATERIALIZED (
  SELECT t.task_uuid
  FROM callboard.tasks AS t
  WHERE t.look_again_at IS NOT NULL AND t.state <> 'queued'
    AND t.look_again_at >= coalesce($5::timestamptz, '-infinity')
    AND t.look_again_at <= (SELECT coalesce($4::timestamptz, clock_timestamp()))
    AND (t.lease_until IS NULL OR t.lease_until <= coalesce($4::timestamptz, clock_timestamp()))
  ORDER BY t.look_again_at
  LIMIT $1::integer
  FOR NO KEY UPDATE SKIP LOCKED)
UPDATE callboard.tasks AS t
SET lease_no = t.lease_no + 1, lease_owner = $3::uuid,
    lease_until = coalesce($4::timestamptz, clock_timestamp()) + make_interval(secs => $2::double precision)
WHERE t.task_uuid = ANY (ARRAY(SELECT due.task_uuid FROM due))
RETURNING t.*, coalesce($4::timestamptz, clock_timestamp()) AS now

-- name: due_floor
-- Where claims of what is due begin to read: nothing is due before. A transaction that read the clock may commit a
-- little later: the last moments are read in any case.
-- $1 double precision how many seconds these are
-- $2 timestamptz now, or null
SELECT least((SELECT t.look_again_at FROM callboard.tasks AS t
              WHERE t.look_again_at IS NOT NULL AND t.state <> 'queued'
              ORDER BY t.look_again_at LIMIT 1),
             coalesce($2::timestamptz, clock_timestamp()) - make_interval(secs => $1::double precision))

-- name: list_never_started
-- Find tasks that were not sent in time.
-- $1 integer how many
-- $2 timestamptz now, or null
SELECT t.task_uuid
FROM callboard.tasks AS t
WHERE t.state = 'queued' AND t.start_by <= (SELECT coalesce($2::timestamptz, clock_timestamp()))
ORDER BY t.start_by
LIMIT $1::integer

-- name: release_leases
-- Give back claims on tasks that were not sent (a drain).
-- $1 uuid[] tasks
-- $2 bigint[] their lease numbers
UPDATE callboard.tasks AS t
SET lease_until = NULL
FROM unnest($1::uuid[], $2::bigint[]) AS n (task_uuid, lease_no)
WHERE t.task_uuid = n.task_uuid AND t.lease_no = n.lease_no AND t.state = 'queued'
RETURNING t.task_uuid

-- name: get_tasks
-- Load tasks by their uuid.
-- $1 uuid[] tasks
SELECT t.* FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[])

-- name: get_results
-- Load the results of tasks, in order.
-- $1 uuid[] tasks
SELECT r.* FROM callboard.results AS r WHERE r.task_uuid = ANY ($1::uuid[]) ORDER BY r.task_uuid, r.index

-- name: get_cards
-- Load what is shown of tasks, without their requests.
-- $1 uuid[] tasks
SELECT p.task_uuid, p.metadata, p.labels, p.warnings, p.notify_url, p.fallback, p.fallback_task, p.archive,
       t.retry_of, t.fallback_of, t.priority
FROM callboard.task_payloads AS p JOIN callboard.tasks AS t USING (task_uuid)
WHERE p.task_uuid = ANY ($1::uuid[])

-- name: get_requests
-- Load the requests of tasks.
-- $1 uuid[] tasks
SELECT p.task_uuid, p.request FROM callboard.task_payloads AS p WHERE p.task_uuid = ANY ($1::uuid[])

-- name: get_sends
-- Load what is sent for tasks: the request, and the first bytes once they are kept.
-- $1 uuid[] tasks
SELECT p.task_uuid, p.request, p.first_url, p.first_body, p.first_account, p.first_key_hint
FROM callboard.task_payloads AS p WHERE p.task_uuid = ANY ($1::uuid[])

-- name: keep_first_send
-- Keep the bytes of a first send; the task is locked by whoever begins it.
-- $1 uuid task
-- $2 text URL
-- $3 bytea body
-- $4 text account
-- $5 text key hint
-- $6 text fingerprint of the key that minted its callback URL's token, or null
UPDATE callboard.task_payloads AS p
SET first_url = $2::text, first_body = $3::bytea, first_account = $4::text, first_key_hint = $5::text,
    first_callback_key = $6::text
WHERE p.task_uuid = $1::uuid

-- name: list_tasks
-- A page of tasks, newest first. A time of creation becomes a bound on seq by the first task that was created a minute
-- beyond it: seqs are drawn after the clock is read, and no statement takes a minute from one to the other.
-- $1 text tenant
-- $2 text state, or null
-- $3 text provider, or null
-- $4 text model, or null
-- $5 timestamptz created after, or null
-- $6 timestamptz created before, or null
-- $7 text[] label keys
-- $8 text[] label values
-- $9 bigint only older than this seq, or null
-- $10 integer how many
SELECT t.*
FROM callboard.tasks AS t
WHERE t.tenant = $1::text
  AND t.seq < least(
    $9::bigint,
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at >= $6::timestamptz + interval '1 minute'
     ORDER BY b.created_at LIMIT 1),
    9223372036854775807)
  AND t.seq > coalesce(
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at <= $5::timestamptz - interval '1 minute'
     ORDER BY b.created_at DESC LIMIT 1),
    0)
  AND ($2::text IS NULL OR t.state = $2::text)
  AND ($3::text IS NULL OR t.provider = $3::text)
  AND ($4::text IS NULL OR t.model = $4::text)
  AND ($5::timestamptz IS NULL OR t.created_at > $5::timestamptz)
  AND ($6::timestamptz IS NULL OR t.created_at < $6::timestamptz)
  AND (cardinality($7::text[]) = 0 OR cardinality($7::text[]) = (
    SELECT count(*) FROM unnest($7::text[], $8::text[]) AS w (key, value)
    JOIN callboard.task_labels AS l
      ON l.tenant = $1::text AND l.key = w.key AND l.value = w.value AND l.seq = t.seq))
ORDER BY t.seq DESC
LIMIT $10::integer

-- name: list_tasks_of_state
-- The same of one state: a statement of its own, because a plan for "this state or any" reads all newer tasks. So
-- does one for "state = this" when it takes the state for frequent: rows are compared, and only one index has them
-- in this order.
-- $1 text tenant
-- $2 text state
-- $3 text provider, or null
-- $4 text model, or null
-- $5 timestamptz created after, or null
-- $6 timestamptz created before, or null
-- $7 text[] label keys
-- $8 text[] label values
-- $9 bigint only older than this seq, or null
-- $10 integer how many
SELECT t.*
FROM callboard.tasks AS t
WHERE t.tenant = $1::text
  AND (t.state, t.seq) < ($2::text, least(
    $9::bigint,
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at >= $6::timestamptz + interval '1 minute'
     ORDER BY b.created_at LIMIT 1),
    9223372036854775807))
  AND (t.state, t.seq) > ($2::text, coalesce(
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at <= $5::timestamptz - interval '1 minute'
     ORDER BY b.created_at DESC LIMIT 1),
    0))
  AND ($3::text IS NULL OR t.provider = $3::text)
  AND ($4::text IS NULL OR t.model = $4::text)
  AND ($5::timestamptz IS NULL OR t.created_at > $5::timestamptz)
  AND ($6::timestamptz IS NULL OR t.created_at < $6::timestamptz)
  AND (cardinality($7::text[]) = 0 OR cardinality($7::text[]) = (
    SELECT count(*) FROM unnest($7::text[], $8::text[]) AS w (key, value)
    JOIN callboard.task_labels AS l
      ON l.tenant = $1::text AND l.key = w.key AND l.value = w.value AND l.seq = t.seq))
ORDER BY t.state DESC, t.seq DESC
LIMIT $10::integer

-- name: list_labelled_tasks
-- The same of tasks with labels, found by the first of them.
-- $1 text tenant
-- $2 text state, or null
-- $3 text provider, or null
-- $4 text model, or null
-- $5 timestamptz created after, or null
-- $6 timestamptz created before, or null
-- $7 text[] label keys
-- $8 text[] label values
-- $9 bigint only older than this seq, or null
-- $10 integer how many
SELECT t.*
FROM callboard.task_labels AS f,
     LATERAL (SELECT t.* FROM callboard.tasks AS t WHERE t.task_uuid = f.task_uuid LIMIT 1) AS t
WHERE f.tenant = $1::text AND f.key = ($7::text[])[1] AND f.value = ($8::text[])[1]
  AND f.seq < least(
    $9::bigint,
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at >= $6::timestamptz + interval '1 minute'
     ORDER BY b.created_at LIMIT 1),
    9223372036854775807)
  AND f.seq > coalesce(
    (SELECT b.seq FROM callboard.tasks AS b WHERE b.created_at <= $5::timestamptz - interval '1 minute'
     ORDER BY b.created_at DESC LIMIT 1),
    0)
  AND ($2::text IS NULL OR t.state = $2::text)
  AND ($3::text IS NULL OR t.provider = $3::text)
  AND ($4::text IS NULL OR t.model = $4::text)
  AND ($5::timestamptz IS NULL OR t.created_at > $5::timestamptz)
  AND ($6::timestamptz IS NULL OR t.created_at < $6::timestamptz)
  AND (cardinality($7::text[]) = 1 OR cardinality($7::text[]) = (
    SELECT count(*) FROM unnest($7::text[], $8::text[]) AS w (key, value)
    JOIN callboard.task_labels AS l
      ON l.tenant = $1::text AND l.key = w.key AND l.value = w.value AND l.seq = t.seq))
ORDER BY f.seq DESC
LIMIT $10::integer

-- name: list_tasks_of_batch
-- The same of one batch: a statement of its own, because a plan for "this batch or any" reads all newer tasks.
-- $1 text tenant
-- $2 text state, or null
-- $3 text provider, or null
-- $4 text model, or null
-- $5 timestamptz created after, or null
-- $6 timestamptz created before, or null
-- $7 text[] label keys
-- $8 text[] label values
-- $9 bigint only older than this seq, or null
-- $10 integer how many
-- $11 uuid batch
SELECT t.*
FROM callboard.tasks AS t
WHERE t.tenant = $1::text AND t.batch_id = $11::uuid
  AND ($2::text IS NULL OR t.state = $2::text)
  AND ($3::text IS NULL OR t.provider = $3::text)
  AND ($4::text IS NULL OR t.model = $4::text)
  AND ($5::timestamptz IS NULL OR t.created_at > $5::timestamptz)
  AND ($6::timestamptz IS NULL OR t.created_at < $6::timestamptz)
  AND t.seq < coalesce($9::bigint, 9223372036854775807)
  AND (cardinality($7::text[]) = 0 OR cardinality($7::text[]) = (
    SELECT count(*) FROM unnest($7::text[], $8::text[]) AS w (key, value)
    JOIN callboard.task_labels AS l
      ON l.tenant = $1::text AND l.key = w.key AND l.value = w.value AND l.seq = t.seq))
ORDER BY t.seq DESC
LIMIT $10::integer

-- name: latest_retry
-- The newest task that repeats this one. It is kept from being erased until the answer that shows it is kept.
-- $1 uuid task
SELECT t.task_uuid FROM callboard.tasks AS t WHERE t.retry_of = $1::uuid ORDER BY t.seq DESC LIMIT 1 FOR KEY SHARE

-- name: known_tasks
-- Which of these tasks exist, locked elsewhere or not; and which were erased. Those that exist stay until the
-- transaction ends; one that is being erased right now (or ended, which locks its row as much) is `leaving`.
-- $1 uuid[] tasks
WITH staying AS MATERIALIZED (
  SELECT t.task_uuid FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[]) FOR KEY SHARE SKIP LOCKED)
SELECT t.task_uuid, CASE WHEN t.task_uuid IN (SELECT s.task_uuid FROM staying AS s) THEN 'known' ELSE 'leaving' END AS was
FROM callboard.tasks AS t WHERE t.task_uuid = ANY ($1::uuid[])
UNION ALL
SELECT e.task_uuid, 'erased' FROM callboard.erased_tasks AS e WHERE e.task_uuid = ANY ($1::uuid[])

-- name: lock_one
-- Lock a task, so that two retries of it make one task.
-- $1 uuid task
SELECT t.* FROM callboard.tasks AS t WHERE t.task_uuid = $1::uuid FOR NO KEY UPDATE
