-- The removal of all that is kept of a task. The statements of one erasure run in this order, in one transaction: each
-- sees what was committed before it began, and its locks keep the rest from being written.

-- name: lock_erased
-- Lock a task against everybody, also against those who only want it to stay (history, replayed answers, callbacks that
-- are not applied): what they wrote before is committed when this returns.
-- $1 uuid task
SELECT t.* FROM callboard.tasks AS t WHERE t.task_uuid = $1::uuid FOR UPDATE

-- name: get_erased
-- Whose an erased task was.
-- $1 uuid task
SELECT e.tenant FROM callboard.erased_tasks AS e WHERE e.task_uuid = $1::uuid

-- name: note_erased
-- Keep the name of a task taken.
-- $1 uuid task
-- $2 text tenant
INSERT INTO callboard.erased_tasks (task_uuid, tenant) VALUES ($1::uuid, $2::text)

-- name: erase_deliveries
-- Cancel what was not delivered; whoever is sending just now finds its claim gone, and records nothing. They are locked
-- in the order in which `record_attempts` locks them.
-- $1 uuid task
WITH locked AS MATERIALIZED (
  SELECT d.created_at, d.id FROM callboard.deliveries AS d WHERE d.task_uuid = $1::uuid ORDER BY d.id FOR UPDATE)
UPDATE callboard.deliveries AS d
SET state = CASE WHEN d.state IN ('pending', 'held', 'sending') THEN 'canceled' ELSE d.state END,
    next_at = NULL, lease_until = NULL, lease_no = d.lease_no + 1, error = NULL,
    finished_at = coalesce(d.finished_at, clock_timestamp())
FROM locked AS l
WHERE d.task_uuid = $1::uuid AND d.created_at = l.created_at AND d.id = l.id

-- name: erase_attempts
-- Erase what receivers answered. No attempt is added once the deliveries are canceled.
-- $1 uuid task
UPDATE callboard.attempts AS a SET error = NULL, response = '' WHERE a.task_uuid = $1::uuid

-- name: erase_callbacks
-- Erase the callbacks of a task. Those that a process is just about to apply are left to it: it waits for the task, and
-- will find that it was erased.
-- $1 uuid task
WITH free AS MATERIALIZED (
  SELECT c.received_at, c.id FROM callboard.callbacks AS c WHERE c.task_uuid = $1::uuid FOR UPDATE SKIP LOCKED)
DELETE FROM callboard.callbacks AS c
USING free AS f
WHERE c.task_uuid = $1::uuid AND c.received_at = f.received_at AND c.id = f.id

-- name: erase_events
-- Leave of every event that it happened, at its place in the feed. A batch may have the name of a task.
-- $1 uuid task
-- $2 bytea the data that stays
UPDATE callboard.events AS e SET data = $2::bytea WHERE e.task_uuid = $1::uuid AND e.type NOT LIKE 'batch.%'

-- name: erase_answers
-- Erase answers that show a task, and the hashes of what they answered. Their keys stay taken.
-- $1 uuid task
UPDATE callboard.idempotency_keys AS i SET status = NULL, location = NULL, answer = NULL, body_hash = ''
WHERE i.tasks <> '{}' AND i.tasks @> ARRAY[$1::uuid]

-- name: erase_slot
-- Free the place of a task that nobody can watch any more.
-- $1 uuid task
UPDATE callboard.slots AS s SET task_uuid = NULL, taken_at = NULL WHERE s.task_uuid = $1::uuid

-- name: erase_archives
-- Have all files of a task deleted; whoever fetches one just now finds its claim gone, and deletes what it kept. What is
-- being fetched is deleted at its lease's end: by then nobody keeps anything any more, not even one who dies meanwhile.
-- $1 uuid task
UPDATE callboard.archives AS a
SET state = 'deleting', next_at = greatest(clock_timestamp(), a.lease_until), lease_until = NULL, lease_no = a.lease_no + 1, error = NULL
WHERE a.task_uuid = $1::uuid

-- name: erase_task
-- Erase the task with its request, labels, results and history.
-- $1 uuid task
DELETE FROM callboard.tasks AS t WHERE t.task_uuid = $1::uuid
