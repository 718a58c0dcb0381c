"""A pickle too large to be held is made while it is taken, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lattice_addons.encoding._encoded import Encoded, Stream, called, type_name
from lattice_addons.errors import EncodeError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.encoding._encoded import Buffer

__all__ = ["Experience", "Flow", "flowing"]

# So many calls, from Python to C and back, must be left to whoever takes a piece: a value may be nested as deeply as
# just fits, and what takes pieces must not be broken off at any place.
_ROOM: Final = 60


@dataclass(slots=True)
class Experience:
    """What saves have found out of a value: whether its pickle is ``large``, and could not be made in one go."""

    large: bool = False
    refused: bool = False


class Flow(Stream):
    """The pickle of a value as it will be when it is taken; until then ``size`` is only what is known of it."""

    def __init__(self, value: object, experience: Experience, size: int) -> None:
        self.size = size
        self._value = value
        self._experience = experience

    def pieces(self) -> Iterator[bytes]:
        """Refuse: what else belongs to the value is known only when its pickle is made."""
        raise NotImplementedError

    def pour(self, take: Callable[[bytes], object], taken: Callable[[], Buffer]) -> Encoded:
        """Pickle the value now, and hand on what comes; the buffer ``taken`` then gives stands for it.

        Where that does not go well to the end, what was handed on counts for nothing: all is made in memory, by
        another pickler if need be, and given. Errors of ``take`` are raised as they are.
        """
        from lattice_addons.encoding._encode import encode
        from lattice_addons.encoding._pickles import poured

        handed = _Handed(take)
        try:
            found = poured(self._value, handed)
            handed.check()
            if not isinstance(found, bool):
                kind = type_name(type(self._value))
                return Encoded(found[0], kind, None, (taken(), *found[1]))
            self._experience.refused = not found
            return encode(self._value)
        except UnkeepableError:
            raise
        except Exception as error:  # whatever a value raises, the other slots are saved
            if error is handed.failure:
                raise
            raise _unkeepable(self._value, error) from error
        finally:
            # Its traceback has what was taken, which may be large, and would have itself.
            handed.failure = None


class _Handed:
    """What a pickler writes to; what goes wrong in taking it is no fault of the value."""

    def __init__(self, take: Callable[[bytes], object]) -> None:
        self.failure: BaseException | None = None
        self._take = take

    def check(self) -> None:
        """Raise what went wrong in taking it, whatever the pickler made of that."""
        if self.failure is not None:
            raise self.failure

    def write(self, data: bytes) -> None:
        """Hand on the next bytes."""
        _need_room(_ROOM)
        try:
            self._take(data)
        except BaseException as error:
            self.failure = error
            raise


def _need_room(calls: int) -> int:
    return max(map(_need_room, (calls - 1,))) if calls else 0


def flowing(value: object, experience: Experience, most: int) -> Encoded | None:
    """Pickle a value: now, or if that is more than so many bytes when it is taken; None where it must be held."""
    from lattice_addons.encoding._pickler import TooLarge
    from lattice_addons.encoding._pickles import pickled

    if experience.refused:
        return None
    kind = type_name(type(value))
    if not experience.large:
        try:
            encoding, buffers = pickled(value, copy=False, most=most)
        except TooLarge:
            experience.large = True
        else:
            return Encoded(encoding, kind, None, buffers)
    return Encoded("pickle", kind, None, (Flow(value, experience, most),))


def _unkeepable(value: object, error: Exception) -> EncodeError:
    kind = type(value)
    message = f"a {called(kind)} cannot be stored ({type(error).__name__}: {error})"
    return EncodeError(message, type=type_name(kind), where="value")
