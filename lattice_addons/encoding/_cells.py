"""A class from a notebook's cell is the one that its cell has made in this process, where it was run here, too."""

from __future__ import annotations

import sys
from typing import Any

from lattice_addons._typed import is_session
from lattice_addons.encoding._references import found_by_name

__all__ = ["of_cells"]

# What cloudpickle calls to make a class that it stored by value, and to fill it.
_CLOUDPICKLE = "cloudpickle.cloudpickle"


def of_cells(module_name: str, name: str) -> Any:
    """Give what makes a stored class in a session where it may have been typed again; None for all else.

    Without it ``isinstance`` would be false for what comes back after a kernel's restart, and methods that were
    changed since would be the old ones.
    """
    return _MAKERS.get(name) if module_name == _CLOUDPICKLE and is_session() else None


def _typed_again(name: str, module_name: object) -> type | None:
    main = sys.modules.get("__main__")
    found = vars(main).get(name) if main is not None and module_name == "__main__" else None
    # One that is found by its name was imported, or is of a file that is run, and stored as that name.
    if isinstance(found, type) and found.__module__ == "__main__" and found.__qualname__ == name:
        return None if found_by_name(found) else found
    return None


def _make_class(*told: Any) -> Any:
    from cloudpickle import cloudpickle

    _, name, _, options, *_ = told
    found = _typed_again(name, options.get("__module__"))
    # Not by its truth, of which its metaclass decides.
    return cloudpickle._make_skeleton_class(*told) if found is None else found  # noqa: SLF001 - as it is stored


def _make_enum(*told: Any) -> Any:
    from cloudpickle import cloudpickle

    _, _, qualname, _, module, *_ = told
    found = _typed_again(qualname, module)
    return cloudpickle._make_skeleton_enum(*told) if found is None else found  # noqa: SLF001 - as above


def _fill_class(made: Any, state: Any) -> Any:
    from cloudpickle import cloudpickle

    if made is _typed_again(made.__name__, made.__module__):
        return made
    return cloudpickle._class_setstate(made, state)  # noqa: SLF001 - as above


_MAKERS = {
    "_make_skeleton_class": _make_class,
    "_make_skeleton_enum": _make_enum,
    "_class_setstate": _fill_class,
}
