"""What claimed deliveries become on their way: opened secrets, and the bytes of their format.

A parcel goes out in one call: one delivery, or of a batched subscription several that were never tried.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID, uuid5

from service.core.event import StoredEvent
from service.flows.shares import BATCHED, Usual, timeout_s
from service.flows.subscribe import SECRET_BYTES
from service.ports import Dice, Outgoing, Target
from service.store import subscriptions
from service.store.pool import Pool, Record, Row, connection
from service.vault import Vault
from service.wire.events import with_request
from service.wire.formats import BATCH_CONTENT_TYPE, batch, slim

SECRETS_KEPT: Final = 1024
BATCHES: Final = UUID("0f8d7a52-64c1-4c63-8a2e-2b1de9a7c9f4")
"""Our own namespace of the ids of batches; it must never change."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Deliveries of one lane that go out in one call."""

    rows: tuple[Record, ...]

    @property
    def first(self) -> Record:
        """The delivery that says where it goes: it is the same for all."""
        return self.rows[0]

    @property
    def lane(self) -> UUID:
        """The lane it goes by."""
        lane: UUID = self.first["lane"]
        return lane


@dataclass(frozen=True, slots=True)
class Packed:
    """A parcel on its way. `left_out` are deliveries whose bytes could not be made."""

    target: Target
    event: Outgoing
    left_out: frozenset[int] = frozenset()


def parcels(rows: Sequence[Record]) -> list[Parcel]:
    """Put claimed deliveries together: those of batched lanes that were never tried go in one parcel."""
    out: list[Parcel] = []
    together: dict[UUID, list[Record]] = {}
    for row in rows:
        if row["format"] == BATCHED and row["attempts"] == 1:
            together.setdefault(row["lane"], []).append(row)
        else:
            out.append(Parcel((row,)))
    return out + [Parcel(tuple(group)) for group in together.values()]


class Packing:
    """Makes what is handed to sinks."""

    def __init__(
        self, pool: Pool, dice: Dice, vault: Vault, usual: Usual, *, public_url: str
    ) -> None:
        self._public_url = public_url
        self._pool = pool
        self._dice = dice
        self._vault = vault
        # Each attempt needs its secrets again; they are forgotten with their sealed bytes.
        self._open = lru_cache(SECRETS_KEPT)(vault.open)
        self._usual = usual

    async def pack(self, parcel: Parcel, max_bytes: int | None) -> Packed:
        """Make a parcel ready; raises VaultError for secrets that no key opens."""
        row = parcel.first
        target = self._target(row)
        signing = await self._secrets(row)
        if row["format"] != BATCHED:
            return Packed(target, self._outgoing(row, signing, max_bytes))
        return self._batch(parcel, target, signing, max_bytes)

    async def pack_event(self, row: Row, event: StoredEvent, max_bytes: int | None) -> Packed:
        """Make an event ready that is no delivery; raises VaultError for secrets that no key opens.

        `row` has the columns of a claimed delivery that are its subscription's, and `now`.
        """
        secrets, keys = await self._secrets(row)
        rendered = slim(row["format"], event, max_bytes, self._public_url)
        outgoing = Outgoing(
            event.id,
            event.type,
            event.subject,
            rendered.body,
            rendered.content_type,
            int(row["now"].timestamp()),
            secrets,
            headers=rendered.headers,
            private_keys=keys,
        )
        return Packed(self._target(row), outgoing)

    def _target(self, row: Row) -> Target:
        if row["subscription_id"] is None:
            return Target("webhook", row["notify_url"], {}, self._usual.timeout_s)
        return Target(
            row["kind"],
            row["url"],
            json.loads(row["settings"]),
            timeout_s(row, self._usual),
            headers=self._opened(row["headers"]),
            credentials=self._opened(row["credentials"]),
            id=row["subscription_id"],
        )

    def _opened(self, sealed: bytes | None) -> dict[str, str]:
        return {} if sealed is None else json.loads(self._open(sealed))

    def _outgoing(
        self, row: Record, signing: tuple[tuple[bytes, ...], tuple[bytes, ...]], most: int | None
    ) -> Outgoing:
        secrets, keys = signing
        style = row["format"] or "structured"
        rendered = slim(style, _stored(row), most, self._public_url)
        return Outgoing(
            row["event_id"],
            row["type"],
            row["task_uuid"],
            rendered.body,
            rendered.content_type,
            int(row["now"].timestamp()),
            secrets,
            headers=rendered.headers,
            private_keys=keys,
        )

    def _batch(
        self,
        parcel: Parcel,
        target: Target,
        signing: tuple[tuple[bytes, ...], tuple[bytes, ...]],
        most: int | None,
    ) -> Packed:
        secrets, keys = signing
        bodies, ids, left_out = [], [], set()
        for row in parcel.rows:
            try:
                body = slim("structured", _stored(row), most, self._public_url).body
            except Exception:
                if len(parcel.rows) == 1:
                    raise
                # One event that cannot be written keeps no other back.
                left_out.add(row["id"])
                continue
            bodies.append(body)
            ids.append(str(row["event_id"]))
        first = parcel.first
        event = Outgoing(
            uuid5(BATCHES, " ".join(ids)),
            first["type"],
            first["task_uuid"],
            batch(bodies),
            BATCH_CONTENT_TYPE,
            int(first["now"].timestamp()),
            secrets,
            private_keys=keys,
        )
        return Packed(target, event, frozenset(left_out))

    async def _secrets(self, row: Row) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
        """Open what signs: the present secrets and keys, and the ones before while they overlap."""
        if row["subscription_id"] is not None:
            now_and_before = row["secret"], row["previous_secret"]
            keys = row["signing_key"], row["previous_signing_key"]
            until = row["previous_until"]
        else:
            sealed = row["signing_secret"] or await self._first_secret(row["tenant"])
            now_and_before, keys = (sealed, row["previous_signing_secret"]), (None, None)
            until = row["previous_signing_until"]
        overlaps = until is not None and until > row["now"]
        return self._open_both(*now_and_before, overlaps), self._open_both(*keys, overlaps)

    def _open_both(
        self,
        present: bytes | None,
        before: bytes | None,
        overlaps: bool,
    ) -> tuple[bytes, ...]:
        sealed = (present, before if overlaps else None)
        return tuple(self._open(s) for s in sealed if s is not None)

    async def _first_secret(self, tenant: str) -> bytes:
        """Make the secret that a tenant's notifyURLs are signed with; nobody asked for it yet."""
        fresh = self._vault.seal(self._dice.secret(SECRET_BYTES))
        async with connection(self._pool) as conn:
            return await subscriptions.set_signing_secret(conn, tenant, fresh)


def _stored(row: Record) -> StoredEvent:
    data: bytes = row["data"]
    if row["request"] is not None and row["type"].startswith("task."):
        data = with_request(data, row["request"].encode())
    return StoredEvent(
        row["event_id"],
        row["source"],
        row["type"],
        row["task_uuid"],
        row["created_at"],
        row["sequence"],
        data,
    )
