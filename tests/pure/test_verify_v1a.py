"""Scheme `v1a` of the verifier, headers of every shape, and the words for what is wrong."""

import base64
import json
import subprocess
import sys
from collections.abc import Iterable
from email.message import Message
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from schemas.verify import VerificationError, VerifiedWebhook, jwks_keys, verify
from service.core.signing import (
    entry,
    format_private_key,
    format_public_key,
    private_key_bytes,
    public_key_bytes,
    secret_bytes,
    sign_v1,
    signed_message,
)
from service.vault import new_private_key, public_key, sign_ed25519
from tests.pure.test_verify import BODY, ID, SECRET, SIGNATURE, TIMESTAMP, V1A, headers

# The vector of scheme v1a: it shares its id, time and body with that of v1.
PRIVATE = (
    "whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpMKkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg=="
)
PUBLIC = "whpk_1SiA4o9hyqTCpIqC5V9HUakiiaeACeqfZTInDBbOir4="
OTHER = format_public_key(public_key(b"o" * 32))


def reason(given_headers: object, **options: object) -> str:
    known = {"public_keys": PUBLIC, "now": TIMESTAMP, **options}
    with pytest.raises(VerificationError) as caught:
        verify(given_headers, BODY, SECRET, **known)  # type: ignore[arg-type]
    return caught.value.reason


def test_published_v1a_vector_is_made_and_verified() -> None:
    seed = private_key_bytes(PRIVATE)
    message = signed_message(ID, TIMESTAMP, BODY)
    assert entry("v1a", sign_ed25519(seed, message)) == V1A
    assert format_public_key(public_key(seed)) == PUBLIC
    assert format_private_key(seed, public_key(seed)) == PRIVATE
    verified = verify(headers(signature=V1A), BODY, public_keys=PUBLIC, now=TIMESTAMP)
    assert verified == VerifiedWebhook(ID, TIMESTAMP)


def test_either_scheme_is_enough_in_any_order_beside_unknown_ones() -> None:
    for signature in (f"{V1A} {SIGNATURE}", f"v9,x {SIGNATURE} {V1A}", f"v1a,x {V1A} v1a", V1A):
        signed = headers(signature=signature)
        assert verify(signed, BODY, public_keys=[OTHER, PUBLIC], now=TIMESTAMP).id == ID
        assert verify(signed, BODY, SECRET, public_keys=PUBLIC, now=TIMESTAMP).id == ID
    assert verify(headers(), BODY, SECRET, public_keys=OTHER, now=TIMESTAMP).id == ID


def test_key_of_one_scheme_is_not_enough_for_the_other() -> None:
    with pytest.raises(VerificationError):
        verify(headers(), BODY, public_keys=PUBLIC, now=TIMESTAMP)
    with pytest.raises(VerificationError):
        verify(headers(signature=V1A.replace("v1a,", "v1,")), BODY, SECRET, now=TIMESTAMP)


@given(st.integers(0, 64 * 8 - 1), st.integers(0, len(BODY) * 8 - 1))
def test_one_flipped_bit_of_signature_or_body_is_noticed(of_signature: int, of_body: int) -> None:
    raw = bytearray(base64.b64decode(V1A.removeprefix("v1a,")))
    raw[of_signature // 8] ^= 1 << of_signature % 8
    assert reason(headers(signature=entry("v1a", bytes(raw)))) == "no_match"
    body = bytearray(BODY)
    body[of_body // 8] ^= 1 << of_body % 8
    with pytest.raises(VerificationError):
        verify(headers(signature=V1A), bytes(body), public_keys=PUBLIC, now=TIMESTAMP)


@given(
    st.binary(max_size=100), st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=3)
)
def test_what_we_sign_by_any_key_is_verified_by_each(body: bytes, seeds: list[bytes]) -> None:
    message = signed_message(ID, TIMESTAMP, body)
    signed = headers(signature=" ".join(entry("v1a", sign_ed25519(s, message)) for s in seeds))
    for seed in seeds:
        known = format_public_key(public_key(seed))
        assert verify(signed, body, public_keys=known, now=TIMESTAMP).id == ID
        Ed25519PrivateKey.from_private_bytes(seed).public_key().verify(
            sign_ed25519(seed, message), message
        )


def test_new_private_keys_differ_and_are_read_as_they_were_written() -> None:
    seeds = {new_private_key() for _ in range(20)}
    assert len(seeds) == 20
    for seed in seeds:
        assert private_key_bytes(format_private_key(seed, public_key(seed))) == seed
        assert private_key_bytes("whsk_" + base64.b64encode(seed).decode()) == seed
        assert public_key_bytes(format_public_key(public_key(seed))) == public_key(seed)


@pytest.mark.parametrize(
    "text", ["", "whsk_", "whpk_", "whsk_!!", "whpk_" + "A" * 40, "whsk_" + "A" * 80, SECRET, "é"]
)
def test_what_is_no_key_is_a_value_error_that_does_not_repeat_it(text: str) -> None:
    for read in (private_key_bytes, public_key_bytes):
        with pytest.raises(ValueError, match="key") as caught:
            read(text)
        assert len(text) < 10 or text not in str(caught.value)
    with pytest.raises(ValueError, match="public key"):
        verify({}, BODY, SECRET, public_keys=["", text])


def test_nothing_to_check_with_is_the_receivers_own_mistake() -> None:
    with pytest.raises(ValueError, match="no secret and no public key"):
        verify(headers(), BODY)


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({k: v for k, v in headers().items() if k != "webhook-id"}, "missing_header"),
        ([*headers().items(), ("Webhook-Id", ID)], "repeated_header"),
        (headers(id="a.b"), "malformed_header"),
        (headers(timestamp="1614265330.5"), "malformed_header"),
        (headers(signature="v1,x " * 2000 + SIGNATURE), "malformed_header"),
        (headers(timestamp=str(TIMESTAMP - 301)), "too_old"),
        (headers(timestamp=str(TIMESTAMP + 301)), "too_new"),
        (headers(signature="v1,AAAA"), "no_match"),
    ],
)
def test_every_refusal_has_a_stable_word(wrong: object, word: str) -> None:
    assert reason(wrong) == word


def test_headers_may_be_a_mapping_a_multidict_a_message_or_pairs_of_bytes() -> None:
    message = Message()
    for name, value in headers().items():
        message[name] = value
    asgi = [(k.encode(), v.encode()) for k, v in headers().items()]
    shapes: list[object] = [headers(), CIMultiDict(headers()), message, asgi, headers().items()]
    for shape in shapes:
        assert verify(shape, BODY, SECRET, now=TIMESTAMP).id == ID  # type: ignore[arg-type]


names = st.sampled_from(["webhook-id", "Webhook-Timestamp", "WEBHOOK-SIGNATURE"])
strange = (
    st.text() | st.binary() | st.none() | st.integers() | st.lists(st.text(), max_size=2)
    | st.sampled_from([ID, str(TIMESTAMP), V1A, "v1a,", "\0", "v1a," + "A" * 88, "x" * 9000])
)  # fmt: skip


@given(st.lists(st.tuples(names | st.text() | st.binary() | st.none(), strange), max_size=8))
def test_hostile_headers_of_any_type_raise_only_verification_error(
    pairs: Iterable[tuple[object, object]],
) -> None:
    reason(list(pairs), public_keys=[OTHER])


def test_public_keys_come_from_a_jwk_set_and_other_kinds_are_skipped() -> None:
    x = base64.urlsafe_b64encode(public_key_bytes(PUBLIC)).decode().rstrip("=")
    ours = {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k", "x": x}
    others = [
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        ours | {"crv": "X25519"},
        ours | {"use": "enc"},
    ]
    assert jwks_keys({"keys": [*others, ours]}) == [PUBLIC]
    assert jwks_keys({"keys": []}) == []
    tricky = base64.urlsafe_b64encode(b"\xfb\xff" * 16).decode().rstrip("=")
    assert "-_" in tricky
    (found,) = jwks_keys({"keys": [ours | {"x": tricky}]})
    assert public_key_bytes(found) == b"\xfb\xff" * 16


@pytest.mark.parametrize(
    "document",
    [
        None, [], "keys", {}, {"keys": {}}, {"keys": ["x"]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": 4}]},
        {"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "é"}]},
    ],
)  # fmt: skip
def test_what_is_no_jwk_set_is_a_value_error(document: object) -> None:
    with pytest.raises(ValueError, match=r"JWK|public key"):
        jwks_keys(document)


def test_v1a_without_its_package_says_what_to_install_and_v1_goes_on() -> None:
    now, body = TIMESTAMP, "{}"
    signed = headers(signature=sign_v1([secret_bytes(SECRET)], ID, now, body.encode()))
    code = (
        "import json, sys, schemas.verify as v\n"
        f"h = json.loads({json.dumps(signed)!r})\n"
        f"print(v.verify(h, b'{body}', {SECRET!r}, now={now}).id)\n"
        f"try: v.verify(h, b'{body}', public_keys={PUBLIC!r}, now={now})\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        capture_output=True, text=True, check=True, timeout=20, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    first, second = done.stdout.splitlines()
    assert first == ID
    assert "pip install cryptography" in second
