"""Secrets at rest."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vault import Vault, VaultError, fingerprint, format_key, new_key, parse_key

OLD, NEW = b"o" * 32, b"n" * 32


@given(st.binary(max_size=200))
def test_what_is_sealed_can_be_opened(secret: bytes) -> None:
    sealed = Vault([NEW]).seal(secret)
    assert Vault([NEW]).open(sealed) == secret
    assert len(secret) < 8 or secret not in sealed


def test_same_secret_is_never_sealed_to_the_same_bytes() -> None:
    vault = Vault([NEW])
    assert vault.seal(b"secret") != vault.seal(b"secret")


def test_first_key_seals_and_all_keys_open() -> None:
    sealed = Vault([OLD]).seal(b"secret")
    rotated = Vault([NEW, OLD])
    assert rotated.open(sealed) == b"secret"
    assert Vault([NEW]).open(rotated.seal(b"secret")) == b"secret"


def test_key_that_does_not_fit_is_told_and_nothing_of_the_secret() -> None:
    with pytest.raises(VaultError, match="CALLBOARD_ENCRYPTION_KEYS") as caught:
        Vault([NEW]).open(Vault([OLD]).seal(b"secret"))
    assert caught.value.__cause__ is None


@given(st.data())
def test_altered_bytes_are_never_opened(data: st.DataObject) -> None:
    vault = Vault([NEW])
    sealed = bytearray(vault.seal(b"a secret of some length"))
    place = data.draw(st.integers(0, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))
    with contextlib.suppress(
        VaultError
    ):  # a flip may hit unused bits of base64, and change nothing
        assert vault.open(bytes(sealed)) == b"a secret of some length"


@given(st.binary(max_size=100))
def test_foreign_bytes_raise_only_vault_error(sealed: bytes) -> None:
    with pytest.raises(VaultError):
        Vault([NEW]).open(sealed)


def test_keys_are_written_and_read_again() -> None:
    key = new_key()
    assert len(key) == 32
    assert key != new_key()
    assert parse_key(format_key(key) + "\n") == key


@pytest.mark.parametrize(
    "text", ["", "short", "x" * 44, "é" * 44, "A" * 43, format_key(b"-" * 32) + "AAAA"]
)
def test_text_that_is_no_key_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="32 bytes") as caught:
        parse_key(text)
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize("keys", [[], [b""], [b"x" * 31], [NEW, b"x" * 33]])
def test_vault_refuses_keys_of_a_wrong_size(keys: list[bytes]) -> None:
    with pytest.raises(ValueError, match="encryption key"):
        Vault(keys)


def test_fingerprint_tells_keys_apart_and_tells_nothing_else() -> None:
    assert fingerprint(OLD) == fingerprint(OLD)
    assert fingerprint(OLD) != fingerprint(NEW)
    assert len(fingerprint(OLD)) == 16
