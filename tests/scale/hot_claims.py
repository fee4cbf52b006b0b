"""Claims: what the loops ask for again and again."""

from collections.abc import Callable

from tests.scale.limits import MANY, RUNWARE, TASKS, hot
from tests.scale.sample import BATCH, NOBODY, Sample, new, times, uuids

DELIVERIES = (
    *(
        "deliveries_lane",
        "deliveries_sending",
        "deliveries_order",
        "deliveries_of",
        "deliveries_pkey",
    ),
    *("events_pkey", "task_payloads_pkey", "subscriptions_pkey"),
)
LANES = 194
"""So many lanes there are: of subscriptions, and of hosts."""
OF_SUBSCRIPTIONS = BATCH * 97 + 1000
"""The subscription of each delivery is looked for among all of them, while these are few."""


def claimed(s: Sample, width: int = 1) -> tuple[object, ...]:
    """Claim a batch from all lanes, with the floors that a survey found."""
    lanes = list(s.floors.of_lanes)
    # Of so many lanes each is asked for a part of the batch only (flows.shares).
    each = [times(n, len(lanes)) for n in (16, 2 * (BATCH // len(lanes) + 1), width, 20.0)]
    floors = list(s.floors.of_lanes.values())
    return (
        BATCH,
        lanes,
        *each,
        floors,
        lanes[7],
        s.floors.created_from,
        NOBODY,
        None,
    )


def due(s: Sample) -> tuple[object, ...]:
    """Lock the lanes that have something due, with the floors that a survey found."""
    floors = s.floors
    lanes = list(floors.of_lanes)
    others = floors.of_others, floors.created_from
    return (lanes, list(floors.of_lanes.values()), *others, lanes[7], 200, None)


CLAIMS = {
    "take_turn": hot(lambda s: (*RUNWARE, None), 10, 20),
    "give_back_slots": hot(
        lambda s: (*RUNWARE, None), 1000, MANY, "slots_pkey", TASKS, entries=5000
    ),
    "free_slots": hot(lambda s: (*RUNWARE, 400, 50), 1000, 200, "slots_free", "slots_pkey"),
    "leave_earlier_slots": hot(lambda s: (uuids(s.queued),), 1000, 500, "slots_task_uuid_key"),
    "take_slots": hot(
        lambda s: (*RUNWARE, list(range(351, 401)), new(50), None), 1000, 5000, "slots_pkey"
    ),
    "turn_taken": hot(lambda s: (*RUNWARE, s.now, None), 10, 20),
    "claim_queued": hot(
        lambda s: ("runware", "second", BATCH, 60, NOBODY, None, s.queue_floors),
        300,
        MANY,
        "tasks_queue",
        TASKS,
        entries=2500,
    ),
    "queue_floors": hot(
        lambda s: ("runware", "second", 1000), 10, 100, "tasks_queue", "tasks_seq_key", walks=True
    ),
    "match_orphans": hot(
        lambda s: (0, 1000), 6000, MANY, "callbacks_orphans", "callbacks_pkey", TASKS, entries=5000
    ),
    "claim_due": hot(
        lambda s: (BATCH, 60, NOBODY, None, s.due_floor),
        600,
        MANY,
        "tasks_due",
        TASKS,
        entries=2500,
    ),
    "due_floor": hot(lambda s: (1.0, None), 10, 20, "tasks_due", walks=True),
    "list_never_started": hot(lambda s: (BATCH, None), 200, 400, "tasks_never_started"),
    "lock_due_lanes": hot(due, 20 * LANES, 30 * LANES, "deliveries_lane", entries=20 * LANES),
    # What is under way is counted by leases that last: while an old snapshot is held, also over those that ended within
    # the time of a lease. The churn ends more at once than ever are under way.
    "claim_deliveries": hot(
        claimed,
        OF_SUBSCRIPTIONS,
        150 * LANES,
        *DELIVERIES,
        entries=40 * LANES,
        walks=True,
    ),
    "claim_deliveries: in batches of ten": hot(
        lambda s: claimed(s, 10),
        OF_SUBSCRIPTIONS,
        150 * LANES,
        *DELIVERIES,
        entries=40 * LANES,
        walks=True,
    ),
    "survey_lanes": hot(
        lambda s: (1.0, None), 1000, 100 * LANES, "deliveries_lane", entries=20 * LANES, walks=True
    ),
    "oldest_open": hot(
        lambda s: (1.0, None),
        3000,
        500,
        # The days are named by a catalog.
        *("deliveries_lane", "deliveries_sending", "pg_inherits_parent_index"),
        walks=True,
    ),
    "lanes_served": hot(lambda s: (list(s.floors.of_lanes), times(s.now, LANES)), 1000, 5000),
    "lock_lanes": hot(lambda s: (list(s.floors.of_lanes), None), 1000, 5000),
    "write_lanes": hot(
        lambda s: (
            list(s.floors.of_lanes),
            *[times(v, LANES) for v in ("", 1, s.now, 0, 0, None, None)],
        ),
        1000,
        5000,
    ),
    "show_failing": hot(lambda s: (list(s.floors.of_lanes),), 1000, 5000),
    "fail_hopeless": hot(lambda s: (1.0, 1.0, 100, None), 1000, 5000, "deliveries_lane"),
    "forget_lanes": hot(
        lambda s: (), 2000, 100 * LANES, "deliveries_lane", "deliveries_sending", walks=True
    ),
    "extend_leases": hot(lambda s: (s.open, times(0), 60, None), 300, MANY, TASKS),
    "beat_worker": hot(lambda s: (NOBODY, None, "m", 1, 1, ["api"], "1", None), 10, 50),
    "ended_batches": hot(lambda s: (BATCH,), 200, 500, "tasks_open_of_batch", walks=True),
    "lock_running_batch": hot(lambda s: (s.batch, None), 300, 50),
    "finish_batch": hot(lambda s: (s.batch, s.now, new(1)[0]), 300, 50),
    "open_tasks_of_batch": hot(
        lambda s: (s.batch, BATCH), 1000, 1000, "tasks_open_of_batch", walks=True
    ),
    "claim_pending": hot(lambda s: (BATCH, 20, 0), 300, 1000, "callbacks_pending", walks=True),
    "rescue_deliveries": hot(
        lambda s: (None,),
        2000,
        100_000,
        "deliveries_sending",
        "deliveries_order",
        entries=10_000,
        walks=True,
    ),
}
WITHOUT_FLOOR: dict[str, Callable[[Sample], tuple[object, ...]]] = {
    "claim_queued": lambda s: ("runware", "second", BATCH, 60, NOBODY, None, None),
    "claim_due": lambda s: (BATCH, 60, NOBODY, None, None),
    "lock_due_lanes": lambda s: ([], [], None, None, NOBODY, 200, None),
}
