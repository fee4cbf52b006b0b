"""Files on this machine's disk, or one that all replicas share."""

import errno
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from uuid import UUID

from service.core.media import Media
from service.media.places.faults import local, lost, of_disk, whole
from service.media.places.folders import (
    FOLDER_MODE,
    TRIES,
    entered,
    make_root,
    parts_of,
    remove_file,
    remove_folder,
)
from service.media.places.handle import PART_BYTES, Handle

TEMP: Final = ".tmp"
"""Where files are until they are whole; in the root, so that they can be renamed out of it."""
FILE_MODE: Final = 0o600


class Disk:
    """Keeps files below `root`, which is made when it is first needed (`ports.Place`).

    What `keep` gave back is on disk: the file was synced by who wrote it, then it is renamed to its name, then every
    folder from there up to the root is synced. A loss of power before that leaves the file under its name or not at
    all; a rename of a file that was synced before never shows a part of it. A location is the name itself.

    Several processes may share a root. Deleting and keeping in the same folder at the same time harm each other not.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._temp = root / TEMP

    async def temp(self, task_uuid: UUID, index: int) -> Path:
        """Name a new file to download to; it is not made, its folder is. Raises PlaceError.

        Its name says which process it belongs to, for people; `sweep` removes what is left of dead ones.
        """
        await local(self._make_temp)
        return self._temp / f"{task_uuid}-{index}.{os.getpid()}.{os.urandom(8).hex()}"

    async def keep(self, file: Path, name: str, media: Media) -> str:
        """Move a synced file to its name; a copy of it, when it is on another file system.

        Raises PlaceError: `disk_full`, `not_writable`, `no_file` when there is none or it is not as long as it was.
        """
        parts = parts_of(name)
        await local(lambda: self._keep(file, parts, media.bytes))
        return name

    async def read(self, location: str, start: int, length: int) -> AsyncIterator[bytes]:
        """Read in parts of half a megabyte; a deletion meanwhile takes nothing away from who reads."""
        parts = parts_of(location)
        handle = Handle(lambda: self._open(parts))
        try:
            await handle.open()
            while length > 0 and (part := await handle.read(start, min(length, PART_BYTES))):
                yield part
                start, length = start + len(part), length - len(part)
        except OSError as error:
            raise of_disk(error) from error
        finally:
            handle.close()

    async def delete(self, location: str) -> None:
        """Delete a file, and folders that it leaves empty."""
        parts = parts_of(location)
        await local(lambda: remove_file(self._root, parts))

    async def delete_folder(self, folder: str) -> None:
        """Delete all files of a task (`core.media.folder`)."""
        parts = parts_of(folder)
        await local(lambda: remove_folder(self._root, parts))

    async def sweep(self, older_than_s: float, now: float) -> int:
        """Remove what was last written to more than `older_than_s` before `now` (Unix time) and never became a file.

        Gives how many there were. Raises PlaceError.
        """
        return await local(lambda: self._sweep(now - older_than_s))

    async def check(self) -> None:
        """Try whether files can be written here; raises PlaceError."""
        await local(self._check)

    async def close(self) -> None:
        """Do nothing: no file stays open."""

    def _make_temp(self) -> None:
        make_root(self._root)
        self._temp.mkdir(FOLDER_MODE, exist_ok=True)

    def _keep(self, file: Path, parts: list[str], size: int) -> None:
        whole(file, size)
        file.chmod(FILE_MODE)
        try:
            self._move(file, parts)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            copy = self._copy(file)
            try:
                self._move(copy, parts)
            finally:
                copy.unlink(missing_ok=True)

    def _move(self, file: Path, parts: list[str]) -> None:
        *folders, name = parts
        for left in reversed(range(TRIES)):
            try:
                with entered(self._root, folders, make=True) as handles:
                    os.replace(file, name, dst_dir_fd=handles[-1])
                    # All of them: one that was there may be another's, made a moment ago and not yet synced.
                    for handle in reversed(handles):
                        os.fsync(handle)
            except FileNotFoundError:
                # A deletion removed a folder that was empty until now.
                if not file.exists():
                    raise lost() from None
                if not left:
                    raise
            else:
                return

    def _copy(self, file: Path) -> Path:
        self._make_temp()
        copy = self._temp / f"copy.{os.getpid()}.{os.urandom(8).hex()}"
        try:
            with file.open("rb") as source, open(copy, "xb", opener=_private) as target:
                shutil.copyfileobj(source, target, PART_BYTES)
                target.flush()
                os.fsync(target.fileno())
        except BaseException:
            copy.unlink(missing_ok=True)
            raise
        return copy

    def _open(self, parts: list[str]) -> int:
        *folders, name = parts
        with entered(self._root, folders) as handles:
            return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=handles[-1])

    def _sweep(self, before: float) -> int:
        swept = 0
        for entry in self._temp.iterdir() if self._temp.is_dir() else ():
            try:
                if entry.lstat().st_mtime < before:
                    entry.unlink()
                    swept += 1
            except FileNotFoundError:
                continue  # It became a file, or another process sweeps too.
        return swept

    def _check(self) -> None:
        self._make_temp()
        probe = self._temp / f"check.{os.getpid()}.{os.urandom(8).hex()}"
        probe.touch(FILE_MODE)
        probe.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, FILE_MODE)
