"""The parts of a service, put together: plain constructor arguments, no container."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

import aiohttp

from service import __version__, datadir
from service.bootstrap.upstreams import make_upstreams, policies, seconds
from service.clock import SystemDice
from service.core.url_guard import check_url
from service.flows.accept import Accept, Defaults
from service.flows.accounts import Accounts
from service.flows.admit import Admit
from service.flows.apply import Apply
from service.flows.batcher import Batcher
from service.flows.deliver import Deliver, DeliveryPolicy
from service.flows.fanout import Fanout
from service.flows.floor import FloorPolicy
from service.flows.look import Look
from service.flows.operate import Operate
from service.flows.pending import Pending
from service.flows.receive import Receive
from service.flows.reconcile import Reconcile
from service.flows.submit import Submit
from service.flows.subscribe import Subscribe
from service.flows.upkeep import Upkeep
from service.flows.views import Views
from service.flows.wake import Wake
from service.observe import Health, Metrics
from service.settings import Settings
from service.sinks import SINKS, SinkOptions
from service.store.pool import Pool
from service.vault import Vault, format_key, new_key, parse_key
from service.web.deps import Deps
from service.workers.roles import Flows


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that was put together."""

    flows: Flows
    deps: Deps
    admit: Admit
    apply: Apply
    receive: Receive


async def make_parts(
    stack: AsyncExitStack, settings: Settings, pool: Pool, health: Health, metrics: Metrics
) -> Parts:
    """Make every part; what has to be closed goes onto the stack."""
    dice, wake, vault = SystemDice(), Wake(), _vault(settings)
    session = await stack.enter_async_context(aiohttp.ClientSession())
    upstreams = make_upstreams(settings, session, _callback_keys(settings, dice))
    options = SinkOptions(settings.data_dir / "sinks", settings.allow_networks)
    sinks = {kind: make(options) for kind, make in SINKS.items()}
    for sink in sinks.values():
        stack.push_async_callback(sink.close)
    source = settings.event_source or settings.own_url
    apply = Apply(pool, wake, dice, Fanout(dice, source), policies(settings))
    accounts = Accounts(pool, wake, dice, vault, upstreams)
    views = Views()
    defaults = Defaults(settings.deadline_seconds, settings.start_within_seconds)
    accept = Accept(pool, wake, dice, upstreams, views, defaults)
    receive = Receive(pool, wake, apply, upstreams)
    batcher = Batcher(
        receive.flush,
        most=settings.callback_group,
        most_waiting=settings.callback_waiting,
        most_bytes=settings.callback_waiting_bytes,
        patience_s=settings.callback_patience_seconds,
    )
    worker = dice.uuid()
    lease_s = settings.lease_seconds
    floor = FloorPolicy(settings.claim_floor_seconds, settings.claims_without_floor)
    submit = Submit(pool, apply, upstreams, accounts, worker=worker, lease_s=lease_s, floor=floor)
    reconcile = Reconcile(
        pool, apply, submit, upstreams, accounts, worker=worker, lease_s=lease_s, floor=floor
    )
    deliver = Deliver(pool, dice, vault, sinks, _delivery_policy(settings))
    upkeep = Upkeep(pool, settings.retention_days)
    admit = Admit(pool, dice, [k.get_secret_value() for k in settings.api_keys])
    flows = Flows(
        wake, batcher, submit, deliver, reconcile, Pending(pool, apply, receive), upkeep, accounts
    )
    _measure(metrics, apply, receive, submit, reconcile, deliver)
    metrics.gauge("inbox_waiting", "Callbacks that wait for a flusher.", lambda: batcher.waiting)
    deps = Deps(
        accept=accept,
        operate=Operate(pool, dice, apply, accept, views),
        look=Look(pool, wake, views),
        subscribe=Subscribe(pool, dice, vault),
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
    )
    return Parts(flows, deps, admit, apply, receive)


def _delivery_policy(settings: Settings) -> DeliveryPolicy:
    return DeliveryPolicy(
        waits=tuple(seconds(s) for s in settings.delivery_waits),
        timeout_s=settings.delivery_timeout_seconds,
        # An attempt and its recording: past it, another process sends again.
        lease_s=settings.delivery_timeout_seconds + 5,
        per_target=settings.delivery_per_target,
        floor=FloorPolicy(settings.claim_floor_seconds, settings.claims_without_floor),
    )


def _callback_keys(settings: Settings, dice: SystemDice) -> tuple[bytes, ...]:
    given = [k.get_secret_value() for k in settings.callback_keys]
    if not given:
        made = datadir.read_or_make(
            settings.data_dir, "callback_keys", lambda: dice.secret(32).hex()
        )
        given = [k for k in made.split(",") if k]
    return tuple(k.encode() for k in given)


def _vault(settings: Settings) -> Vault:
    given = [k.get_secret_value() for k in settings.encryption_keys]
    if not given:
        made = datadir.read_or_make(
            settings.data_dir, "encryption_keys", lambda: format_key(new_key())
        )
        given = [k for k in made.split(",") if k]
    return Vault([parse_key(k) for k in given])


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
