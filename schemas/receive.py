"""Receive a delivery: verify it, then read the events in it, whatever the subscription's format.

For receivers: it needs nothing but the standard library. `parse` makes typed models of what is read here.
"""

import json
from collections.abc import Sequence
from typing import Any

from .cloudevents import STRUCTURED, CloudEventError, Event, is_binary, read
from .verify import Headers, VerificationError, VerifiedWebhook, header_pairs, verify


def receive(
    headers: Headers,
    body: bytes,
    secrets: str | Sequence[str] = (),
    *,
    public_keys: str | Sequence[str] = (),
    now: float | None = None,
    tolerance_s: int = 300,
) -> list[Event]:
    """Verify a delivery (see `verify`) and give its events: one, or those of a batch in their order.

    Deduplicate on each event's `id`: it is the same on every attempt, in every format, and in the feed. A body
    of the format `standard` is no CloudEvent: of such a one there are `id`, `type`, `time` and `data` only.

    Raises:
        VerificationError: it does not come from a holder of the secret, or comes too late. Answer 401.
        CloudEventError: it does, and holds no event that can be read. Answer 400.
        ValueError, TypeError, ImportError: the receiver's own mistakes, as `verify` has them.
    """
    # Headers may be an iterator, which can be read once.
    pairs = list(header_pairs(headers))
    signed = verify(pairs, body, secrets, public_keys=public_keys, now=now, tolerance_s=tolerance_s)
    if any(n == "content-type" and v.strip().lower().startswith(STRUCTURED) for n, v in pairs):
        return read(pairs, body)
    if not is_binary(pairs):
        return [_standard(signed, body)]
    events = read(pairs, body)
    # The signature covers no ce-* header: without this, what was captured once could pass as new for 5 minutes.
    if any(event["id"] != signed.id for event in events):
        raise VerificationError("no_match", "ce-id is not the webhook-id that was signed")
    return events


def _standard(signed: VerifiedWebhook, body: bytes) -> Event:
    """Read `{"type", "timestamp", "data"}`, and whatever else is there under its own name."""
    try:
        given: Any = json.loads(body.decode())
    except (ValueError, RecursionError):
        raise CloudEventError("", "the body is not JSON in UTF-8") from None
    if not isinstance(given, dict) or not isinstance(given.get("type"), str):
        raise CloudEventError("/type", "an event is a JSON object with a type")
    time = given.pop("timestamp", None)
    return given | {"id": signed.id} | ({"time": time} if isinstance(time, str) else {})
