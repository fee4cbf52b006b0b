"""Room on a disk is what is free, without what is to stay free."""

import shutil
from pathlib import Path

import pytest

from service.media.space import Space


async def test_room_ends_where_what_is_to_stay_free_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1000, 300, 700))
    space = Space(tmp_path, min_free_bytes=100)
    assert [await space.room(size) for size in (0, 600, 601, 10**9)] == [True, True, False, False]
    assert not await Space(tmp_path, min_free_bytes=701).room(0)


async def test_the_disk_of_this_machine_is_asked(tmp_path: Path) -> None:
    assert await Space(tmp_path).room(1)
    assert not await Space(tmp_path).room(2**62)


async def test_a_folder_that_is_still_to_be_made_is_on_the_disk_of_its_parent(
    tmp_path: Path,
) -> None:
    assert await Space(tmp_path / "not" / "yet").room(1)
