"""What is wrong with a webhook that does not verify: tries what goes wrong in practice, and says what would verify.

Pure: what was captured, keys and a time in; words out. The one judge of signatures is `schemas.verify`.
"""

import base64
import binascii
import codecs
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from schemas.verify import (
    ID,
    MAX_SECRET_BYTES,
    MIN_SECRET_BYTES,
    PREFIX,
    SIGNATURE,
    TIMESTAMP,
    VerificationError,
    verify,
)
from service.cli.captured import Captured

ANY_TIME = 10**12
"""A tolerance that takes every time stamp."""


@dataclass(frozen=True, slots=True)
class Keys:
    """What the caller trusts."""

    secrets: Sequence[str]
    public_keys: Sequence[str]

    def named(self) -> Iterator[tuple[str, "Keys"]]:
        """Give each key alone, with what people call it."""
        for number, secret in enumerate(self.secrets, 1):
            yield f"secret {number}", Keys([secret], ())
        for number, key in enumerate(self.public_keys, 1):
            yield f"public key {number}", Keys((), [key])


@dataclass(slots=True)
class Diagnosis:
    """What was found. `problem` is one stable word, none if all is well; `text` is for people."""

    problem: str | None = None
    text: str = "The signature is right."
    id: str | None = None
    timestamp: int | None = None
    age_s: float | None = None
    matches: list[dict[str, Any]] = field(default_factory=list)
    """Which entry of the signature (counted from 1, with its scheme) is by which key."""


def check_keys(keys: Keys) -> None:
    """Say whether keys are keys; raises ValueError."""
    with suppress(VerificationError):
        verify({}, b"", keys.secrets, public_keys=keys.public_keys)


def diagnose(captured: Captured, keys: Keys, now: float, tolerance_s: int) -> Diagnosis:
    """Verify with keys that were checked, and look for the cause if it fails."""
    found = Diagnosis()
    try:
        _verify(captured, keys, now, tolerance_s)
    except VerificationError as error:
        found.problem, found.text = error.reason, f"{str(error)[0].upper()}{str(error)[1:]}."
    if found.problem in {"missing_header", "repeated_header", "malformed_header"}:
        return found
    found.id, found.timestamp = _value(captured, ID), int(_value(captured, TIMESTAMP))
    found.age_s = round(now - found.timestamp, 3)
    found.matches = list(_matches(captured, keys))
    if found.problem in {"too_old", "too_new"} and found.matches:
        found.text = _skew(found.age_s, tolerance_s)
    elif found.problem:
        found.problem, found.text = _cause(captured, keys)
    return found


def _verify(captured: Captured, keys: Keys, now: float, tolerance_s: int) -> Any:
    return verify(
        captured.headers,
        captured.body,
        keys.secrets,
        public_keys=keys.public_keys,
        now=now,
        tolerance_s=tolerance_s,
    )


def _value(captured: Captured, wanted: str) -> str:
    return next(value for name, value in captured.headers if name.lower() == wanted)


def _right(captured: Captured, keys: Keys, body: bytes, entry: str | None = None) -> bool:
    """Say whether a signature fits another body, whenever it was made."""
    signature = _value(captured, SIGNATURE) if entry is None else entry
    headers = [
        (ID, _value(captured, ID)),
        (TIMESTAMP, _value(captured, TIMESTAMP)),
        (SIGNATURE, signature),
    ]
    try:
        _verify(Captured(headers, body), keys, 0, ANY_TIME)
    except VerificationError:
        return False
    return True


def _matches(captured: Captured, keys: Keys) -> Iterator[dict[str, Any]]:
    for number, entry in enumerate(_value(captured, SIGNATURE).split(" "), 1):
        for name, key in keys.named():
            if entry and _right(captured, key, captured.body, entry):
                yield {"entry": number, "scheme": entry.partition(",")[0], "key": name}


def _skew(age_s: float, tolerance_s: int) -> str:
    late, way = ("before", "ahead of") if age_s > 0 else ("after", "behind")
    return (
        f"The signature itself is right, but it was made {abs(age_s):.0f} s {late} the time it was checked at,"
        f" and {tolerance_s} s are allowed. Either the request was replayed or kept, or the receiver's clock is"
        f" {way} the sender's. Check an old capture with `--at timestamp`."
    )


def _cause(captured: Captured, keys: Keys) -> tuple[str, str]:
    for what, body in bodies(captured.body):
        if _right(captured, keys, body):
            return "body_changed", f"The body was changed on its way: it verifies {what}. " + RAW
    for what, other in _other_secrets(keys.secrets):
        if _right(captured, Keys([other], ()), captured.body):
            return "wrong_secret_bytes", f"It verifies if {what}."
    return _schemes(captured, keys)


NO_MATCH = (
    "No entry of the signature fits any key: it is another subscription's secret or key, one that was"
    " rotated away, or the id, the time or the body are not those that were signed."
)
RAW = "Verify the raw bytes, before a framework parses, decodes or writes them again."


def _schemes(captured: Captured, keys: Keys) -> tuple[str, str]:
    present = {e.partition(",")[0] for e in _value(captured, SIGNATURE).split(" ")}
    if "v1" not in present and "v1a" in present and not keys.public_keys:
        return (
            "v1a_only",
            "It is signed by v1a (Ed25519) only: give the public key, `--public-key whpk_…`.",
        )
    if "v1a" not in present and "v1" in present and not keys.secrets:
        return "v1_only", "It is signed by v1 (HMAC) only: give the secret, `--secret whsec_…`."
    if not present & {"v1", "v1a"}:
        return "unknown_schemes", "No entry of the signature is of scheme v1 or v1a."
    return "no_match", NO_MATCH


def _other_secrets(secrets: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Give secrets as senders misread them; `verify` takes them with and without their prefix."""
    for secret in secrets:
        bare = secret.removeprefix(PREFIX)
        for what, raw in (
            ("the key is the secret's text, prefix included", (PREFIX + bare).encode()),
            (
                "the key is the secret's text after whsec_, not the bytes it stands for",
                bare.encode(),
            ),
        ):
            if MIN_SECRET_BYTES <= len(raw) <= MAX_SECRET_BYTES:
                yield what, base64.b64encode(raw).decode()


def bodies(body: bytes) -> Iterator[tuple[str, bytes]]:
    """Give what a body may have been before something on its way touched it."""
    for what, other in (
        ("with a newline at its end", body + b"\n"),
        ("with CRLF at its end", body + b"\r\n"),
        ("without the newline at its end", body.removesuffix(b"\n").removesuffix(b"\r")),
        ("without the white space around it", body.strip()),
        ("with LF in place of CRLF", body.replace(b"\r\n", b"\n")),
        ("with CRLF in place of LF", re.sub(rb"\r?\n", b"\r\n", body)),
        ("without the byte order mark", body.removeprefix(codecs.BOM_UTF8)),
        ("with a byte order mark", codecs.BOM_UTF8 + body),
        *_decoded(body),
        *_written_again(body),
    ):
        if other != body:
            yield what, other


def _decoded(body: bytes) -> Iterator[tuple[str, bytes]]:
    with suppress(binascii.Error, ValueError):
        yield "decoded from base64", base64.b64decode(body.strip(), validate=True)
    with suppress(UnicodeError):
        yield "read as UTF-8 and written as Latin-1", body.decode().encode("latin-1")
    yield "read as Latin-1 and written as UTF-8", body.decode("latin-1").encode()


def _written_again(body: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return
    if isinstance(value, str):
        yield "as the text inside the JSON string", value.encode("utf-8", "surrogatepass")
    for layout, options in LAYOUTS.items():
        for ascii_only in (False, True):
            letters = ", with \\u escapes" if ascii_only else ""
            with suppress(UnicodeError, ValueError):
                text = json.dumps(value, ensure_ascii=ascii_only, **options)
                yield f"as {layout} JSON{letters}", text.encode()


LAYOUTS: dict[str, dict[str, Any]] = {
    "compact": {"separators": (",", ":")},
    "spaced": {},
    "pretty (2 spaces)": {"indent": 2},
    "pretty (4 spaces)": {"indent": 4},
    "compact, sorted": {"separators": (",", ":"), "sort_keys": True},
}
