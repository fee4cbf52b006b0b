"""What is kept in DATA_DIR besides the database: generated keys, each in a file of its own, mode 0600."""

import os
from collections.abc import Callable
from pathlib import Path


def read_or_make(folder: Path, name: str, make: Callable[[], str]) -> str:
    """Read a secret, or make it; of two processes that make it at once, one wins and both read the same."""
    path = folder / name
    if path.exists():
        return path.read_text("utf-8").strip()
    folder.mkdir(parents=True, exist_ok=True)
    return _write_new(path, make())


def write(folder: Path, name: str, secret: str) -> Path:
    """Write a secret over whatever was there, readable by its owner only."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    partial = path.with_name(f".{name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    _create(partial, secret)
    partial.replace(path)
    return path


def read(folder: Path, name: str) -> str | None:
    """Read a secret; none when there is none, or when it is not ours to read."""
    try:
        return (folder / name).read_text("utf-8").strip()
    except (FileNotFoundError, PermissionError, NotADirectoryError):
        return None


def _write_new(path: Path, secret: str) -> str:
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.unlink(missing_ok=True)
    _create(partial, secret)
    try:
        # A link fails when the name is taken, where a rename would overwrite the winner's.
        os.link(partial, path)
    except FileExistsError:
        return path.read_text("utf-8").strip()
    finally:
        partial.unlink()
    return secret


def _create(path: Path, secret: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(secret + "\n")
        file.flush()
        os.fsync(file.fileno())
