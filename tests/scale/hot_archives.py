"""The work of keeping videos: claims of what is due, and single rows."""

from tests.scale.limits import MANY, hot
from tests.scale.sample import BATCH, NOBODY, Sample, times

KEY, ID = "archives_pkey", "archives_id_key"
DUE, EXPIRING = "archives_due", "archives_expiring"


def mine(s: Sample) -> tuple[object, ...]:
    """Name a claim: its id and lease number."""
    return s.fetching[0]["id"], s.fetching[0]["lease_no"]


# Claims walk over what was kept, and expiries over what was deleted, while an old snapshot is held. No floor is worth it:
# files are few beside callbacks, a claim runs once a second and whenever a download ends, and a walk over 50,000 that
# ended took it 6 ms.
ARCHIVES = {
    "get_archive": hot(lambda s: (s.kept["task_uuid"], s.kept["index"]), 10, 20, KEY),
    "claim_archives": hot(lambda s: (BATCH, 300, NOBODY, None), 300, 5000, DUE, ID, walks=True),
    "count_waiting_archives": hot(
        lambda s: (10_000,), 12_000, 10_000, DUE, entries=12_000, walks=True
    ),
    "extend_archive": hot(lambda s: (*mine(s), 300, None), 10, 50, ID),
    "finish_archive": hot(lambda s: (*mine(s), "disk:x", 1, 30, None), 10, 100, ID),
    "fail_archive": hot(lambda s: (*mine(s), "too_large"), 10, 100, ID),
    "postpone_archive": hot(lambda s: (*mine(s), "no_answer", 60.0, 1, None), 10, 100, ID),
    "retry_archive": hot(
        lambda s: (s.failed["task_uuid"], s.failed["index"], s.failed["tenant"]), 10, 100, KEY
    ),
    "expire_archives": hot(lambda s: (BATCH, None), 300, 5000, EXPIRING, ID, walks=True),
    "remove_archive": hot(mine, 10, 100, ID),
    "begin_archives": hot(
        lambda s: (s.ended, times(0), times("default"), s.now),
        3 * BATCH,
        MANY,
        "task_payloads_pkey",
    ),
    "erase_archives": hot(lambda s: (s.kept["task_uuid"],), 10, 100, KEY),
}
