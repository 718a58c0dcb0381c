"""The Pythons that pyenv has installed are shown to tox, which finds only those on the PATH."""

from __future__ import annotations

import os
from pathlib import Path

SUPPORTED = ("3.11.", "3.10.", "3.12.", "3.13.")
versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

if "PYENV_VERSION" not in os.environ and versions.is_dir():
    installed = sorted(folder.name for folder in versions.iterdir() if folder.name.startswith(SUPPORTED))
    # The first one is plain `python`; the shims of the others answer to python3.10 and so on.
    os.environ["PYENV_VERSION"] = ":".join(installed)
