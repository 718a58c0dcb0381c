"""The variable that an argument was read from is found in the bytecode of the caller's call, or not at all."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

from lattice_addons.errors import UnknownVariableError

if TYPE_CHECKING:
    from types import CodeType, FrameType

    from ._names_bytecode import Load
    from ._names_variable import Variable

PARAMETER: Final = "value"
PACKAGE: Final = __name__.partition(".")[0]
# These are users of the package, though they are in it.
USERS: Final = (f"{PACKAGE}.testing", f"{PACKAGE}.cli")

# Held by the ids of the two code objects, and with them: the hash of a code object goes through all of its
# instructions, and its jumps are to be searched once, not at every update in a loop.
_known: Final[dict[tuple[int, int, int], tuple[CodeType, CodeType, Load]]] = {}
_KNOWN_AT_MOST: Final = 4096


def find_variable(value: object, frame: FrameType | None = None) -> Variable:
    """Find the variable of the program that was passed as ``value`` to the function of ours it called.

    ``frame`` is the frame to start from, by default the one that calls this: the first one outside the package,
    from there, is the program's. The bytecode of its call says which variable was loaded; that the variable has
    the very object that was passed is then made sure of.

    Raises:
        UnknownVariableError: it was no plain variable, or it cannot be told for certain which one.
    """
    # Imported here: dis and inspect take milliseconds that only programs with symbolic slots should pay.
    from ._names_bytecode import Unclear
    from ._names_frame import Gone
    from ._names_variable import Over, Variable, place_of

    door, caller = _leave_package(sys._getframe(1) if frame is None else frame)  # noqa: SLF001
    if door is None or caller is None:
        message = "cannot tell which variable was passed: there is no call from outside the package"
        raise UnknownVariableError(message)
    try:
        load = _find_load(door, caller, value)
        place = place_of(load, caller, value)
        seen = place.look()
    except (Unclear, Gone, Over) as why:
        raise _unknown(door, caller, str(why)) from None
    if seen is not value:
        # What is called there may be C code that called us with something else (map, partial), or another
        # argument has changed the variable.
        raise _unknown(door, caller, f"variable {load.name!r} has another value than the one that was passed")
    return Variable(load.name, place, value)


def _leave_package(frame: FrameType | None) -> tuple[FrameType | None, FrameType | None]:
    """Give the outermost of the package's frames, the one that the program called, and the program's."""
    door = None
    while frame is not None and _is_ours(frame):
        door, frame = frame, frame.f_back
    return door, frame


def _is_ours(frame: FrameType) -> bool:
    module = frame.f_globals.get("__name__")
    if not isinstance(module, str):
        return False
    return _is_below(module, PACKAGE) and not any(_is_below(module, user) for user in USERS)


def _is_below(module: str, package: str) -> bool:
    return module == package or module.startswith(package + ".")


def _find_load(door: FrameType, caller: FrameType, value: object) -> Load:
    from ._names_bytecode import Unclear, Wanted, find_load

    code = door.f_code
    parameters = code.co_varnames[: code.co_argcount]
    if PARAMETER not in parameters or door.f_locals.get(PARAMETER) is not value:
        raise Unclear(f"{code.co_name}() passed on something else than what it was given")
    key = (id(caller.f_code), caller.f_lasti, id(code))
    known = _known.get(key)
    if known is None:
        if len(_known) >= _KNOWN_AT_MOST:
            _known.clear()
        load = find_load(caller.f_code, caller.f_lasti, Wanted(parameters, PARAMETER))
        known = _known[key] = (caller.f_code, code, load)
    return known[2]


def _unknown(door: FrameType, caller: FrameType, why: str) -> UnknownVariableError:
    from ._names_text import argument_text

    text = argument_text(caller, door.f_code.co_name, PARAMETER)
    where = f"{caller.f_code.co_filename}:{caller.f_lineno}"
    message = (
        f"cannot tell which variable {text or 'the value'} is, passed to {door.f_code.co_name}() at {where}: {why}. "
        f"Only a plain variable can be tracked by its name: use StateClosureManager for this slot, "
        f"and give it `lambda: {text or '…'}`"
    )
    return UnknownVariableError(message)
