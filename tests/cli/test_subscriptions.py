"""Subscriptions from the command line, against a service and a receiver that run."""

import json
import subprocess
from typing import Any

import pytest

from service.cli.output import Failed
from service.cli.subscription_options import json_object, pairs, with_resets
from tests.cli.test_cli import callboard
from tests.support.embedded import open_home
from tests.support.processes import API_KEY, free_port, house
from tests.support.receiver import receiving

CONDITION = '$.result.cost > 0.5 && $.task.labels.project == "spring"'


class Commands:
    """Runs `callboard subscriptions …` against a service."""

    def __init__(self, url: str) -> None:
        self._env = {"CALLBOARD_URL": url, "CALLBOARD_API_KEY": API_KEY}

    def run(self, *args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return callboard("subscriptions", *args, stdin=stdin, **self._env)

    def told(self, *args: str, code: int = 0) -> Any:
        ended = self.run(*args, "--json")
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout)


async def test_a_subscription_is_made_changed_tried_and_deleted() -> None:
    with open_home() as home, house(home, {}) as running:
        await running.ready()
        async with receiving() as receiver:
            commands = Commands(running.url)
            fields = (
                *("--type", "video.*", "--type", "task.failed", "--provider", "sync"),
                *("--model", "sync-3", "--label", "project:spring", "--condition", CONDITION),
                *("--header", "Authorization: Bearer abc", "--signature", "v1"),
                *("--signature", "v1a", "--concurrency", "3", "--rate-per-minute", "90"),
                *("--timeout", "2.5", "--include-request", "--description", "Spring"),
            )
            made = commands.told("create", receiver.url, *fields)
            assert made["types"] == ["video.*", "task.failed"]
            assert made["labels"] == {"project": "spring"}
            assert (made["provider"], made["model"]) == ("sync", "sync-3")
            assert (made["condition"], made["timeoutSeconds"]) == (CONDITION, 2.5)
            assert (made["concurrency"], made["ratePerMinute"]) == (3, 90)
            assert made["headers"] == {"Authorization": "***"}
            assert made["publicKey"].startswith("whpk_")
            name = made["id"]

            _changes(commands, name)
            _rotates(commands, name)
            receiver.secret = None
            tried = commands.run("test", name)
            assert tried.returncode in {0, 1}
            assert "durationMs" in tried.stdout
            commands.told("update", name, "--url", f"http://127.0.0.1:{free_port()}/")
            assert commands.told("test", name, code=1)["ok"] is False
            _lists(commands, name)
            assert commands.run("delete", name).stdout == "Deleted.\n"
            assert commands.run("show", name).returncode == 2


def _changes(commands: Commands, name: str) -> None:
    changed = commands.told(
        *("update", name, "--label", "team:a", "--reset", "labels.project"),
        *("--reset", "condition", "--no-include-request", "--format", "batched"),
        *("--batch-size", "10", "--reset", "headers.Authorization"),
    )
    assert changed["labels"] == {"team": "a"}
    assert (changed["condition"], changed["headers"]) == (None, {})
    assert (changed["format"], changed["batchSize"]) == ("batched", 10)
    assert commands.told("disable", name)["disabledReason"] == "user"
    assert commands.told("enable", name)["enabled"] is True
    assert commands.told("update", name, "--reset", "format")["format"] == "structured"
    assert "Say what to change" in commands.run("update", name).stderr


def _rotates(commands: Commands, name: str) -> None:
    rotated = commands.told("rotate-secret", name, "--overlap", "60")
    assert rotated["secret"].startswith("whsec_")
    assert "secret: whsec_" in commands.run("rotate-secret", name).stdout


def _lists(commands: Commands, name: str) -> None:
    settings = ("--settings", '{"path": "events.jsonl"}')
    file = commands.told("create", "--kind", "file", *settings, "--disabled")
    assert (file["secret"], file["enabled"]) == (None, False)
    assert [s["id"] for s in commands.told("list")["items"]] == [name, file["id"]]
    assert [s["id"] for s in commands.told("list", "--kind", "file")["items"]] == [file["id"]]
    assert [s["id"] for s in commands.told("list", "--enabled")["items"]] == [name]
    assert "no (user)" in commands.run("list").stdout
    wrong = commands.run("create", "http://a.example", "--condition", "$.a", "--timeout", "99")
    assert wrong.returncode == 2
    assert "/condition" in wrong.stderr
    assert "/timeoutSeconds" in wrong.stderr
    secret = commands.run(
        *("create", "--kind", "file", *settings, "--credentials-stdin"), stdin='{"a": "tok"}'
    )
    assert "/credentials" in secret.stderr


def test_nobody_at_the_url_is_exit_3() -> None:
    assert Commands(f"http://127.0.0.1:{free_port()}").run("list").returncode == 3


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
