"""The config of a run: the texts of its schedules, and the object whose numbers follow them."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from lattice_addons.errors import OverrideError

from ._differences import Difference, differences
from ._load import typed
from ._path import dotted
from ._plain import plain
from ._scheduled import keep, restore, schedules_of, update
from ._state_text import as_json
from ._versioned import stamp, upgrade
from ._write import key_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ._path import Place

__all__ = ["HeldConfig", "fixed"]

C = TypeVar("C")
FIXED = "fixed"


def fixed(default: Any = dataclasses.MISSING, *, default_factory: Any = dataclasses.MISSING) -> Any:
    """Declare a field of a config that a running program does not let anybody change."""
    return dataclasses.field(default=default, default_factory=default_factory, metadata={FIXED: True})


class HeldConfig(Generic[C]):
    """A config as it stands: ``value`` is the object, the same one for as long as the program runs."""

    def __init__(  # noqa: PLR0913 - most by name
        self,
        kind: type[C],
        data: object,
        *,
        key: str | None,
        overrides: Sequence[str] = (),
        lines: Mapping[Place, int | str] | None = None,
        where: str = "",
    ) -> None:
        self._kind, self._key = kind, key
        self.value: C = typed(
            kind, data, overrides, dict(lines or {}), where, missing_is_null=where.lower().endswith(".toml")
        )
        self.schedules = schedules_of(self.value)

    def current(self, data: object) -> Any:
        """Give data of a file as the class of today has it."""
        return upgrade(self._kind, data)

    def plain(self) -> Any:
        """Give the config as plain data, schedules as they were written."""
        return as_json(stamp(self._kind, restore(plain(self.value), self.value, self.schedules)))

    def follow(self, state: object) -> None:
        """Let each number that has a schedule be what that says now."""
        update(self.value, self.schedules, state, self._key)

    def change(self, data: object, overrides: Sequence[str] = ()) -> list[Difference]:
        """Take over other values, all of them or none, and say which were changed.

        Raises:
            HyperStateError: they do not fit, or change a field that is fixed.
        """
        before = self.plain()
        new = HeldConfig(self._kind, data, key=self._key, overrides=overrides)
        found = list(differences(before, new.plain()))
        unchanging = set(_fixed(self.value))
        for each in found:
            held = next(
                (each.place[:n] for n in range(1, len(each.place) + 1) if each.place[:n] in unchanging), None
            )
            if held is not None:
                message = f"{dotted(held)} is fixed: it stays as it is while the program runs ({each})"
                raise OverrideError(message, override=str(each), path=dotted(held))
        take_over(self.value, new.value)
        self.schedules = new.schedules
        keep(self.value, self.schedules)
        return found


def take_over(old: Any, new: Any) -> None:
    """Let an object have the fields of another; those that are dataclasses stay the objects that they are."""
    for field in dataclasses.fields(old):
        here, there = getattr(old, field.name), getattr(new, field.name)
        if dataclasses.is_dataclass(here) and type(here) is type(there):
            take_over(here, there)
        else:
            # Also into a frozen one: the program has said that it may be changed by calling step().
            object.__setattr__(old, field.name, there)


def _fixed(value: Any, place: Place = ()) -> Iterator[Place]:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            here = (*place, field.name)
            if field.metadata.get(FIXED):
                yield here
            else:
                yield from _fixed(getattr(value, field.name), here)
    elif isinstance(value, (list, tuple)):
        for index, each in enumerate(value):
            yield from _fixed(each, (*place, index))
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _fixed(each, (*place, key_text(plain(key, Any))))
