"""Settings: read once, wrong ones said in one line each, secrets never shown."""

from pathlib import Path

import pytest

from service.bootstrap.upstreams import is_loopback, is_public_https, off_because
from service.settings import SettingsError, load, summary
from service.vault import format_key, new_key


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Begin with an empty environment, in a folder without `.env`."""
    monkeypatch.chdir(tmp_path)
    for name in ("PG_BIN", "API_KEY", "URL", "DATA_DIR"):
        monkeypatch.delenv(f"CALLBOARD_{name}", raising=False)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("PORT", "http", "should be a valid integer"),
        ("PORT", "70000", "less than or equal to 65535"),
        ("PUBLIC_URL", "callboard.example", "should be an http or https URL"),
        ("ALLOW_NETWORKS", "10.0.0.0/40", "should be networks such as 10.0.0.0/8"),
        ("ALLOW_NETWORKS", "10.0.0.1/8", "should be networks such as 10.0.0.0/8"),
        ("ENCRYPTION_KEYS", "a-secret-that-is-too-short", "32 bytes in URL-safe base64"),
        ("LEASE_SECONDS", "10", "longer than CALLBOARD_SUBMIT_TIMEOUT_SECONDS"),
        ("HEARTBEAT_SECONDS", "31", "at most half of CALLBOARD_LEASE_SECONDS"),
        ("CALLBACK_CONFIRM", "sync,kling", "should be 'runware' or 'sync'"),
        ("LOG_FORMAT", "xml", "'console' or 'json'"),
        ("DELIVERY_WAITS", "5,soon", "should be a valid number"),
        ("DATABASE_URL", "postgresql://x", "CALLBOARD_CALLBACK_KEYS should be set"),
    ],
)
def test_a_wrong_setting_is_one_line_that_names_it(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"CALLBOARD_{name}", value)
    with pytest.raises(SettingsError) as caught:
        load()
    (line,) = str(caught.value).splitlines()
    assert "CALLBOARD_" in line
    assert says in line
    assert "a-secret" not in line


def test_processes_that_share_a_port_need_one() -> None:
    with pytest.raises(SettingsError, match="CALLBOARD_PORT"):
        load(port=0, workers=2)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CALLBOARD_API_KEYS", "one, two,")
    monkeypatch.setenv("CALLBOARD_ALLOW_NETWORKS", "127.0.0.0/8, ::1/128")
    monkeypatch.setenv("CALLBOARD_DELIVERY_WAITS", "0.5,1")
    settings = load()
    assert [k.get_secret_value() for k in settings.api_keys] == ["one", "two"]
    assert [str(n) for n in settings.allow_networks] == ["127.0.0.0/8", "::1/128"]
    assert settings.delivery_waits == (0.5, 1)


def test_a_dot_env_file_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("CALLBOARD_PORT=9999\nOTHER=1\n")
    assert load().port == 9999


def test_the_start_log_says_of_secrets_only_whether_they_are_set() -> None:
    secret = "very-secret-value"
    shown = summary(
        load(
            api_keys=secret,
            callback_keys=secret,
            encryption_keys=format_key(new_key()),
            runware_api_key=secret,
            sync_webhook_secret=secret,
            database_url=f"postgresql://u:{secret}@h/d",
        )
    )
    assert secret not in str(shown)
    assert shown["runware_api_key"] is True
    assert shown["sync_api_key"] is False
    assert shown["database_url"] is True


@pytest.mark.parametrize(
    ("url", "public"),
    [
        ("https://callboard.example", True),
        ("http://callboard.example", False),
        ("https://localhost", False),
        ("https://10.0.0.5", False),
        ("https://127.0.0.1", False),
        ("https://8.8.8.8", True),
    ],
)
def test_only_https_addresses_of_the_world_are_public(url: str, public: bool) -> None:
    assert is_public_https(url) is public


def test_a_provider_is_off_until_it_has_a_key_and_can_call_back() -> None:
    assert "set CALLBOARD_SYNC_API_KEY" in str(off_because(load(), "sync"))
    keyed = load(sync_api_key="k", runware_api_key="k")
    assert "CALLBOARD_PUBLIC_URL" in str(off_because(keyed, "sync"))
    assert off_because(load(sync_api_key="k", poll_only=True), "sync") is None
    public = load(sync_api_key="k", public_url="https://callboard.example")
    assert off_because(public, "sync") is None
    assert off_because(load(sync_api_key="k", sync_url="http://127.0.0.1:1"), "sync") is None
    assert is_loopback("http://[::1]:80/x")


@pytest.mark.parametrize("text", ["a b", "", "caf\u00e9", "%zz", "<x>"])
def test_a_source_that_is_no_uri_reference_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="CALLBOARD_EVENT_SOURCE"):
        load(event_source=text)


@pytest.mark.parametrize(
    "text", ["https://callboard.example/a?b=c#d", "/callboard", "urn:x:1", "%20"]
)
def test_a_source_is_any_uri_reference(text: str) -> None:
    assert load(event_source=text).event_source == text
