"""Looks at kept files all the time: whatever has a name that readers may use has to be whole at first sight."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_EVERY_S = 0.002
TEMP = ".tmp"


def visible(root: Path) -> list[Path]:
    """Find all files but those that are under way."""
    found = root.rglob("*") if root.is_dir() else ()
    return [p for p in found if TEMP not in p.relative_to(root).parts and p.is_file()]


def is_whole(file: Path) -> bool:
    """Say whether a file has the hash that its name says."""
    named = file.stem.partition("-")[2]
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest() == named


class Watcher:
    """What was seen so far: how many files, and what was not whole."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stop = threading.Event()
        self._seen: set[tuple[Path, int, int]] = set()
        self.broken: list[str] = []

    @property
    def seen(self) -> int:
        """How many files were looked into."""
        return len(self._seen)

    def watch(self) -> None:
        """Look until told to stop; a file that is replaced or grows is looked into again."""
        while not self._stop.wait(LOOK_EVERY_S):
            for file in visible(self._root):
                self._look(file)

    def stop(self) -> None:
        """End `watch`."""
        self._stop.set()

    def _look(self, file: Path) -> None:
        found = file.stat()
        seen = (file, found.st_ino, found.st_size)
        if seen in self._seen:
            return
        self._seen.add(seen)
        if not is_whole(file):
            self.broken.append(str(file))


@contextmanager
def watching(root: Path) -> Iterator[Watcher]:
    """Look at a folder for a while, from a thread."""
    watcher = Watcher(root)
    thread = threading.Thread(target=watcher.watch, name="watcher")
    thread.start()
    try:
        yield watcher
    finally:
        watcher.stop()
        thread.join()
