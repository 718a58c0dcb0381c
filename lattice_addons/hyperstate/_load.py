"""A config is read from a file, brought to the code's version, overridden, and made into its dataclass."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeVar

from ._overrides import overridden
from ._read import read_text
from ._scheduled import adopt, keep, resolve
from ._typed import build
from ._versioned import upgrade

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["load_config", "typed"]

C = TypeVar("C")


def load_config(
    cls: type[C],
    path: str | os.PathLike[str],
    overrides: Iterable[str] = (),
    *,
    ignore_extra_fields: bool = False,
) -> C:
    """Read a config file as a dataclass.

    A file may be YAML, JSON, TOML or RON, by its ending. A number that has a schedule is the one with which that
    begins.

    Args:
        cls: The dataclass, with fields of any type that a file can say.
        path: The file.
        overrides: Values that count more than the file's: ``["optimizer.lr=0.1", "layers+={width: 8}"]``.
        ignore_extra_fields: Pass over what the file has and the classes do not.

    Raises:
        ConfigError: the file does not fit; all its faults are told, each with its line.
        NoConfigError: there is no such file.
        OverrideError: an override names no field, or is none.
    """
    document = read_text(path)
    lines: dict[tuple[Any, ...], int | str] = {**document.lines}
    is_toml = document.format == "toml"
    return typed(
        cls,
        document.data,
        overrides,
        lines,
        os.fspath(path),
        ignore=ignore_extra_fields,
        missing_is_null=is_toml,
    )


def typed(  # noqa: PLR0913 - the way from data to a config, and what the ways to it know
    cls: type[C],
    data: Any,
    overrides: Iterable[str],
    lines: dict[tuple[Any, ...], int | str],
    where: str,
    *,
    ignore: bool = False,
    missing_is_null: bool = False,
) -> C:
    """Make a config of plain data."""
    data = upgrade(cls, {} if data is None else data)
    data = overridden(data, cls, overrides, lines)
    numbers, schedules = resolve(data, cls)
    config: C = build(cls, numbers, lines, where, ignore_extra_fields=ignore, missing_is_null=missing_is_null)
    keep(config, adopt(config, schedules))
    return config
