-- Accounts of upstreams: their places, their rate, their pauses.

-- name: keep_account
-- Write the account of the environment, or an operator's, as it shall be; pauses stay as they are.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 integer concurrency
-- $5 integer sends per minute
-- $6 integer reads per minute
-- $7 integer weight, or null to leave it
-- $8 bytea sealed credentials, or null to leave them
INSERT INTO callboard.accounts AS a (tenant, provider, account, concurrency, per_minute, reads_per_minute, weight, credentials)
VALUES ($1::text, $2::text, $3::text, $4::integer, $5::integer, $6::integer, coalesce($7::integer, 1), $8::bytea)
ON CONFLICT (tenant, provider, account) DO UPDATE
SET concurrency = excluded.concurrency, per_minute = excluded.per_minute,
    reads_per_minute = excluded.reads_per_minute, weight = coalesce($7::integer, a.weight),
    credentials = coalesce($8::bytea, a.credentials)
RETURNING a.*

-- name: make_slots
-- Make the places of an account, as many as its concurrency; more than that are taken by nobody new.
-- $1 text tenant
-- $2 text provider
-- $3 text account
INSERT INTO callboard.slots (tenant, provider, account, slot_no)
SELECT a.tenant, a.provider, a.account, n.slot_no
FROM callboard.accounts AS a, generate_series(1, a.concurrency) AS n (slot_no)
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
ON CONFLICT DO NOTHING

-- name: lock_account
-- Lock an account to remove it: nobody claims for it meanwhile, and who claims now is waited for.
-- $1 text tenant
-- $2 text provider
-- $3 text account
SELECT a.account FROM callboard.accounts AS a
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
FOR UPDATE

-- name: remove_slots
-- Remove the places of a locked account, if all of them are free.
-- $1 text tenant
-- $2 text provider
-- $3 text account
DELETE FROM callboard.slots AS s
WHERE s.tenant = $1::text AND s.provider = $2::text AND s.account = $3::text
  AND NOT EXISTS (SELECT FROM callboard.slots AS o
                  WHERE o.tenant = s.tenant AND o.provider = s.provider AND o.account = s.account
                    AND o.task_uuid IS NOT NULL)

-- name: forget_account
-- The second half of a removal, once its places are gone; its tasks in the queue that name it wait until it is back.
-- $1 text tenant
-- $2 text provider
-- $3 text account
DELETE FROM callboard.accounts AS a
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
  AND NOT EXISTS (SELECT FROM callboard.slots AS s
                  WHERE s.tenant = a.tenant AND s.provider = a.provider AND s.account = a.account)
RETURNING (SELECT count(*) FROM callboard.tasks AS t
           WHERE t.state = 'queued' AND t.provider = a.provider AND t.queue = a.account)::integer AS named

-- name: list_accounts
-- All accounts, with how many places are taken, and since when the newest of them is.
-- $1 text tenant
SELECT a.*, coalesce(s.taken, 0) AS taken, s.taken_at, clock_timestamp() AS now
FROM callboard.accounts AS a
LEFT JOIN (SELECT tenant, provider, account, count(*)::integer AS taken, max(taken_at) AS taken_at
           FROM callboard.slots WHERE task_uuid IS NOT NULL GROUP BY tenant, provider, account) AS s
  USING (tenant, provider, account)
WHERE a.tenant = $1::text
ORDER BY a.provider, a.account

-- name: account_keys
-- The credentials that were given here, sealed.
-- $1 text tenant
SELECT a.provider, a.account, a.credentials FROM callboard.accounts AS a
WHERE a.tenant = $1::text AND a.credentials IS NOT NULL

-- name: account_room
-- What those who wait have to know: is there a free place, is it paused, is it its turn.
-- $1 text tenant
-- $2 text[] providers
SELECT a.provider, a.account, a.held_for, a.paused_until, a.pauses, a.per_minute, a.send_at,
       EXISTS (SELECT FROM callboard.slots AS s
               WHERE s.tenant = a.tenant AND s.provider = a.provider AND s.account = a.account
                 AND s.task_uuid IS NULL AND s.slot_no <= a.concurrency
               OFFSET (SELECT count(*) FROM callboard.slots AS o
                       WHERE o.tenant = a.tenant AND o.provider = a.provider AND o.account = a.account
                         AND o.slot_no > a.concurrency AND o.task_uuid IS NOT NULL)) AS free
FROM callboard.accounts AS a
WHERE a.tenant = $1::text AND a.provider = ANY ($2::text[])

-- name: hold_account
-- Pause an account until an operator resumes it, or resume it: then it is well until it is heard otherwise.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 text why, or null to resume
UPDATE callboard.accounts AS a
SET held_for = $4::text,
    pauses = CASE WHEN $4::text IS NULL THEN 0 ELSE a.pauses END,
    paused_since = CASE WHEN $4::text IS NOT NULL THEN a.paused_since END,
    paused_until = CASE WHEN $4::text IS NOT NULL THEN a.paused_until END,
    paused_for = CASE WHEN $4::text IS NOT NULL THEN a.paused_for END
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
RETURNING a.account

-- name: take_turn
-- Lock an account to claim for it; whoever is not first has nothing to claim now. Nothing in this transaction
-- waits for a lock, so that it may hold this one against the order of locks everywhere else (tasks first).
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 timestamptz now, or null
SELECT a.concurrency, a.per_minute, a.send_at, a.pauses, c.now
FROM callboard.accounts AS a, (SELECT coalesce($4::timestamptz, clock_timestamp()) AS now) AS c
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
  AND a.held_for IS NULL AND (a.paused_until IS NULL OR a.paused_until <= c.now)
FOR NO KEY UPDATE OF a SKIP LOCKED

-- name: give_back_slots
-- Free the places whose claims ended unsent: nobody may send under a lease that is over. A taken place is only
-- touched by who holds its task's lock: so it is here, and nobody ever waits for a place. Task by task: a join may
-- read all that is queued.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 timestamptz now, or null
WITH unsent AS MATERIALIZED (
  SELECT t.task_uuid
  FROM callboard.slots AS o,
       LATERAL (SELECT t.task_uuid FROM callboard.tasks AS t
                WHERE t.task_uuid = o.task_uuid AND t.state = 'queued'
                  AND (t.lease_until IS NULL OR t.lease_until <= coalesce($4::timestamptz, clock_timestamp()))
                LIMIT 1
                FOR NO KEY UPDATE SKIP LOCKED) AS t
  WHERE o.tenant = $1::text AND o.provider = $2::text AND o.account = $3::text AND o.task_uuid IS NOT NULL)
UPDATE callboard.slots AS s SET task_uuid = NULL, taken_at = NULL
WHERE s.task_uuid = ANY (ARRAY(SELECT unsent.task_uuid FROM unsent))
  AND s.tenant = $1::text AND s.provider = $2::text AND s.account = $3::text

-- name: free_slots
-- Free places of an account, locked. Where it had more places once, tasks in those beyond count too.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 integer its concurrency
-- $5 integer how many
SELECT s.slot_no FROM callboard.slots AS s
WHERE s.tenant = $1::text AND s.provider = $2::text AND s.account = $3::text
  AND s.task_uuid IS NULL AND s.slot_no <= $4::integer
ORDER BY s.slot_no
LIMIT $5::integer
OFFSET (SELECT count(*) FROM callboard.slots AS o
        WHERE o.tenant = $1::text AND o.provider = $2::text AND o.account = $3::text
          AND o.slot_no > $4::integer AND o.task_uuid IS NOT NULL)
FOR NO KEY UPDATE OF s SKIP LOCKED

-- name: leave_earlier_slots
-- Free the places that claimed tasks still have from earlier claims that ended unsent, at whichever account.
-- $1 uuid[] tasks, which are locked
UPDATE callboard.slots AS s SET task_uuid = NULL, taken_at = NULL WHERE s.task_uuid = ANY ($1::uuid[])

-- name: take_slots
-- Give places to tasks that were claimed.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 integer[] places
-- $5 uuid[] tasks
-- $6 timestamptz now, or null
UPDATE callboard.slots AS s SET task_uuid = n.task_uuid, taken_at = coalesce($6::timestamptz, clock_timestamp())
FROM unnest($4::integer[], $5::uuid[]) AS n (slot_no, task_uuid)
WHERE s.tenant = $1::text AND s.provider = $2::text AND s.account = $3::text AND s.slot_no = n.slot_no

-- name: turn_taken
-- Note the turns that a claim took; while it is half open, nobody else goes until that send is answered.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 timestamptz when the next send is in turn
-- $5 timestamptz until when others wait for the answer, or null
UPDATE callboard.accounts AS a
SET send_at = $4::timestamptz,
    paused_until = CASE WHEN a.pauses > 0 THEN coalesce($5::timestamptz, a.paused_until) END
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text

-- name: count_resend
-- A send that is repeated takes its turn without waiting for it.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 double precision seconds that a turn takes
UPDATE callboard.accounts AS a
SET send_at = greatest(a.send_at, clock_timestamp()) + make_interval(secs => $4::double precision)
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text

-- name: lock_pauses
-- Lock accounts to note what their answers make of them, in one order.
-- $1 text tenant
-- $2 text[] providers
-- $3 text[] accounts
-- $4 boolean[] lock it even if it is well
SELECT a.provider, a.account, a.pauses, a.paused_since, a.paused_until, a.paused_for
FROM callboard.accounts AS a
JOIN unnest($2::text[], $3::text[], $4::boolean[]) AS n (provider, account, always) USING (provider, account)
WHERE a.tenant = $1::text AND (n.always OR a.pauses > 0)
ORDER BY a.provider, a.account
FOR NO KEY UPDATE OF a

-- name: write_pause
-- Note how an account is; its row is locked.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 integer pauses in a row
-- $5 timestamptz since
-- $6 timestamptz until
-- $7 jsonb the fault, or null
UPDATE callboard.accounts AS a
SET pauses = $4::integer, paused_since = $5::timestamptz, paused_until = $6::timestamptz, paused_for = $7::jsonb
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text

-- name: lock_read_turn
-- Lock an account's turn to read, for a moment.
-- $1 text tenant
-- $2 text provider
-- $3 text account
SELECT a.read_at, clock_timestamp() AS now FROM callboard.accounts AS a
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
FOR NO KEY UPDATE

-- name: take_read_turn
-- Note that somebody reads.
-- $1 text tenant
-- $2 text provider
-- $3 text account
-- $4 timestamptz when the next read is in turn
UPDATE callboard.accounts AS a SET read_at = $4::timestamptz
WHERE a.tenant = $1::text AND a.provider = $2::text AND a.account = $3::text
