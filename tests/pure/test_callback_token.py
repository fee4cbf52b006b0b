"""The secret part of a callback URL: only who holds a key can make one, for one task of one provider."""

import string
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.core.callback_token import TOKEN_LENGTH, mint, verify

NEW, OLD, ALIEN = b"n" * 32, b"o" * 32, b"a" * 32
TASK = UUID("6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e")
URL_SAFE = frozenset(string.ascii_letters + string.digits + "-_")

keys = st.binary(min_size=16, max_size=64)


@settings(max_examples=50, deadline=None)
@given(keys, st.uuids(), st.sampled_from(["runware", "sync"]))
def test_a_token_verifies_and_fits_into_a_path(key: bytes, task: UUID, provider: str) -> None:
    token = mint([key], provider, task)
    assert verify([key], provider, task, token)
    assert len(token) == TOKEN_LENGTH
    assert set(token) <= URL_SAFE


def test_a_token_never_changes() -> None:
    """Tokens are in the hands of upstreams: another scheme would lose every callback under way."""
    assert mint([b"k" * 32], "runware", TASK) == "p8KC0NAk1XQ67CzauubChc4NwPKBrelZ"


def test_the_first_key_mints_and_every_key_verifies() -> None:
    assert mint([NEW, OLD], "runware", TASK) == mint([NEW], "runware", TASK)
    assert verify([NEW, OLD], "runware", TASK, mint([OLD], "runware", TASK))
    assert verify([OLD, NEW], "runware", TASK, mint([NEW], "runware", TASK))
    assert not verify([NEW, OLD], "runware", TASK, mint([ALIEN], "runware", TASK))


def test_a_token_is_good_for_its_task_and_provider_only() -> None:
    token = mint([NEW], "runware", TASK)
    assert not verify([NEW], "sync", TASK, token)
    assert not verify([NEW], "runware", UUID(int=TASK.int ^ 1), token)


def test_without_keys_nothing_verifies() -> None:
    assert not verify([], "runware", TASK, mint([NEW], "runware", TASK))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, TOKEN_LENGTH - 1), st.integers(0, 6))
def test_one_flipped_bit_spoils_a_token(at: int, bit: int) -> None:
    token = mint([NEW], "runware", TASK)
    flipped = token[:at] + chr(ord(token[at]) ^ 1 << bit) + token[at + 1 :]
    assert not verify([NEW], "runware", TASK, flipped)


def test_a_token_is_compared_exactly() -> None:
    token = mint([NEW], "runware", TASK)
    for near in (token.lower(), token.swapcase(), token[:-1], token + "=", " " + token):
        assert not verify([NEW], "runware", TASK, near)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_no_text_raises_or_verifies(token: str) -> None:
    assert not verify([NEW, OLD], "runware", TASK, token)


@pytest.mark.parametrize("token", ["", "é" * 32, "\ud800" * 32, "😀", "\x00", "a" * 100_000])
def test_hostile_tokens_are_only_wrong(token: str) -> None:
    assert not verify([NEW], "runware", TASK, token)
