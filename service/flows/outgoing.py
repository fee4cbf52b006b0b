"""An event on its way to a subscription: where it goes, what signs it, its bytes. Functions of rows.

Rows have the columns of `subscriptions`, and `now`, the time on the database's clock.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from service.core.event import StoredEvent
from service.ports import Outgoing, Target
from service.vault import Vault
from service.wire.events import CONTENT_TYPE, envelope


class Row(Protocol):
    """A row of a subscription."""

    def __getitem__(self, key: str, /) -> Any:
        """Give a column."""
        ...


def target_of(row: Row, vault: Vault, timeout_s: float) -> Target:
    """Say where the events of a subscription go; raises VaultError for what cannot be opened.

    `timeout_s` is for a subscription that has none of its own.
    """
    return Target(
        row["kind"],
        row["url"],
        json.loads(row["settings"]),
        row["timeout_s"] or timeout_s,
        headers=_opened(row["headers"], vault),
        credentials=_opened(row["credentials"], vault),
        id=row["id"],
    )


def outgoing_of(row: Row, event: StoredEvent, vault: Vault) -> Outgoing:
    """Make what is sent of an event; raises VaultError for what cannot be opened."""
    return Outgoing(
        event.id,
        event.type,
        event.subject,
        envelope(event),
        CONTENT_TYPE,
        int(row["now"].timestamp()),
        secrets=_signing(row, "secret", vault),
        private_keys=_signing(row, "signing_key", vault),
    )


def _signing(row: Row, name: str, vault: Vault) -> tuple[bytes, ...]:
    """Open what signs: the present one, and the one before while it overlaps."""
    until = row["previous_until"]
    overlaps = until is not None and until > row["now"]
    signing = (row[name], row[f"previous_{name}"] if overlaps else None)
    return tuple(vault.open(sealed) for sealed in signing if sealed is not None)


def _opened(sealed: bytes | None, vault: Vault) -> Mapping[str, Any]:
    if sealed is None:
        return {}
    opened: dict[str, Any] = json.loads(vault.open(sealed))
    return opened
