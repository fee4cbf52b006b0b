"""The disk: what is on it, who may see it, what a full or read-only one says, and what a kill leaves."""

import asyncio
import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service.core.fault import FaultKind
from service.media.places.disk import TEMP, Disk
from tests.conformance.places.conftest import Make
from tests.support.kept import fault_of, noise, whole
from tests.support.processes import ROOT

MEGABYTE = 2**20
OTHER_DISK = Path("/dev/shm")  # noqa: S108 - another file system is what is wanted


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a megabyte."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        check=False,
        capture_output=True,
    )
    if mounted.returncode:
        pytest.skip("this machine does not let its tests mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """Give a folder on another file system."""
    if not OTHER_DISK.is_dir() or OTHER_DISK.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("this machine has no second file system to write to")
    folder = OTHER_DISK / f"callboard-{uuid4()}"
    folder.mkdir()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


def names(root: Path) -> set[str]:
    """Name every file below a root."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def folders(root: Path) -> set[str]:
    """Name every folder below a root."""
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_dir()}


async def test_file_and_its_folders_are_their_owners_alone(
    disk: Disk, root: Path, make: Make
) -> None:
    made = make()
    made.file.chmod(0o644)
    before = made.file.stat().st_ino
    location = await disk.keep(made.file, made.name, made.media)
    assert location == made.name
    kept = root / location
    assert kept.stat().st_ino == before, "it was copied"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    for folder in kept.parents:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700, folder
        if folder == root:
            break


async def test_file_from_another_disk_is_copied_and_leaves_nothing_beside(
    disk: Disk, root: Path, make: Make, elsewhere: Path
) -> None:
    made = make(3 * MEGABYTE + 1)
    there = elsewhere / "file"
    there.write_bytes(made.content)
    location = await disk.keep(there, made.name, made.media)
    assert await whole(disk, location, made.media.bytes) == made.content
    assert names(root) == {made.name}
    assert stat.S_IMODE((root / location).stat().st_mode) == 0o600


async def test_what_is_kept_was_synced_with_every_folder_up_to_the_root(
    disk: Disk, root: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, calls = make(), list[int | str]()
    sync, rename = os.fsync, os.replace

    def noted_sync(number: int) -> None:
        calls.append(os.fstat(number).st_ino)
        sync(number)

    def noted_rename(*args: Any, **more: Any) -> None:
        calls.append("renamed")
        rename(*args, **more)

    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_rename)
    await disk.keep(made.file, made.name, made.media)
    above = [f for f in (root / made.name).parents if f.is_relative_to(root)]
    assert calls == [root.parent.stat().st_ino, "renamed", *(f.stat().st_ino for f in above)]


async def test_deleting_takes_folders_along_that_are_empty_then(
    disk: Disk, root: Path, make: Make
) -> None:
    made, other = make(), make()
    for each in (made, other):
        await disk.keep(each.file, each.name, each.media)
    await disk.delete(made.name)
    assert not (root / made.folder).exists()
    assert names(root) == {other.name}
    await disk.delete_folder(other.folder)
    assert names(root) == set()
    assert folders(root) == set()


async def test_full_disk_keeps_nothing_and_is_tried_again(small: Path, make: Make) -> None:
    disk, big, little = Disk(small / "media"), make(2 * MEGABYTE), make(1000)
    fault = await fault_of(disk.keep(big.file, big.name, big.media))
    assert (fault.code, fault.kind) == ("disk_full", FaultKind.TRANSIENT)
    assert str(small) not in fault.message
    assert names(small) == set()
    assert big.file.read_bytes() == big.content
    assert await disk.keep(little.file, little.name, little.media)


async def test_disk_that_became_read_only_is_named_so(small: Path, make: Make) -> None:
    disk, made = Disk(small / "media"), make(1000)
    await disk.check()
    location = await disk.keep(made.file, made.name, made.media)
    await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(small)], check=True)
    for work in (
        disk.keep(made.again(), made.name, made.media),
        disk.delete(location),
        disk.delete_folder(made.folder),
        disk.check(),
    ):
        fault = await fault_of(work)
        assert (fault.code, fault.kind) == ("not_writable", FaultKind.TRANSIENT)
    assert await whole(disk, location, 1000) == made.content


async def test_links_inside_are_not_followed_and_the_root_may_be_one(
    tmp_path: Path, make: Make
) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "media").symlink_to("real")
    disk, made = Disk(tmp_path / "media"), make()
    await disk.keep(made.file, made.name, made.media)
    assert await whole(disk, made.name, 100_000) == made.content
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "file").write_text("secret")
    (tmp_path / "real" / "link").symlink_to(secret)
    (tmp_path / "real" / "file").symlink_to(secret / "file")
    for work in (
        disk.read("link/file", 0, 10),
        disk.read("file", 0, 10),
        disk.delete("link/file"),
        disk.keep(made.again(), "link/file", made.media),
    ):
        assert (await fault_of(work)).code == "refused_location"
    assert (await fault_of(disk.delete_folder("link"))).code == "disk_error"
    assert names(secret) == {"file"}
    await disk.delete("file")
    assert (secret / "file").read_text() == "secret", "the link went, not what it led to"


async def test_what_is_not_whole_yet_is_no_location(disk: Disk) -> None:
    temp = await disk.temp(uuid4(), 0)
    temp.write_bytes(b"half")
    fault = await fault_of(disk.read(f"{TEMP}/{temp.name}", 0, 10))
    assert fault.code == "refused_location"


async def test_temporary_files_are_new_and_on_the_disk_they_are_renamed_on(
    disk: Disk, root: Path, make: Make
) -> None:
    task = uuid4()
    temps = [await disk.temp(task, 0) for _ in range(3)]
    assert len(set(temps)) == 3
    assert not any(temp.exists() for temp in temps)
    assert all(str(task) in temp.name and str(os.getpid()) in temp.name for temp in temps)
    assert stat.S_IMODE((root / TEMP).stat().st_mode) == 0o700
    made = make()
    temps[0].write_bytes(made.content)
    await disk.keep(temps[0], made.name, made.media)
    assert names(root) == {made.name}


async def test_sweep_removes_what_nobody_wrote_to_for_long(
    disk: Disk, root: Path, make: Make
) -> None:
    assert await disk.sweep(60, 0) == 0
    made, old, new = make(), await disk.temp(uuid4(), 0), await disk.temp(uuid4(), 0)
    await disk.keep(made.file, made.name, made.media)
    for temp in (old, new):
        temp.write_bytes(b"half")
    now = new.stat().st_mtime
    os.utime(old, (now - 61, now - 61))
    os.utime(root / made.name, (0, 0))
    assert await disk.sweep(60, now) == 1
    assert names(root) == {made.name, f"{TEMP}/{new.name}"}


def test_wherever_keeping_is_killed_no_half_file_is_seen(tmp_path: Path) -> None:
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    assert _killed(tmp_path / "roots", downloads) > 20


def test_wherever_copying_from_another_disk_is_killed_no_half_file_is_seen(
    tmp_path: Path, elsewhere: Path
) -> None:
    assert _killed(tmp_path / "roots", elsewhere) > 30


def _killed(roots: Path, downloads: Path) -> int:
    """Kill at every step; gives how many there were."""
    content = noise(1000).hex()
    ran = subprocess.run(
        (sys.executable, "-m", "tests.support.disk_child", str(roots), content, str(downloads)),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    attempts = [json.loads(line) for line in ran.stdout.splitlines()]
    for killed, after_kill, again, kept, _ in attempts:
        assert kept.startswith("default/6f/")
        assert after_kill in ([], [content]), "a half file was seen"
        assert killed or after_kill == [content]
        assert again == [content]
    assert any(after for _, after, *_ in attempts[:-1]), "never killed after it was renamed"
    return len(attempts)
