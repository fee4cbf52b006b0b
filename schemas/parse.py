"""Typed events for those who receive them, also from a Callboard that is newer than this package.

Our own models refuse what they do not know, so that we never send what we did not mean. A receiver must not:
here fields that are new are kept (`model_extra`), and an event whose type or shape is new is a `PlainEvent`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from .base import Forgiven, Lenient
from .cloudevents import CloudEventError
from .events.data import AnyEvent, Erased
from .events.envelope import ClaimCheck
from .receive import receive
from .verify import Headers


class PlainEvent(Lenient):
    """An event whose data is plain JSON: this package knows no model that it fits, or it came as `standard`."""

    id: str
    type: str
    source: Forgiven[str] = None
    subject: Forgiven[str] = None
    time: Forgiven[AwareDatetime] = None
    sequence: Forgiven[str] = None
    dataref: Forgiven[str] = None
    data: Any = None


ReceivedEvent: TypeAlias = AnyEvent | Erased | ClaimCheck | PlainEvent
"""What can come: match it by class. `Erased` is in the feed only, `ClaimCheck` where a target has a limit of size."""
_ADAPTERS: tuple[TypeAdapter[ReceivedEvent], ...] = (
    TypeAdapter(AnyEvent),
    TypeAdapter(Erased),
)
_CLAIM_CHECK: TypeAdapter[ReceivedEvent] = TypeAdapter(ClaimCheck)


def typed(event: Mapping[str, Any]) -> ReceivedEvent:
    """Make a model of an event in CloudEvents' JSON format: of the feed, of a broker, of `receive`.

    Raises:
        ValidationError: it has no `id` or no `type`.
    """
    for adapter in _ADAPTERS if "data" in event else (_CLAIM_CHECK,):
        try:
            return adapter.validate_python(event, extra="allow")
        except ValidationError:
            continue
    return PlainEvent.model_validate(event)


def parse_events(
    headers: Headers,
    body: bytes,
    secrets: str | Sequence[str] = (),
    *,
    public_keys: str | Sequence[str] = (),
    now: float | None = None,
    tolerance_s: int = 300,
) -> list[ReceivedEvent]:
    """Verify a delivery and give its events as models: one, or those of a batch in their order.

    It raises what `receive` raises, and nothing for an event that a newer Callboard made.
    """
    events = receive(
        headers, body, secrets, public_keys=public_keys, now=now, tolerance_s=tolerance_s
    )
    return [typed(event) for event in events]


def parse_event(
    headers: Headers,
    body: bytes,
    secrets: str | Sequence[str] = (),
    *,
    public_keys: str | Sequence[str] = (),
    now: float | None = None,
    tolerance_s: int = 300,
) -> ReceivedEvent:
    """Verify a delivery and give its event as a model; for subscriptions of every format but `batched`.

    Raises:
        CloudEventError: it is a batch that does not hold exactly one event.
        Exception: whatever `parse_events` raises.
    """
    events = parse_events(
        headers, body, secrets, public_keys=public_keys, now=now, tolerance_s=tolerance_s
    )
    if len(events) != 1:
        raise CloudEventError("", f"this is a batch of {len(events)} events, not one event")
    return events[0]
