"""What clouds are told and what they answer: options of their clients, and errors in our words."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final, cast

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import AzureStore, GCSStore, S3Store, from_url

from service.core.archive_target import Store
from service.core.fault import FaultKind
from service.media.places.faults import failed, gone
from service.ports import PlaceError

Client = S3Store | GCSStore | AzureStore
PREFIXES: Final[Mapping[str, tuple[str, ...]]] = {
    "s3": ("aws_",),
    "gs": ("google_",),
    "az": ("azure_storage_", "azure_"),
}
"""How the names of options begin; the longer one first."""
KEYS: Final[Mapping[str, tuple[frozenset[str], ...]]] = {
    "s3": (frozenset({"access_key_id", "secret_access_key"}),),
    "gs": tuple(
        frozenset({name})
        for name in (
            *("service_account", "service_account_path", "service_account_key"),
            *("application_credentials", "bearer_token"),
        )
    ),
    "az": (
        *(frozenset({name}) for name in ("account_key", "access_key", "master_key")),
        *(frozenset({name}) for name in ("sas_key", "sas_token", "token", "use_emulator")),
        frozenset({"client_id", "client_secret", "tenant_id"}),
        frozenset({"client_id", "client_secret", "authority_id"}),
    ),
}
"""What is a key of one's own: one of these sets whole. All else leads to an identity of the machine."""
UNSIGNING: Final = frozenset({"bearer_token", "sas_key", "sas_token", "token"})
"""Keys that open a store and cannot sign for others."""
TAKEN: Final[Mapping[str, frozenset[str]]] = {
    "s3": frozenset(
        {
            *("access_key_id", "secret_access_key", "session_token", "token", "region"),
            *("default_region", "endpoint", "endpoint_url", "skip_signature"),
            *("virtual_hosted_style_request", "unsigned_payload", "checksum_algorithm"),
            *("server_side_encryption", "sse_kms_key_id", "sse_bucket_key_enabled"),
            *("sse_customer_key_base64", "conditional_put", "disable_tagging", "request_payer"),
            *("disable_bulk_delete", "s3_express", "metadata_endpoint", "imdsv1_fallback"),
            *("web_identity_token_file", "role_arn", "role_session_name"),
            *("container_credentials_relative_uri", "container_credentials_full_uri"),
            "container_authorization_token_file",
        }
    ),
    "gs": frozenset(
        {
            *("service_account", "service_account_path", "service_account_key", "base_url"),
            *("application_credentials", "bearer_token", "skip_signature"),
        }
    ),
    "az": frozenset(
        {
            *("account_name", "account_key", "access_key", "master_key", "sas_key", "sas_token"),
            *("token", "client_id", "client_secret", "tenant_id", "authority_id", "endpoint"),
            *("authority_host", "use_emulator", "use_fabric_endpoint", "msi_endpoint"),
            *("identity_endpoint", "object_id", "msi_resource_id", "federated_token_file"),
            *("use_azure_cli", "skip_signature", "disable_tagging", "encryption_key"),
        }
    ),
}
"""Options that are handed on; an environment holds others for other programs (`AWS_PAGER`).

obstore raises for those that it does not know, and for those of its HTTP client it ends in a panic of Rust's, which
is no Exception: `AWS_ALLOW_HTTP` has to go another way.
"""
ASKED_FOR: Final[Mapping[str, str]] = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
    "gs": "set GOOGLE_SERVICE_ACCOUNT or GOOGLE_SERVICE_ACCOUNT_KEY",
    "az": "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
TRUE: Final = frozenset({"1", "true", "yes", "on", "y"})
"""What obstore takes for true."""
NO_BUCKET: Final = frozenset({"NoSuchBucket", "ContainerNotFound"})
UNAUTHORIZED: Final = frozenset({401, 403})
BUSY: Final = frozenset({408, 425, 429})
BEYOND: Final = 416
_STATUS = re.compile(r"status code: ([0-9]{3})\b")
_CODE = re.compile(r"<Code>([A-Za-z0-9]{1,64})</Code>")


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds: to connect, for one request of at most 8 MiB with its answer, and for a whole file.

    A request is made again `retries` times, for a refused connection, a 429 or a 5xx, after `wait_s`, twice that
    and so on, as long as `retry_s` have not passed since it was first made.
    """

    connect_s: float = 5
    request_s: float = 120
    total_s: float = 3600
    retries: int = 4
    retry_s: float = 120
    wait_s: float = 0.2


def connect(
    at: Store, options: Mapping[str, str], *, ambient: bool, proxy: str | None, limits: Limits
) -> Client:
    """Make a client of a bucket; nothing is sent yet. Raises PlaceError (`not_configured`).

    obstore reads its variables from the environment too: what is given here counts before those.
    """
    given = _given(at.scheme, options)
    if at.scheme == "az" and not {"account_name", "use_emulator"} & given.keys():
        raise _not_configured(at, "set AZURE_STORAGE_ACCOUNT_NAME")
    if not ambient and not _has_key(at.scheme, given) and not _is_true(given, "skip_signature"):
        raise _not_configured(
            at,
            f"{ASKED_FOR[at.scheme]}; this machine's own role is only used where that is allowed",
        )
    client: dict[str, object] = {
        "connect_timeout": timedelta(seconds=limits.connect_s),
        "timeout": timedelta(seconds=limits.request_s),
        "allow_http": _is_true(given, "allow_http"),
    }
    if proxy is not None:
        client["proxy_url"] = proxy
    waits = {
        "init_backoff": timedelta(seconds=limits.wait_s),
        "max_backoff": timedelta(seconds=limits.wait_s * 50),
        "base": 2,
    }
    retry = {
        "max_retries": limits.retries,
        "retry_timeout": timedelta(seconds=limits.retry_s),
        "backoff": waits,
    }
    if "endpoint_url_s3" in given:
        # The cloud's own tools take it before AWS_ENDPOINT_URL; obstore 0.12 only from the environment.
        given["endpoint_url"] = given["endpoint_url_s3"]
    config = {name: value for name, value in given.items() if name in TAKEN[at.scheme]}
    try:
        made = from_url(
            at.root,
            config=cast("Any", config),
            client_options=cast("Any", client),
            retry_config=cast("Any", retry),
        )
    except (BaseError, ValueError, TypeError):
        # Its text may hold what was given.
        raise _not_configured(
            at, f"its client refuses the settings; look at them and {ASKED_FOR[at.scheme]}"
        ) from None
    return cast("Client", made)


def can_sign(scheme: str, options: Mapping[str, str], *, ambient: bool) -> bool:
    """Say whether links can be signed without asking this machine's cloud for more than is allowed."""
    given = _given(scheme, options)
    if _is_true(given, "skip_signature"):
        return False
    own = [key for key in KEYS[scheme] if key <= given.keys()]
    return any(not key & UNSIGNING for key in own) or (ambient and not own)


def _given(scheme: str, options: Mapping[str, str]) -> dict[str, str]:
    """Take the options of a scheme, without the beginning of their names; empty ones count as none."""
    given: dict[str, str] = {}
    for name, value in options.items():
        lower = name.lower()
        prefix = next((known for known in PREFIXES[scheme] if lower.startswith(known)), None)
        if prefix is not None and value:
            given[lower.removeprefix(prefix)] = value
    return given


def _is_true(given: Mapping[str, str], name: str) -> bool:
    return given.get(name, "").lower() in TRUE


def _has_key(scheme: str, given: Mapping[str, str]) -> bool:
    return any(key <= given.keys() for key in KEYS[scheme])


def _not_configured(at: Store, mend: str) -> PlaceError:
    return failed("not_configured", f"This service has no key for {at.root}: {mend}.")


@contextmanager
def speaking(at: Store) -> Iterator[None]:
    """Turn what a store or the way to it answers into PlaceError."""
    try:
        yield
    except TimeoutError:
        raise failed("timeout", f"{at.root} took too long.") from None
    except (BaseError, FileNotFoundError, ValueError, NotImplementedError) as error:
        # What obstore says holds addresses, and bodies that may hold keys: nothing of it goes on but two words.
        raise _judge(error, at) from None


def is_beyond(error: BaseError) -> bool:
    """Say whether a range was asked for that begins after the end."""
    return _status(error) == BEYOND


def no_bucket(error: FileNotFoundError) -> bool:
    """Say whether it is the bucket that was not found."""
    return _word(error) in NO_BUCKET


def _judge(error: Exception, at: Store) -> PlaceError:
    status, word = _status(error), _word(error)
    said = " ".join(str(part) for part in (status, word) if part is not None) or "nothing"
    if word in NO_BUCKET:
        return failed("no_such_bucket", f"There is no {at.root}: make it, or mend its name.")
    if isinstance(error, FileNotFoundError):
        return gone()
    if isinstance(error, UnauthenticatedError | PermissionDeniedError) or status in UNAUTHORIZED:
        return failed(
            "unauthorized",
            f"{at.root} does not let this service in ({said}): look at its key, and at what the key may do.",
        )
    if isinstance(error, ValueError):
        return failed("refused_name", f"{at.root} takes no such name.", FaultKind.PERMANENT)
    if status is None or status in BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        how = "cannot be reached" if status is None else f"is busy or out of order ({said})"
        return failed("unavailable", f"{at.root} {how}; this is tried again.")
    return failed(
        "store_error", f"{at.root} refuses this ({said}); look at its region and its settings."
    )


def _status(error: Exception) -> int | None:
    found = _STATUS.search(str(error))
    return None if found is None else int(found.group(1))


def _word(error: Exception) -> str | None:
    found = _CODE.search(str(error))
    return None if found is None else found.group(1)
