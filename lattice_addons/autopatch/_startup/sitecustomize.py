"""Started with every Python of the job: puts the patches on, then runs the machine's own ``sitecustomize``."""  # noqa: INP001

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder
from importlib.util import module_from_spec

_HERE = os.path.dirname(os.path.abspath(__file__))


def _run_the_machines_own() -> None:
    """Run the module that would have been found here without us, under its own name."""
    paths = [path for path in sys.path if os.path.abspath(path or ".") != _HERE]
    spec = PathFinder.find_spec("sitecustomize", paths)
    if spec is not None and spec.loader is not None:
        module = sys.modules["sitecustomize"] = module_from_spec(spec)
        spec.loader.exec_module(module)


def _put_patches_on() -> None:
    """Put the patches on, if this Python has Lattice (a job may start others) and knows those that are meant."""
    try:
        import lattice_addons.autopatch  # noqa: F401 - importing it is what puts them on
    except Exception as error:  # noqa: BLE001 - whatever it is, the program starts as it would without us
        sys.stderr.write(f"lattice: LATTICE_AUTOPATCH has no effect in {sys.executable}: {error}\n")


if os.environ.get("LATTICE_AUTOPATCH"):
    _put_patches_on()
_run_the_machines_own()
