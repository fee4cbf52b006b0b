"""The statements that no plan is kept for, and why. Every other one is in `hot`."""

OPERATOR = "an operator's act, on a small table"
START = "once at the start of a process"
SMALL = "a small table, or no table"
ONCE = "by its primary key, at the rate of people"

COLD = {
    **dict.fromkeys(
        ("keep_account", "make_slots", "remove_account", "forget_account", "hold_account"), OPERATOR
    ),
    **dict.fromkeys(
        ("insert_key", "lock_keys", "list_keys", "revoke_key", "account_keys"), OPERATOR
    ),
    **dict.fromkeys(
        ("insert_subscription", "list_subscriptions", "get_subscription", "disable_subscription"),
        OPERATOR,
    ),
    **dict.fromkeys(("set_signing_secret",), ONCE),
    "release_leases": "at a drain",
    "raise_incarnation": START,
    "server": START,
    **dict.fromkeys(("clock", "limit_lock_wait", "days_ahead"), SMALL),
    **dict.fromkeys(
        ("ensure_partitions", "drop_partitions"), "every ten minutes, on whole partitions"
    ),
}
