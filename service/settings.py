"""Settings, read once at the door from `CALLBOARD_*` and a `.env` file; everything below gets plain values.

Every wait and limit of DESIGN.md is a field here with what stands there as its default: the demo and the tests
set them small, and nothing else in them differs from production.
"""

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.core.archive_target import read_store
from service.core.media import DISK, NONE, read_rule
from service.egress import read_proxy
from service.vault import parse_key

PREFIX = "CALLBOARD_"
Secrets = Annotated[tuple[SecretStr, ...], NoDecode]
Seconds = Annotated[float, Field(gt=0, le=31_536_000)]
Providers = Annotated[tuple[Literal["runware", "sync"], ...], NoDecode]
SOURCE = re.compile(r"(?:[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9A-Fa-f]{2})+")
"""The characters of a URI reference (RFC 3986): what CloudEvents wants of a `source`."""
Networks = Annotated[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...], NoDecode]


class SettingsError(Exception):
    """A setting is wrong: one line that names the variable and what it should be."""


class Settings(BaseSettings):
    """What can be set (CONTRACT.md section 7), and the waits and limits behind it."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=".env", extra="ignore", frozen=True, hide_input_in_errors=True
    )

    database_url: SecretStr | None = None
    direct_database_url: SecretStr | None = None
    data_dir: Path = Path(".callboard")
    pg_bin: Path | None = None
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    workers: Annotated[int, Field(ge=1, le=64)] = 1
    public_url: str | None = None
    api_keys: Secrets = ()
    url: str | None = None
    api_key: SecretStr | None = None
    account_key: SecretStr | None = None
    event_source: str | None = None
    retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    callback_keys: Secrets = ()
    encryption_keys: Secrets = ()
    runware_api_key: SecretStr | None = None
    runware_url: str = "https://api.runware.ai/v1"
    sync_api_key: SecretStr | None = None
    sync_url: str = "https://api.sync.so"
    sync_webhook_secret: Secrets = ()
    runware_concurrency: Annotated[int, Field(ge=0, le=10_000)] = 4
    sync_concurrency: Annotated[int, Field(ge=0, le=10_000)] = 3
    runware_submits_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 0
    sync_submits_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 60
    runware_resend_seconds: Annotated[float, Field(ge=0, le=86_400)] = 120
    sync_resend_seconds: Annotated[float, Field(ge=0, le=86_400)] = 3600
    deadline_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3600
    deadline_grace_seconds: Seconds = 300
    start_within_seconds: Annotated[int, Field(ge=1, le=31_536_000)] = 604_800
    slot_max_seconds: Seconds = 86_400
    poll_after_seconds: Seconds = 60
    poll_only: bool = False
    callback_confirm: Providers = ()
    allow_networks: Networks = ()
    aws_ambient: bool = False
    egress_proxy: SecretStr | None = None
    archive: str = "none"
    archive_before_completed: bool = False
    archive_stores: Annotated[tuple[str, ...], NoDecode] = ()
    archive_max_seconds: Annotated[int, Field(ge=1, le=604_800)] = 600
    archive_max_bytes: Annotated[int, Field(ge=1)] = 2_147_483_648
    archive_retention_days: Annotated[int, Field(ge=0, le=3650)] = 0
    archive_retention: Annotated[tuple[str, ...], NoDecode] = ()
    archive_ambient: bool = False
    media_dir: Path | None = None
    log_format: Literal["console", "json"] | None = None
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    # The waits and limits of DESIGN.md that are not on the contract's page.
    poll_max_seconds: Seconds = 600
    runware_reads_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 0
    sync_reads_per_minute: Annotated[int, Field(ge=0, le=100_000)] = 300
    submit_timeout_seconds: Seconds = 30
    lease_seconds: Seconds = 60
    heartbeat_seconds: Seconds | None = None
    unknown_read_seconds: Seconds = 2
    resend_margin_seconds: Seconds = 30
    settle_wait_seconds: Seconds = 30
    vague_span_seconds: Seconds = 60
    vague_polls: Annotated[int, Field(ge=1, le=20)] = 3
    retry_base_seconds: Seconds = 2
    retry_max_seconds: Seconds = 300
    delivery_waits: Annotated[tuple[float, ...], NoDecode] = (
        *(5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400),
    )
    delivery_timeout_seconds: Seconds = 15
    delivery_concurrency: Annotated[int, Field(ge=1, le=1000)] = 256
    delivery_per_target: Annotated[int, Field(ge=1, le=1000)] = 16
    breaker_failures: Annotated[int, Field(ge=1, le=1000)] = 5
    breaker_seconds: Seconds = 30
    breaker_max_seconds: Seconds = 900
    throttle_seconds: Seconds = 5
    throttle_max_seconds: Seconds = 300
    disable_after_seconds: Seconds = 432_000
    replay_per_second: Annotated[int, Field(ge=1, le=1000)] = 50
    archive_concurrency: Annotated[int, Field(ge=1, le=200)] = 8
    archive_bytes_per_second: Annotated[int, Field(ge=0)] = 50_000_000
    archive_give_up_seconds: Seconds = 86_400
    archive_timeout_seconds: Seconds = 900
    archive_stall_seconds: Seconds = 30
    archive_min_free_bytes: Annotated[int, Field(ge=0)] = 1_073_741_824
    link_seconds: Annotated[int, Field(ge=1, le=604_800)] = 3600
    callback_patience_seconds: Seconds = 4
    callback_group: Annotated[int, Field(ge=1, le=200)] = 100
    callback_waiting: Annotated[int, Field(ge=1)] = 20_000
    callback_waiting_bytes: Annotated[int, Field(ge=1_048_576)] = 67_108_864
    event_streams: Annotated[int, Field(ge=1, le=100_000)] = 500
    stream_beat_seconds: Seconds = 15
    fault_points: str = ""
    orphan_seconds: Seconds = 30
    loop_poll_seconds: Seconds = 1
    claim_floor_seconds: Seconds = 10
    claims_without_floor: Annotated[int, Field(ge=1, le=1000)] = 20
    pool_size: Annotated[int, Field(ge=4, le=500)] = 20
    statement_timeout_seconds: Seconds = 10
    drain_notice_seconds: Annotated[float, Field(ge=0, le=60)] = 0
    drain_seconds: Seconds = 20
    handler_grace_seconds: Seconds = 5

    @field_validator(
        "api_keys",
        "callback_keys",
        "encryption_keys",
        "sync_webhook_secret",
        "delivery_waits",
        "callback_confirm",
        "archive_stores",
        "archive_retention",
        mode="before",
    )
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allow_networks", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        try:
            parts = [part.strip() for part in value.split(",") if part.strip()]
            return tuple(ipaddress.ip_network(part) for part in parts)
        except ValueError as error:
            text = f"should be networks such as 10.0.0.0/8, separated by commas ({error})"
            raise ValueError(text) from None

    @field_validator("public_url", "url", "runware_url", "sync_url")
    @classmethod
    def _http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ValueError("should be an http or https URL")
        return value.rstrip("/")

    @field_validator("event_source")
    @classmethod
    def _source(cls, value: str | None) -> str | None:
        if value is not None and not SOURCE.fullmatch(value):
            raise ValueError(
                "should be a URI reference, such as https://callboard.example or /callboard"
            )
        return value

    @field_validator("egress_proxy")
    @classmethod
    def _proxy(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            read_proxy(value.get_secret_value())
        return value

    @field_validator("data_dir", "media_dir")
    @classmethod
    def _absolute(cls, value: Path | None) -> Path | None:
        return None if value is None else value.expanduser().absolute()

    @field_validator("archive")
    @classmethod
    def _archive(cls, value: str) -> str:
        if value not in {NONE, DISK}:
            read_store(value)
        return value

    @field_validator("archive_stores")
    @classmethod
    def _stores(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for store in value:
            read_store(store)
        return value

    @field_validator("archive_retention")
    @classmethod
    def _retention(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for rule in value:
            read_rule(rule)
        return value

    @field_validator("encryption_keys")
    @classmethod
    def _keys(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for key in value:
            parse_key(key.get_secret_value())
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.lease_seconds <= self.submit_timeout_seconds:
            raise ValueError(
                "CALLBOARD_LEASE_SECONDS should be longer than CALLBOARD_SUBMIT_TIMEOUT_SECONDS: "
                "a lease protects a send only while it outlives the call"
            )
        if self.beat_seconds > self.lease_seconds / 2:
            raise ValueError(
                "CALLBOARD_HEARTBEAT_SECONDS should be at most half of CALLBOARD_LEASE_SECONDS: "
                "a process that has not beaten for that long stops claiming"
            )
        if self.workers > 1 and self.port == 0:
            raise ValueError("CALLBOARD_PORT should be a port that all CALLBOARD_WORKERS can share")
        if self.database_url is not None:
            for name in ("callback_keys", "encryption_keys"):
                if not getattr(self, name):
                    raise ValueError(
                        f"{PREFIX}{name.upper()} should be set when CALLBOARD_DATABASE_URL is: "
                        "every process needs the same keys (callboard keys generate makes one)"
                    )
        return self

    @property
    def beat_seconds(self) -> float:
        """How often this process says that it lives: three beats may fail before its leases end."""
        return self.heartbeat_seconds or self.lease_seconds / 4

    @property
    def own_url(self) -> str:
        """Where this process can be called on this machine."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.public_url or f"http://{host}:{self.port}"


def load(**overrides: object) -> Settings:
    """Read the settings; raises SettingsError with one line a fault."""
    try:
        return Settings(**overrides)  # type: ignore[arg-type]  # values are validated
    except ValidationError as error:
        raise SettingsError("\n".join(_line(e["loc"], e["msg"]) for e in error.errors())) from None


def _line(loc: Sequence[int | str], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not loc:
        return text
    name = f"{PREFIX}{str(loc[0]).upper()}"
    return f"{name}: {text[0].lower()}{text[1:]}"


def summary(settings: Settings) -> dict[str, object]:
    """Say the settings for the log at start; of secrets only whether they are set."""
    shown: dict[str, object] = {}
    for name, value in settings:
        secret = "key" in name or "secret" in name or name.endswith(("database_url", "_proxy"))
        shown[name] = bool(value) if secret else _plain(value)
    return shown


def _plain(value: object) -> object:
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    return value if isinstance(value, bool | int | float | str | None) else str(value)
