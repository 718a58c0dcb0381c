"""Notebooks: ``%load_ext lattice_addons``, and ``%lattice`` saves, gives back and shows what they keep.

::

    %load_ext lattice_addons
    %lattice                      what this notebook keeps, and how it is stored
    %lattice save [NAME …]        keep these variables from now on, and save all there is
    %lattice restore [NAME …]     go back to the newest checkpoint; the variables are there again
    %lattice stats                what saves took, and what would be lost if the kernel died now
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lattice_addons._amounts import size
from lattice_addons.errors import LatticeError, NotSavedError
from lattice_addons.state import NoValue, StateManager, StateManagerGroup

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from lattice_addons.checkpoint import Checkpoint

__all__ = ["VariableManager", "load_ipython_extension", "unload_ipython_extension"]

_NAME = "lattice"


@dataclass(frozen=True)
class _Variable:
    """A variable of a notebook, by its name."""

    names: MutableMapping[str, Any]
    name: str


class VariableManager(StateManager):
    """Keep a variable of the notebook: its value is the one that it has at every save.

    One that was deleted keeps the value that was saved last.
    """

    _variable: _Variable | None = None

    def hold(self, value: object) -> None:
        """Take hold of a variable, as ``%lattice save`` names it, or else of a value."""
        self._variable = value if isinstance(value, _Variable) else None
        super().hold(value)

    def capture(self) -> object:
        """Give the value that the variable has now, or what was restored, or raise `NoValue`."""
        if self._variable is None:
            return super().capture()
        try:
            return self._variable.names[self._variable.name]
        except KeyError:
            raise NoValue from None

    def restore(self, stored: object) -> None:
        """Take back a value; it is the value until the next variable is held."""
        self._variable = None
        super().restore(stored)


def load_ipython_extension(shell: Any) -> None:
    """Let a notebook, or a terminal of IPython, have ``%lattice``; ``%load_ext lattice_addons`` calls this."""
    magic = _Magic(shell.user_ns)

    def lattice(line: str) -> object:
        """Save, restore and show what this notebook keeps: %lattice [status|save|restore|stats] [NAME …]."""
        return magic.run(line)

    shell.register_magic_function(lattice, "line", _NAME)


def unload_ipython_extension(shell: Any) -> None:
    """Take ``%lattice`` away again; what is kept stays kept."""
    shell.magics_manager.magics["line"].pop(_NAME, None)


class _Magic:
    """What ``%lattice`` does in one notebook."""

    def __init__(self, names: MutableMapping[str, Any]) -> None:
        self._names = names
        self._kept: set[str] = set()

    def run(self, line: str) -> object:
        """Do what a line says; what is wrong is told in a line, too, and not with a traceback."""
        from IPython.core.error import UsageError

        word, *names = [word for word in re.split(r"[\s,]+", line) if word] or ["status"]
        actions = {"status": self._status, "save": self._save, "restore": self._restore, "stats": self._stats}
        if word not in actions:
            raise UsageError(f"%lattice {word}: there are {', '.join(actions)}")
        try:
            return actions[word](names)
        except (LatticeError, _TypedError) as error:
            raise UsageError(f"%lattice {word}: {error}") from error

    def _group(self) -> StateManagerGroup:
        """Give the group that the notebook has in a variable; without one, or with several, the process's."""
        groups = {id(each): each for each in self._names.values() if isinstance(each, StateManagerGroup)}
        return next(iter(groups.values())) if len(groups) == 1 else StateManagerGroup()

    def _status(self, names: Sequence[str]) -> object:
        _none(names)
        return self._group().status()

    def _stats(self, names: Sequence[str]) -> object:
        _none(names)
        return self._group().stats()

    def _save(self, names: Sequence[str]) -> None:
        group = self._group()
        for name in names:
            if name not in self._names:
                raise _TypedError(f"there is no variable {name!r}")
        # A slot that the program has made itself is saved in its own way.
        kept = [name for name in names if name in self._kept or name not in group]
        for name in kept:
            self._keep(group, name)
        try:
            checkpoint = group.save()
        except NotSavedError as error:
            # The next save need not fail for a variable that can never be stored.
            for name in error.failures.keys() & set(kept):
                group.delete(name)
            raise
        if checkpoint is None:
            problems = group.status().problems
            raise _TypedError(
                problems[0] if problems else "nothing is kept yet; name variables: %lattice save NAME …"
            )
        _say(f"saved {_told(checkpoint)}")

    def _restore(self, names: Sequence[str]) -> None:
        group = self._group()
        group.load()
        status = group.status()
        if status.newest is None:
            raise _TypedError(f"job {status.job!r} has no checkpoint in {status.store} yet")
        stored = {slot.name: slot for slot in status.slots if slot.value in ("stored", "unclaimed")}
        for name in names:
            if name not in stored:
                known = ", ".join(stored) or "nothing"
                raise _TypedError(f"checkpoint {status.newest} has no {name!r}; it has {known}")
        kept = [name for name, slot in stored.items() if slot.manager == VariableManager.__name__]
        for name in names or kept:
            self._give_back(group, name, again=name in kept)
        given = ", ".join(names or kept)
        _say(f"back at checkpoint {status.newest} ({status.reason}){given and ': ' + given}")

    def _give_back(self, group: StateManagerGroup, name: str, *, again: bool) -> None:
        if name not in group:
            group.register(name, VariableManager if again else StateManager)
        self._names[name] = group.get(name)
        if again:
            self._keep(group, name)

    def _keep(self, group: StateManagerGroup, name: str) -> None:
        if name not in group:
            group.register(name, VariableManager)
        group.update(name, _Variable(self._names, name))
        self._kept.add(name)


class _TypedError(Exception):
    """What a person typed cannot be done; the text says why."""


def _say(text: str) -> None:
    print(text)  # noqa: T201 - a person has typed the command


def _none(names: Sequence[str]) -> None:
    if names:
        raise _TypedError(f"it takes no names, and was given {' '.join(names)}")


def _told(checkpoint: Checkpoint) -> str:
    count, total = len(checkpoint.slots), checkpoint.metrics.get("bytes_total")
    amount = f", {size(total)}" if isinstance(total, int) else ""
    return f"checkpoint {checkpoint.number}: {count} value{'s' if count != 1 else ''}{amount}"
