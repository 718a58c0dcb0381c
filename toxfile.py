"""The Pythons that pyenv has installed are shown to tox, which finds only those on the PATH."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

if versions.is_dir():
    installed = sorted(
        folder.name for folder in versions.iterdir() if folder.name.rpartition(".")[0] in SUPPORTED
    )
    # Started through a shim, tox is told the version that it runs on: that one stays the first.
    chosen = [name for name in os.environ.get("PYENV_VERSION", "").split(":") if name]
    os.environ["PYENV_VERSION"] = ":".join(dict.fromkeys([*chosen, *installed]))


def asked_for(version: str) -> bool:
    """Tell whether the tests are to run on a Python: on each, where nothing is chosen."""
    chosen = os.environ.get("TOXENV", "")
    for at, word in enumerate(sys.argv):
        if word.startswith("-e"):
            chosen = word.removeprefix("-e") or "".join(sys.argv[at + 1 : at + 2])
    return not chosen or f"py{version.replace('.', '')}" in chosen.split(",")


def runs(version: str) -> bool:
    """Tell whether there is such a Python: a shim of pyenv may be there without one."""
    try:
        return (
            subprocess.run([f"python{version}", "-c", ""], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


# Where several of them run, some of the tests are divided among them.
os.environ["TEST_PYTHONS"] = ",".join(
    version for version in SUPPORTED if asked_for(version) and runs(version)
)
