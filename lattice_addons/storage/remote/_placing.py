"""A file is there whole or not at all: put in one step, or written under another name and then moved."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import nullcontext, suppress
from typing import Any

from lattice_addons.storage._keys import temporary_name
from lattice_addons.storage._store import critical_section
from lattice_addons.storage.remote._faults import GONE, meaning
from lattice_addons.storage.remote._moves import mover
from lattice_addons.storage.remote._patience import Pulse

__all__ = ["Placing", "Put"]

Put = Callable[[str, dict[str, str], Pulse], None]  # to a path, with a mode

# What is put there is there whole or not at all; a move would be a copy.
_WHOLE = frozenset({"gs", "gcs", "abfs", "abfss", "az", "adl", "memory", "oss", "oci", "hf"})
_PLACING = "\0placing"  # no folder has such a name


class Placing:
    """Gives files their names on one file system; ``one_step`` when it refuses itself a name that is taken."""

    def __init__(self, system: Any, kind: str, url: str) -> None:  # noqa: ANN401 - fsspec has no types
        self._system = system
        self._url = url
        self.whole = kind in _WHOLE
        self._move, moves_in_one_step = mover(system, kind)
        self._creates = self.whole and kind != "memory" and _takes_mode(system)
        # In this process's memory nobody else can be, and its threads wait for each other.
        self.one_step = self._creates or kind == "memory" if self.whole else moves_in_one_step
        self._made: set[str] = set()

    def forget_folders(self) -> None:
        """Take no folder for made any more."""
        self._made.clear()

    def place(self, path: str, put: Put, pulse: Pulse, *, over: bool) -> None:
        """Store what ``put`` puts, as this file system does it; ``FileExistsError`` or its like when it is there."""
        (self._whole_at_once if self.whole else self._moved)(path, put, pulse, over=over)

    def _whole_at_once(self, path: str, put: Put, pulse: Pulse, *, over: bool) -> None:
        if over or self._creates:
            put(path, {} if over else {"mode": "create"}, pulse)
            return
        with critical_section(self._url, _PLACING):
            self._refuse_there(path)
            put(path, {}, pulse)

    def _moved(self, path: str, put: Put, pulse: Pulse, *, over: bool) -> None:
        if not over:
            self._refuse_there(path)  # a look is cheaper than bytes that are sent for nothing
        folder = path.rpartition("/")[0]
        try:
            self._into(folder, path, put, pulse, over=over)
        except Exception as error:
            if meaning(error) != GONE or folder not in self._made:
                raise
            self._made.discard(folder)  # pruned meanwhile, by us or by another
            self._into(folder, path, put, pulse, over=over)

    def _into(self, folder: str, path: str, put: Put, pulse: Pulse, *, over: bool) -> None:
        if folder and folder not in self._made:
            self._system.makedirs(folder, exist_ok=True)
            self._made.add(folder)
        temporary = f"{folder}/{temporary_name()}"
        try:
            put(temporary, {}, pulse)
            with nullcontext() if over else critical_section(self._url, _PLACING):
                if not (over or self.one_step):
                    self._refuse_there(path)
                self._move(temporary, path, over)
        except BaseException:
            with suppress(Exception):  # it is swept away later
                self._system.rm_file(temporary)
            raise

    def _refuse_there(self, path: str) -> None:
        try:
            self._system.info(path)  # and not exists(), which takes an error for "no"
        except Exception as error:
            if meaning(error) == GONE:
                return
            raise
        raise FileExistsError(path)


def _takes_mode(system: Any) -> bool:  # noqa: ANN401 - fsspec has no types
    """Tell whether a file system's own ways to store take ``mode="create"``."""
    calls = (getattr(system, "_pipe_file", system.pipe_file), getattr(system, "_put_file", system.put_file))
    return all("mode" in inspect.signature(call).parameters for call in calls)
