"""What the erasure of a task does, in the words of the OpenAPI document."""

from service.web.openapi import Operation, Parameter, Reply

ERASE = Operation(
    "eraseTask",
    "Erase all that is kept of a final task, for good",
    "tasks",
    {204: Reply("It is erased, or was before.")},
    about=(
        "Request, metadata, labels, results, timeline, raw callbacks, what was sent, what receivers answered, and kept "
        "answers that show it: an Idempotency-Key whose answer showed the task, alone or in an array, is 410 `erased` "
        "from then on. What was not delivered is canceled; what is being sent just now may arrive. Its events stay in "
        'the feed, at their places, with `{"taskUUID": …, "erased": true}` as their `data`. Its taskUUID stays taken. '
        "Callbacks that come later are answered and counted, and not kept.\n\n"
        "Tasks made from it (a retry, a fallback) are tasks of their own, to be erased by themselves; they go on naming "
        "it. A batch goes on without it: `total` stays, its `counts` and `cost` lack it. What was delivered before, and "
        "backups of the database, are out of reach.\n\n"
        "409 unless the task is final: cancel it first. 409 `upstream_still_running` while it may still run upstream: "
        "with `force`, it is erased all the same and its place at the account is given to the next task, though nobody "
        "can watch any more whether it is free upstream."
    ),
    parameters=[
        Parameter(
            "force",
            {"type": "string", "enum": ["true", "false"], "default": "false"},
            "Erase it even if it may still run upstream.",
        )
    ],
    problems=[400, 404, 409],
)
