"""The command `callboard`; one file a group of commands.

`submit tasks show watch cancel retry events subscriptions` talk HTTP to CALLBOARD_URL with CALLBOARD_API_KEY, like any
other client; `serve migrate keys doctor` use the database. Exit codes: 0 done, 1 the task failed, 2 wrong use,
3 the service could not be reached.
"""
