"""What stands for a dataclass in a file: a mapping, or a struct with its name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._hints import class_of, told
from ._path import nearest, shown
from ._ron_data import Tagged
from ._scalars import Misfit
from ._unions import TAGS

if TYPE_CHECKING:
    from ._hints import Member

__all__ = ["fields_in"]


def fields_in(tp: Any, fields: dict[str, Member], data: Any) -> dict[str, Any]:
    """Give the fields that data has for this class, by name."""
    cls = class_of(tp)
    name = getattr(cls, "__name__", "")
    if isinstance(data, Tagged):
        if data.name not in ("", name):
            raise Misfit(told(tp), f"{data.name}(…)", nearest(data.name, [name]))
        data = data.fields
        if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and len(fields) != 1:
            (data,) = data
    if isinstance(data, dict):
        # Where a field of this type is one of several the name of the class may stand with the fields.
        return {key: each for key, each in data.items() if key not in TAGS or key in fields or each != name}
    if isinstance(data, (list, tuple)) and (isinstance(data, tuple) or not data):
        if len(data) > len(fields):
            raise Misfit(told(tp), f"{len(data)} values")
        return dict(zip(fields, data, strict=False))
    raise Misfit(told(tp), shown(data))
