-- API keys and idempotency keys.

-- name: live_keys
-- The hashes of all keys that are good.
SELECT k.id, k.tenant, k.hash FROM callboard.api_keys AS k WHERE k.revoked_at IS NULL

-- name: insert_key
-- Keep a new key by its hash; the same key again changes nothing.
-- $1 uuid id
-- $2 text tenant
-- $3 text name
-- $4 text prefix
-- $5 bytea hash
INSERT INTO callboard.api_keys (id, tenant, name, prefix, hash)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::bytea)
ON CONFLICT (hash) DO NOTHING

-- name: lock_keys
-- Keep others from making keys; reading them goes on.
LOCK TABLE callboard.api_keys IN SHARE ROW EXCLUSIVE MODE

-- name: list_keys
-- All keys, oldest first, revoked ones included.
SELECT k.id, k.tenant, k.name, k.prefix, k.created_at, k.revoked_at
FROM callboard.api_keys AS k ORDER BY k.created_at, k.id

-- name: revoke_key
-- Revoke a key by its id.
-- $1 uuid id
UPDATE callboard.api_keys AS k SET revoked_at = clock_timestamp()
WHERE k.id = $1::uuid AND k.revoked_at IS NULL
RETURNING k.id

-- name: take_idempotency_key
-- Take a key in the transaction of its effect; a rival under way is waited for, up to the lock time-out.
-- $1 text tenant
-- $2 text method
-- $3 text path
-- $4 text key
-- $5 bytea hash of the body
INSERT INTO callboard.idempotency_keys (tenant, method, path, key, body_hash)
VALUES ($1::text, $2::text, $3::text, $4::text, $5::bytea)
ON CONFLICT DO NOTHING
RETURNING key

-- name: get_idempotency_key
-- What was answered to a key before.
-- $1 text tenant
-- $2 text method
-- $3 text path
-- $4 text key
SELECT i.body_hash, i.status, i.location, i.answer FROM callboard.idempotency_keys AS i
WHERE i.tenant = $1::text AND i.method = $2::text AND i.path = $3::text AND i.key = $4::text

-- name: answer_idempotency_key
-- Keep the answer, in the same transaction.
-- $1 text tenant
-- $2 text method
-- $3 text path
-- $4 text key
-- $5 smallint status
-- $6 text location, or null
-- $7 bytea answer
-- $8 uuid[] the tasks it shows
UPDATE callboard.idempotency_keys AS i
SET status = $5::smallint, location = $6::text, answer = $7::bytea, tasks = $8::uuid[]
WHERE i.tenant = $1::text AND i.method = $2::text AND i.path = $3::text AND i.key = $4::text

-- name: drop_old_idempotency_keys
-- Forget keys after two days; a day is promised. The clock in a subquery, for the reason of `claim_due`.
DELETE FROM callboard.idempotency_keys AS i
WHERE i.created_at < (SELECT clock_timestamp() - interval '2 days')
