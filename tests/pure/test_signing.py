"""Standard Webhooks signatures; the judge is the specification's own library."""

import base64
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from standardwebhooks import Webhook, WebhookVerificationError

from service.core.signing import MAX_BYTES, MIN_BYTES, format_secret, secret_bytes, sign_v1

SECRET = b"0123456789abcdefghijklmn"
NOW_S = 1_800_000_000

secrets = st.binary(min_size=MIN_BYTES, max_size=MAX_BYTES)
texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=40)


def _now_s() -> int:
    """Read the clock: the library that judges takes nothing that is older than five minutes."""
    return int(datetime.now(tz=UTC).timestamp())


def _verify(secret: bytes, signature: str, message_id: str, at: int, body: bytes) -> None:
    headers = {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": signature,
    }
    Webhook(format_secret(secret)).verify(body, headers)


def test_the_specifications_own_example_is_signed_alike() -> None:
    secret = secret_bytes("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    signed = sign_v1([secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@settings(max_examples=40, deadline=None)
@given(secrets, texts, texts)
def test_the_specifications_library_verifies_what_we_sign(
    secret: bytes, message_id: str, text: str
) -> None:
    body = b'{"text": "' + text.encode().hex().encode() + b'"}'
    at = _now_s()
    _verify(secret, sign_v1([secret], message_id, at, body), message_id, at, body)


def test_while_a_secret_rotates_both_secrets_sign() -> None:
    new, old = b"n" * 24, b"o" * 64
    at = _now_s()
    signature = sign_v1([new, old], "evt_1", at, b"{}")
    assert len(signature.split(" ")) == 2
    for secret in (new, old):
        _verify(secret, signature, "evt_1", at, b"{}")
    with pytest.raises(WebhookVerificationError):
        _verify(b"x" * 24, signature, "evt_1", at, b"{}")


@settings(max_examples=40, deadline=None)
@given(st.binary(min_size=1, max_size=60), st.data())
def test_one_flipped_bit_changes_the_signature(body: bytes, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, 8 * len(body) - 1))
    flipped = bytearray(body)
    flipped[at // 8] ^= 1 << at % 8
    good = sign_v1([SECRET], "evt_1", NOW_S, body)
    assert sign_v1([SECRET], "evt_1", NOW_S, bytes(flipped)) != good
    assert sign_v1([SECRET], "evt_2", NOW_S, body) != good
    assert sign_v1([SECRET], "evt_1", NOW_S + 1, body) != good


def test_any_bytes_can_be_signed() -> None:
    assert sign_v1([SECRET], "evt_1", NOW_S, b"\xff\x00").startswith("v1,")


@settings(max_examples=40, deadline=None)
@given(secrets)
def test_a_secret_is_read_as_it_was_written(secret: bytes) -> None:
    shown = format_secret(secret)
    assert secret_bytes(shown) == secret
    assert secret_bytes(shown.rstrip("=")) == secret


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "whsec_",
        "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_not base64 at all, but rather long",
        "whsec_é" + "A" * 40,
        "whsec_" + "A" * 41,
        "whsec_" + base64.urlsafe_b64encode(b"\xff" * 24).decode(),
        "whsec_" + base64.b64encode(b"x" * (MIN_BYTES - 1)).decode(),
        "whsec_" + base64.b64encode(b"x" * (MAX_BYTES + 1)).decode(),
    ],
)
def test_what_is_no_secret_is_a_value_error_that_does_not_repeat_it(secret: str) -> None:
    with pytest.raises(ValueError, match="signing secret") as caught:
        secret_bytes(secret)
    assert len(secret) < 10 or secret not in str(caught.value)
