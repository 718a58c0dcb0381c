"""The managers of this process, by name, and what a checkpoint says that their values were."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from ._manager import HyperParameters

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["carry", "declared_at", "in_force", "manager"]

_managers: dict[str, HyperParameters] = {}
_making = threading.Lock()
_carried: dict[str, Mapping[str, object]] = {}
_where = ""


def manager(name: str) -> HyperParameters:
    """Give the manager whose placeholder has this name: the same one everywhere in the process.

    Raises:
        HyperParameterError: the name is no identifier.
    """
    found = _managers.get(name)
    if found is None:
        with _making:
            found = _managers.get(name)
            if found is None:
                found = HyperParameters(name)
                found.carry(_carried.get(name, {}), _where)
                _managers[name] = found
    return found


def in_force() -> dict[str, dict[str, object]]:
    """Give the values in force of every manager that has some, as plain data."""
    found = {name: each.in_force() for name, each in sorted(_managers.items())}
    return {name: values for name, values in found.items() if values}


def declared_at() -> dict[str, dict[str, tuple[str, int, str]]]:
    """Give by manager and name the file, the line and the text with which each is declared, as far as is known."""
    found = {name: each._source.places() for name, each in sorted(_managers.items())}  # noqa: SLF001 - one package
    return {name: places for name, places in found.items() if places}


def carry(stored: Mapping[str, Mapping[str, object]], where: str) -> None:
    """Learn which values a checkpoint has, from which this process carries on; ``where`` names it for people.

    They take no effect by themselves: see `HyperParameters.carry_on`.
    """
    global _carried, _where
    _carried, _where = dict(stored), where
    for name, each in list(_managers.items()):
        each.carry(_carried.get(name, {}), where)
