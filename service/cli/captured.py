"""A captured request: raw HTTP, what a function on AWS was called with, or headers and body apart."""

import base64
import binascii
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from service.cli.output import Failed

Pairs = list[tuple[str, str]]
_FIRST_LINE = re.compile(rb"[A-Z]+ \S+ HTTP/[0-9.]+\r?\n|HTTP/[0-9.]+ [^\n]*\n")
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Captured:
    """What came, as far as it was kept; `notes` say what was guessed in reading it."""

    headers: Pairs
    body: bytes
    notes: tuple[str, ...] = ()


def read_request(raw: bytes) -> Captured:
    """Read a whole request from one file; raises Failed."""
    if raw.lstrip()[:1] == b"{":
        return _from_event(raw)
    first = _FIRST_LINE.match(raw)
    head = raw[first.end() :] if first else raw
    parts = _END_OF_HEAD.split(head, maxsplit=1)
    headers = read_headers(parts[0])
    return _cut(headers, parts[1] if len(parts) > 1 else b"")


def read_headers(raw: bytes) -> Pairs:
    """Read headers, a `Name: value` a line or a JSON object; raises Failed."""
    text = raw.decode("utf-8", "surrogateescape")
    if text.lstrip()[:1] in {"{", "["}:
        return list(_from_json(_json(text, "The headers")))
    pairs = []
    for line in text.replace("\r\n", "\n").split("\n"):
        name, colon, value = line.partition(":")
        if line.strip() and not _FIRST_LINE.match(line.encode("utf-8", "replace") + b"\n"):
            if not colon or not name.strip():
                raise Failed(f"A line of the headers is no `Name: value`: {line[:60]!r}.")
            pairs.append((name.strip(), value.strip()))
    return pairs


def _cut(headers: Pairs, body: bytes) -> Captured:
    """Leave away what an editor added after the body's end, which Content-Length tells."""
    lengths = {value for name, value in headers if name.lower() == "content-length"}
    length = lengths.pop() if len(lengths) == 1 else ""
    if length.isascii() and length.isdigit() and len(length) < len(str(2**63)):
        more = body[int(length) :]
        if more and not more.strip():
            note = (
                f"{len(more)} bytes of white space after the end by Content-Length were left away."
            )
            return Captured(headers, body[: int(length)], (note,))
        if len(body) != int(length):
            note = f"The body has {len(body)} bytes, and Content-Length says {length}."
            return Captured(headers, body, (note,))
    return Captured(headers, body)


def _from_event(raw: bytes) -> Captured:
    """Read what API gateways call a function with: `headers`, `body`, `isBase64Encoded`."""
    event = _json(raw.decode("utf-8", "replace"), "The request")
    body = event.get("body") if isinstance(event, dict) else None
    if not isinstance(event, dict) or "headers" not in event or not isinstance(body, str):
        raise Failed("A request in JSON is an object with `headers` and `body`, a text.")
    headers = list(_from_json(event.get("multiValueHeaders") or event["headers"]))
    if event.get("isBase64Encoded"):
        try:
            return Captured(headers, base64.b64decode(body, validate=True))
        except (binascii.Error, ValueError):
            raise Failed("The body says that it is base64, and is not.") from None
    return Captured(headers, body.encode("utf-8", "surrogatepass"))


def _from_json(headers: object) -> Iterator[tuple[str, str]]:
    found = headers.items() if isinstance(headers, dict) else headers
    if isinstance(found, str) or not hasattr(found, "__iter__"):
        raise Failed("Headers in JSON are an object of names and values, or a list of pairs.")
    for pair in found:
        try:
            name, value = pair
        except (TypeError, ValueError):
            raise Failed("Headers in JSON are pairs of a name and a value.") from None
        for one in value if isinstance(value, list) else [value]:
            yield str(name), str(one)


def _json(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise Failed(f"{what} begins like JSON and is none.") from None
