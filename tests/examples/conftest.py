"""The examples run here, on the `callboard_schemas` that a consumer installs: the built wheel."""

import importlib.util
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from service.store.pool import Pool
from tests.support import deliveries
from tests.support.consumer import ROOT, Environment, build_wheel, make_environment
from tests.support.house import API_KEY
from tests.support.web import Api, serving

Load = Callable[[str], ModuleType]
EXAMPLES = ROOT / "deploy" / "examples"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel once."""
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def consumer(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Install it into an environment with what it depends on, and nothing else."""
    return make_environment(tmp_path_factory.mktemp("consumer") / "venv", wheel)


@pytest.fixture(scope="session")
def _importable(wheel: Path) -> Iterator[None]:
    sys.path.append(str(wheel))
    yield
    sys.path.remove(str(wheel))


@pytest.fixture
def example(_importable: None, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Give a function that loads an example's file, with its variables set."""
    monkeypatch.setenv("CALLBOARD_WEBHOOK_SECRET", f"{deliveries.SECRET},{deliveries.SPARE_SECRET}")
    monkeypatch.setenv("CALLBOARD_API_KEY", API_KEY)
    return load


def load(path: str) -> ModuleType:
    """Load a file as a module of its own."""
    name = "example_" + path.replace("/", "_").removesuffix(".py")
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
async def api(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Serve the API on a database of its own; the examples know its address."""
    async with serving(pool) as running:
        monkeypatch.setenv("CALLBOARD_URL", running.base)
        yield running
