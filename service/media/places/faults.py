"""What places say when something did not work."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from service.core.fault import Fault, FaultKind
from service.ports import PlaceError

T = TypeVar("T")


def failed(code: str, message: str, kind: FaultKind = FaultKind.TRANSIENT) -> PlaceError:
    """Make an error. Transient is also what an operator can mend: the file is kept as soon as he did."""
    return PlaceError(Fault(code, message, kind))


def gone() -> PlaceError:
    """Say that a file is not there any more."""
    return failed("gone", "The file is not there any more.", FaultKind.PERMANENT)


def refused_location() -> PlaceError:
    """Say that a location is none of this place's."""
    return failed("refused_location", "This is no location of a kept file.", FaultKind.PERMANENT)


def lost() -> PlaceError:
    """Say that what was downloaded is not what is to be kept any more."""
    return failed(
        "no_file",
        "The downloaded file is not there any more, or not whole: it has to be fetched again.",
    )


def whole(file: Path, size: int) -> None:
    """Check that a downloaded file is there and as long as it was; waits for the disk. Raises PlaceError."""
    if not file.is_file() or file.stat().st_size != size:
        raise lost()


FULL: Final = (
    "disk_full",
    "The disk that holds DATA_DIR/media is full, or its quota is used up: make room there, or keep less.",
)
NOT_WRITABLE: Final = (
    "not_writable",
    "DATA_DIR/media cannot be written to: it is read-only, or belongs to somebody else.",
)
WORDS: Final[Mapping[int, tuple[str, str]]] = {
    errno.ENOSPC: FULL,
    errno.EDQUOT: FULL,
    errno.EROFS: NOT_WRITABLE,
    errno.EACCES: NOT_WRITABLE,
    errno.EPERM: NOT_WRITABLE,
}


def of_disk(error: OSError) -> PlaceError:
    """Say what a system's error means for a kept file, without a path of this machine."""
    if error.errno == errno.ENOENT:
        return gone()
    if error.errno in {errno.ELOOP, errno.ENOTDIR}:
        return refused_location()
    code, message = WORDS.get(
        error.errno or 0, ("disk_error", f"The disk says: {error.strerror or 'nothing'}.")
    )
    return failed(code, message)


async def local(work: Callable[[], T]) -> T:
    """Do in a thread what may wait for a disk; raises PlaceError for what the system says."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise of_disk(error) from error
