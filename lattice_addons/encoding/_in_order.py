"""What leads to large containers is written part by part, in the order in which the C pickler writes a value.

The C pickler cannot be asked to write a container without batches. But it writes one thing after the other and
remembers what it has written. So the opcodes of what leads to a large container are written here, those of all else by
the pickler; and of the large container itself as those of a tuple, which has no batches.

What is written here the pickler must know, as it knows all that it writes itself. It cannot be told when it
remembers much: all of its memory would have to be copied. So it knows from the beginning that this must not be met:
under a number that cannot be written, at which it stops. As long as it remembers little, a part gets its number when
it is made, and may be referred to from then on. A value in which another part is met, before it was made or after, is
begun anew with fewer of them, in the end as any other: what is written never differs from the usual but in batches.
"""

from __future__ import annotations

import copyreg
import pickle
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._pickler import ByReference, left_alone
from lattice_addons.encoding._seamless import Seamless
from lattice_addons.encoding._spine import CONTAINERS, Reach, attributes_of, is_large, items_of, spine_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons.encoding._pickler import Writable

__all__ = ["EntangledError", "ReferencePickler"]

# A number that takes more than the four bytes it can have, and what the pickler says of it.
_NEVER: Final = 2**32
_MET: Final = "memo id too large for LONG_BINGET"
_MARK: Final = b"("
# Of each kind: how an empty one begins; and how all that was put on the stack since the mark goes into it.
_OPCODES: Final[dict[type, tuple[bytes, bytes]]] = {
    list: (b"]", b"e"),
    dict: (b"}", b"u"),
    set: (b"\x8f", b"\x90"),
}
# One alone is written without a mark: of so many things, with this end.
_ALONE: Final[dict[type, tuple[int, bytes]]] = {list: (1, b"a"), dict: (2, b"s")}
# Short tuples are written without a mark.
_TUPLES: Final = {1: (b"", b"\x85"), 2: (b"", b"\x86"), 3: (b"", b"\x87")}
_MAKE, _FILL = b")\x81", b"b"


class EntangledError(Exception):
    """Something refers to a part that it must not meet; the value is to be written anew."""


class ReferencePickler(ByReference, pickle.Pickler):
    """The C pickler: fast, and some thousand levels deep at most."""

    memo: Any

    def __init__(
        self,
        payload: Writable,
        keep: Callable[[Any], bool],
        *,
        by_value: bool = False,
        reach: Reach | None = None,
    ) -> None:
        self._seamless = Seamless(payload)
        self._reach = reach or Reach()
        # By its id, the number of each part that is not made yet.
        self._numbers: dict[int, int] = {}
        super().__init__(self._seamless, keep, by_value=by_value)

    def dump(self, value: Any) -> None:
        """Write a value; what stands in large containers goes in one go, and not a thousand at a time."""
        spine = spine_of(value, self._reach, self._is_ordinary)
        if not spine:
            super().dump(value)
            return
        self._numbers = {key: number for number, key in enumerate(spine)}
        self.memo = {key: (_NEVER, thing) for key, thing in spine.items()}
        self._seamless.open(len(spine))
        try:
            self._write(value)
        except pickle.PicklingError as error:
            if str(error) != _MET:
                raise
            self._reach.lower()
            raise EntangledError from None
        self._seamless.close()

    def _is_ordinary(self, thing: Any) -> bool:
        """Tell whether no rule says how an object is to be stored."""
        kind = type(thing)
        ruled = issubclass(kind, type) or kind in getattr(self, "dispatch_table", copyreg.dispatch_table)
        return not ruled and self.rules.reducer(thing) is left_alone

    def _write(self, thing: Any) -> None:
        """Write the next thing."""
        number = self._numbers.pop(id(thing), None)
        if number is None:
            self._by_pickler(thing)
        elif type(thing) in CONTAINERS:
            self._container(thing, number)
        elif type(thing) is tuple:
            self._tuple(thing, number)
        else:
            self._object(thing, number)

    def _by_pickler(self, thing: Any, instead: bytes | None = None) -> None:
        self._seamless.begin(instead)
        super().dump(thing)
        self._seamless.end()

    def _made(self, opcodes: bytes, thing: Any, number: int) -> None:
        """Write how a part is made; it gets its number, if that can be said to the pickler."""
        self._seamless.put(opcodes + b"q" + bytes([number]))
        if self._seamless.remembers_little:
            self.memo = {**self.memo.copy(), id(thing): (number, thing)}

    def _container(self, container: Any, number: int) -> None:
        kind = type(container)
        begin, end = _OPCODES[kind]
        self._made(begin, container, number)
        items = items_of(container)
        if is_large(container) and len(items) > max(_TUPLES):
            self._by_pickler(items, end)
            return
        count, alone = _ALONE.get(kind, (0, b""))
        begin, end = (b"", alone) if len(items) == count else (_MARK, end)
        self._seamless.put(begin)
        for item in items:
            self._write(item)
        self._seamless.put(end)
        if kind is dict and len(container) * 2 != len(items):
            message = "dictionary changed size during iteration"
            raise RuntimeError(message)

    def _tuple(self, parts: tuple[Any, ...], number: int) -> None:
        begin, end = _TUPLES.get(len(parts), (_MARK, b"t"))
        self._seamless.put(begin)
        for part in parts:
            self._write(part)
        self._made(end, parts, number)

    def _object(self, thing: Any, number: int) -> None:
        self.rules.latest = thing
        attributes = attributes_of(thing)
        if attributes is None:
            message = f"a {type(thing).__qualname__} mutated"
            raise RuntimeError(message)
        self._by_pickler(type(thing))
        self._made(_MAKE, thing, number)
        self._write(attributes)
        self._seamless.put(_FILL)
