"""A side door: at start, are the keys there that the database needs?

A process without the key that minted a task's token answers 401 to its callback; one without the key that sealed a
secret signs nothing. Both are found out before anything is claimed, from fingerprints and by opening what is sealed.
"""

from collections import Counter
from collections.abc import Sequence

from service.store import fingerprints
from service.store.pool import Pool, transaction
from service.vault import Vault, VaultError, fingerprint

CALLBACK, ENCRYPTION = "callback", "encryption"


class Keyring:
    """The keys of this process, held against what the database needs. The first of each is the one in use."""

    def __init__(
        self, pool: Pool, vault: Vault, *, callback: Sequence[bytes], encryption: Sequence[bytes]
    ) -> None:
        self._pool = pool
        self._vault = vault
        self.callback = tuple(fingerprint(k) for k in callback)
        self.encryption = tuple(fingerprint(k) for k in encryption)

    async def missing(self) -> str | None:
        """Say in one line which key is missing, or nothing."""
        async with transaction(self._pool) as conn:
            needed = await fingerprints.needed_for_callbacks(conn)
            sealed = await fingerprints.sealed(conn)
            known = await fingerprints.known(conn, ENCRYPTION)
        lacking = {key: n for key, n in needed.items() if key not in self.callback}
        if lacking:
            return self._no_callback_key(lacking)
        shut = Counter(what for what, secret in sealed if not self._opens(secret))
        if shut:
            return self._no_encryption_key(shut, [k for k in known if k not in self.encryption])
        return None

    async def note(self) -> None:
        """Note the keys that are used from now on, so that a later start can name what it lacks."""
        async with transaction(self._pool) as conn:
            await fingerprints.note(conn, CALLBACK, self.callback[0])
            await fingerprints.note(conn, ENCRYPTION, self.encryption[0])

    async def reseal(self) -> int:
        """Seal again with the first key what others sealed, all or nothing; gives how many secrets.

        Raises VaultError when a key is missing: nothing is changed then.
        """
        async with transaction(self._pool) as conn:
            sealed = {secret for _, secret in await fingerprints.sealed(conn)}
            old = [secret for secret in sealed if not self._vault.is_current(secret)]
            fresh = {secret: self._vault.seal(self._vault.open(secret)) for secret in old}
            await fingerprints.reseal(conn, fresh)
        return len(fresh)

    async def foreign(self) -> str | None:
        """Say in one line that no service ever sealed with our key, so that none may be able to open what we seal."""
        async with transaction(self._pool) as conn:
            known = await fingerprints.known(conn, ENCRYPTION)
        if not known or self.encryption[0] in known:
            return None
        return (
            f"The first of CALLBOARD_ENCRYPTION_KEYS is {self.encryption[0]}, and the services of this database have "
            f"used {', '.join(known)}: what is sealed by it they could not open. Use theirs, or start them with it first."
        )

    def _opens(self, secret: bytes) -> bool:
        try:
            self._vault.open(secret)
        except VaultError:
            return False
        return True

    def _no_callback_key(self, lacking: dict[str, int]) -> str:
        keys = ", ".join(f"{key} ({_tasks(n)})" for key, n in lacking.items())
        return (
            f"CALLBOARD_CALLBACK_KEYS lacks a key that unfinished tasks need, fingerprint {keys}; there are "
            f"{', '.join(self.callback)}: put it back behind the first one until those tasks have ended."
        )

    def _no_encryption_key(self, shut: Counter[str], gone: Sequence[str]) -> str:
        first, more = next(iter(shut)), len(shut) - 1
        what = first if not more else f"{first} and {more} more"
        named = f"; fingerprints used before: {', '.join(gone)}" if gone else ""
        return (
            f"CALLBOARD_ENCRYPTION_KEYS lacks the key that sealed {what}{named}; there are "
            f"{', '.join(self.encryption)}: put it back behind the first one."
        )


def _tasks(number: int) -> str:
    return "1 task" if number == 1 else f"{number} tasks"
