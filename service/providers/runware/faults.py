"""What Runware's error codes are about.

The vendor says that hundreds exist and that they change, so after the exact ones come rules by the
words that they are made of, which its own SDKs use too (https://runware.ai/docs/platform/errors).
"""

from service.providers.verdict import Family

CONFLICT = "conflictTaskUUID"


def _codes(names: str) -> frozenset[str]:
    return frozenset(names.split())


ACCOUNT = _codes(
    """
    invalidApiKey missingApiKey unauthorized forbidden permissionDenied insufficientPermissions
    authenticationFailed authFailed authTimeout invalidAuthentication invalidCredentials
    missingAuthentication tokenExpired tokenInvalid tokenMissing tokenRevoked accountSuspended
    accountDisabled organizationSuspended organizationDisabled workspaceSuspended workspaceDisabled
    insufficientCredits quotaExceeded paymentRequired environmentPaused
    """
)
REQUEST = _codes(
    """
    contentPolicyViolation providerContentPolicyViolation sensitiveContentDetected
    unsafeContentDetected nsfwContentDetected promptBlocked imageBlocked moderationFailed
    mediaNotFound mediaExpired modelNotFound unknownModel modelDisabled modelAlreadyExists
    unknownParameter incompatibleParameters validationFailed inferenceRateLimitRequestTooLarge
    """
)
"""Requests that would fail again; what the rules below do not know."""
UPSTREAM = _codes(
    """
    inferenceError processingFailed taskFailed downloadFailed uploadFailed noAvailableServer
    modelUnavailable modelNotReady mediaStorageFileCouldNotBeMoved internalServerError
    serviceUnavailable serverUnavailable standardError unknownError undefinedError defaultError
    unrecognizedResponse timeout timeoutProvider
    """
)
"""Its own trouble. At a submit none of them says that nothing was accepted."""
NOT_FOUND = frozenset({"taskFailedOrNotFound", "taskNotFound", "taskExpired"})
"""What a poll may say of a uuid that it does not know, or not any more."""
EXACT = (
    (ACCOUNT, Family.ACCOUNT),
    (REQUEST, Family.REQUEST),
    (UPSTREAM, Family.UPSTREAM),
    (NOT_FOUND | {"taskCancelled"}, Family.ASK),
)

BEGINS: tuple[tuple[str, Family], ...] = (
    ("provider", Family.UPSTREAM),
    ("thirdParty", Family.UPSTREAM),
    ("invalid", Family.REQUEST),
    ("missing", Family.REQUEST),
    ("conflict", Family.REQUEST),
    ("duplicate", Family.REQUEST),
    ("unsupported", Family.REQUEST),
    ("value", Family.REQUEST),
    ("array", Family.REQUEST),
    ("max", Family.REQUEST),
)
CONTAINS: tuple[tuple[str, Family], ...] = (
    ("ContentPolicy", Family.REQUEST),
    ("RateLimit", Family.THROTTLE),
    ("rateLimit", Family.THROTTLE),
    ("Timeout", Family.UPSTREAM),
)
ACCOUNT_WORDS = ("Credits", "Quota", "Balance")
"""Of the account, unless they begin with whose credits are meant: the provider's are not ours."""


def family(code: str | None) -> Family:
    """Say what a code is about: exact codes first, then words inside it, then how it begins."""
    if code is None:
        return Family.UNLISTED
    if code == CONFLICT:
        return Family.TAKEN
    for codes, exact in EXACT:
        if code in codes:
            return exact
    for word, contained in CONTAINS:
        if word in code:
            return contained
    for word, begun in BEGINS:
        if code.startswith(word):
            return begun
    if any(word in code for word in ACCOUNT_WORDS):
        return Family.ACCOUNT
    return Family.REQUEST if code.endswith(("NotFound", "Expired")) else Family.UNLISTED
