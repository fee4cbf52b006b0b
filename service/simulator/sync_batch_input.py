"""Reads the input file of a batch: each line by itself, so that all faults are told."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from schemas.base import part
from schemas.upstream.sync_batch import ENDPOINT, LINES_MAX, LINES_MIN
from service.simulator.sync_refusals import bad_request
from service.simulator.sync_request import faults_in


@dataclass(frozen=True, slots=True)
class Line:
    """One line as it was read, with what is wrong in it."""

    request_id: str
    payload: Any
    faults: tuple[str, ...]

    @property
    def key(self) -> str:
        """Return what the line is counted by."""
        return json.dumps([self.request_id, self.payload], sort_keys=True)


def parse_lines(content: bytes) -> list[Line]:
    """Read a file of JSONL; blank lines are none.

    Raises:
        Refused: it has too few lines or too many.
    """
    texts = [line for line in content.splitlines() if line.strip()]
    if not LINES_MIN <= len(texts) <= LINES_MAX:
        raise bad_request([f"input must have {LINES_MIN} to {LINES_MAX} lines, not {len(texts)}"])
    rows = [_parse(text) for text in texts]
    used = Counter(str(part(row, "request_id")) for row in rows)
    return [_line(number, row, used) for number, row in enumerate(rows, 1)]


def _parse(text: bytes) -> object:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _line(number: int, row: object, used: Counter[str]) -> Line:
    name, payload = part(row, "request_id"), part(row, "payload")
    faults = [f"payload.{fault}" for fault in faults_in(payload)]
    if part(row, "endpoint") != ENDPOINT:
        faults.append(f"endpoint must be {ENDPOINT}")
    if not isinstance(name, str) or not name:
        faults.append("request_id must be a string")
    elif used[name] > 1:
        faults.append("request_id must be unique")
    return Line(str(name), payload, tuple(f"line {number}: {fault}" for fault in faults))
