"""What happens to a simulated job follows from its names, or from seed and key, and nothing else."""

import re
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

import service.simulator
from service.simulator.scenario import (
    EFFECTS,
    Plan,
    ScenarioBook,
    UnknownScenario,
    make_plan,
    names_in,
    read_book,
)

CHANCES = {"lost": 0.3, "double": 0.3, "early": 0.3, "503:2": 0.3}


def test_every_scenario_is_explained_in_the_package() -> None:
    text = service.simulator.__doc__ or ""
    assert [name for name in EFFECTS if not re.search(rf"(^|\s){name}\b", text)] == []


@pytest.mark.parametrize("name", EFFECTS)
def test_every_scenario_but_ok_changes_the_plan(name: str) -> None:
    assert (make_plan([name]) == Plan()) == (name == "ok")


@pytest.mark.parametrize("entry", ["", "losst", "late:soon", "429:many", "lost, double"])
def test_unknown_names_and_values_are_refused(entry: str) -> None:
    with pytest.raises(UnknownScenario):
        make_plan([entry])
    with pytest.raises(UnknownScenario):
        ScenarioBook(chances={entry: 0.5})


@given(st.lists(st.sampled_from(sorted(set(EFFECTS) - {"drop", "hang"}))), st.randoms())
def test_order_of_names_matters_only_among_refusals(names: list[str], dice: object) -> None:
    shuffled = sorted(names, key=lambda _: dice.random())  # type: ignore[attr-defined]
    plan, other = make_plan(names), make_plan(shuffled)
    assert Counter(plan.refusals) == Counter(other.refusals)
    assert plan.copies == other.copies


def test_refusals_come_one_a_send_and_end() -> None:
    plan = make_plan(["429:2", "html"])
    assert [plan.refusal(sends) for sends in range(4)] == ["429", "429", "html", None]


def test_partial_failure_spares_the_first_result() -> None:
    plan = make_plan(["partial"])
    assert [plan.fails_at(index) for index in range(4)] == [False, True, False, True]


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("https://cdn.example/v.mp4?simulate=lost,late:0.5", ("lost", "late:0.5")),
        ("https://cdn.example/v.mp4?token=a&simulate=drop", ("drop",)),
        ("https://cdn.example/v.mp4", ()),
        ("https://cdn.example/v.mp4?simulate=", ()),
        ("http://[broken", ()),
        (None, ()),
        (["https://cdn.example/v.mp4?simulate=lost"], ()),
    ],
)
def test_names_are_read_from_the_query_of_a_url(url: object, names: tuple[str, ...]) -> None:
    assert names_in(url) == names


@given(st.integers(), st.uuids())
def test_seed_and_key_decide_and_nothing_else(seed: int, key: object) -> None:
    first = ScenarioBook(seed, CHANCES).plan(str(key))
    assert ScenarioBook(seed, dict(reversed(CHANCES.items()))).plan(str(key)) == first


def test_chances_come_out_as_often_as_they_say() -> None:
    book = ScenarioBook(7, CHANCES)
    lost = sum(book.plan(f"task-{number}").copies == 0 for number in range(2000))
    assert 500 < lost < 700


def test_one_more_chance_leaves_what_the_others_decide() -> None:
    book, other = ScenarioBook(7, CHANCES), ScenarioBook(7, {**CHANCES, "fail": 0.5})
    for number in range(50):
        assert book.plan(str(number)).refusals == other.plan(str(number)).refusals


def test_a_named_scenario_beats_all_chances() -> None:
    book = ScenarioBook(chances={"lost": 1})
    assert book.plan("key").copies == 0
    assert book.plan("key", ["ok"]) == Plan()
    assert book.plan("key", ["double"]).copies == 2


def test_a_scenario_file_says_what_happens_to_jobs_by_their_key() -> None:
    book = read_book('{"seed": 3, "chances": {"lost": 1}, "jobs": {"a": ["double", "503:2"]}}')
    assert book.plan("a") == make_plan(["double", "503:2"])
    assert book.plan("b") == make_plan(["lost"])
    assert book.seed == 3


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "{",
        '{"chance": {}}',
        '{"chances": {"no_such": 1}}',
        '{"jobs": {"a": ["no_such"]}}',
        '{"jobs": {"a": 1}}',
        '{"chances": []}',
    ],
)
def test_a_file_that_is_no_scenario_file_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_book(text)
