"""What does not fit is told as a person reads it: file, line, path, what was expected, what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from lattice_addons._config_errors import Fault
from lattice_addons.errors import ConfigError

from ._hints import class_of, told
from ._path import dotted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._scalars import Misfit

__all__ = ["Lines", "config_error"]

# The line of each value; the override that gave it, where one did.
Lines: TypeAlias = "Mapping[tuple[Any, ...], int | str]"


def config_error(
    cls: Any, found: list[tuple[tuple[Any, ...], Misfit]], lines: Lines, where: str
) -> ConfigError:
    """Give the error that tells all faults, in the order of their lines; where only overrides are wrong, of these."""
    faults = []
    told_lines = []
    by = []
    for path, misfit in found:
        line = line_of(lines, path)
        number = line if isinstance(line, int) else None
        faults.append(Fault(dotted(path), misfit.expected, misfit.found, number, misfit.hint))
        by.append(f"override {line!r}" if isinstance(line, str) else "")
        at = f"{where or 'line '}{':' if where else ''}{number}: " if number is not None else ""
        told_lines.append(f"{at or (by[-1] and f'{by[-1]}: ')}{faults[-1]}")
    name = getattr(class_of(cls), "__name__", None) or told(cls)
    if all(by):
        # What was read fits: it must not look as if that had to be mended.
        pairs = zip(by, faults, strict=True)
        text = "\n".join(f"the {each} does not fit {name}: {fault}" for each, fault in pairs)
        return ConfigError(text, file=where, faults=tuple(faults))
    count = f"{len(faults)} faults" if len(faults) > 1 else "1 fault"
    head = f"{where or 'the data'} does not fit {name} ({count}):"
    order = sorted(range(len(faults)), key=lambda each: faults[each].line or 0)
    text = "\n  ".join([head, *(told_lines[each] for each in order)])
    return ConfigError(text, file=where, faults=tuple(faults[each] for each in order))


def line_of(lines: Lines, path: tuple[Any, ...]) -> int | str | None:
    """Give the line of a value, or of the nearest that it is in."""
    for end in range(len(path), -1, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return None
