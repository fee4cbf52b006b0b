"""FastAPI: events are kept, answered, and worked on afterwards, also after a restart.

For work that takes longer than Callboard waits (15 s), or that you want to try again yourself: here, videos are
downloaded before their addresses expire.
"""

import asyncio
import json
import logging
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing, suppress
from pathlib import Path
from typing import Any

import httpx
from callboard_schemas.cloudevents import CloudEventError
from callboard_schemas.events.data import VideoCompleted, VideoLate
from callboard_schemas.parse import ReceivedEvent, typed
from callboard_schemas.receive import receive
from callboard_schemas.verify import VerificationError
from fastapi import FastAPI, HTTPException, Request

logger = logging.getLogger(__name__)
AGAIN_S = 30.0
"""How long after a failure the work is tried again."""


class Inbox:
    """Events on disk, each id once, with what is still to be done. In production: a table of your database."""

    def __init__(self, database: Path) -> None:
        self._database = database
        with closing(self._open()) as db:
            db.execute("CREATE TABLE IF NOT EXISTS inbox (id TEXT PRIMARY KEY, event TEXT)")

    def keep(self, events: list[dict[str, Any]]) -> None:
        """Keep what is new of these, all or nothing."""
        rows = [(event["id"], json.dumps(event)) for event in events]
        with closing(self._open()) as db, db:
            db.executemany("INSERT OR IGNORE INTO inbox VALUES (?, ?)", rows)

    def unfinished(self) -> list[tuple[str, ReceivedEvent]]:
        """Give what is to be done, oldest first."""
        with closing(self._open()) as db:
            rows = db.execute("SELECT id, event FROM inbox WHERE event IS NOT NULL ORDER BY rowid")
            return [(event_id, typed(json.loads(event))) for event_id, event in rows]

    def finish(self, event_id: str) -> None:
        """Forget an event and remember its id."""
        with closing(self._open()) as db, db:
            db.execute("UPDATE inbox SET event = NULL WHERE id = ?", [event_id])

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._database)


def work(event: ReceivedEvent, folder: Path) -> None:
    """Do what an event asks for; done twice, as after a crash, it must come to the same."""
    match event:
        case VideoCompleted() | VideoLate() if event.data.result.videoURL:
            name = f"{event.data.task.taskUUID}-{event.data.result.index}.mp4"
            download(event.data.result.videoURL, folder / name)
        case _:
            pass


def download(url: str, target: Path) -> None:
    """Write a file that is whole or not there."""
    part = target.with_suffix(".part")
    with httpx.stream("GET", url, follow_redirects=True) as answer, part.open("wb") as file:
        answer.raise_for_status()
        for chunk in answer.iter_bytes():
            file.write(chunk)
    part.replace(target)


async def work_on(inbox: Inbox, folder: Path, arrived: asyncio.Event) -> None:
    """Work through the inbox, for ever; what fails stays in it and is tried again."""
    while True:
        arrived.clear()
        for event_id, event in await asyncio.to_thread(inbox.unfinished):
            try:
                await asyncio.to_thread(work, event, folder)
                await asyncio.to_thread(inbox.finish, event_id)
            except Exception:
                logger.exception("event %s is tried again", event_id)
        with suppress(TimeoutError):
            # Not `wait_for`: until Python 3.12 it may swallow the cancel at the end.
            async with asyncio.timeout(AGAIN_S):
                await arrived.wait()


def make_app() -> FastAPI:
    """Make the application from the environment: `uvicorn --factory app:make_app`."""
    secrets = os.environ["CALLBOARD_WEBHOOK_SECRET"].split(",")
    folder = Path(os.environ.get("VIDEOS", "videos"))
    folder.mkdir(parents=True, exist_ok=True)
    inbox = Inbox(folder / "inbox.sqlite")
    arrived = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        working = asyncio.create_task(work_on(inbox, folder, arrived))
        yield
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working

    app = FastAPI(lifespan=lifespan)

    @app.post("/hooks", status_code=204)
    async def hooks(request: Request) -> None:
        body = (
            await request.body()
        )  # the raw one: JSON that was read and written again has another signature
        try:
            events = receive(request.headers, body, secrets)
        except VerificationError as error:
            raise HTTPException(401, str(error)) from error
        except CloudEventError as error:
            raise HTTPException(400, str(error)) from error
        await asyncio.to_thread(inbox.keep, events)
        arrived.set()

    return app
