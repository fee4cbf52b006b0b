"""The context attributes of an event, read back from its envelope: brokers carry them beside the body."""

from typing import Final

import orjson

ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")
"""What consumers filter and route by, in the order of CloudEvents 1.0, section 3.1."""


def attributes(body: bytes) -> dict[str, str]:
    """Give the attributes that an envelope in the JSON format holds as texts; of anything else, none."""
    try:
        envelope = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(envelope, dict):
        return {}
    found = ((name, envelope.get(name)) for name in ATTRIBUTES)
    return {name: value for name, value in found if isinstance(value, str) and value}
