"""`doctor`: says what is set up, what is missing, and how to mend it."""

import asyncio
import json
import shutil
from collections.abc import Sequence
from contextlib import AsyncExitStack

import typer

from service.bootstrap.accounts import accounts_of
from service.bootstrap.archive import make_archive, media_dir, stores
from service.bootstrap.keys import make_keyring
from service.bootstrap.upstreams import off_because
from service.cli.database import database
from service.cli.output import AsJson, Failed, out, run, shown
from service.cli.output import settings as read_settings
from service.core.errors import Unavailable
from service.flows.upkeep import Upkeep
from service.flows.upstreams import DEFAULT
from service.observe import set_up_logs
from service.ports import PlaceError
from service.settings import Settings, SettingsError
from service.sinks import SINKS, missing
from service.sinks.plugins import find
from service.store import migrate
from service.store.pool import Pool, Record, connection, create_pool
from service.wire.accounts import state_of

Finding = dict[str, object]


def doctor(as_json: AsJson = False) -> None:
    """Check settings, database and providers; exits 1 when something is broken, or no provider is on."""
    settings = read_settings()
    set_up_logs(settings.log_format, "critical")
    findings = [_finding("settings", True, f"read; data in {settings.data_dir}"), _sinks()]
    findings.append(run(_videos(settings)))
    try:
        with database(settings) as db:
            where = "embedded" if db.server is not None else "CALLBOARD_DATABASE_URL"
            findings += run(_database(settings, db.direct, where, embedded=db.server is not None))
    except Failed as failed:
        findings.append(_finding("database", False, failed.text))
    if not any(f["optional"] for f in findings):
        findings += [_provider(name, off_because(settings, name)) for name in ("runware", "sync")]
    shown(findings, as_json, lambda: _print(findings))
    if not all(f["ok"] for f in findings if not f["optional"]) or not any(
        f["ok"] for f in findings if f["optional"]
    ):
        raise typer.Exit(1)


async def _database(settings: Settings, dsn: str, where: str, *, embedded: bool) -> list[Finding]:
    try:
        pool = await create_pool(dsn, size=2, statement_timeout_s=10)
    except Unavailable as error:
        return [_finding("database", False, error.detail)]
    try:
        async with connection(pool) as conn:
            missing = await migrate.pending(conn)
        if missing:
            mend = "`callboard serve` migrates it" if embedded else "run `callboard migrate`"
            return [_finding("database", embedded, f"{where}; the schema is behind: {mend}")]
        upkeep = Upkeep(pool, 30)
        unfit = await upkeep.unfit()
        database = _finding("database", unfit is None, f"{where}; {unfit or 'fit and current'}")
        keys, workers = await _keys(settings, pool), await _workers(settings, upkeep)
        return [database, keys, workers, *await _accounts(settings, pool)]
    except migrate.MigrationError as error:
        return [_finding("database", False, str(error))]
    finally:
        await pool.close()


async def _keys(settings: Settings, pool: Pool) -> Finding:
    keyring = make_keyring(settings, pool)
    missing = await keyring.missing()
    there = f"callback {', '.join(keyring.callback)}; encryption {', '.join(keyring.encryption)}"
    return _finding("keys", missing is None, missing or there)


async def _workers(settings: Settings, upkeep: Upkeep) -> Finding:
    """Say who serves, and whether there are connections for all of them."""
    others = await upkeep.workers()
    silent = max((w.silent_s for w in others), default=0.0)
    machines = len({w.worker.machine for w in others})
    said = f"{len(others)} on {machines} machine{'s' if machines > 1 else ''}"
    text = f"{said}, the most silent for {silent:.0f} s" if others else "none runs"
    tight = None
    if settings.direct_database_url is None:
        tight = await upkeep.tight(settings.pool_size, settings.workers)
    return _finding("workers", tight is None, tight or text)


async def _accounts(settings: Settings, pool: Pool) -> list[Finding]:
    """Say how accounts are, and which providers are on by them."""
    async with accounts_of(settings, pool) as (accounts, upstreams):
        rows = await accounts.list_all()
    shut = [f"the key of {n.provider}/{n.account} cannot be opened" for n in accounts.unreadable]
    mend = (
        "put the CALLBOARD_ENCRYPTION_KEYS back, or give the key again (callboard accounts set-key)"
    )
    idle = [_idle(row) for row in rows if state_of(row) != "active"]
    text = "; ".join([f"{len(rows)} known", *idle, *shut, *([mend] if shut else [])])
    found = [_finding("accounts", not shut, text)]
    for name in upstreams.names():
        upstream = upstreams[name]
        found.append(_provider(name, upstream.off_because, upstream.accounts))
    return found


async def _videos(settings: Settings) -> Finding:
    """Try whether videos can be kept: a file on the disk, and a look into every object store."""
    lent, folder = stores(settings), media_dir(settings)
    try:
        async with AsyncExitStack() as stack:
            await make_archive(stack, settings).places.check()
        free = await asyncio.to_thread(shutil.disk_usage, folder)
    except (SettingsError, OSError) as error:
        return _finding("videos", False, f"{folder}: {error}")
    except PlaceError as error:
        return _finding("videos", False, error.fault.message)
    room = free.free > settings.archive_min_free_bytes
    text = f"kept by default: {settings.archive}; {free.free / 2**30:.1f} GiB free at {folder}"
    little = "" if room else ", too little: nothing is fetched until there is more"
    return _finding("videos", room, "; ".join([text + little, *lent]))


def _sinks() -> Finding:
    """Say which kinds of targets there are, which lack their extra, and what became of plugins."""
    found = find(SINKS)
    extras = ((kind, missing(kind)) for kind in SINKS)
    lacking = [f"{kind} is off (pip install callboard[{x}])" for kind, x in extras if x]
    there = [kind for kind in SINKS if missing(kind) is None]
    there += [f"{plugin.kind} (of {plugin.source})" for plugin in found.plugins.values()]
    broken = [f"the plugin {kind} cannot be used: {why}" for kind, why in found.broken.items()]
    return _finding("sinks", not broken, "; ".join([", ".join(there), *lacking, *broken]))


def _idle(row: Record) -> str:
    state = state_of(row)
    until = f" until {row['paused_until']:%Y-%m-%d %H:%M:%S} UTC" if state == "paused" else ""
    fault = json.loads(row["paused_for"])["code"] if row["paused_for"] else None
    why = row["held_for"] if state == "held" else fault
    return f"{row['provider']}/{row['account']} is {state}{until} ({why})"


def _provider(name: str, off: str | None, accounts: Sequence[str] = (DEFAULT,)) -> Finding:
    return _finding(name, off is None, off or f"on, by {', '.join(accounts)}", optional=True)


def _finding(what: str, ok: bool, text: str, *, optional: bool = False) -> Finding:
    return {"what": what, "ok": ok, "optional": optional, "detail": text}


def _print(findings: list[Finding]) -> None:
    for finding in findings:
        bad = "[dim]off[/]" if finding["optional"] else "[red]no [/]"
        mark = "[green]ok [/]" if finding["ok"] else bad
        out.print(f"{mark} {finding['what']}: {finding['detail']}", soft_wrap=True)
