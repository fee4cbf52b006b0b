"""The proof: after an erasure, nothing that a user, an upstream or a receiver wrote is found anywhere in the database."""

from uuid import UUID

from service.core.fault import Fault, FaultKind
from service.core.inputs import CancelAsked, Report, Source, TryLater
from service.core.media import Wanted
from service.core.states import CallbackOutcome as Outcome
from service.core.task import Video
from service.flows.accept import Submission
from service.ports import Sent
from service.store.keys import Scope
from service.store.pool import Pool
from tests.support.erasure import ended, places_of
from tests.support.fakes import said
from tests.support.flows import TENANT, call_back, key, pass_time, submission, subscribed
from tests.support.house import House
from tests.support.stored import lawful

MARKER = "q7f3unmistakable"
EVERYWHERE = {
    "attempts.error",
    "attempts.response",
    "callbacks.body",
    "callbacks.headers",
    "deliveries.error",
    "events.data",
    "history.detail",
    "idempotency_keys.answer",
    "results.error",
    "results.video_url",
    "results.video_uuid",
    "task_labels.key",
    "task_labels.value",
    "task_payloads.archive",
    "task_payloads.fallback",
    "task_payloads.first_body",
    "task_payloads.first_url",
    "task_payloads.labels",
    "task_payloads.metadata",
    "task_payloads.notify_url",
    "task_payloads.request",
    "task_payloads.warnings",
    "tasks.error",
    "tasks.model",
    "tasks.upstream_id",
}
"""Where the marker stands before."""


def marked() -> Submission:
    """Make a submission with the marker in all of it."""
    return Submission(
        provider="runware",
        request={
            "model": MARKER,
            "numberResults": 2,
            "prompt": MARKER,
            "webhookURL": f"https://app.example/{MARKER}",
        },
        task_uuid=None,
        labels={MARKER: MARKER},
        metadata=[MARKER],
        deadline_s=None,
        start_within_s=None,
        priority=0,
        archive=Wanted((f"https://files.example/{MARKER}",) * 2),
        fallback=(("sync", {"model": MARKER}),),
    )


async def run_its_way(house: House, task_uuid: UUID) -> None:
    """Have the upstream and the receivers write the marker wherever they can."""
    fault = Fault(MARKER, MARKER, FaultKind.PERMANENT)
    house.providers["runware"].answers = [TryLater(fault, 1)]
    await house.send_queued()
    await pass_time(house.pool, 3600)
    await house.send_queued()
    headers = {"user_agent": MARKER}
    first = said(f"{MARKER}-of-another", upstream_id=MARKER)
    assert await call_back(house, (task_uuid, first), **headers) == [Outcome.CONFLICTING]
    videos = (Video(MARKER, f"https://videos.example/{MARKER}.mp4"),)
    await house.tell(task_uuid, Report(Source.POLL, videos=videos, faults=(fault,)))
    await call_back(house, (task_uuid, b"not json " + MARKER.encode()), **headers)
    house.sink.answers = [
        Sent(ok=False, status=500, error=MARKER, response=MARKER.encode()),
        Sent(ok=True, status=200, response=MARKER.encode()),
    ]
    await house.deliver_due()
    # What no flow writes with these fakes, by hand.
    await house.pool.execute(
        "UPDATE callboard.tasks SET error = jsonb_build_object('code', $1::text, 'message', $1::text,"
        " 'kind', 'unknown'), upstream_id = $1 WHERE task_uuid = $2",
        MARKER,
        task_uuid,
    )
    await house.pool.execute(
        "UPDATE callboard.task_payloads SET warnings = ARRAY[$1::text], first_url = $1 WHERE task_uuid = $2",
        MARKER,
        task_uuid,
    )


async def test_nothing_that_anybody_wrote_is_left_anywhere(house: House, pool: Pool) -> None:
    array = [marked(), submission()]
    answer = await house.accept.submit(TENANT, array, many=True, scope=key(), body=1)
    assert answer.status == 202
    task_uuid: UUID = answer.tasks[0]
    await house.tell(answer.tasks[1], CancelAsked())
    await subscribed(house, include_request=True)
    await run_its_way(house, task_uuid)
    before = await places_of(pool, MARKER)
    assert before == EVERYWHERE
    await house.erase.task(TENANT, task_uuid, force=True)
    assert await places_of(pool, MARKER) == set()
    named = await places_of(pool, str(task_uuid))
    assert named == {"events.data", "idempotency_keys.tasks"}
    await call_back(house, (task_uuid, said(MARKER)), user_agent=MARKER)
    assert await places_of(pool, MARKER) == set()
    await lawful(pool)


async def test_a_copy_that_a_retry_made_is_a_task_of_its_own(house: House, pool: Pool) -> None:
    first = await ended(house, prompt=MARKER)
    scope = Scope(TENANT, "POST", f"/v1/tasks/{first}/retry", "key")
    answer = await house.operate.retry(TENANT, first, again=False, force=False, scope=scope)
    (second,) = answer.tasks
    await house.tell(second, CancelAsked())
    await house.erase.task(TENANT, first)
    assert await places_of(pool, MARKER) == {"task_payloads.request", "idempotency_keys.answer"}
    await house.erase.task(TENANT, second)
    assert await places_of(pool, MARKER) == set()
