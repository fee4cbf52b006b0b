"""The upstreams of this process: which are on, under which limits, and what they are told to call."""

from collections.abc import Callable, Mapping
from uuid import UUID

from service.core import callback_token
from service.ports import Provider
from service.store.accounts import Limits
from service.vault import fingerprint

DEFAULT = "default"
"""The account of the environment."""


class Upstream:
    """A provider with the accounts it can be called by.

    `provider` answers about requests and callbacks; a `client` calls by one account. `limits` are those of the
    environment's account.
    """

    def __init__(
        self,
        provider: Provider,
        limits: Limits,
        *,
        cannot_call_back: str | None = None,
        keyless: str = "",
        clients: Mapping[str, Provider] | None = None,
        make_client: Callable[[str | None, str], Provider] | None = None,
    ) -> None:
        self.provider = provider
        self.limits = limits
        self._cannot_call_back = cannot_call_back
        self._keyless = keyless
        self._own = {DEFAULT: provider} if clients is None else dict(clients)
        self._clients = dict(self._own)
        self._make_client = make_client

    @property
    def off_because(self) -> str | None:
        """Why nothing can be sent to it, and how to mend it; none when it is on."""
        return self._cannot_call_back or (None if self._clients else self._keyless)

    @property
    def accounts(self) -> list[str]:
        """The names of the accounts that this process has the keys of."""
        return sorted(self._clients)

    def knows(self, account: str) -> bool:
        """Whether this process has the key of an account."""
        return account in self._clients

    def can_send_by(self, account: str) -> bool:
        """Whether anything can be sent by an account from here."""
        return self.off_because is None and self.knows(account)

    @property
    def any_client(self) -> Provider:
        """What asks for things that belong to no account: the environment's, else another that has a key."""
        first = next((self._clients[name] for name in self.accounts), self.provider)
        return self._own.get(DEFAULT, first)

    def client(self, account: str) -> Provider:
        """Give what calls by an account; without its key, one that says so."""
        known = self._clients.get(account)
        if known is not None or self._make_client is None:
            return known or self.provider
        return self._make_client(None, account)

    def wrap(self, wrapper: Callable[[Provider], Provider]) -> None:
        """Put something around every client, those that are made later too."""
        make = self._make_client
        self._own = {name: wrapper(client) for name, client in self._own.items()}
        self._clients = {name: wrapper(client) for name, client in self._clients.items()}
        if make is not None:
            self._make_client = lambda key, account: wrapper(make(key, account))

    def know(self, keys: Mapping[str, str]) -> None:
        """Take the keys of the accounts that were given by hand; the environment's own come first."""
        if self._make_client is not None:
            made = {name: self._make_client(key, name) for name, key in keys.items()}
            self._clients = made | self._own


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
