"""The whole way into a broker: what a task says of its end is in a stream of a real NATS server."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.conformance.sinks.bench_nats import NatsBench
from tests.support.fakes import said
from tests.support.flows import call_back, processing, subscribed
from tests.support.house import House


@pytest.fixture(scope="module")
def nats_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsBench]:
    if (how := NatsBench.missing()) is not None:
        pytest.skip(f"the broker's program is not installed: {how}")
    bench = NatsBench(tmp_path_factory.mktemp("nats"))
    bench.start()
    yield bench
    bench.stop()


async def test_events_of_a_task_that_ends_are_in_a_stream_of_nats_in_their_order(
    house: House, nats_server: NatsBench
) -> None:
    sink = nats_server.sink()
    cast("dict[str, Any]", house.deliver._sinks)["nats"] = sink
    place = await nats_server.place()
    await subscribed(house, kind="nats", url=None, settings=dict(place.settings))
    task_uuid = await processing(house)
    await call_back(house, (task_uuid, said("v-1")))
    assert [await house.deliver_due() for _ in range(4)] == [1, 1, 1, 0]
    await sink.close()
    arrived = await nats_server.read(place)
    events = [json.loads(one.body) for one in arrived]
    assert [e["type"] for e in events] == ["task.processing", "video.completed", "task.completed"]
    assert [e["id"] for e in events] == [one.event_id for one in arrived]
    assert {one.group for one in arrived} == {str(task_uuid)}
