"""The command line as processes of its own: exit codes, one clear line when something is wrong, JSON."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from service.cli.main import COMMANDS, app
from service.store.migrate import migrations
from tests.support import database
from tests.support.embedded import open_home, servers_on
from tests.support.processes import ROOT, free_port, house

TASK = {
    "provider": "sync",
    "request": {
        "model": "sync-3",
        "input": [
            {"type": "video", "url": "https://media.example/v.mp4"},
            {"type": "audio", "url": "https://media.example/a.wav"},
        ],
    },
}


def callboard(*args: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
    """Run the command with nothing of CALLBOARD_* but what is given."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("CALLBOARD_")}
    return subprocess.run(
        (sys.executable, "-m", "service", *args),
        input=stdin,
        env=clean | env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_wrong_setting_is_one_line_that_names_it_and_exit_2(tmp_path: Path) -> None:
    ended = callboard("serve", CALLBOARD_DATA_DIR=str(tmp_path), CALLBOARD_PORT="http")
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert "CALLBOARD_PORT: input should be a valid integer" in line


def test_a_database_of_ones_own_needs_keys_that_every_process_shares(tmp_path: Path) -> None:
    url = f"postgresql://postgres@127.0.0.1:{free_port()}/none"
    ended = callboard("serve", CALLBOARD_DATA_DIR=str(tmp_path), CALLBOARD_DATABASE_URL=url)
    assert ended.returncode == 2
    assert "CALLBOARD_CALLBACK_KEYS should be set" in ended.stderr
    assert "Traceback" not in ended.stderr


def own_database(dsn: str, folder: Path) -> dict[str, str]:
    """Set what a service on a server of one's own needs."""
    key = callboard("keys", "generate").stdout.strip()
    return {
        "CALLBOARD_DATABASE_URL": dsn,
        "CALLBOARD_CALLBACK_KEYS": "k" * 32,
        "CALLBOARD_ENCRYPTION_KEYS": key,
        "CALLBOARD_DATA_DIR": str(folder),
        "CALLBOARD_PORT": str(free_port()),
    }


def test_a_database_that_cannot_be_reached_is_said_in_one_line(tmp_path: Path) -> None:
    env = own_database(f"postgresql://postgres@127.0.0.1:{free_port()}/none", tmp_path)
    for command, code in (("serve", 2), ("migrate", 3)):
        ended = callboard(command, **env)
        assert ended.returncode == code
        assert "CALLBOARD_DATABASE_URL" in ended.stderr
        assert "Traceback" not in ended.stderr


async def test_serve_refuses_a_database_that_is_behind_and_migrate_mends_it(
    pg_dsn: str, tmp_path: Path
) -> None:
    await database.execute(pg_dsn, "CREATE DATABASE behind")
    env = own_database(database.database_of(pg_dsn, "behind"), tmp_path)
    try:
        refused = callboard("serve", **env)
        assert refused.returncode == 2
        assert "run `callboard migrate` first" in refused.stderr
        ran = callboard("migrate", "--json", **env)
        assert json.loads(ran.stdout) == {"ran": [m.name for m in migrations()]}
        assert json.loads(callboard("migrate", "--json", **env).stdout) == {"ran": []}
        made = json.loads(callboard("keys", "create", "ci", "--json", **env).stdout)
        listed = json.loads(callboard("keys", "list", "--json", **env).stdout)["items"]
        assert [k["id"] for k in listed] == [made["id"]]
        assert made["key"] not in json.dumps(listed)
        assert callboard("keys", "revoke", made["id"], **env).returncode == 0
        assert callboard("keys", "revoke", made["id"], **env).returncode == 1
    finally:
        await database.execute(pg_dsn, "DROP DATABASE behind WITH (FORCE)")


def test_no_service_is_exit_3_and_no_key_is_exit_2(tmp_path: Path) -> None:
    env = {
        "CALLBOARD_URL": f"http://127.0.0.1:{free_port()}",
        "CALLBOARD_DATA_DIR": str(tmp_path),
    }
    assert callboard("tasks", **env).returncode == 2
    ended = callboard("tasks", CALLBOARD_API_KEY="k", **env)
    assert ended.returncode == 3
    assert "No service answers at" in ended.stderr


def test_a_command_loads_nothing_of_the_others() -> None:
    script = """
import sys
from service.cli.main import main
sys.argv = ["callboard", "tasks", "--help"]
try:
    main()
except SystemExit:
    print(sorted({"asyncpg", "service.web", "service.bootstrap", "aiohttp.web"} & set(sys.modules)))
"""
    done = subprocess.run((sys.executable, "-c", script), capture_output=True, check=True)
    assert done.stdout.endswith(b"\n[]\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str) -> None:
    ended = CliRunner().invoke(app, [command, "--help"])
    assert ended.exit_code == 0
    assert command in ended.stdout


def test_an_unknown_role_is_exit_2(tmp_path: Path) -> None:
    ended = callboard("serve", "--role", "api,cook", CALLBOARD_DATA_DIR=str(tmp_path))
    assert ended.returncode == 2
    assert "there is no role 'cook'" in ended.stderr


async def test_tasks_go_in_and_are_followed_from_the_command_line() -> None:
    with open_home() as home, house(home, {}) as running:
        await running.ready()
        env = {"CALLBOARD_URL": running.url, "CALLBOARD_API_KEY": "cb_test_key_of_the_whole_tests"}
        named = json.dumps(TASK | {"account": "default"})
        done = callboard("submit", "-", "--wait", "--json", stdin=named, **env)
        assert done.returncode == 0, done.stderr
        task = json.loads(done.stdout)
        assert task["state"] == "completed"
        shown = json.loads(callboard("show", task["taskUUID"], "--json", **env).stdout)
        kinds = {e["kind"] for e in shown["timeline"]}
        assert {"transition", "upstream", "callback", "event"} <= kinds
        listed = json.loads(callboard("tasks", "--state", "completed", "--json", **env).stdout)
        assert [t["taskUUID"] for t in listed["items"]] == [task["taskUUID"]]
        events = callboard("events", "--json", **env).stdout.splitlines()
        assert [json.loads(e)["type"] for e in events][-1] == "task.completed"
        failing = TASK | {"labels": {"why": "to fail"}}
        failing["request"] = json.loads(
            json.dumps(TASK["request"]).replace("v.mp4", "v.mp4?simulate=fail")
        )
        failed = callboard("submit", "-", "--wait", stdin=json.dumps(failing), **env)
        assert failed.returncode == 1
        wrong = callboard("submit", "-", stdin=json.dumps(TASK | {"provider": "nobody"}), **env)
        assert wrong.returncode == 2
        assert "/provider" in wrong.stderr
        nobodys = callboard("submit", "-", stdin=json.dumps([TASK | {"account": "third"}]), **env)
        assert nobodys.returncode == 2
        assert "/0/account" in nobodys.stderr
        nowhere = callboard("submit", "-", "--archive", "ftp://x", stdin=json.dumps(TASK), **env)
        assert nowhere.returncode == 2
        assert "/archive" in nowhere.stderr
        own = json.dumps([TASK | {"archive": "none"}])
        assert callboard("submit", "-", "--archive", "ftp://x", stdin=own, **env).returncode == 0
        assert callboard("cancel", task["taskUUID"], **env).returncode == 2
        again = json.loads(callboard("retry", task["taskUUID"], "--json", **env).stdout)
        assert again["retryOf"] == task["taskUUID"]
        assert callboard("delete", "nobody", **env).returncode == 2
        assert callboard("delete", task["taskUUID"], **env).stdout == "Erased.\n"
        assert callboard("show", task["taskUUID"], **env).returncode == 2
        assert "erased" in callboard("events", "--task", task["taskUUID"], **env).stdout


def test_the_demo_comes_out_right_and_leaves_nothing_running() -> None:
    ended = callboard("demo", "--json")
    assert ended.returncode == 0, ended.stdout + ended.stderr
    said = json.loads(ended.stdout)
    assert said["ok"]
    assert len(said["tasks"]) == 10
    homes = Path(tempfile.gettempdir()) / "callboard-demo-"
    assert not servers_on(homes)
    assert not list(homes.parent.glob(f"{homes.name}*"))
