"""Files that are not there for a moment, while others get their names: where a file system deletes first."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, TypeVar

from lattice_addons.storage._keys import is_temporary
from lattice_addons.storage.remote._faults import GONE, meaning

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["over_gaps"]

Result = TypeVar("Result")
_PAUSES = (0.02, 0.04, 0.08, 0.16, *[0.32] * 8)  # seconds after which what is on its way is looked for again


def over_gaps(
    system: Any,  # noqa: ANN401 - fsspec has no types
    path: str,
    look: Callable[[], Result],
    heard: Callable[[], object],
) -> Result:
    """Look for a file until it is there, as long as another may be about to get its name.

    That one has stood beside it since before the gap, under a temporary name. It may have got its name before the
    folder was listed, and have had neither while it was: a file is not there when two listings in turn know nothing
    of it. ``heard`` is called at each look: while they are answered, the system is not taken for silent.
    """
    absent = 0
    for pause in _PAUSES:
        try:
            return look()
        except Exception as error:
            if meaning(error) != GONE or absent == 2:  # noqa: PLR2004 - as said
                raise
        heard()
        if _is_on_its_way(system, path):
            absent = 0
            time.sleep(pause)
        else:
            absent += 1
    return look()


def _is_on_its_way(system: Any, path: str) -> bool:  # noqa: ANN401 - fsspec has no types
    """Tell whether a folder lists a file, or any that may be about to get its name."""
    folder, _, name = path.rpartition("/")
    system.invalidate_cache()
    try:
        found = system.ls(folder, detail=False)
    except Exception as error:
        if meaning(error) != GONE:
            raise
        return False
    names = {each.rstrip("/").rpartition("/")[2] for each in found}
    return name in names or any(map(is_temporary, names))
