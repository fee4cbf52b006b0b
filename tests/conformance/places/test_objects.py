"""Object stores: S3 by moto with the real client, what it is asked, and what trouble there is called."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace

import aiohttp
import pytest
import yarl

from service.core.fault import Fault, FaultKind
from service.media.places.clouds import Limits
from service.media.places.objects import Objects
from tests.conformance.places.conftest import BUCKET, QUICK, Make
from tests.support.kept import fault_of, whole
from tests.support.moto import Moto
from tests.support.processes import free_port
from tests.support.raw_server import raw_server
from tests.support.store_door import Door, store_door

MEGABYTE = 2**20
URL = f"s3://{BUCKET}/archive"
SHORT = Limits(connect_s=0.5, request_s=0.5, total_s=20, retries=1, retry_s=1, wait_s=0.01)


@pytest.fixture
async def door(moto: Moto) -> AsyncIterator[Door]:
    """Open a door before moto."""
    async with store_door(moto.endpoint) as opened:
        yield opened


@pytest.fixture
def behind(door: Door, options: dict[str, str]) -> Objects:
    """Give a place behind the door."""
    return Objects(URL, options | {"AWS_ENDPOINT_URL": door.url}, limits=QUICK)


async def test_location_is_the_whole_url_and_the_type_is_kept(
    objects: Objects, make: Make, moto: Moto
) -> None:
    made = make(1000)
    location = await objects.keep(made.file, made.name, made.media)
    assert location == f"s3://{BUCKET}/archive/of-videos/{made.name}"
    async with moto.client("s3") as s3:
        got = await s3.head_object(Bucket=BUCKET, Key=f"archive/of-videos/{made.name}")
    assert (got["ContentType"], got["ContentLength"]) == ("video/mp4", 1000)


async def test_small_file_is_one_request_on_condition(
    behind: Objects, door: Door, make: Make
) -> None:
    made = make(1000)
    await behind.keep(made.file, made.name, made.media)
    assert [line.split(" ")[0] for line in door.asked] == ["PUT"]
    await behind.keep(made.file, made.name, made.media)
    assert [line.split(" ")[0] for line in door.asked] == ["PUT", "PUT", "HEAD"]


async def test_large_file_goes_in_parts_and_not_again(
    behind: Objects, door: Door, make: Make, moto: Moto
) -> None:
    made = make(20 * MEGABYTE)
    location = await behind.keep(made.file, made.name, made.media)
    parts = [line for line in door.asked if "partNumber" in line]
    assert len(parts) == 3
    assert await whole(behind, location, made.media.bytes) == made.content
    async with moto.client("s3") as s3:
        got = await s3.head_object(Bucket=BUCKET, Key=location.removeprefix(f"s3://{BUCKET}/"))
    assert got["ContentType"] == "video/mp4"
    door.asked.clear()
    await behind.keep(made.file, made.name, made.media)
    assert [line.split(" ")[0] for line in door.asked] == ["HEAD"]


async def test_reading_asks_for_four_megabytes_at_a_time(
    behind: Objects, door: Door, make: Make
) -> None:
    made = make(9 * MEGABYTE)
    location = await behind.keep(made.file, made.name, made.media)
    door.asked.clear()
    reading = behind.read(location, 0, made.media.bytes)
    await anext(reading)
    assert len(door.asked) == 1, "nothing is read ahead of who reads"
    assert b"".join([part async for part in reading]) == made.content[MEGABYTE:]
    assert len(door.asked) == 3


@pytest.mark.parametrize("trouble", [429, 500, 503, "reset"])
async def test_trouble_that_passes_is_not_seen(
    behind: Objects, door: Door, make: Make, trouble: int | str
) -> None:
    small, large = make(1000), make(9 * MEGABYTE)
    door.times(trouble, 1, "PUT")
    assert await behind.keep(small.file, small.name, small.media)
    door.times(trouble, 1, "partNumber=2")
    location = await behind.keep(large.file, large.name, large.media)
    door.times(trouble, 1, "GET")
    assert await whole(behind, location, large.media.bytes) == large.content


@pytest.mark.parametrize("trouble", [429, 503, "reset"])
async def test_trouble_that_stays_is_tried_again_later(
    behind: Objects, door: Door, make: Make, trouble: int | str
) -> None:
    made = make(1000)
    location = await behind.keep(made.file, made.name, made.media)
    door.times(trouble, 100)
    for work in (
        behind.keep(made.file, made.name, made.media),
        behind.read(location, 0, 10),
        behind.delete(location),
        behind.delete_folder(made.folder),
        behind.check(),
    ):
        fault = await fault_of(work)
        assert (fault.code, fault.kind) == ("unavailable", FaultKind.TRANSIENT)


async def test_upload_that_fails_in_its_middle_shows_nothing_and_leaves_no_parts(
    behind: Objects, door: Door, make: Make, moto: Moto
) -> None:
    made = make(20 * MEGABYTE)
    door.times(503, 100, "partNumber=3")
    assert (await fault_of(behind.keep(made.file, made.name, made.media))).code == "unavailable"
    location = f"{URL}/{made.name}"
    assert (await fault_of(behind.read(location, 0, 10))).code == "gone"
    async with moto.client("s3") as s3:
        assert not (await s3.list_multipart_uploads(Bucket=BUCKET)).get("Uploads")
    door.times(None, 0)
    assert await behind.keep(made.file, made.name, made.media) == location
    assert await whole(behind, location, made.media.bytes) == made.content


async def test_store_that_knows_no_conditions_is_written_to_all_the_same(
    options: dict[str, str], make: Make
) -> None:
    place = Objects(URL, options | {"AWS_CONDITIONAL_PUT": "disabled"}, limits=QUICK)
    made = make(1000)
    location = await place.keep(made.file, made.name, made.media)
    assert await whole(place, location, 1000) == made.content


async def test_store_that_is_away_is_tried_again_later(options: dict[str, str], make: Make) -> None:
    nowhere = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}"}
    place, made = Objects(URL, options | nowhere, limits=SHORT), make(1000)
    fault = await fault_of(place.keep(made.file, made.name, made.media))
    assert (fault.code, fault.kind) == ("unavailable", FaultKind.TRANSIENT)


async def test_store_that_never_answers_is_given_up(options: dict[str, str], make: Make) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    made = make(1000)
    async with raw_server(hang) as endpoint:
        given = options | {"AWS_ENDPOINT_URL": endpoint}
        place = Objects(URL, given, limits=SHORT)
        assert (await fault_of(place.keep(made.file, made.name, made.media))).code == "unavailable"
        place = Objects(URL, given, limits=replace(QUICK, total_s=0.1))
        fault = await fault_of(place.keep(made.file, made.name, made.media))
        assert (fault.code, fault.kind) == ("timeout", FaultKind.TRANSIENT)


async def test_upload_that_is_cancelled_shows_nothing(
    behind: Objects, door: Door, make: Make
) -> None:
    made, begun = make(20 * MEGABYTE), asyncio.Event()

    def judge(line: str) -> None:
        if "partNumber=2" in line:
            begun.set()

    door.verdict = judge
    keeping = asyncio.ensure_future(behind.keep(made.file, made.name, made.media))
    await begun.wait()
    keeping.cancel()
    assert isinstance((await asyncio.gather(keeping, return_exceptions=True))[0], BaseException)
    assert (await fault_of(behind.read(f"{URL}/{made.name}", 0, 10))).code == "gone"
    assert not any("uploadId" in line and line.startswith("POST") for line in door.asked)


@pytest.mark.parametrize(
    "wrong", [{"AWS_SECRET_ACCESS_KEY": "not-the-secret"}, {"AWS_ACCESS_KEY_ID": "AKIANOBODY"}]
)
async def test_wrong_key_is_named_without_a_word_of_it(
    objects: Objects, options: dict[str, str], make: Make, wrong: dict[str, str]
) -> None:
    small, large = make(1000), make(9 * MEGABYTE)
    location = await objects.keep(small.file, small.name, small.media)
    given = options | wrong
    place = Objects(f"{URL}/of-videos", given, limits=QUICK)
    for work in (
        place.keep(small.file, small.name, small.media),
        place.keep(large.file, large.name, large.media),
        place.read(location, 0, 10),
        place.delete(location),
        place.delete_folder(small.folder),
        place.check(),
    ):
        fault = await fault_of(work)
        assert (fault.code, fault.kind) == ("unauthorized", FaultKind.TRANSIENT)
        assert _tells_nothing(fault, given)


async def test_bucket_that_is_not_there_is_named(options: dict[str, str], make: Make) -> None:
    place = Objects("s3://nobodys/archive", options, limits=QUICK)
    small, large = make(1000), make(9 * MEGABYTE)
    location = f"s3://nobodys/archive/{small.name}"
    for work in (
        place.keep(small.file, small.name, small.media),
        place.keep(large.file, large.name, large.media),
        place.read(location, 0, 10),
        place.delete(location),
        place.delete_folder(small.folder),
        place.check(),
    ):
        fault = await fault_of(work)
        assert (fault.code, fault.kind) == ("no_such_bucket", FaultKind.TRANSIENT)
        assert "s3://nobodys" in fault.message


async def test_check_passes_for_a_bucket_with_nothing_in_it(
    options: dict[str, str], moto: Moto
) -> None:
    await moto.bucket("empty-one")
    await Objects("s3://empty-one/some/where", options, limits=QUICK).check()


async def test_signed_link_opens_the_file_for_who_has_no_key(
    trusting: Moto, options: dict[str, str], make: Make
) -> None:
    place = Objects(URL, options | {"AWS_ENDPOINT_URL": trusting.endpoint}, limits=QUICK)
    made = make(1000)
    location = await place.keep(made.file, made.name, made.media)
    link = await place.signed(location, 60)
    assert link is not None
    assert "X-Amz-Signature=" in link
    assert "X-Amz-Expires=60&" in link
    async with (
        aiohttp.ClientSession() as session,
        session.get(yarl.URL(link, encoded=True)) as got,
    ):
        assert (got.status, got.content_type, await got.read()) == (200, "video/mp4", made.content)


async def test_folder_of_a_task_may_hold_more_than_one_page(
    objects: Objects, options: dict[str, str], make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.media.places.objects.LISTED", 3)
    made = make(10)
    for index in range(8):
        await objects.keep(made.file, f"{made.folder}/{index}.mp4", made.media)
    await objects.delete_folder(made.folder)
    assert (
        await fault_of(objects.read(f"{URL}/of-videos/{made.folder}/7.mp4", 0, 1))
    ).code == "gone"


async def test_other_prefix_shares_the_client(objects: Objects, make: Make) -> None:
    made = make(10)
    location = await objects.within(f"s3://{BUCKET}/other").keep(made.file, made.name, made.media)
    assert location == f"s3://{BUCKET}/other/{made.name}"
    assert await whole(objects, location, 10) == made.content


def _tells_nothing(fault: Fault, options: Mapping[str, str]) -> bool:
    secrets = (options["AWS_SECRET_ACCESS_KEY"], options["AWS_ACCESS_KEY_ID"], "Signature=")
    return not any(secret in fault.message for secret in secrets)
