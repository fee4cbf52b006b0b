"""Subscriptions from the command line, against a service in this process: each process of its own takes a second."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.cli.output import Failed
from service.cli.subscription_options import json_object, pairs, with_resets
from service.ports import Sent
from service.store.pool import Pool
from tests.cli.test_cli import callboard
from tests.support.house import API_KEY
from tests.support.processes import free_port
from tests.support.web import Api, serving

HOOK = "https://app.example/hooks"
CONDITION = '$.result.cost > 0.5 && $.task.labels.project == "spring"'
FILE = ("create", "--kind", "file", "--settings", '{"path": "events.jsonl"}')


@dataclass(frozen=True, slots=True)
class Ended:
    """What a command printed, and its exit code; a text that `main` would print is its error."""

    code: int
    out: str
    error: str


class Commands:
    """Runs `callboard subscriptions …`, in a thread: the service is in this loop."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self._env = {"CALLBOARD_URL": api.base, "CALLBOARD_API_KEY": API_KEY}

    async def run(self, *args: str, stdin: str = "") -> Ended:
        command = ["subscriptions", *args]
        runner = CliRunner()
        done = await asyncio.to_thread(runner.invoke, app, command, input=stdin, env=self._env)
        # The service logs to the same place.
        lines = done.stdout.splitlines(keepends=True)
        out = "".join(line for line in lines if not line.startswith("[info "))
        if isinstance(done.exception, Failed):
            return Ended(done.exception.code, out, done.exception.text)
        assert isinstance(done.exception, SystemExit | None), done.exception
        return Ended(done.exit_code, out, done.stderr)

    async def told(self, *args: str, code: int = 0) -> Any:
        ended = await self.run(*args, "--json")
        assert ended.code == code, ended
        return json.loads(ended.out)


@pytest.fixture
async def commands(pool: Pool) -> AsyncIterator[Commands]:
    """Serve, and run commands against it."""
    async with serving(pool) as api:
        yield Commands(api)


async def test_every_field_can_be_given(commands: Commands) -> None:
    fields = (
        *("--type", "video.*", "--type", "task.failed", "--provider", "sync"),
        *("--model", "sync-3", "--label", "project:spring", "--condition", CONDITION),
        *("--header", "Authorization: Bearer abc", "--signature", "v1", "--signature", "v1a"),
        *("--concurrency", "3", "--rate-per-minute", "90", "--timeout", "2.5", "--handshake"),
        *("--include-request", "--description", "Spring", "--idempotency-key", "one"),
    )
    made = await commands.told("create", HOOK, *fields)
    assert made["types"] == ["video.*", "task.failed"]
    assert made["labels"] == {"project": "spring"}
    assert (made["provider"], made["model"]) == ("sync", "sync-3")
    assert (made["condition"], made["timeoutSeconds"]) == (CONDITION, 2.5)
    assert (made["concurrency"], made["ratePerMinute"]) == (3, 90)
    assert (made["includeRequest"], made["handshake"]) == (True, True)
    assert made["headers"] == {"Authorization": "***"}
    assert made["publicKey"].startswith("whpk_")
    assert await commands.told("create", "--url", HOOK, *fields) == made


async def test_what_is_given_changes_and_what_is_reset_has_its_default(commands: Commands) -> None:
    more = ("--label", "project:spring", "--header", "X-A: 1", "--condition", CONDITION)
    made = await commands.told("create", HOOK, *more)
    name = made["id"]
    changed = await commands.told(
        *("update", name, "--label", "team:a", "--reset", "labels.project"),
        *("--reset", "condition", "--include-request", "--format", "batched"),
        *("--batch-size", "10", "--reset", "headers.X-A"),
    )
    assert changed["labels"] == {"team": "a"}
    assert (changed["condition"], changed["headers"]) == (None, {})
    assert (changed["format"], changed["batchSize"]) == ("batched", 10)
    again = await commands.told("update", name, "--reset", "format", "--no-include-request")
    assert (again["format"], again["includeRequest"]) == ("structured", False)
    assert (await commands.told("disable", name))["disabledReason"] == "user"
    assert (await commands.told("enable", name))["enabled"] is True
    assert "Say what to change" in (await commands.run("update", name)).error


async def test_a_test_exits_1_when_it_did_not_arrive(commands: Commands) -> None:
    name = (await commands.told("create", HOOK))["id"]
    assert (await commands.told("test", name))["ok"] is True
    commands.api.house.sink.answers.append(Sent(ok=False, error="timeout"))
    assert (await commands.told("test", name, code=1))["error"] == "timeout"
    assert "durationMs" in (await commands.run("test", name)).out


async def test_a_secret_is_shown_by_what_makes_it(commands: Commands) -> None:
    made = await commands.run("create", HOOK)
    name, secret = made.out.splitlines()
    assert secret.startswith("secret: whsec_")
    rotated = await commands.told("rotate-secret", name, "--overlap", "60")
    assert rotated["secret"].startswith("whsec_")
    assert "secret: whsec_" in (await commands.run("rotate-secret", name)).out
    assert "secret" not in (await commands.run("show", name)).out.split()


async def test_lists_are_whole_and_can_be_narrowed(commands: Commands) -> None:
    hook = (await commands.told("create", HOOK))["id"]
    file = (await commands.told(*FILE, "--disabled"))["id"]

    async def listed(*options: str) -> list[str]:
        return [s["id"] for s in (await commands.told("list", *options))["items"]]

    assert await listed() == [hook, file]
    assert await listed("--kind", "file") == [file]
    assert await listed("--enabled") == [hook]
    assert await listed("--disabled") == [file]
    assert "no (user)" in (await commands.run("list")).out
    assert (await commands.run("delete", hook)).out == "Deleted.\n"
    assert (await commands.run("show", hook)).code == 2


async def test_what_is_wrong_is_named_with_exit_2(commands: Commands) -> None:
    wrong = await commands.run("create", HOOK, "--condition", "$.a", "--timeout", "99")
    assert wrong.code == 2
    assert "/condition" in wrong.error
    assert "/timeoutSeconds" in wrong.error
    secret = await commands.run(*FILE, "--credentials-stdin", stdin='{"a": "tok-5e1f"}')
    assert "/credentials" in secret.error
    assert "tok-5e1f" not in secret.error
    assert (await commands.run("create", HOOK, "--url", HOOK)).error == "Give the URL once."


def test_nobody_at_the_url_is_exit_3() -> None:
    env = {"CALLBOARD_URL": f"http://127.0.0.1:{free_port()}", "CALLBOARD_API_KEY": API_KEY}
    assert callboard("subscriptions", "list", **env).returncode == 3


def test_pairs_are_split_at_the_first_mark_and_not_repeated_when_wrong() -> None:
    given = ["Authorization: Bearer a:b"]
    assert pairs(given, ":", "--header", "x") == {"Authorization": "Bearer a:b"}
    assert pairs(None, ":", "--header", "x") is None
    with pytest.raises(Failed) as caught:
        pairs(["tok-secret"], ":", "--header", "'Name: value'")
    assert "tok-secret" not in caught.value.text


@pytest.mark.parametrize("text", ["[]", "x", '"a"', "1"])
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(Failed, match="should be a JSON object"):
        json_object(text, "--settings")


def test_resets_are_nulls_of_a_field_or_of_one_member() -> None:
    patch = {"labels": {"b": "2"}}
    assert with_resets(patch, ["labels.a", "model", "headers.X-A.b"]) == {
        "labels": {"b": "2", "a": None},
        "model": None,
        "headers": {"X-A.b": None},
    }
    with pytest.raises(Failed, match="Set labels or reset it"):
        with_resets(patch, ["labels"])
