"""The embedded Postgres lives and dies: killed, leaked, shared, taken over. On every PostgreSQL here."""

import asyncio
import os
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import asyncpg
import pytest

from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable
from tests.support.embedded import (
    AS_ROOT,
    child,
    cluster_with_table,
    open_home,
    owns,
    pid_file_of,
    query,
    servers_on,
    socket_folder,
    tended,
    until,
)

pytestmark = [pytest.mark.pg, pytest.mark.timeout(60)]

SYSTEM_BINS = sorted(Path("/usr/lib/postgresql").glob("1[5-8]/bin"))


@pytest.fixture
def home() -> Iterator[Path]:
    with open_home() as folder:
        yield folder


@pytest.fixture(
    scope="module", params=[None, *SYSTEM_BINS], ids=lambda path: path and path.parts[-2]
)
def pg_bin(request: pytest.FixtureRequest) -> Path | None:
    chosen: Path | None = request.param
    return chosen


@pytest.fixture(scope="module")
def data_dir(pg_bin: Path | None) -> Iterator[Path]:
    with cluster_with_table(pg_bin) as folder:
        yield folder


def count(dsn: str, n: int) -> int:
    found: int = query(dsn, "SELECT count(*) FROM kept WHERE n = $1", n)
    return found


def test_data_is_there_after_a_restart(data_dir: Path, pg_bin: Path | None) -> None:
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    dsn = postgres.start()
    assert owns(postgres)
    assert postgres.location == data_dir
    query(dsn, "INSERT INTO kept VALUES (1)")
    postgres.stop()
    postgres.stop()
    assert not owns(postgres)
    assert not servers_on(data_dir)
    assert not socket_folder(dsn).exists()
    assert postgres.start() == dsn
    assert count(dsn, 1) == 1
    postgres.stop()


def test_server_is_durable_and_closed_to_others(
    data_dir: Path, pg_bin: Path | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLBOARD_RUNWARE_API_KEY", "not-for-the-server")
    monkeypatch.setenv("PGPORT", "1234")
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    dsn = postgres.start()
    for name in ("fsync", "full_page_writes", "synchronous_commit"):
        assert query(dsn, f"SHOW {name}") == "on"
    assert query(dsn, "SHOW listen_addresses") == ""
    sockets = socket_folder(dsn)
    assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
    assert sockets.stat().st_uid == pid_file_of(data_dir).stat().st_uid != 0
    assert stat.S_IMODE((data_dir / "postgres.log").stat().st_mode) == 0o600
    for pid in servers_on(data_dir):
        assert b"not-for-the-server" not in Path(f"/proc/{pid}/environ").read_bytes()
        assert "Groups:\t \n" in Path(f"/proc/{pid}/status").read_text() or not AS_ROOT
    postgres.stop()


def test_server_stops_when_its_parent_is_killed(data_dir: Path, pg_bin: Path | None) -> None:
    with child(data_dir, pg_bin) as first:
        query(first.told()["dsn"], "INSERT INTO kept VALUES (2)")
        assert servers_on(data_dir)
        first.kill()
        until(lambda: not servers_on(data_dir))
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    assert count(postgres.start(), 2) == 1
    postgres.stop()


def test_kill_inside_initdb_leaves_no_half_cluster(home: Path, pg_bin: Path | None) -> None:
    def kill_when_there_is(file: str) -> None:
        with child(home, pg_bin) as killed:
            until(lambda: any(home.glob(f"pgdata*.new/{file}")))
            killed.kill()
            until(lambda: not servers_on(home))
        assert [path.suffix for path in home.glob("pgdata*")] == [".new"]

    kill_when_there_is("PG_VERSION")
    kill_when_there_is("base/1/PG_VERSION")
    postgres = EmbeddedPostgres(home, pg_bin=pg_bin)
    assert query(postgres.start(), "SELECT 1") == 1
    assert not list(home.glob("pgdata*.new"))
    postgres.stop()


def test_process_with_the_number_of_a_stale_pid_file_is_left_alone(
    data_dir: Path, pg_bin: Path | None
) -> None:
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    postgres.start()
    pid_file = pid_file_of(data_dir)
    lines = pid_file.read_text().splitlines()
    server = pid_file.stat()
    postgres.stop()
    # As the server's user: Postgres itself sees that another user's process is not a server.
    user, group = (server.st_uid, server.st_gid) if AS_ROOT else (None, None)
    with subprocess.Popen(["sleep", "60"], user=user, group=group) as stranger:
        pid_file.write_text("\n".join([str(stranger.pid), *lines[1:], ""]))
        os.chown(pid_file, server.st_uid, server.st_gid)
        assert query(postgres.start(), "SELECT 1") == 1
        assert stranger.poll() is None
        postgres.stop()
        stranger.kill()


def test_leaked_server_is_stopped_first(data_dir: Path, pg_bin: Path | None) -> None:
    """Where the kernel cannot tie the server to its parent (macOS), a killed parent leaks it."""
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    dsn = postgres.start()
    pid_file = pid_file_of(data_dir)
    pid = int(pid_file.read_text().split()[0])
    command = Path(f"/proc/{pid}/cmdline").read_text().rstrip("\0").split("\0")
    server = pid_file.stat()
    postgres.stop()
    socket_folder(dsn).mkdir(mode=0o700)
    os.chown(socket_folder(dsn), server.st_uid, server.st_gid)
    user, group = (server.st_uid, server.st_gid) if AS_ROOT else (None, None)
    with subprocess.Popen(command, cwd="/", user=user, group=group) as leaked:
        until(lambda: pid_file.exists() and "ready" in pid_file.read_text())
        query(dsn, "INSERT INTO kept VALUES (5)")
        assert count(postgres.start(), 5) == 1
        assert leaked.poll() == 0
    postgres.stop()


def test_attached_process_takes_over_when_the_owner_is_killed(
    data_dir: Path, pg_bin: Path | None
) -> None:
    with child(data_dir, pg_bin) as first:
        dsn = first.told()["dsn"]
        postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
        assert postgres.start() == dsn
        postgres.tend()
        assert not owns(postgres)

        found = "SELECT n FROM kept WHERE n = 3"

        async def live_through_it() -> None:
            async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool:
                await pool.execute("INSERT INTO kept VALUES (3)")
                first.kill()
                until(lambda: tended(postgres))
                # An old connection tells of its end once; then the pool makes new ones.
                with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                    await pool.fetchval(found)
                assert await pool.fetchval(found) == 3

        asyncio.run(live_through_it())
        postgres.stop()


def test_attached_process_takes_over_when_the_owner_stops(
    data_dir: Path, pg_bin: Path | None
) -> None:
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    dsn = postgres.start()
    query(dsn, "INSERT INTO kept VALUES (4)")
    with child(data_dir, pg_bin) as second:
        assert second.told()["owner"] is False
        postgres.stop()
        assert second.told() == {"dsn": dsn, "owner": True, "location": str(data_dir)}
        assert count(dsn, 4) == 1
        assert postgres.start() == dsn
        assert not owns(postgres)
        postgres.stop()
        assert count(dsn, 4) == 1


def test_two_processes_starting_at_once_share_one_server(home: Path, pg_bin: Path | None) -> None:
    with child(home, pg_bin) as one, child(home, pg_bin) as other:
        told = [one.told(), other.told()]
        assert sorted(facts["owner"] for facts in told) == [False, True]
        assert [query(facts["dsn"], "SELECT 1") for facts in told] == [1, 1]


def test_owner_starts_a_dead_server_again(data_dir: Path, pg_bin: Path | None) -> None:
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    dsn = postgres.start()
    query(dsn, "INSERT INTO kept VALUES (6)")
    pid_file = pid_file_of(data_dir)
    killed = pid_file.read_text().split()[0]
    os.kill(int(killed), signal.SIGKILL)
    until(lambda: tended(postgres) and pid_file.read_text().split()[0] != killed)
    assert count(dsn, 6) == 1
    postgres.stop()


def test_failed_start_says_what_postgres_said(data_dir: Path, pg_bin: Path | None) -> None:
    settings = pid_file_of(data_dir).with_name("postgresql.auto.conf")
    before = settings.read_text()
    settings.write_text("shared_preload_libraries = 'no_such_library'\n")
    postgres = EmbeddedPostgres(data_dir, pg_bin=pg_bin)
    with pytest.raises(EmbeddedUnavailable, match=r"did not start: .*no_such_lib.*postgres\.log"):
        postgres.start()
    assert not postgres.owner
    assert not servers_on(data_dir)
    settings.write_text(before)
