"""The examples run here, on the `callboard_schemas` that a consumer installs: the built wheel."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import deliveries
from tests.support.consumer import ROOT, Environment, build_wheel, make_environment

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
def example(_importable: None, monkeypatch: pytest.MonkeyPatch) -> Iterator["Load"]:
    """Give a function that loads an example's file, with its variables set."""
    monkeypatch.setenv("CALLBOARD_WEBHOOK_SECRETS", deliveries.SECRET)
    yield Load()


class Load:
    """Loads an example's file as a module of its own."""

    def __call__(self, path: str) -> ModuleType:
        name = "example_" + path.replace("/", "_").removesuffix(".py")
        spec = importlib.util.spec_from_file_location(name, EXAMPLES / path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module
