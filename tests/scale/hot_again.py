"""Deliveries that people look at, and the steps of replays. The loop's own are asked once a second by every process."""

from collections.abc import Callable
from datetime import timedelta

from tests.scale.limits import TASKS, hot
from tests.scale.sample import BATCH, Sample, new, times

TO, ODD_TO, ODD = "deliveries_to", "deliveries_odd_to", "deliveries_odd"
ORDER = "deliveries_order"
KEY = "deliveries_pkey"
SHOWN = (KEY, "events_pkey", "task_payloads_pkey")
OF_DAYS = 40 * 6
"""A look into each of the 40 days that are kept."""


def to(state: str | None = None, *, deep: bool = False) -> Callable[[Sample], tuple[object, ...]]:
    """Give the arguments of a page of the deliveries to one target."""
    return lambda s: (s.due["target"], state, *_before(s, deep=deep), 50)


def every(
    state: str | None = None, *, deep: bool = False, tenant: str = "default"
) -> Callable[[Sample], tuple[object, ...]]:
    """Give the arguments of a page of all deliveries."""
    return lambda s: (tenant, state, *_before(s, deep=deep), 50)


def _before(s: Sample, *, deep: bool) -> tuple[object, ...]:
    return (s.now - timedelta(days=5), 1) if deep else (None, None)


def chunk(s: Sample, state: str | None) -> tuple[object, ...]:
    """Give the arguments of a chunk of the deliveries to one target."""
    wanted = () if state is None else (state,)
    return (s.due["target"], *wanted, s.now - timedelta(days=6), 0, s.now, BATCH)


def keys(s: Sample) -> tuple[object, ...]:
    """Give the keys of deliveries of many days."""
    return [d["created_at"] for d in s.ended_deliveries], [d["id"] for d in s.ended_deliveries]


AGAIN = {
    "deliveries_to": hot(to(), 200, 1000, TO),
    "deliveries_to: deep": hot(to(deep=True), 200, 1000, TO),
    "deliveries_to: delivered": hot(to("delivered"), 1000, 1000, TO),
    "odd_deliveries_to: failed": hot(to("failed"), 200, 1000, ODD_TO),
    "odd_deliveries_to: none": hot(to("canceled"), 200, 1000, ODD_TO, "deliveries_held"),
    "open_deliveries_to": hot(to("pending"), 5000, 5000, ORDER, entries=5000),
    "deliveries_of_tenant": hot(every(), 200, 1000, KEY),
    "deliveries_of_tenant: deep": hot(every(deep=True), 200, 1000, KEY),
    # One in fifty is theirs: they are found on the way.
    "deliveries_of_tenant: another tenant": hot(
        every(tenant="other"), 10_000, 10_000, KEY, entries=10_000
    ),
    "odd_deliveries_of_tenant: failed": hot(every("failed"), 1000, 1000, ODD),
    "odd_deliveries_of_tenant: none": hot(every("canceled"), 200, 1000, ODD),
    # All that is open is read and sorted: as much as waits, which has an end; people ask for it now and then.
    "open_deliveries_of_tenant": hot(
        every("pending"), 250_000, 250_000, ORDER, entries=250_000, whole=True, walks=True
    ),
    "deliveries_of_task": hot(
        lambda s: ("default", s.ended[0], None, None, ["delivered"], None, None, 50),
        100,
        1000,
        "deliveries_of",
    ),
    "find_event": hot(lambda s: ("default", s.event["task_uuid"]), 10, 1000, "events_named"),
    "show_deliveries": hot(lambda s: ("default", *keys(s)), 200, 5000, *SHOWN),
    "attempts_of_delivery": hot(lambda s: (s.ended[0], 1, 200), 100, 1000, "attempts_of"),
    "lock_delivery": hot(lambda s: ("default", s.due["created_at"], s.due["id"]), 10, 100, KEY),
    "retry_delivery": hot(lambda s: (s.due["created_at"], s.due["id"]), 10, 1000, KEY),
    "replay_counts": hot(
        lambda s: (new(20),), 100, 5000, "deliveries_replayed", "deliveries_untried"
    ),
    "claim_replay": hot(lambda s: (None,), 10, 20),
    "lock_ended_replay": hot(lambda s: (), 10, 20),
    "count_untried": hot(
        lambda s: (new(1)[0], BATCH), 10, 500, "deliveries_untried", "deliveries_replayed"
    ),
    # In the background, and a generic plan may read the days of a target, or the odd ones of its neighbours.
    "lock_odd_chunk: failed": hot(
        lambda s: chunk(s, "failed"), 1000, 5000, ODD_TO, ODD, TO, "events_pkey", entries=6000
    ),
    "lock_odd_chunk: held": hot(
        lambda s: chunk(s, "held"),
        1000,
        5000,
        *(ODD_TO, ODD, TO, "deliveries_held", "events_pkey"),
        entries=6000,
    ),
    "lock_any_chunk": hot(lambda s: chunk(s, None), 300, 5000, TO, "events_pkey"),
    "requeue_deliveries": hot(
        lambda s: (new(1)[0], *keys(s), times(s.now)), 300, 20_000, KEY, entries=5000
    ),
    "events_chunk": hot(
        lambda s: (
            "default",
            s.due["target"],
            s.now - timedelta(days=6),
            new(1)[0],
            s.now,
            BATCH,
        ),
        300,
        5000,
        "events_pkey",
        TO,
        entries=5000,
    ),
    "keep_tasks": hot(lambda s: (s.ended,), 300, 2000, TASKS),
    "insert_missing_deliveries": hot(
        lambda s: (
            new(1)[0],
            "default",
            s.due["target"],
            times(s.now),
            new(),
            s.ended,
            times(s.now),
        ),
        BATCH,
        10_000,
    ),
}
