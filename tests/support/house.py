"""All flows on a real database, with fakes for the upstreams and the targets of events.

Nothing runs by itself: tests call `claim` and `work`, `flush_once` and `run_once`.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from service.core.inputs import Input
from service.core.states import CallbackOutcome
from service.core.task import Policy
from service.flows.accept import Accept, Defaults
from service.flows.accounts import Accounts
from service.flows.admit import Admit
from service.flows.again import Again, AgainPolicy
from service.flows.apply import Applied, Apply, Change
from service.flows.batcher import Batcher
from service.flows.conclude import Conclude
from service.flows.deliver import Deliver, DeliveryPolicy
from service.flows.erase import Erase
from service.flows.fanout import Fanout
from service.flows.feed import Feed
from service.flows.floor import FloorPolicy
from service.flows.gather import Gather
from service.flows.look import Look
from service.flows.operate import Operate
from service.flows.orphans import Orphans
from service.flows.pending import Pending
from service.flows.ping import Ping
from service.flows.publish import Publish
from service.flows.receive import Incoming, Receive
from service.flows.reconcile import Reconcile
from service.flows.replay import Replay
from service.flows.submit import Submit
from service.flows.subscribe import Subscribe
from service.flows.tail import Tail
from service.flows.upkeep import Upkeep
from service.flows.upstreams import Upstream, Upstreams
from service.flows.views import Views
from service.flows.wake import Wake
from service.ports import Dice
from service.store.accounts import Limits
from service.store.pool import Pool
from service.vault import Vault
from tests.support.fakes import FakeProvider, FakeSink, LoadedDice
from tests.support.tasks import POLICY

PUBLIC_URL = "https://board.example"
CALLBACK_KEYS = (b"first-callback-key", b"second-callback-key")
API_KEY = "cb_test-key"
WORKER = UUID("99999999-9999-4999-8999-999999999999")
FLOOR = FloorPolicy(seconds=0)
"""Looked for anew by each claim: `pass_time` moves what waits below any floor that was found before."""
DELIVERIES = DeliveryPolicy(
    waits=(timedelta(seconds=5), timedelta(minutes=5)),
    timeout_s=2.0,
    lease_margin_s=8.0,
    per_target=4,
    floor=FLOOR,
)


@dataclass(frozen=True, slots=True)
class House:
    """Every flow, and the fakes they talk to."""

    pool: Pool
    wake: Wake
    dice: Dice
    vault: Vault
    providers: Mapping[str, FakeProvider]
    upstreams: Upstreams
    sink: FakeSink
    apply: Apply
    accept: Accept
    gather: Gather
    conclude: Conclude
    submit: Submit
    receive: Receive
    batcher: Batcher[Incoming, CallbackOutcome]
    pending: Pending
    orphans: Orphans
    deliver: Deliver
    reconcile: Reconcile
    operate: Operate
    erase: Erase
    look: Look
    feed: Feed
    tail: Tail
    subscribe: Subscribe
    again: Again
    replay: Replay
    ping: Ping
    publish: Publish
    admit: Admit
    upkeep: Upkeep
    accounts: Accounts

    async def send_queued(self) -> int:
        """Send every queued task there is a place for; gives how many."""
        claimed = await self.submit.claim(100)
        for task in claimed:
            await self.submit.work(task)
        return len(claimed)

    async def tell(self, task_uuid: UUID, event: Input) -> Applied:
        """Have something happen to a task."""
        (applied,) = await self.apply.run([Change(task_uuid, event, "test")])
        return applied

    async def deliver_due(self) -> int:
        """Make one attempt of every delivery that is due; gives how many."""
        claimed = await self.deliver.claim(100)
        for row in claimed:
            await self.deliver.work(row)
        return len(claimed)


def make_house(
    pool: Pool,
    *,
    dice: Dice | None = None,
    off: Mapping[str, str] | None = None,
    policy: Policy = POLICY,
    concurrency: int = 100,
    per_minute: int = 0,
    reads_per_minute: int = 0,
    patience_s: float = 4.0,
    fake: type[FakeProvider] = FakeProvider,
    keyless: bool = False,
    confirm: Collection[str] = (),
    worker: UUID = WORKER,
) -> House:
    """Put all flows together; `off` says of providers why they are off, `fake` what plays them.

    `keyless` houses have no key in their environment.
    """
    dice = dice or LoadedDice()
    wake, vault, sink = Wake(), Vault([b"k" * 32]), FakeSink()
    providers = {name: fake(name) for name in ("runware", "sync")}
    upstreams = Upstreams(
        {
            n: Upstream(
                p,
                Limits(concurrency, per_minute, reads_per_minute),
                cannot_call_back=(off or {}).get(n),
                keyless="The provider is off: it has no key.",
                clients={} if keyless else None,
                make_client=p.by_account,
            )
            for n, p in providers.items()
        },
        public_url=PUBLIC_URL,
        callback_keys=CALLBACK_KEYS,
        poll_only=False,
    )
    policies = dict.fromkeys(providers, policy)
    fanout = Fanout(dice, PUBLIC_URL)
    apply = Apply(pool, wake, dice, fanout, policies)
    accounts = Accounts(pool, wake, dice, vault, upstreams)
    views = Views(upstreams)
    accept = Accept(pool, wake, dice, upstreams, views, Defaults(3600, 604_800))
    receive = Receive(pool, wake, apply, upstreams, confirm=confirm, patience_s=patience_s)
    submit = Submit(pool, apply, upstreams, accounts, worker=worker, lease_s=60.0, floor=FLOOR)
    return House(
        pool=pool,
        wake=wake,
        dice=dice,
        vault=vault,
        providers=providers,
        upstreams=upstreams,
        sink=sink,
        apply=apply,
        accept=accept,
        gather=Gather(pool, wake, dice, views),
        conclude=Conclude(pool, wake, dice, fanout, views),
        submit=submit,
        receive=receive,
        batcher=Batcher(
            receive.flush,
            most=100,
            most_waiting=1000,
            most_bytes=2**26,
            patience_s=patience_s,
        ),
        pending=Pending(pool, apply, receive),
        orphans=Orphans(pool, wake),
        deliver=Deliver(
            pool,
            dice,
            vault,
            {"webhook": sink, "file": sink},
            DELIVERIES,
            source=PUBLIC_URL,
            wake=wake,
        ),
        reconcile=Reconcile(
            pool, apply, submit, upstreams, accounts, worker=worker, lease_s=60.0, floor=FLOOR
        ),
        operate=Operate(pool, dice, apply, accept, views),
        erase=Erase(pool, wake),
        look=Look(pool, wake, views),
        feed=Feed(pool),
        tail=Tail(pool, wake, poll_s=0.2, most_readers=50),
        subscribe=Subscribe(pool, dice, vault),
        again=Again(pool, wake, dice, vault, AgainPolicy(retention_days=30, rate=50)),
        replay=Replay(pool, wake),
        ping=Ping(
            pool, dice, vault, {"webhook": sink, "file": sink}, source=PUBLIC_URL, timeout_s=2.0
        ),
        publish=Publish(pool, keep_s=0),
        admit=Admit(pool, dice, [API_KEY]),
        upkeep=Upkeep(pool, retention_days=30),
        accounts=accounts,
    )
