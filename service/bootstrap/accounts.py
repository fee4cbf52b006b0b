"""Accounts without a service around them, for commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.bootstrap.keys import callback_keys, make_vault
from service.bootstrap.upstreams import make_upstreams, open_sessions
from service.clock import SystemDice
from service.flows.accounts import Accounts
from service.flows.upstreams import Upstreams
from service.flows.wake import Wake
from service.settings import Settings
from service.store.pool import Pool


@asynccontextmanager
async def accounts_of(settings: Settings, pool: Pool) -> AsyncIterator[tuple[Accounts, Upstreams]]:
    """Put together what knows and keeps accounts; it has learned of all that are in the database.

    Nothing is written of the environment's accounts: the settings of a command need not be those of the service.
    """
    async with open_sessions(settings) as sessions:
        upstreams = make_upstreams(settings, sessions, callback_keys(settings))
        accounts = Accounts(pool, Wake(), SystemDice(), make_vault(settings), upstreams)
        await accounts.refresh()
        yield accounts, upstreams
