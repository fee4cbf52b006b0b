"""What a callback of Sync says, once its signature was checked.

`Sync-Signature: t=<digits>,v1=<hex>`, where v1 is the HMAC-SHA256 of `<t>.<body>` over the raw bytes; the
key is the secret's text with its `whsec_`. No age limit is enforced: Sync calls once, and a callback
that waited somewhere is still the truth. https://sync.so/docs/developer-guides/webhooks
"""

import hashlib
import hmac
import re
from collections.abc import Sequence

from service.core.inputs import Source
from service.ports import OpenedCallback, RawCallback
from service.providers import foreign
from service.providers.sync_so.generation import generation, report, task_of

HEADER = "sync-signature"
TIME = re.compile(r"[0-9]{1,20}")


def open_callback(call: RawCallback, secrets: Sequence[str]) -> OpenedCallback:
    """Verify and read a callback; without secrets nothing can be verified."""
    verified, detail = None, ""
    if secrets:
        verified, detail = verify(call, secrets)
        if not verified:
            return OpenedCallback(verified=False, report=None, detail=detail)
    found = generation(foreign.read_json(call.body))
    if found is None:
        return OpenedCallback(verified, None, detail="it is not a generation")
    if task_of(found) not in {None, call.task_uuid}:
        return OpenedCallback(verified, None, names_other=True, detail=detail)
    said = report(found, Source.CALLBACK)
    if any(video.url is None for video in said.videos):
        # A read may tell where it lies; a task that counted it would never be asked about again.
        return OpenedCallback(verified, None, detail="a video without an address")
    return OpenedCallback(verified, said, detail=detail)


def verify(call: RawCallback, secrets: Sequence[str]) -> tuple[bool, str]:
    """Say whether any secret signed these bytes, and when it says that it did."""
    fields = [field.strip().partition("=") for field in call.headers.get(HEADER, "").split(",")]
    times = [value for name, _, value in fields if name == "t" and TIME.fullmatch(value)]
    given = [value for name, _, value in fields if name == "v1"]
    if len(times) != 1 or not given:
        return False, "Sync-Signature is missing or malformed"
    message = times[0].encode() + b"." + call.body
    good = [
        hmac.compare_digest(_sign(secret, message), signature.lower().encode("utf-8", "replace"))
        for secret in secrets
        for signature in given
    ]
    return any(good), f"signed at t={times[0]}" if any(good) else "Sync-Signature does not match"


def _sign(secret: str, message: bytes) -> bytes:
    return hmac.new(secret.encode(), message, hashlib.sha256).hexdigest().encode()
