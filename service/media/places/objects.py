"""Files in an object store: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage; by obstore.

Objects are whole or not there, by the store's own promise. Who may write where is `core.archive_target`'s business.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from copy import copy
from datetime import timedelta
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotSupportedError

from service.core.archive_target import read_store
from service.core.media import Media
from service.media.places import clouds
from service.media.places.faults import local, refused_location, whole

WINDOW_BYTES: Final = 4 * 2**20
"""How much one request reads. A reader who pauses between two holds no connection, and no time limit strikes him."""
PART_BYTES: Final = 2**20
UPLOAD_BYTES: Final = 8 * 2**20
"""How much one request writes; S3 wants at least 5 MiB."""
UPLOADS: Final = 2
"""How many requests of one file are under way at once: with the next part that is 24 MiB of memory a file."""
MAX_PARTS: Final = 10_000
"""Of one upload to S3; Azure takes 50,000."""
LISTED: Final = 1000
"""As many as one request may list, and delete."""
LONGEST_LINK_S: Final = 604_800
"""Seven days: what S3 and GCS sign at most."""


class Objects:
    """Keeps files as objects below `url` (`s3://bucket/prefix`, `gs://…`, `az://container/prefix`; `ports.Place`).

    `options` are named like obstore's environment variables (`AWS_ACCESS_KEY_ID`, `GOOGLE_…`, `AZURE_…`), in small
    letters too, and are the operator's own. Without a key in them the cloud would be asked which role this machine
    has (169.254.169.254): that only happens when `ambient` allows it. `proxy` is an HTTP proxy's URL.

    The key has to be allowed to list the bucket (what is missing is forbidden else), and to read, write and delete
    objects below the prefix. A location is the URL of an object, unescaped. Raises PlaceError (`not_configured`) when it cannot be made, and
    ValueError when the URL is no store's.

    What is larger than 8 MiB is written in parts. When a process dies meanwhile, its parts stay in the bucket, where
    nobody sees them and they cost: a rule of the bucket should end unfinished uploads after a few days.
    """

    def __init__(
        self,
        url: str,
        options: Mapping[str, str],
        *,
        ambient: bool = False,
        proxy: str | None = None,
        limits: clouds.Limits = clouds.Limits(),  # noqa: B008 - frozen
    ) -> None:
        self._at = read_store(url)
        self._total_s = limits.total_s
        self._signs = clouds.can_sign(self._at.scheme, options, ambient=ambient)
        self._store = clouds.connect(self._at, options, ambient=ambient, proxy=proxy, limits=limits)

    def within(self, url: str) -> "Objects":
        """Give the same place with another prefix in the same bucket; they share connections."""
        other = copy(self)
        other._at = read_store(url)  # noqa: SLF001 - it is one of us
        return other

    async def keep(self, file: Path, name: str, media: Media) -> str:
        """Write an object; when there is one of this name and length, it is the same.

        Only what is written in one request can be written on the condition that nothing is there; what is larger is
        written on the condition that nothing was there a moment ago, and two who write the same write the same.
        """
        location = f"{self._at.url}/{name}"
        key = self._key(location)
        await local(lambda: whole(file, media.bytes))
        with clouds.speaking(self._at):
            async with asyncio.timeout(self._total_s):
                if media.bytes <= UPLOAD_BYTES and await self._create(key, file, media):
                    return location
                if await self._size(key) != media.bytes:
                    await self._overwrite(key, file, media)
        return location

    async def read(self, location: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Read in parts of a megabyte, by requests for four."""
        key = self._key(location)
        if length <= 0:
            with clouds.speaking(self._at):
                await obstore.head_async(self._store, key)
        while length > 0:
            window = await self._window(key, start, min(length, WINDOW_BYTES))
            for at in range(0, len(window), PART_BYTES):
                yield bytes(window[at : at + PART_BYTES])
            if not window:
                return
            start, length = start + len(window), length - len(window)

    async def delete(self, location: str) -> None:
        """Delete an object; nothing happens when there is none."""
        key = self._key(location)
        with clouds.speaking(self._at):
            await self._delete([key])

    async def delete_folder(self, folder: str) -> None:
        """Delete all files of a task (`core.media.folder`)."""
        prefix = self._key(f"{self._at.url}/{folder}")
        with clouds.speaking(self._at):
            async for found in obstore.list(self._store, prefix, chunk_size=LISTED):
                await self._delete([meta["path"] for meta in found])

    async def signed(self, location: str, seconds: int) -> str | None:
        """Sign a link to an object, which is good for so many seconds, a week at most.

        None where the key cannot sign. Whether anything is there is not looked at.
        """
        key = self._key(location)
        if not self._signs:
            return None
        lasts = timedelta(seconds=min(seconds, LONGEST_LINK_S))
        try:
            return await obstore.sign_async(self._store, "GET", key, lasts)
        except (BaseError, OSError, ValueError):
            return None

    async def check(self) -> None:
        """Try whether the bucket is there and lets us in, by a look at what is in it; raises PlaceError."""
        with clouds.speaking(self._at):
            async for _ in obstore.list(self._store, self._at.prefix or None, chunk_size=1):
                return

    async def close(self) -> None:
        """Do nothing: connections end with the client, some seconds after their last use."""

    def _key(self, location: str) -> str:
        """Read the key of a location in our bucket; raises PlaceError."""
        root, key = f"{self._at.root}/", location.removeprefix(f"{self._at.root}/")
        if not location.startswith(root) or any(part in {"", ".", ".."} for part in key.split("/")):
            raise refused_location()
        return key

    async def _create(self, key: str, file: Path, media: Media) -> bool:
        """Write it in one request if nothing is there; else, or where a store cannot do so, give False."""
        attributes = {"Content-Type": media.content_type}
        try:
            await obstore.put_async(self._store, key, file, attributes=attributes, mode="create")
        except (AlreadyExistsError, NotSupportedError, NotImplementedError):
            return False
        return True

    async def _overwrite(self, key: str, file: Path, media: Media) -> None:
        await obstore.put_async(
            self._store,
            key,
            file,
            attributes={"Content-Type": media.content_type},
            chunk_size=max(UPLOAD_BYTES, -(-media.bytes // MAX_PARTS)),
            max_concurrency=UPLOADS,
        )

    async def _size(self, key: str) -> int | None:
        try:
            return (await obstore.head_async(self._store, key))["size"]
        except FileNotFoundError:
            # The bucket may be what is missing: an answer to HEAD does not say.
            return None

    async def _window(self, key: str, start: int, length: int) -> memoryview:
        with clouds.speaking(self._at):
            try:
                got = await obstore.get_async(
                    self._store, key, options={"range": (start, start + length)}
                )
            except BaseError as error:
                if clouds.is_beyond(error):
                    return memoryview(b"")
                raise
            return memoryview(await got.bytes_async())

    async def _delete(self, keys: list[str]) -> None:
        try:
            await obstore.delete_async(self._store, keys)
        except FileNotFoundError as error:
            if clouds.no_bucket(error):
                raise
