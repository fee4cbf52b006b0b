-- Subscriptions, and the tenant's own signing secret.

-- name: fence_subscriptions
-- Wait until no transaction is writing events that may not have seen the change that follows.
SELECT pg_advisory_xact_lock(7301955821)

-- name: live_subscriptions
-- What events are matched against, disabled ones included: their deliveries are held.
-- $1 text[] tenants
SELECT s.id, s.tenant, s.types, s.provider, s.model, s.labels, s.condition, s.enabled
FROM callboard.subscriptions AS s
WHERE s.tenant = ANY ($1::text[]) AND s.deleted_at IS NULL

-- name: match_conditions
-- Which pairs of an event's data and a condition match, by their positions from 1. Data is read once, however many
-- conditions it is held against.
-- $1 text[] data
-- $2 integer[] of each pair the position of its data
-- $3 text[] of each pair the condition
WITH told AS MATERIALIZED (
  SELECT d.n, callboard.jsonb_or_null(d.data) AS data FROM unnest($1::text[]) WITH ORDINALITY AS d (data, n))
SELECT p.n::integer AS n
FROM unnest($2::integer[], $3::text[]) WITH ORDINALITY AS p (datum, condition, n)
JOIN told ON told.n = p.datum
WHERE callboard.meets(told.data, p.condition)

-- name: read_condition
-- How Postgres spells a condition, and why it is none, or null.
-- $1 text condition
SELECT r.canonical, r.fault FROM callboard.read_condition($1::text) AS r

-- name: insert_subscription
-- Make a subscription.
-- $1 uuid id
-- $2 text tenant
-- $3 text kind
-- $4 text URL, or null
-- $5 jsonb settings
-- $6 text description
-- $7 text[] types
-- $8 text provider, or null
-- $9 text model, or null
-- $10 jsonb labels
-- $11 text condition, or null
-- $12 text format
-- $13 integer batch size, or null
-- $14 bytea sealed headers, or null
-- $15 text[] names of headers
-- $16 bytea sealed credentials, or null
-- $17 integer concurrency, or null
-- $18 integer rate per minute, or null
-- $19 double precision time-out in seconds, or null
-- $20 boolean whether events carry the request
-- $21 boolean whether consent is asked for
-- $22 boolean whether it is enabled
-- $23 bytea sealed secret, or null
-- $24 bytea sealed signing key, or null
-- $25 bytea public key, or null
INSERT INTO callboard.subscriptions (
  id, tenant, kind, url, settings, description, types, provider, model, labels, condition, format, batch_size,
  headers, header_names, credentials, concurrency, rate_per_minute, timeout_s, include_request, handshake, enabled,
  disabled_at, disabled_reason, secret, signing_key, public_key)
VALUES ($1::uuid, $2::text, $3::text, $4::text, $5::jsonb, $6::text, $7::text[], $8::text, $9::text, $10::jsonb,
        $11::text, $12::text, $13::integer, $14::bytea, $15::text[], $16::bytea, $17::integer, $18::integer,
        $19::double precision, $20::boolean, $21::boolean, $22::boolean,
        CASE WHEN NOT $22::boolean THEN clock_timestamp() END, CASE WHEN NOT $22::boolean THEN 'user' END,
        $23::bytea, $24::bytea, $25::bytea)
RETURNING *

-- name: update_subscription
-- Change a subscription. Who is disabled already stays so since when and why it was; keys that sign no more leave
-- with those before them.
-- $1 uuid id
-- $2 text URL, or null
-- $3 jsonb settings
-- $4 text description
-- $5 text[] types
-- $6 text provider, or null
-- $7 text model, or null
-- $8 jsonb labels
-- $9 text condition, or null
-- $10 text format
-- $11 integer batch size, or null
-- $12 bytea sealed headers, or null
-- $13 text[] names of headers
-- $14 bytea sealed credentials, or null
-- $15 integer concurrency, or null
-- $16 integer rate per minute, or null
-- $17 double precision time-out in seconds, or null
-- $18 boolean whether events carry the request
-- $19 boolean whether consent is asked for
-- $20 boolean whether it is enabled
-- $21 bytea sealed signing key, or null
-- $22 bytea public key, or null
UPDATE callboard.subscriptions AS s
SET url = $2::text, settings = $3::jsonb, description = $4::text, types = $5::text[], provider = $6::text,
    model = $7::text, labels = $8::jsonb, condition = $9::text, format = $10::text, batch_size = $11::integer,
    headers = $12::bytea, header_names = $13::text[], credentials = $14::bytea, concurrency = $15::integer,
    rate_per_minute = $16::integer, timeout_s = $17::double precision, include_request = $18::boolean,
    handshake = $19::boolean, enabled = $20::boolean,
    disabled_at = CASE WHEN NOT $20::boolean THEN coalesce(s.disabled_at, clock_timestamp()) END,
    disabled_reason = CASE WHEN NOT $20::boolean THEN coalesce(s.disabled_reason, 'user') END,
    signing_key = $21::bytea, public_key = $22::bytea,
    previous_signing_key = CASE WHEN $21::bytea IS NOT NULL THEN s.previous_signing_key END,
    previous_public_key = CASE WHEN $21::bytea IS NOT NULL THEN s.previous_public_key END,
    updated_at = clock_timestamp()
WHERE s.id = $1::uuid AND s.deleted_at IS NULL
RETURNING *

-- name: reopen_subscription
-- Let a target begin anew: what failed before does not count, and its consent is asked for again.
-- $1 uuid id
UPDATE callboard.subscriptions AS s SET failing_since = NULL, allowed_at = NULL, allowed_rate = NULL
WHERE s.id = $1::uuid
RETURNING *

-- name: rotate_secret
-- Give a subscription a new secret; the one before signs too for a while, and the one before that no more.
-- $1 uuid id
-- $2 bytea sealed secret
-- $3 bytea sealed signing key, or null
-- $4 bytea public key, or null
-- $5 double precision seconds for which the one before signs too
UPDATE callboard.subscriptions AS s
SET secret = $2::bytea, signing_key = $3::bytea, public_key = $4::bytea,
    previous_secret = CASE WHEN $5::double precision > 0 THEN s.secret END,
    previous_signing_key = CASE WHEN $5::double precision > 0 THEN s.signing_key END,
    previous_public_key = CASE WHEN $5::double precision > 0 THEN s.public_key END,
    previous_until = clock_timestamp() + make_interval(secs => $5::double precision),
    updated_at = clock_timestamp()
WHERE s.id = $1::uuid AND s.deleted_at IS NULL
RETURNING *

-- name: list_subscriptions
-- A page of subscriptions, oldest first.
-- $1 text tenant
-- $2 timestamptz after this creation time, or null
-- $3 uuid and this id
-- $4 text only of this kind, or null
-- $5 boolean only those that are enabled, or are not, or null
-- $6 integer how many
SELECT s.* FROM callboard.subscriptions AS s
WHERE s.tenant = $1::text AND s.deleted_at IS NULL
  AND ($2::timestamptz IS NULL OR (s.created_at, s.id) > ($2::timestamptz, $3::uuid))
  AND ($4::text IS NULL OR s.kind = $4::text) AND ($5::boolean IS NULL OR s.enabled = $5::boolean)
ORDER BY s.created_at, s.id
LIMIT $6::integer

-- name: get_subscription
-- One subscription, and what time it is.
-- $1 text tenant
-- $2 uuid id
SELECT s.*, clock_timestamp() AS now FROM callboard.subscriptions AS s
WHERE s.tenant = $1::text AND s.id = $2::uuid AND s.deleted_at IS NULL

-- name: lock_subscription
-- One subscription, that nobody else changes until the transaction ends.
-- $1 text tenant
-- $2 uuid id
SELECT s.* FROM callboard.subscriptions AS s
WHERE s.tenant = $1::text AND s.id = $2::uuid AND s.deleted_at IS NULL
FOR NO KEY UPDATE

-- name: public_keys
-- All keys that signatures v1a may be verified by now. Their order tells nothing.
-- $1 timestamptz now, or null
SELECT s.public_key FROM callboard.subscriptions AS s
WHERE s.public_key IS NOT NULL AND s.deleted_at IS NULL
UNION
SELECT s.previous_public_key FROM callboard.subscriptions AS s
WHERE s.previous_public_key IS NOT NULL AND s.deleted_at IS NULL
  AND s.previous_until > coalesce($1::timestamptz, clock_timestamp())
ORDER BY 1

-- name: delete_subscription
-- Delete a subscription; what was not delivered to it is canceled. Each state by its index (its lane is its id), and no
-- join: everybody who writes events waits for this.
-- $1 text tenant
-- $2 uuid id
WITH gone AS (
  UPDATE callboard.subscriptions AS s
  SET deleted_at = clock_timestamp(), secret = NULL, previous_secret = NULL, headers = NULL, credentials = NULL,
      signing_key = NULL, previous_signing_key = NULL
  WHERE s.tenant = $1::text AND s.id = $2::uuid AND s.deleted_at IS NULL
  RETURNING s.id),
waiting AS (
  UPDATE callboard.deliveries AS d SET state = 'canceled', next_at = NULL, finished_at = clock_timestamp()
  WHERE d.lane = (SELECT gone.id FROM gone) AND d.state = 'pending'),
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

-- name: lock_enabled_subscription
-- Lock a subscription that is to be disabled, behind the fence of those who write events.
-- $1 uuid id
SELECT s.*, l.failing_since AS lane_failing_since, clock_timestamp() AS now
FROM (SELECT pg_advisory_xact_lock_shared(7301955821)) AS fence,
     callboard.subscriptions AS s LEFT JOIN callboard.lanes AS l ON l.lane = s.id
WHERE s.id = $1::uuid AND s.enabled AND s.deleted_at IS NULL
FOR UPDATE OF s

-- name: disable_subscription
-- Stop deliveries to a target that wants no more, or has failed for too long; what comes later is held. Each time is
-- another event about it.
-- $1 uuid id
-- $2 text reason (gone or failing)
UPDATE callboard.subscriptions AS s
SET enabled = false, disabled_at = clock_timestamp(), disabled_reason = $2::text, updated_at = clock_timestamp(),
    event_sequence = s.event_sequence + 1
WHERE s.id = $1::uuid AND s.enabled
RETURNING s.*

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
