"""Write json/*.schema.json from the models; `--check` only says what would change.

`python -m schemas.export [--check]`
"""

import argparse
import difflib
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from .api.accounts import AccountPage, AccountPause, AccountView
from .api.batches import BatchCanceled, BatchPage, BatchView
from .api.callbacks import CallbackPage, CallbackView
from .api.deliveries import (
    DeliveryDetail,
    DeliveryPage,
    SigningSecretRotate,
    SigningSecretRotated,
)
from .api.estimates import EstimateRequest, EstimateView
from .api.events import EventPage
from .api.keys import PublicKeySet
from .api.media import Link, LinkOptions
from .api.problem import Problem
from .api.replays import ReplayPage, ReplayRequest, ReplayView
from .api.subscriptions import (
    RotateOptions,
    SigningSecret,
    SubscriptionCreate,
    SubscriptionCreated,
    SubscriptionPage,
    SubscriptionPatch,
    SubscriptionTested,
    SubscriptionView,
)
from .api.tasks import RetryOptions, Submission, TaskPage, TaskView, TimelinePage
from .base import Request
from .events.data import EVENTS, Erased
from .events.envelope import ClaimCheck
from .upstream.runware import LipSyncRequest, RunwareVideoRequest
from .upstream.sync_so import KnownModelRequest, SyncGenerateRequest

FOLDER = Path(__file__).parent / "json"
MODELS: dict[str, type[BaseModel]] = {
    "api.account": AccountView,
    "api.account-page": AccountPage,
    "api.account-pause": AccountPause,
    "api.batch": BatchView,
    "api.batch-canceled": BatchCanceled,
    "api.batch-page": BatchPage,
    "api.callback": CallbackView,
    "api.callback-page": CallbackPage,
    "api.delivery": DeliveryDetail,
    "api.delivery-page": DeliveryPage,
    "api.estimate": EstimateView,
    "api.estimate-request": EstimateRequest,
    "api.event-page": EventPage,
    "api.link": Link,
    "api.link-options": LinkOptions,
    "api.problem": Problem,
    "api.replay": ReplayView,
    "api.replay-page": ReplayPage,
    "api.replay-request": ReplayRequest,
    "api.public-keys": PublicKeySet,
    "api.retry-options": RetryOptions,
    "api.rotate-options": RotateOptions,
    "api.signing-secret": SigningSecret,
    "api.signing-secret-rotate": SigningSecretRotate,
    "api.signing-secret-rotated": SigningSecretRotated,
    "api.submission": Submission,
    "api.subscription": SubscriptionView,
    "api.subscription-create": SubscriptionCreate,
    "api.subscription-created": SubscriptionCreated,
    "api.subscription-page": SubscriptionPage,
    "api.subscription-patch": SubscriptionPatch,
    "api.subscription-tested": SubscriptionTested,
    "api.task": TaskView,
    "api.task-page": TaskPage,
    "api.timeline-page": TimelinePage,
    "upstream.runware.lip-sync-request": LipSyncRequest,
    "upstream.runware.video-request": RunwareVideoRequest,
    "upstream.sync.any-model-request": SyncGenerateRequest,
    "upstream.sync.known-model-request": KnownModelRequest,
    **{f"event.{name}": model for name, model in EVENTS.items()},
    "event.erased": Erased,
    "event.claim-check": ClaimCheck,
}
"""What is exported, by the first part of its file's name."""
DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _Plain(GenerateJsonSchema):
    """Leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - no field has one
        """Give no field a title."""
        return False


def schema_of(model: type[BaseModel], ref_template: str = "#/$defs/{model}") -> dict[str, Any]:
    """Make the JSON Schema of a model; that of a `Request` says that null is refused."""
    schema = model.model_json_schema(ref_template=ref_template, schema_generator=_Plain)
    if issubclass(model, Request):
        for part in (schema, *schema.get("$defs", {}).values()):
            _refuse_null(part)
    return schema


def _refuse_null(part: dict[str, Any]) -> None:
    for name, field in part.get("properties", {}).items():
        part["properties"][name] = changed = _without_null(field)
        for branch in changed.get("anyOf", ()):
            _refuse_null(branch)


def _without_null(field: dict[str, Any]) -> dict[str, Any]:
    """Take the branch and the default away that stand for "not given" in a model."""
    kept = {k: v for k, v in field.items() if k != "anyOf" and (k, v) != ("default", None)}
    branches = [branch for branch in field.get("anyOf", ()) if branch != {"type": "null"}]
    if len(branches) == 1:
        return {**branches[0], **kept}
    return {**kept, "anyOf": branches} if branches else kept


def render() -> dict[str, str]:
    """Make the text of every file by its name, the same each time."""
    return {
        f"{name}.schema.json": json.dumps(
            {"$schema": DIALECT, **schema_of(model)}, indent=2, sort_keys=True
        )
        + "\n"
        for name, model in MODELS.items()
    }


def drift(folder: Path) -> list[str]:
    """Say in lines how the files differ from the models; no line when they do not."""
    wanted = render()
    present = {path.name: path.read_text("utf-8") for path in folder.glob("*.schema.json")}
    lines: list[str] = []
    for name in sorted(wanted.keys() | present.keys()):
        old, new = present.get(name, ""), wanted.get(name, "")
        lines += difflib.unified_diff(
            old.splitlines(), new.splitlines(), f"{name} (file)", f"{name} (models)", "", "", 1, ""
        )
    return lines


def write(folder: Path) -> None:
    """Make the files what the models say, and remove those that no model has."""
    wanted = render()
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*.schema.json"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text, "utf-8")


def main(arguments: list[str] | None = None) -> int:
    """Write or check the files; the exit code is 1 when `--check` finds a difference."""
    parser = argparse.ArgumentParser(prog="python -m schemas.export", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    if not parser.parse_args(arguments).check:
        write(FOLDER)
        return 0
    lines = drift(FOLDER)
    if lines:
        shown = "\n".join(lines[:60])
        sys.stdout.write(f"{shown}\nschemas/json is out of date: run python -m schemas.export\n")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
