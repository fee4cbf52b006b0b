"""Part of step 4: when a task ends without a video, what was given as `fallback` is accepted in the same commit."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from service.core.fallback import wants_fallback
from service.core.task import Card, Task
from service.ports import Checked, Dice
from service.store import tasks
from service.store.pool import Conn
from service.store.tasks import NewTask

if TYPE_CHECKING:
    from service.flows.apply import Applied

log = structlog.get_logger()


def keep(checked: Sequence[tuple[str, Checked]]) -> str | None:
    """Write down what may be tried instead, in its order; what it says was checked with the submission."""
    if not checked:
        return None
    entries = [
        {
            "provider": provider,
            "request": one.request,
            "model": one.model,
            "resultsExpected": one.results_expected,
            "warnings": one.warnings,
        }
        for provider, one in checked
    ]
    return json.dumps(entries, ensure_ascii=False)


async def start(
    conn: Conn,
    dice: Dice,
    moved: Sequence["Applied"],
    cards: Mapping[UUID, Card],
    now: datetime,
) -> dict[UUID, Card]:
    """Accept what is tried instead of the tasks that end here; gives their cards, which name it.

    A task ends once, in one transaction, so it falls back once.
    """
    named: dict[UUID, Card] = {}
    new: dict[str, list[NewTask]] = {}
    for applied in moved:
        if applied.decision is None or applied.before is None or applied.before.final:
            continue
        task = applied.decision.task
        card = cards.get(task.task_uuid)
        if not task.final or card is None or card.fallback is None or not wants_fallback(task):
            continue
        made = _instead(task, card, dice.uuid())
        new.setdefault(task.tenant, []).append(made)
        named[task.task_uuid] = replace(card, fallback_task=made.task_uuid)
    for tenant, made_now in new.items():
        await tasks.insert(conn, tenant, made_now, now)
    if named:
        await tasks.name_fallbacks(
            conn, {u: c.fallback_task for u, c in named.items() if c.fallback_task}
        )
    return named


def _instead(task: Task, card: Card, task_uuid: UUID) -> NewTask:
    first, *rest = json.loads(card.fallback or "[]")
    log.info(
        "task.falls_back",
        task_id=str(task.task_uuid),
        fallback_task_id=str(task_uuid),
        provider=first["provider"],
        code=task.error.code if task.error else None,
    )
    return NewTask(
        task_uuid=task_uuid,
        provider=first["provider"],
        model=first["model"],
        results_expected=first["resultsExpected"],
        request=json.dumps(first["request"], ensure_ascii=False),
        metadata=card.metadata.decode(),
        labels=card.labels,
        warnings=tuple(first["warnings"]),
        notify_url=card.notify_url,
        priority=card.priority,
        start_within_s=max(int((task.start_by - task.created_at).total_seconds()), 1),
        deadline_s=task.deadline_seconds,
        batch_id=task.batch_id,
        fallback=json.dumps(rest, ensure_ascii=False) if rest else None,
        fallback_of=task.task_uuid,
        archive=card.archive,
        hold_s=task.hold_s,
    )
