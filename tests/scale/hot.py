"""The statements that run all the time, what each is given, and what it may touch.

The limits are the same however much is stored: they follow from the batch of 100 alone. `rows` is the most that any
step of the plan may read, sort or throw away; `pages` counts every look at a page of a table or an index.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.scale.sample import BATCH, NOBODY, Sample, moved, new, times, uuids


@dataclass(frozen=True, slots=True)
class Hot:
    """A hot statement: its arguments, and its limits."""

    arguments: Callable[[Sample], tuple[object, ...]]
    rows: int
    pages: int
    indexes: frozenset[str]


def hot(arguments: Callable[[Sample], tuple[object, ...]], rows: int, pages: int, *indexes: str) -> Hot:
    """Say what a statement is given, what it may touch, and which indexes it may use."""
    return Hot(arguments, rows, pages, frozenset(indexes))


RUNWARE = ("default", "runware", "default")
TASKS = "tasks_pkey"
# What a written row costs in index pages: ten indexes of tasks, four of a delivery.
MANY = 10_000

CLAIMS = {
    "take_turn": hot(lambda s: (*RUNWARE, None), 10, 20),
    "give_back_slots": hot(lambda s: (*RUNWARE, None), 1000, MANY, "slots_pkey", TASKS),
    "free_slots": hot(lambda s: (*RUNWARE, 400, 50), 400, 200, "slots_free", "slots_pkey"),
    "leave_earlier_slots": hot(lambda s: (uuids(s.queued),), 500, 500, "slots_task_uuid_key"),
    "take_slots": hot(lambda s: (*RUNWARE, list(range(351, 401)), new(50), None), 1000, 5000, "slots_pkey"),
    "turn_taken": hot(lambda s: (*RUNWARE, s.now, None), 10, 20),
    "drop_claimed_slots": hot(lambda s: (uuids(s.queued),), 1000, 1000, "slots_task_uuid_key", TASKS),
    "claim_queued": hot(
        lambda s: ("runware", "second", BATCH, 60, NOBODY, None, s.queue_floors), 300, MANY, "tasks_queue", TASKS
    ),
    "claim_queued: no floor": hot(
        lambda s: ("runware", "second", BATCH, 60, NOBODY, None, None), 300, MANY, "tasks_queue", TASKS
    ),
    "queue_floors": hot(lambda s: ("runware", "second", 1000), 10, 100, "tasks_queue", "tasks_seq_key"),
    "claim_due": hot(lambda s: (BATCH, 60, NOBODY, None, s.due_floor), 300, MANY, "tasks_due", TASKS),
    "claim_due: no floor": hot(lambda s: (BATCH, 60, NOBODY, None, None), 300, MANY, "tasks_due", TASKS),
    "due_floor": hot(lambda s: (1.0, None), 10, 20, "tasks_due"),
    "list_never_started": hot(lambda s: (BATCH, None), 200, 400, "tasks_never_started"),
    "claim_deliveries": hot(
        lambda s: (BATCH, 20, [], [], 16, None, s.deliveries_floor), 300, MANY,
        "deliveries_due", "deliveries_order", "deliveries_pkey", "events_pkey", "task_payloads_pkey", "subscriptions_pkey",
    ),
    "claim_deliveries: some targets are busy": hot(
        lambda s: (BATCH, 20, [s.due["target"]], [16], 16, None, s.deliveries_floor), 300, MANY,
        "deliveries_due", "deliveries_order", "deliveries_pkey", "events_pkey", "task_payloads_pkey", "subscriptions_pkey",
    ),
    "deliveries_floor": hot(lambda s: (1.0, None), 100, 200, "deliveries_due"),
    "claim_pending": hot(lambda s: (BATCH, 20, 0), 300, 1000, "callbacks_pending"),
    "rescue_deliveries": hot(lambda s: (None,), 2000, 100_000, "deliveries_sending"),
}
CALLBACKS = {
    "known_tasks": hot(lambda s: (s.open,), BATCH, 1000, TASKS),
    "lock_tasks": hot(lambda s: (s.open, None), BATCH, 1000, TASKS),
    "lock_tasks_skip": hot(lambda s: (s.open, None), BATCH, 1000, TASKS),
    "get_tasks": hot(lambda s: (s.ended,), BATCH, 1000, TASKS),
    "get_results": hot(lambda s: (s.ended,), 2 * BATCH, 1000, "results_pkey"),
    "get_cards": hot(lambda s: (s.ended,), BATCH, 1000, TASKS, "task_payloads_pkey"),
    "get_requests": hot(lambda s: (s.ended,), BATCH, 1000, "task_payloads_pkey"),
    "get_sends": hot(lambda s: (s.ended,), BATCH, 1000, "task_payloads_pkey"),
    "update_tasks": hot(lambda s: moved(s.processing), BATCH, MANY, TASKS),
    "leave_slots": hot(lambda s: (s.open,), 500, 1000, "slots_task_uuid_key"),
    "write_results": hot(
        lambda s: (s.open, times(0), times("completed"), [str(u) for u in s.open], times("https://x"), times(None),
                   times(0.6), times(None), times(None), times(s.now), new()),
        BATCH, MANY, "results_pkey",
    ),
    "insert_events": hot(
        lambda s: (s.now, "source", new(), times("default"), times("task.failed"), s.open, times(3), times(b"{}")), BATCH, MANY
    ),
    "insert_deliveries": hot(
        lambda s: (s.now, times("default"), new(), s.open, times(s.due["target"]), times(s.due["target"]), times("pending")),
        BATCH, MANY,
    ),
    "insert_history": hot(
        lambda s: (s.open, times(None), times("upstream"), times("read"), times(None), times(None), times("{}")), BATCH, MANY
    ),
    "insert_callbacks": hot(
        lambda s: (None, times("sync"), s.open, times(b"{}"), times("{}"), times("applied"), times("")), BATCH, MANY
    ),
    "settle_callbacks": hot(
        lambda s: ([c["received_at"] for c in s.pending], [c["id"] for c in s.pending], times("applied", len(s.pending)),
                   times("", len(s.pending))), 2 * BATCH, MANY, "callbacks_pkey",
    ),
    "live_subscriptions": hot(lambda s: (["default"],), 100, 100),
    "fence_subscriptions": hot(lambda s: (), 1, 5),
}
SENDS = {
    "record_attempt": hot(
        lambda s: (s.sending["created_at"], s.sending["id"], 1, "pending", 5.0, 500, "e", 42, b"", None), 10, 1000,
        "deliveries_pkey", "deliveries_order",
    ),
    "wake_followers": hot(
        lambda s: (s.due["target"], s.due["task_uuid"], None), 10, 500, "deliveries_order"
    ),
    "keep_first_send": hot(lambda s: (s.open[0], "u", b"", "default", "k"), 1, 100, "task_payloads_pkey"),
    "release_leases": hot(lambda s: (uuids(s.queued), times(0)), BATCH, MANY, TASKS),
    "lock_one": hot(lambda s: (s.open[0],), 1, 20, TASKS),
    "lock_pauses": hot(lambda s: ("default", ["runware"], ["default"], [True]), 10, 20),
    "write_pause": hot(lambda s: (*RUNWARE, 1, s.now, s.now, "{}"), 10, 20),
    "lock_read_turn": hot(lambda s: RUNWARE, 10, 20),
    "take_read_turn": hot(lambda s: (*RUNWARE, s.now), 10, 20),
    "count_resend": hot(lambda s: (*RUNWARE, 1.0), 10, 20),
}
NONE: tuple[object, ...] = (None, None, None, None, None, [], [], None, 50)
LIST = ("tasks_newest", "tasks_seq_key", "tasks_of_state", "tasks_created", "task_labels_pkey", TASKS)


def listed(tenant: str = "default", **wanted: object) -> Callable[[Sample], tuple[object, ...]]:
    """Give the arguments of a page of tasks; `at` counts from zero, after the tenant."""
    return lambda s: (tenant, *(_given(v, s) for v in ({n: v for n, v in enumerate(NONE)} | {int(k[1:]): v for k, v in wanted.items()}).values()))


def _given(value: object, sample: Sample) -> object:
    return value(sample) if callable(value) else value


READS = {
    "list_tasks": hot(listed(), 100, 400, *LIST),
    "list_tasks: another tenant": hot(listed("other"), 100, 400, *LIST),
    "list_tasks: deep": hot(listed(_7=lambda s: s.last_seq // 2), 100, 400, *LIST),
    "list_tasks: provider": hot(listed(_1="sync"), 1000, 2000, *LIST),
    "list_tasks: model": hot(listed(_2="model:3"), 1500, 2000, *LIST),
    "list_tasks: created after": hot(listed(_3=lambda s: s.now), 3000, 2000, *LIST),
    "list_tasks: created before": hot(listed(_4=lambda s: s.finished[-1]["created_at"]), 3000, 2000, *LIST),
    "list_tasks_of_state: queued": hot(listed(_0="queued"), 100, 400, *LIST),
    "list_tasks_of_state: failed": hot(listed(_0="failed"), 100, 400, *LIST),
    "list_tasks_of_state: timed_out": hot(listed(_0="timed_out"), 100, 400, *LIST),
    "list_tasks_of_state: provider": hot(listed(_0="completed", _1="sync"), 1000, 2000, *LIST),
    "list_tasks_of_state: deep": hot(listed(_0="failed", _7=lambda s: s.last_seq // 2), 100, 400, *LIST),
    "list_labelled_tasks": hot(listed(_5=["customer"], _6=["c77"]), 100, 2000, *LIST),
    "list_labelled_tasks: unknown": hot(listed(_5=["customer"], _6=["none"]), 100, 2000, *LIST),
    "list_labelled_tasks: a common one": hot(listed(_5=["tier"], _6=["1"]), 100, 2000, *LIST),
    "list_labelled_tasks: two": hot(listed(_5=["customer", "tier"], _6=["c77", "1"]), 1000, 4000, *LIST),
    "latest_retry": hot(lambda s: (s.ended[0],), 10, 20, "tasks_retries"),
    "timeline": hot(lambda s: (s.ended[0], None, None, None, 50), 50, 1000,
                    "history_of", "callbacks_of", "events_of", "attempts_of", "deliveries_of"),
    "feed_head": hot(lambda s: (), 1, 5),
    "read_feed": hot(lambda s: ("default", s.event["incarnation"], s.event["xid"], s.event["seq"], None, 100),
                     300, 1000, "events_feed"),
    "read_feed: from the start": hot(lambda s: ("default", 0, 0, 0, None, 100), 300, 1000, "events_feed"),
    "read_feed: at the end": hot(lambda s: ("default", 2, 0, 0, None, 100), 300, 1000, "events_feed"),
    "read_feed: by type": hot(lambda s: ("default", 0, 0, 0, ["task.completed"], 100), 600, 1000, "events_feed"),
    "read_feed_of_task": hot(lambda s: ("default", 0, 0, 0, None, 100, s.ended[50]), 100, 1000, "events_of"),
    "feed_lag": hot(lambda s: (), 100, 500, "events_feed"),
    "count_pending": hot(lambda s: (10_000,), 10_000, 50_000, "callbacks_pending", "callbacks_odd"),
    "count_undelivered": hot(lambda s: (10_000,), 10_000, 50_000, "deliveries_order"),
    "list_callbacks": hot(lambda s: ("default", None, None, 50), 300, 1000, "callbacks_newest"),
    "list_callbacks: deep": hot(lambda s: ("default", None, s.callback_id // 2, 50), 300, 1000, "callbacks_newest"),
    "list_callbacks: applied": hot(lambda s: ("default", "applied", s.callback_id // 2, 50), 300, 1000, "callbacks_newest"),
    "list_callbacks_of_task": hot(lambda s: ("default", None, None, 50, s.ended[50]), 300, 1000, "callbacks_of"),
    "list_odd_callbacks: pending": hot(lambda s: ("default", "pending", None, 50), 300, 1000, "callbacks_pending", "callbacks_odd"),
    "list_odd_callbacks: orphan": hot(lambda s: ("default", "orphan", None, 50), 300, 1000, "callbacks_odd"),
    "list_odd_callbacks: unverified": hot(lambda s: ("default", "unverified", None, 50), 300, 1000, "callbacks_odd"),
    "get_callback": hot(lambda s: ("default", s.callback_id), 50, 200, "callbacks_newest"),
    "list_accounts": hot(lambda s: ("default",), 1000, 100, "slots_pkey"),
    "account_room": hot(lambda s: ("default", ["runware", "sync"]), 1000, 200, "slots_free", "slots_pkey"),
    "live_keys": hot(lambda s: (), 100, 10),
    "get_tenant": hot(lambda s: ("default",), 10, 10),
}
WRITES = {
    "insert_tasks": hot(
        lambda s: (new(), "default", times("sync"), times("m"), times(0), times(1), times(60), times(60), times(None), None,
                   times(None)), 2 * BATCH, MANY,
    ),
    "insert_payloads": hot(lambda s: (new(), times("{}"), times("{}"), times("{}"), times("[]"), times(None)), 2 * BATCH, MANY),
    "insert_labels": hot(lambda s: ("default", s.open, [r["seq"] for r in s.processing], times("a"), times("b")), BATCH, MANY),
    "insert_results": hot(lambda s: (new(), times(1)), 2 * BATCH, MANY),
    "take_idempotency_key": hot(lambda s: ("default", "POST", "/v1/tasks", "key-7", b"x"), 1, 20, "idempotency_keys_pkey"),
    "get_idempotency_key": hot(lambda s: ("default", "POST", "/v1/tasks", "key-7"), 1, 20, "idempotency_keys_pkey"),
    "answer_idempotency_key": hot(
        lambda s: ("default", "POST", "/v1/tasks", "key-7", 202, None, b""), 1, 50, "idempotency_keys_pkey"
    ),
}
HOT: dict[str, Hot] = {**CLAIMS, **CALLBACKS, **SENDS, **READS, **WRITES}
