"""A subscription as somebody wants it, before it is stored: read by `web`, its condition by Postgres."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from service.core import condition as conditions
from service.core.errors import FieldError, Invalid
from service.store import subscriptions
from service.store.pool import Conn


@dataclass(frozen=True, slots=True)
class Wanted:
    """A subscription whose fields are valid, but for its condition."""

    kind: str
    url: str | None
    settings: Mapping[str, object]
    types: Sequence[str]
    provider: str | None
    labels: Mapping[str, str]
    format: str
    include_request: bool
    model: str | None = None
    condition: str | None = None
    description: str = ""
    batch_size: int | None = None
    headers: Mapping[str, str | None] = field(default_factory=dict)
    """None for a value that is there already, and stays."""
    credentials: Mapping[str, object] | None = None
    v1a: bool = False
    concurrency: int | None = None
    rate_per_minute: int | None = None
    timeout_s: float | None = None
    handshake: bool = False
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Draft:
    """What was read of a body: a subscription, or all that is wrong with it.

    `condition` is what Postgres is to read in any case, so that all faults are in one answer.
    """

    wanted: Wanted | None
    faults: tuple[FieldError, ...] = ()
    condition: str | None = None


async def checked(conn: Conn, draft: Draft, known: str | None) -> Wanted:
    """Give what is wanted; raises Invalid with all faults. A condition that is there already is not read again."""
    faults = list(draft.faults)
    if draft.condition is not None and draft.condition != known:
        faults += await _faults_of_condition(conn, draft.condition)
    if faults or draft.wanted is None:
        raise Invalid(errors=tuple(faults))
    return draft.wanted


async def _faults_of_condition(conn: Conn, condition: str) -> list[FieldError]:
    canonical, fault = await subscriptions.read_condition(conn, condition)
    examples = " or ".join(conditions.EXAMPLES)
    if canonical is None:
        text = f"Postgres cannot read this as an SQL/JSON path: {fault}. Write {examples}."
        return [FieldError("/condition", text)]
    try:
        conditions.check(canonical)
    except conditions.NotAllowed as error:
        return [FieldError("/condition", str(error))]
    if fault is not None:
        text = (
            f"This is a path, and no predicate that is true or false of the data. Write {examples}."
        )
        return [FieldError("/condition", text)]
    return []
