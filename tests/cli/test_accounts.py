"""`callboard accounts` and what `doctor` says of them.

In this process, from the command line's text to its exit code: a process each would take two seconds.
"""

import asyncio
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any, get_args
from unittest import mock

import pytest
import structlog

from schemas.api.tasks import TaskSummary
from service.cli.main import main
from service.cli.tasks import WAITS, _show
from tests.cli.test_cli import own_database
from tests.support import database

KEY = "rw-a-key-that-is-secret"


@pytest.fixture(scope="module")
def env(pg_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Have a database that is current, and a service that only polls."""
    asyncio.run(database.make(pg_dsn, "test_cli_accounts"))
    dsn = database.database_of(pg_dsn, "test_cli_accounts")
    yield own_database(dsn, tmp_path_factory.mktemp("data")) | {"CALLBOARD_POLL_ONLY": "1"}
    asyncio.run(database.drop(pg_dsn, "test_cli_accounts"))


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str


def run(env: dict[str, str], *args: str, stdin: str = "") -> Ended:
    """Run a command with nothing of CALLBOARD_* but what is given."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CALLBOARD_")}
    told, failed, logs = io.StringIO(), io.StringIO(), structlog.get_config()
    code: object = 0
    with (
        mock.patch.dict(os.environ, clean | env, clear=True),
        mock.patch.object(sys, "argv", ["callboard", *args]),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(told),
        redirect_stderr(failed),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code or 0
        finally:
            structlog.configure(**logs)
    assert isinstance(code, int)
    return Ended(code, told.getvalue(), failed.getvalue())


def accounts(env: dict[str, str], *args: str, stdin: str = "", **more: str) -> Ended:
    ended = run(env | more, "accounts", *args, stdin=stdin)
    assert KEY not in ended.stdout + ended.stderr
    return ended


def refused(env: dict[str, str], *args: str, stdin: str = "", **more: str) -> str:
    """Run what is refused; gives the text."""
    ended = accounts(env, *args, stdin=stdin, **more)
    assert (ended.returncode, ended.stdout) == (2, "")
    return ended.stderr


def findings(env: dict[str, str]) -> dict[str, dict[str, object]]:
    return {f["what"]: f for f in json.loads(run(env, "doctor", "--json").stdout)}


def test_an_account_is_added_shown_changed_paused_resumed_and_removed(env: dict[str, str]) -> None:
    assert findings(env)["runware"]["ok"] is False
    added = accounts(
        *(env, "add", "runware", "second", "--key-stdin", "--concurrency", "6", "--json"),
        stdin=f"{KEY}\n",
    )
    assert added.returncode == 0, added.stderr
    view = json.loads(added.stdout)
    assert (view["concurrency"], view["weight"], view["source"]) == (6, 1, "database")
    listed = json.loads(accounts(env, "list", "--json").stdout)
    assert listed == {"items": [view], "nextCursor": None}
    assert findings(env)["runware"]["detail"] == "on, by second"

    changed = json.loads(
        accounts(env, "set", "runware", "second", "--weight", "3", "--json").stdout
    )
    assert (changed["concurrency"], changed["weight"]) == (6, 3)
    held = accounts(env, "pause", "runware", "second", "--reason", "The invoice.", "--json")
    assert json.loads(held.stdout)["state"] == "held"
    assert "runware/second is held (The invoice.)" in str(findings(env)["accounts"]["detail"])
    people = accounts(env, "list").stdout
    assert all(word in people for word in ("runware", "second", "held", "0/6", "The invoice."))
    resumed = accounts(env, "resume", "runware", "second", "--json")
    assert json.loads(resumed.stdout) == changed | {"state": "active"}
    assert json.loads(accounts(env, "show", "runware", "second", "--json").stdout) == changed

    by_variable = accounts(
        env, "set-key", "runware", "second", CALLBOARD_ACCOUNT_KEY=f"{KEY}-2", stdin=""
    )
    assert by_variable.returncode == 0
    gone = json.loads(accounts(env, "remove", "runware", "second", "--json").stdout)
    assert (gone["removed"], gone["waiting"]) == (True, 0)
    assert refused(env, "show", "runware", "second") == "There is no such account.\n"


def test_what_is_wrong_is_said_in_one_line(env: dict[str, str]) -> None:
    default = ("runware", "default")
    text = refused(env, "set", *default, "--concurrency", "9", "--per-minute", "3")
    assert "CALLBOARD_RUNWARE_CONCURRENCY, CALLBOARD_RUNWARE_SUBMITS_PER_MINUTE" in text
    for command in ("add", "set-key", "remove"):
        assert "CALLBOARD_RUNWARE_API_KEY" in refused(env, command, *default, stdin=KEY)
    assert "--concurrency" in refused(env, "set", "runware", "second")
    assert "there are: runware, sync" in refused(env, "show", "nobody", "x")
    assert "is no name of an account" in refused(env, "add", "sync", "Ä", "--key-stdin", stdin=KEY)
    assert "--key-stdin" in refused(env, "add", "sync", "second")
    for key in ("", "two words", "x" * 501):
        given = refused(env, "add", "sync", "second", "--key-stdin", stdin=key)
        assert "should be 1 to 500 visible" in given
    assert accounts(env, "set", "sync", "x", "--concurrency", "-1").returncode == 2
    for command in ("pause", "resume", "remove"):
        assert "no such account" in refused(env, command, "sync", "nobody")


def test_a_key_that_the_services_could_not_open_is_not_sealed(
    env: dict[str, str], pg_dsn: str
) -> None:
    dsn = database.database_of(pg_dsn, "test_cli_accounts")
    add = ("add", "sync", "third", "--key-stdin")
    note = "INSERT INTO callboard.key_fingerprints (purpose, fingerprint) VALUES ('encryption', 'of-theirs')"
    asyncio.run(database.execute(dsn, note))
    assert "of-theirs" in refused(env, *add, stdin=KEY)
    asyncio.run(database.execute(dsn, "DELETE FROM callboard.key_fingerprints"))
    assert accounts(env, *add, stdin=KEY).returncode == 0


def test_doctor_says_whether_videos_can_be_kept(env: dict[str, str]) -> None:
    good = findings(env)["videos"]
    assert good["ok"] is True
    assert "GiB free" in str(good["detail"])
    full = findings(env | {"CALLBOARD_ARCHIVE_MIN_FREE_BYTES": str(2**60)})["videos"]
    assert not full["ok"]
    assert "too little" in str(full["detail"])
    unlent = env | {"CALLBOARD_ARCHIVE": "s3://bucket/x", "AWS_ACCESS_KEY_ID": ""}
    assert "AWS_ACCESS_KEY_ID" in str(findings(unlent)["videos"]["detail"])


def test_doctor_says_when_a_key_cannot_be_opened(env: dict[str, str]) -> None:
    add = ("add", "runware", "shut", "--key-stdin")
    assert accounts(env, *add, stdin=KEY).returncode == 0
    other = run({}, "keys", "generate").stdout.strip()
    found = findings(env | {"CALLBOARD_ENCRYPTION_KEYS": other})
    assert found["accounts"]["ok"] is False
    assert "the key of runware/shut cannot be opened" in str(found["accounts"]["detail"])
    assert found["runware"]["ok"] is False
    both = f"{other},{env['CALLBOARD_ENCRYPTION_KEYS']}"
    assert findings(env | {"CALLBOARD_ENCRYPTION_KEYS": both})["accounts"]["ok"] is True
    assert accounts(env, "remove", "runware", "shut").returncode == 0


@pytest.mark.parametrize("reason", sorted(WAITS))
def test_what_a_task_waits_for_is_shown_in_words(reason: str) -> None:
    told = io.StringIO()
    waiting: dict[str, Any] = {"waitingFor": reason, "results": [], "warnings": [], "error": None}
    shown = dict.fromkeys(("taskUUID", "provider", "model", "cost", "createdAt"), "x")
    with redirect_stdout(told):
        _show(waiting | shown | {"state": "queued", "resultsExpected": 1}, [])
    assert f"waits for {WAITS[reason]}" in told.getvalue()


def test_every_reason_to_wait_has_its_words() -> None:
    (reasons, _) = get_args(TaskSummary.model_fields["waitingFor"].annotation)
    assert set(WAITS) == set(get_args(reasons))
