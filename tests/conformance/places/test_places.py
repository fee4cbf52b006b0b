"""What every place that can be read does: the same tests for the disk and for S3."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.core.fault import FaultKind
from service.ports import Place, PlaceError
from tests.conformance.places.conftest import Make
from tests.support.kept import Made, fault_of, joined, noise, whole

MEGABYTE = 2**20


@pytest.mark.parametrize("size", [0, 1, 700_000, 9 * MEGABYTE])
async def test_what_was_kept_is_read_back_whole(place: Place, make: Make, size: int) -> None:
    made = make(size)
    location = await place.keep(made.file, made.name, made.media)
    assert location.endswith(made.name)
    assert await whole(place, location, size) == made.content


async def test_any_range_is_read_back(place: Place, make: Make) -> None:
    made = make(5 * MEGABYTE + 3)
    location = await place.keep(made.file, made.name, made.media)
    edges = st.sampled_from([0, 1, 2**19, MEGABYTE, 4 * MEGABYTE, 5 * MEGABYTE, 5 * MEGABYTE + 3])
    anywhere = edges | st.integers(0, 6 * MEGABYTE)
    ranges: list[tuple[int, int]] = []

    @given(anywhere, anywhere)
    @settings(
        max_examples=15, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    def draw(start: int, length: int) -> None:
        ranges.append((start, length))

    draw()
    for start, length in ranges:
        read = await joined(place.read(location, start, length))
        assert read == made.content[start : start + length], (start, length)


async def test_parts_are_small_enough_to_hold(place: Place, make: Make) -> None:
    made = make(6 * MEGABYTE)
    location = await place.keep(made.file, made.name, made.media)
    sizes = [len(part) async for part in place.read(location, 0, 6 * MEGABYTE)]
    assert sum(sizes) == 6 * MEGABYTE
    assert max(sizes) <= MEGABYTE


@pytest.mark.parametrize("size", [1000, 9 * MEGABYTE])
async def test_keeping_twice_is_keeping_once(place: Place, make: Make, size: int) -> None:
    made = make(size)
    first = await place.keep(made.file, made.name, made.media)
    second = await place.keep(made.again(), made.name, made.media)
    assert first == second
    assert await whole(place, first, size) == made.content


@pytest.mark.parametrize("size", [1000, 9 * MEGABYTE])
async def test_those_who_keep_the_same_at_once_all_have_kept_it(
    place: Place, make: Make, tmp_path: Path, size: int
) -> None:
    made = make(size)
    rivals = [Made(tmp_path, made.content, made.task) for _ in range(5)]
    kept = await asyncio.gather(*(place.keep(r.file, r.name, r.media) for r in rivals))
    assert len(set(kept)) == 1
    assert await whole(place, kept[0], size) == made.content


async def test_what_has_another_length_under_its_name_is_written_over(
    place: Place, make: Make, tmp_path: Path
) -> None:
    made = make(1000)
    other = Made(tmp_path, noise(10), made.task)
    await place.keep(other.file, made.name, other.media)
    location = await place.keep(made.file, made.name, made.media)
    assert await whole(place, location, 2000) == made.content


async def test_file_that_is_not_there_or_not_whole_is_not_kept(place: Place, make: Make) -> None:
    made = make(1000)
    made.file.write_bytes(made.content[:-1])
    fault = await fault_of(place.keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("no_file", FaultKind.TRANSIENT)
    made.file.unlink()
    assert (await fault_of(place.keep(made.file, made.name, made.media))).code == "no_file"
    location = await place.keep(made.again(), made.name, made.media)
    assert await whole(place, location, 1000) == made.content


async def test_what_is_not_there_is_gone(place: Place, make: Make) -> None:
    made = make()
    location = await place.keep(made.file, made.name, made.media)
    for start, length in ((0, 10), (5, 0)):
        fault = await fault_of(place.read(f"{location}x", start, length))
        assert (fault.code, fault.kind) == ("gone", FaultKind.PERMANENT)


async def test_deleting_twice_is_deleting_once(place: Place, make: Make) -> None:
    made, other = make(), make()
    location = await place.keep(made.file, made.name, made.media)
    beside = await place.keep(other.file, other.name, other.media)
    await place.delete(location)
    await place.delete(location)
    assert (await fault_of(place.read(location, 0, 10))).code == "gone"
    assert await whole(place, beside, 100_000) == other.content


async def test_folder_of_a_task_goes_with_all_in_it_and_nothing_else(
    place: Place, make: Make
) -> None:
    made, other = make(), make()
    locations = [
        await place.keep(made.again(), f"{made.folder}/{index}-{index}.mp4", made.media)
        for index in range(3)
    ]
    beside = await place.keep(other.file, f"{made.folder}-longer/0.mp4", other.media)
    await place.delete_folder(made.folder)
    await place.delete_folder(made.folder)
    for location in locations:
        assert (await fault_of(place.read(location, 0, 10))).code == "gone"
    assert await whole(place, beside, 100_000) == other.content


async def test_reader_of_what_is_deleted_meanwhile_has_it_whole_or_an_error(
    place: Place, make: Make
) -> None:
    made = make(9 * MEGABYTE)
    location = await place.keep(made.file, made.name, made.media)
    reading = place.read(location, 0, 9 * MEGABYTE)
    first = await anext(reading)
    await place.delete(location)
    rest, code = b"", None
    try:
        rest = await joined(reading)
    except PlaceError as error:
        code = error.fault.code
    assert code == "gone" or first + rest == made.content


async def test_deleting_and_keeping_in_one_folder_at_once_harm_each_other_not(
    place: Place, make: Make, tmp_path: Path
) -> None:
    made = make(1000)
    stays = [Made(tmp_path, noise(1000), made.task) for _ in range(12)]
    name = f"{made.folder}/passing.mp4"

    async def come_and_go() -> None:
        for _ in range(12):
            await place.delete(await place.keep(made.again(), name, made.media))

    async def come() -> list[str]:
        return [await place.keep(s.file, s.name, s.media) for s in stays]

    _, kept = await asyncio.gather(come_and_go(), come())
    for location, stay in zip(kept, stays, strict=True):
        assert await whole(place, location, 1000) == stay.content


@pytest.mark.parametrize(
    "bad",
    ["", "/", "..", "../x", "a/../b", "a//b", "/etc/passwd", "a/", "./a", "file:///etc/passwd"],
)
async def test_location_that_leads_out_is_refused(place: Place, make: Make, bad: str) -> None:
    made = make(10)
    location = await place.keep(made.file, made.name, made.media)
    prefix = location.removesuffix(made.name)
    for wrong in {bad, prefix + bad}:
        for work in (place.read(wrong, 0, 10), place.delete(wrong)):
            fault = await fault_of(work)
            assert (fault.code, fault.kind) == ("refused_location", FaultKind.PERMANENT)
    assert await whole(place, location, 10) == made.content
