-- What tenants have of their own. Their first signing secret is made in `subscriptions`.

-- name: rotate_signing_secret
-- Give the tenant a new signing secret; the one before signs too for a while.
-- $1 text tenant
-- $2 bytea the new one, sealed
-- $3 double precision seconds for which both sign
UPDATE callboard.tenants AS t
SET signing_secret = $2::bytea,
    previous_secret = CASE WHEN $3::double precision > 0 THEN t.signing_secret END,
    previous_until = CASE WHEN $3::double precision > 0 AND t.signing_secret IS NOT NULL
                          THEN clock_timestamp() + make_interval(secs => $3::double precision) END
WHERE t.tenant = $1::text
RETURNING t.previous_until
