"""A program is started with the patches by a folder on ``PYTHONPATH`` whose ``sitecustomize`` puts them on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["VARIABLE", "autopatch_environment"]

#: The environment variable that names the frameworks to be patched, separated by commas; ``all`` for all of them.
VARIABLE = "LATTICE_AUTOPATCH"
_STARTUP = str(Path(__file__).parent / "_startup")


def autopatch_environment(environ: Mapping[str, str]) -> dict[str, str]:
    """Give the environment in which a program starts with the patches that ``LATTICE_AUTOPATCH`` asks for."""
    given = dict(environ)
    if given.get(VARIABLE):
        paths = [path for path in given.get("PYTHONPATH", "").split(os.pathsep) if path and path != _STARTUP]
        given["PYTHONPATH"] = os.pathsep.join((_STARTUP, *paths))
    return given
