"""The total table: for every state and input, what follows.

`decide` never fails and never does I/O. It answers with *move* (the task changes), *ignore* (nothing
new: late and doubled things are normal) or *refuse* (it must not happen now; nothing changes).

| input         | queued        | submitting          | processing      | final                    |
| ------------- | ------------- | ------------------- | --------------- | ------------------------ |
| SendStarted   | submitting    | resend, if allowed  | refuse          | refuse                   |
| Accepted      | processing    | processing          | id, or ignore   | late video, id           |
| Refused       | ignore        | rejected or unknown | ignore          | frees a slot             |
| TryLater      | ignore        | queued or unknown   | ignore          | frees a slot             |
| SubmitUnknown | ignore        | stays, to be read   | id, or ignore   | id                       |
| Report        | processing …  | processing …        | settles results | late video, ends a watch |
| Read…         | ignore        | resend or time      | next look, time | next look of a watch     |
| Tick          | never_started | outcome unknown     | ignore          | next look, if it is due  |
| CancelAsked   | canceled      | canceled            | canceled        | ignore or refuse         |
| AskUpstream   | ignore        | look now            | look now        | look now while watched   |
| Unconfirmed   | processing    | processing          | look now        | look now while watched   |
| Archived      | ignore        | ignore              | tells of it     | tells of it              |

A task whose results are all known, and whose events wait for files, is `core.holding`'s.
A look that was asked for while a send or a read was under way is due as soon as its answer is there.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from service.core import holding, reporting, sending
from service.core.afterwards import decide_final
from service.core.decision import (
    Context,
    Decision,
    Verdict,
    asked_meanwhile,
    finish,
    ignore,
    look_at_once,
    move,
    past,
    send_is_over,
)
from service.core.fault import Fault
from service.core.inputs import (
    Accepted,
    Archived,
    AskUpstream,
    CancelAsked,
    Input,
    ReadFailed,
    ReadNothing,
    Refused,
    Report,
    SendStarted,
    SubmitUnknown,
    Tick,
    TryLater,
    Unconfirmed,
)
from service.core.states import State
from service.core.task import Policy, Task


def decide(task: Task, event: Input, now: datetime, policy: Policy, jitter: float) -> Decision:
    """Decide what follows from `event` for `task`; `jitter` is in [0, 1)."""
    ctx = Context(now, policy, jitter)
    if task.final:
        decision = decide_final(task, event, ctx)
    elif task.holding:
        decision = holding.decide_holding(task, event, ctx)
    else:
        decision = _decide_open(task, event, ctx)
    told = isinstance(event, Accepted | Report | ReadNothing | ReadFailed)
    if told and decision.verdict is Verdict.MOVE and asked_meanwhile(task, ctx):
        # What was under way began before the question: it does not answer it.
        return replace(decision, task=look_at_once(decision.task, ctx))
    return decision


def _decide_open(  # noqa: C901 - the table: one case an input
    task: Task, event: Input, ctx: Context
) -> Decision:
    match event:
        case SendStarted():
            return sending.send_started(task, event, ctx)
        case Accepted():
            return reporting.accepted(task, event, ctx)
        case Refused():
            return sending.refused(task, event, ctx)
        case TryLater():
            return sending.try_later(task, event, ctx)
        case SubmitUnknown():
            return sending.submit_unknown(task, event, ctx)
        case Report():
            return reporting.report(task, event, ctx)
        case ReadNothing() | ReadFailed():
            return reporting.read(task, event, ctx)
        case Tick():
            return _tick(task, ctx)
        case CancelAsked():
            return finish(task, State.CANCELED, None, ctx, "canceled")
        case AskUpstream():
            return _ask(task, event, ctx)
        case Unconfirmed():
            return reporting.unconfirmed(task, event.report, ctx)
        case Archived():
            return holding.archived(task, event, ctx)


class Step(StrEnum):
    """What has to be done about a task whose `look_again_at` came."""

    SEND = "send"
    READ = "read"
    TICK = "tick"


def next_step(task: Task, now: datetime, policy: Policy) -> Step:
    """Say what a task that is due needs: a send, a read of the upstream, or only the time."""
    if task.final:
        given_up = task.slot_since is None or now >= task.slot_since + policy.slot_max
        return Step.TICK if given_up else Step.READ
    if task.state is State.QUEUED:
        return Step.TICK if now >= task.start_by else Step.SEND
    if task.being_sent or past(task.hold_over_at, now):
        return Step.TICK
    return Step.SEND if sending.may_resend(task, now, policy) else Step.READ


def _tick(task: Task, ctx: Context) -> Decision:
    if task.state is State.QUEUED:
        if ctx.now >= task.start_by:
            return sending.never_started(task, ctx)
        return ignore(task, "waiting")
    if past(task.hold_until, ctx.now):
        return holding.hold_over(task, ctx)
    if task.being_sent and send_is_over(task, ctx):
        text = "The process that was sending it ended before an answer came."
        return sending.stay_unknown(task, Fault("no_answer", text), ctx, answered=False)
    return ignore(task, "nothing_due")


def _ask(task: Task, event: AskUpstream, ctx: Context) -> Decision:
    asked = task if task.state is State.QUEUED else look_at_once(task, ctx)
    return ignore(task, event.reason) if asked is task else move(asked, event.reason)
