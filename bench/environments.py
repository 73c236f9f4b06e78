"""Every peer gets a virtual environment of its own, made on demand under ``bench-data/venvs``.

An environment carries a stamp of what was asked for (the pinned requirements, for ganger the sources as
well); it is installed again only when the stamp no longer fits.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.paths import REPOSITORY, VENVS

GANGER_ENVIRONMENT = "ganger"
STDLIB_ENVIRONMENT = "stdlib"

# The versions against which the adapters were written; raise them one at a time and run `--smoke`.
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    STDLIB_ENVIRONMENT: (),
    GANGER_ENVIRONMENT: (str(REPOSITORY),),
    "loky": ("loky==3.7.0",),
    "frisky": ("frisky==0.7.2",),
    "ray": ("ray==2.60.0",),
    "dask": ("distributed==2026.8.0",),
    "celery": ("celery[redis]==5.7.0",),
    "parsl": ("parsl==2026.10.26",),
}
SOURCE_PATTERNS = ("pyproject.toml", "README.md", "src/**/*.py")
STAMP = "bench-stamp.json"
REDIS_PACKAGE = "redis-server"


class EnvironmentFailed(Exception):
    """An environment could not be made; the message holds the installer's last lines."""


def ensure_environment(name: str) -> Path:
    """Make the environment ``name`` if it is missing or out of date.

    Args:
        name: A key of ``REQUIREMENTS``.

    Returns:
        The path of its Python interpreter.

    Raises:
        EnvironmentFailed: If the interpreter or a requirement cannot be installed.
    """
    folder = VENVS / name
    python = folder / "bin" / "python"
    stamp_path = folder / STAMP
    requirements = list(REQUIREMENTS[name])
    wanted = {"requirements": requirements, "sources": _sources_digest(name), "python": sys.version}
    if python.exists() and stamp_path.exists() and json.loads(stamp_path.read_text()) == wanted:
        return python
    if name != GANGER_ENVIRONMENT or not python.exists():
        _create(folder, with_pip=bool(requirements))
    if requirements:
        _install(python, name)
    stamp_path.write_text(json.dumps(wanted))
    return python


def ensure_redis_server() -> str:
    """Return the path of ``redis-server``, installing Debian's package if it is missing and we may.

    Raises:
        EnvironmentFailed: If it is missing and cannot be installed here.
    """
    found = shutil.which("redis-server")
    if found is not None:
        return found
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise EnvironmentFailed("redis-server is missing\nhint: install your system's Redis package")
    # RUNLEVEL=1 keeps the package from starting a service: the benchmark starts its own on a free port.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    _run(["apt-get", "update", "-qq"], quiet)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", REDIS_PACKAGE], quiet)
    found = shutil.which("redis-server")
    if found is None:
        raise EnvironmentFailed(f"the package {REDIS_PACKAGE} brought no redis-server")
    return found


def _create(folder: Path, *, with_pip: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    options = [] if with_pip else ["--without-pip"]
    _run([sys.executable, "-m", "venv", *options, str(folder)], dict(os.environ))


def _install(python: Path, name: str) -> None:
    # pip builds and installs a folder again each time, so ganger's is always that of today's sources.
    command = [str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[name]]
    _run(["nice", "-n", "10", *command], dict(os.environ))


def _run(command: list[str], environment: dict[str, str]) -> None:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
        raise EnvironmentFailed(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")


def _sources_digest(name: str) -> str:
    if name != GANGER_ENVIRONMENT:
        return ""
    digest = hashlib.sha256()
    for pattern in SOURCE_PATTERNS:
        for path in sorted(REPOSITORY.glob(pattern)):
            digest.update(str(path.relative_to(REPOSITORY)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()
