"""What the web is handed: flows, and what it shows of the process."""

from collections.abc import Callable
from dataclasses import dataclass, field

from service.core.states import CallbackOutcome
from service.flows.accept import Accept
from service.flows.accounts import Accounts
from service.flows.admit import Admit
from service.flows.again import Again
from service.flows.batcher import Batcher
from service.flows.erase import Erase
from service.flows.feed import Feed
from service.flows.files import Files
from service.flows.gather import Gather
from service.flows.look import Look
from service.flows.operate import Operate
from service.flows.ping import Ping
from service.flows.publish import Publish
from service.flows.receive import Incoming, Receive
from service.flows.subscribe import Subscribe
from service.flows.tail import Tail
from service.flows.upkeep import Upkeep
from service.flows.upstreams import Upstreams
from service.observe import Health, Metrics
from service.ports import Dice
from service.web.subscription_bodies import CheckTarget, check_target

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is read of a request, and for how long (CONTRACT.md sections 3 and 5)."""

    body_bytes: int = 8 * MIB
    body_s: float = 30.0
    callback_bytes: int = MIB
    callback_s: float = 5.0
    batch_bytes: int = 64 * MIB
    batch_line_bytes: int = MIB
    batch_s: float = 300.0
    """A pause between two parts of a batch's body is limited by `body_s`."""
    beat_s: float = 15.0
    """How often a stream with nothing to tell says so: proxies close what is silent for a minute."""
    stream_patience_s: float = 10.0
    """How long a stream's reader may take nothing."""
    video_patience_s: float = 60.0
    """How long a video's reader may take for half a megabyte; players that pause come again with a Range."""
    videos: int = 200
    """How many videos are read at once: each holds about a megabyte of memory while its reader is slow."""


@dataclass(frozen=True, slots=True)
class Deps:
    """Everything that handlers call.

    `check_url` raises `core.url_guard.UrlRefused`; `check_target` says what is wrong with a kind of target.
    """

    accept: Accept
    gather: Gather
    operate: Operate
    erase: Erase
    look: Look
    files: Files
    feed: Feed
    tail: Tail
    subscribe: Subscribe
    again: Again
    ping: Ping
    publish: Publish
    admit: Admit
    accounts: Accounts
    receive: Receive
    batcher: Batcher[Incoming, CallbackOutcome]
    upstreams: Upstreams
    upkeep: Upkeep
    health: Health
    metrics: Metrics
    dice: Dice
    check_url: Callable[[str], None]
    version: str
    limits: Limits = field(default_factory=Limits)
    check_target: CheckTarget = check_target
