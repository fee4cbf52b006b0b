"""The distribution `callboard-schemas`, built and installed the way a consumer has it."""

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution, requires
from pathlib import Path

ROOT = Path(__file__).parents[2]
SECONDS = 120


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with nothing in it but what was asked for."""

    python: Path
    site: Path

    def run(self, *arguments: str, expect: int = 0, **variables: str) -> str:
        """Run its Python from its own folder, with no other variables; gives all that was printed."""
        done = subprocess.run(
            [self.python, "-W", "error", *arguments],
            cwd=self.site.anchor,
            env=variables,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert done.returncode == expect, done.stdout + done.stderr
        return done.stdout + done.stderr


def build_wheel(folder: Path, source: Path = ROOT / "schemas") -> Path:
    """Build with the backend that is installed here: no network."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=SECONDS,
    )
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_environment(
    home: Path, wheel: Path, *also: str, with_dependencies: bool = True
) -> Environment:
    """Install a wheel: unpacked, which is all that installing a pure one is.

    What it says that it depends on, and distributions that are named (`also`), are linked from the
    environment of the tests, and nothing else.
    """
    venv.create(home, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    made = Environment(home / "bin" / "python", home / "lib" / version / "site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(made.site)
        metadata = next(n for n in archive.namelist() if n.endswith("/METADATA"))
        needed = re.findall(r"^Requires-Dist: (.+)$", archive.read(metadata).decode(), re.MULTILINE)
    if with_dependencies:
        for name in _closure([*needed, *also]):
            _link(name, made.site)
    return made


def _closure(requirements: list[str]) -> set[str]:
    """Name all distributions that these need; extras aside, and what only other platforms need."""
    found: set[str] = set()
    left = list(requirements)
    while left:
        requirement = left.pop()
        name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()
        if "extra ==" not in requirement and name not in found:
            with suppress(PackageNotFoundError):
                left += requires(name) or []
                found.add(name)
    return found


def _link(name: str, site: Path) -> None:
    here = Path(sysconfig.get_path("purelib"))
    for top in {file.parts[0] for file in distribution(name).files or ()}:
        if top not in {"..", "__pycache__"} and not (site / top).exists():
            (site / top).symlink_to(here / top)
