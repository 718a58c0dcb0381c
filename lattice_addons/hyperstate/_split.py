"""The arguments of a program: its file, its overrides, and the options that are left to tyro."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, get_origin

from lattice_addons.errors import OverrideError

from ._overrides import type_at
from ._path import parts
from ._scheduled import is_schedule
from ._unions import kinds_of

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Asked", "split"]

_OVERRIDE = re.compile(r"[^\W\d][^=\s]*\s*=.*", re.DOTALL)
_NUMBER = re.compile(r"-[\d.]")


@dataclass
class Asked:
    """What a command line asks for."""

    file: str | None = None
    prints: bool = False
    helps: bool = False
    overrides: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)


def split(cls: Any, args: Sequence[str]) -> Asked:
    """Sort arguments: what has dashes is an option, with its values; ``name=value`` elsewhere is an override."""
    asked = Asked()
    left = list(args)
    # How many of the next arguments are values of the option before: None is any number.
    takes: int | None = 0
    while left:
        argument = left.pop(0)
        if argument == "--config" or argument.startswith("--config="):
            asked.file = _file(argument, left)
            takes = 0
        elif argument == "--print-config":
            asked.prints, takes = True, 0
        elif argument in ("-h", "--help"):
            asked.helps = True
        elif argument.startswith("-") and not _NUMBER.match(argument):
            name, equals, value = argument.lstrip("-").partition("=")
            kind = type_at(cls, _place(name))
            given = value if equals else (left[0] if left else "")
            if kind is not None and is_schedule(kind, given):
                asked.overrides.append(
                    f"{'.'.join(map(str, _place(name)))}={given if equals else left.pop(0)}"
                )
                takes = 0
            else:
                asked.options.append(argument)
                takes = 0 if equals else _takes(kind)
        elif takes == 0 and _OVERRIDE.fullmatch(argument):
            asked.overrides.append(argument)
        else:
            asked.options.append(argument)
            takes = takes if takes is None else max(takes - 1, 0)
    return asked


def _file(argument: str, left: list[str]) -> str:
    _, equals, file = argument.partition("=")
    if not equals:
        if not left:
            message = "--config needs a file: write '--config config.yaml'"
            raise OverrideError(message, override="--config", path="")
        file = left.pop(0)
    return file


def _place(name: str) -> tuple[Any, ...]:
    return parts(name.replace("-", "_")) or ()


def _takes(kind: Any) -> int | None:
    """Tell how many values an option of this type has behind it."""
    kinds = kinds_of(kind) if kind is not None else []
    if kinds == [bool] or kind is None:
        return 0
    deep = (list, tuple, set, frozenset, dict)
    return None if any((get_origin(each) or each) in deep for each in kinds) else 1
