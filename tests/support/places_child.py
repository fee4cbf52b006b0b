"""Keeps a small file and a large one in a place and reads them back; prints how much memory each took at most.

A program of its own, so that nobody else's memory is counted. Arguments: `disk`, `s3` or `put`; a folder; where the
place is (another folder, an endpoint, a URL); the sizes in MiB. Prints the peaks in MiB.
"""

import asyncio
import hashlib
import json
import resource
import sys
from pathlib import Path
from uuid import uuid4

from service.core import media
from service.core.media import Media
from service.media.places.clouds import Limits
from service.media.places.disk import Disk
from service.media.places.objects import Objects
from service.ports import Place
from tests.support.putting import putting

MEGABYTE = 2**20
KEYS = {
    "AWS_ACCESS_KEY_ID": "anybody",
    "AWS_SECRET_ACCESS_KEY": "anything",
    "AWS_ALLOW_HTTP": "true",
}


def write(file: Path, megabytes: int) -> Media:
    """Write a file that repeats nothing, without holding it."""
    digest = hashlib.sha256()
    with file.open("wb") as target:
        for number in range(megabytes):
            part = hashlib.shake_128(str(number).encode()).digest(MEGABYTE)
            digest.update(part)
            target.write(part)
    return Media(digest.hexdigest(), megabytes * MEGABYTE, "video/mp4")


async def through(place: Place, file: Path, megabytes: int, *, reads: bool) -> float:
    """Keep a file and read it back; gives the peak of memory so far, in MiB."""
    known = await asyncio.to_thread(write, file, megabytes)
    location = await place.keep(file, media.name("default", uuid4(), 0, known), known)
    if reads:
        digest = hashlib.sha256()
        async for part in place.read(location, 0, known.bytes):
            digest.update(part)
        assert digest.hexdigest() == known.sha256
    # Linux counts in KiB.
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def main(kind: str, folder: Path, where: str, sizes: list[int]) -> None:
    """Print the peaks."""
    async with putting() as put:
        places: dict[str, Place] = {
            "disk": Disk(Path(where)),
            "put": put.to(where),
        }
        if kind == "s3":
            given = KEYS | {"AWS_ENDPOINT_URL": where}
            places["s3"] = Objects("s3://videos/archive", given, limits=Limits())
        peaks = [
            await through(places[kind], folder / "file", size, reads=kind != "put")
            for size in sizes
        ]
    sys.stdout.write(json.dumps(peaks))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], [int(a) for a in sys.argv[4:]]))
