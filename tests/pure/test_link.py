"""Links to videos: good for one file of one tenant until one time, and made by who holds a key only."""

import string
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from service.core import callback_token
from service.core.link import Link, is_good, sign

NEW, OLD, ALIEN = b"n" * 32, b"o" * 32, b"a" * 32
PATH = "/v1/tasks/6f2f1d6c-9d6a-4b5e-8c1e-0a4f5b6c7d8e/results/0/video"
LINK = Link(PATH, "default", "ab" * 32, 1_800_000_000)
URL_SAFE = frozenset(string.ascii_letters + string.digits + "-_")

keys = st.binary(min_size=16, max_size=64)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
links = st.builds(Link, texts, texts, texts, st.integers(0, 10**11))


@settings(max_examples=100, deadline=None)
@given(keys, links)
def test_a_signature_is_good_and_fits_into_a_query(key: bytes, link: Link) -> None:
    signature = sign([key], link)
    assert is_good([key], link, signature)
    assert len(signature) == 43
    assert set(signature) <= URL_SAFE


def test_a_signature_never_changes() -> None:
    """Links are in the hands of people: another scheme would end them all."""
    assert sign([b"k" * 32], LINK) == "lrV8F6Kgy2tmbjAYtpaVCJBzAzZSvF3nwlm2K2po3Qw"


@settings(max_examples=200, deadline=None)
@given(links, links)
def test_it_is_good_for_its_own_link_only(one: Link, other: Link) -> None:
    assert is_good([NEW], other, sign([NEW], one)) == (one == other)


def test_nothing_moves_from_one_field_to_the_next() -> None:
    moved = replace(LINK, path=LINK.path + "d", tenant=LINK.tenant[1:])
    assert not is_good([NEW], moved, sign([NEW], LINK))


def test_the_first_key_signs_and_every_key_is_good() -> None:
    assert sign([NEW, OLD], LINK) == sign([NEW], LINK)
    assert is_good([NEW, OLD], LINK, sign([OLD], LINK))
    assert not is_good([NEW, OLD], LINK, sign([ALIEN], LINK))
    assert not is_good([NEW], LINK, sign([OLD], LINK))
    assert not is_good([], LINK, sign([NEW], LINK))


def test_no_character_of_it_can_be_changed() -> None:
    signature = sign([NEW], LINK)
    for at, was in enumerate(signature):
        for other in (URL_SAFE | {"=", "+", "/", "", was * 2}) - {was}:
            assert not is_good([NEW], LINK, signature[:at] + other + signature[at + 1 :])


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_no_text_raises_or_is_good(text: str) -> None:
    assert not is_good([NEW, OLD], LINK, text)


def test_a_callback_token_is_no_signature() -> None:
    """Both are made with the same keys."""
    path = LINK.path
    task = path.split("/")[3]
    for provider in ("runware", "link:v1"):
        token = callback_token._token(NEW, provider, task)  # type: ignore[arg-type]  # any text
        assert not is_good([NEW], LINK, token)
