"""The file sink and real files."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from service.ports import Outgoing, Sent, Target
from service.sinks.file import FileSink


def to_file(name: object) -> Target:
    return Target("file", settings={"path": name})


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def test_file_gets_one_line_an_event(tmp_path: Path, event: Outgoing) -> None:
    folder = tmp_path / "new" / "sinks"
    sink = FileSink(folder)
    assert await sink.send(to_file("events.jsonl"), event) == Sent(ok=True)
    spaced = replace(event, body=b'{\r\n  "a": "b\\n"\n}')
    assert (await sink.send(to_file("events.jsonl"), spaced)).ok
    assert (await sink.send(to_file("other.jsonl"), event)).ok
    await sink.close()
    lines = (folder / "events.jsonl").read_bytes().splitlines()
    assert lines[0] == event.body
    assert [json.loads(line) for line in lines[1:]] == [{"a": "b\n"}]
    assert (folder / "other.jsonl").read_bytes() == event.body + b"\n"
    assert (folder / "other.jsonl").stat().st_mode & 0o777 == 0o600


async def test_many_events_at_once_do_not_mix_in_a_file(tmp_path: Path, event: Outgoing) -> None:
    sink, other = FileSink(tmp_path), FileSink(tmp_path)
    events = [
        replace(event, body=json.dumps({"n": n, "x": "x" * 20_000}).encode()) for n in range(40)
    ]
    sends = ((sink, other)[n % 2].send(to_file("e"), event) for n, event in enumerate(events))
    assert all(sent.ok for sent in await asyncio.gather(*sends))
    lines = (tmp_path / "e").read_bytes().splitlines()
    assert sorted(json.loads(line)["n"] for line in lines) == list(range(40))


async def test_line_that_was_cut_short_does_not_spoil_the_next(
    tmp_path: Path, event: Outgoing
) -> None:
    (tmp_path / "e").write_bytes(b'{"whole":1}\n{"cut')
    assert (await FileSink(tmp_path).send(to_file("e"), event)).ok
    assert (tmp_path / "e").read_bytes() == b'{"whole":1}\n{"cut\n' + event.body + b"\n"


@pytest.mark.parametrize(
    "name",
    ["../e", "/etc/e", "a/b", "a\\b", "", ".", "..", ".e", "e\n", "e\x00", None, 4, "e" * 129],
)
async def test_name_that_is_no_plain_file_name_is_refused(
    tmp_path: Path, name: object, event: Outgoing
) -> None:
    sent = await FileSink(tmp_path / "sinks").send(to_file(name), event)
    assert sent == Sent(ok=False, error="refused_name")
    assert names_in(tmp_path) == []


async def test_file_that_cannot_be_written_is_a_failure(tmp_path: Path, event: Outgoing) -> None:
    (tmp_path / "e").mkdir()
    sent = await FileSink(tmp_path).send(to_file("e"), event)
    assert (sent.ok, sent.error) == (False, "write_failed")
    assert sent.response
