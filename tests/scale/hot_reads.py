"""What people and probes read."""

from collections.abc import Callable

from tests.scale.limits import TASKS, hot
from tests.scale.sample import Sample

NONE: tuple[object, ...] = (None, None, None, None, None, [], [], None, 50)
LIST = (
    "tasks_newest",
    "tasks_seq_key",
    "tasks_of_state",
    "tasks_created",
    "task_labels_pkey",
    TASKS,
)


def listed(tenant: str = "default", **wanted: object) -> Callable[[Sample], tuple[object, ...]]:
    """Give the arguments of a page of tasks; `at` counts from zero, after the tenant."""
    return lambda s: (
        tenant,
        *(
            _given(v, s)
            for v in (dict(enumerate(NONE)) | {int(k[1:]): v for k, v in wanted.items()}).values()
        ),
    )


def _given(value: object, sample: Sample) -> object:
    return value(sample) if callable(value) else value


READS = {
    "list_tasks": hot(listed(), 100, 400, *LIST),
    "list_tasks: another tenant": hot(listed("other"), 100, 400, *LIST),
    "list_tasks: deep": hot(listed(_7=lambda s: s.last_seq // 2), 100, 400, *LIST),
    "list_tasks: provider": hot(listed(_1="sync"), 1000, 2000, *LIST),
    "list_tasks: model": hot(listed(_2="model:3"), 1500, 2000, *LIST),
    "list_tasks: created after": hot(listed(_3=lambda s: s.now), 3000, 2000, *LIST),
    "list_tasks: created before": hot(
        listed(_4=lambda s: s.finished[-1]["created_at"]), 3000, 2000, *LIST
    ),
    "list_tasks_of_state: queued": hot(listed(_0="queued"), 100, 400, *LIST),
    "list_tasks_of_state: failed": hot(listed(_0="failed"), 100, 400, *LIST),
    "list_tasks_of_state: timed_out": hot(listed(_0="timed_out"), 100, 400, *LIST),
    "list_tasks_of_state: provider": hot(listed(_0="completed", _1="sync"), 1000, 2000, *LIST),
    "list_tasks_of_state: deep": hot(
        listed(_0="failed", _7=lambda s: s.last_seq // 2), 100, 400, *LIST
    ),
    "list_labelled_tasks": hot(listed(_5=["customer"], _6=["c77"]), 100, 2000, *LIST),
    "list_labelled_tasks: unknown": hot(listed(_5=["customer"], _6=["none"]), 100, 2000, *LIST),
    "list_labelled_tasks: a common one": hot(listed(_5=["tier"], _6=["1"]), 100, 2000, *LIST),
    "list_labelled_tasks: two": hot(
        listed(_5=["customer", "tier"], _6=["c77", "1"]), 1000, 4000, *LIST
    ),
    "list_tasks_of_batch": hot(
        lambda s: (*listed()(s), s.batch), 1000, 1000, "tasks_of_batch", "task_labels_pkey"
    ),
    "list_tasks_of_batch: one of a state": hot(
        lambda s: (*listed(_0="rejected")(s), s.batch),
        1000,
        2000,
        "tasks_of_batch",
        "tasks_of_state",
        "task_labels_pkey",
    ),
    "get_batch": hot(lambda s: ("default", s.batch), 300, 20),
    "list_batches": hot(lambda s: ("default", None, 50), 300, 100),
    "batch_progress": hot(
        lambda s: ([s.batch],),
        1500,
        6000,
        "tasks_of_batch",
        "results_pkey",
        "results_task_uuid_video_uuid_key",
    ),
    "incarnation_ended": hot(lambda s: (), 100, 500, "events_feed"),
    "latest_retry": hot(lambda s: (s.ended[0],), 10, 20, "tasks_retries"),
    "timeline": hot(
        lambda s: (s.ended[0], None, None, None, 50),
        # The subscription of each delivery is looked for among all of them, while these are few.
        1000,
        1000,
        "history_of",
        "callbacks_of",
        "events_of",
        "attempts_of",
        "deliveries_of",
        "task_payloads_pkey",
    ),
    "feed_head": hot(lambda s: (), 1, 5),
    "read_feed": hot(
        lambda s: ("default", s.event["incarnation"], s.event["xid"], s.event["seq"], None, 100),
        300,
        1000,
        "events_feed",
    ),
    "read_feed: from the start": hot(
        lambda s: ("default", 0, 0, 0, None, 100), 300, 1000, "events_feed"
    ),
    "read_feed: at the end": hot(
        lambda s: ("default", 2, 0, 0, None, 100), 300, 1000, "events_feed"
    ),
    "read_feed: by type": hot(
        lambda s: ("default", 0, 0, 0, ["task.completed"], 100), 600, 1000, "events_feed"
    ),
    "read_feed_of_task": hot(
        lambda s: ("default", 0, 0, 0, None, 100, s.ended[50]), 100, 1000, "events_of"
    ),
    "get_event": hot(lambda s: ("default", s.event_id), 50, 200, "events_named"),
    "feed_lag": hot(lambda s: (), 100, 500, "events_feed"),
    "count_pending": hot(
        lambda s: (10_000,), 12_000, 10_000, "callbacks_pending", entries=12_000, walks=True
    ),
    "count_undelivered": hot(
        lambda s: (10_000,), 12_000, 10_000, "deliveries_order", entries=12_000, walks=True
    ),
    "list_callbacks": hot(lambda s: ("default", None, None, 50), 300, 1000, "callbacks_newest"),
    "list_callbacks: deep": hot(
        lambda s: ("default", None, s.callback_id // 2, 50), 300, 1000, "callbacks_newest"
    ),
    "list_callbacks: applied": hot(
        lambda s: ("default", "applied", s.callback_id // 2, 50), 300, 1000, "callbacks_newest"
    ),
    "list_callbacks_of_task": hot(
        lambda s: ("default", None, None, 50, s.ended[50]), 300, 1000, "callbacks_of"
    ),
    # Where statistics say that few wait, all that wait are read and sorted: 950 rows after the churn.
    "list_odd_callbacks: pending": hot(
        lambda s: ("default", "pending", None, 50), 1500, 1000, "callbacks_pending", "callbacks_odd"
    ),
    "list_odd_callbacks: orphan": hot(
        lambda s: ("default", "orphan", None, 50), 300, 1000, "callbacks_orphans", "callbacks_odd"
    ),
    "list_odd_callbacks: unverified": hot(
        lambda s: ("default", "unverified", None, 50), 300, 1000, "callbacks_odd"
    ),
    "get_callback": hot(lambda s: ("default", s.callback_id), 50, 200, "callbacks_newest"),
    "list_accounts": hot(lambda s: ("default",), 1000, 100, "slots_pkey"),
    "account_room": hot(
        lambda s: ("default", ["runware", "sync"]), 1000, 200, "slots_free", "slots_pkey"
    ),
    "live_keys": hot(lambda s: (), 100, 10),
    "get_tenant": hot(lambda s: ("default",), 10, 10),
}
