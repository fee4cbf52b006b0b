"""`callboard-schemas` in a stranger's environment: what is in it, what it needs, what it does there."""

import json
import os
import subprocess
import sys
import sysconfig
import time
import venv
import zipfile
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import schemas
from schemas import export
from schemas.events.data import EVENTS
from service.core.signing import sign_v1
from tests.support.consumer import ROOT, SECONDS, Environment, make_environment
from tests.support.deliveries import RAW_SECRET, SECRET
from tests.support.from_schema import example_of

EXPORTED = {name: json.loads(text) for name, text in export.render().items()}
VERIFY = """
import json, sys
from pathlib import Path
from callboard_schemas.receive import receive
from callboard_schemas.verify import VerificationError
given = json.loads(Path(sys.argv[1]).read_text())
for one in given:
    try:
        print([e["type"] for e in receive(one["headers"], one["body"].encode(), sys.argv[2])])
    except VerificationError as error:
        print(error.reason)
"""
PARSE = """
import json, sys
from pathlib import Path
from callboard_schemas.parse import parse_event
given = json.loads(Path(sys.argv[1]).read_text())
for one in given:
    event = parse_event(one["headers"], one["body"].encode(), sys.argv[2])
    print(event.type, type(event).__name__)
"""
IMPORT_ALL = """
import importlib, importlib.util, pkgutil
import callboard_schemas
names = [m.name for m in pkgutil.walk_packages(callboard_schemas.__path__, "callboard_schemas.")]
for name in names:
    importlib.import_module(name)
assert not [n for n in ("service", "schemas") if importlib.util.find_spec(n)]
print(len(names), callboard_schemas.__version__)
"""


def delivery(body: dict[str, Any], age_s: int = 0) -> dict[str, Any]:
    """Sign an event in structured format the way it is sent."""
    text, sent_at = json.dumps(body), int(time.time()) - age_s
    headers = {
        "Content-Type": "application/cloudevents+json",
        "Webhook-Id": body["id"],
        "Webhook-Timestamp": str(sent_at),
        "Webhook-Signature": sign_v1([RAW_SECRET], body["id"], sent_at, text.encode()),
    }
    return {"headers": headers, "body": text}


def event_of(name: str) -> dict[str, Any]:
    """Make an event of a type from its exported JSON Schema, so every field is in it."""
    event: dict[str, Any] = example_of(EXPORTED[f"event.{name}.schema.json"])
    return event | {"id": str(uuid4()), "sequence": "0000000001", "source": "https://cb.example"}


def given(folder: Path, deliveries: list[dict[str, Any]]) -> str:
    path = folder / "deliveries.json"
    path.write_text(json.dumps(deliveries))
    return str(path)


def test_the_wheel_holds_one_package_its_schemas_and_its_license(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        text = archive.read("callboard_schemas/json/event.video.completed.schema.json").decode()
    info = f"callboard_schemas-{schemas.__version__}.dist-info"
    assert {name.partition("/")[0] for name in names} == {"callboard_schemas", info}
    assert f"{info}/licenses/LICENSE" in names
    assert "callboard_schemas/py.typed" in names
    packed = {n.rpartition("/")[2] for n in names if n.endswith(".schema.json")}
    assert packed == EXPORTED.keys()
    assert json.loads(text) == EXPORTED["event.video.completed.schema.json"]
    assert not [n for n in names if "upstream/" in n or "export" in n or n.endswith(".toml")]


def test_every_module_imports_where_nothing_of_ours_is(consumer: Environment) -> None:
    count, version = consumer.run("-c", IMPORT_ALL).split()
    assert int(count) > 10
    assert version == schemas.__version__


def test_an_event_of_every_type_is_verified_and_typed(
    consumer: Environment, tmp_path: Path
) -> None:
    deliveries = [delivery(event_of(name)) for name in EVENTS]
    said = consumer.run("-c", PARSE, given(tmp_path, deliveries), SECRET).splitlines()
    assert said == [f"{name} {model.__name__}" for name, model in EVENTS.items()]


def test_verifying_and_reading_need_nothing_but_the_standard_library(
    wheel: Path, tmp_path: Path
) -> None:
    bare = make_environment(tmp_path / "venv", wheel, with_dependencies=False)
    assert "No module named 'pydantic'" in bare.run("-c", "import pydantic", expect=1)
    good, late = delivery(event_of("task.completed")), delivery(event_of("task.failed"), 301)
    said = bare.run("-c", VERIFY, given(tmp_path, [good, late]), SECRET).splitlines()
    assert said == ["['task.completed']", "too_old"]


@pytest.mark.slow
def test_pip_installs_it_from_its_folder(tmp_path: Path) -> None:
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    # The backend is the one that is installed here: there may be no network.
    backend = {**os.environ, "PYTHONPATH": sysconfig.get_path("purelib")}
    quiet = ("-q", "--disable-pip-version-check", "--no-index", "--no-deps")
    subprocess.run(
        [python, "-m", "pip", "install", *quiet, "--no-build-isolation", ROOT / "schemas"],
        env=backend,
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    line = "import callboard_schemas.verify as v; print(v.verify.__module__)"
    done = subprocess.run(
        [python, "-c", line], cwd="/", check=True, capture_output=True, text=True, timeout=SECONDS
    )
    assert done.stdout.strip() == "callboard_schemas.verify"


CONSUMER = '''
from callboard_schemas.events.data import TaskFailed, VideoCompleted
from callboard_schemas.parse import parse_event

def title(headers: dict[str, str], body: bytes, secret: str) -> str:
    """Everything that is read here has a type."""
    event = parse_event(headers, body, secret)
    match event:
        case VideoCompleted():
            reveal_type(event.data.result.videoURL)
            return f"{event.data.task.taskUUID} {event.time.isoformat()}"
        case TaskFailed():
            return event.data.error.message if event.data.error else ""
        case _:
            return event.type

def misspelled(event: VideoCompleted) -> None:
    print(event.data.result.videoURI)
'''


@pytest.mark.slow
def test_mypy_strict_knows_the_types_of_a_consumers_program_and_of_the_examples(
    wheel: Path, tmp_path: Path
) -> None:
    there = make_environment(tmp_path / "venv", wheel, "aiohttp", "fastapi", "httpx")
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "program.py").write_text(CONSUMER)
    examples = sorted((ROOT / "deploy" / "examples").glob("*/*.py"))
    # Each is a program of its own, and two have the same name: as scripts they are no modules.
    for example in examples:
        (programs / f"{example.parent.name}.py").write_text(example.read_text())
    options = ("--strict", "--config-file", "", "--python-executable", there.python)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, "."],
        cwd=programs,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    said, wrong, *others = done.stdout.splitlines()[:-1]
    assert 'Revealed type is "str | None"' in said
    assert '"VideoResult" has no attribute "videoURI"' in wrong
    assert not others
    assert f"(checked {len(examples) + 1} source files)" in done.stdout
