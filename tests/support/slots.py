"""The laws of places at accounts: none leaked, none over-used."""

from service.store.pool import Pool

OVERUSED = """
SELECT a.provider, a.account, a.concurrency, count(s.task_uuid) AS taken
FROM callboard.accounts AS a JOIN callboard.slots AS s USING (tenant, provider, account)
GROUP BY a.tenant, a.provider, a.account, a.concurrency
HAVING count(s.task_uuid) > a.concurrency
"""
LEAKED = """
SELECT s.provider, s.account, s.slot_no, s.task_uuid, t.state
FROM callboard.slots AS s LEFT JOIN callboard.tasks AS t USING (task_uuid)
WHERE s.task_uuid IS NOT NULL
  AND NOT coalesce(t.slot_since IS NOT NULL OR (t.state = 'queued' AND t.lease_until IS NOT NULL), false)
"""
WITHOUT = """
SELECT t.task_uuid, t.state FROM callboard.tasks AS t
WHERE t.slot_since IS NOT NULL AND t.sent_at IS NOT NULL
  AND NOT EXISTS (SELECT FROM callboard.slots AS s WHERE s.task_uuid = t.task_uuid)
"""


async def check_slots(pool: Pool) -> None:
    """Hold the rows of all places against the laws, for accounts whose concurrency was not lowered.

    No more are taken than there are; each is of a task that is upstream, or that was claimed to be sent (once
    such a lease is over, the next claim gives its place back); whatever was sent and may run has its place.
    """
    assert [tuple(r) for r in await pool.fetch(OVERUSED)] == []
    assert [tuple(r) for r in await pool.fetch(LEAKED)] == []
    assert [tuple(r) for r in await pool.fetch(WITHOUT)] == []
