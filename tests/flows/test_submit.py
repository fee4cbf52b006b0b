"""Sending: the line `sent_at`, the bytes that are kept, and where the four answers lead."""

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from service.core.inputs import Answer, ReadNothing, Refused, SubmitUnknown, TryLater
from service.core.states import State
from service.core.task import FirstSend, Task
from service.store.pool import Pool
from tests.support.fakes import FakeProvider
from tests.support.flows import (
    TENANT,
    Watching,
    Wire,
    accepted,
    elsewhere,
    kept_send,
    one,
    pass_time,
    processing,
    settle_in,
    submission,
    task,
    told,
    until,
)
from tests.support.house import House, make_house
from tests.support.stored import lawful
from tests.support.tasks import BUSY, POLICY, REFUSAL, SILENCE


class Renamed(FakeProvider):
    """An upstream whose bytes are other ones each time they are made."""

    def __init__(self) -> None:
        super().__init__()
        self.made = 0

    def first_send(
        self, task: Task, request: Mapping[str, object], webhook_url: str | None
    ) -> FirstSend:
        """Number the bytes."""
        super().first_send(task, request, webhook_url)
        self.made += 1
        return FirstSend("https://upstream.example", b"bytes %d" % self.made, "default", "key-1")


async def test_bytes_and_sent_at_are_committed_before_the_upstream_is_called(
    house: House, dsn: str
) -> None:
    seen: list[tuple[str, bool, bytes]] = []

    async def look(at: Task, send: FirstSend) -> None:
        async with elsewhere(dsn) as other:
            row = await other.fetchrow(
                "SELECT state, sent_at IS NOT NULL AS sent, first_body, look_again_at = lease_until"
                " AS watched FROM callboard.tasks JOIN callboard.task_payloads USING (task_uuid)"
                " WHERE task_uuid = $1",
                at.task_uuid,
            )
            assert row["watched"]
            assert row["first_body"] == send.body
            seen.append((row["state"], row["sent"], row["first_body"]))

    settle_in(house, Watching(look))
    task_uuid = await processing(house)
    assert [(state, sent) for state, sent, _ in seen] == [("submitting", True)]
    body = json.loads(seen[0][2])
    assert body["taskUUID"] == str(task_uuid)
    assert body["webhookURL"] == house.upstreams.webhook_url("runware", task_uuid)


async def test_no_transaction_is_open_while_the_upstream_is_called(
    house: House, pool: Pool
) -> None:
    async def look(at: Task, send: FirstSend) -> None:
        assert pool.get_idle_size() == pool.get_size()

    settle_in(house, Watching(look))
    await processing(house)


async def test_an_accepted_task_is_processing_and_holds_its_place(house: House, pool: Pool) -> None:
    task_uuid = await processing(house)
    found = await task(pool, task_uuid)
    assert (found.state, found.upstream_id) == (State.PROCESSING, f"up-{task_uuid}")
    assert found.slot_since is not None
    assert await told(pool, task_uuid) == ["task.processing"]
    await lawful(pool)


async def test_a_refused_task_is_rejected_and_frees_its_place(house: House, pool: Pool) -> None:
    task_uuid = await _answered(house, lambda lease: Refused(REFUSAL, lease))
    found = await task(pool, task_uuid)
    assert (found.state, found.error, found.slot_since) == (State.REJECTED, REFUSAL, None)
    assert await told(pool, task_uuid) == ["video.failed", "task.rejected"]
    await lawful(pool)


async def test_try_later_brings_a_task_back_to_the_queue(house: House, pool: Pool) -> None:
    task_uuid = await _answered(house, lambda lease: TryLater(BUSY, lease))
    found = await task(pool, task_uuid)
    assert (found.state, found.slot_since, found.sent_at) == (State.QUEUED, None, None)
    assert await house.send_queued() == 0
    await pass_time(pool, 10)
    assert await house.send_queued() == 1
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    assert await told(pool, task_uuid) == ["task.processing"]
    await lawful(pool)


async def test_an_unknown_outcome_stays_submitting_and_is_read_next(
    house: House, pool: Pool
) -> None:
    task_uuid = await _answered(house, lambda lease: SubmitUnknown(SILENCE, lease, answered=True))
    found = await task(pool, task_uuid)
    assert (found.state, found.unknown, found.lease_until) == (State.SUBMITTING, True, None)
    assert found.slot_since is not None
    await pass_time(pool, 5)
    assert [(t.task_uuid, step.value) for t, step in await house.reconcile.claim(5)] == [
        (task_uuid, "read")
    ]


async def test_an_answer_is_on_the_timeline_before_what_it_led_to(house: House) -> None:
    task_uuid = await _answered(house, lambda lease: Refused(REFUSAL, lease))
    rows = (await house.look.timeline(TENANT, task_uuid, None, 50)).items
    assert [(r["kind"], r["name"]) for r in rows] == [
        ("transition", "sent"),
        ("upstream", "submit"),
        ("transition", "refused"),
        ("event", "video.failed"),
        ("event", "task.rejected"),
    ]


async def test_a_resend_repeats_the_bytes_of_the_first(house: House, pool: Pool) -> None:
    settle_in(house, Renamed())
    task_uuid = await _answered(house, lambda lease: SubmitUnknown(SILENCE, lease, answered=True))
    await _read_nothing_and_resend(house, pool)
    assert [s.body for s in house.providers["runware"].sent] == [b"bytes 1", b"bytes 1"]
    assert (await task(pool, task_uuid)).state is State.PROCESSING
    await lawful(pool)


async def test_after_try_later_the_bytes_are_made_anew(house: House, pool: Pool) -> None:
    settle_in(house, Renamed())
    task_uuid = await _answered(house, lambda lease: TryLater(BUSY, lease))
    await pass_time(pool, 10)
    await house.send_queued()
    assert [s.body for s in house.providers["runware"].sent] == [b"bytes 1", b"bytes 2"]
    kept = await kept_send(pool, task_uuid)
    assert kept is not None
    assert kept.body == b"bytes 2"


async def test_a_task_canceled_between_claim_and_send_is_never_sent(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    await house.operate.cancel(TENANT, task_uuid)
    await house.submit.work(claimed)
    assert house.providers["runware"].sent == []
    assert await kept_send(pool, task_uuid) is None
    assert await told(pool, task_uuid) == ["task.canceled"]
    await lawful(pool)


async def test_a_worker_whose_lease_was_taken_over_sends_nothing(house: House, pool: Pool) -> None:
    settle_in(house, Renamed())
    task_uuid = await one(house)
    (stale,) = await house.submit.claim(5)
    await pass_time(pool, 61)
    await house.send_queued()
    await house.submit.work(stale)
    assert len(house.providers["runware"].sent) == 1
    kept = await kept_send(pool, task_uuid)
    assert kept is not None
    assert kept.body == b"bytes 1"
    assert (await task(pool, task_uuid)).attempts == 1
    await lawful(pool)


async def test_a_lease_that_would_not_outlive_the_call_sends_nothing(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    await pass_time(pool, 31)
    await house.submit.work(claimed)
    assert house.providers["runware"].sent == []
    assert (await task(pool, task_uuid)).state is State.QUEUED
    await pass_time(pool, 30)
    assert await house.send_queued() == 1


async def test_a_process_that_stood_still_after_its_commit_sends_nothing(pool: Pool) -> None:
    """Half of the lease is for the call; who wakes in that half might send beside its successor."""
    wire = Wire(pool)
    tight = timedelta(seconds=59.7)
    house = make_house(wire.pool, policy=replace(POLICY, call_limit=tight))
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)

    async def stand_still(_conn: object) -> None:
        async def late() -> bool:
            left = await pool.fetchval(
                "SELECT lease_until - clock_timestamp() FROM callboard.tasks"
            )
            return bool(left < tight)

        await until(late)

    wire.before["commit"] = stand_still
    await house.submit.work(claimed)
    assert house.providers["runware"].sent == []
    found = await task(pool, task_uuid)
    assert (found.state, found.being_sent) == (State.SUBMITTING, True)


async def test_a_task_that_waited_too_long_ends_instead_of_being_sent(
    house: House, pool: Pool
) -> None:
    task_uuid = await one(house, start_within_s=20)
    (claimed,) = await house.submit.claim(5)
    await pass_time(pool, 21)
    await house.submit.work(claimed)
    found = await task(pool, task_uuid)
    assert found.state is State.TIMED_OUT
    assert found.error is not None
    assert found.error.code == "never_started"
    assert house.providers["runware"].sent == []


async def test_an_upstream_that_breaks_its_word_and_raises_leaves_an_unknown_outcome(
    house: House, pool: Pool
) -> None:
    house.providers["runware"].answers = [RuntimeError("broken")]
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    with pytest.raises(RuntimeError):
        await house.submit.work(claimed)
    await pass_time(pool, 61)
    ((due, step),) = await house.reconcile.claim(5)
    await house.reconcile.work((due, step))
    found = await task(pool, task_uuid)
    assert (found.state, found.unknown) == (State.SUBMITTING, True)
    await lawful(pool)


async def test_larger_priorities_and_older_tasks_are_claimed_first(
    house: House,
) -> None:
    low, first, second, high = await accepted(
        house,
        submission(priority=-1),
        submission(),
        submission(),
        submission(priority=100),
    )
    assert [t.task_uuid for t in await house.submit.claim(2)] == [high, first]
    assert [t.task_uuid for t in await house.submit.claim(2)] == [second, low]


async def _answered(house: House, answer: Callable[[int], Answer]) -> UUID:
    """Send one task and have it answered; `answer` is given the lease number."""
    task_uuid = await one(house)
    (claimed,) = await house.submit.claim(5)
    house.providers["runware"].answers = [answer(claimed.lease_no)]
    await house.submit.work(claimed)
    return task_uuid


async def _read_nothing_and_resend(house: House, pool: Pool) -> None:
    house.providers["runware"].readings = [ReadNothing()]
    for step in ("read", "send"):
        await pass_time(pool, 10)
        ((due, needed),) = await house.reconcile.claim(5)
        assert needed.value == step
        await house.reconcile.work((due, needed))
