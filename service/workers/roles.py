"""Which loops a role runs."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from enum import StrEnum

from service.core.states import CallbackOutcome
from service.flows.accounts import REFRESH_S, Accounts
from service.flows.archive import Archiving
from service.flows.batcher import Batcher
from service.flows.conclude import Conclude
from service.flows.deliver import Deliver
from service.flows.heartbeat import Fitness, Heartbeat
from service.flows.orphans import Orphans
from service.flows.others import REST_S, Others
from service.flows.pending import Pending
from service.flows.receive import Incoming
from service.flows.reconcile import Reconcile
from service.flows.replay import Replay
from service.flows.submit import Submit
from service.flows.tail import Tail
from service.flows.upkeep import Upkeep
from service.flows.wake import Topic, Wake
from service.workers.loop import Every, Lanes, Loop

FLUSHERS = 2
"""While one group commits, the next one is gathered (queues.md E3)."""
UPKEEP_S = 600.0
READS_AT_ONCE = 16
EXPIRE_S = 60.0
SWEEP_S = 3600.0


class Role(StrEnum):
    """A share of the work; any number of processes take any mix of them."""

    API = "api"
    SUBMIT = "submit"
    DELIVER = "deliver"
    RECONCILE = "reconcile"
    ARCHIVE = "archive"


@dataclass(frozen=True, slots=True)
class Flows:
    """What the loops call."""

    wake: Wake
    batcher: Batcher[Incoming, CallbackOutcome]
    submit: Submit
    deliver: Deliver
    replay: Replay
    reconcile: Reconcile
    pending: Pending
    conclude: Conclude
    orphans: Orphans
    upkeep: Upkeep
    accounts: Accounts
    heartbeat: Heartbeat
    fitness: Fitness
    others: Others
    tail: Tail
    archiving: Archiving
    sweep: Callable[[], Awaitable[int]]
    """Removes files of downloads that were left behind."""


class Listening:
    """The loop that hears other processes; whenever its connection is lost the supervisor starts it anew."""

    name = "listen"

    def __init__(self, others: Others) -> None:
        self._others = others

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until told to stop."""
        await self._others.listen(stop)


class Following:
    """The loop that reads the end of the feed for the streams of this process."""

    name = "tail"

    def __init__(self, tail: Tail) -> None:
        self._tail = tail

    async def run(self, stop: asyncio.Event) -> None:
        """Read until told to stop."""
        await self._tail.run(stop)


def shared_loops(flows: Flows, *, beat_s: float) -> list[Loop]:
    """Give the loops that every process runs, whatever its roles: it lives, tells and hears."""
    return [
        Every("heartbeat", flows.heartbeat.beat, beat_s, again_when_busy=False),
        Every("tell", flows.others.flush_once, REST_S, again_when_busy=False),
        Listening(flows.others),
    ]


def loops(
    roles: Collection[Role],
    flows: Flows,
    *,
    poll_s: float,
    orphans_s: float,
    sends: int,
    deliveries: int,
    archives: int,
) -> list[Loop]:
    """Give the loops of these roles; `sends`, `deliveries` and `archives` are how many go on at once."""
    makers: dict[Role, Callable[[], list[Loop]]] = {
        Role.API: lambda: _api(flows),
        Role.SUBMIT: lambda: _submit(flows, poll_s, sends),
        Role.DELIVER: lambda: _deliver(flows, poll_s, deliveries),
        Role.RECONCILE: lambda: _reconcile(flows, poll_s, orphans_s),
        Role.ARCHIVE: lambda: _archive(flows, poll_s, archives),
    }
    known = Every("accounts", flows.accounts.refresh, REFRESH_S)
    return [known, *(loop for role in Role if role in roles for loop in makers[role]())]


def _api(flows: Flows) -> list[Loop]:
    """The flushers of the inbox, and what streams read; both are served by whoever has this role."""
    flush = flows.batcher.flush_once
    flushers = [Every(f"inbox-{n}", flush, 0.001) for n in range(FLUSHERS)]
    return [*flushers, Following(flows.tail)]


def _submit(flows: Flows, poll_s: float, size: int) -> list[Loop]:
    submit, wake = flows.submit, flows.wake
    return [
        Lanes(
            "submit",
            flows.fitness.guard(submit.claim),
            submit.work,
            size=size,
            wake=wake,
            topic=Topic.SUBMIT,
            poll_s=poll_s,
            release=submit.release,
        )
    ]


def _deliver(flows: Flows, poll_s: float, size: int) -> list[Loop]:
    deliver, wake = flows.deliver, flows.wake
    lanes = Lanes(
        "deliver",
        flows.fitness.guard(deliver.claim),
        deliver.work,
        size=size,
        wake=wake,
        topic=Topic.DELIVER,
        poll_s=poll_s,
        release=deliver.release,
    )
    return [
        lanes,
        Every("rescue-deliveries", deliver.rescue, 5 * poll_s, again_when_busy=False),
        Every("replays", flows.replay.run_once, poll_s),
    ]


def _reconcile(flows: Flows, poll_s: float, orphans_s: float) -> list[Loop]:
    due, wake = flows.reconcile, flows.wake
    return [
        Lanes(
            "reconcile",
            flows.fitness.guard(due.claim),
            due.work,
            size=READS_AT_ONCE,
            wake=wake,
            topic=Topic.DUE,
            poll_s=poll_s,
            release=due.release,
        ),
        Every("expire", due.expire, poll_s),
        Every("pending", flows.pending.run_once, poll_s, wake=wake, topic=Topic.CALLBACKS),
        Every("batches", flows.conclude.run_once, poll_s, wake=wake, topic=Topic.BATCHES),
        Every("orphans", flows.orphans.run_once, orphans_s),
        Every("upkeep", flows.upkeep.run_once, UPKEEP_S, again_when_busy=False),
    ]


def _archive(flows: Flows, poll_s: float, size: int) -> list[Loop]:
    archiving, wake = flows.archiving, flows.wake
    return [
        Lanes(
            "archive",
            flows.fitness.guard(archiving.claim),
            archiving.work,
            size=size,
            wake=wake,
            topic=Topic.ARCHIVE,
            poll_s=poll_s,
            release=archiving.release,
        ),
        Every("expire-videos", archiving.expire, EXPIRE_S),
        Every("sweep-videos", flows.sweep, SWEEP_S, again_when_busy=False),
    ]
