"""The keys of a service: from its settings, or made once in DATA_DIR."""

from service import datadir
from service.clock import SystemDice
from service.flows.keyring import Keyring
from service.settings import Settings
from service.store.pool import Pool
from service.vault import Vault, format_key, new_key, parse_key


def make_keyring(settings: Settings, pool: Pool) -> Keyring:
    """Hold the keys that are set, or made in DATA_DIR, against what a database needs."""
    encryption = _encryption_keys(settings)
    return Keyring(pool, Vault(encryption), callback=callback_keys(settings), encryption=encryption)


def make_vault(settings: Settings) -> Vault:
    """Seal and open with the keys that are set, or made in DATA_DIR."""
    return Vault(_encryption_keys(settings))


def callback_keys(settings: Settings) -> tuple[bytes, ...]:
    """Give the keys of callback tokens: those that are set, or one that is made in DATA_DIR at first start."""
    given = [k.get_secret_value() for k in settings.callback_keys]
    if not given:
        made = datadir.read_or_make(
            settings.data_dir, "callback_keys", lambda: SystemDice().secret(32).hex()
        )
        given = [k for k in made.split(",") if k]
    return tuple(k.encode() for k in given)


def _encryption_keys(settings: Settings) -> tuple[bytes, ...]:
    given = [k.get_secret_value() for k in settings.encryption_keys]
    if not given:
        made = datadir.read_or_make(
            settings.data_dir, "encryption_keys", lambda: format_key(new_key())
        )
        given = [k for k in made.split(",") if k]
    return tuple(parse_key(k) for k in given)
