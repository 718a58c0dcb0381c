"""What a run needs of the worker that it is given to: GPUs, memory, whatever a cluster counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lattice_addons._amounts import bytes_in
from lattice_addons.errors import SettingError

from ._fields import fields_of

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAME", "offered", "resources_of"]

#: The class attribute that says it; a field of that name is a field.
NAME = "resources"
_MEMORY = "memory"


def resources_of(cls: type) -> dict[str, float]:
    """Give what each run of an experiment needs, by name: ``resources = {"GPU": 1, "memory": "4GB"}`` in its class.

    Raises:
        SettingError: something is no amount.
    """
    told = getattr(cls, NAME, None)
    if NAME in fields_of(cls) or not isinstance(told, dict):
        return {}
    return {str(name): _amount(cls, name, each) for name, each in told.items()}


def _amount(cls: type, name: object, told: object) -> float:
    amount = bytes_in(told.replace(" ", "")) if isinstance(told, str) else told
    if isinstance(amount, bool) or not isinstance(amount, (int, float)) or not amount > 0:
        message = (
            f"{cls.__qualname__}.resources[{name!r}] is {told!r}, and should be a number, or bytes as '4GB'"
        )
        raise SettingError(message, experiment=cls.__qualname__, field=NAME)
    return float(amount)


def offered(worker: Mapping[str, Any], needs: Mapping[str, float]) -> bool:
    """Say whether a worker has what a run needs; memory that it does not count as a resource, by its limit."""
    has = worker.get("resources") or {}
    for name, amount in needs.items():
        limit = (
            worker.get("memory_limit") if name.lower() == _MEMORY and name not in has else has.get(name, 0)
        )
        if limit is not None and limit < amount:
            return False
    return True
