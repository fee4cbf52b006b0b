"""What went wrong with a call, in one stable word and in the service's own words."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import aiohttp
from botocore import exceptions as aws

from service.clients import BadSettings
from service.core.url_guard import UrlRefused
from service.egress import RefusedAddress
from service.ports import Sent

UNAUTHORIZED: Final = frozenset(
    {
        *("AccessDenied", "AccessDeniedException", "AuthFailure", "AuthorizationError"),
        *("ExpiredToken", "ExpiredTokenException", "IncompleteSignature", "InvalidAccessKeyId"),
        *("InvalidClientTokenId", "InvalidSecurity", "KMSAccessDenied", "KmsAccessDenied"),
        *("MissingAuthenticationToken", "NotAuthorized", "OptInRequired", "SignatureDoesNotMatch"),
        *("UnrecognizedClientException", "KMSAccessDeniedException", "InvalidSignatureException"),
    }
)
UNROUTABLE: Final = frozenset(
    {
        *("AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "InvalidAddress"),
        *("AWS.SimpleQueueService.QueueDeletedRecently", "QueueDeletedRecently"),
        *("NotFound", "NotFoundException", "ResourceNotFoundException"),
    }
)
THROTTLED: Final = frozenset(
    {
        *("Throttling", "ThrottlingException", "Throttled", "ThrottledException", "SlowDown"),
        *("RequestThrottled", "RequestThrottledException", "RequestLimitExceeded", "OverLimit"),
        *("TooManyRequestsException", "KMSThrottling", "KmsThrottled", "KMSThrottlingException"),
        *("LimitExceededException", "ServiceUnavailable", "PriorRequestNotComplete"),
    }
)


def refused(code: str, message: str, status: int | None) -> Sent:
    """Say what a service's own error means. `rejected` is one that came with a good status (PutEvents)."""
    word = "rejected" if status is None else f"http_{status}"
    throttled = code in THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS
    denied = status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}
    if code in UNROUTABLE:
        word = "unroutable"
    elif code in UNAUTHORIZED or (denied and not throttled):
        word = "unauthorized"
    text = f"{code}: {message}".encode()[:4096]
    return Sent(ok=False, status=status, error=word, response=text, throttled=throttled)


def judge(error: Exception) -> Sent:
    """Name what went wrong; what is no answer of the service is told by a word only."""
    match error:
        case BadSettings():
            return Sent(ok=False, error="invalid_settings", response=str(error).encode())
        case UrlRefused():
            return Sent(ok=False, error="invalid_url", response=str(error).encode())
        case aws.ClientError():
            response: Mapping[str, Any] = error.response
            told, meta = response.get("Error", {}), response.get("ResponseMetadata", {})
            code, message = str(told.get("Code", "")), str(told.get("Message", ""))
            return refused(code, message, int(meta.get("HTTPStatusCode", 0)))
        case aws.ParamValidationError() | aws.InvalidRegionError() | aws.UnknownEndpointError():
            return Sent(ok=False, error="invalid_settings", response=str(error).encode()[:4096])
        case (
            aws.NoCredentialsError()
            | aws.PartialCredentialsError()
            | aws.CredentialRetrievalError()
        ):
            return Sent(ok=False, error="unauthorized", response=b"This machine has no AWS role.")
        case _:
            return Sent(ok=False, error=_word(error))


def _word(error: Exception) -> str:
    inner = error.kwargs.get("error") if isinstance(error, aws.BotoCoreError) else None
    match (error, inner):
        case (RefusedAddress(), _) | (_, RefusedAddress()):
            return "refused_address"
        case (_, aiohttp.ClientConnectorDNSError()):
            return "dns"
        case (aws.ProxyConnectionError(), _):
            return "proxy"
        case (aws.SSLError(), _):
            return "tls"
        case (TimeoutError() | aws.ReadTimeoutError() | aws.ConnectTimeoutError(), _):
            return "timeout"
        case (aws.ConnectionClosedError(), _):
            return "disconnected"
        case (aws.EndpointConnectionError(), _):
            return "connect"
        case (OSError(), _):
            return "connect"
        case _:
            return "protocol"
