"""The verifier that receivers take along."""

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from multidict import CIMultiDict
from standardwebhooks import Webhook, WebhookVerificationError

from schemas.verify import VerificationError, VerifiedWebhook, verify
from service.core.signing import format_secret, secret_bytes, sign_v1

# Two vectors of the Standard Webhooks specification's own libraries: they share a secret and a body.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID, TIMESTAMP = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330
BODY = b'{"test": 2432232314}'
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
V1A = "v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5BdqzCInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg=="
OTHER = format_secret(b"x" * 32)


def headers(**changes: str) -> dict[str, str]:
    fields = {"id": ID, "timestamp": str(TIMESTAMP), "signature": SIGNATURE, **changes}
    return {f"webhook-{name}": value for name, value in fields.items()}


def check(
    given_headers: Mapping[str, str], body: bytes = BODY, now: float = TIMESTAMP
) -> VerifiedWebhook:
    return verify(given_headers, body, SECRET, now=now)


def refused(given_headers: Mapping[str, str], body: bytes = BODY, now: float = TIMESTAMP) -> bool:
    with pytest.raises(VerificationError):
        check(given_headers, body, now)
    return True


def test_published_vector_is_verified_and_made() -> None:
    assert check(headers()) == VerifiedWebhook(ID, TIMESTAMP)
    assert sign_v1([secret_bytes(SECRET)], ID, TIMESTAMP, BODY) == SIGNATURE


def test_published_v1a_vector_is_skipped_beside_a_v1_one_and_not_enough_alone() -> None:
    assert check(headers(signature=f"{V1A} {SIGNATURE}")).id == ID
    assert refused(headers(signature=V1A))


def test_secret_may_lack_its_prefix_and_its_padding() -> None:
    for secret in (SECRET, SECRET.removeprefix("whsec_")):
        assert verify(headers(), BODY, secret, now=TIMESTAMP).id == ID
    raw = b"y" * 25
    padded = format_secret(raw)
    signed = headers(signature=sign_v1([raw], ID, TIMESTAMP, BODY))
    assert padded.endswith("=")
    assert verify(signed, BODY, padded.rstrip("="), now=TIMESTAMP).id == ID


def test_names_of_headers_are_compared_without_case() -> None:
    assert check({name.title(): value for name, value in headers().items()}).id == ID


def test_rotation_is_covered_from_both_sides() -> None:
    both = sign_v1([secret_bytes(OTHER), secret_bytes(SECRET)], ID, TIMESTAMP, BODY)
    assert check(headers(signature=both)).id == ID
    assert check(headers(signature=" ".join(reversed(both.split(" "))))).id == ID
    assert verify(headers(), BODY, [OTHER, SECRET], now=TIMESTAMP).id == ID
    with pytest.raises(VerificationError):
        verify(headers(), BODY, [OTHER], now=TIMESTAMP)


@pytest.mark.parametrize("away", [-300, -299.5, 0, 299.5, 300])
def test_time_inside_the_tolerance_is_taken(away: float) -> None:
    assert check(headers(), now=TIMESTAMP + away).timestamp == TIMESTAMP


@pytest.mark.parametrize("away", [-300.001, -1e6, 300.001, 1e6, float("nan")])
def test_time_outside_the_tolerance_is_refused(away: float) -> None:
    assert refused(headers(), now=TIMESTAMP + away)


def test_without_a_clock_the_present_time_counts() -> None:
    with pytest.raises(VerificationError, match="away from now"):
        verify(headers(), BODY, SECRET)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
def test_header_that_is_missing_empty_or_doubled_is_refused(name: str) -> None:
    assert refused({k: v for k, v in headers().items() if k != name})
    assert refused({**headers(), name: ""})
    assert refused({**headers(), name.upper(): headers()[name]})
    doubled = CIMultiDict(headers())
    doubled.add(name, headers()[name])
    assert refused(doubled)


@pytest.mark.parametrize(
    "timestamp",
    [
        "1614265330.0",
        "1.614265330e9",
        " 1614265330",
        "+1614265330",
        "01614265330",
        "-1",
        "x",
        "٣",
        "1_614_265_330",
        "9" * 13,
        "9" * 5000,
    ],
)
def test_timestamp_that_is_not_a_whole_number_is_refused(timestamp: str) -> None:
    message = b".".join((ID.encode(), timestamp.encode(), BODY))
    digest = hmac.digest(secret_bytes(SECRET), message, hashlib.sha256)
    signature = "v1," + base64.b64encode(digest).decode()
    assert refused(headers(timestamp=timestamp, signature=signature))


@pytest.mark.parametrize(
    "signature",
    [
        "v1",
        "v1,",
        ",",
        " ",
        "v1,,",
        SIGNATURE.replace("v1,", "v2,"),
        SIGNATURE[:-1],
        "é",
        "\ud800",
        SIGNATURE.replace(",", ", "),
        SIGNATURE.upper(),
        SIGNATURE + ",",
        "v1,é",
        "v1 " * 3000,
    ],
)
def test_signature_that_does_not_match_is_refused(signature: str) -> None:
    assert refused(headers(signature=signature))


@pytest.mark.parametrize("entry", ["v1", "v1,x", "nothing", "v9,abc,def", "", "v1,AAAA"])
def test_malformed_entry_beside_a_good_one_does_no_harm(entry: str) -> None:
    assert check(headers(signature=f"{entry} {SIGNATURE}")).id == ID
    assert check(headers(signature=f"{SIGNATURE} {entry}")).id == ID


@given(st.integers(0, len(BODY) * 8 - 1))
def test_one_flipped_bit_of_the_body_is_noticed(bit: int) -> None:
    body = bytearray(BODY)
    body[bit // 8] ^= 1 << bit % 8
    assert refused(headers(), bytes(body))


def test_tampered_id_and_timestamp_are_noticed() -> None:
    assert refused(headers(id=ID + "x"))
    assert refused(headers(timestamp=str(TIMESTAMP + 1)))


def test_same_json_written_anew_is_noticed() -> None:
    assert refused(headers(), json.dumps(json.loads(BODY), separators=(",", ":")).encode())


def test_boundary_between_id_and_timestamp_cannot_be_moved() -> None:
    later = f"{TIMESTAMP + 9}"
    body = f"{later}.0".encode()
    signature = sign_v1([secret_bytes(SECRET)], ID, TIMESTAMP, body)
    moved = headers(id=f"{ID}.{TIMESTAMP}", timestamp=later, signature=signature)
    assert check(headers(signature=signature), body).id == ID
    assert refused(moved, b"0")


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"\xef\xbb\xbf{}", b"a\r\nb", b"\x00" * 100])
def test_body_is_bytes_of_any_kind(body: bytes) -> None:
    signature = sign_v1([secret_bytes(SECRET)], ID, TIMESTAMP, body)
    assert check(headers(signature=signature), body).id == ID


@pytest.mark.parametrize(
    "secrets",
    [
        "",
        [],
        "whsec_",
        "whsec_!!!!",
        "whsec_" + "A" * 8,
        "whsec_" + "A" * 120,
        "whpk_" + "A" * 44,
        [SECRET, ""],
        "é" * 40,
        "whsec_\ud800",
        "whsec_A",
    ],
)
def test_bad_secret_is_the_receivers_own_mistake(secrets: str | list[str]) -> None:
    with pytest.raises(ValueError, match="secret"):
        verify({}, BODY, secrets, now=TIMESTAMP)


names = (
    st.sampled_from(list(headers())) | st.sampled_from([n.upper() for n in headers()]) | st.text()
)
values = st.text() | st.sampled_from([*headers().values(), "v1,", "1614265330.5"])


@given(st.dictionaries(names, values), st.binary(max_size=50))
@example({"webhook-id": "é", "webhook-timestamp": "1", "webhook-signature": "v1"}, b"\xff")
def test_hostile_headers_raise_only_verification_error(given: dict[str, str], body: bytes) -> None:
    assert refused(given, body)


@given(st.text(st.sampled_from("v1,+/= Aa0.\x00é\ud800"), max_size=80))
def test_hostile_signatures_raise_only_verification_error(signature: str) -> None:
    assert refused(headers(signature=signature))


@given(st.binary(min_size=24, max_size=64), st.text(st.characters(exclude_categories=["Cs"])))
def test_what_the_reference_library_signs_is_verified(raw: bytes, text: str) -> None:
    secret, at = format_secret(raw), datetime.fromtimestamp(TIMESTAMP, UTC)
    signature = Webhook(secret).sign(ID, at, text)
    verified = verify(headers(signature=signature), text.encode(), secret, now=TIMESTAMP)
    assert verified == VerifiedWebhook(ID, TIMESTAMP)


@given(st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=3), st.integers())
def test_what_we_sign_is_verified_by_the_reference_library(keys: list[bytes], value: int) -> None:
    now, body = int(datetime.now(UTC).timestamp()), json.dumps({"value": value}).encode()
    signed = headers(timestamp=str(now), signature=sign_v1(keys, ID, now, body))
    for raw in keys:
        assert Webhook(format_secret(raw)).verify(body, signed) == {"value": value}
        assert verify(signed, body, format_secret(raw)).timestamp == now
    with pytest.raises(WebhookVerificationError):
        Webhook(format_secret(b"z" * 40)).verify(body, signed)


def test_verifier_needs_the_standard_library_only() -> None:
    code = (
        "import sys, schemas.verify\n"
        "own = {m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)\n"
        "print(sorted(own - {'__main__', 'schemas'}))"
    )
    command = [sys.executable, "-S", "-c", code]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20, cwd=root)
    assert done.stdout.strip() == "[]"
