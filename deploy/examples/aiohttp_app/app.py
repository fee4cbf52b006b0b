"""aiohttp: what an event changes is written in one transaction with its id, then it is answered.

Where the effect of an event is a change of your own database, this is all that exactly once needs.
"""

import asyncio
import os
import sqlite3
from contextlib import closing
from pathlib import Path

from aiohttp import web
from callboard_schemas.cloudevents import CloudEventError
from callboard_schemas.events.data import (
    TaskFailed,
    TaskRejected,
    TaskTimedOut,
    VideoCompleted,
    VideoLate,
)
from callboard_schemas.parse import ReceivedEvent, parse_events
from callboard_schemas.verify import VerificationError

TABLES = """
CREATE TABLE IF NOT EXISTS seen (event TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS videos (task TEXT, url TEXT, project TEXT);
CREATE TABLE IF NOT EXISTS failures (task TEXT, reason TEXT);
"""
SECRETS = web.AppKey("secrets", list[str])
DATABASE = web.AppKey("database", Path)
MAX_BYTES = 8 * 2**20
"""aiohttp takes 1 MiB by default; batches, and tasks with their requests, may be larger."""


async def receive(request: web.Request) -> web.Response:
    """Verify the raw body, keep what its events say, and say yes."""
    body = await request.read()
    try:
        events = parse_events(request.headers, body, request.app[SECRETS])
    except VerificationError as error:
        raise web.HTTPUnauthorized(text=str(error)) from error
    except CloudEventError as error:
        raise web.HTTPBadRequest(text=str(error)) from error
    await asyncio.to_thread(keep, request.app[DATABASE], events)
    return web.Response(status=204)


def keep(database: Path, events: list[ReceivedEvent]) -> None:
    """Write what events say, each once, all or nothing."""
    with closing(sqlite3.connect(database)) as db, db:
        for event in events:
            new = db.execute("INSERT OR IGNORE INTO seen VALUES (?)", [str(event.id)]).rowcount
            if new:
                write(db, event)


def write(db: sqlite3.Connection, event: ReceivedEvent) -> None:
    """Write what one event says; types that are of no interest, or newer than this program, say nothing."""
    match event:
        case VideoCompleted() | VideoLate():
            task, video = event.data.task, event.data.result
            row = (str(task.taskUUID), video.videoURL, task.labels.get("project"))
            db.execute("INSERT INTO videos VALUES (?, ?, ?)", row)
        case TaskFailed() | TaskRejected() | TaskTimedOut():
            reason = event.data.error.message if event.data.error else event.type
            db.execute("INSERT INTO failures VALUES (?, ?)", (str(event.subject), reason))
        case _:
            pass


def make_app(secrets: list[str], database: Path) -> web.Application:
    """Put the application together, with its tables."""
    with closing(sqlite3.connect(database)) as db:
        db.executescript(TABLES)
    app = web.Application(client_max_size=MAX_BYTES)
    app[SECRETS], app[DATABASE] = secrets, database
    app.router.add_post("/hooks", receive)
    return app


if __name__ == "__main__":
    web.run_app(
        make_app(
            os.environ["CALLBOARD_WEBHOOK_SECRET"].split(","),
            Path(os.environ.get("DATABASE", "videos.sqlite")),
        ),
        port=int(os.environ.get("PORT", "8000")),
    )
