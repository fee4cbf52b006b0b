"""Bodies about subscriptions: whatever JSON comes in their fields, faults are found and nothing breaks."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.api.subscriptions import SubscriptionCreate, SubscriptionPatch
from service.web.subscription_bodies import check_target, read_new, read_patch

HOOK = "https://app.example/hooks"
CURRENT: dict[str, Any] = {
    "kind": "webhook",
    "url": HOOK,
    "types": ["*"],
    "format": "batched",
    "batchSize": 7,
    "headers": {"X-A": "***"},
    "signatures": ["v1"],
    "labels": {"a": "b"},
}
WORDS = st.sampled_from(
    ["webhook", "file", "pigeon", HOOK, "***", "v1", "v1a", "batched", "*", "X-A", "x-a"]
)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2000) | st.floats(allow_nan=False) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(st.sampled_from(sorted(SubscriptionCreate.model_fields)), JSON, max_size=6)
PATCHES = st.dictionaries(st.sampled_from(sorted(SubscriptionPatch.model_fields)), JSON, max_size=6)


def no_check(_url: str) -> None:
    """Take any URL."""


@given(BODIES)
def test_any_values_make_a_subscription_or_faults(body: dict[str, Any]) -> None:
    draft = read_new(body, no_check, check_target)
    assert (draft.wanted is None) == bool(draft.faults)


@given(PATCHES)
def test_any_patch_makes_a_subscription_or_faults(patch: dict[str, Any]) -> None:
    draft = read_patch(CURRENT, patch, no_check, check_target)
    assert (draft.wanted is None) == bool(draft.faults)
    if draft.wanted is not None:
        kept = {n.lower() for n, value in draft.wanted.headers.items() if value is None}
        assert kept <= {"x-a"}
        assert "***" not in draft.wanted.headers.values()


@given(JSON)
def test_anything_else_is_a_fault(body: object) -> None:
    if not isinstance(body, dict):
        assert read_new(body, no_check, check_target).faults
        assert read_patch(CURRENT, body, no_check, check_target).faults
