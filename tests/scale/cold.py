"""The statements that no plan is kept for, and why. Every other one is in `hot`."""

OPERATOR = "an operator's act, on a small table"
START = "once at the start of a process"
SMALL = "a small table, or no table"
ONCE = "by its primary key, at the rate of people"

COLD = {
    **dict.fromkeys(
        (
            "keep_account",
            "make_slots",
            "lock_account",
            "remove_slots",
            "forget_account",
            "hold_account",
        ),
        OPERATOR,
    ),
    **dict.fromkeys(
        ("insert_key", "lock_keys", "list_keys", "revoke_key", "account_keys"), OPERATOR
    ),
    **dict.fromkeys(
        ("insert_subscription", "list_subscriptions", "get_subscription", "disable_subscription"),
        OPERATOR,
    ),
    **dict.fromkeys(("set_signing_secret",), ONCE),
    "note_consent": "by its primary key, once a day and target",
    **dict.fromkeys(("release_leases", "release_looks", "release_deliveries"), "at a drain"),
    **dict.fromkeys(
        ("end_leases", "end_deliveries"), "when a process died; reads what is open, once"
    ),
    **dict.fromkeys(("needed_callback_keys", "known_keys", "note_key", "sealed_secrets"), START),
    **dict.fromkeys(("remove_workers", "forget_workers", "list_workers"), SMALL),
    **dict.fromkeys(("notify_others", "limit_transaction", "fence_events"), SMALL),
    **dict.fromkeys(
        (
            *("lock_erased", "get_erased", "note_erased", "erase_task", "erase_deliveries"),
            *("erase_attempts", "erase_callbacks", "erase_events", "erase_answers", "erase_slot"),
        ),
        "at the rate of people; which indexes they use is shown by tests/flows/test_erase.py",
    ),
    "drop_callbacks": "callbacks that came while their task was being erased",
    "limit_waits": SMALL,
    "insert_batch": "one row, at the rate of batches",
    "raise_incarnation": START,
    "server": START,
    **dict.fromkeys(("clock", "limit_lock_wait", "days_ahead"), SMALL),
    **dict.fromkeys(
        ("ensure_partitions", "drop_partitions"), "every ten minutes, on whole partitions"
    ),
}
