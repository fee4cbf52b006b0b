"""The parts of a service, put together: plain constructor arguments, no container."""

from collections.abc import Collection
from contextlib import AsyncExitStack
from dataclasses import dataclass

import structlog

from service import __version__
from service.bootstrap import fault_points
from service.bootstrap.archive import keeping, make_archive, measure_archives, stores
from service.bootstrap.host import is_dead, myself
from service.bootstrap.keys import callback_keys, make_keyring, make_vault
from service.bootstrap.sinks import make_sinks
from service.bootstrap.targets import make_check
from service.bootstrap.upstreams import make_upstreams, open_sessions, policies, seconds
from service.clock import SystemDice
from service.core.breaker import Limits as BreakerLimits
from service.core.media import Wanted
from service.core.url_guard import check_url
from service.flows.accept import Accept, Defaults
from service.flows.accounts import Accounts
from service.flows.admit import Admit
from service.flows.again import Again, AgainPolicy
from service.flows.apply import Apply
from service.flows.archive import Archiving
from service.flows.batcher import Batcher
from service.flows.conclude import Conclude
from service.flows.deliver import Deliver, DeliveryPolicy
from service.flows.erase import Erase
from service.flows.fanout import Fanout
from service.flows.feed import Feed
from service.flows.files import Files
from service.flows.floor import FloorPolicy
from service.flows.gather import Gather
from service.flows.heartbeat import Fitness, Heartbeat, Held
from service.flows.keyring import Keyring
from service.flows.look import Look
from service.flows.operate import Operate
from service.flows.orphans import Orphans
from service.flows.others import Others
from service.flows.pending import Pending
from service.flows.ping import Ping
from service.flows.publish import Publish
from service.flows.receive import Receive
from service.flows.reconcile import Reconcile
from service.flows.refresh import Refresh
from service.flows.replay import Replay
from service.flows.submit import Submit
from service.flows.subscribe import Subscribe
from service.flows.tail import Tail
from service.flows.takeover import Takeover
from service.flows.upkeep import Upkeep
from service.flows.views import Views
from service.flows.wake import Wake
from service.observe import Health, Metrics
from service.settings import Settings
from service.sinks import SINKS
from service.sinks.plugins import find
from service.store.pool import Pool
from service.web.deps import Deps, Limits
from service.workers.roles import Flows, Role

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was put together."""

    flows: Flows
    deps: Deps
    admit: Admit
    apply: Apply
    receive: Receive
    takeover: Takeover
    keyring: Keyring


async def make_parts(
    stack: AsyncExitStack,
    settings: Settings,
    pool: Pool,
    health: Health,
    metrics: Metrics,
    *,
    roles: Collection[Role],
    direct_dsn: str,
) -> Parts:
    """Make every part; what has to be closed goes onto the stack. `direct_dsn` goes through no pooler."""
    dice, wake, vault = SystemDice(), Wake(), make_vault(settings)
    sessions = await stack.enter_async_context(open_sessions(settings))
    upstreams = make_upstreams(settings, sessions, callback_keys(settings))
    faults = fault_points.parse(settings.fault_points, dice)
    sinks = make_sinks(stack, settings)
    if faults is not None:
        log.warning("faults.on", points=settings.fault_points)
        pool = fault_points.FaultyPool(pool, faults).pool
        fault_points.wrap_clients(upstreams, faults)
        sinks = {kind: fault_points.FaultySink(sink, faults) for kind, sink in sinks.items()}
    source = settings.event_source or settings.own_url
    fanout = Fanout(dice, source)
    apply = Apply(pool, wake, dice, fanout, policies(settings))
    accounts = Accounts(pool, wake, dice, vault, upstreams)
    views = Views(upstreams)
    defaults = Defaults(
        settings.deadline_seconds,
        settings.start_within_seconds,
        archive=Wanted(settings.archive, settings.archive_before_completed),
        hold_s=settings.archive_max_seconds,
        stores=stores(settings),
    )
    accept = Accept(pool, wake, dice, upstreams, views, defaults)
    receive = Receive(
        pool,
        wake,
        apply,
        upstreams,
        confirm=settings.callback_confirm,
        patience_s=settings.callback_patience_seconds,
    )
    batcher = Batcher(
        receive.flush,
        most=settings.callback_group,
        most_waiting=settings.callback_waiting,
        most_bytes=settings.callback_waiting_bytes,
        patience_s=settings.callback_patience_seconds,
    )
    me = myself(dice, tuple(sorted(roles)))
    worker, lease_s = me.worker, settings.lease_seconds
    # Half a lease: who cannot beat stops claiming well before others take its work over.
    fitness, held = Fitness(lease_s / 2), Held()
    floor = FloorPolicy(settings.claim_floor_seconds, settings.claims_without_floor)
    submit = Submit(pool, apply, upstreams, accounts, worker=worker, lease_s=lease_s, floor=floor)
    reconcile = Reconcile(
        pool,
        apply,
        submit,
        upstreams,
        accounts,
        worker=worker,
        lease_s=lease_s,
        held=held,
        floor=floor,
    )
    deliver = Deliver(
        pool,
        dice,
        vault,
        sinks,
        delivery_policy(settings),
        source=source,
        public_url=settings.own_url,
        worker=worker,
        wake=wake,
    )
    archive = make_archive(stack, settings, lambda: batcher.quiet_s)
    archiving = Archiving(
        pool,
        apply,
        dice,
        wake,
        Refresh(pool, upstreams, accounts),
        archive.fetcher,
        archive.places,
        archive.disk.temp,
        keeping(settings),
        worker=worker,
        lease_s=lease_s,
        public_url=settings.own_url,
    )
    replay = Replay(pool, wake)
    upkeep = Upkeep(pool, settings.retention_days)
    admit = Admit(pool, dice, [k.get_secret_value() for k in settings.api_keys])
    heartbeat = Heartbeat(pool, me, fitness, held, lease_s=lease_s)
    others = Others(pool, wake, me=worker, dsn=direct_dsn)
    tail = Tail(
        pool,
        wake,
        poll_s=settings.loop_poll_seconds,
        most_readers=settings.event_streams,
    )
    metrics.gauge("event_streams", "Streams of events that are open.", lambda: tail.readers)
    pending, orphans = Pending(pool, apply, receive), Orphans(pool, wake)
    conclude = Conclude(pool, wake, dice, fanout, views)
    flows = Flows(
        wake,
        batcher,
        submit,
        deliver,
        replay,
        reconcile,
        pending,
        conclude,
        orphans,
        upkeep,
        accounts,
        heartbeat,
        fitness,
        others,
        tail,
        archiving,
        archive.sweep,
    )
    _measure(metrics, apply, receive, submit, reconcile, deliver)
    measure_archives(metrics, archiving)
    about = "Deliveries that replays queued, by which were asked for."
    metrics.count("replayed", about, ("wanted",), replay.queued.items)
    metrics.gauge("inbox_waiting", "Callbacks that wait for a flusher.", lambda: batcher.waiting)
    again = AgainPolicy(settings.retention_days, settings.replay_per_second)
    deps = Deps(
        accept=accept,
        gather=Gather(pool, wake, dice, views),
        operate=Operate(pool, dice, apply, accept, views),
        erase=Erase(pool, wake),
        look=Look(pool, wake, views),
        files=Files(
            pool,
            wake,
            archive.places,
            callback_keys(settings),
            public_url=settings.own_url,
            link_s=settings.link_seconds,
        ),
        feed=Feed(pool),
        tail=tail,
        subscribe=Subscribe(pool, dice, vault),
        again=Again(pool, wake, dice, vault, again),
        ping=Ping(
            pool,
            dice,
            vault,
            sinks,
            source=source,
            timeout_s=settings.delivery_timeout_seconds,
            public_url=settings.own_url,
        ),
        publish=Publish(pool),
        admit=admit,
        accounts=accounts,
        receive=receive,
        batcher=batcher,
        upstreams=upstreams,
        upkeep=upkeep,
        health=health,
        metrics=metrics,
        dice=dice,
        check_url=check_url,
        version=__version__,
        limits=Limits(beat_s=settings.stream_beat_seconds),
        check_target=make_check({**SINKS, **find(SINKS).plugins}),
    )
    takeover = Takeover(pool, me, is_dead)
    return Parts(flows, deps, admit, apply, receive, takeover, make_keyring(settings, pool))


def delivery_policy(settings: Settings) -> DeliveryPolicy:
    """Read the limits of deliveries."""
    return DeliveryPolicy(
        waits=tuple(seconds(s) for s in settings.delivery_waits),
        timeout_s=settings.delivery_timeout_seconds,
        per_target=settings.delivery_per_target,
        disable_after=seconds(settings.disable_after_seconds),
        breaker=BreakerLimits(
            failures=settings.breaker_failures,
            open_first=seconds(settings.breaker_seconds),
            open_longest=seconds(settings.breaker_max_seconds),
            pause_first=seconds(settings.throttle_seconds),
            pause_longest=seconds(settings.throttle_max_seconds),
        ),
        floor=FloorPolicy(settings.claim_floor_seconds, settings.claims_without_floor),
    )


def _measure(
    metrics: Metrics,
    apply: Apply,
    receive: Receive,
    submit: Submit,
    reconcile: Reconcile,
    deliver: Deliver,
) -> None:
    by_state = ("provider", "state")
    metrics.count("tasks_moved", "Tasks that moved to a state.", by_state, apply.moves.items)
    by_account = ("provider", "account")
    about = "Pauses of accounts for their own faults."
    metrics.count("account_pauses", about, by_account, apply.pauses.items)
    by_outcome = ("provider", "outcome")
    metrics.count(
        "callbacks", "Callbacks by what became of them.", by_outcome, receive.outcomes.items
    )
    by_answer = ("provider", "answer")
    metrics.count("submits", "Submits by their answer.", by_answer, submit.answers.items)
    metrics.count(
        "reads", "Reads of the upstream by their answer.", by_answer, reconcile.reads.items
    )
    metrics.count("deliveries", "Delivery attempts by result.", ("result",), deliver.attempts.items)
