"""What can go wrong, as classes by what the caller does next.

The docstring of a class is its default message. `code` is stable and public; `status` is the HTTP
status that a server may answer with. Texts may reach customers: secrets never enter them.
"""

from typing import ClassVar


class ServiceError(Exception):
    """Something went wrong."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500

    def __init__(self, detail: str | None = None, *, errors: tuple["FieldError", ...] = ()) -> None:
        self.detail = detail or (type(self).__doc__ or "").strip()
        self.errors = errors
        super().__init__(self.detail)


class FieldError:
    """One fault of a body: where (an RFC 6901 pointer) and what."""

    __slots__ = ("detail", "pointer")

    def __init__(self, pointer: str, detail: str) -> None:
        self.pointer = pointer
        self.detail = detail


class Malformed(ServiceError):
    """The request could not be read."""

    code = "malformed"
    status = 400


class Unauthentic(ServiceError):
    """The caller could not prove who it is."""

    code = "unauthorized"
    status = 401


class NotFound(ServiceError):
    """There is no such thing here."""

    code = "not_found"
    status = 404


class Conflict(ServiceError):
    """The request does not fit the present state."""

    code = "conflict"
    status = 409


class StillRunning(Conflict):
    """The task may still run upstream, so generating again could be paid twice; send `{"force": true}` to do it anyway."""

    code = "upstream_still_running"


class SubscriptionDisabled(Conflict):
    """The subscription is disabled; enable it first, then send again."""

    code = "subscription_disabled"


class ReplayRunning(Conflict):
    """A replay of this subscription is running."""

    code = "replay_running"


class CursorExpired(ServiceError):
    """The cursor is older than what is kept; begin again with `cursor=now` or without a cursor."""

    code = "cursor_expired"
    status = 410


class Erased(ServiceError):
    """What was answered to this Idempotency-Key showed a task that was erased since; nothing was done again."""

    code = "erased"
    status = 410


class NoVideo(NotFound):
    """There is no such video, or it was never to be kept."""

    code = "no_video"


class NotKept(NotFound):
    """The video could not be kept."""

    code = "not_kept"


class NotKeptYet(Conflict):
    """The video is not kept yet; ask again in a while."""

    code = "not_kept_yet"


class KeptElsewhere(Conflict):
    """The video was put where the submission said, and is not read from there."""

    code = "kept_elsewhere"


class VideoDeleted(ServiceError):
    """The video was kept, and is deleted."""

    code = "video_deleted"
    status = 410


class LinkInvalid(ServiceError):
    """This link is not good: it was changed, or its file or its key is gone. Ask for a new one."""

    code = "link_invalid"
    status = 403


class LinkExpired(ServiceError):
    """This link has expired. Ask for a new one."""

    code = "link_expired"
    status = 410


class Invalid(ServiceError):
    """The request is not valid."""

    code = "invalid"
    status = 422


class IdempotencyMismatch(ServiceError):
    """This Idempotency-Key was used before with another body."""

    code = "idempotency_key_reused"
    status = 422


class Unavailable(ServiceError):
    """The service cannot take this now; nothing was stored."""

    code = "unavailable"
    status = 503
