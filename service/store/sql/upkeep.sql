-- Partitions, time-outs, and what start-up has to know of the server.

-- name: ensure_partitions
-- Make the partitions of the coming days, and of yesterday for clocks that differ.
-- $1 integer days ahead
SELECT callboard.ensure_partitions((clock_timestamp() AT TIME ZONE 'UTC')::date - 1, $1::integer + 2)

-- name: drop_partitions
-- Drop the partitions of days that retention took.
-- $1 integer days to keep
SELECT callboard.drop_partitions((clock_timestamp() AT TIME ZONE 'UTC')::date - $1::integer)

-- name: days_ahead
-- For how many whole days after today all partitions are there.
SELECT coalesce(min(ahead), -1)::integer FROM (
  SELECT p.relname, max(to_date(right(c.relname, 8), 'YYYYMMDD'))
                    - (clock_timestamp() AT TIME ZONE 'UTC')::date AS ahead
  FROM pg_class AS p
  JOIN pg_namespace AS n ON n.oid = p.relnamespace AND n.nspname = 'callboard'
  LEFT JOIN pg_inherits AS i ON i.inhparent = p.oid
  LEFT JOIN pg_class AS c ON c.oid = i.inhrelid
  WHERE p.relkind = 'p'
  GROUP BY p.relname) AS parents

-- name: server
-- What the promises need of the server.
SELECT current_setting('server_version_num')::integer AS version, current_setting('fsync') AS fsync,
       current_setting('full_page_writes') AS full_page_writes,
       current_setting('synchronous_commit') AS synchronous_commit,
       current_setting('default_transaction_isolation') AS isolation,
       current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
       - coalesce(current_setting('reserved_connections', true), '0')::integer AS connections

-- name: clock
-- The one clock that times are compared on.
SELECT clock_timestamp()

-- name: limit_lock_wait
-- Wait for locks no longer than this for the rest of the transaction (a SET would outlive it behind a pooler).
-- $1 text a time with its unit
SELECT set_config('lock_timeout', $1::text, true)

-- name: limit_transaction
-- The time-outs of a transaction behind a pooler, where no session is ours to set up.
-- $1 text a time with its unit
SELECT set_config('statement_timeout', $1::text, true), set_config('lock_timeout', $1::text, true),
       set_config('idle_in_transaction_session_timeout', '60s', true), set_config('jit', 'off', true)
