"""Which place is meant: by what somebody asked for, or by where a file is."""

from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

from service.core.archive_target import read_store, store_of
from service.core.fault import FaultKind
from service.core.media import DISK, STORES
from service.media.places.disk import Disk
from service.media.places.faults import failed, refused_location
from service.media.places.objects import Objects
from service.media.places.put import Put
from service.ports import Place


class Places:
    """All places of a process: one disk, a client for each bucket, made when it is first needed, and one for PUT.

    `stores` are the URLs that callers may have files kept in. `make_objects` makes the client of a bucket by its URL
    (`s3://bucket`), or raises PlaceError.
    """

    def __init__(
        self,
        disk: Disk,
        put: Put,
        make_objects: Callable[[str], Objects],
        stores: Sequence[str] = (),
    ) -> None:
        self._disk = disk
        self._put = put
        self._make_objects = make_objects
        self._stores = tuple(read_store(url) for url in stores)
        self._buckets: dict[str, Objects] = {}

    def of(self, to: str | tuple[str, ...], index: int) -> Place:
        """Give the place for the file of one result, by what a submission asked for (`core.media.Wanted.to`).

        Raises PlaceError: `no_url` when there are fewer URLs than results, `no_such_store` when the operator lends
        that store no more, `not_configured` when there is no key for it.
        """
        if not isinstance(to, str):
            if not 0 <= index < len(to):
                raise failed(
                    "no_url",
                    f"Result {index} has no URL to be put to: {len(to)} were given.",
                    FaultKind.PERMANENT,
                )
            return self._put.to(to[index])
        return self._disk if to == DISK else self._lent(to)

    def at(self, location: str) -> Place:
        """Give the place where a file is; raises PlaceError.

        What was written to a store stays readable and can be deleted when it is lent no more.
        """
        scheme, found, _ = location.partition("://")
        if not found:
            return self._disk
        if scheme in STORES:
            return self._bucket("/".join(location.split("/", 3)[:3]))
        if scheme in {"http", "https"}:
            return self._put.to(location)
        raise refused_location()

    async def signed(self, location: str, seconds: int) -> str | None:
        """Sign a link to a file that its reader follows by himself; None where that is not possible."""
        place = self.at(location)
        return await place.signed(location, seconds) if isinstance(place, Objects) else None

    async def check(self, stores: bool = True) -> None:
        """Try whether files can be kept here, on the disk and in every store; raises PlaceError."""
        await self._disk.check()
        for store in self._stores if stores else ():
            await self._bucket(store.root).within(store.url).check()

    async def close(self) -> None:
        """Give back all connections; every place gets its turn."""
        async with AsyncExitStack() as stack:
            closing = [
                self._disk.close,
                self._put.close,
                *(b.close for b in self._buckets.values()),
            ]
            for close in closing:
                stack.push_async_callback(close)

    def _lent(self, url: str) -> Objects:
        try:
            wanted = read_store(url)
        except ValueError as error:
            raise failed("no_such_store", str(error), FaultKind.PERMANENT) from None
        if store_of(wanted, self._stores) is None:
            raise failed("no_such_store", f"This service may not write to {wanted.url} any more.")
        return self._bucket(wanted.root).within(wanted.url)

    def _bucket(self, root: str) -> Objects:
        if root not in self._buckets:
            try:
                self._buckets[root] = self._make_objects(root)
            except ValueError:
                raise refused_location() from None
        return self._buckets[root]
