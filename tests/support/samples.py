"""Recorded answers and callbacks of the upstreams, and a task that they may be about."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from service.core.states import State
from service.core.task import Result, Task
from service.ports import RawCallback
from service.providers.outcome import HttpAnswer

SAMPLES = Path(__file__).parent.parent / "samples"
TASK_UUID = UUID("11111111-1111-4111-8111-111111111112")
"""The taskUUID that the samples of Runware name."""
OTHER_UUID = UUID("33333333-3333-4333-8333-333333333333")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def webhook_url(provider: str, task_uuid: UUID = TASK_UUID) -> str:
    return (
        f"https://board.example/callbacks/{provider}/{task_uuid}/t0ken-T0KEN_abcdefghijklmnopqrst"
    )


def sent_task(provider: str) -> Task:
    """Make a task whose first send is under way."""
    return Task(
        task_uuid=TASK_UUID,
        tenant="default",
        provider=provider,
        account="default",
        model="any",
        state=State.SUBMITTING,
        results_expected=1,
        results=(Result(0),),
        created_at=NOW,
        start_by=NOW + timedelta(days=7),
        deadline_seconds=3600,
        first_sent_at=NOW,
        sent_at=NOW,
        attempts=1,
        lease_no=7,
    )


def recorded(name: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text())
    return sample


def answer_of(name: str) -> HttpAnswer:
    """Return a recorded answer."""
    sample = recorded(name)
    return HttpAnswer(sample["status"], _headers(sample), _body(sample))


def callback_of(name: str) -> RawCallback:
    """Return a recorded callback, as it would have come to our task's path."""
    sample = recorded(name)
    return RawCallback(TASK_UUID, _body(sample), _headers(sample))


def answer(status: int, body: Any, **headers: str) -> HttpAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpAnswer(status, named, json.dumps(body).encode())


def _body(sample: dict[str, Any]) -> bytes:
    return (sample["raw"] if "raw" in sample else json.dumps(sample["body"])).encode()


def _headers(sample: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): value for name, value in sample["headers"].items()}
