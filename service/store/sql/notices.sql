-- What processes tell each other: hints that shorten waits, never in a transaction that writes.

-- name: notify_others
-- Tell every process that listens.
-- $1 text[] payloads, each below 8000 bytes
SELECT pg_notify('callboard', n.payload) FROM unnest($1::text[]) AS n (payload)

-- name: ask_if_there
-- Something to answer; asyncpg 0.32 breaks on the answer to an empty query.
SELECT 1
