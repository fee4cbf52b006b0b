"""The log sink: one line an event, or a failure where nobody would see the line."""

import json
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
import structlog

from service.observe import set_up_logs
from service.ports import Outgoing, Sent, Target
from service.sinks.log import LogSink

Events = Callable[..., Outgoing]


@pytest.fixture
def lines() -> Iterator[Callable[[str], StringIO]]:
    """Give a function that has the log of a level written to a text."""
    before = structlog.get_config()

    def begin(level: str) -> StringIO:
        stream = StringIO()
        set_up_logs("json", level, stream)
        return stream

    yield begin
    structlog.configure(**before)


async def tell(event: Outgoing, **settings: Any) -> Sent:
    sink = LogSink()
    sent = await sink.send(Target("log", settings=settings), event)
    await sink.close()
    return sent


async def test_an_event_is_one_line_with_its_envelope(
    lines: Callable[[str], StringIO], make_event: Events
) -> None:
    stream, event = lines("info"), make_event(uuid4())
    assert await tell(event) == Sent(ok=True)
    (line,) = stream.getvalue().splitlines()
    found = json.loads(line)
    assert (found["event"], found["level"]) == ("event.logged", "info")
    assert found["event_id"] == str(event.event_id)
    assert found["task_id"] == str(event.task_uuid)
    assert found["body"].encode() == event.body


async def test_the_envelope_can_be_left_out(
    lines: Callable[[str], StringIO], make_event: Events
) -> None:
    stream = lines("info")
    assert (await tell(make_event(), body=False, level="warning")).ok
    found = json.loads(stream.getvalue())
    assert "body" not in found
    assert found["level"] == "warning"


@pytest.mark.parametrize(("shown", "asked"), [("warning", "info"), ("info", "debug")])
async def test_a_line_that_nobody_would_see_is_a_failure(
    lines: Callable[[str], StringIO], make_event: Events, shown: str, asked: str
) -> None:
    stream = lines(shown)
    sent = await tell(make_event(), level=asked)
    assert (sent.ok, sent.error) == (False, "invalid_settings")
    assert b"CALLBOARD_LOG_LEVEL" in sent.response
    assert not stream.getvalue()


@pytest.mark.parametrize("settings", [{"level": "loud"}, {"level": 1}, {"body": "yes"}])
async def test_settings_that_are_none_are_a_failure(
    make_event: Events, settings: dict[str, Any]
) -> None:
    assert (await tell(make_event(), **settings)).error == "invalid_settings"
