"""Shapes of the bytes on the wire: ours and those of other people.

What belongs here: pydantic models of requests, answers, callbacks and events, spelled as on the wire,
and what a consumer of our events can take along: `verify`, `receive`, `parse`.
What does not: behaviour, I/O, clocks, anything of `service`. This package can be handed out as it is: the
distribution `callboard-schemas` is this folder (its `pyproject.toml`), imported as `callboard_schemas`. That is
why its modules name each other relatively, and why nothing is imported here: `verify` works without pydantic.
"""

__version__ = "0.1.0"
"""Callboard's version, and that of `callboard-schemas`: both builds read it here."""
