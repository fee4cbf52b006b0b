"""One file a step of a task's way; transactions begin and end here.

1 `accept` stores a submission. 2 `submit` sends it. 3 `receive` keeps callbacks, in groups. 4 `apply` is the one
hand that writes state. 5 `deliver` sends events. Side doors: `reconcile` asks the upstream about what is overdue
and applies what was left pending; `fallback` starts what is tried instead; `accounts` knows whose turn it is to send, and `pauses` what answers make of an
account; `gather` stores batches and `conclude` announces their end; `operate` is the operator's verbs; `look` reads
for the API; `upkeep` keeps partitions. `wake` tells loops of this process that there is work, `others` those of other processes: a hint, the
columns are the truth. `heartbeat` says that this process lives, `takeover` ends what dead ones left, `keyring` knows
whether the keys are there.
"""
