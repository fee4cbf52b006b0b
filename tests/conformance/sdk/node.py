"""An environment of its own for an SDK of node: made on first use, reused while its version is right."""

import json
import subprocess
from functools import cache
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[3]
INSTALL_SECONDS = 180
QUIET = ("--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error")


@cache
def node_modules(folder: str, package: str, version: str) -> Path:
    """Return a folder from which node finds the package; skips where it cannot be had."""
    if which("node") is None or which("npm") is None:
        pytest.skip(f"no node or no npm for {package}")
    home = ROOT / folder
    if _version(home, package) != version:
        home.mkdir(exist_ok=True)
        (home / "package.json").write_text('{"private":true}\n')
        install = ("npm", "install", *QUIET, "--save-exact", f"{package}@{version}")
        try:
            subprocess.run(
                install, cwd=home, check=True, capture_output=True, timeout=INSTALL_SECONDS
            )
        except (subprocess.SubprocessError, OSError):
            pytest.skip(f"no package registry gives {package} {version}")
    return home


def _version(home: Path, package: str) -> str | None:
    manifest = home / "node_modules" / package / "package.json"
    if not manifest.exists():
        return None
    version: str = json.loads(manifest.read_text())["version"]
    return version
