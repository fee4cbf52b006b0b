"""Filters, as a property: what is delivered is what a plain model of the filters says; and notifyURLs beside them."""

from collections.abc import Mapping, Sequence
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.clock import SystemDice
from service.store.pool import Pool
from tests.support.fakes import said
from tests.support.flows import call_back, processing, subscribed
from tests.support.house import make_house

EVENTS = ("task.processing", "video.completed", "task.completed")
PATTERNS = ("*", "task.*", "video.*", "batch.*", "subscription.*", *EVENTS, "task.failed")
MODELS = ("sync:3@0", "klingai:5@3")
LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("12"), max_size=2)
FILTERS = st.fixed_dictionaries(
    {
        "types": st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=3),
        "provider": st.sampled_from((None, None, "runware", "sync")),
        "model": st.sampled_from((None, None, *MODELS)),
        "labels": LABELS,
        "condition": st.sampled_from((None, None, '$.state == "completed"')),
    }
)
TASKS = st.fixed_dictionaries(
    {
        "provider": st.sampled_from(("runware", "sync")),
        "model": st.sampled_from(MODELS),
        "labels": LABELS,
    }
)


def wanted(of: Mapping[str, Any], task: Mapping[str, Any], event: str) -> bool:
    """Say by plain rules whether a filter takes an event: the other implementation."""
    named = False
    for pattern in of["types"]:
        named |= pattern in ("*", event) or (
            pattern[-2:] == ".*" and event.startswith(pattern[:-1])
        )
    for name in ("provider", "model"):
        named &= of[name] is None or of[name] == task[name]
    for key in of["labels"]:
        named &= key in task["labels"] and task["labels"][key] == of["labels"][key]
    return named and (of["condition"] is None or event == "task.completed")


@given(st.lists(FILTERS, min_size=1, max_size=8), st.lists(TASKS, min_size=1, max_size=3))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_what_is_delivered_is_what_the_filters_say(
    pool: Pool, filters: Sequence[Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]
) -> None:
    house = make_house(pool, dice=SystemDice())
    await pool.execute("DELETE FROM callboard.subscriptions")
    targets = [await subscribed(house, **of) for of in filters]
    for task in tasks:
        task_uuid = await processing(house, **task)
        call = (task_uuid, said(f"v-{task_uuid}"))
        await call_back(house, call, provider=task["provider"])
        for target, of in zip(targets, filters, strict=True):
            rows = await pool.fetch(
                "SELECT e.type FROM callboard.deliveries AS d JOIN callboard.events AS e"
                " ON e.id = d.event_id WHERE d.target = $1 AND d.task_uuid = $2 ORDER BY d.id",
                *(target, task_uuid),
            )
            assert [r["type"] for r in rows] == [e for e in EVENTS if wanted(of, task, e)]
