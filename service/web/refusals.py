"""The refusals that only HTTP knows; all others are in `core.errors`."""

from collections.abc import Iterable

from service.core.errors import ServiceError


class MethodNotAllowed(ServiceError):
    """This method does not exist here."""

    code = "method_not_allowed"
    status = 405

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"Here are only: {self.allowed or 'none'}.")


class TooSlow(ServiceError):
    """The body came too slowly; nothing was stored."""

    code = "request_timeout"
    status = 408


class TooLarge(ServiceError):
    """The body is too large; nothing was stored."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(ServiceError):
    """The body has a form that is not taken here."""

    code = "unsupported_media_type"
    status = 415
