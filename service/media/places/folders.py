"""Folders below a root, walked name by name: no symbolic link is followed, and nothing can be swapped meanwhile."""

import errno
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from service.media.places.faults import refused_location

FOLDER_MODE: Final = 0o700
TRIES: Final = 50
"""How often somebody else may be quicker: removing what is about to be filled, filling what is about to be removed."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def parts_of(location: str) -> list[str]:
    """Read the name of a file or folder below a root; raises PlaceError.

    Nothing hidden: that is neither `..` nor where files are that are not whole yet.
    """
    parts = location.split("/")
    if "\0" in location or any(not part or part.startswith(".") for part in parts):
        raise refused_location()
    return parts


@contextmanager
def entered(root: Path, folders: Sequence[str], *, make: bool = False) -> Iterator[list[int]]:
    """Open a root and folders below it, one in the other; gives their handles, and closes them.

    Raises OSError: ENOENT when one is not there, ENOTDIR or ELOOP when one is no folder.
    """
    with ExitStack() as stack:
        handles: list[int] = []

        def enter(path: Path | str) -> None:
            # The root itself may be a link: it is the operator's own.
            flags = _FOLDER if handles else _FOLDER & ~os.O_NOFOLLOW
            handle = os.open(path, flags, dir_fd=handles[-1] if handles else None)
            stack.callback(os.close, handle)
            handles.append(handle)

        if make:
            make_root(root)
        enter(root)
        for folder in folders:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(folder, FOLDER_MODE, dir_fd=handles[-1])
            enter(folder)
        yield handles


def make_root(root: Path) -> None:
    """Make a root that is not there, and bring its name to disk; raises OSError."""
    if root.is_dir():
        return
    root.mkdir(FOLDER_MODE, parents=True, exist_ok=True)
    handle = os.open(root.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_file(root: Path, parts: Sequence[str]) -> None:
    """Remove a file, and the folders that are empty then; nothing happens when it is gone. Raises OSError."""
    *folders, name = parts
    with suppress(FileNotFoundError), entered(root, folders) as handles:
        with suppress(FileNotFoundError):
            os.unlink(name, dir_fd=handles[-1])
            os.fsync(handles[-1])
        _prune(handles, folders)


def remove_folder(root: Path, parts: Sequence[str]) -> None:
    """Remove a folder with all in it, and those above that are empty then.

    Nothing happens when it is gone. Raises OSError: ENOTEMPTY when somebody fills it as fast as it is emptied.
    """
    *folders, name = parts
    with suppress(FileNotFoundError), entered(root, folders) as handles:
        _remove_tree(name, handles[-1])
        os.fsync(handles[-1])
        _prune(handles, folders)


def _remove_tree(name: str, above: int) -> None:
    for left in reversed(range(TRIES)):
        try:
            shutil.rmtree(name, dir_fd=above)
        except FileNotFoundError:
            # It is gone, or somebody else removes what is in it too.
            if not _is_there(name, above):
                return
        except OSError as error:
            if error.errno != errno.ENOTEMPTY or not left:
                raise
        else:
            return


def _is_there(name: str, above: int) -> bool:
    try:
        os.stat(name, dir_fd=above, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _prune(handles: Sequence[int], folders: Sequence[str]) -> None:
    """Remove folders from the innermost out, as long as they are empty: the system refuses all others."""
    for above, folder in zip(reversed(handles[:-1]), reversed(folders), strict=True):
        try:
            os.rmdir(folder, dir_fd=above)
        except OSError:
            return
