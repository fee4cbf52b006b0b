-- Subscriptions, and the tenant's own signing secret.

-- name: fence_subscriptions
-- Wait until no transaction is writing events that may not have seen the change that follows.
SELECT pg_advisory_xact_lock(7301955821)

-- name: live_subscriptions
-- What events are matched against, disabled ones included: their deliveries are held.
-- $1 text[] tenants
SELECT s.id, s.tenant, s.types, s.provider, s.labels, s.enabled
FROM callboard.subscriptions AS s
WHERE s.tenant = ANY ($1::text[]) AND s.deleted_at IS NULL

-- name: insert_subscription
-- Make a subscription.
-- $1 uuid id
-- $2 text tenant
-- $3 text kind
-- $4 text URL, or null
-- $5 jsonb settings
-- $6 text[] types
-- $7 text provider, or null
-- $8 jsonb labels
-- $9 text format
-- $10 boolean whether events carry the request
-- $11 bytea sealed secret, or null
INSERT INTO callboard.subscriptions (id, tenant, kind, url, settings, types, provider, labels, format,
                                     include_request, secret)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::jsonb, $6::text[], $7::text, $8::jsonb, $9::text,
        $10::boolean, $11::bytea)
RETURNING *

-- name: list_subscriptions
-- A page of subscriptions, oldest first.
-- $1 text tenant
-- $2 timestamptz after this creation time, or null
-- $3 uuid and this id
-- $4 integer how many
SELECT s.* FROM callboard.subscriptions AS s
WHERE s.tenant = $1::text AND s.deleted_at IS NULL
  AND ($2::timestamptz IS NULL OR (s.created_at, s.id) > ($2::timestamptz, $3::uuid))
ORDER BY s.created_at, s.id
LIMIT $4::integer

-- name: get_subscription
-- One subscription.
-- $1 text tenant
-- $2 uuid id
SELECT s.* FROM callboard.subscriptions AS s
WHERE s.tenant = $1::text AND s.id = $2::uuid AND s.deleted_at IS NULL

-- name: delete_subscription
-- Delete a subscription; what was not delivered to it is canceled. Each state by its index, and no join: everybody
-- who writes events waits for this.
-- $1 text tenant
-- $2 uuid id
WITH gone AS (
  UPDATE callboard.subscriptions AS s SET deleted_at = clock_timestamp(), secret = NULL, previous_secret = NULL, headers = NULL, credentials = NULL,
      signing_key = NULL, previous_signing_key = NULL
  WHERE s.tenant = $1::text AND s.id = $2::uuid AND s.deleted_at IS NULL
  RETURNING s.id),
waiting AS (
  UPDATE callboard.deliveries AS d SET state = 'canceled', next_at = NULL, finished_at = clock_timestamp()
  WHERE d.target = (SELECT gone.id FROM gone) AND d.state = 'pending'),
held AS (
  UPDATE callboard.deliveries AS d SET state = 'canceled', next_at = NULL, finished_at = clock_timestamp()
  WHERE d.target = (SELECT gone.id FROM gone) AND d.state = 'held')
SELECT count(*) FROM gone

-- name: get_tenant
-- The tenant's signing secret.
-- $1 text tenant
SELECT t.* FROM callboard.tenants AS t WHERE t.tenant = $1::text

-- name: set_signing_secret
-- Give the tenant its first signing secret; the first of two wins.
-- $1 text tenant
-- $2 bytea sealed secret
UPDATE callboard.tenants AS t SET signing_secret = coalesce(t.signing_secret, $2::bytea)
WHERE t.tenant = $1::text
RETURNING t.signing_secret

-- name: disable_subscription
-- Stop deliveries to a target that wants no more; what comes later is held.
-- $1 uuid id
UPDATE callboard.subscriptions AS s
SET enabled = false, disabled_at = clock_timestamp(), disabled_reason = 'gone'
WHERE s.id = $1::uuid AND s.enabled

-- name: note_consent
-- Keep what a target said to our wish to send there, unless its URL is another by now.
-- $1 uuid subscription
-- $2 text the URL that was asked
-- $3 boolean whether it consented
-- $4 integer deliveries a minute it allows, or null for any
UPDATE callboard.subscriptions AS s
SET allowed_at = CASE WHEN $3::boolean THEN clock_timestamp() END, allowed_rate = CASE WHEN $3::boolean THEN $4::integer END
WHERE s.id = $1::uuid AND s.url = $2::text
RETURNING s.allowed_at
