"""A variable is looked at where it lives: in a namespace, or in the frame of a call."""

from __future__ import annotations

import dis
import logging
from typing import TYPE_CHECKING, Final, Protocol

from ._names_bytecode import Unclear
from ._names_comprehensions import hidden_offsets, region_at
from ._names_frame import FLAGS, MISTAKEN, Gone, View

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from ._names_bytecode import Load
    from ._names_comprehensions import Region

log = logging.getLogger("lattice_addons.state")

RETURNS: Final = frozenset(dis.opmap[name] for name in ("RETURN_VALUE", "RETURN_CONST") if name in dis.opmap)


class Over(Exception):  # noqa: N818 - a signal between place and variable
    """The variable can never change again; with its last value, where that could be seen."""


class Place(Protocol):
    """Where a variable lives."""

    def look(self) -> object:
        """Give the value now; raise `Gone` or `Over`."""


class Variable:
    """A variable of the program's, and the value that was last seen in it."""

    def __init__(self, name: str, place: Place, value: object) -> None:
        self.name = name
        self._place: Place | None = place
        self._last = value
        self._warned = False

    def read(self) -> object:
        """Give the variable's value; the last one that was seen, where it has none any more."""
        place = self._place
        if place is None:
            return self._last
        try:
            self._last = place.look()
        except Over as over:
            # Let go of the frame, and with it of every other local of the call.
            self._last = over.args[0] if over.args else self._last
            self._place = None
        except Gone as why:
            if not self._warned:
                self._warned = True
                log.warning("variable %r %s: the value that was last seen in it is kept", self.name, why)
        return self._last


class Namespace:
    """A mapping in which the variable is an item: a module's globals, a class body, what ``exec`` was given."""

    def __init__(self, names: Mapping[str, object], name: str) -> None:
        self._names = names
        self._name = name

    def look(self) -> object:
        """Give the item."""
        try:
            return self._names[self._name]
        except KeyError:
            raise Gone("was deleted") from None


class Local:
    """A local variable or closure cell, seen through the frame of the call that has it."""

    def __init__(self, frame: FrameType, name: str) -> None:
        code = frame.f_code
        self._view = View(frame, name, hidden_offsets(code, name))
        # A cell can still change when the call has returned, and keeps its frame.
        shared = name in code.co_cellvars or name in code.co_freevars
        self._code = None if shared else code

    def look(self) -> object:
        """Give the value that is in the frame; `Over` with it when the call has returned."""
        value, at = self._view.look()
        if self._code is not None and self._code.co_code[at] in RETURNS:
            raise Over(value)
        return value


class Element:
    """A variable of a comprehension that shares its function's frame, as all but generators do from 3.12 on.

    It is seen while the comprehension runs; when it has ended, its last value is the last that was seen.
    """

    def __init__(self, frame: FrameType, name: str, region: Region) -> None:
        self._view = View(frame, name)
        self._region = region
        self._last: object = None

    def look(self) -> object:
        """Give the value, or the one of the element before while the next one is being made."""
        value: object = None
        at: int | None
        try:
            value, at = self._view.look()
        except Gone:
            at = self._view.at()
        if at not in self._region.inside:
            raise Over
        if at in self._region.bound:
            self._last = value
        return self._last


class Unsettled:
    """A module's variable that a comprehension names: while that runs, 3.12 and 3.13 hide where names live.

    It is looked for when the comprehension has ended; until then its value is the one of the last ``update``.
    """

    def __init__(self, frame: FrameType, name: str, value: object) -> None:
        self._frame = frame
        self._name = name
        self._value = value
        self._settled: Place | None = None

    def look(self) -> object:
        """Give the value, from its place as soon as that is known."""
        if self._settled is None:
            names = _namespace_of(self._frame)
            if names is None:
                return self._value
            if names is not self._frame.f_globals and self._name in names:
                # A name both of the locals and, as far as we could see, of the globals given to exec.
                raise Gone("cannot be told from another one of the same name")
            self._settled = Namespace(self._frame.f_globals, self._name)
        return self._settled.look()


def _namespace_of(frame: FrameType) -> Mapping[str, object] | None:
    """Give the mapping in which a module or class body finds its names; None while it cannot be had."""
    names, again = frame.f_locals, frame.f_locals
    # While a comprehension runs in it, 3.12 gives a copy, and 3.13 a view that has the comprehension's names alone.
    return names if names is again else None


def place_of(load: Load, frame: FrameType, value: object) -> Place:
    """Say where a variable that was loaded in a frame lives; `Unclear` where that cannot be known."""
    name, kind = load.name, load.kind
    optimized = bool(frame.f_code.co_flags & FLAGS["OPTIMIZED"])
    if kind in {"local", "cell"}:
        region = region_at(frame.f_code, load.slot, load.offset)
        if region is not None:
            return _element(load, frame, region)
        if optimized:
            return Local(frame, name)
        return _enclosing(frame, name)
    if kind == "name":
        return _named(frame, name, value)
    if kind == "class cell" and not optimized:
        names = _namespace_of(frame)
        return Namespace(names, name) if names is not None and _has(names, name) else _enclosing(frame, name)
    return _global(frame, name)


def _element(load: Load, frame: FrameType, region: Region) -> Element:
    code = frame.f_code
    if load.kind == "local" and load.name in code.co_freevars:
        # Two slots of the frame have the name, and f_locals shows one of them, not the same in every version.
        raise Unclear(
            "it is a comprehension's variable, and has the name of another one of a function around"
        )
    if MISTAKEN and load.kind == "local" and load.name in code.co_cellvars:
        raise Unclear(
            "it is a comprehension's variable with the name of a closure's, where this Python crashes"
        )
    return Element(frame, load.name, region)


def _named(frame: FrameType, name: str, value: object) -> Place:
    names = _namespace_of(frame)
    if names is None:
        if _global(frame, name).look() is not value:
            raise Unclear("it is a name of what exec was given, read within a comprehension")
        return Unsettled(frame, name, value)
    return Namespace(names, name) if _has(names, name) else _global(frame, name)


def _global(frame: FrameType, name: str) -> Namespace:
    if not _has(frame.f_globals, name):
        raise Unclear("it is a builtin, or was deleted before the call")
    return Namespace(frame.f_globals, name)


def _has(names: Mapping[str, object], name: str) -> bool:
    # Looked up as the interpreter does: what exec was given may be any mapping.
    try:
        names[name]
    except KeyError:
        return False
    return True


def _enclosing(frame: FrameType, name: str) -> Local:
    """Find the function around a class body, whose variable the body read: a body's frame does not show it.

    A class body is run by the very frame that has its code as a constant.
    """
    outer = frame.f_back
    while outer is not None and any(const is frame.f_code for const in outer.f_code.co_consts):
        if outer.f_code.co_flags & FLAGS["OPTIMIZED"]:
            if name not in outer.f_code.co_cellvars + outer.f_code.co_freevars:
                break
            return Local(outer, name)
        frame, outer = outer, outer.f_back
    raise Unclear("it is a variable of a function around, out of reach from here")
