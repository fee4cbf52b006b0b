"""Start the embedded Postgres in a process of its own, for tests that kill it.

usage: embedded_child.py DATA_DIR [PG_BIN] [USER]; ends when its standard input does.
One JSON line on standard output tells the outcome of the start, another that it has taken over.
"""

import json
import os
import pwd
import select
import sys
from pathlib import Path

import structlog

from service.embedded.manager import EmbeddedPostgres, EmbeddedUnavailable


def main(data_dir: str, pg_bin: str = "", user: str = "") -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if user:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    postgres = EmbeddedPostgres(Path(data_dir), pg_bin=Path(pg_bin) if pg_bin else None)
    try:
        dsn = postgres.start()
    except EmbeddedUnavailable as error:
        tell(error=str(error))
        return
    tell(dsn=dsn, owner=postgres.owner, location=str(postgres.location))
    told = postgres.owner
    while not select.select([sys.stdin], [], [], 0.01)[0]:
        postgres.tend()
        if postgres.owner and not told:
            tell(dsn=dsn, owner=True, location=str(postgres.location))
            told = True
    postgres.stop()


def tell(**facts: str | bool) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
