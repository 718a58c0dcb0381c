"""A call of a placeholder that runs: where it is, in which cell of a notebook, and what it lacks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lattice_addons.errors import HyperParameterError, UnknownHyperParameterError

from ._hints import bad_hint
from ._kinds import kinds_named
from ._occurrence import AROUND, Occurrence, shown_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from types import FrameType

    from ._manager import HyperParameters

__all__ = ["in_a_cell", "near", "unknown"]

_CELL = re.compile(r"<ipython-input-(\d+)-")


def in_a_cell(frame: FrameType, name: str, default: object, hints: Mapping[str, object]) -> Occurrence:
    """Give the occurrence that a call in a cell is."""
    for hint, value in hints.items():
        why = bad_hint(hint, value)
        if why is not None:
            raise HyperParameterError(f"the hint {hint} of {name!r}: {why}", name=name)
    told = {hint: value for hint, value in hints.items() if hint != "type"}
    if "type" in hints:
        told["type"] = " | ".join(kinds_named(hints["type"]) or ())
    import linecache

    path, line = frame.f_code.co_filename, frame.f_lineno
    lines = linecache.getlines(path, frame.f_globals)
    first = max(1, line - AROUND)
    around = lines[first - 1 : line + AROUND]
    context = tuple((first + number, text.rstrip("\n")) for number, text in enumerate(around))
    return Occurrence(name, _cell(path), line, 1, repr(default), default, told, context=context)


def _cell(path: str) -> str:
    """Give a name for a cell that people know: IPython's are of files that do not exist."""
    match = _CELL.match(path)
    if match:
        return f"<cell {match[1]}>"
    return "<cell>" if "ipykernel" in path else path


def unknown(manager: HyperParameters, name: str, frame: FrameType) -> UnknownHyperParameterError:
    """Make the error of a hyper-parameter that has no value where it is asked for."""
    if not isinstance(name, str):
        message = f"the name of a hyper-parameter is a text, and not {name!r}"
        return UnknownHyperParameterError(message, name=str(name), places=())
    here = f"{shown_path(frame.f_code.co_filename)}:{frame.f_lineno}"
    found = manager.occurrences(name)
    places = tuple(dict.fromkeys((here, *(each.place for each in found))))
    expression = next((each for each in found if each.default is not None), None)
    if expression is not None:
        why = f"its default, at {expression.place}, is no literal but {expression.default}, which has not run yet"
    elif found:
        why = "no default is given anywhere; give one, or set it before it is used"
    else:
        close = near(name, manager.names())
        why = f"nobody declares it{close}; parse_file() the source that does, or give a default"
    used = f" (used at {', '.join(places)})"
    return UnknownHyperParameterError(
        f"hyper-parameter {name!r} has no value{used}: {why}", name=name, places=places
    )


def near(name: str, names: Iterable[str]) -> str:
    """Say which names are nearest to one that is not there."""
    from difflib import get_close_matches  # Only a mistake needs it.

    close = get_close_matches(name[:80], list(names), n=3, cutoff=0.5)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
