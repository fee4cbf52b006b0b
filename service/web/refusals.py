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


class PreconditionFailed(ServiceError):
    """The file is not the one that If-Match or If-Unmodified-Since names."""

    code = "precondition_failed"
    status = 412


class RangeNotSatisfiable(ServiceError):
    """No byte of the file is in the range."""

    code = "range_not_satisfiable"
    status = 416

    def __init__(self, size: int = 0) -> None:
        self.size = size
        super().__init__(f"The file has {size} bytes: none of them is in the range.")


class TooLarge(ServiceError):
    """The body is too large; nothing was stored."""

    code = "too_large"
    status = 413


class UnsupportedMediaType(ServiceError):
    """The body has a form that is not taken here."""

    code = "unsupported_media_type"
    status = 415
