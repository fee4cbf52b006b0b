"""An old snapshot, held open while what waits is worked off: dead index entries stand where the claims begin."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ"
HOLD = "SELECT pg_current_xact_id()"

# Two thirds of each queue are sent, by their age, and all that is urgent.
SENT = """
UPDATE callboard.tasks SET state = 'processing', sent_at = now(), first_sent_at = now(), slot_since = now(),
                           look_again_at = now() + interval '1 hour'
WHERE task_uuid IN (
  SELECT task_uuid FROM (
    SELECT task_uuid, priority, percent_rank() OVER (PARTITION BY provider, queue ORDER BY seq) AS place
    FROM callboard.tasks WHERE state = 'queued') AS t
  WHERE place < 0.66 OR priority > 0)
"""
# What is due is looked at, four times over; then the first ones are due again.
LOOKED_AT = """
UPDATE callboard.tasks SET look_again_at = clock_timestamp() - interval '5 seconds'
WHERE state <> 'queued' AND look_again_at <= clock_timestamp()
"""
LEFT_DUE = """
UPDATE callboard.tasks SET look_again_at = look_again_at + interval '1 hour'
WHERE state <> 'queued' AND look_again_at <= clock_timestamp() AND seq % 10 <> 5
"""
SENDING = """
UPDATE callboard.deliveries SET state = 'sending', lease_until = now() + interval '20 seconds'
WHERE state = 'pending' AND next_at <= now()
  AND next_at < (SELECT percentile_disc(0.66) WITHIN GROUP (ORDER BY next_at) FROM callboard.deliveries
                 WHERE state = 'pending' AND next_at <= now())
"""
DELIVERED = """
UPDATE callboard.deliveries SET state = 'delivered', lease_until = NULL, finished_at = now()
WHERE state = 'sending' AND lease_until = (SELECT max(lease_until) FROM callboard.deliveries WHERE state = 'sending')
"""
APPLIED = """
UPDATE callboard.callbacks SET outcome = 'applied', settled_at = now()
WHERE outcome = 'pending' AND id < (SELECT percentile_disc(0.66) WITHIN GROUP (ORDER BY id) FROM callboard.callbacks
                                    WHERE outcome = 'pending')
"""
# Of what is to be fetched, two thirds of what is due are kept; and of what is over, all is being deleted.
KEPT = """
UPDATE callboard.archives SET state = 'kept', next_at = NULL, lease_until = NULL, kept_at = now(), location = 'disk:x', bytes = 1
WHERE state = 'pending' AND next_at < (SELECT percentile_disc(0.66) WITHIN GROUP (ORDER BY next_at) FROM callboard.archives
                                       WHERE state = 'pending' AND next_at <= now())
"""
OVER = """
UPDATE callboard.archives SET state = 'deleting', next_at = now() WHERE state = 'kept' AND expires_at <= now()
"""
DELETED = "DELETE FROM callboard.archives WHERE state = 'deleting' AND expires_at IS NOT NULL"
# Events behind a transaction that writes and does not end: nobody may see them yet.
ANNOUNCED = """
INSERT INTO callboard.events (created_at, id, incarnation, tenant, source, type, task_uuid, sequence, data)
SELECT now(), gen_random_uuid(), 2, 'default', 's', 'task.completed', e.task_uuid, 9, e.data
FROM callboard.events AS e WHERE e.sequence = 1 ORDER BY e.seq DESC LIMIT 5000
"""
STEPS = (
    SENT,
    *(LOOKED_AT,) * 4,
    LEFT_DUE,
    SENDING,
    DELIVERED,
    APPLIED,
    KEPT,
    OVER,
    DELETED,
    ANNOUNCED,
)


@contextmanager
def held_snapshot(dsn: str) -> Iterator[None]:
    """Hold a snapshot of before the churn, in a transaction that writes; it ends with the context."""
    with asyncio.Runner() as runner:
        holder = runner.run(asyncpg.connect(dsn))
        runner.run(holder.execute(SNAPSHOT))
        runner.run(holder.execute(HOLD))
        try:
            runner.run(_churn(dsn))
            yield
        finally:
            runner.run(holder.close())


async def _churn(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for step in STEPS:
            await conn.execute(step)
        await conn.execute("ANALYZE")
    finally:
        await conn.close()
