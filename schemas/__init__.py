"""Shapes of the bytes on the wire: ours and those of other people.

What belongs here: pydantic models of requests, answers, callbacks and events, spelled as on the wire,
and the one verifier that a consumer of our webhooks can take along.
What does not: behaviour, I/O, clocks, anything of `service`. This package can be handed out as it is.
"""
