"""Which conditions may be evaluated inside a commit: those that walk down the data once."""

import pytest

from service.core.condition import EXAMPLES, METHODS, NotAllowed, check

# As Postgres spells them; tests/flows/test_conditions.py has the same through Postgres.
TAKEN = [
    '($."result"."cost" > 0.5 && $."task"."labels"."project" == "spring")',
    'exists ($."results"[*]?(@."state" == "failed"))',
    'strict ($."a" == 1)',
    '!($."a" == 1)',
    '($."a" > 1) is unknown',
    '($."a" starts with "x")',
    '($."a" > -1 || !(exists ($."b")))',
    '(-$."a" > 1)',
    '($."a"."*"."**" == "like_regex")',
    '($."a"[last - 1] == 1)',
    '($."a"[1 to last] == 1)',
    '($."a".*."b" == 1)',
    '($."a"?(@."b" == 1 && @."c" == 2)."d" == 3)',
    '($."a"?(exists (@."b"?(@."c" == 1)))."d" == 3)',
    '($."a".size() > 2 && $."b".type() == "string")',
    '($."a\\"b$" == "@ $.x.keyvalue() + 1")',
]
REFUSED = [
    ('($."a" like_regex "^a" flag "i")', "like_regex"),
    ("($.** == 1)", r"\.\*\*"),
    ("($.**{2 to 3} == 1)", r"\.\*\*"),
    ('($"x" == 1)', "variables"),
    ('($."a" == $"x")', "variables"),
    ('($."a".datetime() == 1)', "datetime"),
    ('($."a".timestamp_tz() == 1)', "timestamp_tz"),
    ('($.keyvalue()."key" == "a")', "keyvalue"),
    ('($."a" > $."b")', "constant"),
    ('($."a" == 1 && $."b" < $."c")', "constant"),
    ('($."a"?(@."b" == @."c") == 1)', "constant"),
    ('(($."a") > ($."b"))', "constant"),
    ('exists ($."a"[*]?($."b"[*] == 1))', "@"),
    ('exists ($."a"[*]?(exists (@."b"?($."c" == 1))))', "@"),
    ('($."a"[0 to last,0 to last] == 1)', "one subscript"),
    ('($."a"[$."b"] == 1)', "number"),
    ('($."a" + 1 > 2)', "arithmetic"),
    ('($."a" * 2 > 2)', "arithmetic"),
    ("(1 == 1)", "nothing about the data"),
    ('("$" == "$")', "nothing about the data"),
    ("true", "nothing about the data"),
]


@pytest.mark.parametrize("canonical", TAKEN)
def test_what_compares_paths_with_constants_is_taken(canonical: str) -> None:
    check(canonical)


@pytest.mark.parametrize(("canonical", "says"), REFUSED)
def test_what_could_take_more_than_a_walk_is_refused_and_says_why(
    canonical: str, says: str
) -> None:
    with pytest.raises(NotAllowed, match=says):
        check(canonical)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_methods_that_make_one_of_one_are_taken(method: str) -> None:
    check(f'($."a".{method}() == 1)')


def test_the_examples_that_are_shown_are_good() -> None:
    assert len(EXAMPLES) == 2
    for example in EXAMPLES:
        check(example)
