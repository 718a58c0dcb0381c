"""The JSON text of a large value comes in parts, so that neither it nor a copy of the value is ever whole in memory."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from lattice_addons.encoding._plain import TooLongError, copied_to_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["NotPlainError", "text_in_parts"]

# How long a part may be, about: what is longer is taken apart. Half of it is enough for the next to be as large.
_PART: Final = 1024 * 1024
_ENOUGH: Final = _PART // 4
# So many items make a part at most; where that has been too long, half of it, down to the lesser number.
_MOST_ITEMS: Final = 8192
_FEWEST: Final = 64
# So deep large containers are looked for in large ones. JSON of more than a thousand levels cannot be read.
_DEEPEST: Final = 16


class NotPlainError(Exception):
    """Something in the value cannot be said in JSON."""


def text_in_parts(value: list[Any] | dict[str, Any] | str) -> Iterator[bytes]:
    """Give what `to_json` would, in parts.

    Raises `NotPlainError` as soon as it is found that the value is not plain, and `RuntimeError` where another thread
    puts something in or takes it out meanwhile.
    """
    return _Parts().of(value, 0)


class _Parts:
    def __init__(self) -> None:
        self._seen: dict[int, object] = {}

    def of(self, value: Any, depth: int) -> Iterator[bytes]:
        """Give the text of one value that is too long."""
        if type(value) is str:
            return self._of_text(value)
        # With a long key anything is too long.
        if type(value) not in (list, dict) or depth == _DEEPEST:
            return iter((self._whole([value])[1:-1],))
        if id(value) in self._seen:
            raise NotPlainError
        self._seen[id(value)] = value
        return self._of_container(value, depth)

    def _of_text(self, value: str) -> Iterator[bytes]:
        yield b'"'
        for at in range(0, len(value), _PART):
            yield self._whole([value[at : at + _PART]])[2:-2]
        yield b'"'

    def _of_container(self, value: Any, depth: int) -> Iterator[bytes]:
        kind = type(value)
        size, given, comma = len(value), 0, b""
        count, most = 1, _MOST_ITEMS
        items = iter(value.items() if kind is dict else value)
        yield b"{" if kind is dict else b"["
        while group := kind(islice(items, count)):
            if comma:
                yield comma
            length, text = len(group), self._part(group)
            if text is None:
                most = max(_FEWEST, count // 2)
                count = max(1, most // 2)
                # As it was: of what a group holds copies are put in.
                keys = list(group) if kind is dict else range(given, given + length)
                group.clear()
                yield from self._some(value, keys, depth)
            else:
                yield text
                if len(text) < _ENOUGH:
                    count = min(2 * count, most)
            given += length
            comma = b","
        if not given == size == len(value):
            raise _changed(kind)
        yield b"}" if kind is dict else b"]"

    def _some(self, value: Any, keys: Sequence[Any], depth: int) -> Iterator[bytes]:
        """Give the text of some items of a container, which may be too long for one part."""
        keyed = type(value) is dict
        try:
            group: Any = {key: value[key] for key in keys} if keyed else [value[key] for key in keys]
            first = value[keys[0]]
        except LookupError:
            raise _changed(type(value)) from None
        text = self._part(group)
        group.clear()
        if text is not None:
            yield text
        elif len(keys) > 1:
            half = len(keys) // 2
            yield from self._some(value, keys[:half], depth)
            yield b","
            yield from self._some(value, keys[half:], depth)
        else:
            if keyed:
                # `{"key":null}` without what is not the key.
                yield self._whole(dict.fromkeys(keys))[1:-5]
            yield from self.of(first, depth + 1)

    def _part(self, group: Any) -> bytes | None:
        """Give the text of items without the brackets around; None where it would be too long."""
        try:
            return self._whole(group, _PART)[1:-1]
        except TooLongError:  # which has all that was copied: nothing goes on from here
            return None

    def _whole(self, group: Any, most: int | None = None) -> bytes:
        """Give the text of a container that nobody else has."""
        text = copied_to_json(group, self._seen, most)
        if text is None:
            raise NotPlainError
        return text


def _changed(kind: type) -> RuntimeError:
    return RuntimeError(f"a {kind.__name__} was mutated during iteration")
