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

-- name: reseal_tenants
-- Put secrets that were sealed anew in the place of the old ones; what was changed meanwhile stays. A sealed secret is
-- its own name: no two are the same.
-- $1 bytea[] as they were sealed
-- $2 bytea[] as they are sealed now
UPDATE callboard.tenants AS t
SET signing_secret = coalesce((SELECT n.now FROM unnest($1::bytea[], $2::bytea[]) AS n (was, now)
                               WHERE n.was = t.signing_secret), t.signing_secret),
    previous_secret = coalesce((SELECT n.now FROM unnest($1::bytea[], $2::bytea[]) AS n (was, now)
                                WHERE n.was = t.previous_secret), t.previous_secret)
WHERE t.signing_secret = ANY ($1::bytea[]) OR t.previous_secret = ANY ($1::bytea[])

-- name: reseal_subscriptions
-- The same of subscriptions.
-- $1 bytea[] as they were sealed
-- $2 bytea[] as they are sealed now
WITH n AS MATERIALIZED (SELECT * FROM unnest($1::bytea[], $2::bytea[]) AS n (was, now))
UPDATE callboard.subscriptions AS s
SET secret = coalesce((SELECT n.now FROM n WHERE n.was = s.secret), s.secret),
    previous_secret = coalesce((SELECT n.now FROM n WHERE n.was = s.previous_secret), s.previous_secret),
    headers = coalesce((SELECT n.now FROM n WHERE n.was = s.headers), s.headers),
    credentials = coalesce((SELECT n.now FROM n WHERE n.was = s.credentials), s.credentials),
    signing_key = coalesce((SELECT n.now FROM n WHERE n.was = s.signing_key), s.signing_key),
    previous_signing_key = coalesce((SELECT n.now FROM n WHERE n.was = s.previous_signing_key), s.previous_signing_key)
WHERE ARRAY[s.secret, s.previous_secret, s.headers, s.credentials, s.signing_key, s.previous_signing_key] && $1::bytea[]

-- name: reseal_accounts
-- The same of accounts.
-- $1 bytea[] as they were sealed
-- $2 bytea[] as they are sealed now
UPDATE callboard.accounts AS a SET credentials = n.now
FROM unnest($1::bytea[], $2::bytea[]) AS n (was, now)
WHERE a.credentials = n.was
