"""The formats of deliveries: CloudEvents structured, binary and batched, and Standard Webhooks' own body.

All of it is a pure function of what was stored, so the bytes are the same on every attempt. Sources:
CloudEvents 1.0.2, "HTTP Protocol Binding" and "JSON Event Format"; Standard Webhooks, "Payload structure".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal
from urllib.parse import quote

import orjson

from service.core.event import StoredEvent
from service.wire.api import rfc3339
from service.wire.events import CONTENT_TYPE, attributes, envelope

Format = Literal["structured", "binary", "standard", "batched"]
BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json; charset=UTF-8"
JSON: Final = "application/json"
PLAIN: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
"""What a header's value holds unencoded; everything else is percent-encoded as UTF-8."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What is sent; `headers` are those of the format, besides Content-Type."""

    body: bytes
    content_type: str
    headers: Mapping[str, str] = field(default_factory=dict)


def render(style: str, event: StoredEvent, dataref: str | None = None) -> Rendered:
    """Write an event in one of the formats; raises ValueError for another one.

    - `structured`: the envelope.
    - `binary`: the data's bytes are the body, the attributes are `ce-*` headers.
    - `standard`: `{"type", "timestamp", "data"}`; the timestamp is the event's time, the id is `webhook-id`.
    - `batched`: a batch of this one; `batch` makes larger ones.

    Empty data is left out (see `slim`), in binary as `null`: a web hook's body is never empty, and
    a null is an event without data there as well.
    """
    match style:
        case "structured":
            return Rendered(envelope(event, dataref), CONTENT_TYPE)
        case "binary":
            return Rendered(event.data or b"null", JSON, binary_headers(event, dataref))
        case "standard":
            return Rendered(_standard(event, dataref), JSON)
        case "batched":
            return Rendered(batch([envelope(event, dataref)]), BATCH_CONTENT_TYPE)
        case _:
            raise ValueError(f"there is no format {style!r}")


def batch(envelopes: Sequence[bytes]) -> bytes:
    """Write a CloudEvents batch of events in their JSON format, in their order; none is a batch too."""
    return b"[" + b",".join(envelopes) + b"]"


def binary_headers(event: StoredEvent, dataref: str | None = None) -> dict[str, str]:
    """Give the `ce-*` headers of an event: all attributes but `datacontenttype`, which is Content-Type."""
    found = attributes(event, dataref)
    return {
        f"ce-{name}": percent_encoded(value)
        for name, value in found.items()
        if name != "datacontenttype"
    }


def percent_encoded(value: str) -> str:
    """Write an attribute as a header's value (HTTP Protocol Binding, section 3.1.3.2)."""
    return quote(value, safe=PLAIN)


def slim(style: str, event: StoredEvent, max_bytes: int | None, public_url: str) -> Rendered:
    """Write an event so that its body has at most `max_bytes`; none is any size.

    What is larger goes without `request` and `metadata` (of a video event: of its task), and says in the
    extension attribute `dataref` where its data is: `{public_url}/v1/events/{id}/data`. What is still
    larger carries no data at all, only `dataref` (a claim check). It may be larger than `max_bytes` even so:
    the sink then says `too_large`. Always the same bytes for the same arguments.
    """
    whole = render(style, event)
    if _fits(whole, max_bytes):
        return whole
    dataref = f"{public_url.rstrip('/')}/v1/events/{event.id}/data"
    smaller = render(style, replace(event, data=_without_ballast(event.data)), dataref)
    return (
        smaller if _fits(smaller, max_bytes) else render(style, replace(event, data=b""), dataref)
    )


def _fits(rendered: Rendered, max_bytes: int | None) -> bool:
    return max_bytes is None or len(rendered.body) <= max_bytes


def _without_ballast(data: bytes) -> bytes:
    """Leave out what the caller gave us and has himself: everything else was written by us, by orjson."""
    read = orjson.loads(data)
    for part in (read, read.get("task")):
        if isinstance(part, dict):
            part.pop("request", None)
            part.pop("metadata", None)
    return orjson.dumps(read)


def _standard(event: StoredEvent, dataref: str | None) -> bytes:
    body: dict[str, object] = {"type": event.type, "timestamp": rfc3339(event.time)}
    if dataref is not None:
        body["dataref"] = dataref
    if event.data:
        body["data"] = orjson.Fragment(event.data)
    return orjson.dumps(body)
