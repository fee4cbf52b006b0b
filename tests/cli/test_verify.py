"""`callboard verify`: what it says of captured requests, good and spoilt."""

import base64
import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from service.cli.main import app
from service.cli.output import Failed
from service.core.signing import (
    entry,
    format_private_key,
    format_public_key,
    format_secret,
    public_key_bytes,
    sign_v1,
    signed_message,
)
from service.vault import public_key, sign_ed25519
from service.wire.formats import batch, render
from tests.pure.test_formats import EVENT, VIDEO
from tests.support.processes import ROOT

KEY, SEED = b"s" * 32, b"d" * 32
SECRET, PUBLIC = format_secret(KEY), format_public_key(public_key(SEED))
AT = 1_800_000_000
BODY = render("structured", VIDEO).body


def headers(body: bytes = BODY, **changes: str) -> dict[str, str]:
    v1a = entry("v1a", sign_ed25519(SEED, signed_message("evt_1", AT, body)))
    return {
        "Host": "app.example",
        "Content-Type": "application/cloudevents+json; charset=UTF-8",
        "webhook-id": "evt_1",
        "webhook-timestamp": str(AT),
        "webhook-signature": f"{sign_v1([b'n' * 32, KEY], 'evt_1', AT, body)} {v1a}",
        **{f"webhook-{name}": value for name, value in changes.items()},
    }


def http(given: dict[str, str], body: bytes = BODY, end: str = "\r\n") -> bytes:
    lines = ["POST /hook HTTP/1.1", *(f"{n}: {v}" for n, v in given.items()), "", ""]
    return end.join(lines).encode() + body


def run(*args: object, stdin: bytes = b"", **env: str) -> Any:
    try:
        return CliRunner().invoke(
            app, ["verify", *map(str, args)], input=stdin, env=env, catch_exceptions=False
        )
    except Failed as failed:
        return failed


def check(
    raw: bytes, *args: object, key: Sequence[object] = ("--secret", SECRET)
) -> dict[str, Any]:
    """Verify as of when it was signed, and give what was found."""
    done = run("-", *key, "--at", "timestamp", "--json", *args, stdin=raw)
    found: dict[str, Any] = json.loads(done.stdout)
    assert done.exit_code == (0 if found["valid"] else 1)
    return found


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_good_request_is_valid_and_says_by_which_key_and_what_it_holds(end: str) -> None:
    found = check(http(headers(), end=end), "--public-key", PUBLIC)
    assert found["valid"]
    assert (found["problem"], found["id"], found["timestamp"]) == (None, "evt_1", AT)
    assert found["matches"] == [
        {"entry": 2, "scheme": "v1", "key": "secret 1"},
        {"entry": 3, "scheme": "v1a", "key": "public key 1"},
    ]
    assert found["events"][0]["type"] == "video.completed"
    assert found["eventProblem"] is None


def test_people_are_told_in_lines() -> None:
    good = run("-", "--secret", SECRET, "--at", AT + 7, stdin=http(headers()))
    assert good.exit_code == 0
    assert "The signature is right." in good.stdout
    assert re.search(r"timestamp +1800000000 \(7.0 s before", good.stdout)
    assert "entry 2 (v1) by secret 1" in good.stdout
    assert "video.completed" in good.stdout
    bad = run("-", "--secret", SECRET, "--at", AT, stdin=http(headers(), BODY + b"\n"))
    assert bad.exit_code == 1
    assert "INVALID" in bad.stdout
    assert "without the newline at its end" in bad.stdout


def test_body_and_headers_may_be_files_of_their_own(tmp_path: Path) -> None:
    body, lines, shaped = (tmp_path / n for n in ("body", "lines", "headers.json"))
    body.write_bytes(BODY)
    lines.write_bytes(http(headers(), b""))
    pairs = {name: [value] for name, value in headers().items()}
    for text in (headers(), pairs, list(headers().items())):
        shaped.write_text(json.dumps(text))
        for file in (lines, shaped):
            args = ("--body", body, "--headers", file, "--at", AT, "--secret", SECRET)
            assert run(*args).exit_code == 0
    assert (
        run("--body", "-", "--headers", lines, "--at", AT, "--secret", SECRET, stdin=BODY).exit_code
        == 0
    )


@pytest.mark.parametrize("as_base64", [False, True])
def test_request_as_a_function_is_called_with_it(as_base64: bool) -> None:
    body = base64.b64encode(BODY).decode() if as_base64 else BODY.decode()
    event = {"headers": headers(), "body": body, "isBase64Encoded": as_base64}
    assert check(json.dumps(event).encode())["valid"]


def test_secret_may_come_from_the_environment_and_lack_its_prefix() -> None:
    env = {"CALLBOARD_WEBHOOK_SECRET": f"{format_secret(b'o' * 32)} {SECRET}"}
    assert run("-", "--at", AT, stdin=http(headers()), **env).exit_code == 0
    assert check(http(headers()), key=("--secret", SECRET.removeprefix("whsec_")))["valid"]


def test_public_keys_may_come_from_a_jwk_set(tmp_path: Path) -> None:
    x = base64.urlsafe_b64encode(public_key_bytes(PUBLIC)).decode().rstrip("=")
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": x}]}))
    assert check(http(headers()), key=("--jwks", file))["valid"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda b: b + b"\n", "without the newline"),
        (lambda b: b + b"\r\n", "without the newline"),
        (lambda b: b" " + b, "white space"),
        (lambda b: b"\xef\xbb\xbf" + b, "byte order mark"),
        (lambda b: json.dumps(json.loads(b)).encode(), "compact JSON"),
        (lambda b: json.dumps(json.loads(b), indent=2).encode(), "compact JSON"),
        (lambda b: json.dumps(json.loads(b), ensure_ascii=True).encode(), "compact JSON"),
        (lambda b: json.dumps(b.decode()).encode(), "inside the JSON string"),
        (base64.b64encode, "base64"),
        (lambda b: b.decode().encode("latin-1"), "written as UTF-8"),
        (lambda b: b.decode("latin-1").encode(), "written as Latin-1"),
    ],
    ids=range(11),
)  # fmt: skip
def test_body_that_was_changed_is_told_how(spoil: Any, words: str) -> None:
    body = BODY.replace(b"https://cb.example", "https://cb.example/é".encode())
    found = check(http(headers(body), spoil(body)))
    assert (found["valid"], found["problem"]) == (False, "body_changed")
    assert words in found["text"]


@pytest.mark.parametrize(
    ("signed", "came"),
    [(b"{}\n", b"{}"), (b"{}\r\n", b"{}"), (b"a\r\nb", b"a\nb"), (b"a\nb", b"a\r\nb"),
     (b'{"b":1,"a":2}', b'{\n  "b": 1,\n  "a": 2\n}'), (b'{"b": 1}', b'{"b":1}'),
     (b'{\n  "b": 1\n}', b'{"b":1}'), (b'{"a":1,"b":2}', b'{"b":2,"a":1}')],
)  # fmt: skip
def test_other_senders_bodies_are_guessed_too(signed: bytes, came: bytes) -> None:
    assert check(http(headers(signed), came))["problem"] == "body_changed"


@pytest.mark.parametrize(
    ("at", "problem", "words"),
    [
        (AT + 301, "too_old", "made 301 s before"),
        (AT - 4000, "too_new", "made 4000 s after"),
    ],
)
def test_wrong_time_with_a_right_signature_is_said_to_be_that(
    at: int, problem: str, words: str
) -> None:
    done = run("-", "--secret", SECRET, "--at", at, "--json", stdin=http(headers()))
    found = json.loads(done.stdout)
    assert (done.exit_code, found["problem"], found["ageSeconds"]) == (1, problem, at - AT)
    assert "The signature itself is right" in found["text"]
    assert words in found["text"]
    wide = run("-", "--secret", SECRET, "--at", at, "--tolerance", 4000, stdin=http(headers()))
    assert wide.exit_code == 0


def test_now_is_when_nothing_else_is_said() -> None:
    done = run("-", "--secret", SECRET, "--json", stdin=http(headers()))
    assert json.loads(done.stdout)["problem"] in {"too_old", "too_new"}


@pytest.mark.parametrize(
    ("given", "options", "problem"),
    [
        ({k: v for k, v in headers().items() if k != "webhook-id"}, SECRET, "missing_header"),
        (headers() | {"Webhook-ID": "evt_1"}, SECRET, "repeated_header"),
        (headers(timestamp="soon"), SECRET, "malformed_header"),
        (headers(id="evt_2"), SECRET, "no_match"),
        (headers(), format_secret(b"x" * 32), "no_match"),
        (headers(signature=headers()["webhook-signature"].split(" ")[2]), SECRET, "v1a_only"),
        (headers(signature="v9,abc"), SECRET, "unknown_schemes"),
        (headers(signature=sign_v1([SECRET.encode()], "evt_1", AT, BODY)), SECRET, "wrong_secret_bytes"),
        (headers(signature=sign_v1([SECRET[6:].encode()], "evt_1", AT, BODY)), SECRET, "wrong_secret_bytes"),
        (headers(signature=sign_v1([KEY], "evt_1", AT, BODY)), PUBLIC, "v1_only"),
    ],
    ids=range(10),
)  # fmt: skip
def test_every_other_fault_has_its_word(given: dict[str, str], options: str, problem: str) -> None:
    option = "--public-key" if options == PUBLIC else "--secret"
    assert check(http(given), key=(option, options))["problem"] == problem


def test_white_space_that_an_editor_added_is_cut_by_content_length() -> None:
    given = headers() | {"Content-Length": str(len(BODY))}
    found = check(http(given, BODY + b"\n"))
    assert found["valid"]
    assert "left away" in found["notes"][0]
    assert "Content-Length says" in check(http(given, BODY[:-2]))["notes"][0]


@pytest.mark.parametrize("style", ["structured", "binary", "standard", "batched"])
def test_event_is_read_in_every_format(style: str) -> None:
    sent = render(style, VIDEO)
    given = headers(sent.body) | {**sent.headers, "Content-Type": sent.content_type}
    found = check(http(given, sent.body))
    assert [e["type"] for e in found["events"]] == ["video.completed"]
    assert found["eventProblem"] is None


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (b"{}", "application/cloudevents+json", "no CloudEvent: /specversion"),
        (b"{}", "application/json", "neither a CloudEvent nor"),
        (render("structured", EVENT).body, "application/cloudevents+json", "/data/"),
        (batch([b'{"specversion":"1.0","id":"1","type":"t","source":"s"}']),
         "application/cloudevents-batch+json", "no type of Callboard"),
    ],
)  # fmt: skip
def test_event_that_is_none_is_told_beside_a_right_signature(
    body: bytes, content_type: str, words: str
) -> None:
    found = check(http(headers(body) | {"Content-Type": content_type}, body))
    assert found["valid"]
    assert words in found["eventProblem"]


def test_wrong_use_is_exit_2_and_one_clear_line(tmp_path: Path) -> None:
    file = tmp_path / "request"
    file.write_bytes(http(headers()))
    private = format_private_key(SEED, public_key(SEED))
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "bad.lines").write_text("no colon here")
    for args, words in (
        ((), "Give one file"),
        ((file,), "Give a --secret"),
        ((file, "--body", file, "--secret", SECRET), "Give one file"),
        (("--body", file, "--secret", SECRET), "go together"),
        ((file, "--secret", "whsec_short"), "signing secret"),
        ((file, "--secret", PUBLIC), "--public-key"),
        ((file, "--secret", private), "private key"),
        ((file, "--public-key", SECRET), "whpk_"),
        ((file, "--jwks", tmp_path / "bad.json"), "no JWK set"),
        ((file, "--secret", SECRET, "--at", "noon"), "--at is a Unix time"),
        ((tmp_path / "none", "--secret", SECRET), "cannot be read"),
        ((tmp_path / "bad.json", "--secret", SECRET), "is none"),
        ((tmp_path / "bad.lines", "--secret", SECRET), "no `Name: value`"),
    ):
        failed = run(*args)
        assert isinstance(failed, Failed), args
        assert (failed.code, words in failed.text) == (2, True), failed.text
        assert private not in failed.text


def test_command_is_there_with_its_exit_codes(tmp_path: Path) -> None:
    file = tmp_path / "request.http"
    file.write_bytes(http(headers()))
    command = (sys.executable, "-m", "service", "verify", str(file), "--secret")
    for secret, at, code in ((SECRET, AT, 0), (SECRET, AT + 301, 1), ("whsec_", AT, 2)):
        done = subprocess.run(
            (*command, secret, "--at", str(at)),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=ROOT,
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr
