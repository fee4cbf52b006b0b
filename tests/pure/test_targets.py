"""Which kinds of targets can be subscribed: those of the table whose client library is there."""

from collections.abc import Mapping

import pytest

from service.bootstrap.targets import make_check
from service.sinks import NEEDS, SINKS
from service.web.subscription_bodies import check_target

Faults = list[tuple[str, str]]


def own_check(settings: Mapping[str, object], credentials: Mapping[str, object]) -> Faults:
    """Want one setting and no credentials."""
    faults = [] if "wing" in settings else [("/settings/wing", "This field is required")]
    return faults + ([("/credentials", "None are needed")] if credentials else [])


def pigeon(_options: object) -> None:
    """Make a sink that came by an entry point."""


pigeon.check = own_check  # type: ignore[attr-defined]


@pytest.mark.parametrize("check", [check_target, make_check(SINKS)])
@pytest.mark.parametrize("kind", ["carrier", "", "Webhook"])
def test_an_unknown_kind_is_told_which_there_are(check: object, kind: str) -> None:
    assert callable(check)
    ((pointer, text),) = check(kind, {}, {})
    assert pointer == "/kind"
    assert "webhook, file" in text


@pytest.mark.parametrize("kind", ["webhook", "file"])
def test_the_kinds_of_the_house_are_taken(kind: str) -> None:
    assert check_target(kind, {}, {}) == ()
    assert make_check(SINKS)(kind, {}, {}) == ()


@pytest.mark.parametrize("kind", sorted(NEEDS))
def test_a_kind_whose_library_is_missing_says_what_to_install(kind: str) -> None:
    check = make_check({kind: object()}, lambda _: False)
    ((pointer, text),) = check(kind, {}, {})
    assert pointer == "/kind"
    assert f"pip install 'callboard[{NEEDS[kind][1]}]'" in text
    assert make_check({kind: object()}, lambda _: True)(kind, {}, {}) == ()


def test_what_is_installed_is_found_and_what_is_not_is_not() -> None:
    """The dev environment has all of them."""
    for kind in NEEDS:
        assert make_check({kind: object()})(kind, {}, {}) == ()


def test_a_factory_from_elsewhere_checks_its_own_settings() -> None:
    check = make_check({"pigeon": pigeon})
    assert check("pigeon", {"wing": 1}, {}) == ()
    assert [place for place, _ in check("pigeon", {}, {"a": 1})] == [
        "/settings/wing",
        "/credentials",
    ]
