"""What accepts tasks, applies callbacks and sends."""

from service.core.media import Archive, ArchiveState, Wanted, write_archive
from tests.scale.limits import MANY, RUNWARE, TASKS, hot
from tests.scale.sample import BATCH, moved, new, times

WANTED = Wanted("disk", keep_days=30).write()
KEPT = write_archive(Archive(ArchiveState.KEPT, url="https://board.example/video.mp4"))

CALLBACKS = {
    "known_tasks": hot(lambda s: (s.open,), 3 * BATCH, 1000, TASKS),
    "lock_tasks": hot(lambda s: (s.open, None), 3 * BATCH, 1000, TASKS),
    "lock_tasks_skip": hot(lambda s: (s.open, None), 3 * BATCH, 1000, TASKS),
    "get_tasks": hot(lambda s: (s.ended,), BATCH, 1000, TASKS),
    "get_results": hot(
        lambda s: (s.ended,), 2 * BATCH, 1000, "results_pkey", "results_task_uuid_video_uuid_key"
    ),
    "get_cards": hot(lambda s: (s.ended,), 3 * BATCH, 1000, TASKS, "task_payloads_pkey"),
    "get_requests": hot(lambda s: (s.ended,), 3 * BATCH, 1000, "task_payloads_pkey"),
    "get_sends": hot(lambda s: (s.ended,), 3 * BATCH, 1000, "task_payloads_pkey"),
    "update_tasks": hot(lambda s: moved(s.processing), BATCH, MANY, TASKS),
    "leave_slots": hot(lambda s: (s.open,), 1000, 1000, "slots_task_uuid_key"),
    "write_results": hot(
        lambda s: (
            s.open,
            times(0),
            times("completed"),
            [str(u) for u in s.open],
            times("https://x"),
            times(None),
            times(0.6),
            times(None),
            times(None),
            times(s.now),
            new(),
            times(None),
            times(KEPT),
        ),
        BATCH,
        MANY,
        "results_pkey",
    ),
    "insert_events": hot(
        lambda s: (
            s.now,
            "source",
            new(),
            times("default"),
            times("task.failed"),
            s.open,
            times(3),
            times(b"{}"),
        ),
        BATCH,
        MANY,
    ),
    "insert_deliveries": hot(
        lambda s: (
            s.now,
            times("default"),
            new(),
            s.open,
            times(s.due["target"]),
            times(s.due["target"]),
            times("pending"),
            times(s.due["lane"]),
        ),
        BATCH,
        MANY,
    ),
    "insert_history": hot(
        lambda s: (
            s.open,
            times(None),
            times("upstream"),
            times("read"),
            times(None),
            times(None),
            times("{}"),
        ),
        3 * BATCH,
        MANY,
        TASKS,
    ),
    "insert_callbacks": hot(
        lambda s: (
            None,
            times("sync"),
            s.open,
            times(b"{}"),
            times("{}"),
            times("applied"),
            times(""),
        ),
        BATCH,
        MANY,
    ),
    "settle_callbacks": hot(
        lambda s: (
            [c["received_at"] for c in s.pending],
            [c["id"] for c in s.pending],
            times("applied", len(s.pending)),
            times("", len(s.pending)),
        ),
        2 * BATCH,
        MANY,
        "callbacks_pkey",
    ),
    "live_subscriptions": hot(lambda s: (["default"],), 100, 100),
    "fence_subscriptions": hot(lambda s: (), 1, 5),
}
SENDS = {
    "record_attempts": hot(
        lambda s: (
            [d["created_at"] for d in s.sending],
            [d["id"] for d in s.sending],
            [d["lease_no"] for d in s.sending],
            *[times(v, len(s.sending)) for v in ("pending", 5.0, 500, "e", 42, b"", "::1")],
            None,
        ),
        # How its lane is, of each: among all of them, while these are few.
        200 * BATCH,
        MANY,
        "deliveries_pkey",
        "deliveries_order",
        "deliveries_of",
    ),
    "delete_subscription": hot(
        lambda s: ("default", s.due["target"]),
        5000,
        50_000,
        "deliveries_lane",
        "deliveries_order",
        "deliveries_held",
    ),
    "drop_old_idempotency_keys": hot(lambda s: (), 100, 1000, "idempotency_keys_age"),
    "keep_first_send": hot(
        lambda s: (s.open[0], "u", b"", "default", "k", None), 1, 100, "task_payloads_pkey"
    ),
    "lock_one": hot(lambda s: (s.open[0],), 1, 20, TASKS),
    "lock_pauses": hot(lambda s: ("default", ["runware"], ["default"], [True]), 10, 20),
    "write_pause": hot(lambda s: (*RUNWARE, 1, s.now, s.now, "{}"), 10, 20),
    "lock_read_turn": hot(lambda s: RUNWARE, 10, 20),
    "take_read_turn": hot(lambda s: (*RUNWARE, s.now), 10, 20),
    "count_resend": hot(lambda s: (*RUNWARE, 1.0), 10, 20),
}
WRITES = {
    "insert_tasks": hot(
        lambda s: (
            new(),
            "default",
            times("sync"),
            times("m"),
            times(0),
            times(1),
            times(60),
            times(60),
            times(None),
            None,
            *[times(None)] * 3,
            times(True),
            times(60),
        ),
        2 * BATCH,
        MANY,
    ),
    "name_fallbacks": hot(lambda s: (s.ended, new()), BATCH, MANY, "task_payloads_pkey"),
    "insert_payloads": hot(
        lambda s: (new(), *[times("{}")] * 3, times("[]"), *[times(None)] * 2, times(WANTED)),
        2 * BATCH,
        MANY,
    ),
    "insert_labels": hot(
        lambda s: ("default", s.open, [r["seq"] for r in s.processing], times("a"), times("b")),
        BATCH,
        MANY,
    ),
    "insert_results": hot(lambda s: (new(), times(1)), 2 * BATCH, MANY),
    "take_idempotency_key": hot(
        lambda s: ("default", "POST", "/v1/tasks", "key-7", b"x"), 1, 200, "idempotency_keys_pkey"
    ),
    "get_idempotency_key": hot(
        lambda s: ("default", "POST", "/v1/tasks", "key-7"), 1, 20, "idempotency_keys_pkey"
    ),
    "answer_idempotency_key": hot(
        lambda s: ("default", "POST", "/v1/tasks", "key-7", 202, None, b"", []),
        1,
        200,
        "idempotency_keys_pkey",
    ),
}
