"""`pull`: the videos of a task to a folder, or links to them, over HTTP."""

import asyncio
import math
import time
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import aiohttp
import typer
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from service.cli.client import FILE_BUFFER, FILE_TIMES, Api, api
from service.cli.download import Got, Source, Trouble, download, finish, hash_of
from service.cli.output import DONE, TASK_FAILED, AsJson, Failed, err, out, run, shown
from service.cli.output import settings as read_settings
from service.cli.tasks import FINAL, Task, TaskId
from service.core.media import ENDINGS

LOOK_S = 1.0
"""How often it is looked whether files are kept, once the task is final."""
LONGEST_WAIT_S = 60
"""The longest that the service holds one answer."""
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Had:
    """What became of one file, as it is printed. `checked` says that its hash is that of the kept file."""

    index: int
    state: str
    source: str | None = None
    path: str | None = None
    bytes: int | None = None
    sha256: str | None = None
    checked: bool = False
    note: str | None = None


def pull(
    task: TaskId,
    out_dir: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="The folder for the files.")
    ] = Path(),
    result: Annotated[int | None, typer.Option(min=0, help="Only this result.")] = None,
    link: Annotated[
        bool, typer.Option("--link", help="Print links for people without a key instead.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(min=0, metavar="SECONDS", help="Wait until it is final and its files kept."),
    ] = 0,
    as_json: AsJson = False,
) -> None:
    """Download the videos of a task; exits 1 when one could not be had.

    What is kept comes from the service and is checked; else it is taken from the upstream's address, if that still works.
    A download that broke off is gone on with when it is asked for again.
    """

    async def main() -> dict[str, object]:
        async with api(read_settings()) as client:
            found = await _settled(client, task, result, wait)
            chosen = _chosen(found, result)
            name = found["taskUUID"]
            if link:
                return {"task": name, "links": [await _link(client, name, r) for r in chosen]}
            with _bar(quiet=as_json) as bar:
                async with aiohttp.ClientSession() as strangers:
                    pulling = _Pull(client, strangers, found, out_dir, bar)
                    files = [await pulling.one(r) for r in chosen]
            return {"task": name, "files": [asdict(had) for had in files]}

    told = run(main())
    items: Any = told["links" if link else "files"]
    shown(told, as_json, lambda: _print(items, links=link))
    missing = any(item["url"] is None if link else item["state"] == "failed" for item in items)
    raise typer.Exit(TASK_FAILED if missing else DONE)


class _Pull:
    def __init__(
        self,
        client: Api,
        strangers: aiohttp.ClientSession,
        task: Task,
        folder: Path,
        bar: Progress,
    ) -> None:
        self._client = client
        self._strangers = strangers
        self._task = task
        self._folder = folder
        self._bar = bar

    async def one(self, result: Result) -> Had:
        """Have the file of one result, from the first source that gives it."""
        index, media = result["index"], result.get("media")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if there := self._there(index, media):
                return there
        except OSError as error:
            return Had(index, "failed", note=f"{self._folder}: {error.strerror}")
        except Trouble as error:
            return Had(index, "failed", note=str(error))
        sources = self._sources(result)
        told = [] if sources else [_why_not(self._task, result)]
        for source in sources:
            try:
                return await self._from(source, index, media, "; ".join(told) or None)
            except Trouble as error:
                told.append(str(error))
        return Had(index, "failed", note="; ".join(told))

    def _sources(self, result: Result) -> list[Source]:
        """List where a file can be had: the service when it keeps it, else the upstream's address."""
        media, url = result.get("media"), result.get("videoURL")
        sha256 = None if media is None else str(media["sha256"])
        found: list[Source] = []
        # What was put to an address of the caller is not read from there.
        put = isinstance((self._task.get("archive") or {}).get("to"), list)
        if media is not None and not put:
            path = f"/v1/tasks/{self._task['taskUUID']}/results/{result['index']}/video"
            found.append(Source("the service", lambda h: self._client.download(path, h), sha256))
        if url is not None and urlsplit(url).scheme in {"http", "https"}:
            found.append(Source("the upstream", lambda h: self._stranger(url, h), sha256))
        return found

    def _stranger(
        self, url: str, headers: Mapping[str, str]
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return self._strangers.get(
            url, headers=headers, timeout=FILE_TIMES, read_bufsize=FILE_BUFFER
        )

    async def _from(
        self, source: Source, index: int, media: Mapping[str, Any] | None, note: str | None
    ) -> Had:
        name = self._name(index)
        # Another content has another name: no part is ever gone on with by another file.
        part = self._folder / f"{name}.{source.sha256 or 'upstream'}.part"
        row = self._bar.add_task(f"result {index}", total=None if media is None else media["bytes"])

        def tell(done: int, most: int | None) -> None:
            self._bar.update(row, completed=done, total=most)

        got = await download(source, part, tell)
        path = self._folder / f"{name}.{_ending(got, media)}"
        finish(part, path)
        checked = source.sha256 is not None
        origin = source.name.removeprefix("the ")
        return Had(index, "saved", origin, str(path), got.bytes, got.sha256, checked, note)

    def _there(self, index: int, media: Mapping[str, Any] | None) -> Had | None:
        """Say that a file is here already; raises Trouble when another one has its name."""
        name = self._name(index)
        endings = set(ENDINGS.values()) if media is None else {_ending(None, media)}
        for path in (self._folder / f"{name}.{ending}" for ending in sorted(endings)):
            if not path.exists():
                continue
            sha256 = hash_of(path)
            if media is not None and sha256 != media["sha256"]:
                raise Trouble(f"{path} is another file: move it away, or give another --out.")
            size = path.stat().st_size
            return Had(index, "already_here", None, str(path), size, sha256, media is not None)
        return None

    def _name(self, index: int) -> str:
        return f"{self._task['taskUUID']}-{index}"


async def _settled(client: Api, task: str, index: int | None, wait_s: float) -> Task:
    """Load a task, and wait for it and the files that are asked for as long as one may."""
    until = time.perf_counter() + wait_s
    query: dict[str, object] = {}
    while True:
        found: Task = await client.call("GET", f"/v1/tasks/{task}", query=query)
        left = until - time.perf_counter()
        final = found["state"] in FINAL
        if left <= 0 or (final and not any(map(_pending, _chosen(found, index)))):
            return found
        if final:
            query = {}
            await asyncio.sleep(min(LOOK_S, left))
        else:
            query = {"wait": min(math.ceil(left), LONGEST_WAIT_S)}


def _pending(result: Result) -> bool:
    return (result.get("archive") or {}).get("state") == "pending"


def _chosen(task: Task, index: int | None) -> list[Result]:
    found: list[Result] = [r for r in task["results"] if index in {None, r["index"]}]
    if not found and index is not None:
        raise Failed(f"Task {task['taskUUID']} has no result {index}.")
    return found


async def _link(client: Api, task: str, result: Result) -> dict[str, object]:
    index, told = result["index"], None
    try:
        made = await client.call("POST", f"/v1/tasks/{task}/results/{index}/link", body={})
    except Failed as error:
        made, told = {"url": None, "expiresAt": None}, error.text
    return {"index": index, **made, "note": told}


def _why_not(task: Task, result: Result) -> str:
    """Say why there is nothing to be had."""
    if error := result.get("error"):
        return str(error["message"])
    if task["state"] not in FINAL or _pending(result):
        return f"It is {result['state']}, and there is no file yet: --wait SECONDS waits for it."
    return f"It is {result['state']}, and has no file."


def _ending(got: Got | None, media: Mapping[str, Any] | None) -> str:
    kind = media["contentType"] if media is not None else "" if got is None else got.content_type
    return ENDINGS.get(kind, "mp4" if media is None else "bin")


def _bar(*, quiet: bool) -> Progress:
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), DownloadColumn()),
        *(TransferSpeedColumn(), TimeRemainingColumn()),
    )
    off = quiet or not (out.is_terminal and err.is_terminal)
    return Progress(*columns, console=err, transient=True, disable=off)


def _print(items: list[dict[str, Any]], *, links: bool) -> None:
    for item in items:
        about = f"result {item['index']}"
        if links:
            _line(item["url"], f"{about}: {item['note']}")
            continue
        words = {"saved": "saved", "already_here": "already here"}.get(item["state"])
        _line(
            words and f"{about}: {words} {item['path']} ({_facts(item)})",
            f"{about}: {item['note']}",
        )


def _line(good: str | None, bad: str) -> None:
    console, style = (out, None) if good else (err, "red")
    console.print(good or bad, style=style, markup=False, highlight=False, soft_wrap=True)


def _facts(item: Mapping[str, Any]) -> str:
    checked = "checked" if item["checked"] else "not checked: nothing is kept of it"
    origin = "" if item["source"] is None else f" from the {item['source']},"
    note = "" if item["note"] is None else f"; {item['note']}"
    return f"{item['bytes']:,} bytes,{origin} {checked}{note}"
