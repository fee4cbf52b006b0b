"""Step 1: validate a submission in full, store it, answer. Durable before the answer, or not stored at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import structlog

from service.core.archive_target import check_target
from service.core.errors import Conflict, FieldError, Invalid, ServiceError
from service.core.media import NONE, NOTHING, Wanted
from service.flows import fallback
from service.flows.check import check
from service.flows.idempotent import Answer, once
from service.flows.upstreams import Upstreams
from service.flows.views import Views
from service.flows.wake import Topic, Wake
from service.ports import Checked, Dice
from service.store import tasks
from service.store.keys import Scope
from service.store.pool import Conn, Pool
from service.store.tasks import NewTask

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission whose own fields are valid. Its request is checked here, by its provider."""

    provider: str
    request: object
    task_uuid: UUID | None
    labels: Mapping[str, str]
    metadata: object
    deadline_s: int | None
    start_within_s: int | None
    priority: int
    retry_of: UUID | None = None
    account: str | None = None
    """The account to send it by; none for any."""
    fallback: tuple[tuple[str, object], ...] = ()
    """Providers and requests to be tried instead, in their order."""
    archive: Wanted | None = None
    """What is to be done with its videos; none for the default. Its target is checked here."""


@dataclass(frozen=True, slots=True)
class Defaults:
    """What a submission gets when it does not say (CONTRACT.md section 7)."""

    deadline_s: int
    start_within_s: int
    archive: Wanted = NOTHING
    hold_s: int = 600
    """How long `video.completed` waits for a file, where that is asked for."""
    stores: tuple[str, ...] = ()
    """The object stores that callers may name, each with a prefix."""


class Accept:
    """Stores submissions."""

    def __init__(
        self,
        pool: Pool,
        wake: Wake,
        dice: Dice,
        upstreams: Upstreams,
        views: Views,
        defaults: Defaults,
    ) -> None:
        self._pool = pool
        self._wake = wake
        self._dice = dice
        self._upstreams = upstreams
        self._views = views
        self._defaults = defaults

    async def submit(
        self,
        tenant: str,
        given: Sequence[Submission],
        *,
        many: bool,
        scope: Scope | None,
        body: object,
    ) -> Answer:
        """Store one submission or an array of them, all or none.

        Raises Invalid with every fault of every submission, Conflict for a taken taskUUID.
        """
        new: list[NewTask] = []

        async def effect(conn: Conn) -> Answer:
            # In here, so that a replay is answered even when its provider was turned off since.
            new[:] = self.check(given, many=many)
            await self.insert(conn, tenant, new, many=many)
            uuids = tuple(n.task_uuid for n in new)
            views = await self._views.load(conn, tenant, uuids)
            if many:
                return Answer(202, None, self._views.page(views, None), tasks=uuids)
            return Answer(202, f"/v1/tasks/{uuids[0]}", views[0], tasks=uuids)

        answer = await once(self._pool, scope, body, effect)
        if not answer.replayed:
            self.told(new)
        return answer

    def check(self, given: Sequence[Submission], *, many: bool) -> list[NewTask]:
        """Validate submissions; raises Invalid with every fault and where it is."""
        new: list[NewTask] = []
        faults: list[FieldError] = []
        for position, submission in enumerate(given):
            prefix = f"/{position}" if many else ""
            try:
                new.append(self._new(submission, prefix))
            except ServiceError as error:
                faults += error.errors
        faults += _doubled(new) if many and not faults else []
        if faults:
            raise Invalid(errors=tuple(faults))
        return new

    async def insert(self, conn: Conn, tenant: str, new: Sequence[NewTask], *, many: bool) -> None:
        """Write checked submissions in the caller's transaction; raises Conflict for a taken taskUUID."""
        stored = await tasks.insert(conn, tenant, new)
        taken = [i for i, n in enumerate(new) if n.task_uuid not in stored]
        if taken:
            faults = tuple(
                FieldError(f"/{i}/taskUUID" if many else "/taskUUID", "This taskUUID is taken.")
                for i in taken
            )
            text = "A task with this taskUUID exists already; nothing was stored."
            raise Conflict(text, errors=faults)

    def told(self, new: Sequence[NewTask]) -> None:
        """Wake the senders, after the commit."""
        for n in new:
            log.info("task.accepted", task_id=str(n.task_uuid), provider=n.provider, model=n.model)
        self._wake.ring([Topic.SUBMIT, Topic.DUE])

    def _new(self, given: Submission, prefix: str) -> NewTask:
        checked, instead = self._checked(given, prefix)
        both = {u for u in (given.task_uuid, checked.task_uuid) if u is not None}
        if len(both) > 1:
            text = "It differs from the taskUUID inside the request."
            raise Invalid(errors=(FieldError(f"{prefix}/taskUUID", text),))
        most = max(c.results_expected for c in (checked, *(c for _, c in instead)))
        archive = self._archive(given.archive, most, prefix)
        return NewTask(
            task_uuid=next(iter(both), None) or self._dice.uuid(),
            provider=given.provider,
            model=checked.model,
            results_expected=checked.results_expected,
            request=json.dumps(checked.request, ensure_ascii=False),
            metadata=json.dumps(given.metadata, ensure_ascii=False),
            labels=given.labels,
            warnings=checked.warnings,
            notify_url=checked.notify_url,
            priority=given.priority,
            start_within_s=given.start_within_s or self._defaults.start_within_s,
            deadline_s=given.deadline_s or self._defaults.deadline_s,
            retry_of=given.retry_of,
            account=given.account,
            fallback=fallback.keep(instead),
            archive=None if archive is None else archive.write(),
            hold_s=self._defaults.hold_s if archive and archive.before_completed else None,
        )

    def _archive(self, given: Wanted | None, results: int, prefix: str) -> Wanted | None:
        """Give what is to be done with its videos, none for nothing; raises Invalid."""
        wanted = given or self._defaults.archive
        if given is not None:
            try:
                wanted = replace(given, to=check_target(given.to, self._defaults.stores))
            except ValueError as error:
                raise Invalid(errors=(FieldError(f"{prefix}/archive", str(error)),)) from None
        if isinstance(wanted.to, tuple) and len(wanted.to) < results:
            text = (
                f"Each of the {results} results wants a URL of its own; there are {len(wanted.to)}."
            )
            raise Invalid(errors=(FieldError(f"{prefix}/archive", text),))
        return None if wanted.to == NONE else wanted

    def _checked(self, given: Submission, prefix: str) -> tuple[Checked, list[tuple[str, Checked]]]:
        """Check the request and what is to be tried instead; raises Invalid with every fault of both."""
        faults: list[FieldError] = []
        checked: Checked | None = None
        try:
            checked = self._check_request(given.provider, given.request, prefix)
            self._check_account(given, prefix)
        except Invalid as error:
            faults += error.errors
        instead = self._fallbacks(given, prefix, faults)
        if checked is None or faults:
            raise Invalid(errors=tuple(faults))
        return checked, instead

    def _check_request(self, provider: str, request: object, prefix: str) -> Checked:
        off = self._upstreams[provider].off_because if provider in self._upstreams else None
        if off is not None:
            raise Invalid(errors=(FieldError(f"{prefix}/provider", off),))
        return check(self._upstreams, provider, request, prefix)

    def _fallbacks(
        self, given: Submission, prefix: str, faults: list[FieldError]
    ) -> list[tuple[str, Checked]]:
        """Check what is to be tried instead; its faults are added to the others."""
        good: list[tuple[str, Checked]] = []
        for position, (provider, request) in enumerate(given.fallback):
            place = f"{prefix}/fallback/{position}"
            try:
                checked = self._check_request(provider, request, place)
            except Invalid as error:
                faults += error.errors
                continue
            if checked.task_uuid is not None:
                text = "A task that is tried instead is named here: leave the taskUUID out."
                faults.append(FieldError(f"{place}/request/taskUUID", text))
            if checked.notify_url is not None:
                text = "Whoever is told of the first request is told of this one too: leave it out."
                faults.append(FieldError(f"{place}/request/{_webhook_field(request)}", text))
            good.append((provider, checked))
        return good

    def _check_account(self, given: Submission, prefix: str) -> None:
        known = self._upstreams[given.provider].accounts
        if given.account is not None and given.account not in known:
            text = f"There is no account of this name for {given.provider}; there are: {', '.join(known)}."
            raise Invalid(errors=(FieldError(f"{prefix}/account", text),))


def _webhook_field(request: object) -> str:
    return "webhookUrl" if isinstance(request, dict) and "webhookUrl" in request else "webhookURL"


def _doubled(new: Sequence[NewTask]) -> list[FieldError]:
    seen: set[UUID] = set()
    faults: list[FieldError] = []
    for i, n in enumerate(new):
        if n.task_uuid in seen:
            faults.append(FieldError(f"/{i}/taskUUID", "This taskUUID stands there twice."))
        seen.add(n.task_uuid)
    return faults
