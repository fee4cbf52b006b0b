"""Replays over HTTP."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from schemas.api.replays import ReplayPage, ReplayView
from service.store.pool import Pool
from tests.support.web import Api
from tests.web.test_deliveries import failed, finished, subscribed

SINCE = (datetime.now(UTC) - timedelta(hours=1)).isoformat()


async def test_a_replay_is_begun_shown_listed_and_canceled(api: Api, pool: Pool) -> None:
    mark = {"mark": uuid4().hex}
    subscription = await subscribed(api, labels=mark)
    await finished(api, labels=mark)
    await failed(pool, subscription)
    path = f"/v1/subscriptions/{subscription}/replay"
    reply = await api.post(path, {"since": SINCE})
    begun = ReplayView.model_validate_json(reply.raw)
    assert (reply.status, reply.headers["Location"]) == (202, f"/v1/replays/{begun.id}")
    assert (begun.state, begun.request.state, begun.request.ratePerSecond) == (
        "running",
        "failed",
        50,
    )
    second = await api.post(path, {"since": SINCE})
    assert str(begun.id) in second.problem(409, "replay_running").detail
    while await api.house.replay.run_once():
        pass
    shown = ReplayView.model_validate_json((await api.get(f"/v1/replays/{begun.id}")).raw)
    assert (shown.state, shown.queued, shown.untried) == ("completed", 3, 3)
    (await api.post(f"/v1/replays/{begun.id}/cancel")).problem(409, "conflict")
    more = {"since": SINCE, "state": "any", "types": ["task.*"], "ratePerSecond": 7}
    other = ReplayView.model_validate_json((await api.post(path, more)).raw)
    canceled = await api.post(f"/v1/replays/{other.id}/cancel")
    assert ReplayView.model_validate_json(canceled.raw).canceledBy == "user"
    page = ReplayPage.model_validate_json((await api.get(f"{path}s")).raw)
    assert [r.id for r in page.items] == [other.id, begun.id]
    assert (page.items[0].request.types, page.items[0].request.ratePerSecond) == (["task.*"], 7)


@pytest.mark.parametrize(
    ("body", "pointers"),
    [
        ({}, ["/since"]),
        ({"since": "yesterday"}, ["/since"]),
        ({"since": 1}, ["/since"]),
        ({"since": "2026-01-31T12:00:00"}, ["/since"]),
        ({"since": "2026-02-31T12:00:00Z"}, ["/since"]),
        ({"since": "0001-01-01T00:00:00+14:00"}, ["/since"]),
        ({"since": None, "until": None}, ["/since", "/until"]),
        ({"since": "2019-01-31T12:00:00Z"}, ["/since"]),
        ({"since": "2999-01-31T12:00:00Z", "until": "2999-02-01T00:00:00Z"}, ["/since", "/until"]),
        (
            {"since": SINCE, "state": "lost", "types": [], "ratePerSecond": 0, "x": 1},
            ["/ratePerSecond", "/state", "/types", "/x"],
        ),
        ({"since": SINCE, "types": ["task.gone"]}, ["/types/0"]),
        ({"since": SINCE, "ratePerSecond": 1.5}, ["/ratePerSecond"]),
    ],
)
async def test_wrong_fields_of_a_replay_are_named(
    api: Api, body: object, pointers: list[str]
) -> None:
    subscription = await subscribed(api)
    reply = await api.post(f"/v1/subscriptions/{subscription}/replay", body)
    assert sorted(reply.pointers()) == pointers


async def test_too_old_a_since_is_told_the_earliest_possible_time(api: Api) -> None:
    path = f"/v1/subscriptions/{await subscribed(api)}/replay"
    reply = await api.post(path, {"since": "2019-01-31T12:00:00Z"})
    detail = reply.json["errors"][0]["detail"]
    oldest = detail.rpartition(" ")[2]
    assert (await api.post(path, {"since": oldest})).status == 202
