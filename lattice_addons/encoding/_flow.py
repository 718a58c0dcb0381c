"""A pickle or text too large to be held is made while it is taken, piece by piece."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._encoded import STREAMED, Encoded, Stream, called, type_name
from lattice_addons.encoding._placed import in_pickle
from lattice_addons.encoding._plain import TooLongError, to_json
from lattice_addons.encoding._plain_parts import NotPlainError, text_in_parts
from lattice_addons.encoding._spine import Reach
from lattice_addons.errors import EncodeError, UnkeepableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons.encoding._encoded import Buffer

__all__ = ["Experience", "Flow", "flowing", "flowing_text"]

# So many calls, from Python to C and back, must be left to whoever takes a piece: a value may be nested as deeply as
# just fits, and what takes pieces must not be broken off at any place.
_ROOM: Final = 60
# A text of about so many bytes is made in one go.
_IN_ONE_GO: Final = 4 * STREAMED


@dataclass(slots=True)
class Experience:
    """What saves have found out of a value.

    Whether its pickle is ``large``, and could not be made in one go; whether all of it was ``plain``, if it is large;
    and which large containers within it can be looked for.
    """

    large: bool = False
    refused: bool = False
    plain: bool = False
    reach: Reach = field(default_factory=Reach)


class Flow(Stream):
    """The pickle or text of a value as it will be when it is taken; until then ``size`` is only what is known of it."""

    def __init__(self, value: object, experience: Experience, size: int, *, plain: bool = False) -> None:
        self.size = size
        self._value: Any = value
        self._experience = experience
        self._plain = plain

    def pieces(self) -> Iterator[bytes]:
        """Refuse: what else belongs to the value is known only when its pickle is made."""
        raise NotImplementedError

    def pour(
        self, take: Callable[[bytes], object], taken: Callable[[], Buffer], again: Callable[[], object]
    ) -> Encoded:
        """Make its text or pickle now, and hand on what comes; the buffer ``taken`` then gives stands for it.

        Where that does not go well to the end, what was handed on counts for nothing: ``again`` is told that it begins
        anew, as a pickle or another one; or all is made in memory, by another pickler if need be, and given. Errors of
        ``take`` are raised as they are.
        """
        handed = _Handed(take)
        try:
            found = self._text(handed, taken) if self._plain else None
            if found is None:
                if self._plain:
                    again()
                found = self._pickle(handed, taken, again)
        except UnkeepableError:
            raise
        except Exception as error:  # whatever a value raises, the other slots are saved
            if error is handed.failure:
                raise
            raise _unkeepable(self._value, error) from error
        finally:
            # Its traceback has what was taken, which may be large, and would have itself.
            handed.failure = None
        return found

    def _text(self, handed: _Handed, taken: Callable[[], Buffer]) -> Encoded | None:
        """Make it as plain data; None where it is no longer plain."""
        from lattice_addons.encoding._encode import encode

        try:
            for part in text_in_parts(self._value):
                handed.write(part)
        except NotPlainError:
            self._experience.plain = False
            return None
        except RuntimeError:  # another thread changed it, or there is no room on the stack
            handed.check()
            return encode(self._value)
        return Encoded("json", type_name(type(self._value)), None, (taken(),))

    def _pickle(self, handed: _Handed, taken: Callable[[], Buffer], again: Callable[[], object]) -> Encoded:
        from lattice_addons.encoding._encode import encode
        from lattice_addons.encoding._pickles import poured

        found = poured(self._value, handed, again, self._experience.reach)
        handed.check()
        if not isinstance(found, bool):
            buffers = (taken(), *found[1])
            arrays = in_pickle(self._value, buffers)
            return Encoded(found[0], type_name(type(self._value)), None, buffers, arrays)
        self._experience.refused = not found
        return encode(self._value)


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


def flowing_text(value: object, experience: Experience) -> Encoded | None:
    """Write a plain value: now, or if it is large when it is taken; None where it is not plain."""
    kind = type_name(type(value))
    try:
        text = to_json(value, _IN_ONE_GO)
    except TooLongError:
        try:
            if not experience.plain:
                experience.plain = _is_plain(value)
        except RuntimeError:  # another thread changes it: copied at one instant it cannot be changed
            text = to_json(value)
        else:
            flow = Flow(value, experience, _IN_ONE_GO, plain=True)
            return Encoded("json", kind, None, (flow,)) if experience.plain else None
    return None if text is None else Encoded("json", kind, text, ())


def _is_plain(large: Any) -> bool:
    """Look through all of a value: that it is not plain after all should not be found when half of it is written."""
    try:
        deque(text_in_parts(large), 0)
    except NotPlainError:
        return False
    return True


def flowing(value: object, experience: Experience, most: int) -> Encoded | None:
    """Pickle a value: now, or if that is more than so many bytes when it is taken; None where it must be held."""
    from lattice_addons.encoding._pickler import TooLarge
    from lattice_addons.encoding._pickles import pickled

    if experience.refused:
        return None
    kind = type_name(type(value))
    if not experience.large:
        try:
            encoding, buffers = pickled(value, copy=False, most=most, reach=experience.reach)
        except TooLarge:
            experience.large = True
        else:
            return Encoded(encoding, kind, None, buffers, in_pickle(value, buffers))
    return Encoded("pickle", kind, None, (Flow(value, experience, most),))


def _unkeepable(value: object, error: Exception) -> EncodeError:
    kind = type(value)
    message = f"a {called(kind)} cannot be stored ({type(error).__name__}: {error})"
    return EncodeError(message, type=type_name(kind), where="value")
