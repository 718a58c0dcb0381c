"""What a saving program keeps its number with: our group, and stand-ins that break one rule each."""

from __future__ import annotations

import contextlib
import os
import random
from typing import TYPE_CHECKING, ClassVar, Protocol

from lattice_addons.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lattice_addons import StateManagerGroup
    from lattice_addons.checkpoint._tidy import Tidier

__all__ = ["KEEPERS", "Keeper", "MixtureError", "parts", "whole"]

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

    def __init__(self, folder: str) -> None:
        from lattice_addons import Settings, StateManagerGroup

        root = os.path.join(folder, "store")
        settings = Settings(root=root, job_id="job", signals=(), atexit_saving=False, keep=self.keep)
        self.group: StateManagerGroup = StateManagerGroup(settings)
        for name in self.parts(0):
            self.group.register(name)
        if not self.beside:
            # A thread would tidy up at another call each time.
            self._tidier().stop(60)
            self._tidier().soon = lambda: None  # type: ignore[method-assign]

    def _tidier(self) -> Tidier:
        line = self.group._session.stored._line
        assert line is not None
        return line.tidier

    def parts(self, number: int) -> dict[str, object]:
        """Give the slots that stand for a number."""
        return parts(number)

    def load(self) -> int | None:
        """Read every slot."""
        return whole({name: self.group.get(name) for name in self.parts(0)}, self.parts)

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

    def parts(self, number: int) -> dict[str, object]:
        """Give what changes at each save, and what changes at every other."""
        dead = random.Random(number).randbytes(600_000)
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

    def parts(self, number: int) -> dict[str, object]:
        """Give bytes that do not get shorter by compression, and some that do."""
        chance = random.Random(number)
        several = {f"several {n}": bytearray(chance.randbytes(400_000)) for n in range(3)}
        large = {
            "blocks": bytearray(chance.randbytes(9 << 20)),
            "text": bytearray(b"%d" % number * (1 << 20)),
        }
        return parts(number) | large | several


class InTheBackground(Large):
    """What is saved was copied before."""

    def write(self) -> None:
        """Save while the program could go on."""
        self.group.async_save().result()


class SafeFile:
    """One file, replaced by temporary file, fsync, rename, fsync of the folder: what holds everywhere."""

    syncs_file: ClassVar[bool] = True
    syncs_folder: ClassVar[bool] = True
    in_place: ClassVar[bool] = False
    keeps_on: ClassVar[bool] = True

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.path = os.path.join(folder, "number")

    def load(self) -> int | None:
        """Read the file."""
        try:
            with self._told(), open(self.path, "rb", buffering=0) as file:
                text = file.readall()
        except FileNotFoundError:
            return None
        number = int.from_bytes(text[:8], "big")
        if text != self._text(number):
            message = f"neither the old nor the new: {len(text)} bytes"
            raise MixtureError(message)
        return number

    def save(self, number: int) -> None:
        """Replace the file."""
        with self._told():
            path = self.path if self.in_place else self.path + ".tmp"
            with open(path, "wb", buffering=0) as file:
                self._write(file.fileno(), self._text(number))
                if self.syncs_file:
                    os.fsync(file)
            if not self.in_place:
                os.rename(path, self.path)
            if self.syncs_folder:
                self._sync_folder()

    def close(self) -> None:
        """Nothing is held."""

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise StoreError(f"{self.path}: {error}", url=self.path) from error

    def _sync_folder(self) -> None:
        folder = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _text(self, number: int) -> bytes:
        return number.to_bytes(8, "big") * (SIZE // 8)

    def _write(self, file: int, text: bytes) -> None:
        while text:
            done = os.write(file, text)
            text = text[done:] if self.keeps_on else b""


class InPlace(SafeFile):
    """Writes over the only copy."""

    in_place = True


class NoSync(SafeFile):
    """Renames what is not on the disk yet."""

    syncs_file = False
    syncs_folder = False


class NoFolderSync(SafeFile):
    """Takes a rename for durable."""

    syncs_folder = False


class TakesShortForWhole(SafeFile):
    """Does not look how much was written."""

    keeps_on = False


class HidesErrors(SafeFile):
    """Takes a save that failed for one that succeeded."""

    def save(self, number: int) -> None:
        """Replace the file, or not."""
        with contextlib.suppress(OSError):
            super().save(number)


class RaisesRawErrors(SafeFile):
    """Lets the system's errors through."""

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        yield


class LeavesTemporary(SafeFile):
    """Is stopped for good by the temporary file of a save that did not end."""

    def save(self, number: int) -> None:
        """Replace the file, if there is no temporary."""
        os.close(os.open(self.path + ".tmp", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        super().save(number)


KEEPERS: dict[str, Callable[[str], Keeper]] = {
    "group": Group,
    "large": Large,
    "in the background": InTheBackground,
    "rewriting": Rewriting,
    "beside": Beside,
    "safe": SafeFile,
    "in place": InPlace,
    "no sync": NoSync,
    "no folder sync": NoFolderSync,
    "takes short for whole": TakesShortForWhole,
    "hides errors": HidesErrors,
    "raises raw errors": RaisesRawErrors,
    "leaves temporary": LeavesTemporary,
}
