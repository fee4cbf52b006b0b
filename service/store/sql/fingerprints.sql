-- Which keys the database needs, by their fingerprints.

-- name: note_key
-- Note the key that is used from now on.
-- $1 text purpose: callback or encryption
-- $2 text fingerprint
INSERT INTO callboard.key_fingerprints AS k (purpose, fingerprint) VALUES ($1::text, $2::text)
ON CONFLICT (purpose, fingerprint) DO UPDATE SET last_used_at = clock_timestamp()

-- name: known_keys
-- The fingerprints of all keys that were ever used for something, the latest first.
-- $1 text purpose
SELECT k.fingerprint FROM callboard.key_fingerprints AS k WHERE k.purpose = $1::text ORDER BY k.last_used_at DESC

-- name: needed_callback_keys
-- The keys whose tokens the upstreams were told for tasks that are not over, or are still watched. What is queued
-- was certainly not accepted: it is told a new URL.
SELECT p.first_callback_key AS fingerprint, count(*) AS tasks
FROM callboard.tasks AS t JOIN callboard.task_payloads AS p USING (task_uuid)
WHERE t.look_again_at IS NOT NULL AND t.state <> 'queued' AND p.first_callback_key IS NOT NULL
GROUP BY p.first_callback_key
ORDER BY p.first_callback_key

-- name: sealed_secrets
-- All that the vault sealed and somebody will open.
SELECT 'the signing secret of ' || t.tenant AS what, s.secret
FROM callboard.tenants AS t, LATERAL (VALUES (t.signing_secret), (t.previous_secret)) AS s (secret)
WHERE s.secret IS NOT NULL
UNION ALL
SELECT 'the secret of subscription ' || u.id::text, s.secret
FROM callboard.subscriptions AS u,
     LATERAL (VALUES (u.secret), (u.previous_secret), (u.headers), (u.credentials), (u.signing_key),
                     (u.previous_signing_key)) AS s (secret)
WHERE s.secret IS NOT NULL AND u.deleted_at IS NULL
UNION ALL
SELECT 'the credentials of account ' || a.provider || '/' || a.account, a.credentials
FROM callboard.accounts AS a
WHERE a.credentials IS NOT NULL
