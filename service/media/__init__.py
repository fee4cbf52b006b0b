"""Files of videos: fetched from strangers' addresses, looked into, kept somewhere, read again.

No state of a task is here: `flows.archive` says what is to be done, this does the I/O.
"""
