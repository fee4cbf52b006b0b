"""Bytes that an upstream might send: any JSON, recorded bodies gone wrong, and what is no JSON at all."""

import json
from typing import Any

from hypothesis import strategies as st

from tests.support.samples import OTHER_UUID, SAMPLES, TASK_UUID, webhook_url

WORDS = [
    *(str(TASK_UUID), str(TASK_UUID).upper(), str(OTHER_UUID), "g-1", "v-1"),
    *(webhook_url("runware"), webhook_url("sync"), webhook_url("sync", OTHER_UUID)),
    *("https://vm.runware.ai/v.mp4", "https://[", "http://a:99999999/", "file:///etc/passwd"),
    *("success", "processing", "error", "COMPLETED", "FAILED", "REJECTED", "CANCELED", "TIMED_OUT"),
    *("conflictTaskUUID", "taskNotFound", "invalidApiKey", "generation_conflict", "IDEMPOTENCY_X"),
    *("videoInference", "getTaskDetails", "2026-01-02T03:04:05Z", "0001-01-01T00:00:00+14:00"),
    *("\ud800", "\udfff\ud800", "\0", "a\0b", "é", "\U0001f600", " ", "x" * 10_000, "1e999"),
]
NUMBERS = [0, -1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400, 1e308, 5e-324, -0.0, 0.1 + 0.2]
KEYS = [
    *("data", "errors", "error", "taskUUID", "taskType", "status", "videoUUID", "videoURL", "seed"),
    *("mediaURL", "cost", "NSFWContent", "code", "message", "parameter", "request", "response"),
    *("id", "outputUrl", "webhookUrl", "webhookURL", "errorCode", "error_code", "createdAt"),
    *("statusCode", "generationId", "retryAfterSeconds", "errorMessage", "", "\ud800", "/~"),
]
LEAVES = (
    st.none()
    | st.booleans()
    | st.sampled_from(NUMBERS)
    | st.integers()
    | st.floats()
    | st.sampled_from(WORDS)
    | st.text(max_size=6)
)
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6)
    ),
    max_leaves=25,
)
"""Any JSON, built of the words that mean something."""


def recorded_bodies() -> list[Any]:
    """Load the bodies of all recorded answers and callbacks that are JSON."""
    samples = [json.loads(p.read_text()) for p in sorted(SAMPLES.glob("*/*.json"))]
    return [s["body"] for s in samples if "status" in s or "of" in s if "body" in s]


@st.composite
def gone_wrong(draw: st.DrawFn) -> Any:
    """Take a recorded body and put something else at one place of it."""
    body = json.loads(json.dumps(draw(st.sampled_from(recorded_bodies()))))
    places = list(_places(body))
    if not places:
        return draw(VALUES)
    holder, key = draw(st.sampled_from(places))
    holder[key] = draw(VALUES)
    return body


def _places(value: Any) -> Any:
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in inside:
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@st.composite
def _spoiled(draw: st.DrawFn) -> bytes:
    """Cut a recorded body off, or put bytes into it that are no UTF-8."""
    raw = json.dumps(draw(st.sampled_from(recorded_bodies()))).encode()
    at = draw(st.integers(0, len(raw)))
    return raw[:at] + draw(st.sampled_from([b"", b"\xff", b"\xed\xa0\x80", b"\0"])) + raw[at + 1 :]


def _deep(opening: bytes, closing: bytes) -> st.SearchStrategy[bytes]:
    depths = st.sampled_from([1, 100, 254, 255, 1_000, 100_000])
    return depths.map(lambda depth: opening * depth + b"1" + closing * depth)


NO_JSON = st.sampled_from(
    [
        *(b"", b" ", b"null", b"{", b'{"data":[}', b"<html>503</html>", b"NaN", b'{"id":Infinity}'),
        *(b"\xef\xbb\xbf{}", '{"id":"g"}'.encode("utf-16"), b'{"id":"\xff"}', b'{"id":"\\ud800"}'),
        b'{"seed":' + b"9" * 5_000 + b"}",
        b'{"id":"g","id":"h","status":"FAILED","status":7}',
    ]
)
BODIES: st.SearchStrategy[bytes] = (
    VALUES.map(lambda v: json.dumps(v).encode())
    | gone_wrong().map(lambda v: json.dumps(v).encode())
    | gone_wrong().map(lambda v: json.dumps(v, ensure_ascii=False).encode("utf-8", "surrogatepass"))
    | _spoiled()
    | _deep(b"[", b"]")
    | _deep(b'{"data":', b"}")
    | NO_JSON
    | st.binary(max_size=80)
)
"""Any bytes, most of them nearly right."""
HEADERS: st.SearchStrategy[dict[str, str]] = st.dictionaries(
    st.sampled_from(["retry-after", "sync-signature", "content-type"]),
    st.sampled_from(["", "1", "-1", "1e999", "nan", "Wed, 21 Oct 2026 07:28:00 GMT", "t=1,v1=aa"])
    | st.text(max_size=9),
)
