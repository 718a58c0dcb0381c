"""Two trees of plain data, compared field by field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from ._path import dotted
from ._ron_data import Tagged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._path import Place

__all__ = ["MISSING", "Difference", "differences"]

_SHOWN = 60


class _Missing:
    """The mark of what is not there."""


MISSING = _Missing()


class Difference(NamedTuple):
    """A place at which two trees differ."""

    place: Place
    old: Any
    new: Any

    def __str__(self) -> str:
        """Say it as logs do: ``optimizer.lr: 0.1 → 0.05``."""
        return f"{dotted(self.place)}: {_shown(self.old)} → {_shown(self.new)}"


def differences(old: Any, new: Any, place: Place = ()) -> Iterator[Difference]:
    """Give the innermost places where two trees differ; lists of other lengths, structs of other names, as a whole."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            yield from differences(old.get(key, MISSING), new.get(key, MISSING), (*place, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from differences(before, after, (*place, index))
    elif _same_struct(old, new):
        yield from differences(old.fields, new.fields, place)
    elif type(old) is not type(new) or repr(old) != repr(new):
        # By repr: NaN is not equal to itself, and 0.0 is to -0.0.
        yield Difference(place, old, new)


def _same_struct(old: object, new: object) -> bool:
    return (
        isinstance(old, Tagged)
        and isinstance(new, Tagged)
        and old.name == new.name
        and isinstance(old.fields, dict)
        and isinstance(new.fields, dict)
    )


def _shown(value: object) -> str:
    if value is MISSING:
        return "nothing"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
