"""Classes built on Python's own, whose objects Python could not make again, or would make another of."""

from __future__ import annotations

import collections
import dataclasses
import datetime as dt
import decimal
import enum
import random
import sys
import types
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

_Kind = TypeVar("_Kind")


class QuotaError(Exception):
    """Takes more than it has told."""

    def __init__(self, user: str, used: int) -> None:
        super().__init__(f"{user} has used {used}")
        self.user, self.used = user, used


class MissingError(KeyError):
    """Makes its text of what it takes."""

    __slots__ = ("name", "never")

    def __init__(self, name: str) -> None:
        super().__init__(f"no {name}")
        self.name = name


class RefusedError(OSError):
    """Has a number, a text and a file name, which Python keeps beside its arguments."""

    def __init__(self, path: str, *, tries: int) -> None:
        super().__init__(13, "refused", path)
        self.tries = tries


class HiddenError(OSError):
    """Shows other values under the names of what Python keeps."""

    args = property(lambda _: 1 // 0)
    filename = property(lambda _: "shown")

    def __init__(self, path: str) -> None:
        super().__init__(13, "refused", path)


@dataclasses.dataclass(frozen=True)
class FrozenError(Exception):
    """Cannot be changed."""

    code: int


class Recent(collections.OrderedDict[Any, Any]):
    """The last items that were used, as the documentation of Python makes it."""

    def __init__(self, maxsize: int = 2) -> None:
        self.maxsize = maxsize
        super().__init__()

    def __getitem__(self, key: object) -> Any:
        """Give one, which is the last then."""
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: object, value: object) -> None:
        """Put one in, and the eldest out."""
        super().__setitem__(key, value)
        if len(self) > self.maxsize:
            del self[next(iter(self))]


class Ring(collections.deque[Any]):
    """Has a length of its own."""

    def __init__(self, length: int) -> None:
        super().__init__(maxlen=length)


class Groups(collections.defaultdict[str, list[Any]]):
    """Takes nothing."""

    def __init__(self) -> None:
        super().__init__(list)


class Votes(collections.Counter[str]):
    """Has a name."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Tags(set[Any]):
    """Takes a name first."""

    def __init__(self, name: str, tags: Any = ()) -> None:
        super().__init__(tags)
        self.name = name


class Branch(list[Any]):
    """Counts what is put in, and knows what it is in."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name, self.parent, self.added = name, None, 0

    def append(self, item: Any) -> None:
        """Put one in."""
        self.added += 1
        item.parent = self
        super().append(item)

    def extend(self, items: Any) -> None:
        """Put several in."""
        for item in items:
            self.append(item)


class Logged(dict[Any, Any]):
    """Keeps what was put in."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[Any] = []

    def __setitem__(self, key: Any, value: Any) -> None:
        """Put one in."""
        self.log.append(key)
        super().__setitem__(key, value)


class Sorted(dict[str, Any]):
    """Shows its items in another way than it has them."""

    def __iter__(self) -> Any:
        """Sort them."""
        return iter(self.keys())

    def keys(self) -> Any:
        """Leave some out."""
        return sorted(key for key in dict.keys(self) if key[0] != "_")

    def __getitem__(self, key: str) -> Any:
        """Give one as text."""
        return str(dict.__getitem__(self, key))


class Dotted(dict[str, Any]):
    """Has its items as attributes."""

    def __init__(self, **items: Any) -> None:
        super().__init__(items)
        self.__dict__ = self


class Celsius(float):
    """Takes another scale."""

    def __new__(cls, fahrenheit: float) -> Self:
        """Convert."""
        return super().__new__(cls, (fahrenheit - 32) / 1.8)


class Vector(tuple[int, ...]):
    """Takes each part by itself."""

    __slots__ = ()

    def __new__(cls, x: int, y: int) -> Self:
        """Put them together."""
        return super().__new__(cls, (x, y))


class Word(str):
    """Has a kind."""

    __slots__ = ("kind",)

    def __new__(cls, text: str, kind: str) -> Self:
        """Keep both."""
        made = super().__new__(cls, text)
        made.kind = kind  # type: ignore[attr-defined]
        return made


class Span(collections.namedtuple("Span", "first last")):  # noqa: PYI024, SLOT002 - as older programs have them
    """Takes one part of the two."""

    def __new__(cls, first: int) -> Self:
        """Compute the other."""
        return super().__new__(cls, first, first + 1)


class Day(dt.date):
    """May have attributes."""


class Price(decimal.Decimal):
    """May have attributes."""


class Measured(np.ndarray[Any, Any]):
    """Has a unit."""

    def __array_finalize__(self, other: Any) -> None:
        """Take it over."""
        self.unit = getattr(other, "unit", None)


class Behind:
    """Has the attributes of what it stands for."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        """Ask that."""
        return getattr(self.inner, name)


class Typed(Behind, Generic[_Kind]):
    """Says of what kind that is."""


class Named:
    """Takes a name before it is there."""

    def __new__(cls, name: str) -> Self:
        """Keep it."""
        made = super().__new__(cls)
        made.name = name  # type: ignore[attr-defined]
        return made


class Dice(random.Random):
    """Takes what its own way of being stored does not tell."""

    def __init__(self, sides: int) -> None:
        super().__init__()
        self.sides = sides


class _Pooled(type):
    def __call__(cls, *arguments: Any) -> Any:
        return super().__call__(arguments[0] if arguments else 6)


class Loaded(random.Random, metaclass=_Pooled):
    """Is called otherwise than any class is."""

    def __init__(self, sides: int) -> None:
        super().__init__()
        self.sides = sides


class Unset(enum.Enum):
    """Members whose values are equal to nothing else."""

    UNSET = object()
    GIVEN = 1

    @property
    def value(self) -> Any:
        """Refuse."""
        raise NotImplementedError


def _louder(function: Any) -> Any:
    def louder(self: Any) -> str:
        return str(function(self)).upper()

    return louder


class Made:
    """Makes a method of a function when it is asked for."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def __get__(self, thing: Any, kind: Any) -> Any:
        """Make it."""
        return types.MethodType(self.function, thing)


class Machine:
    """Holds methods of its own, under names that their functions do not have."""

    def __init__(self) -> None:
        self.private = self.__step
        self.decorated = self.shout
        self.plain = self.run

    def __step(self) -> str:
        return "private"

    @_louder
    def shout(self) -> str:
        """Say it."""
        return "shout"

    def run(self) -> str:
        """Say which."""
        return "machine"

    @Made
    def walk(self) -> str:
        """Say how."""
        return "slowly"


class Faster(Machine):
    """Holds a method of the class it is built on, which it has another of."""

    def __init__(self) -> None:
        super().__init__()
        self.slow = super().run

    def run(self) -> str:
        """Say which."""
        return "faster"


if sys.version_info >= (3, 11):

    class Several(ExceptionGroup[Exception]):  # noqa: F821 - for the oldest Python it is a name that is not there
        """Takes what its parts do not tell."""

        def __new__(cls, errors: list[Exception], code: int) -> Self:
            """Keep it."""
            made = super().__new__(cls, f"exit code {code}", errors)
            made.code = code  # type: ignore[attr-defined]
            return made
