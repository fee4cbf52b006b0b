"""The upstreams of this process: which are on, under which limits, and what they are told to call."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from service.core import callback_token
from service.ports import Provider
from service.vault import fingerprint


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider with its limits. `off_because` says in words why nothing can be sent to it."""

    provider: Provider
    concurrency: int
    off_because: str | None = None


class Upstreams:
    """All upstreams by name."""

    def __init__(
        self,
        by_name: Mapping[str, Upstream],
        *,
        public_url: str,
        callback_keys: tuple[bytes, ...],
        poll_only: bool,
    ) -> None:
        self._by_name = by_name
        self._public_url = public_url.rstrip("/")
        self._keys = callback_keys
        self._poll_only = poll_only

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __getitem__(self, name: str) -> Upstream:
        return self._by_name[name]

    def names(self) -> list[str]:
        """Give the names of all upstreams, off or on."""
        return sorted(self._by_name)

    def on(self) -> list[Upstream]:
        """Give the upstreams that tasks can be sent to."""
        return [u for u in self._by_name.values() if u.off_because is None]

    def webhook_url(self, provider: str, task_uuid: UUID) -> str | None:
        """Make the URL that a provider is told to call for a task; none when polling only."""
        if self._poll_only:
            return None
        token = callback_token.mint(self._keys, provider, task_uuid)
        return f"{self._public_url}/callbacks/{provider}/{task_uuid}/{token}"

    @property
    def minted_with(self) -> str | None:
        """The fingerprint of the key that mints tokens; none when polling only, where none are minted."""
        return None if self._poll_only else fingerprint(self._keys[0])

    def token_is_good(self, provider: str, task_uuid: UUID, token: str) -> bool:
        """Say whether a callback's path carries our token."""
        return callback_token.verify(self._keys, provider, task_uuid, token)
