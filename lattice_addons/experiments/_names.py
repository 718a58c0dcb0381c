"""A setting is read by its searched fields, and filed under a name that any file system takes."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from ._fields import fields_of, is_experiment
from ._identity import identity_of
from ._inside import Inside, expected
from ._search import Search, alone
from ._templates import is_template

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator

    from ._experiment import Experiment

__all__ = ["file_name", "name_of", "readable"]

_LONGEST_VALUE = 40
_LONGEST_NAME = 160
_LONGEST_FILE = 80


def name_of(setting: Experiment) -> str:
    """Give the name of a setting: the fields that are searched, and those that are not at their default."""
    pairs = list(_pairs(setting, "", frozenset(setting.searched)))
    return (
        readable(pairs, lambda: setting.identity) if pairs else type(setting).__qualname__.rpartition(".")[2]
    )


def _pairs(setting: Experiment, prefix: str, searched: Collection[str]) -> Iterator[tuple[str, Any]]:
    fields = fields_of(type(setting))
    for name, value in Inside.of(setting).fixed_values(setting).items():
        path, default = f"{prefix}{name}", alone(fields[name].default)
        if is_experiment(value):
            if path in searched or type(value) is not expected(type(setting), name):
                yield path, type(value)
            yield from _pairs(value, f"{path}.", searched)
        elif (
            path in searched
            or isinstance(default, Search)
            or not (_same(value, default) or is_template(default, fields))
        ):
            yield path, value


def _same(value: Any, default: Any) -> bool:
    return value is default or (
        type(value) is type(default) and identity_of({"": value}) == identity_of({"": default})
    )


def readable(pairs: Iterable[tuple[str, Any]], identity: Callable[[], str]) -> str:
    """Give the name of a setting: ``batch_size=16,lr=0.1``; what is cut short ends with the identity's digits."""
    cut = False
    said = []
    for name, value in pairs:
        text = _told(value)
        if len(text) > _LONGEST_VALUE:
            text, cut = f"{text[: _LONGEST_VALUE - 1]}…", True
        said.append(f"{name}={text}")
    joined = ",".join(said)
    if len(joined) > _LONGEST_NAME:
        joined, cut = f"{joined[: _LONGEST_NAME - 1]}…", True
    return f"{joined}~{identity()[:8]}" if cut else joined


def file_name(name: str, identity: str) -> str:
    """Give a name for files: letters, digits and ``=,.+_-`` alone, and never the same for two settings."""
    safe = re.sub(r"[^A-Za-z0-9=,.+_-]+", "_", name)[:_LONGEST_FILE].strip("._-")
    return f"{safe or 'setting'}-{identity[:8]}"


def _told(value: Any) -> str:
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, type) or callable(value):
        return getattr(value, "__name__", type(value).__name__)
    if isinstance(value, (list, tuple, dict, set)):
        return re.sub(r"\s+", "", repr(value))
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:  # arrays and frames
        return f"{type(value).__name__}{'x'.join(map(str, shape))}"
    plain = (isinstance(value, str) and value.strip()) or shape == ()
    text = str(value) if plain else repr(value)
    return type(value).__name__ if " at 0x" in text and not plain else re.sub(r"\s+", " ", text)
