"""Loads the named blocks of `sql/*.sql` at import.

A block begins with `-- name: verb_noun`, then a line that says why it exists, then its parameters, one a
line (`-- $1 uuid[] tasks`). A duplicate name fails at import; a house test finds unused blocks and prepares
every one against the migrated schema.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

_NAME = re.compile(r"^-- name: ([a-z][a-z0-9_]*)$", re.MULTILINE)


def parse(text: str, origin: str) -> dict[str, str]:
    """Split a file into its blocks by name; raises ValueError for a duplicate or text before a name."""
    parts = _NAME.split(text)
    if re.sub(r"--[^\n]*", "", parts[0]).strip():
        raise ValueError(f"{origin}: text before the first `-- name:`")
    blocks: dict[str, str] = {}
    for name, body in zip(parts[1::2], parts[2::2], strict=True):
        if name in blocks:
            raise ValueError(f"{origin}: {name} stands there twice")
        blocks[name] = body.strip()
    return blocks


def load(table: str) -> Mapping[str, str]:
    """Give the blocks of `sql/<table>.sql`."""
    text = files("service.store").joinpath("sql", f"{table}.sql").read_text("utf-8")
    return MappingProxyType(parse(text, f"{table}.sql"))


def load_all() -> dict[str, dict[str, str]]:
    """Give every block of every file, by file."""
    folder = files("service.store").joinpath("sql")
    names = sorted(f.name for f in folder.iterdir() if f.name.endswith(".sql"))
    return {n: parse(folder.joinpath(n).read_text("utf-8"), n) for n in names}
