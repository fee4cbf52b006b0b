"""Logs: constants and fields, no secrets, not even in a traceback."""

import io
import json
from collections.abc import Iterator

import pytest
import structlog

from service.observe import Metrics, cut_tokens, set_up_logs

SECRET = "s3cr3t-of-somebody"
URL = "https://cb.example/callbacks/sync/0b1f6d0a-1c9e-4c4b-9d0a-5d0f8a4a2b11/AbC_-123"


@pytest.fixture(autouse=True)
def usual_logs() -> Iterator[None]:
    """Put structlog back as it was."""
    yield
    structlog.reset_defaults()


def logged(log_format: str) -> str:
    """Log a line with a callback URL, and a failure with a secret in a local variable."""
    stream = io.StringIO()
    set_up_logs(log_format, "info", stream)
    log = structlog.get_logger()
    log.info("upstream.told", webhook_url=URL)
    log.debug("not.wanted")
    try:
        _fail(SECRET)
    except ValueError:
        log.exception("it.failed")
    return stream.getvalue()


def _fail(key: str) -> None:
    raise ValueError(f"a key of {len(key)} characters is no good")


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_no_log_line_holds_a_token_or_a_local_variable(log_format: str) -> None:
    text = logged(log_format)
    assert "is no good" in text
    assert SECRET not in text
    assert "AbC_-123" not in text
    assert "[token]" in text
    assert "not.wanted" not in text


def test_json_lines_are_json_with_the_event_as_a_field() -> None:
    first, last = (json.loads(line) for line in logged("json").splitlines())
    assert (first["event"], first["level"]) == ("upstream.told", "info")
    assert last["exception"][0]["exc_type"] == "ValueError"


def test_tokens_are_cut_out_of_any_text() -> None:
    assert cut_tokens(f'{{"webhookUrl":"{URL}"}} and {URL}?x=1').count("[token]") == 2


def test_metrics_are_read_when_asked() -> None:
    metrics, counts = Metrics(), {("sync", "applied"): 1}
    metrics.count("callbacks", "Callbacks.", ("provider", "outcome"), counts.items)
    metrics.gauge("waiting", "Waiting.", lambda: 3)
    counts["sync", "late"] = 2
    text = metrics.text().decode()
    assert 'callboard_callbacks_total{outcome="late",provider="sync"} 2.0' in text
    assert "callboard_waiting 3.0" in text
