"""What the answers to submits make of their accounts: part of step 4, in its transaction."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import structlog

from service.core.inputs import Accepted, Answer, Refused, SubmitUnknown, TryLater
from service.core.pausing import Pause, heard
from service.core.task import Policy, Task
from service.store import accounts
from service.store.accounts import Name
from service.store.pool import Conn

if TYPE_CHECKING:
    from service.flows.apply import Applied

log = structlog.get_logger()


async def hear(
    conn: Conn,
    applied: Sequence["Applied"],
    policies: Mapping[str, Policy],
    jitter: float,
    counts: Counter[tuple[str, str]],
) -> None:
    """Pause accounts that are at fault, and end the pauses of those that are well again.

    What an answer says of its account is true whatever became of its task, so stale ones count too. Pauses are
    counted by (provider, account); a transaction that is tried again counts again.
    """
    answers = [a for a in applied if a.before and isinstance(a.change.input, Answer)]
    for tenant in sorted({a.before.tenant for a in answers if a.before}):
        paused = await _hear(conn, tenant, answers, policies, jitter)
        counts.update(paused)


async def _hear(
    conn: Conn,
    tenant: str,
    answers: Sequence["Applied"],
    policies: Mapping[str, Policy],
    jitter: float,
) -> list[tuple[str, str]]:
    """Hear the answers of one tenant's tasks; gives the accounts that are paused now, and were not before."""
    named: dict[tuple[str, str], bool] = {}
    for a in answers:
        if a.before is not None and a.before.tenant == tenant:
            at_fault = isinstance(a.change.input, TryLater) and a.change.input.account
            named[_of(a.before)] = named.get(_of(a.before), False) or at_fault
    before = await accounts.lock_pauses(conn, tenant, named)
    after = dict(before)
    for a in answers:
        task, said, now = a.before, a.change.input, a.at
        if task is None or now is None or _of(task) not in after:
            continue
        if isinstance(said, Accepted | Refused | TryLater | SubmitUnknown):
            policy = policies[task.provider]
            after[_of(task)] = heard(after[_of(task)], said, task.sent_at, now, policy, jitter)
    for key, pause in after.items():
        if pause != before[key]:
            await accounts.write_pause(conn, Name(tenant, *key), pause)
            _tell(key, before[key], pause)
    return [key for key, pause in after.items() if pause.count > before[key].count]


def _of(task: Task) -> tuple[str, str]:
    return task.provider, task.account


def _tell(key: tuple[str, str], before: Pause, after: Pause) -> None:
    provider, account = key
    if after.count > before.count:
        log.warning(
            "account.paused",
            provider=provider,
            account=account,
            pauses=after.count,
            until=after.until.isoformat() if after.until else None,
            code=after.fault.code if after.fault else None,
        )
    elif after.count == 0:
        log.info("account.well_again", provider=provider, account=account)
