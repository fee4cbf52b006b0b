"""What the sinks of Kafka and AWS are tried with: stand-ins on loopback, and events."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from ipaddress import ip_network
from pathlib import Path
from uuid import UUID, uuid4

import orjson
import pytest

from service.ports import Outgoing
from service.sinks.kafka.sink import KafkaSink
from tests.support.kafka_mock import KafkaMock, kafka_mock
from tests.support.moto import Moto

LOOPBACK = (ip_network("127.0.0.0/8"),)
Events = Callable[..., Outgoing]


@pytest.fixture
def make_event() -> Events:
    """Give a function that makes events as flows.deliver does: each has its id, and is about a task or none."""
    numbers = itertools.count(1)

    def make(
        task: UUID | None = None, event_type: str = "task.completed", more: str = ""
    ) -> Outgoing:
        event_id = uuid4()
        envelope = {
            "specversion": "1.0",
            "id": str(event_id),
            "source": "https://callboard.example",
            "type": event_type,
            "subject": str(task),
            "time": "2026-02-03T04:05:06Z",
            "sequence": f"{next(numbers):010d}",
            "datacontenttype": "application/json",
            "data": {"text": "é\ufffe", "more": more},
        }
        return Outgoing(
            event_id=event_id,
            event_type=event_type,
            task_uuid=task,
            body=orjson.dumps(envelope),
            content_type="application/cloudevents+json; charset=UTF-8",
            sent_at=1614265330,
        )

    return make


@pytest.fixture
def kafka() -> Iterator[KafkaMock]:
    """Run a Kafka of one broker."""
    with kafka_mock() as mock:
        yield mock


@pytest.fixture
async def kafka_sink() -> AsyncIterator[KafkaSink]:
    """Give a sink that may call loopback."""
    sink = KafkaSink(LOOPBACK)
    yield sink
    await sink.close()


@pytest.fixture(scope="session")
def moto_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moto]:
    """Run one moto for all tests."""
    moto = Moto(tmp_path_factory.mktemp("moto"))
    moto.start()
    yield moto
    moto.stop()


@pytest.fixture
async def moto(moto_process: Moto) -> Moto:
    """Give it with its user made."""
    await moto_process.make_user()
    return moto_process


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder of this test."""
    return tmp_path
