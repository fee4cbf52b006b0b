"""Sync's Batch API: many generations from one file, with one callback and one file of results.

It knows no Idempotency-Key: a create that got no answer may have been accepted, and only the list can
tell. A batch has limits of its own, and its inputs are at most 30 seconds long.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TypeVar
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from pydantic import TypeAdapter, ValidationError

from schemas.upstream.sync_batch import (
    ENDPOINT,
    FILE_BYTES_MAX,
    BatchInput,
    SyncBatch,
    SyncBatchResult,
    SyncBatchValidated,
)
from service.core.errors import FieldError
from service.core.fault import Fault
from service.core.inputs import ReadFailed, SubmitUnknown, TryLater
from service.providers import foreign
from service.providers.http import Upstream
from service.providers.outcome import (
    NO_KEY,
    HttpAnswer,
    Outcome,
    read_refused,
    read_unanswered,
    read_unreadable,
    submit_unanswered,
)
from service.providers.request import encode, faults_of, invalid, unsendable
from service.providers.sync_so.answers import UNREADABLE, error_in
from service.providers.verdict import SUCCESS, judge

Made = TypeVar("Made", SyncBatch, SyncBatchValidated)
BATCHES = TypeAdapter(list[SyncBatch])
REDIRECTS = frozenset({HTTPStatus.FOUND, HTTPStatus.SEE_OTHER, HTTPStatus.TEMPORARY_REDIRECT})


@dataclass(frozen=True, slots=True)
class NotMade:
    """Why there is no batch; unless it is certain, there may be one all the same."""

    fault: Fault
    certain: bool
    retry_after: timedelta | None = None


class SyncBatches:
    """The batches of one account of Sync."""

    def __init__(
        self, session: aiohttp.ClientSession, *, api_key: str | None, url: str, timeout_s: float
    ) -> None:
        self._upstream = Upstream(session, timeout_s, secret=api_key)
        self._api_key = api_key
        self._url = url.rstrip("/")

    async def create(
        self, requests: Mapping[str, Mapping[str, object]], *, webhook_url: str | None = None
    ) -> SyncBatch | NotMade:
        """Make a batch of requests by their request_id, sent once; raises InvalidRequest."""
        fields = {} if webhook_url is None else {"webhook_url": webhook_url}
        return await self._post(requests, fields, SyncBatch)

    async def validate(
        self, requests: Mapping[str, Mapping[str, object]]
    ) -> SyncBatchValidated | NotMade:
        """Let Sync check what `create` would send, without making anything."""
        return await self._post(requests, {"dry_run": "true"}, SyncBatchValidated)

    async def get(self, batch_id: str) -> SyncBatch | ReadFailed:
        """Read a batch."""
        body = await self._read(f"/v2/batch/{quote(batch_id, safe='')}")
        if isinstance(body, ReadFailed):
            return body
        try:
            return SyncBatch.model_validate(foreign.read_json(body))
        except ValidationError:
            return read_unreadable()

    async def browse(
        self,
        *,
        status: str | None = None,
        created_after: datetime | None = None,
        created_before: datetime | None = None,
    ) -> Sequence[SyncBatch] | ReadFailed:
        """List batches, newest first."""
        query = {} if status is None else {"status": status}
        for name, at in (("created_after", created_after), ("created_before", created_before)):
            query |= {} if at is None else {name: at.isoformat()}
        body = await self._read(f"/v2/batch?{urlencode(query)}" if query else "/v2/batch")
        if isinstance(body, ReadFailed):
            return body
        try:
            return BATCHES.validate_python(foreign.read_json(body))
        except ValidationError:
            return read_unreadable()

    async def results(self, batch_id: str) -> Sequence[SyncBatchResult] | ReadFailed:
        """Read the results of a batch that has ended, from where its answer redirects to."""
        body = await self._read(f"/v2/batches/{quote(batch_id, safe='')}/result")
        if isinstance(body, ReadFailed):
            return body
        try:
            return [
                SyncBatchResult.model_validate(foreign.read_json(line))
                for line in body.splitlines()
                if line.strip()
            ]
        except ValidationError:
            return read_unreadable()

    async def _post(
        self,
        requests: Mapping[str, Mapping[str, object]],
        fields: Mapping[str, str],
        kind: type[Made],
    ) -> Made | NotMade:
        content_type, form = _form(fields, input_file(requests))
        if self._api_key is None:
            return NotMade(NO_KEY, certain=True)
        headers = {"Content-Type": content_type, "x-api-key": self._api_key}
        outcome = await self._upstream.call(
            "POST", f"{self._url}/v2/batch", headers=headers, body=form
        )
        if isinstance(outcome, HttpAnswer) and outcome.status in SUCCESS:
            try:
                return kind.model_validate(foreign.read_json(outcome.body))
            except ValidationError:
                return NotMade(UNREADABLE, certain=False)
        return _not_made(outcome)

    async def _read(self, path: str) -> bytes | ReadFailed:
        if self._api_key is None:
            return ReadFailed(NO_KEY)
        headers = {"x-api-key": self._api_key}
        outcome = await self._upstream.call("GET", self._url + path, headers=headers)
        if isinstance(outcome, HttpAnswer) and outcome.status in REDIRECTS:
            target = self._target(outcome.headers.get("location"))
            if target is None:
                return read_unreadable()
            # Its address is signed: the key is not for whoever serves it.
            outcome = await self._upstream.call("GET", target, headers={})
        if not isinstance(outcome, HttpAnswer):
            return read_unanswered(outcome)
        return outcome.body if outcome.status == HTTPStatus.OK else read_refused(outcome.status)

    def _target(self, location: str | None) -> str | None:
        """Follow a redirect to https, or to where we came from, and nowhere else."""
        target = foreign.address(location)
        if target is None:
            return None
        there, here = urlsplit(target), urlsplit(self._url)
        same = (there.scheme, there.netloc) == (here.scheme, here.netloc)
        return target if same or there.scheme == "https" else None


def input_file(requests: Mapping[str, Mapping[str, object]]) -> bytes:
    """Write the input file; raises InvalidRequest with every fault."""
    lines = [
        {"request_id": name, "endpoint": ENDPOINT, "payload": payload}
        for name, payload in requests.items()
    ]
    if faults := unsendable(lines):
        raise invalid(faults)
    try:
        BatchInput.model_validate({"lines": lines})
    except ValidationError as error:
        raise invalid(faults_of(error, {})) from None
    content = b"".join(encode(line) + b"\n" for line in lines)
    if len(content) > FILE_BYTES_MAX:
        raise invalid([FieldError("", f"The file may have at most {FILE_BYTES_MAX} bytes")])
    return content


def _form(fields: Mapping[str, str], content: bytes) -> tuple[str, bytes]:
    """Write a form with one file; its boundary is a digest, so it cannot stand in the file."""
    boundary = hashlib.sha256(content).hexdigest()
    head = 'Content-Disposition: form-data; name="'
    parts = [f'{head}{name}"\r\n\r\n{value}'.encode() for name, value in fields.items()]
    file = f'{head}input"; filename="batch.jsonl"\r\nContent-Type: application/jsonl\r\n\r\n'
    parts.append(file.encode() + content)
    dashes = f"--{boundary}".encode()
    body = b"".join(dashes + b"\r\n" + part + b"\r\n" for part in parts) + dashes + b"--\r\n"
    return f"multipart/form-data; boundary={boundary}", body


def _not_made(outcome: Outcome) -> NotMade:
    if isinstance(outcome, HttpAnswer):
        retry_after = foreign.wait_seconds(outcome.headers.get("retry-after"))
        said = error_in(foreign.read_json(outcome.body))
        verdict = judge(0, outcome.status, said, retry_after)
    else:
        verdict = submit_unanswered(outcome, 0)
    return NotMade(
        verdict.fault,
        certain=not isinstance(verdict, SubmitUnknown),
        retry_after=verdict.retry_after if isinstance(verdict, TryLater) else None,
    )
