"""What is left to be done on a board, and whether all was told when nothing is."""

from collections.abc import Set as AbstractSet

from service.clock import SystemDice
from service.store.pool import Pool

NEXT = """
SELECT extract(epoch FROM min(greatest(n.at, n.lease)) - clock_timestamp())
FROM (SELECT look_again_at, lease_until FROM callboard.tasks WHERE look_again_at IS NOT NULL
      UNION ALL SELECT next_at, lease_until FROM callboard.deliveries WHERE state IN ('pending', 'sending')
     ) AS n (at, lease)
WHERE greatest(n.at, n.lease) > clock_timestamp()"""
"""What is due already and still waits, waits for a place."""
OPEN = """
SELECT (SELECT count(*) FROM callboard.tasks WHERE look_again_at IS NOT NULL)
     + (SELECT count(*) FROM callboard.deliveries WHERE state IN ('pending', 'sending'))
     + (SELECT count(*) FROM callboard.callbacks WHERE outcome = 'pending')"""


class Steady(SystemDice):
    """Dice that throw the middle, whose ids no other process makes."""

    def jitter(self) -> float:
        """Throw the middle, always."""
        return 0.5


async def is_quiet(pool: Pool) -> bool:
    """Whether nobody has to look at any task, and nothing waits to be applied or delivered."""
    return int(await pool.fetchval(OPEN)) == 0


async def until_the_next(pool: Pool) -> float:
    """Say how many seconds pass until something is due."""
    return max(float(await pool.fetchval(NEXT) or 0) + 1, 1.0)


async def all_is_told(pool: Pool, paid: AbstractSet[str]) -> None:
    """Everything was delivered, every paid video is among the results, and every place is free.

    Videos are named after their task; one that was watched for as long as places are held may have made more.
    """
    states = await pool.fetch("SELECT DISTINCT state FROM callboard.deliveries")
    assert {r["state"] for r in states} <= {"delivered"}
    kept = await pool.fetch("SELECT video_uuid FROM callboard.results WHERE video_uuid IS NOT NULL")
    found = await pool.fetch("SELECT task_uuid FROM callboard.history WHERE name = 'slot_given_up'")
    given_up = tuple(str(r["task_uuid"]) for r in found)
    missing = paid - {r["video_uuid"] for r in kept}
    assert [v for v in missing if not v.startswith(given_up)] == []
    taken = "SELECT count(*) FROM callboard.slots WHERE task_uuid IS NOT NULL"
    assert await pool.fetchval(taken) == 0
