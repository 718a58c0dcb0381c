"""A class or function that its module still holds under its name is stored as that name."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from types import ModuleType

MAINS = frozenset({"__main__", "__mp_main__"})


def _file_of(main: ModuleType | None) -> str:
    return getattr(main, "__file__", None) or "<typed>"


# Read while the program runs: Python takes the name away when its file has ended, before the save at exit.
_files = {name: _file_of(sys.modules[name]) for name in MAINS & sys.modules.keys()}


def found_by_name(thing: Any) -> bool:
    """Tell whether a restarted program will find this very class or function under its name.

    Names in ``__main__`` count where the program is a file that runs again: then ``isinstance``, ``is`` of an
    Enum member and ``==`` of dataclasses hold after the restart. What was typed in (at the prompt, in IPython,
    with ``-c``, on standard input) will not be there again.
    """
    name = getattr(thing, "__qualname__", None)
    module_name = getattr(thing, "__module__", None)
    if not isinstance(name, str):
        return False
    if not isinstance(module_name, str):
        import pickle

        module_name = pickle.whichmodule(thing, name)  # type: ignore[attr-defined]
    module = sys.modules.get(module_name)
    if module is None or (module_name in MAINS and not _runs_again(module)):
        return False
    found: Any = module
    try:
        for part in name.split("."):
            found = getattr(found, part)
    except Exception:  # noqa: BLE001  a module's own __getattr__ may raise anything; then nothing is found there
        return False
    return found is thing


def _runs_again(main: ModuleType) -> bool:
    """Tell whether a main program is a file, and not "<stdin>" nor the prompt, itself a program in 3.13.0."""
    file = _file_of(main)
    if file == "<typed>":
        file = _files.get(main.__name__, file)
    return not file.startswith("<") and os.path.basename(os.path.dirname(file)) != "_pyrepl"
