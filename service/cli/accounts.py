"""`accounts`: the accounts of providers, in the database. API keys are never arguments: those are seen by others."""

import re
import sys
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

import typer

from schemas.api.tasks import ACCOUNT_NAME
from service.bootstrap.accounts import accounts_of
from service.bootstrap.keys import make_keyring
from service.cli.database import with_pool
from service.cli.output import AsJson, Failed, out, shown, table
from service.cli.output import settings as read_settings
from service.core.errors import ServiceError, Unavailable
from service.flows.accounts import AccountName, Accounts, Wish, named
from service.flows.upstreams import DEFAULT, Upstreams
from service.observe import set_up_logs
from service.settings import Settings
from service.store.pool import Pool, Record
from service.wire.accounts import account_view

T = TypeVar("T")
View = dict[str, Any]
app = typer.Typer(help="Accounts of providers.", no_args_is_help=True)

KEY = re.compile(r"[!-~]{1,500}")
Provider = Annotated[str, typer.Argument(help="runware or sync.")]
Account = Annotated[str, typer.Argument(help="Its name here: a-z, 0-9, - and _.")]
KeyStdin = Annotated[bool, typer.Option("--key-stdin", help="Read the API key from stdin.")]
Concurrency = Annotated[
    int | None, typer.Option(min=0, max=10_000, help="How many tasks may be upstream at once.")
]
PerMinute = Annotated[
    int | None, typer.Option(min=0, max=100_000, help="How many sends may begin in a minute.")
]
ReadsPerMinute = Annotated[
    int | None, typer.Option(min=0, max=100_000, help="How many reads may begin in a minute.")
]
Weight = Annotated[
    int | None,
    typer.Option(min=1, max=1000, help="Its share of the tasks that name no account."),
]


@app.command("list")
def list_all(as_json: AsJson = False) -> None:
    """List accounts; their keys are kept sealed and cannot be shown again."""

    async def use(accounts: Accounts, upstreams: Upstreams) -> list[View]:
        return [_view(row, upstreams) for row in await accounts.list_all()]

    items = _with(use)
    shown({"items": items, "nextCursor": None}, as_json, lambda: _table(items))


@app.command("show")
def show(provider: Provider, account: Account, as_json: AsJson = False) -> None:
    """Show an account."""
    _one(provider, account, lambda accounts, name: accounts.show(name), as_json=as_json)


@app.command("add")
def add(
    provider: Provider,
    account: Account,
    concurrency: Concurrency = None,
    per_minute: PerMinute = None,
    reads_per_minute: ReadsPerMinute = None,
    weight: Weight = None,
    key_stdin: KeyStdin = False,
    as_json: AsJson = False,
) -> None:
    """Add an account; its key is asked for. What is not given is as the settings have it for the provider."""
    settings = read_settings()
    _refuse_default(provider, account)
    key = _read_key(settings, from_stdin=key_stdin)
    wish = Wish(concurrency, per_minute, reads_per_minute, weight, key)
    _one(
        provider,
        account,
        lambda accounts, name: accounts.add(name, wish),
        as_json=as_json,
        seals=True,
    )


@app.command("set")
def change(
    provider: Provider,
    account: Account,
    concurrency: Concurrency = None,
    per_minute: PerMinute = None,
    reads_per_minute: ReadsPerMinute = None,
    weight: Weight = None,
    as_json: AsJson = False,
) -> None:
    """Change the limits or the weight of an account; the rest stays as it is."""
    given = {
        "CONCURRENCY": concurrency,
        "SUBMITS_PER_MINUTE": per_minute,
        "READS_PER_MINUTE": reads_per_minute,
    }
    limits = [name for name, value in given.items() if value is not None]
    if not limits and weight is None:
        raise Failed(
            "Say what to change: --concurrency, --per-minute, --reads-per-minute or --weight."
        )
    if account == DEFAULT and limits:
        variables = ", ".join(f"CALLBOARD_{provider.upper()}_{name}" for name in limits)
        raise Failed(f"The account default is the settings' own: set {variables} and start again.")
    wish = Wish(concurrency, per_minute, reads_per_minute, weight)
    _one(provider, account, lambda accounts, name: accounts.change(name, wish), as_json=as_json)


@app.command("set-key")
def set_key(
    provider: Provider, account: Account, key_stdin: KeyStdin = False, as_json: AsJson = False
) -> None:
    """Give an account another API key; what was sent by the old one is still looked for, and not sent again."""
    settings = read_settings()
    _refuse_default(provider, account)
    wish = Wish(key=_read_key(settings, from_stdin=key_stdin))
    _one(
        provider,
        account,
        lambda accounts, name: accounts.change(name, wish),
        as_json=as_json,
        seals=True,
    )


@app.command("remove")
def remove(provider: Provider, account: Account, as_json: AsJson = False) -> None:
    """Remove an account that has no task upstream."""
    _refuse_default(provider, account)

    async def use(accounts: Accounts, upstreams: Upstreams) -> int:
        return await accounts.remove(_name(upstreams, provider, account))

    waiting = _with(use)
    wait = " waits" if waiting == 1 else "s wait"
    left = (
        f" {waiting} queued task{wait} for it until it is back, or ends in time." if waiting else ""
    )
    value = {"provider": provider, "account": account, "removed": True, "waiting": waiting}
    shown(value, as_json, lambda: out.print(f"Removed.{left}", soft_wrap=True))


@app.command("pause")
def pause(
    provider: Provider,
    account: Account,
    reason: Annotated[str | None, typer.Option(help="For those who look at it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send nothing new by an account until it is resumed; what runs upstream goes on."""
    _one(provider, account, lambda accounts, name: accounts.hold(name, reason), as_json=as_json)


@app.command("resume")
def resume(provider: Provider, account: Account, as_json: AsJson = False) -> None:
    """Let an account send again at once, whatever paused it."""
    _one(provider, account, lambda accounts, name: accounts.resume(name), as_json=as_json)


def _one(
    provider: str,
    account: str,
    act: Callable[[Accounts, AccountName], Coroutine[Any, Any, Record]],
    *,
    as_json: bool,
    seals: bool = False,
) -> None:
    async def use(accounts: Accounts, upstreams: Upstreams) -> View:
        return _view(await act(accounts, _name(upstreams, provider, account)), upstreams)

    view = _with(use, seals=seals)
    shown(view, as_json, lambda: _table([view]))


def _with(
    use: Callable[[Accounts, Upstreams], Coroutine[Any, Any, T]], *, seals: bool = False
) -> T:
    settings = read_settings()
    set_up_logs(settings.log_format, "warning")

    async def main(pool: Pool) -> T:
        foreign = await make_keyring(settings, pool).foreign() if seals else None
        if foreign is not None:
            raise Failed(foreign)
        async with accounts_of(settings, pool) as (accounts, upstreams):
            try:
                return await use(accounts, upstreams)
            except Unavailable:
                raise
            except ServiceError as error:
                raise Failed(error.detail) from None

    return with_pool(settings, main)


def _name(upstreams: Upstreams, provider: str, account: str) -> AccountName:
    if provider not in upstreams:
        known = ", ".join(upstreams.names())
        raise Failed(f"There is no provider {provider!r}; there are: {known}.")
    if not re.fullmatch(ACCOUNT_NAME, account):
        raise Failed(
            f"{account!r} is no name of an account: up to 63 of a-z, 0-9, - and _, beginning with a letter or digit."
        )
    return named(provider, account)


def _refuse_default(provider: str, account: str) -> None:
    if account == DEFAULT:
        raise Failed(
            f"The account default is the settings' own: its key is CALLBOARD_{provider.upper()}_API_KEY. "
            "Set or unset that and start again, or take another name."
        )


def _read_key(settings: Settings, *, from_stdin: bool) -> str:
    if from_stdin:
        key = sys.stdin.read().strip()
    elif settings.account_key is not None:
        key = settings.account_key.get_secret_value().strip()
    elif sys.stdin.isatty():
        key = str(typer.prompt("API key", hide_input=True)).strip()
    else:
        raise Failed("No API key: use --key-stdin, or set CALLBOARD_ACCOUNT_KEY.")
    if not KEY.fullmatch(key):
        raise Failed("That is no API key: it should be 1 to 500 visible ASCII characters.")
    return key


def _view(row: Record, upstreams: Upstreams) -> View:
    return account_view(row, has_key=upstreams[row["provider"]].knows(row["account"]))


def _table(items: list[View]) -> None:
    rows = [
        (
            *(a["provider"], a["account"], a["state"], f"{a['slotsTaken']}/{a['concurrency']}"),
            *(a["submitsPerMinute"] or "", a["readsPerMinute"] or "", a["weight"]),
            "" if a["hasKey"] else "none here",
            _why(a),
        )
        for a in items
    ]
    columns = ("provider", "account", "state", "places", "sends/min", "reads/min", "weight")
    table("", (*columns, "key", "why"), rows)


def _why(account: View) -> str:
    fault = account["pausedFor"]
    until = f" until {account['pausedUntil']}" if account["pausedUntil"] else ""
    said = [] if account["heldFor"] is None else [account["heldFor"]]
    if fault is not None:
        said.append(f"{fault['code']}: {fault['message']}{until}")
    return "; ".join(said)
