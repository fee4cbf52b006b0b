"""The table of places: which one is meant by what was asked for, and by where a file is."""

from collections.abc import AsyncIterator

import pytest

from service.core.fault import FaultKind
from service.media.places.disk import Disk
from service.media.places.faults import failed
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.media.places.table import Places
from service.ports import PlaceError
from tests.conformance.places.conftest import BUCKET, QUICK, Make
from tests.support.kept import fault_of, whole

ARCHIVE = f"s3://{BUCKET}/archive"


class Maker:
    """Makes clients of buckets, and notes for which."""

    def __init__(self, options: dict[str, str]) -> None:
        self.options = options
        self.made: list[str] = []

    def make(self, url: str) -> Objects:
        self.made.append(url)
        return Objects(url, self.options, limits=QUICK)


@pytest.fixture
def maker(options: dict[str, str]) -> Maker:
    """Give what makes clients of the operator's stores."""
    return Maker(options)


@pytest.fixture
async def places(disk: Disk, put: Put, maker: Maker) -> AsyncIterator[Places]:
    """Give the table, with two stores in one bucket that are lent."""
    made = Places(disk, put, maker.make, (ARCHIVE, f"s3://{BUCKET}/more"))
    yield made
    await made.close()


@pytest.mark.parametrize("to", ["disk", f"{ARCHIVE}/a/b", f"s3://{BUCKET}/more"])
async def test_what_is_kept_where_it_was_asked_for_is_found_by_its_location(
    places: Places, make: Make, to: str
) -> None:
    made = make(1000)
    location = await places.of(to, 0).keep(made.file, made.name, made.media)
    assert location == (made.name if to == "disk" else f"{to}/{made.name}")
    assert await whole(places.at(location), location, 1000) == made.content
    await places.of(to, 0).delete_folder(made.folder)
    assert (await fault_of(places.at(location).read(location, 0, 1))).code == "gone"


async def test_bucket_has_one_client_made_when_it_is_first_needed(
    places: Places, maker: Maker
) -> None:
    assert maker.made == []
    for url in (f"{ARCHIVE}/a", f"{ARCHIVE}/b", f"s3://{BUCKET}/more"):
        places.of(url, 0)
        places.at(f"{url}/x.mp4")
    assert maker.made == [f"s3://{BUCKET}"]


async def test_each_result_has_its_url_and_the_next_has_none(places: Places) -> None:
    urls = ("https://a.example/0?sig=s3cret", "https://a.example/1?sig=s3cret")
    assert places.of(urls, 0) is not places.of(urls, 1)
    for index in (2, -1):
        with pytest.raises(PlaceError) as caught:
            places.of(urls, index)
        assert (caught.value.fault.code, caught.value.fault.kind) == ("no_url", FaultKind.PERMANENT)
        assert "s3cret" not in caught.value.fault.message
    with pytest.raises(PlaceError) as caught:
        places.at("https://a.example/0").read("https://a.example/0", 0, 1)
    assert caught.value.fault.code == "elsewhere"


@pytest.mark.parametrize("to", ["s3://others/archive", f"s3://{BUCKET}/secrets", "none", "s3://.."])
async def test_store_that_is_not_lent_is_not_written_to(
    places: Places, maker: Maker, to: str
) -> None:
    with pytest.raises(PlaceError) as caught:
        places.of(to, 0)
    assert caught.value.fault.code == "no_such_store"
    assert maker.made == []


async def test_what_was_kept_in_a_store_that_is_lent_no_more_can_be_read_and_deleted(
    places: Places, disk: Disk, put: Put, maker: Maker, make: Make
) -> None:
    made = make(1000)
    location = await places.of(ARCHIVE, 0).keep(made.file, made.name, made.media)
    later = Places(disk, put, maker.make)
    assert await whole(later.at(location), location, 1000) == made.content
    await later.at(location).delete(location)
    assert (await fault_of(later.at(location).read(location, 0, 1))).code == "gone"


@pytest.mark.parametrize("location", ["ftp://a/b", "s3://", "s3:///a", "s3://../a"])
async def test_location_of_no_place_is_refused(places: Places, location: str) -> None:
    with pytest.raises(PlaceError) as caught:
        places.at(location)
    assert caught.value.fault.code == "refused_location"


async def test_link_is_signed_for_stores_alone(places: Places) -> None:
    assert await places.signed("default/a/b.mp4", 60) is None
    assert await places.signed("https://a.example/b.mp4", 60) is None
    link = await places.signed(f"{ARCHIVE}/b.mp4", 60)
    assert link is not None
    assert "X-Amz-Signature=" in link


async def test_check_tries_the_disk_and_every_store(
    places: Places, disk: Disk, put: Put, maker: Maker
) -> None:
    await places.check()
    wrong = Places(disk, put, maker.make, (ARCHIVE, "s3://not-there"))
    assert (await fault_of(wrong.check())).code == "no_such_bucket"


async def test_store_without_a_key_says_so_when_it_is_needed_and_not_before(
    disk: Disk, put: Put
) -> None:
    def without(_: str) -> Objects:
        raise failed("not_configured", "There is no key.")

    places = Places(disk, put, without, (ARCHIVE,))
    assert places.of("disk", 0) is disk
    with pytest.raises(PlaceError, match="no key"):
        places.of(ARCHIVE, 0)
    with pytest.raises(PlaceError, match="no key"):
        places.at(f"{ARCHIVE}/x")
