"""What a saving program keeps its number with: our group, in each of its ways of saving."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from lattice_addons import StateManagerGroup
    from lattice_addons.checkpoint._tidy import Tidier

__all__ = ["GROUPS", "SIZE", "Group", "Keeper", "MixtureError", "parts", "whole"]

# Large enough for chunks in a pack (plain text of that size is no longer in the manifest), and for a torn
# write to be one; small enough for hundreds of saves a second.
SIZE = 70_000


class MixtureError(Exception):
    """What a restart found is neither the old nor the new."""


class Keeper(Protocol):
    """A program's way of keeping one number, in several parts that belong together."""

    def __init__(self, folder: str) -> None: ...

    def load(self) -> int | None:
        """Give the number that is kept; None when there is none."""
        ...

    def save(self, number: int) -> None:
        """Keep this number; it is safe when this returns."""
        ...

    def close(self) -> None:
        """Let another process keep numbers here."""
        ...


@cache
def _noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def noise(number: int, size: int) -> bytes:
    """Give bytes that do not get shorter by compression, others for each number."""
    # Drawn once, in the process that forks the programs: to draw them takes longer than to save them.
    return _noise(size).translate(bytes((each + number) % 256 for each in range(256)))


def parts(number: int) -> dict[str, object]:
    """Give the slots that stand for a number: plain, pickled, large, unchanging, and large and unchanging."""
    return {
        "plain": {"number": number, "more": [number] * 3},
        "pickled": (number, {number: "a tuple and an int key are not plain"}),
        "large": number.to_bytes(8, "big") * (SIZE // 8),
        "text": f"{number:08d}" * (SIZE // 8),
        "same": "never changes",
        "large and same": b"also never" * (SIZE // 10),
    }


def whole(found: dict[str, object], parts: Callable[[int], dict[str, object]]) -> int | None:
    """Give the number that these slots stand for, if they all stand for the same one."""
    if all(value is None for value in found.values()):
        return None
    plain = found["plain"]
    number = plain.get("number") if isinstance(plain, dict) else None
    if not isinstance(number, int) or found != parts(number):
        shown = {name: repr(value)[:40] for name, value in found.items()}
        message = f"neither the old nor the new: {shown}"
        raise MixtureError(message)
    return number


class Group:
    """The program keeps its number in a `StateManagerGroup`."""

    beside: ClassVar[bool] = False
    keep: ClassVar[int] = 3
    encryption_key: ClassVar[bytes | None] = None

    def __init__(self, folder: str) -> None:
        from lattice_addons import Settings, StateManagerGroup

        root = os.path.join(folder, "store")
        settings = Settings(root=root, job_id="job", signals=(), atexit_saving=False, keep=self.keep)
        settings = replace(settings, encryption_key=self.encryption_key)
        self.group: StateManagerGroup = StateManagerGroup(settings)
        for name in self.names():
            self.group.register(name)
        if not self.beside:
            # A thread would tidy up at another call each time.
            self._tidier().stop(60)
            self._tidier().soon = lambda: None  # type: ignore[method-assign]

    def _tidier(self) -> Tidier:
        line = self.group._session.stored._line
        assert line is not None
        return line.tidier

    @classmethod
    def parts(cls, number: int) -> dict[str, object]:
        """Give the slots that stand for a number."""
        return parts(number)

    @classmethod
    @cache
    def names(cls) -> tuple[str, ...]:
        """Give the slots' names."""
        return tuple(cls.parts(0))

    def load(self) -> int | None:
        """Read every slot."""
        return whole({name: self.group.get(name) for name in self.names()}, self.parts)

    def save(self, number: int) -> None:
        """Update every slot, and save."""
        for name, value in self.parts(number).items():
            self.group.update(name, value)
        self.write()

    def write(self) -> None:
        """Save; all is safe when this returns. Then tidy up, as the thread does."""
        self.group.save()
        if not self.beside:
            self._tidier().now()

    def close(self) -> None:
        """End the group's hold on the job."""
        self.group.close()


class Rewriting(Group):
    """Each save leaves a pack that is mostly dead after the next, so that what lives in it is moved."""

    keep = 1

    @classmethod
    def parts(cls, number: int) -> dict[str, object]:
        """Give what changes at each save, and what changes at every other."""
        dead = noise(number, 600_000)
        turns = {f"turn {turn}": b"%d" % (number - (number - turn) % 2) * (SIZE // 2) for turn in range(2)}
        return parts(number) | turns | {"dead": dead}


class Beside(Rewriting):
    """Tidied up by the thread, while the saves go on."""

    beside = True

    def __init__(self, folder: str) -> None:
        from lattice_addons.checkpoint import _tidy

        # It would not begin before most of these programs are killed.
        _tidy._PAUSE = 0.001
        super().__init__(folder)


class Large(Group):
    """Beside the small parts there are some that take several blocks: threads write them, directly to the disk."""

    @classmethod
    def parts(cls, number: int) -> dict[str, object]:
        """Give bytes that do not get shorter by compression, and some that do."""
        several = {f"several {n}": bytearray(noise(number, 400_000 + n)) for n in range(3)}
        # A block and a part of one, and what does not stay that large.
        large = {
            "blocks": bytearray(noise(number, 5 << 20)),
            "text": bytearray(b"%08d" % number * (1 << 18)),
        }
        return parts(number) | large | several


class InTheBackground(Large):
    """What is saved was copied before."""

    def write(self) -> None:
        """Save while the program could go on."""
        self.group.async_save().result()


class Streamed(Group):
    """A pickle that is not held goes into the pack while it is made, and all is encrypted."""

    encryption_key = b"of 32 bytes, and for tests alone"

    def __init__(self, folder: str) -> None:
        from lattice_addons.state import _snapshot

        # What is held otherwise would take too long to write, hundreds of times.
        _snapshot._HELD = 0
        super().__init__(folder)

    @classmethod
    def parts(cls, number: int) -> dict[str, object]:
        """Give a value of many parts, some of which are in the checkpoint before."""
        value = {n: noise(number // 2, 40_000 + n) for n in range(40)}
        return parts(number) | {"streamed": value | {"last": (number,)}}


GROUPS: dict[str, Callable[[str], Keeper]] = {
    "group": Group,
    "large": Large,
    "in the background": InTheBackground,
    "rewriting": Rewriting,
    "beside": Beside,
    "streamed": Streamed,
}
