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
        (
            *("insert_subscription", "list_subscriptions", "get_subscription", "lock_subscription"),
            *("update_subscription", "reopen_subscription", "disable_subscription"),
            *("rotate_secret", "read_condition"),
        ),
        OPERATOR,
    ),
    **dict.fromkeys(
        ("lock_enabled_subscription", "disable_subscription", "reset_lane", "reset_failing"),
        ONCE,
    ),
    **dict.fromkeys(("set_signing_secret",), ONCE),
    "note_consent": "by its primary key, once a day and target",
    **dict.fromkeys(
        ("release_leases", "release_looks", "release_deliveries", "release_archives"),
        "at a drain",
    ),
    **dict.fromkeys(
        ("end_leases", "end_deliveries", "end_archives"),
        "when a process died; reads what is open, once",
    ),
    **dict.fromkeys(("needed_callback_keys", "known_keys", "note_key", "sealed_secrets"), START),
    **dict.fromkeys(("reseal_tenants", "reseal_subscriptions", "reseal_accounts"), SMALL),
    **dict.fromkeys(("remove_workers", "forget_workers", "list_workers"), SMALL),
    **dict.fromkeys(("notify_others", "ask_if_there", "limit_transaction", "fence_events"), SMALL),
    **dict.fromkeys(
        (
            *("lock_erased", "get_erased", "note_erased", "erase_task", "erase_deliveries"),
            *("erase_attempts", "erase_callbacks", "erase_events", "erase_answers", "erase_slot"),
        ),
        "at the rate of people; which indexes they use is shown by tests/flows/test_erase.py",
    ),
    "match_conditions": "no table: it reads what it is given",
    "public_keys": "a small table, at most once a second in a process",
    "drop_callbacks": "callbacks that came while their task was being erased",
    "limit_waits": SMALL,
    **dict.fromkeys(
        (
            *("oldest_kept", "insert_replay", "running_replay", "get_replay", "list_replays"),
            *("cancel_replay", "credit_replays", "advance_replay", "put_off_replay"),
            *("settle_replay", "forget_replays"),
        ),
        "a small table: replays, or partitions by name",
    ),
    "rotate_signing_secret": ONCE,
    "insert_batch": "one row, at the rate of batches",
    "raise_incarnation": START,
    "server": START,
    **dict.fromkeys(("clock", "limit_lock_wait", "days_ahead"), SMALL),
    **dict.fromkeys(
        ("ensure_partitions", "drop_partitions"), "every ten minutes, on whole partitions"
    ),
}
