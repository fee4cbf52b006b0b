"""Headers of outgoing calls: which are ours, and what is no header."""

import contextlib

import pytest
from aiohttp.http_writer import _serialize_headers
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from service.core.headers import UnsendableHeader, owners, reserved, sendable


@pytest.mark.parametrize(
    "name",
    ["Content-Type", "HOST", "webhook-id", "Webhook-Anything", "ce-id", "CE-X", "transfer-encoding",
     "User-Agent", "accept-encoding", "WebHook-Request-Origin"],
)  # fmt: skip
def test_what_describes_the_body_the_call_or_the_event_is_ours(name: str) -> None:
    assert reserved(name)
    assert owners({name: "x", "X-Team": "a"}) == {"X-Team": "a"}


@pytest.mark.parametrize("name", ["Authorization", "X-Webhook-Id", "cem", "Cookie", "X-Api-Key"])
def test_other_names_are_their_owners(name: str) -> None:
    assert owners({name: "x"}) == {name: "x"}


@given(st.dictionaries(st.text(max_size=5) | st.sampled_from(["X", "Y-Z"]), st.text(max_size=9)))
def test_what_is_let_through_is_one_header_each_to_the_http_library(
    headers: dict[str, str],
) -> None:
    with contextlib.suppress(UnsendableHeader):
        found = owners(headers)
        assert all(sendable(name, value) for name, value in found.items())
        raw = _serialize_headers("POST / HTTP/1.1", CIMultiDict(found))
        assert raw.count(b"\r\n") == len(found) + 2
        assert raw.count(b"\n") == raw.count(b"\r") == len(found) + 2
