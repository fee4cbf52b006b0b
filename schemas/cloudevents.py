"""Read CloudEvents 1.0 from an HTTP request: structured, binary or batched, by its Content-Type.

For receivers: it needs nothing but the standard library. It says no to whatever the specification says no to.
Sources: CloudEvents 1.0.2, "HTTP Protocol Binding", "JSON Event Format" and the core specification.
"""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Any
from urllib.parse import unquote_to_bytes

from .verify import Headers, header_pairs

Event = dict[str, Any]
"""Attributes by name, then `data` (any JSON value, or text) or `data_base64`: the JSON format's members."""
STRUCTURED, BATCHED = "application/cloudevents", "application/cloudevents-batch"
REQUIRED = ("specversion", "id", "source", "type")
INT32 = 2**31

_NAME = re.compile(r"[a-z0-9]+")
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_MEDIA_TYPE = re.compile(
    rf'({_WORD}/{_WORD})[ \t]*(?:;[ \t]*{_WORD}=(?:{_WORD}|"(?:[^"\\]|\\.)*")[ \t]*)*;?'
)
_CHARSET = re.compile(r';[ \t]*charset="?([^";]*)', re.IGNORECASE)
_JSON = re.compile(r"[^/]+/(?:json|[^/]+\+json)", re.IGNORECASE)
_TIME = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt](?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
    r"(?:[Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_REFERENCE = re.compile(
    r"(?:[A-Za-z][A-Za-z0-9+.-]*:|(?![^/?#]*:))"
    r"(?:[A-Za-z0-9._~:/?@!$&'()*+,;=\[\]-]|%[0-9A-Fa-f]{2})*"
    r"(?:\#(?:[A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)?"
)
"""A URI-reference (RFC 3986): a scheme, or a first segment without a colon."""
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_ENDS = "".join(chr(plane << 16 | end) for plane in range(17) for end in (0xFFFE, 0xFFFF))
_FORBIDDEN = re.compile(rf"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef{_ENDS}]")
"""Control characters, halves of characters, and what Unicode says is none."""
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")


class CloudEventError(Exception):
    """What came is no CloudEvent. `where` is a JSON pointer or a header's name; the text says what is wrong."""

    def __init__(self, where: str, text: str) -> None:
        super().__init__(f"{where}: {text}" if where else text)
        self.where = where
        self.text = text


def read(headers: Headers, body: bytes) -> list[Event]:
    """Give the events of a request: one, or those of a batch in their order.

    Attributes keep their JSON types; in binary mode all of them are text. Data is what its type says: a JSON
    value, or text, or else `data_base64`. A null means that the member is not there.

    Raises:
        CloudEventError: any of it breaks a rule of the specification.
    """
    pairs = list(header_pairs(headers))
    content_type = _content_type(pairs)
    mode = content_type.lower()
    if mode.startswith(BATCHED):
        events = _json(content_type, BATCHED + "+json", body)
        if not isinstance(events, list):
            raise CloudEventError("", "a batch is an array of events")
        return [_structured(event, f"/{at}") for at, event in enumerate(events)]
    if mode.startswith(STRUCTURED):
        return [_structured(_json(content_type, STRUCTURED + "+json", body), "")]
    return [_binary(pairs, content_type, body)]


def is_binary(headers: Headers) -> bool:
    """Say whether a request seems to hold a CloudEvent in binary mode: all that is required is in headers."""
    names = {name for name, _ in header_pairs(headers)}
    return all(f"ce-{name}" in names for name in REQUIRED)


def _content_type(pairs: list[tuple[str, str]]) -> str:
    found = [value for name, value in pairs if name == "content-type"]
    if len(found) > 1:
        raise CloudEventError("content-type", f"is there {len(found)} times, not once")
    return found[0].strip(" \t") if found else ""


class _Repeated(dict[str, Any]):
    """A JSON object that names a member twice; whose fault that is depends on where it stands."""


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    return made if len(made) == len(pairs) else _Repeated(made)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _parsed(body: bytes) -> Any:
    return json.loads(body.decode(), object_pairs_hook=_members, parse_constant=_no_constant)


def _json(content_type: str, wanted: str, body: bytes) -> Any:
    media = _MEDIA_TYPE.fullmatch(content_type)
    if media is None or media[1].lower() != wanted:
        raise CloudEventError("content-type", f"this format of events is not {wanted}")
    if any(c.strip().lower() not in {"utf-8", "us-ascii"} for c in _CHARSET.findall(content_type)):
        raise CloudEventError("content-type", "the charset of JSON is UTF-8")
    try:
        return _parsed(body)
    except (ValueError, RecursionError):
        raise CloudEventError("", "the body is not JSON in UTF-8") from None


def _structured(event: object, where: str) -> Event:
    if not isinstance(event, dict):
        raise CloudEventError(where, "an event is a JSON object")
    if isinstance(event, _Repeated):
        raise CloudEventError(where, "a member is there twice")
    given = {name: value for name, value in event.items() if value is not None}
    data = {name: given.pop(name) for name in ("data", "data_base64") if name in given}
    for name in event.keys() - {"data", "data_base64"}:
        _check_name(name, where)
    for name, value in given.items():
        _check_value(name, value, f"{where}/{name}")
    _check_core(given, lambda name: f"{where}/{name}")
    if len(data) > 1:
        raise CloudEventError(where, "an event has data or data_base64, not both")
    if "data_base64" in data:
        _check_base64(data["data_base64"], f"{where}/data_base64")
    return given | data


def _binary(pairs: list[tuple[str, str]], content_type: str, body: bytes) -> Event:
    given: Event = {}
    for header, value in pairs:
        if not header.startswith("ce-"):
            continue
        name = header.removeprefix("ce-")
        if name == "datacontenttype":
            raise CloudEventError(header, "in binary mode this is Content-Type")
        _check_name(name, header)
        if name in given:
            raise CloudEventError(header, "is there twice")
        given[name] = _decoded(value, header)
        _check_value(name, given[name], header)
    if content_type:
        given["datacontenttype"] = content_type
    _check_core(given, lambda n: "content-type" if n == "datacontenttype" else f"ce-{n}")
    return given | _data(content_type, body)


def _decoded(value: str, where: str) -> str:
    """Undo double quotes, then one round of percent-encoding (HTTP Protocol Binding, 3.1.3.2)."""
    text = value.strip(" \t")
    if not text.isascii():
        raise CloudEventError(where, "a header is ASCII; other characters are percent-encoded")
    if text.startswith('"'):
        quoted = _QUOTED.fullmatch(text)
        if quoted is None:
            raise CloudEventError(where, "its quotes do not close")
        text = re.sub(r"\\(.)", r"\1", quoted[1], flags=re.DOTALL)
    if _STRAY_PERCENT.search(text):
        raise CloudEventError(where, "a % is followed by two hexadecimal digits")
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        raise CloudEventError(where, "its percent-encoded bytes are not UTF-8") from None


def _data(content_type: str, body: bytes) -> Event:
    """Give the data of an event in binary mode the way the JSON format has it."""
    media = _MEDIA_TYPE.fullmatch(content_type)
    kind = media[1].lower() if media else ""
    charset = [c.strip().lower() for c in _CHARSET.findall(content_type)] or ["utf-8"]
    if not body:
        return {}
    if _JSON.fullmatch(kind):
        try:
            value = _parsed(body)
        except (ValueError, RecursionError):
            raise CloudEventError("", f"the body is not {kind}") from None
        return {} if value is None else {"data": value}
    if kind.startswith("text/") and charset[0] in {"utf-8", "us-ascii"}:
        try:
            return {"data": body.decode()}
        except UnicodeDecodeError:
            raise CloudEventError("", "the body is not UTF-8") from None
    return {"data_base64": base64.b64encode(body).decode()}


def _check_name(name: str, where: str) -> None:
    if name in {"data", "data_base64"} or not _NAME.fullmatch(name):
        raise CloudEventError(where, "attributes are named with lower-case letters and digits")


def _check_value(name: str, value: object, where: str) -> None:
    """Take a Boolean, an Integer or a String; what a core attribute is more than that follows."""
    if isinstance(value, bool):
        return
    if isinstance(value, int):
        if not -INT32 <= value < INT32:
            raise CloudEventError(where, "an integer has 32 bits")
    elif not isinstance(value, str):
        raise CloudEventError(where, f"{name} is a string, a whole number or a boolean")
    elif _FORBIDDEN.search(value):
        raise CloudEventError(where, "it holds a control character, or what is no character")


def _check_core(given: Mapping[str, object], place: Callable[[str], str]) -> None:
    for name in REQUIRED:
        if name not in given:
            raise CloudEventError(place(name), "is required")
    for name, wanted, fits in _CORE:
        value = given.get(name)
        if value is not None and not (isinstance(value, str) and fits(value)):
            raise CloudEventError(place(name), f"is {wanted}")


def _is_time(text: str) -> bool:
    match = _TIME.fullmatch(text)
    if match is None:
        return False
    year, month, day = (int(part) for part in match.groups())
    try:
        # Python has no year 0, which is as long as the year 2000.
        date(year or 2000, month, day)
    except ValueError:
        return False
    return True


_CORE: tuple[tuple[str, str, Callable[[str], object]], ...] = (
    ("specversion", "1.0", lambda text: text == "1.0"),
    ("id", "a string that is not empty", bool),
    ("source", "a URI-reference that is not empty", lambda t: t and _REFERENCE.fullmatch(t)),
    ("type", "a string that is not empty", bool),
    ("subject", "a string that is not empty", bool),
    ("datacontenttype", "a media type", _MEDIA_TYPE.fullmatch),
    ("dataschema", "a URI", lambda t: _SCHEME.match(t) and _REFERENCE.fullmatch(t)),
    ("time", "a time as RFC 3339 has it", _is_time),
)
"""What a core attribute must be, and the check of it."""


def _check_base64(value: object, where: str) -> None:
    try:
        if isinstance(value, str):
            base64.b64decode(value, validate=True)
            return
    except (binascii.Error, ValueError):
        pass
    raise CloudEventError(where, "is not base64")
