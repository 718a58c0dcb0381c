"""The pickler in Python is slow, and as deep as one likes: it goes on in a fresh thread."""

from __future__ import annotations

import pickle
import sys
from typing import TYPE_CHECKING, Any

from lattice_addons.encoding._pickler import ByReference
from lattice_addons.encoding._stack import in_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.encoding._pickler import Writable

# A __reduce__ that makes a new object each time has no end.
_DEEPEST = 100_000
# So many calls at most does one level take.
_CALLS = 8


class DeepPickler(ByReference, pickle._Pickler):  # noqa: SLF001  as in cloudpickle, dill and joblib
    """Pickles what is nested beyond the limits of the C pickler."""

    def __init__(self, payload: Writable, keep: Callable[[Any], bool], *, by_value: bool = False) -> None:
        super().__init__(payload, keep, by_value=by_value)
        self._depth = 0
        self._room = max(10, sys.getrecursionlimit() // _CALLS - 50)

        # The one call of the pickler that would take C stack, for it passes *args to a bound method; to a plain
        # function it does not.
        def save_reduce(*args: Any, **named: Any) -> None:
            _save_reduce(self, *args, **named)

        self.save_reduce = save_reduce

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:  # noqa: FBT001, FBT002  as in pickle
        """Save one object and what it holds; every so many levels in the next thread, which has its own limit."""
        self._depth += 1
        if self._depth > _DEEPEST:
            message = f"more than {_DEEPEST:,} levels"
            raise RecursionError(message)
        if self._depth % self._room:
            _save(self, obj, save_persistent_id)
        else:
            in_thread(lambda: _save(self, obj, save_persistent_id))
        self._depth -= 1


_save = pickle._Pickler.save  # type: ignore[attr-defined]  # noqa: SLF001
_save_reduce = pickle._Pickler.save_reduce  # type: ignore[attr-defined]  # noqa: SLF001
