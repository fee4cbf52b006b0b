"""An environment of its own for each official SDK: two of them cannot live in one.

Made on first use next to our own environment, reused as long as it holds the wanted version.
"""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from shutil import which

import pytest

ROOT = Path(__file__).parents[2]
INSTALL_SECONDS = 180
LOOPBACK = "127.0.0.1,localhost"


def interpreter(folder: str, package: str, version: str) -> Path:
    """Return the interpreter of an SDK's environment; skips where the SDK cannot be had."""
    python = _found_or_made(ROOT / folder, package, version)
    if python is None:
        pytest.skip(f"no package registry gives {package} {version}")
    return python


def settings(**more: str) -> dict[str, str]:
    """Return what an SDK's process gets: all of ours but a key, and no proxy on the way to loopback."""
    ours = {name: value for name, value in os.environ.items() if name != "RUNWARE_API_KEY"}
    return ours | {"NO_PROXY": LOOPBACK, "no_proxy": LOOPBACK} | more


@cache
def _found_or_made(home: Path, package: str, version: str) -> Path | None:
    python = home / "bin" / "python"
    if not _holds(python, package, version):
        try:
            _make(home, python, f"{package}=={version}")
        except (subprocess.SubprocessError, OSError):
            return None
    return python


def _holds(python: Path, package: str, version: str) -> bool:
    ask = f"import importlib.metadata as m; print(m.version({package!r}))"
    if not python.exists():
        return False
    said = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return said.stdout.strip() == version


def _make(home: Path, python: Path, requirement: str) -> None:
    near = ROOT / ".venv-uv" / "bin" / "uv"
    uv = which("uv") or (str(near) if near.exists() else None)
    if uv is None:
        _run(sys.executable, "-m", "venv", "--clear", home)
        _run(python, "-m", "pip", "install", "--quiet", requirement)
    else:
        _run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, home)
        _run(uv, "pip", "install", "--quiet", "--python", python, requirement)


def _run(*command: str | Path) -> None:
    # uv's own list of certificates knows no company's proxy.
    env = os.environ | {"UV_SYSTEM_CERTS": "1"}
    subprocess.run(command, check=True, capture_output=True, timeout=INSTALL_SECONDS, env=env)
