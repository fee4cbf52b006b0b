"""What the routes of accounts do, in the words of the OpenAPI document."""

from typing import Final, get_args

from schemas.api.accounts import AccountPage, AccountPause, AccountView
from schemas.api.tasks import ACCOUNT_NAME, Provider
from service.web import examples
from service.web.openapi import Operation, Parameter, Reply

WHICH: Final = (
    Parameter("provider", {"type": "string", "enum": list(get_args(Provider))}, "", "path"),
    Parameter(
        "account",
        {"type": "string", "pattern": ACCOUNT_NAME},
        "`default` is the one of the service's settings.",
        "path",
    ),
)

LIST_ACCOUNTS = Operation(
    "listAccounts",
    "List the accounts of providers",
    "accounts",
    {200: Reply("All of them, in one page.", [AccountPage])},
    about="They are added, changed and removed on the command line (`callboard accounts`); keys are never shown.",
    problems=[400],
)
SHOW_ACCOUNT = Operation(
    "getAccount",
    "Show an account",
    "accounts",
    {200: Reply("The account.", [AccountView])},
    parameters=WHICH,
    problems=[400, 404],
)
PAUSE_ACCOUNT = Operation(
    "pauseAccount",
    "Pause an account",
    "accounts",
    {200: Reply("It is held.", [AccountView])},
    about=(
        "Nothing new is sent by it until it is resumed; what runs upstream goes on. Its tasks wait as "
        "`account_paused`, or go by another account if they name none."
    ),
    parameters=WHICH,
    body=AccountPause,
    body_required=False,
    examples=examples.PAUSES,
    problems=[400, 404, 408, 413, 415, 422],
)
RESUME_ACCOUNT = Operation(
    "resumeAccount",
    "Let an account send again",
    "accounts",
    {200: Reply("It is active, whatever had paused it.", [AccountView])},
    about="Also ends a pause for a fault, once a key was mended or money was added. An account that was not paused stays as it is.",
    parameters=WHICH,
    problems=[400, 404],
)
