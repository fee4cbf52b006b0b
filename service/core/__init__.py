"""Pure decisions: what may happen to a task, what follows, how long to wait, how to sign.

Lives here: states, inputs, the total table `decide`, retry waits, errors, callback tokens, Standard
Webhooks signatures. Does not live here: clocks, dice, I/O, logging, pydantic. Standard library only;
`now`, jitter, ids and secrets are arguments.

To add a state or an input: write it in `states.py` or `inputs.py`, then let mypy's exhaustive-match and
`tests/pure/test_decide.py` show every place that has to say what follows.
"""
