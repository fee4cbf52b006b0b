"""The service from its first step to the end of its drain, in one AsyncExitStack.

What was opened is closed in reverse.
"""

import asyncio
import gc
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

import structlog

from service import __version__, datadir
from service import settings as configured
from service.bootstrap.parts import Parts, make_parts
from service.core.errors import Unavailable
from service.flows.admit import Admit
from service.observe import Health, Metrics
from service.settings import Settings
from service.store import migrate
from service.store.pool import Pool, connection, create_pool
from service.web.app import make_app
from service.web.server import Running, start
from service.workers.roles import Flows, Role, loops, shared_loops
from service.workers.supervisor import Supervisor

log = structlog.get_logger()

SENDS_AT_ONCE = 256
"""How many sends one process has under way; how many there may be is what accounts have places for."""


class StartError(Exception):
    """The service cannot start: one line that says what and how to mend it."""


@dataclass(frozen=True, slots=True)
class Service:
    """A service that runs."""

    url: str | None
    """Where this process is called on this machine; none without the role `api`."""
    first_key: str | None
    """The API key that was made at this start, shown this once."""
    health: Health
    supervisor: Supervisor


@asynccontextmanager
async def service(
    settings: Settings,
    dsn: str,
    *,
    roles: Collection[Role],
    embedded: bool,
    reuse_port: bool = False,
) -> AsyncIterator[Service]:
    """Run the service until the block ends, then drain it; raises StartError when it cannot start."""
    log.info(
        "service.starting", version=__version__, roles=sorted(roles), **configured.summary(settings)
    )
    health, metrics = Health(), Metrics()
    async with AsyncExitStack() as stack:
        direct = _direct(settings) or dsn
        pool = await _open_pool(stack, settings, dsn)
        await _check_schema(pool, embedded=embedded)
        parts = await make_parts(
            stack, settings, pool, health, metrics, roles=roles, direct_dsn=direct
        )
        await _check_server(settings, parts)
        first_key = await _first_key(settings, parts.admit, embedded=embedded)
        supervisor = Supervisor(health)
        running = None
        if Role.API in roles:
            app = make_app(parts.deps)
            grace = settings.handler_grace_seconds
            running = await start(
                app, settings.host, settings.port, reuse_port=reuse_port, handler_grace_s=grace
            )
        supervisor.start(shared_loops(parts.flows, beat_s=settings.beat_seconds))
        supervisor.start(
            loops(
                roles,
                parts.flows,
                poll_s=settings.loop_poll_seconds,
                orphans_s=settings.orphan_seconds,
                sends=SENDS_AT_ONCE,
                deliveries=settings.delivery_concurrency,
                archives=settings.archive_concurrency,
            )
        )
        # What was made so far is never garbage. Without it a full collection takes 15 ms, with it 50 ms, in which
        # no callback is answered (measured while a batch of 10,000 was read).
        gc.freeze()
        log.info("service.ready", url=running.url if running else None)
        try:
            yield Service(running.url if running else None, first_key, health, supervisor)
        finally:
            await _drain(settings, health, supervisor, running, parts.flows)


async def _drain(
    settings: Settings,
    health: Health,
    supervisor: Supervisor,
    running: Running | None,
    flows: Flows,
) -> None:
    """Drain in order: not ready, no new work, sites closed, loops ended (style.md 8)."""
    health.draining = True
    log.info("service.draining")
    await asyncio.sleep(settings.drain_notice_seconds)
    if running is not None:
        await running.stop()
    cut_off = await supervisor.drain(settings.drain_seconds)
    with suppress(Unavailable):
        await flows.others.flush_once(wait_s=0)
        await flows.archiving.let_go()
    if not cut_off:
        # What was cut off may have left leases: the next process here takes them over by this one's row.
        await flows.heartbeat.leave()
    log.info("service.stopped")


def _direct(settings: Settings) -> str | None:
    """Give the address that goes around the pooler; none when there is no pooler."""
    if settings.database_url is None or settings.direct_database_url is None:
        return None
    return settings.direct_database_url.get_secret_value()


async def _open_pool(stack: AsyncExitStack, settings: Settings, dsn: str) -> Pool:
    try:
        pool = await create_pool(
            dsn,
            size=settings.pool_size,
            statement_timeout_s=settings.statement_timeout_seconds,
            pooler=_direct(settings) is not None,
        )
    except Unavailable as error:
        raise StartError(error.detail) from error
    stack.push_async_callback(_close_pool, pool)
    return pool


async def _close_pool(pool: Pool) -> None:
    try:
        async with asyncio.timeout(5):
            await pool.close()
    except TimeoutError:
        pool.terminate()


async def _check_schema(pool: Pool, *, embedded: bool) -> None:
    """Migrate the embedded database; any other is only looked at."""
    try:
        async with connection(pool) as conn:
            if embedded:
                ran = await migrate.migrate(conn)
                if ran:
                    log.info("schema.migrated", migrations=ran)
            elif missing := await migrate.pending(conn):
                names = ", ".join(m.name for m in missing)
                raise StartError(
                    f"The database is behind ({names}): run `callboard migrate` first."
                )
    except migrate.MigrationError as error:
        raise StartError(str(error)) from error


async def _check_server(settings: Settings, parts: Parts) -> None:
    """Check what the promises need, join the others, and let go of what the dead left; raises StartError."""
    upkeep = parts.flows.upkeep
    unfit = await upkeep.unfit() or await parts.keyring.missing()
    if unfit is not None:
        raise StartError(unfit)
    await parts.keyring.note()
    await upkeep.renew_feed()
    await upkeep.run_once()
    await parts.flows.accounts.ready()
    await parts.flows.heartbeat.beat()
    await parts.takeover.run_once()
    if _direct(settings) is None and (
        tight := await upkeep.tight(settings.pool_size, settings.workers)
    ):
        log.warning("connections.tight", reason=tight)


async def _first_key(settings: Settings, admit: Admit, *, embedded: bool) -> str | None:
    key = await admit.first_key()
    if key is not None and embedded:
        datadir.write(settings.data_dir, "api_key", key)
    return key
